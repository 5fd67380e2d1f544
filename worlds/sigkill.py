"""`make sigkill`: a real daemon process is ended by a real SIGKILL, over and over, at every named point.

Several lanes run beside each other. In each one an exchange lives on while daemon after daemon dies on the same data
folder; every successor must trade again within ten seconds. At the end both books must be equal to the last decimal.
"""

from __future__ import annotations

import argparse
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from worlds.victim import POINTS, Order

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TRADING_WITHIN_S = 10.0
REACHED_WITHIN_S = 75.0
ENDS_WITHIN_S = 120.0
RARE = {f"{when}_{name}" for when in ("before", "after") for name in ("see", "resolve", "take_step", "what_to_send")}
"""Reached only when an answer was lost, so at once when it is; the others at their first, second or third time."""


@dataclass
class Tally:
    """What one lane did."""

    kills: dict[str, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)  # points that were not reached in time
    broken: list[str] = field(default_factory=list)
    slowest_s: float = 0.0  # from the start of a process to its trading
    orders: int = 0
    fills: int = 0


class Process:
    """A child of ours whose lines of output can be waited for."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put("")

    def line(self, seconds: float) -> str:
        """Return the next line; empty when none comes in time, or the process has ended."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return ""

    def tell(self, text: str) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, negative for a signal; None while it still runs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End it if it still lives."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def start(facts: dict[str, Any], folder: Path, point: str | None, nth: int, tally: Tally) -> Process:
    """Start a daemon and wait until it trades; a victim may die before."""
    order = Order(folder=str(folder), point=point, nth=nth, **facts)
    began = time.monotonic()
    victim = Process("worlds.victim", msgspec.json.encode(order).decode())
    if victim.line(ENDS_WITHIN_S) == "trading":
        took = time.monotonic() - began
        tally.slowest_s = max(tally.slowest_s, took)
        if took > TRADING_WITHIN_S:
            tally.broken.append(f"I19 trading after {took:.1f} s")
    elif victim.wait(ENDS_WITHIN_S) != -signal.SIGKILL:
        tally.broken.append(f"a daemon did not come up again at {point}: exit code {victim.process.returncode}")
    return victim


def lane(number: int, points: list[tuple[str, int]]) -> Tally:
    """Kill one daemon after the other at the given points, then let everything be sold, and judge."""
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="sigkill-") as name:
        folder = Path(name)
        book = folder / "journal.sqlite3"
        book.touch(mode=0o600)
        arena = Process("worlds.arena", str(number), str(book))
        try:
            facts = msgspec.json.decode(arena.line(30.0))
            for point, nth in points:
                victim = start(facts, folder, point, nth, tally)
                if victim.wait(REACHED_WITHIN_S) == -signal.SIGKILL:
                    tally.kills[point] = tally.kills.get(point, 0) + 1
                else:
                    tally.missed.append(point)
                    victim.end()
            rest(arena, facts, folder, tally)
        finally:
            arena.end()
    return tally


def rest(arena: Process, facts: dict[str, Any], folder: Path, tally: Tally) -> None:
    """Let the last daemon sell everything, stop it, and compare the books."""
    last = start(facts, folder, None, 1, tally)
    arena.tell("fall")
    arena.line(10.0)
    time.sleep(45.0)  # market minutes: candles close, the leader is below its average, everything is sold
    last.process.send_signal(signal.SIGTERM)
    if last.wait(30.0) != 0:
        tally.broken.append(f"the last daemon did not stop cleanly: {last.process.returncode}")
        last.end()
    arena.tell(f"judge {folder / 'journal.sqlite3'}")
    verdict = msgspec.json.decode(arena.line(30.0) or b'{"broken": ["no verdict"], "orders": 0, "fills": 0}')
    tally.broken += verdict["broken"]
    tally.orders, tally.fills = verdict["orders"], verdict["fills"]


def deal(kills: int, lanes: int) -> list[list[tuple[str, int]]]:
    """Deal points to lanes so that every point is tried about equally often, each time deeper into the flow."""
    dealt: list[list[tuple[str, int]]] = [[] for _ in range(lanes)]
    for number in range(kills):
        point = POINTS[number % len(POINTS)]
        nth = 1 if point in RARE else 1 + number // len(POINTS) % 3
        dealt[number % lanes].append((point, nth))
    return dealt


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def report(tallies: list[Tally], wall: float) -> int:
    """Print what was tried; 1 when anything was lost, doubled, or too slow, or a point was never reached."""
    kills: dict[str, int] = {}
    for tally in tallies:
        for point, count in tally.kills.items():
            kills[point] = kills.get(point, 0) + count
    for point in POINTS:
        say(f"{point:<24}{kills.get(point, 0):>5}")
    broken = list(all_of(tallies))
    for one in broken:
        say(f"    {one}")
    slowest = max(tally.slowest_s for tally in tallies)
    orders, fills = sum(tally.orders for tally in tallies), sum(tally.fills for tally in tallies)
    missed = sum(len(tally.missed) for tally in tallies)
    say(
        f"{sum(kills.values())} SIGKILLs at {len(kills)} points, {missed} not reached in time, {orders} orders, "
        f"{fills} fills, slowest start {slowest:.1f} s, {len(broken)} violations, {wall:.0f} s"
    )
    unseen = [point for point in POINTS if not kills.get(point)]
    if unseen:
        say("never reached: " + ", ".join(unseen))
    return 1 if broken or (unseen and sum(kills.values()) >= len(POINTS)) else 0


def all_of(tallies: list[Tally]) -> Iterator[str]:
    """Yield every broken promise."""
    for tally in tallies:
        yield from tally.broken


def main(arguments: list[str] | None = None) -> int:
    """Run all lanes."""
    parser = argparse.ArgumentParser(prog="python -m worlds.sigkill", description=__doc__)
    parser.add_argument("--kills", type=int, default=132)
    parser.add_argument("--lanes", type=int, default=4)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with ThreadPoolExecutor(options.lanes) as pool:
        tallies = list(pool.map(lane, range(options.lanes), deal(options.kills, options.lanes)))
    return report(tallies, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
