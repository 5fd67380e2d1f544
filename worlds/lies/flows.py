"""The flows in which every answer and frame is lied about."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from sandbox.faults.plan import Delisted, FaultPlan
from worlds.flows import Flow, held
from worlds.kill import FLOWS as ORDER_FLOWS
from worlds.steering import FRONTS

if TYPE_CHECKING:
    from worlds.world import World

DOUBTFUL = "SELECT 1 FROM intent WHERE state = 'UNKNOWN'"
TWO_MINUTES_S = 120.0
DELISTED = FaultPlan(
    description="a held market ends",
    rules=(Delisted(markets=("held",), minutes=(0.0, None), ends=1.0, gone=3.0),),
)


async def restart_while_holding(world: World) -> None:
    """The daemon dies while it holds something."""
    await held(world)
    world.machine.kill()


async def restart_in_doubt(world: World) -> None:
    """The daemon dies while it does not know what became of an order."""
    while world.checker.books is None or not world.checker.books.rows(DOUBTFUL):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    world.machine.kill()


async def journal(world: World, kind: str) -> None:
    """The journal is lost while something is held; it is recovered, or forgotten."""
    await held(world)
    await asyncio.sleep(20.0)
    world.machine.chores.append(lambda: world.disasters.exchange_files(kind))
    world.machine.kill()


async def delisting(world: World) -> None:
    """The market that is held ends."""
    await held(world)
    world.box.begin_plan(DELISTED)
    await asyncio.sleep(4 * 60.0)


async def owner(world: World, act: str) -> None:
    """The owner does something with what is held."""
    await held(world)
    await asyncio.sleep(20.0)
    told = getattr(world.person, act)()
    world.befall("person_" + act, **(told or {}))
    await asyncio.sleep(TWO_MINUTES_S)


async def hold(world: World) -> None:
    """Something is held, and nothing happens for a while."""
    await held(world)
    await asyncio.sleep(TWO_MINUTES_S)


async def hold_two(world: World) -> None:
    """Two are held."""
    await held(world, 2)
    await asyncio.sleep(TWO_MINUTES_S / 2)


FLOWS = (
    *(flow for flow in ORDER_FLOWS if not flow.again and (flow.steer is None or flow.steer[1] == FRONTS[0])),
    Flow(name="hold", act=hold),
    Flow(name="two trades at once", markets=3, max_open_trades=2, act=hold_two, depth_krw=20_000.0),
    Flow(name="four buys and a tight day", markets=4, max_open_trades=4, max_day_krw=120_000, depth_krw=15_000.0),
    Flow(name="restart while holding", act=restart_while_holding),
    Flow(name="restart in doubt", lies=("lost_answer",), rates=ORDER_FLOWS[10].rates, act=restart_in_doubt),
    Flow(name="journal forgotten, orders adopted", act=partial(journal, kind="forgotten")),
    Flow(name="journal lost and recovered", act=partial(journal, kind="recovered")),
    Flow(name="delisting", act=delisting, disasters=("fault_plan",)),
    Flow(name="the owner sells", act=partial(owner, act="sells")),
    Flow(name="the owner withdraws", act=partial(owner, act="withdraws")),
    Flow(name="the owner buys the same", act=partial(owner, act="buys")),
    Flow(name="the owner locks coins", act=partial(owner, act="locks")),
    Flow(name="the owner moves won", act=partial(owner, act="locks_won")),
)
"""Those of `make kill`, and what can befall a trade."""
