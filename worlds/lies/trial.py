"""What one lie is judged by, in the world in which it was told: from outside, once the truth is told again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from worlds.flows import fall
from worlds.judges.protection import Protection
from worlds.lies.excuses import is_excused
from worlds.pool import answer

if TYPE_CHECKING:
    from collections.abc import Collection

    from worlds.lies.liar import Liar, Trial
    from worlds.world import World

FLOW_WITHIN_S = 300.0
"""So long is waited for what a flow brings besides."""
TRUTH_S = 75.0
"""Between the truth and the fall: what was bought must be protected by then."""
FALL = 0.12
SOLD_WITHIN_S = 90.0
QUIET_WITHIN_S = 180.0
STANDING = "SELECT code, level, ends, evidence FROM halt WHERE ended_ms IS NULL"


async def judge(
    world: World, liar: Liar, trial: Trial, over: asyncio.Event, write: int, *, expected: Collection[str], aloud: bool
) -> None:
    """Let the lie last, tell the truth, let all markets fall, and hand back which promises were broken."""
    await asyncio.sleep(trial.seconds)
    liar.trial = None
    world.story.tell("exchange", "tells the truth")
    protection = Protection(world.checker)
    watch = world.loop.create_task(protection.watch())
    began = world.loop.time()
    while not over.is_set() and world.loop.time() - began < FLOW_WITHIN_S:  # noqa: ASYNC110 - a flow may never end
        await asyncio.sleep(1.0)
    await asyncio.sleep(TRUTH_S)
    no_person_needed(world, trial, expected)
    world.source.fall_at_ms = int(world.clock().timestamp() * 1000)
    fall(world, FALL)
    began = world.loop.time()
    while world.loop.time() - began < SOLD_WITHIN_S and protection.held():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(1.0)
    for market in protection.held():
        world.story.breach("I12 held, and not sold when its price fell", market=market)
    while world.loop.time() - began < QUIET_WITHIN_S and not world.is_quiet():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(1.0)
    watch.cancel()
    world.machine.wanted = False
    world.machine.stop.set()
    await world.machine.over.wait()
    world.judge()
    for line in world.story.lines if aloud else ():
        print(line)  # noqa: T201 - the story a person reads
    broken = [told for told in dict.fromkeys(world.story.broken) if not is_excused(trial, told)]
    answer(write, msgspec.json.encode(broken))


def no_person_needed(world: World, trial: Trial, expected: Collection[str]) -> None:
    """Once the truth is told again nothing waits for a person over a lie that was told once, and no exit ever does."""
    books = world.checker.books
    assert books is not None
    for row in books.rows(STANDING):
        needs_person = row["level"] == "HALTED" or (not trial.seconds and row["ends"] == "person")
        if needs_person and row["code"] not in expected:
            world.story.breach("I26 halted over a lie", code=row["code"], level=row["level"], evidence=row["evidence"])
