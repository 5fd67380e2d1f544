"""One world: the unmodified sandbox and the unmodified daemon on one simulated loop, with faults, kills and a person.

A world goes through three times: the storm, in which everything may fail; the calm, after which nothing may be in
doubt; and the rest, when the leader falls, everything is sold, and both books must be equal.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import time
from contextlib import ExitStack, chdir, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from cli.daemon import JOURNAL_FILE, build, serve
from journal.errors import JournalError
from journal.store import RESERVE
from sandbox.faults.plan import Plan as FaultPlan
from sandbox.server import Opened, SandboxOptions
from simulation.disk import inherit, lose_power
from simulation.loop import LoopClock
from simulation.network import Network
from simulation.virtual import Host, VirtualLoop, owned_libraries, run
from simulation.weather import Storm, draw_rates
from upbit.errors import ExchangeError
from worlds.checker import Books, Checker
from worlds.disasters import OTHER_ADDRESS, Disasters, HostClock
from worlds.disk import OnDisk
from worlds.ear import Ear, describe, leaves
from worlds.lies import LyingBox, draw_lies
from worlds.person import Person
from worlds.plan import ACCESS_KEY, SECRET_KEY, UNHURRIED, Outcome, Plan, daemon_config
from worlds.seesaw import Seesaw
from worlds.story import Story

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from config.settings import Config
    from sandbox.call import Call
    from trader.app import App

T = TypeVar("T")

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
KRW = Decimal(1_000_000)
EXCHANGE_URL, DISCORD_URL = "https://exchange.test", "https://discord.test"
EXCHANGE_ADDRESS, BOT_ADDRESS = "10.0.0.1", "10.0.0.2"
HOOK = "/api/webhooks/1/world"
NO_FAULTS = FaultPlan(description="nothing yet", rules=())
CALM_S = 240.0
"""Between the end of the faults and the question whether anything is still in doubt."""
RESOLVED_WITHIN_S = 60.0
TRADING_WITHIN_S = 10.0
REST_S = 900.0
"""The leader falls: so long may it take until everything is sold."""
AIMED = 0.8
"""Share of kills that come within `AIM_S` of an order."""
AIM_S = 0.4
MOST_AIMING_S = 600.0
OPEN_TRADES = "SELECT id, phase FROM trade WHERE phase IN ('entering', 'holding', 'leaving')"


class World:
    """Everything of one seed. `run_world` takes it from its first moment to its verdict."""

    url, webhook, address = EXCHANGE_URL, DISCORD_URL + HOOK, BOT_ADDRESS

    def __init__(self, plan: Plan, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.folder = folder
        self.rng = random.Random(f"{plan.seed} world")
        self.clock = LoopClock(START, loop)
        self.story = Story(self.clock)
        weather_rng = random.Random(f"{plan.seed} weather")
        self.weather = Storm(weather_rng, draw_rates(weather_rng, plan.harshness))
        self.network = Network(loop, self.weather)
        self.network.on_fault = self._on_fault
        self.network.names |= dict.fromkeys(("exchange.test", "discord.test"), EXCHANGE_ADDRESS)
        self.source = Seesaw(plan.seed, plan.markets, int(START.timestamp() * 1000))
        lies_rng = random.Random(f"{plan.seed} lies")
        self.box = LyingBox(
            SandboxOptions(
                seed=plan.seed,
                krw=KRW,
                access_key=ACCESS_KEY,
                secret_key=SECRET_KEY,
                host=EXCHANGE_ADDRESS,
                port=443,
                faults=NO_FAULTS if "fault_plan" in plan.disasters else None,
            ),
            self.clock,
            Opened(self.source, START),
            rng=lies_rng,
            story=self.story,
            on_lie=self._on_lie,
        )
        self.box.rates = draw_lies(lies_rng, plan.harshness)
        self.box.on_post = self._on_post
        caps = {"order_krw": plan.order_krw, "max_open_trades": plan.max_open_trades, "unit": plan.unit}
        self.checker = Checker(self.box.exchange, self.story, caps=caps)
        self.box.on_message = self.checker.on_message
        self.host_clock = HostClock(self.clock)
        self.person = Person(self)
        self.disasters = Disasters(self)
        self.chores: list[Callable[[], Awaitable[None]]] = []  # what a person does to the files before the next start
        self.host: Host | None = None
        self.app: App | None = None
        self.generation = 0
        self.kills = 0
        self.stormy = True
        self.wanted = True  # a daemon should run
        self.over = asyncio.Event()  # of the current daemon
        self.trading_since: float | None = None
        self.aim: Callable[[], None] | None = None
        self.posted = asyncio.Event()  # an order has arrived at the exchange
        self.worst: dict[str, float] = {}
        self._read: list[Books] = []

    # -- what the exchange tells

    def befall(self, kind: str, **facts: object) -> None:
        """Tell and count what befalls this world."""
        self._on_fault(kind)
        self.story.tell("world", kind, **facts)

    def _on_fault(self, kind: str) -> None:
        self.story.counts[kind] += 1
        self.story.seen[kind, self._state_of(None)] += 1

    async def in_shell(self, command: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a command on the daemon's machine until the exchange answers it, as a person would."""
        while True:
            host = Host("shell", self.address)
            host.cut_until = self.cut_until
            try:
                return await self.loop.start(host, command())
            except ExchangeError as error:
                self.story.tell("person", "command failed", error=type(error).__name__)
                await asyncio.sleep(60)

    def _on_lie(self, kind: str, identifier: str | None) -> None:
        self.story.seen[kind, self._state_of(identifier)] += 1

    async def order_comes(self, rng: random.Random) -> None:
        """Wait for the next order, a while at most, and a moment longer: what happens now happens to it."""
        self.posted.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_AIMING_S):
                await self.posted.wait()
        await asyncio.sleep(AIM_S * rng.random() ** 3)

    def _on_post(self, call: Call) -> None:
        self.posted.set()
        if self.aim is not None:
            aim, self.aim = self.aim, None
            self.loop.call_later(AIM_S * self.rng.random() ** 3, aim)
        self.checker.on_post(dict(call.json), elsewhere=call.ip == OTHER_ADDRESS)

    def _state_of(self, identifier: str | None) -> str:
        books = self.checker.books
        if books is None:
            return "none"
        if identifier is not None:
            return books.state(identifier) or "none"
        states = {state for _, state in books.live()}
        return next((state for state in ("SENT", "UNKNOWN", "ACCEPTED", "PLANNED") if state in states), "none")

    # -- the daemon

    def data_dir(self, generation: int) -> Path:
        """Return the folder of a generation of the daemon."""
        return self.folder / f"data{generation}"

    def config(self) -> Config:
        """Return the settings of the daemon."""
        folder = self.data_dir(self.generation)
        return daemon_config(self.plan, url=self.url, webhook=self.webhook, folder=folder)

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
                await asyncio.sleep(self.rng.uniform(0.5, 20.0) if self.stormy else 1.0)

    def inherit(self) -> None:
        """Give the next generation the files of the one before."""
        self.generation += 1
        if self.generation > 1:
            inherit(self.data_dir(self.generation - 1), self.data_dir(self.generation), never_written=(RESERVE,))
        else:
            self.data_dir(1).mkdir(mode=0o700, parents=True)

    def start(self) -> None:
        """Start the next generation on its files."""
        self.over = asyncio.Event()
        self.trading_since = None
        self.host = Host(f"bot{self.generation}", BOT_ADDRESS)
        self.host.cut_until = self.cut_until
        self.story.tell("world", "daemon starts", generation=self.generation)
        self._open_books()
        task = self.loop.start(self.host, self._daemon(self.loop.time()))
        task.add_done_callback(self._ended)

    cut_until = 0.0

    def _open_books(self) -> None:
        if self.checker.books is not None:
            self._read.append(self.checker.books)  # not closed: a forked process must not touch the other's files
        path = self.data_dir(self.generation) / JOURNAL_FILE
        path.touch(mode=0o600)
        self.checker.books = Books(path)

    async def _daemon(self, began: float) -> None:
        self.stop = asyncio.Event()
        async with build(self.config(), self.host_clock, self.stop) as app:
            self.app = app
            if self.plan.disasters:
                app.journal._db = OnDisk(app.journal._db, self.disasters.disk, app.config.data_dir)  # type: ignore[assignment]  # noqa: SLF001 - it is the disk's

            async def started(app: App) -> None:
                while not app.reconciled:  # nothing is bought before  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0.05)
                self.trading_since = self.loop.time()
                took = self.trading_since - began
                self.story.tell("world", "trading", after_s=round(took, 3))
                if not self.stormy and not self.box.rates.error:
                    self.worst["restart_s"] = max(took, self.worst.get("restart_s", 0.0))
                    if took > TRADING_WITHIN_S:
                        self.story.breach("I19 trading too late after a restart", seconds=round(took, 3))

            await serve(app, beside=started)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.story.tell("world", "daemon ended", error=describe(error))
        if error is not None:
            self.story.counts["daemon_ended_itself"] += 1
            kinds = (AssertionError, JournalError) if self.trading_since is not None else AssertionError
            if any(isinstance(one, kinds) for one in leaves(error)) or not self.stormy:
                self.story.breach("the daemon gave up", error=describe(error))
        self.over.set()

    def kill(self, how: str = "kill") -> None:
        """End the daemon as SIGKILL does, or as a loss of power does, or ask it to stop."""
        if self.host is None or not self.host.alive or self.over.is_set():
            return
        self._on_fault(how)
        self.story.tell("world", how, turns=self.host.turns)
        if how == "stop":
            self.stop.set()
            return
        self.kills += 1
        self.loop.kill(self.host, silent=how == "power_loss")
        if how == "power_loss":
            lose_power(self.data_dir(self.generation), self.rng)
        self.over.set()

    # -- the script

    async def kill_now_and_then(self) -> None:
        """Kill the daemon, most often when an order is under way."""
        while self.plan.kills_an_hour:
            await asyncio.sleep(self.rng.expovariate(self.plan.kills_an_hour / 3600))
            how = self.rng.choice(("kill", "kill", "kill", "power_loss", "stop"))
            if self.rng.random() < AIMED:
                self.aim = lambda how=how: self.kill(how) if self.stormy else None
            else:
                self.kill(how)

    async def cut_now_and_then(self) -> None:
        """Cut the daemon off the network for seconds to minutes."""
        while self.plan.harshness:
            await asyncio.sleep(self.rng.expovariate(2 * self.plan.harshness / 3600))
            seconds = self.rng.uniform(5.0, 240.0)
            self._on_fault("partition")
            self.story.tell("world", "partition", seconds=round(seconds, 1))
            self.cut_until = self.loop.time() + seconds
            if self.host is not None:
                self.host.cut_until = self.cut_until

    async def open(self) -> asyncio.Task[None]:
        """Open the exchange and keep a daemon running; return the task that does."""
        await self.loop.start(Host("exchange", EXCHANGE_ADDRESS), self.box.__aenter__())
        return self.loop.create_task(self.live())

    async def main(self) -> Outcome:
        """Live through all three times and judge."""
        began = time.perf_counter()
        life = await self.open()
        stormy = (self.kill_now_and_then, self.cut_now_and_then, self.person.live, self.disasters.live)
        storm = [self.loop.create_task(step()) for step in stormy]
        always = [self.loop.create_task(step()) for step in (self.person.attend, self.sweep)]
        await asyncio.sleep(self.plan.hours * 3600)
        for task in storm:
            task.cancel()
        await self.calm_down()
        await self.come_to_rest(life)
        for task in always:
            task.cancel()
        hours = self.loop.time() / 3600
        self._tell_journal()
        self.judge()
        return Outcome(
            seed=self.plan.seed,
            hours=hours,
            orders=self.checker.orders,
            fills=self.checker.fills,
            kills=self.kills,
            counts=self.story.counts,
            seen={"/".join(key): count for key, count in self.story.seen.items()},
            broken=self.story.broken,
            digest=self.story.digest(),
            wall_s=time.perf_counter() - began,
            worst=self.worst,
        )

    async def sweep(self) -> None:
        """Collect garbage by the simulated clock: when it happens otherwise depends on the machine."""
        while True:
            await asyncio.sleep(1800)
            gc.collect()

    async def calm_down(self) -> None:
        """End all faults, restart once, and see that nothing stays in doubt and trading goes on."""
        self.stormy = False
        self.aim = None
        self.weather.calm()
        self.box.calm()
        self.person.calm()
        self.disasters.calm()
        self.story.tell("world", "calm")
        await asyncio.sleep(max(0.0, self.cut_until - self.loop.time()))
        await self._until_trading()
        await self._resolved()
        self.kill("kill")
        await asyncio.sleep(CALM_S)
        await self.person.take_and_watch()

    async def _until_trading(self) -> None:
        began = self.loop.time()
        while self.trading_since is None and self.loop.time() - began < 120:  # noqa: ASYNC110, PLR2004
            await asyncio.sleep(0.5)
        if self.trading_since is None:
            self.story.breach("I19 no trading after the faults ended")

    async def _resolved(self) -> None:
        """I19: whatever was in doubt when the faults ended is resolved within `RESOLVED_WITHIN_S`."""
        assert self.checker.books is not None
        doubtful = {identifier for identifier, state in self.checker.books.live() if state in {"UNKNOWN", "SENT"}}
        doubtful -= set(self.person.lost())  # of these only a person can say that they never were
        began = self.loop.time()
        while doubtful and self.loop.time() - began < RESOLVED_WITHIN_S:
            await asyncio.sleep(0.5)
            doubtful = {one for one in doubtful if self.checker.books.state(one) in {"UNKNOWN", "SENT"}}
        self.worst["resolve_s"] = self.loop.time() - began
        for identifier in sorted(doubtful):
            self.story.breach("I19 still in doubt after the faults ended", identifier=identifier)

    async def come_to_rest(self, life: asyncio.Task[None]) -> None:
        """Let the leader fall, wait until everything is sold, and stop the daemon."""
        self.source.fall_at_ms = int(self.clock().timestamp() * 1000)
        self.story.tell("world", "the leader falls")
        began = self.loop.time()
        while self.loop.time() - began < REST_S and not self._is_at_rest():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(5)
        await asyncio.sleep(150)
        await self.shut_down(life)
        assert self.checker.books is not None
        for row in self.checker.books.rows(OPEN_TRADES):
            self.story.breach("I19 a trade did not end", trade=row["id"], phase=row["phase"])

    async def shut_down(self, life: asyncio.Task[None]) -> None:
        """Stop the daemon as SIGTERM does."""
        self.wanted = False
        self.stop.set()
        await life

    def _is_at_rest(self) -> bool:
        books = self.checker.books
        assert books is not None
        return not books.rows(OPEN_TRADES) and self.is_quiet()

    def is_quiet(self) -> bool:
        """Return whether no order is under way and no message waits."""
        books = self.checker.books
        assert books is not None
        pending = books.rows("SELECT 1 FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return not pending and not books.live() and not self.box.late

    # -- the verdict

    def judge(self) -> None:
        """Hold what is left to every promise that can be checked at rest."""
        books = self.checker.books
        assert books is not None
        self.checker.at_rest(books, repeats=self._lost_answers())
        if self.box.internal_errors:
            self.story.breach("the sandbox failed", count=self.box.internal_errors)
        for rule in ("too_many_requests", "rate_limit_exceeded_penalty", "429", "418"):
            if self.box.violations[rule] and not self.story.counts["other_machine"]:  # which shares our limits
                self.story.breach("I16 a limit was broken", name=rule, count=self.box.violations[rule])
        self.story.tell("world", "verdict", broken=len(self.story.broken))

    def _lost_answers(self) -> int:
        """Return how often Discord's answer may not have arrived: each time, a message may be sent once more."""
        kinds = ("kill", "power_loss", "stop", "webhook_lost", "reset", "stall", "partition", "slow", "hang")
        known = sum(self.story.counts[kind] for kind in kinds if kind in self.story.counts)
        planned = sum(times for kind, times in self.story.counts.items() if kind.startswith("plan_"))
        return known + planned + self.weather.spikes + self.disasters.disk.refused

    def _tell_journal(self) -> None:
        books = self.checker.books
        assert books is not None
        for row in books.rows("SELECT at_ms, kind, ref, data FROM event ORDER BY seq"):
            self.story.tell("journal", row["kind"], at_ms=row["at_ms"], ref=row["ref"], data=row["data"])


def run_world(plan: Plan, folder: Path, prepare: Callable[[World], Any] = lambda _: None) -> tuple[Outcome, Story]:
    """Run one world to its end. Only for a process that ends soon after: what was killed is kept, never closed."""
    return in_world(plan, folder, prepare, World.main)


def in_world(
    plan: Plan, folder: Path, prepare: Callable[[World], Any], script: Callable[[World], Coroutine[Any, Any, T]]
) -> tuple[T, Story]:
    """Make a world and run a script in it, with the machine's clocks and names out of reach."""
    loop = VirtualLoop()
    with ExitStack() as stack:
        stack.enter_context(chdir(folder))  # paths are part of messages, and must be equal in every run
        world = World(plan, Path(), loop)
        prepare(world)
        root = logging.getLogger()
        ear = Ear(world.story)
        root.addHandler(ear)
        stack.callback(root.removeHandler, ear)
        level = root.level
        root.setLevel(logging.INFO)
        stack.callback(root.setLevel, level)
        gc.collect()
        gc.freeze()  # what was there before can never be garbage of this world
        gc.disable()
        stack.callback(gc.enable)
        stack.callback(gc.unfreeze)
        stack.enter_context(owned_libraries(loop, START.timestamp()))
        for name, period in UNHURRIED.items() if not plan.hurried else ():
            stack.enter_context(mock.patch(name, period))
        outcome = run(loop, script(world))
    return outcome, world.story
