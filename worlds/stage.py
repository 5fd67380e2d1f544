"""What everybody in a world stands on: its exchange, network, market, disk, clock, story and checker, and nobody acts.

Who acts is above it, each knowing only those before: `aim`, `machine`, `person`, `disasters`, and `world` that directs.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.faults.plan import FaultPlan
from sandbox.server import Opened, SandboxOptions
from simulation.loop import LoopClock
from simulation.network import Network
from simulation.weather import Storm, draw_rates
from worlds.disk import Disk
from worlds.judges.checker import Checker
from worlds.lies.sandbox import LyingSandbox, draw_lies
from worlds.market import WaveMarket
from worlds.plan import ACCESS_KEY, SECRET_KEY, WorldPlan, limits_of
from worlds.story import Story

if TYPE_CHECKING:
    from pathlib import Path

    from simulation.virtual import VirtualLoop

KRW = Decimal(1_000_000)
EXCHANGE_URL, DISCORD_URL = "https://exchange.test", "https://discord.test"
EXCHANGE_ADDRESS = "10.0.0.1"
HOOK = "/api/webhooks/1/world"
NO_FAULTS = FaultPlan(description="nothing yet", rules=())


class Stage:
    """Everything of one seed that does nothing by itself."""

    url, webhook = EXCHANGE_URL, DISCORD_URL + HOOK

    def __init__(self, plan: WorldPlan, folder: Path, loop: VirtualLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.folder = folder
        self.rng = random.Random(f"{plan.seed} world")
        self.clock = LoopClock(plan.began, loop)
        self.story = Story(self.clock)
        self.disk = Disk(random.Random(f"{plan.seed} disk"))
        weather_rng = random.Random(f"{plan.seed} weather")
        self.weather = Storm(weather_rng, draw_rates(weather_rng, plan.harshness))
        self.network = Network(loop, self.weather)
        loop.network = self.network
        self.network.on_fault = self.count
        self.network.names |= dict.fromkeys(("exchange.test", "discord.test"), EXCHANGE_ADDRESS)
        self.source = WaveMarket(plan.seed, plan.markets, int(plan.began.timestamp() * 1000))
        self.box = self._sandbox()
        self.checker = Checker(self.box.exchange, self.story, limits=limits_of(plan), peaceful=not plan.harshness)
        self.box.on_message = self.checker.on_message
        self.stormy = True
        self.failed_at_s = 0.0  # when something failed last, or was told wrong
        self.worst: dict[str, float] = {}

    def _sandbox(self) -> LyingSandbox:
        rng = random.Random(f"{self.plan.seed} lies")
        box = LyingSandbox(
            SandboxOptions(
                seed=self.plan.seed,
                krw=KRW,
                access_key=ACCESS_KEY,
                secret_key=SECRET_KEY,
                host=EXCHANGE_ADDRESS,
                port=443,
                faults=NO_FAULTS if "fault_plan" in self.plan.disasters else None,
            ),
            self.clock,
            Opened(self.source, self.plan.began),
            rng=rng,
            story=self.story,
            on_lie=self._on_lie,
        )
        box.rates = draw_lies(rng, self.plan.harshness)
        return box

    # -- what befalls it

    def befall(self, kind: str, **facts: object) -> None:
        """Tell and count what befalls this world."""
        self.count(kind)
        self.story.tell("world", kind, **facts)

    def count(self, kind: str) -> None:
        """Count a fault, and in which state of an order it came."""
        self.story.counts[kind] += 1
        self.story.seen[kind, self._state_of(None)] += 1
        if not kind.startswith("person_"):
            self.failed_at_s = self.loop.time()

    def excuses(self) -> dict[str, bool]:
        """Return what the start of a daemon may end over now (`worlds/judges/endings.py`)."""
        keys_refused = self.in_fault_plan() or self.box.lies
        return {"disk_refuses": self.disk.full or self.disk.failing, "keys_refused": keys_refused}

    def in_fault_plan(self) -> bool:
        """Return whether one of the sandbox's own fault plans is in force."""
        plan = self.box.faults.plan if self.box.faults is not None else None
        return plan is not None and bool(plan.rules)

    def _on_lie(self, kind: str, identifier: str | None) -> None:
        self.failed_at_s = self.loop.time()
        self.story.seen[kind, self._state_of(identifier)] += 1

    def _state_of(self, identifier: str | None) -> str:
        books = self.checker.books
        if books is None:
            return "none"
        if identifier is not None:
            return books.state(identifier) or "none"
        states = {state for _, state in books.live()}
        return next((state for state in ("SENT", "UNKNOWN", "ACCEPTED", "PLANNED") if state in states), "none")

    def is_quiet(self) -> bool:
        """Return whether no order is under way and no message waits."""
        books = self.checker.books
        assert books is not None
        pending = books.rows("SELECT 1 FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return not pending and not books.live() and not self.box.late
