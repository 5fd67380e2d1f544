"""`make kill`: end the daemon at every callback of the event loop during order flows, and see that nothing is lost.

A flow runs once. Before every callback of the daemon while an order is in hand, the process forks: the child kills the
daemon there, starts it again on its files, waits until nothing is in doubt, and compares both books; the parent goes
on to the next callback. So every point is tried in the very world in which it would occur.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from journal.records import Order
from simulation.disk import inherit
from worlds.flows import Flow
from worlds.judges.books import OPEN_TRADES
from worlds.lies.sandbox import LieRates
from worlds.pool import Pool, answer, map_forked
from worlds.promises import table
from worlds.simulate import memory_disk
from worlds.steering import FRONTS
from worlds.world import in_world

if TYPE_CHECKING:
    from simulation.hosts import Host
    from worlds.world import World

AFTERWARDS = 25
"""Callbacks that are tried after the last one with an order in hand: messages, the next decision."""
PATIENCE_S = 180.0
LONGEST_FLOW_S = 1500.0
POWER_LOSS_EVERY = 3
"""Every third point loses the power instead of only the process."""


FLOWS = (
    Flow(name="buy"),
    Flow(name="buy over several levels", depth_krw=9_000.0),
    Flow(name="partial fill, then the rest", depth_krw=9_000.0, partial_looks=3),
    Flow(name="buy, answer lost", lies=("lost_answer",)),
    Flow(name="buy, HTML 500 after it was taken", lies=("html_after",)),
    Flow(name="buy, half an answer", lies=("truncated",)),
    Flow(name="buy, executed late", lies=("late",)),
    Flow(name="buy, never arrived", lies=("never",)),
    Flow(name="buy, 429", lies=("limited",)),
    Flow(name="buy, refused", lies=("refused",)),
    Flow(name="buy, not found at first", lies=("lost_answer",), rates=LieRates(lag=0.7)),
    Flow(name="buy, looks fail", lies=("html_after",), rates=LieRates(error=0.3)),
    Flow(name="sell", side="ask"),
    Flow(name="sell, answer lost", side="ask", lies=(None, "lost_answer")),
    Flow(name="sell, executed late", side="ask", lies=(None, "late")),
    Flow(name="stop", side="ask", shock=0.08),
    Flow(name="dust", side="dust", shock=0.6, order_krw=8_000),
    Flow(name="restart in restart", lies=("lost_answer",), again=True),
    Flow(name="restart in restart, executed late", lies=("late",), again=True),
    *(
        Flow(
            name=f"{order} from the {front}",
            side="ask" if order in {Order.SELL, Order.SELL_ALL} else "bid",
            steer=(order, front),
        )
        for order in Order
        for front in FRONTS
    ),
)


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow."""

    name: str
    points: int
    violations: list[str]  # "point N: what"


class ForkingKiller:
    """Forks before every callback that belongs to the flow."""

    def __init__(self, world: World, flow: Flow, workers: int) -> None:
        self._world = world
        self._flow = flow
        self._pool = Pool(workers)
        self.points = 0
        self.violations: list[str] = []
        self.done = asyncio.Event()
        self._after: int | None = None  # callbacks left once the order was in hand
        self._died = not flow.again

    def before_turn(self, host: Host) -> None:
        """Kill here in a child, if the flow is under way."""
        if host is not self._world.machine.host or self.done.is_set():
            return
        in_hand = self._in_hand()
        if not self._died:
            if in_hand and any(state == "UNKNOWN" for _, state in self._live()):
                self._died = True
                self._world.machine.kill()
            return
        if in_hand:
            self._after = AFTERWARDS
        elif self._after is None:
            return
        elif self._after == 0:
            self.done.set()
            return
        else:
            self._after -= 1
        self._try_here()

    def _live(self) -> list[tuple[str, str]]:
        books = self._world.checker.books
        return books.live() if books is not None else []

    def _in_hand(self) -> bool:
        """Return whether an order of the flow's side may still execute."""
        if self._flow.again and self._died and self._world.machine.trading_since is None:
            return True
        if self._world.steering is not None:
            return self._world.steering.is_under_way()
        books = self._world.checker.books
        if books is None:
            return False
        if self._flow.side == "dust":
            return bool(self._world.source.shocks) and bool(books.rows(OPEN_TRADES))
        query = "SELECT 1 FROM intent WHERE side = ? AND state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED')"
        return bool(books.rows(query, self._flow.side))

    def _try_here(self) -> None:
        while self._pool.full():
            self._collect()
        point = self.points
        self.points += 1
        world = self._world
        copy = world.folder / f"point{point}"
        inherit(world.machine.folder(), copy / world.machine.folder().name)
        write = self._pool.fork(point)
        if write is not None:
            asyncio._set_running_loop(world.loop)  # noqa: SLF001 - asyncio forgets the running loop in a fork
            world.folder = copy
            world.loop.before_turn = None
            world.machine.kill("power_loss" if point % POWER_LOSS_EVERY == 0 else "kill")
            world.machine.open_books()  # those that are open are the parent's, who goes on writing
            world.loop.create_task(verdict(world, write)).add_done_callback(break_off)

    def _collect(self) -> None:
        for point, content in self._pool.collect():
            broken = msgspec.json.decode(content, type=list[str]) if content else ["no verdict"]
            self.violations += [f"point {point}: {one}" for one in broken]

    def finish(self) -> None:
        """Wait for the children that are still at work."""
        while self._pool.busy():
            self._collect()


