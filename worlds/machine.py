"""The machine the daemon lives on: its files, its clock, its place in the network, and one life after the other.

A life ends as a SIGKILL, a loss of power or a SIGTERM ends it; the next generation starts on a copy of its files, as an
init system would start it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from journal import JOURNAL_FILE
from journal.store import RESERVE
from simulation.disk import inherit, lose_power
from simulation.hosts import Host
from trader.admission import come_up
from trader.daemon import Work, build, serve
from upbit.errors import ExchangeError
from worlds.disk import OnDisk
from worlds.judges.books import Books
from worlds.judges.endings import wrong_end
from worlds.judges.log_listener import describe
from worlds.plan import daemon_config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    from config.settings import Config
    from trader.app import App
    from worlds.stage import Stage

T = TypeVar("T")
ON_DISK = {"disk_full", "disk_fails"}
"""Disasters for which the disk must stand between the journal and its file."""

ADDRESS = "10.0.0.2"
TRADING_WITHIN_S = 10.0


class HostClock:
    """The clock of the daemon's machine: off by `offset`, and set again at any time."""

    def __init__(self, true: Callable[[], datetime]) -> None:
        self.offset = timedelta(0)
        self._true = true

    def __call__(self) -> datetime:
        """Return the time of day as that machine has it, UTC."""
        return self._true() + self.offset


class Machine:
    """Keeps a daemon running while one is `wanted`."""

    address = ADDRESS

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.clock = HostClock(stage.clock)
        self.chores: list[Callable[[], Awaitable[None]]] = []  # what a person does to the files before the next start
        self.host: Host | None = None
        self.app: App | None = None
        self.generation = 0
        self.kills = 0
        self.wanted = True
        self.stop = asyncio.Event()  # asks the current daemon to
        self._told_to_stop = False  # the current daemon, by somebody else than itself
        self.over = asyncio.Event()  # of the current daemon
        self.trading_since: float | None = None
        self.cut_until = 0.0
        self._read: list[Books] = []
        self.beside: list[Work] = []  # what else runs beside a daemon: its page

    def folder(self, generation: int | None = None) -> Path:
        """Return the data folder of a generation of the daemon, the current one unless it is said."""
        return self._stage.folder / f"data{generation or self.generation}"

    def config(self) -> Config:
        """Return the settings of the daemon."""
        stage = self._stage
        return daemon_config(stage.plan, url=stage.url, webhook=stage.webhook, folder=self.folder())

    # -- one life after the other

    async def live(self) -> None:
        """Keep a daemon running while one is wanted, as an init system does."""
        while self.wanted:
            self.inherit()
            while self.chores:
                await self.chores.pop(0)()
            self.start()
            await self.over.wait()
            self.app = None
            if self.wanted:
                await asyncio.sleep(self._stage.rng.uniform(0.5, 20.0) if self._stage.stormy else 1.0)

    def inherit(self) -> None:
        """Give the next generation the files of the one before."""
        self.generation += 1
        if self.generation > 1:
            inherit(self.folder(self.generation - 1), self.folder(), never_written=(RESERVE,))
        else:
            self.folder().mkdir(mode=0o700, parents=True)

    def start(self) -> None:
        """Start the next generation on its files."""
        self.over = asyncio.Event()
        self.trading_since = None
        self._told_to_stop = False
        self.host = Host(f"bot{self.generation}", self.address)
        self.host.cut_until = self.cut_until
        self._stage.story.tell("world", "daemon starts", generation=self.generation)
        self.open_books()
        task = self._stage.loop.start(self.host, self._daemon(self._stage.loop.time()))
        task.add_done_callback(self._ended)

    def open_books(self) -> None:
        """Read the journal that lies in the folder now."""
        checker = self._stage.checker
        if checker.books is not None:
            self._read.append(checker.books)  # not closed: a forked process must not touch the other's files
        path = self.folder() / JOURNAL_FILE
        path.touch(mode=0o600)
        checker.books = Books(path)

    async def _daemon(self, began: float) -> None:
        stage = self._stage
        at_peace = not stage.stormy and not stage.box.lies and not stage.box.rates.error and began >= self.cut_until
        self.stop = asyncio.Event()
        async with build(self.config(), self.clock, self.stop) as app:
            self.app = app
            if ON_DISK & {*stage.plan.disasters}:
                app.journal._db = OnDisk(app.journal._db, stage.disk, app.config.data_dir)  # type: ignore[assignment]  # noqa: SLF001 - it is the disk's

            async def started(app: App) -> None:
                while not app.comparison.finished:  # nothing is bought before  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.05)
                self._trades(stage.loop.time() - began, at_peace=at_peace)

            if await come_up(app):
                await serve(app, beside=[started, *self.beside])

    def _trades(self, took: float, *, at_peace: bool) -> None:
        """Take notice that the daemon trades; when nothing went wrong from its start on that must not take long."""
        stage = self._stage
        self.trading_since = stage.loop.time()
        stage.story.tell("world", "trading", after_s=round(took, 3))
        if at_peace:
            stage.worst["restart_s"] = max(took, stage.worst.get("restart_s", 0.0))
            if took > TRADING_WITHIN_S:
                stage.story.breach("I19 trading too late after a restart", seconds=round(took, 3))

    def _ended(self, task: asyncio.Task[None]) -> None:
        stage = self._stage
        error = None if task.cancelled() else task.exception()
        stage.story.tell("world", "daemon ended", error=describe(error))
        if error is not None:
            stage.story.counts["daemon_ended_itself"] += 1
        told = task.cancelled() or self._told_to_stop or not self.wanted
        wrong = wrong_end(error, told=told, trading=self.trading_since is not None, excuses=stage.excuses())
        if wrong is not None:
            stage.story.breach(f"I22 the daemon {wrong}", error=describe(error))
        self.over.set()

    # -- what befalls it

    def kill(self, how: str = "kill") -> None:
        """End the daemon as SIGKILL does, or as a loss of power does, or ask it to stop."""
        stage = self._stage
        if self.host is None or not self.host.alive or self.over.is_set():
            return
        stage.count(how)
        stage.story.tell("world", how, turns=self.host.turns)
        if how == "stop":
            self._told_to_stop = True
            self.stop.set()
            return
        self.kills += 1
        stage.loop.kill(self.host, silent=how == "power_loss")
        if how == "power_loss":
            lose_power(self.folder(), stage.rng)
        self.over.set()

    def cut_off(self, seconds: float) -> None:
        """Let nothing pass between this machine and the network for a while."""
        self.cut_until = self._stage.loop.time() + seconds
        if self.host is not None:
            self.host.cut_until = self.cut_until

    async def shut_down(self, life: asyncio.Task[None]) -> None:
        """Stop the daemon as SIGTERM does, for good."""
        self.wanted = False
        self.stop.set()
        await life

    # -- who works on it

    async def in_shell(self, command: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a command on this machine until the exchange answers it, as a person would."""
        while True:
            host = Host("shell", self.address)
            host.cut_until = self.cut_until
            try:
                return await self._stage.loop.start(host, command())
            except ExchangeError as error:
                self._stage.story.tell("person", "command failed", error=type(error).__name__)
                await asyncio.sleep(60)
