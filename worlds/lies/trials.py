"""`make lies`: lie at every answer and frame of many flows, in every well-formed way, and see that nothing is lost.

Each flow is run once to list its points. The lies that are tried are drawn from all of them, evenly over kinds of
answers, fields and ways, by a seed; then it runs again, and forks at each chosen point. The child is lied to once or
for a while, hears the truth again, and is judged from outside (`worlds/lies/trial.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from worlds.lies.flows import FLOWS
from worlds.lies.liar import Forker, Liar, Listed, Lister, Trial
from worlds.lies.trial import STANDING, TRUTH_S, judge
from worlds.pool import Pool, map_forked
from worlds.promises import table
from worlds.simulate import memory_disk
from worlds.world import in_world

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from worlds.flows import Flow
    from worlds.world import World

T = TypeVar("T")
LONGEST_FLOW_S = 1200.0
AFTERWARDS_S = 20.0
TRIALS = 2_000
IN_HAND_SHARE = 0.8
"""Of lies that are told while a trade is open, where there is one: there it hurts."""
LASTS_S = (0.0, 0.0, 20.0, 150.0)
IN_HAND = "SELECT 1 FROM intent WHERE state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED')"
ENDED = "SELECT 1 FROM trade WHERE phase IN ('closed', 'abandoned')"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow."""

    lies: int
    broken: dict[str, list[str]]  # by trial, as JSON


async def until_over(world: World, flow: Flow) -> None:
    """Let a flow happen: its act, and its order from the first to the last."""
    befalls = world.loop.create_task(flow.befall(world))
    while not begun(world, flow) and world.loop.time() < LONGEST_FLOW_S:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.2)
    while not (befalls.done() and settled(world, flow)) and world.loop.time() < LONGEST_FLOW_S:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    befalls.cancel()
    await asyncio.sleep(AFTERWARDS_S)


def begun(world: World, flow: Flow) -> bool:
    """Return whether an order of the flow's side was decided."""
    books = world.checker.books
    side = "ask" if flow.side in {"ask", "dust"} else "bid"
    return books is not None and bool(books.rows("SELECT 1 FROM intent WHERE side = ?", side))


def settled(world: World, flow: Flow) -> bool:
    """Return whether no order is under way, and a trade has ended where one is meant to."""
    books = world.checker.books
    assert books is not None
    return not books.rows(IN_HAND) and (flow.side == "bid" or bool(books.rows(ENDED)))


async def list_points(world: World, flow: Flow) -> Listed:
    """Run a flow and list its points."""
    liar = Liar(world)
    lister = Lister(liar)
    flow.prepare(world)
    await world.open()
    await until_over(world, flow)
    liar.over = True
    await asyncio.sleep(TRUTH_S)
    assert world.checker.books is not None
    lister.listed.halts = [row["code"] for row in world.checker.books.rows(STANDING)]
    return lister.listed


async def try_points(
    world: World, flow: Flow, chosen: Sequence[Trial], pool: Pool, *, expected: Sequence[str] = (), aloud: bool = False
) -> Tried:
    """Run a flow and lie at the chosen points; in a child this never returns."""
    liar = Liar(world)
    over = asyncio.Event()
    lied_to = False

    def begin(trial: Trial, write: int) -> None:
        nonlocal lied_to
        lied_to = True
        world.loop.create_task(judge(world, liar, trial, over, write, expected=expected, aloud=aloud))

    forker = Forker(world, liar, chosen, pool, begin)
    flow.prepare(world)
    await world.open()
    await until_over(world, flow)
    over.set()
    if lied_to:
        await asyncio.Event().wait()
    forker.finish()
    broken = {}
    for trial, content in forker.results:
        told = msgspec.json.decode(content, type=list[str]) if content else ["no verdict"]
        if told:
            broken[msgspec.json.encode(trial).decode()] = told
    return Tried(lies=len(forker.results), broken=broken)


def in_flow(flow: Flow, script: Callable[[World], Coroutine[Any, Any, T]]) -> T:
    """Run a script in the world of a flow; only for a process that ends soon after."""
    parent = os.getpid()
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="lies-") as folder:
        place = Path(folder) / "world"
        place.mkdir()
        try:
            return in_world(flow.plan(), place, lambda _: None, script)[0]
        except BaseException:
            if os.getpid() == parent:
                raise
            traceback.print_exc()
            os._exit(1)  # a child that broke must not clean up what its parent still needs