async def verdict(world: World, write: int) -> None:
    """In the child: let the daemon recover, stop it, and hand back which promises were broken."""
    began = world.loop.time()
    await asyncio.sleep(1.1)
    while world.loop.time() - began < PATIENCE_S and not is_whole(world):  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.25)
    if world.machine.trading_since is None:
        world.story.breach("I19 no trading after the kill")
    world.machine.wanted = False
    world.machine.stop.set()
    await world.machine.over.wait()
    world.judge()
    answer(write, msgspec.json.encode(world.story.broken))


def break_off(judging: asyncio.Task[None]) -> None:
    """End a child whose verdict failed: it must never go on as if it were its parent."""
    traceback.print_exception(judging.exception())
    os._exit(1)


def is_whole(world: World) -> bool:
    """Return whether the daemon trades again and nothing is under way."""
    over = world.steering is None or world.steering.is_over()
    return over and world.machine.trading_since is not None and world.is_quiet()


async def script(world: World, flow: Flow, killer: ForkingKiller) -> Tried:
    """In the parent: let the flow happen once."""
    flow.prepare(world)
    world.loop.before_turn = killer.before_turn
    await world.open()
    befalls = world.loop.create_task(flow.befall(world))
    while not killer.done.is_set() and world.loop.time() < LONGEST_FLOW_S:  # noqa: ASYNC110 - a flow may never end
        await asyncio.sleep(0.2)
    befalls.cancel()
    killer.finish()
    return Tried(name=flow.name, points=killer.points, violations=killer.violations)


def try_flow(flow: Flow, workers: int) -> Tried:
    """Run one flow and all its kills; only for a process that ends soon after."""
    parent = os.getpid()
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="kill-") as folder:
        try:
            tried, _ = in_world(
                flow.plan(),
                Path(folder),
                lambda _: None,
                lambda world: script(world, flow, ForkingKiller(world, flow, workers)),
            )
        except BaseException:
            if os.getpid() == parent:
                raise
            traceback.print_exc()
            os._exit(1)  # a child that broke must not clean up what its parent still needs
    return tried


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def main(arguments: list[str] | None = None) -> int:
    """Try every flow, print what was tried, and return 1 when anything broke or a flow never happened."""
    parser = argparse.ArgumentParser(prog="python -m worlds.kill", description=__doc__)
    parser.add_argument("--flow", help="only flows whose name contains this")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    flows = [flow for flow in FLOWS if options.flow is None or options.flow in flow.name]
    points = missing = 0
    broken: list[str] = []
    for flow, content in map_forked(flows, lambda flow: msgspec.json.encode(try_flow(flow, options.workers)), 1):
        tried = msgspec.json.decode(content, type=Tried) if content else Tried(name=flow.name, points=0, violations=[])
        say(f"{tried.name:<36}{tried.points:>6} points {len(tried.violations):>5} violations")
        for one in tried.violations[:3]:
            say(f"    {one}")
        points += tried.points
        broken += [one.partition(": ")[2] for one in tried.violations]
        missing += not tried.points
    wall = time.perf_counter() - began
    for line in table(broken):
        say(line)
    say(f"{len(flows)} flows, {points} points tried, {len(broken)} violations, {wall:.1f} s")
    return 1 if broken or missing else 0


if __name__ == "__main__":
    sys.exit(main())
