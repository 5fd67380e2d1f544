"""`make simulate`: many worlds, one table. `python -m worlds.simulate --seeds 150 --hours 3.5`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from worlds.phases import run_world
from worlds.plan import HOURS, WorldOutcome, draw_plan
from worlds.pool import map_forked
from worlds.promises import table

STATES = ("PLANNED", "SENT", "UNKNOWN", "ACCEPTED", "none")
ON_ORDERS = ("late", "lost_answer", "html_after", "truncated", "hang_after", "never", "limited", "refused")
ANY_TIME = ("kill", "power_loss", "stop", "partition", "slow", "error", "lag", "stale")
OF_PERSON = ("person_sells", "person_withdraws", "person_locks", "person_buys", "person_sells_in_peace")
OF_TWO = ("unknown_to_first", "unknown_to_other")
OF_LIMITS = ("day_is_spent", "breaker_day_loss")
OF_MACHINE = (
    *("journal_recovered", "journal_forgotten", "journal_restored", "second_here", "other_machine"),
    *("clock_ahead", "clock_behind", "disk_full", "disk_fails", "fault_plan"),
)
MUST_SEE = (
    *((kind, "SENT") for kind in ON_ORDERS),
    *((kind, state) for kind in ("kill", "power_loss", "slow") for state in ("SENT", "UNKNOWN", "ACCEPTED", "none")),
    *((kind, "UNKNOWN") for kind in ("lag", "error", "stale", "partition", "stop")),
    ("partial", "ACCEPTED"),
    *((kind, "none") for kind in OF_PERSON + OF_MACHINE + OF_TWO + OF_LIMITS),
    *((kind, "ACCEPTED") for kind in ("person_cancelled", "person_sells", "person_locks", "disk_full", "disk_fails")),
)
"""A simulation that never reaches a state proves nothing about it: every pair must occur at least once."""
ENOUGH_SEEDS = 100
"""From here on a pair that was never reached is a failure."""
TELL_EVERY = 25
NETWORK = ("reset", "stall", "refuse", "hang", "dns", "partition")


def memory_disk() -> str | None:
    """Return where files cost least; None where there is no such place."""
    place = Path("/dev/shm")  # noqa: S108 - the kernel's memory disk
    return str(place) if place.is_dir() else None


def work(seed: int, hours: float) -> bytes:
    """Run one world in this process and return what became of it."""
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="world-") as folder:
        outcome, _ = run_world(draw_plan(seed, hours), Path(folder))
        return msgspec.json.encode(outcome)


class Sum:
    """The sum of many worlds."""

    def __init__(self) -> None:
        self.seeds = self.orders = self.fills = self.kills = 0
        self.hours = 0.0
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.broken: dict[int, list[str]] = {}
        self.worst: dict[str, float] = {}

    def add(self, outcome: WorldOutcome) -> None:
        """Take one world in."""
        self.seeds += 1
        self.hours += outcome.hours
        self.orders += outcome.orders
        self.fills += outcome.fills
        self.kills += outcome.kills
        self.counts.update(outcome.counts)
        self.seen.update(outcome.seen)
        for name, seconds in outcome.worst.items():
            self.worst[name] = max(seconds, self.worst.get(name, 0.0))
        if outcome.broken:
            self.broken[outcome.seed] = outcome.broken

    def unseen(self) -> list[str]:
        """Return the pairs of fault and state that were never reached."""
        return [f"{kind}/{state}" for kind, state in MUST_SEE if not self.seen[f"{kind}/{state}"]]


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def report(total: Sum, wall: float) -> None:
    """Print the one table."""
    besides = ("person_", "resume", "daemon_ended_itself", "unknown_to_", "day_is_spent", "breaker_")
    faults = sum(total.counts[kind] for kind in total.counts if not kind.startswith(besides))
    say(f"{'hours simulated':<24}{total.hours:>12,.1f}")
    for name in ("seeds", "orders", "fills", "kills"):
        say(f"{name:<24}{getattr(total, name):>12,}")
    say(f"{'faults injected':<24}{faults:>12,}")
    say(f"{'kinds':<24}{len(total.counts):>12,}")
    say(f"{'slowest resolution, s':<24}{total.worst.get('resolve_s', 0.0):>12.1f}")
    say(f"{'slowest restart, s':<24}{total.worst.get('restart_s', 0.0):>12.2f}")
    say(f"{'wall seconds':<24}{wall:>12.1f}")
    say()
    say(f"{'fault':<20}{'times':>8} | " + "".join(f"{state:>10}" for state in STATES))
    for kind in sorted(total.counts):
        states = "".join(f"{total.seen[f'{kind}/{state}']:>10,}" for state in STATES)
        say(f"{kind:<20}{total.counts[kind]:>8,} | {states}")
    say()
    broken = [one for world in total.broken.values() for one in world]
    say(f"{'violations':<24}{len(broken):>12,}")
    for line in table(broken):
        say(line)


def main(arguments: list[str] | None = None) -> int:
    """Run the worlds, print the table, and return 1 when a promise was broken or a state was never reached."""
    parser = argparse.ArgumentParser(prog="python -m worlds.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=150)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    total = Sum()
    lost: list[int] = []
    seeds = range(options.first, options.first + options.seeds)
    for seed, content in map_forked(seeds, lambda seed: work(seed, options.hours), options.workers):
        if not content:
            lost.append(seed)
            continue
        outcome = msgspec.json.decode(content, type=WorldOutcome)
        total.add(outcome)
        if total.seeds % TELL_EVERY == 0 and total.seeds < options.seeds:
            wall = time.perf_counter() - began
            say(f"{total.seeds} of {options.seeds} worlds, {total.hours:,.0f} h, {total.orders:,} orders, {wall:.0f} s")
        if outcome.broken:
            say(f"seed {seed}: {outcome.broken[0]}  ->  python main.py replay {seed} --hours {options.hours:g}")
    report(total, time.perf_counter() - began)
    unseen = total.unseen() if total.seeds >= ENOUGH_SEEDS else []
    for pair in unseen:
        say(f"never reached: {pair}")
    for seed in lost:
        say(f"seed {seed} ended without a verdict  ->  python main.py replay {seed} --hours {options.hours:g}")
    return 1 if total.broken or unseen or lost else 0


if __name__ == "__main__":
    sys.exit(main())
