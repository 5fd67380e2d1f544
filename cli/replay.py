"""`replay`: run one simulated world again and print its story in order, with the verdict at its end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.options import positive

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("seed", type=int, metavar="SEED", help="the seed of the world")
    parser.add_argument(
        "--hours", type=positive, metavar="H", help="simulated hours of storm (default: as make simulate)"
    )


def run(_: Config, options: argparse.Namespace) -> int:
    """Replay the world of a seed; 1 when it broke a promise."""
    from worlds.phases import run_world  # noqa: PLC0415 - same
    from worlds.plan import HOURS, draw_plan  # noqa: PLC0415 - same
    from worlds.pool import map_forked  # noqa: PLC0415 - the trading daemon never loads a simulation

    def tell(seed: int) -> bytes:
        with tempfile.TemporaryDirectory(prefix="world-") as folder:
            outcome, story = run_world(draw_plan(seed, options.hours or HOURS), Path(folder))
        for line in story.lines:
            print(line)  # noqa: T201 - the story a person reads
        verdict = f"BROKEN PROMISES: {len(outcome.broken)}" if outcome.broken else "no promise was broken"
        print(  # noqa: T201 - the verdict
            f"seed {seed}: {outcome.orders} orders, {outcome.fills} fills, {outcome.kills} kills, "
            f"{outcome.hours:.2f} h, sha256 {outcome.digest}\n{verdict}"
        )
        return b"broken" if outcome.broken else b"whole"

    ((_, verdict),) = map_forked([options.seed], tell, workers=1)
    return OK if verdict == b"whole" else ERROR
