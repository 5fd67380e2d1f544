"""What befalls the machine and the files of a daemon: a journal lost or restored, a second daemon, its clock, its disk.

Each disaster begins, lasts for a while, and is over before the next one begins. Files change hands between two lives.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from journal import JOURNAL_FILE
from journal.errors import JournalError, JournalLocked
from journal.reader import copy_to
from journal.records import Order
from sandbox.faults.plan_file import find_plan, ready_plans
from simulation.hosts import Host
from trader.admission import come_up
from trader.daemon import build, serve
from trader.repair import recover
from trader.requests import ask
from worlds.judges.books import Books
from worlds.judges.endings import wrong_end
from worlds.judges.two_daemons import STANDING
from worlds.plan import daemon_config

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Config
    from worlds.aim import Aim
    from worlds.machine import Machine
    from worlds.person import Person
    from worlds.stage import Stage

AN_HOUR = 2.0
AIMED = 0.5
"""Share of disasters that come with an order."""
OTHER_ADDRESS = "10.0.0.3"
PLAYED_BY_THE_PERSON = frozenset({"money-moves", "other-hand"})
JUMPS_S = (3.0, 8.0, 30.0, 600.0, 7200.0)


class Disasters:
    """Lets the disasters of a plan happen to a world."""

    def __init__(self, stage: Stage, aim: Aim, machine: Machine, person: Person) -> None:
        self._stage = stage
        self._aim = aim
        self._machine = machine
        self._person = person
        self._rng = random.Random(f"{stage.plan.seed} disasters")
        self._backup: Path | None = None
        self._number = 0
        self._other: tuple[Host, Books] | None = None

    # -- a life

    async def live(self) -> None:
        """Let one after the other happen, until cancelled."""
        while self._stage.plan.disasters:
            await asyncio.sleep(self._rng.expovariate(AN_HOUR / 3600))
            if self._rng.random() < AIMED:
                await self._aim.order_comes(self._rng)
            await getattr(self, self._rng.choice(self._stage.plan.disasters))()

    def calm(self) -> None:
        """End whatever lasts. After a disk that failed, a person starts the daemon again."""
        if self._stage.disk.failing:
            self._machine.kill("kill")
        self._stage.disk.heal()
        self._set_clock(timedelta(0))
        self._end_other()

    # -- the journal between two lives

    async def lost_journal(self) -> None:
        """The journal is gone when the daemon starts again: rebuilt by `recover` as the documents say, or not."""
        kind = self._rng.choice(("recovered", "recovered", "forgotten"))
        self._machine.chores.append(lambda: self.exchange_files(kind))
        self._machine.kill("kill")

    async def old_copy(self) -> None:
        """Make a copy as `backup` does; some time later it takes the place of the journal."""
        self._backup = self._backup or self._copy()
        await asyncio.sleep(self._rng.uniform(10, 1200))
        if self._backup is not None:
            self._machine.chores.append(lambda: self.exchange_files("restored"))
            self._machine.kill("kill")

    def _copy(self) -> Path | None:
        self._number += 1
        target = self._stage.folder / f"backup{self._number}.sqlite3"
        try:
            copy_to(self._machine.folder() / JOURNAL_FILE, target)
        except JournalError:
            return None
        return target

    async def exchange_files(self, kind: str) -> None:
        """Take the journal of the next start away, or put the old copy in its place; recover it when that is meant."""
        stage = self._stage
        if stage.checker.books is not None:
            stage.checker.forget(stage.checker.books, [identifier for identifier, _ in stage.checker.books.live()])
        stage.befall("journal_" + kind)
        folder = self._machine.folder()
        for path in folder.glob(JOURNAL_FILE + "*"):
            path.unlink()
        if kind == "restored" and self._backup is not None:
            self._backup.rename(folder / JOURNAL_FILE)
            self._backup = None
        elif kind == "recovered":
            rebuilt = await self._machine.in_shell(lambda: recover(self._machine.config(), None, self._machine.clock))
            stage.story.tell("person", "recovered", orders=rebuilt.orders, held=len(rebuilt.held))
            await asyncio.sleep(2)  # it takes a person longer than a second to start the daemon then
        stage.checker.side.forget()

    # -- a second daemon

    async def second_here(self) -> None:
        """Start another daemon on the same folder: it is refused for that reason, and the first goes on."""
        stage = self._stage
        host = self._machine.host
        if host is None or not host.alive or self._machine.app is None:
            return
        stage.befall("second_here")
        try:
            await stage.loop.start(Host("second", self._machine.address), self._try(self._machine.config()))
        except JournalLocked:
            return
        except JournalError as error:
            refused = type(error).__name__
        else:
            refused = "nothing"
        stage.story.breach("F3 a second daemon on one folder is not refused", refused=refused)

    async def _try(self, config: Config) -> None:
        async with build(config, self._machine.clock, asyncio.Event()):
            pass

    async def other_machine(self) -> None:
        """Let another daemon with the same keys trade from another machine, with a journal of its own, for a while."""
        stage = self._stage
        self._number += 1
        folder = stage.folder / f"other{self._number}"
        folder.mkdir(mode=0o700)
        (folder / JOURNAL_FILE).touch(mode=0o600)
        host, books = Host(f"other{self._number}", OTHER_ADDRESS), Books(folder / JOURNAL_FILE)
        self._other = host, books
        stage.checker.comes_beside(books)
        stage.befall("other_machine")
        config = daemon_config(stage.plan, url=stage.url, webhook=stage.webhook, folder=folder)
        stage.loop.start(host, self._run(config, asyncio.Event())).add_done_callback(self._other_ended)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rng.uniform(300, 1500)):
                await self._resume_there(folder, books)
        self._end_other()

    async def _resume_there(self, folder: Path, books: Books) -> None:
        """Let its person, who knows of no other, resume the other daemon again and again: so both of them trade."""
        while True:
            await asyncio.sleep(self._rng.uniform(20, 200))
            if books.rows(STANDING):
                self._stage.story.tell("person", "resumes the other")
                ask(folder, Order.RESUME)

    async def _run(self, config: Config, stop: asyncio.Event) -> None:
        async with build(config, self._stage.clock, stop) as app:
            if await come_up(app):
                await serve(app)

    def _other_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._stage.story.tell("world", "other daemon ended", error=repr(error))
        excuses = self._stage.excuses() | {"disk_refuses": False}  # which is the first one's
        wrong = wrong_end(error, told=task.cancelled(), trading=False, excuses=excuses)
        if wrong is not None:
            self._stage.story.breach(f"I22 the other daemon {wrong}", error=repr(error))

    def _end_other(self) -> None:
        if self._other is None:
            return
        (host, books), self._other = self._other, None
        self._stage.loop.kill(host)
        self._stage.checker.leaves(books)
        self._stage.story.tell("world", "other daemon gone")

    # -- the clock and the disk

    async def clock_jumps(self) -> None:
        """Set the clock of the daemon's machine wrong, by seconds to hours, and right again later."""
        for _ in range(self._rng.choice((1, 1, 2))):
            seconds = self._rng.choice((-1, 1)) * self._rng.choice(JUMPS_S) * self._rng.uniform(0.5, 1.0)
            self._stage.befall("clock_" + ("ahead" if seconds > 0 else "behind"), seconds=round(seconds, 1))
            self._set_clock(timedelta(seconds=seconds))
            await asyncio.sleep(self._rng.choice((20.0, 900.0)) * self._rng.random())
        self._stage.befall("clock_set")
        self._set_clock(timedelta(0))

    def _set_clock(self, offset: timedelta) -> None:
        self._machine.clock.offset = offset

    async def fault_plan(self) -> None:
        """Let one of the sandbox's ready plans happen besides, for a while."""
        stage = self._stage
        some = stage.plan.fault_plans or [name for name in ready_plans() if name not in PLAYED_BY_THE_PERSON]
        name = self._rng.choice(some)
        stage.befall("fault_plan", plan=name)
        stage.box.begin_plan(find_plan(name))
        self._person.stand_before(stage.box.exchange)
        await asyncio.sleep(self._rng.uniform(600, 1500))
        stage.box.end_plan()
        stage.story.tell("world", "fault plan over", plan=name)

    async def disk_full(self) -> None:
        """Leave no room on the daemon's disk for a while."""
        self._stage.befall("disk_full")
        self._stage.disk.full = True
        await asyncio.sleep(self._rng.uniform(30, 900))
        self._stage.disk.heal()
        self._stage.story.tell("world", "disk has room", refused=self._stage.disk.refused)

    async def disk_fails(self) -> None:
        """Let the daemon's disk fail; later a person mends it, and starts the daemon again."""
        self._stage.befall("disk_fails")
        self._stage.disk.failing = True
        await asyncio.sleep(self._rng.uniform(30, 300))
        self._stage.disk.heal()
        self._machine.kill("kill")
