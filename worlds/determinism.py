"""`make determinism`: the same seeds in two processes, under random hash seeds and load, tell the same stories.

Each side is a fresh interpreter; the second one shares its processor with others that do nothing but count. What is
compared is the SHA-256 of every line of a story: orders, fills, messages, kills, log lines, and the journal's events.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from worlds.phases import run_world
from worlds.plan import draw_plan
from worlds.pool import map_forked
from worlds.simulate import memory_disk

ROOT = Path(__file__).resolve().parent.parent
BURN = "while True: pass"


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def digest(seed: int, hours: float) -> bytes:
    """Run one world in this process and return the hash of its story."""
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="world-") as folder:
        return run_world(draw_plan(seed, hours), Path(folder))[0].digest.encode()


def one_side(seeds: int, hours: float) -> int:
    """Print the hashes of all seeds as JSON; what the two interpreters run."""
    found = map_forked(range(1, seeds + 1), lambda seed: digest(seed, hours), workers=1)
    say(json.dumps({seed: content.decode() for seed, content in found}))
    return 0


def start(seeds: int, hours: float) -> subprocess.Popen[str]:
    """Start one side with a hash seed of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": str(secrets.randbelow(2**32))}
    command = [sys.executable, "-m", "worlds.determinism", "--side", "--seeds", str(seeds), "--hours", str(hours)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours


def compare(seeds: int, hours: float) -> int:
    """Run both sides, the second one under load, and count the seeds that differ."""
    began = time.perf_counter()
    with start(seeds, hours) as first:
        load = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(os.cpu_count() or 1)]  # noqa: S603 - ours
        try:
            with start(seeds, hours) as second:
                answers = [json.loads(side.communicate()[0] or "{}") for side in (first, second)]
        finally:
            for burner in load:
                burner.kill()
                burner.wait()
    mine, other = answers
    equal = [seed for seed in mine if mine[seed] and mine[seed] == other.get(seed)]
    differ = sorted({*mine, *other} - {*equal}, key=int)
    wall = time.perf_counter() - began
    say(f"{seeds} seeds x 2 processes, {hours:g} h each: {len(equal)} equal hashes, {len(differ)} differ, {wall:.1f} s")
    for seed in differ:
        say(f"seed {seed}: {mine.get(seed)} is not {other.get(seed)}")
    return 0 if len(equal) == seeds else 1


def main(arguments: list[str] | None = None) -> int:
    """Compare two processes; or be one of them."""
    parser = argparse.ArgumentParser(prog="python -m worlds.determinism", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    return (one_side if options.side else compare)(options.seeds, options.hours)


if __name__ == "__main__":
    sys.exit(main())
