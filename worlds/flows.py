"""Ways an order can go, and a trade: what is prepared, what befalls it, and what the owner does meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.lies.sandbox import LieRates
from worlds.plan import WorldPlan
from worlds.steering import Steering

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from journal.records import Order
    from worlds.world import World

HOLDING = "SELECT 1 FROM trade WHERE phase = 'holding'"
LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One way. `lies` befall the first orders, in turn; `act` is what happens besides, from the start on."""

    name: str
    side: str = "bid"  # whose orders in hand are looked at
    lies: tuple[str | None, ...] = ()
    rates: LieRates = field(default_factory=LieRates)
    order_krw: int = 50_000
    depth_krw: float = 1e6  # of the best level
    shock: float = 0.0  # fall of the price once something is held
    again: bool = False  # the daemon dies once before, with an order in hand: killed while it recovers
    longest_late_s: float = 3.0
    partial_looks: int = 0
    markets: int = 1
    max_open_trades: int = 1
    max_day_krw: int | None = None
    disasters: tuple[str, ...] = ()
    act: Callable[[World], Awaitable[None]] | None = None
    steer: tuple[Order, str] | None = None  # what the person orders once something is held, and from which front end

    def plan(self) -> WorldPlan:
        """Return the plan of a world in which nothing else goes wrong."""
        plan = WorldPlan(
            seed=1,
            markets=self.markets,
            harshness=0.0,
            kills_an_hour=0.0,
            person=False,
            order_krw=Decimal(self.order_krw),
            max_open_trades=self.max_open_trades,
            max_day_loss=Decimal(1),
            max_drawdown=Decimal(1),
            disasters=self.disasters,
        )
        return plan if self.max_day_krw is None else replace(plan, max_day_krw=Decimal(self.max_day_krw))

    def prepare(self, world: World) -> None:
        """Let a world be so that the flow happens in it."""
        world.stormy = False
        world.box.forced = list(self.lies)
        world.box.rates = self.rates
        world.box.longest_late_s = self.longest_late_s
        world.box.partial_looks = self.partial_looks
        world.source.depth_krw = self.depth_krw
        if self.steer is not None:
            world.steering = Steering(world, world.machine, *self.steer)

    async def befall(self, world: World) -> None:
        """Let what is part of the flow happen: the act, and a fall of prices once something is held."""
        if self.act is not None:
            await self.act(world)
        if world.steering is not None:
            await held(world)
            await world.steering.give()
        if self.shock:
            await held(world)
            fall(world, self.shock)


async def held(world: World, count: int = 1) -> None:
    """Wait until so many trades are held."""
    while world.checker.books is None or len(world.checker.books.rows(HOLDING)) < count:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)


def fall(world: World, fraction: float) -> None:
    """Let all markets but the leader cost a fraction less from now on."""
    world.source.shocks.append((int(world.clock().timestamp() * 1000), fraction))
