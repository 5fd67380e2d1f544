"""Measure how many candles a second a backtest takes, beside other backtesters and a fused numba loop.

Everybody runs the same rule on the same made-up prices: hold a market while its EMA(20) is above its EMA(100), at most
five markets at a time. backtesting.py and fast-trade know one market only, so they run them one by one, and vectorbt
has no such limit: these three hold every market that rises. The numba loop is no backtester: it is the least a compiled
program needs for the same rule, draw and costs, written by hand in one loop.

Each peer runs in a process of its own, several times: the first call is shown apart (what is compiled and loaded then),
the best of the others is the figure. Time is processor time of the process, so that a busy machine disturbs it less;
still compare only ratios within one run. It begins when the prices are in memory and ends with the last trade; a
peer's own way of feeding candles and its own indicators are included, imports are shown apart.

    make peers

A peer that is not installed is left out. Those that go from candle to candle get a tenth of the candles (column
"candles"), or all of them with --whole. nautilus wants an older pandas than the others, so it has an environment of its
own, `.venv-nautilus`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import random
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.peers.prices import FAST, PLACES, SLOW, make_prices  # noqa: E402 - found only once the path is set

CASES = {"one market": (1, 525_600), "many markets": (100, 43_200)}
SLOW_PART = 10
NAUTILUS = ROOT / ".venv-nautilus" / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One program that is measured."""

    package: str | None  # as it is installed; None: this project
    module: str  # file in bench/peers
    run: str  # function in it: takes the prices, returns how many trades it made
    slow: bool = False  # whether it goes from candle to candle
    python: Path = Path(sys.executable)


PEERS = {
    "this project": Peer(package=None, module="ours", run="ours"),
    "numba loop": Peer(package="numba", module="arrays", run="numba_loop"),
    "vectorbt": Peer(package="vectorbt", module="arrays", run="vectorbt"),
    "fast-trade": Peer(package="fast-trade", module="arrays", run="fast_trade"),
    "backtesting.py": Peer(package="backtesting", module="events", run="backtesting_py", slow=True),
    "backtrader": Peer(package="backtrader", module="events", run="backtrader", slow=True),
    "basana": Peer(package="basana", module="events", run="basana", slow=True),
    "freqtrade": Peer(package="freqtrade", module="freqtrade_peer", run="freqtrade", slow=True),
    "nautilus": Peer(package="nautilus-trader", module="nautilus_peer", run="nautilus", slow=True, python=NAUTILUS),
}

WARM, WARM_SLOW = 5, 1
"""Calls after the first."""
HEADS = ("candles", "import s", "first s", "warm s", "candles/s", "trades", "peak MB", "ours is")
WIDTHS = (11, 10, 9, 9, 13, 8, 9, 11)


def measure_here(name: str, markets: int, candles: int) -> dict[str, float | str]:
    """Run one peer in this process, first cold, then warm."""
    prices, peer = make_prices(markets, candles), PEERS[name]
    random.seed(1)
    began = time.process_time()
    importlib.import_module((peer.package or "backtest").replace("-", "_"))
    run = getattr(importlib.import_module(f"bench.peers.{peer.module}"), peer.run)
    taken = [time.process_time() - began]
    for _ in range(1 + (WARM_SLOW if peer.slow else WARM)):
        began = time.process_time()
        trades = run(prices)
        taken.append(time.process_time() - began)
    return {
        "version": importlib.metadata.version(peer.package) if peer.package else "",
        "candles": prices.count,
        "import": taken[0],
        "first": taken[1],
        "warm": min(taken[2:]),
        "trades": trades,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(name: str, markets: int, candles: int) -> dict[str, Any] | None:
    """Run one peer in a process of its own; None where it is not installed."""
    peer = PEERS[name]
    command = [str(peer.python), __file__, "--one", name, str(markets), str(candles)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    if not peer.python.exists():
        return None
    done = subprocess.run(  # noqa: S603 - our own program
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and f"No module named '{(peer.package or '').replace('-', '_')}'" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def compare(case: str, *, whole: bool) -> None:
    """Print one table."""
    markets, candles = CASES[case]
    print(f"\n{case}: {markets} x {candles:,} one-minute candles, EMA {FAST}/{SLOW}, at most {PLACES} positions")
    print(" " * 24 + "".join(f"{name:>{width}}" for name, width in zip(HEADS, WIDTHS, strict=True)))
    ours = 0.0
    for name, peer in PEERS.items():
        one = measure(name, markets, candles // SLOW_PART if peer.slow and not whole else candles)
        if one is None:
            print(f"{name:24}not installed: make peers")
            continue
        rate = one["candles"] / one["warm"]
        ours = ours or rate
        cells = (
            f"{one['candles']:,}", f"{one['import']:.2f}", f"{one['first']:.2f}", f"{one['warm']:.4f}", f"{rate:,.0f}",
            f"{one['trades']:,}", f"{one['peak_mb']:,.0f}", f"{ours / rate:.2f} x",
        )  # fmt: skip
        line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
        print(f"{name + ' ' + one['version']:24}" + line, flush=True)


def main() -> None:
    """Measure every peer on every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="give the slow ones all candles too (hours)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, markets, candles = options.one
        print(json.dumps(measure_here(name, int(markets), int(candles))))
        return
    for case in CASES:
        compare(case, whole=options.whole)


if __name__ == "__main__":
    main()
