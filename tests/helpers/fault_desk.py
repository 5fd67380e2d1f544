"""A client at a sandbox in which things go wrong, on a loop whose waiting is skipped: minutes pass in no time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from sandbox.faults.plan import FaultPlan
from sandbox.server import Opened, Sandbox, SandboxOptions
from simulation.loop import LoopClock, PacedLoop, library_clocks
from tests.helpers.sandbox_desk import START, Desk, FakeSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

Rule = dict[str, Any]


class FaultyDesk(Desk):
    """A client whose exchange follows the loop's clock and a fault plan."""

    def __init__(self, session: aiohttp.ClientSession, plan: FaultPlan | None, *, seed: int) -> None:
        self.session = session
        self.clock = LoopClock(START, asyncio.get_running_loop())
        self.source = FakeSource()
        self.options = SandboxOptions(seed=seed, faults=plan, admin=plan is None)
        self.box = Sandbox(self.options, self.clock, Opened(self.source, START))

    def pass_time(self, seconds: float) -> None:
        """Time passes by itself here."""
        raise NotImplementedError(f"await asyncio.sleep({seconds})")

    async def settled(self, order: Mapping[str, str]) -> Any:
        """Return an order once the sandbox matched it."""
        while self.box.exchange.in_flight:  # noqa: ASYNC110  # the exchange has no event for it
            await asyncio.sleep(0.01)
        return await self.get("/v1/order", uuid=order["uuid"])


def plan_of(*rules: Rule, seed: int = 1) -> FaultPlan:
    """Return a plan of some rules, read as from a file."""
    return msgspec.convert({"description": "a test", "seed": seed, "rules": list(rules)}, FaultPlan)


@asynccontextmanager
async def open_faulty(plan: FaultPlan | None, seed: int = 1) -> AsyncIterator[FaultyDesk]:
    """Run a sandbox with a plan (None: with the admin endpoint), and insist that it never failed inside."""
    with library_clocks(asyncio.get_running_loop()):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            session._retry_connection = False  # a fault hits once
            desk = FaultyDesk(session, plan, seed=seed)
            async with desk.box:
                yield desk
            assert desk.box.internal_errors == 0
            desk.box.exchange.verify()


def play(
    story: Callable[[FaultyDesk], Awaitable[None]], *rules: Rule, seed: int = 1, plan_seed: int = 1, admin: bool = False
) -> FaultyDesk:
    """Let a story happen at a sandbox with these rules; return the desk it happened at."""
    found: list[FaultyDesk] = []

    async def whole() -> None:
        async with open_faulty(None if admin else plan_of(*rules, seed=plan_seed), seed) as desk:
            found.append(desk)
            await story(desk)

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(whole())
    return found[0]
