"""One world: the unmodified sandbox and the unmodified daemon on one simulated loop, with faults, kills and a person.

The director only: who acts is put together here on a stage (`worlds/stage.py`), and judged at the end. What comes when
says `worlds/phases.py`.
"""

from __future__ import annotations

import gc
import logging
from contextlib import ExitStack, chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from simulation.hosts import Host
from simulation.virtual import VirtualLoop, owned_libraries, run
from worlds.aim import Aim
from worlds.disasters import OTHER_ADDRESS, Disasters
from worlds.judges.log_listener import LogListener
from worlds.judges.verdict import Verdict
from worlds.machine import Machine
from worlds.person import Person
from worlds.plan import UNHURRIED, WorldPlan
from worlds.stage import EXCHANGE_ADDRESS, Stage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from sandbox.rest.call import Call
    from worlds.steering import Steering
    from worlds.story import Story

T = TypeVar("T")

FAILS_FOR_S = 100.0
"""So long a fault may last that was counted when it began: a connection stalls for up to 90 seconds."""

LIMITS = ("too_many_requests", "rate_limit_exceeded_penalty", "429", "418")
"""What the sandbox calls a limit that was broken."""


class World(Stage):
    """A stage with everybody on it."""

    def __init__(self, plan: WorldPlan, folder: Path, loop: VirtualLoop) -> None:
        super().__init__(plan, folder, loop)
        self.aim = Aim(self)
        self.machine = Machine(self)
        self.person = Person(self, self.aim, self.machine)
        self.disasters = Disasters(self, self.aim, self.machine, self.person)
        self.steering: Steering | None = None
        self.box.on_post = self._on_post

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

    def true_since(self) -> float | None:
        """Return since when, in loop time, nothing fails, answers are true and a daemon trades; None before that."""
        now, trades = self.loop.time(), self.machine.trading_since
        lasts = self.disk.full or self.disk.failing or self.in_fault_plan() or self.checker.others
        if lasts or self.machine.clock.offset:
            self.failed_at_s = now
        since = max(self.failed_at_s + FAILS_FOR_S, self.machine.cut_until, trades if trades is not None else now + 1)
        return since if since <= now else None

    def _on_post(self, call: Call) -> None:
        self.aim.order_arrives()
        self.checker.on_post(dict(call.json), elsewhere=call.ip == OTHER_ADDRESS)

    def judge(self) -> None:
        """Hold what is left to every promise that can be checked at rest."""
        books = self.checker.books
        assert books is not None
        Verdict(self.checker, books).give(repeats=self._lost_answers())
        if self.steering is not None:
            self.steering.judge()
        if self.box.internal_errors:
            self.story.breach("I23 the sandbox failed", count=self.box.internal_errors)
        for rule in LIMITS:
            if self.box.violations[rule] and not self.story.counts["other_machine"]:  # which shares our limits
                self.story.breach("I16 a limit was broken", name=rule, count=self.box.violations[rule])
        self.story.tell("world", "verdict", broken=len(self.story.broken))

    def _lost_answers(self) -> int:
        """Return how often Discord's answer may not have arrived: each time, a message may be sent once more."""
        kinds = ("kill", "power_loss", "stop", "webhook_lost", "reset", "stall", "partition", "slow", "hang")
        known = sum(self.story.counts[kind] for kind in kinds if kind in self.story.counts)
        planned = sum(times for kind, times in self.story.counts.items() if kind.startswith("plan_"))
        return known + planned + self.weather.spikes + self.disk.refused


def in_world(
    plan: WorldPlan, folder: Path, prepare: Callable[[World], Any], script: Callable[[World], Coroutine[Any, Any, T]]
) -> tuple[T, Story]:
    """Make a world and run a script in it, with the machine's clocks and names out of reach."""
    loop = VirtualLoop()
    with ExitStack() as stack:
        stack.enter_context(chdir(folder))  # paths are part of messages, and must be equal in every run
        world = World(plan, Path(), loop)
        prepare(world)
        root = logging.getLogger()
        listener = LogListener(world.story)
        root.addHandler(listener)
        stack.callback(root.removeHandler, listener)
        level = root.level
        root.setLevel(logging.INFO)
        stack.callback(root.setLevel, level)
        gc.collect()
        gc.freeze()  # what was there before can never be garbage of this world
        gc.disable()
        stack.callback(gc.enable)
        stack.callback(gc.unfreeze)
        stack.enter_context(owned_libraries(loop, plan.began.timestamp()))
        for name, period in UNHURRIED.items() if not plan.hurried else ():
            stack.enter_context(mock.patch(name, period))
        outcome = run(loop, script(world))
    return outcome, world.story