def choose(listed: dict[str, Listed], *, seed: int, trials: int, key: str = "") -> dict[str, list[Trial]]:
    """Draw trials: as many about each kind of answer, and none of its lies twice before all were told once."""
    rng = random.Random(f"{seed} lies")
    places: defaultdict[tuple[str, str], defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for name, one in listed.items():
        for number, point in enumerate(one.points):
            for lie in one.shapes[point.shape] if key in point.key else ():
                places[point.key, lie][name].append(number)
    chosen: dict[str, list[Trial]] = {name: [] for name in listed}
    for about, lie in itertools.islice(in_turn(sorted(places), rng), trials):
        name = rng.choice(sorted(places[about, lie]))
        numbers = places[about, lie][name]
        in_hand = [number for number in numbers if listed[name].points[number].in_hand]
        number = rng.choice(in_hand if in_hand and rng.random() < IN_HAND_SHARE else numbers)
        where, what = json.loads(lie)
        chosen[name].append(Trial(point=number, key=about, where=tuple(where), what=what, seconds=rng.choice(LASTS_S)))
    return chosen


def in_turn(kinds: Sequence[tuple[str, str]], rng: random.Random) -> Iterator[tuple[str, str]]:
    """Yield kinds of lies for ever: one about each kind of answer in turn, in an order of chance."""
    while kinds:
        left: dict[str, list[str]] = {}
        for about, lie in rng.sample(kinds, len(kinds)):
            left.setdefault(about, []).append(lie)
        while left:
            for about in list(left):
                yield about, left[about].pop()
                if not left[about]:
                    del left[about]


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def main(arguments: list[str] | None = None) -> int:
    """List, draw and try; return 1 when anything broke or a flow had no points."""
    parser = argparse.ArgumentParser(prog="python -m worlds.lies", description=__doc__)
    parser.add_argument("--flow", help="only flows whose name contains this")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--key", default="", help="only answers whose method and path contain this")
    parser.add_argument("--replay", help="a trial as it was printed: tell its story")
    options = parser.parse_args(arguments)
    flows = [flow for flow in FLOWS if options.flow is None or options.flow in flow.name]
    if options.replay:
        return replay(flows[:1], msgspec.json.decode(options.replay, type=Trial))
    began = time.perf_counter()
    listed = list_all(flows, options.workers)
    chosen = choose(listed, seed=options.seed, trials=options.trials, key=options.key)
    broken: list[str] = []
    points = lies = missing = 0
    for flow, content in map_forked(
        flows,
        lambda flow: msgspec.json.encode(
            in_flow(
                flow,
                lambda world: try_points(
                    world, flow, chosen[flow.name], Pool(options.workers), expected=listed[flow.name].halts
                ),
            )
        ),
        1,
    ):
        tried = msgspec.json.decode(content, type=Tried) if content else Tried(lies=0, broken={})
        here = len(listed[flow.name].points)
        say(f"{flow.name:<36}{here:>6} points {tried.lies:>6} lies {len(tried.broken):>5} violations")
        for trial, what in tried.broken.items():
            say(f"    {msgspec.json.decode(trial, type=Trial)}: {'; '.join(one[:160] for one in what)}")
            say(f"      python -m worlds.lies --flow '{flow.name}' --replay '{trial}'")
            broken += what
        points += here
        lies += tried.lies
        missing += tried.lies < len(chosen[flow.name]) or not here
    for line in table(broken):
        say(line)
    wall = time.perf_counter() - began
    kinds = Counter(
        (point.key, lie) for one in listed.values() for point in one.points for lie in one.shapes[point.shape]
    )
    say(f"{len(flows)} flows, {points} points, {len(kinds)} kinds of lies, {kinds.total()} in all, {lies} told, "
        f"{len(broken)} violations, {wall:.1f} s")  # fmt: skip
    return 1 if broken or missing else 0


def list_all(flows: Sequence[Flow], workers: int) -> dict[str, Listed]:
    """List the points of all flows."""
    found: dict[str, Listed] = {}
    work = lambda flow: msgspec.json.encode(in_flow(flow, lambda world: list_points(world, flow)))  # noqa: E731
    for flow, content in map_forked(flows, work, workers):
        found[flow.name] = msgspec.json.decode(content, type=Listed) if content else Listed()
    return {flow.name: found[flow.name] for flow in flows}


def replay(flows: Sequence[Flow], trial: Trial) -> int:
    """Tell the story of one trial."""
    (flow,) = flows
    expected = list_all(flows, 1)[flow.name].halts

    def tell(_: None) -> bytes:
        return msgspec.json.encode(
            in_flow(flow, lambda world: try_points(world, flow, [trial], Pool(1), expected=expected, aloud=True))
        )

    ((_, content),) = map_forked([None], tell, workers=1)
    broken = msgspec.json.decode(content, type=Tried).broken if content else {"": ["no verdict"]}
    for what in broken.values():
        say("\n".join(what))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
