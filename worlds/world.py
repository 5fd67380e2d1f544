"""One world: the unmodified sandbox and the unmodified daemon on one simulated loop, with faults, kills and a person.

Its parts are put together here. `times` says what comes when, `machine` lets the daemon live; what may befall it is in
`storm`, `disasters`, `disk`, `lies` and `person`, and what it is held to in `checker` and `verdict`.
"""

from __future__ import annotations

import gc
import logging
import random
from contextlib import ExitStack, chdir
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from sandbox.faults.plan import Plan as FaultPlan
from sandbox.server import Opened, SandboxOptions
from simulation.loop import LoopClock
from simulation.network import Network
from simulation.virtual import Host, VirtualLoop, owned_libraries, run
from simulation.weather import Storm, draw_rates
from worlds import times
from worlds.disasters import OTHER_ADDRESS, Disasters
from worlds.judges.checker import Checker
from worlds.judges.log_listener import Ear
from worlds.judges.verdict import Verdict
from worlds.lies import LyingBox, draw_lies
from worlds.machine import Machine
from worlds.market import Seesaw
from worlds.person import Person
from worlds.plan import ACCESS_KEY, SECRET_KEY, UNHURRIED, Outcome, Plan
from worlds.storm import Aim
from worlds.story import Story

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from sandbox.rest.call import Call

T = TypeVar("T")

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
KRW = Decimal(1_000_000)
EXCHANGE_URL, DISCORD_URL = "https://exchange.test", "https://discord.test"
EXCHANGE_ADDRESS = "10.0.0.1"
HOOK = "/api/webhooks/1/world"
NO_FAULTS = FaultPlan(description="nothing yet", rules=())
LIMITS = ("too_many_requests", "rate_limit_exceeded_penalty", "429", "418")
"""What the sandbox calls a limit that was broken."""


class World:
    """Everything of one seed. `run_world` takes it from its first moment to its verdict."""

    url, webhook = EXCHANGE_URL, DISCORD_URL + HOOK

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
        self.network.on_fault = self.count
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
        self.checker = Checker(self.box.exchange, self.story, caps=caps, peaceful=not plan.harshness)
        self.box.on_message = self.checker.on_message
        self.person = Person(self)
        self.disasters = Disasters(self)
        self.machine = Machine(self)
        self.aim = Aim(self)
        self.stormy = True
        self.worst: dict[str, float] = {}

    async def open(self) -> asyncio.Task[None]:
        """Open the exchange and keep a daemon running; return the task that does."""
        await self.loop.start(Host("exchange", EXCHANGE_ADDRESS), self.box.__aenter__())
        return self.loop.create_task(self.machine.live())

    def calm(self) -> None:
        """End all faults."""
        self.stormy = False
        self.aim.at_next(None)
        self.weather.calm()
        self.box.calm()
        self.person.calm()
        self.disasters.calm()

    # -- what befalls it

    def befall(self, kind: str, **facts: object) -> None:
        """Tell and count what befalls this world."""
        self.count(kind)
        self.story.tell("world", kind, **facts)

    def count(self, kind: str) -> None:
        """Count a fault, and in which state of an order it came."""
        self.story.counts[kind] += 1
        self.story.seen[kind, self._state_of(None)] += 1

    def _on_lie(self, kind: str, identifier: str | None) -> None:
        self.story.seen[kind, self._state_of(identifier)] += 1

    def _on_post(self, call: Call) -> None:
        self.aim.order_arrives()
        self.checker.on_post(dict(call.json), elsewhere=call.ip == OTHER_ADDRESS)

    def _state_of(self, identifier: str | None) -> str:
        books = self.checker.books
        if books is None:
            return "none"
        if identifier is not None:
            return books.state(identifier) or "none"
        states = {state for _, state in books.live()}
        return next((state for state in ("SENT", "UNKNOWN", "ACCEPTED", "PLANNED") if state in states), "none")

    # -- the verdict

    def is_quiet(self) -> bool:
        """Return whether no order is under way and no message waits."""
        books = self.checker.books
        assert books is not None
        pending = books.rows("SELECT 1 FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return not pending and not books.live() and not self.box.late

    def judge(self) -> None:
        """Hold what is left to every promise that can be checked at rest."""
        books = self.checker.books
        assert books is not None
        Verdict(self.checker, books).give(repeats=self._lost_answers())
        if self.box.internal_errors:
            self.story.breach("the sandbox failed", count=self.box.internal_errors)
        for rule in LIMITS:
            if self.box.violations[rule] and not self.story.counts["other_machine"]:  # which shares our limits
                self.story.breach("I16 a limit was broken", name=rule, count=self.box.violations[rule])
        self.story.tell("world", "verdict", broken=len(self.story.broken))

    def _lost_answers(self) -> int:
        """Return how often Discord's answer may not have arrived: each time, a message may be sent once more."""
        kinds = ("kill", "power_loss", "stop", "webhook_lost", "reset", "stall", "partition", "slow", "hang")
        known = sum(self.story.counts[kind] for kind in kinds if kind in self.story.counts)
        planned = sum(times for kind, times in self.story.counts.items() if kind.startswith("plan_"))
        return known + planned + self.weather.spikes + self.disasters.disk.refused


def run_world(plan: Plan, folder: Path, prepare: Callable[[World], Any] = lambda _: None) -> tuple[Outcome, Story]:
    """Run one world to its end. Only for a process that ends soon after: what was killed is kept, never closed."""
    return in_world(plan, folder, prepare, times.live_through)


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
