"""`make sigkill`: the real program is ended by a real SIGKILL, over and over, at every named point.

Several series run beside each other (`worlds/sigkill/series.py`): in each an exchange lives on while one `python
main.py` after the other dies on the same data folder, over loopback sockets. Every successor must trade again within
ten seconds. At the end both books must be equal to the last decimal.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import Counter
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from trader.clock import wall_clock
from worlds.promises import table
from worlds.sigkill.harness import PlannedKill, Start, Tally
from worlds.sigkill.points import POINTS
from worlds.sigkill.series import run_series

if TYPE_CHECKING:
    from collections.abc import Sequence

SERIES = 3
PROGRESS_S = 10.0
PREPARED_BY = {
    "resolve": "doubt",
    "see": "doubt",
    "take_step": "missing",
    "what_to_send": "missing",
    "fence": "missing",
    "announce_stop": "stop",
    "close": "stop",
    "back_up": "old",
    "migration": "old",
    "copy_to": "backup",
    "copy_into": "backup",
    "adopt": "restored",
    "put": "recovered",
    "rebuild": "recovered",
    "put_in_place": "recovered",
    "ask": "halted",
    "begin_command": "halted",
    "end_halt": "halted",
    "end_command": "halted",
    "take_out": "taken",
}
"""What must happen so that a place is reached, where not every daemon passes it."""
IN_TURN = ("stop", "doubt", "missing", "backup", "restored", "recovered", "halted")
"""The order in which these are made to happen, half-way through a series."""
ONCE = ("recover", "run_all", "migrate", "record_scan", "compare_orders", "begin_trade", "add_notes", "checkpoint")
"""Places that a daemon passes once, or seldom: always killed at the first time."""
DEEP = 3
"""The others are killed at their first, second or third time."""


def place_of(point: str) -> str:
    """Return a point without its before, after, in or at."""
    return point.partition("_")[2]


def preparation_for(point: str) -> str:
    """Return what must happen so that a point is reached."""
    return PREPARED_BY.get(place_of(point), "nothing")


def distribute(kills: int, series: int) -> list[list[PlannedKill]]:
    """Distribute kills over series: every point once, and those that every daemon passes again, each time deeper.

    Old journals come first: what lies and fences have taught a journal cannot be told in the format before. What
    takes minutes is waited for in patient series, the last ones, of one kill each.
    """
    old, slow = prepared_by("old"), prepared_by("taken")
    once = [planned for preparation in IN_TURN for planned in prepared_by(preparation)]
    usual = [point for point in POINTS if preparation_for(point) == "nothing"]
    left = max(len(usual), kills - len(old) - len(slow) - len(once))
    again = [kill_at(usual[number % len(usual)], number // len(usual)) for number in range(left)]
    queues = [(old[turn::series], again[turn::series], once[turn::series]) for turn in range(series)]
    middle = (len(again) // series) // 2  # where there is something to lose already
    usual_series = [first + often[:middle] + seldom + often[middle:] for first, often, seldom in queues]
    return [*usual_series, *([planned] for planned in slow)]


def prepared_by(preparation: str) -> list[PlannedKill]:
    """Return one kill for every point that takes a preparation."""
    return [
        PlannedKill(point=point, preparation=preparation) for point in POINTS if preparation_for(point) == preparation
    ]


def kill_at(point: str, round_: int) -> PlannedKill:
    """Return the kill of a round at a point that every daemon passes."""
    nth = 1 if place_of(point) in ONCE else 1 + round_ % DEEP
    return PlannedKill(point=point, preparation="nothing", nth=nth)


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def progress(tallies: Sequence[Tally], seconds: float) -> str:
    """Return how far it is."""
    kills = [point for tally in tallies for point in tally.kills]
    reached = len(set(kills) & set(POINTS))
    broken = sum(len(tally.broken) for tally in tallies)
    return f"{seconds:4.0f} s: {len(kills)} SIGKILLs, {reached} of {len(POINTS)} points, {broken} violations"


def judge(tallies: Sequence[Tally], seconds: float, where: str) -> tuple[list[str], int]:
    """Return the report, and 1 when anything was lost, doubled or too slow, or a point was never reached.

    Its last two lines are those of docs/architecture.md. `where`: on which day and machine.
    """
    kills = Counter(point for tally in tallies for point in tally.kills)
    unseen = [point for point in POINTS if not kills[point]]
    broken = [one for tally in tallies for one in tally.broken]
    missed = sum(len(tally.missed) for tally in tallies)
    orders, fills = sum(tally.orders for tally in tallies), sum(tally.fills for tally in tallies)
    tried = f"{kills.total()} SIGKILLs at {len(kills)} points, {missed} not reached at the first try"
    lines = [
        *(f"{point:<24}{count:>5}" for point, count in sorted(kills.items())),
        *(f"    {one}" for one in broken),
        *table(broken),
        starts_line([start for tally in tallies for start in tally.starts]),
        f"{where}: {tried}, {orders} orders, {fills} fills, {len(broken)} violations, {seconds:.0f} s",
    ]
    if unseen:
        lines.append("never reached: " + ", ".join(unseen))
    return lines, 1 if broken or unseen else 0


def starts_line(starts: Sequence[Start]) -> str:
    """Return how long starts took until the daemon traded."""
    if not starts:
        return "nothing traded"
    wall, own, cpu = ([getattr(start, name) for start in starts] for name in ("wall", "own", "cpu"))
    return (
        f"{len(starts)} starts until trading: median {statistics.median(wall):.1f} s, slowest {max(wall):.1f} s, "
        f"slowest on a machine of its own {max(own):.1f} s, median processor time {statistics.median(cpu):.1f} s"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run all series."""
    parser = argparse.ArgumentParser(prog="python -m worlds.sigkill", description=__doc__)
    parser.add_argument("--kills", type=int, default=104)
    parser.add_argument("--series", type=int, default=SERIES)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    queues = distribute(options.kills, options.series)
    tallies = [Tally() for _ in queues]
    with ThreadPoolExecutor(len(queues)) as pool:
        runs = {
            pool.submit(run_series, number, queue, tally, patient=number >= options.series)
            for number, (queue, tally) in enumerate(zip(queues, tallies, strict=True))
        }
        while runs:
            done, runs = wait(runs, timeout=PROGRESS_S, return_when=FIRST_EXCEPTION)
            for run in done:
                run.result()
            say(progress(tallies, time.monotonic() - began))
    where = f"{wall_clock():%Y-%m-%d}, {os.cpu_count()} cores"
    lines, code = judge(tallies, time.monotonic() - began, where)
    say("\n".join(lines))
    return code
