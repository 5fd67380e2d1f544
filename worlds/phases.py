"""The three phases of a world, and the whole of it from its first moment to its verdict.

The storm, in which everything may fail; the calm, after which nothing may be in doubt; and the rest, when the leader
falls, everything is sold, and both books must be equal.
"""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from worlds.judges.books import OPEN_TRADES
from worlds.judges.watch import watch
from worlds.plan import WorldOutcome
from worlds.storm import cut_now_and_then, kill_now_and_then
from worlds.world import World, in_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worlds.plan import WorldPlan
    from worlds.story import Story

CALM_S = 240.0
"""Between the end of the faults and the question whether anything is still in doubt."""
TRADING_WITHIN_S = 120.0
"""After the end of the faults, whatever the daemon was doing then."""
RESOLVED_WITHIN_S = 60.0
REST_S = 900.0
"""The leader falls: so long may it take until everything is sold."""


def run_world(
    plan: WorldPlan, folder: Path, prepare: Callable[[World], Any] = lambda _: None
) -> tuple[WorldOutcome, Story]:
    """Run one world to its end. Only for a process that ends soon after: what was killed is kept, never closed."""
    return in_world(plan, folder, prepare, live_through)


async def live_through(world: World) -> WorldOutcome:
    """Live through all three phases and judge."""
    began = time.perf_counter()
    life = await world.open()
    stormy = (
        partial(kill_now_and_then, world),
        partial(cut_now_and_then, world),
        world.person.live,
        world.disasters.live,
    )
    storm = [world.loop.create_task(step()) for step in stormy]
    judges = partial(watch, world.checker, world.true_since)
    always = [world.loop.create_task(step()) for step in (world.person.attend, sweep, judges)]
    await asyncio.sleep(world.plan.hours * 3600)
    for task in storm:
        task.cancel()
    await calm_down(world)
    await come_to_rest(world, life)
    for task in always:
        task.cancel()
    hours = world.loop.time() / 3600
    tell_journal(world)
    world.judge()
    return WorldOutcome(
        seed=world.plan.seed,
        hours=hours,
        orders=world.checker.orders,
        fills=world.checker.fills,
        kills=world.machine.kills,
        counts=world.story.counts,
        seen={"/".join(key): count for key, count in world.story.seen.items()},
        broken=world.story.broken,
        digest=world.story.digest(),
        wall_s=time.perf_counter() - began,
        worst=world.worst,
    )


async def sweep() -> None:
    """Collect garbage by the simulated clock: when it happens otherwise depends on the machine."""
    while True:
        await asyncio.sleep(1800)
        gc.collect()


async def calm_down(world: World) -> None:
    """End all faults, restart once, and see that nothing stays in doubt and trading goes on."""
    world.calm()
    world.story.tell("world", "calm")
    await asyncio.sleep(max(0.0, world.machine.cut_until - world.loop.time()))
    await until_trading(world)
    await until_resolved(world)
    world.machine.kill("kill")
    await asyncio.sleep(CALM_S)
    await world.person.take_and_watch()


async def until_trading(world: World) -> None:
    """I19: trading goes on once the faults have ended."""
    began = world.loop.time()
    while world.machine.trading_since is None and world.loop.time() - began < TRADING_WITHIN_S:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    if world.machine.trading_since is None:
        world.story.breach("I19 no trading after the faults ended")


async def until_resolved(world: World) -> None:
    """I19: whatever was in doubt when the faults ended is resolved within `RESOLVED_WITHIN_S`."""
    books = world.checker.books
    assert books is not None
    doubtful = {identifier for identifier, state in books.live() if state in {"UNKNOWN", "SENT"}}
    began = world.loop.time()
    while doubtful and world.loop.time() - began < RESOLVED_WITHIN_S:
        await asyncio.sleep(0.5)
        assert world.checker.books is not None
        doubtful = {one for one in doubtful if world.checker.books.state(one) in {"UNKNOWN", "SENT"}}
        doubtful -= set(world.person.lost())  # of these only a person can say that they never were
    world.worst["resolve_s"] = world.loop.time() - began
    for identifier in sorted(doubtful):
        world.story.breach("I19 still in doubt after the faults ended", identifier=identifier)


async def come_to_rest(world: World, life: asyncio.Task[None]) -> None:
    """Let the leader fall, wait until everything is sold, and stop the daemon."""
    world.source.fall_at_ms = int(world.clock().timestamp() * 1000)
    world.story.tell("world", "the leader falls")
    began = world.loop.time()
    while world.loop.time() - began < REST_S and not is_at_rest(world):  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(5)
    await asyncio.sleep(150)
    await world.machine.shut_down(life)
    assert world.checker.books is not None
    for row in world.checker.books.rows(OPEN_TRADES):
        world.story.breach("I19 a trade did not end", trade=row["id"], phase=row["phase"])


def is_at_rest(world: World) -> bool:
    """Return whether nothing is held, and nothing under way."""
    books = world.checker.books
    assert books is not None
    return not books.rows(OPEN_TRADES) and world.is_quiet()


def tell_journal(world: World) -> None:
    """Make the journal's events lines of the story: two equal stories have equal journals."""
    books = world.checker.books
    assert books is not None
    for row in books.rows("SELECT at_ms, kind, ref, data FROM event ORDER BY seq"):
        world.story.tell("journal", row["kind"], at_ms=row["at_ms"], ref=row["ref"], data=row["data"])
