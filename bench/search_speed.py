"""Measure a search of 200 variants on 125 markets and six years of 240-minute candles, and how its cost grows.

    python bench/search_speed.py            made-up candles: every market is there for all six years
    python bench/search_speed.py --data data    the recorded history below a data folder
    python bench/search_speed.py --growth   a variant at more and more markets and years, and docs/pictures/growth.svg

The search is that of `optimize`, with its sampler, its look around the winner and its processes, one a core. Nothing is
remembered from one run to the next.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from backtest.engine.panel import build_panel  # noqa: E402 - found only once the path is set
from backtest.engine.prepare import prepare  # noqa: E402
from backtest.engine.rules import Rules  # noqa: E402
from backtest.figures.results import run_one  # noqa: E402
from backtest.history.candles import Candles  # noqa: E402
from backtest.search.evaluate import Evaluator  # noqa: E402
from backtest.search.folds import Fold  # noqa: E402
from backtest.search.space import space_of  # noqa: E402
from backtest.units import to_ms  # noqa: E402
from strategy.registry import STRATEGIES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = timedelta(minutes=240)
BEGIN, YEAR, AFTER = datetime(2019, 1, 1, tzinfo=UTC), timedelta(days=365), timedelta(days=60)
WARM_UP = 1_300
"""Candles before the beginning: three times the longest average that is tried."""
STRATEGY, VARIANTS, MARKETS, YEARS, SEEDS = "quiet_trend", 200, 125, 6, 3
POINTS = [*((markets, YEARS) for markets in (25, 50, 75, 100, 125)), *((MARKETS, years) for years in (1, 2, 3, 4, 5))]
PICTURE = ROOT / "docs" / "pictures" / "growth.svg"
CALLS = 8


def made_up(markets: int, span: timedelta) -> dict[str, Candles]:
    """Return seeded candles that wander about, in trends of ten days, from the warm-up before `BEGIN` on."""
    rng, count = np.random.default_rng(1), WARM_UP + span // UNIT
    opened = to_ms(BEGIN - WARM_UP * UNIT) + np.arange(count, dtype=np.int64) * (UNIT // timedelta(milliseconds=1))
    history = {}
    for number in range(markets):
        drift = np.repeat(rng.normal(2e-4, 3e-3, count // 60 + 1), 60)[:count]
        close = 1_000 * np.exp(np.cumsum(drift + rng.normal(0, 8e-3, count)))
        open_ = np.concatenate([close[:1], close[:-1]])
        wide, volume = np.exp(np.abs(rng.normal(0, 4e-3, count))), 1e9 / close * rng.uniform(0.5, 1.5, count)
        history[f"KRW-A{number:03}" if number else "KRW-BTC"] = Candles(
            opened_at_ms=opened,
            open=open_,
            high=np.maximum(open_, close) * wide,
            low=np.minimum(open_, close) / wide,
            close=close,
            volume=volume,
            turnover=close * volume,
        )
    return history


def recorded(folder: Path) -> dict[str, Candles]:
    """Return the recorded history below a data folder."""
    from backtest.history.store import FOLDER, Store  # noqa: PLC0415 - pyarrow, which made-up candles do without

    store = Store(folder / FOLDER)
    return {market: store.read(UNIT, market).candles for market in store.need(UNIT)}


def evaluator_of(history: Mapping[str, Candles], seeds: int) -> Evaluator:
    """Return who judges a variant, with some draws."""
    return Evaluator(strategy=STRATEGY, unit=UNIT, rules=Rules(), seeds=tuple(range(seeds)), history=history)


def measure_search(history: Mapping[str, Candles], training: timedelta, seeds: int) -> None:
    """Search once, and print what it took."""
    from backtest.search.search import SearchPlan, search  # noqa: PLC0415 - Optuna and Dask take a moment to load
    from backtest.search.workers import open_workers  # noqa: PLC0415 - same

    middle = BEGIN + training
    plan = SearchPlan(
        strategy=STRATEGY,
        base={},
        axes=space_of(next(one for one in STRATEGIES if one.name == STRATEGY), []),
        folds=(Fold(begin=BEGIN, middle=middle, end=middle + AFTER),),
        trials=VARIANTS,
    )
    began, worked = time.perf_counter(), processor_time()
    with open_workers(evaluator_of(history, seeds), processes=None, cluster=None) as workers:
        found = search(plan, workers)
    taken, worked = time.perf_counter() - began, processor_time() - worked
    print(
        f"{VARIANTS} variants ({len(found.ratios)} with the neighbours of the winner), {len(history)} markets, "
        f"{training.days:,} days of 240-minute candles, {seeds} seeds, {os.cpu_count()} cores:\n"
        f"{taken:.1f} s by the clock, {worked:.1f} s of processor time, the largest process {peak_mb():,.0f} MB",
        flush=True,
    )


def processor_time() -> float:
    """Return the processor time of this process and of those of its own that have ended, seconds."""
    return sum(one.ru_utime + one.ru_stime for one in usage())


def peak_mb() -> float:
    """Return the most memory that one of the same processes ever held, 10^6 bytes."""
    return max(one.ru_maxrss for one in usage()) * 1024 / 1e6


def usage() -> tuple[resource.struct_rusage, ...]:
    """Return what this process used, and its own that have ended."""
    return tuple(resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def measure_point(markets: int, years: int) -> dict[str, float]:
    """Judge some variants in this process: what all seeds share, and the account of one, the fastest of each."""
    begin, end = BEGIN, BEGIN + years * YEAR
    strategy = next(one for one in STRATEGIES if one.name == STRATEGY)
    panel = build_panel(made_up(markets, years * YEAR), UNIT, begin, end, warm_up=WARM_UP)
    shared, alone, trades = [], [], 0
    for fast in range(8, 8 + CALLS):
        at = [time.process_time()]
        ready = prepare(panel, strategy, strategy.parameter_class(fast=fast))
        at.append(time.process_time())
        trades = len(run_one(ready, Rules(), 0).outcome.trades)
        at.append(time.process_time())
        shared.append(at[1] - at[0])
        alone.append((at[2] - at[1]) / trades)
    return {"shared": min(shared), "a_trade": min(alone), "trades": trades, "peak_mb": peak_mb()}


def measure_growth() -> None:
    """Measure every point in a process of its own, print a table, and draw it."""
    found: dict[tuple[int, int], dict[str, float]] = {}
    print(f"{'markets':>8}{'years':>7}{'candles':>12}{'shared ms':>11}{'trades':>8}{'us a trade':>12}{'peak MB':>9}")
    for markets, years in POINTS:
        command = [sys.executable, __file__, "--point", str(markets), str(years)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
        one = found[markets, years] = json.loads(done.stdout)
        print(
            f"{markets:>8}{years:>7}{candles_of(markets, years):>12,}{1e3 * one['shared']:>11.1f}{one['trades']:>8}"
            f"{1e6 * one['a_trade']:>12.1f}{one['peak_mb']:>9,.0f}",
            flush=True,
        )
    draw_growth(found)


def candles_of(markets: int, years: int) -> int:
    """Return how many candles a point has, those of the warm-up included."""
    return markets * (WARM_UP + years * YEAR // UNIT)


def draw_growth(found: Mapping[tuple[int, int], Mapping[str, float]]) -> None:
    """Draw time and memory over the candles, one line for more markets and one for more years; and time a trade."""
    import plotly.graph_objects as go  # noqa: PLC0415 - only for the picture
    from plotly.subplots import make_subplots  # noqa: PLC0415 - same

    from bench.strategy_pictures import browser_of_this_machine, looks, svg_of  # noqa: PLC0415 - same

    titles = ("a variant's numbers and targets, s", "a trade of an account, s", "memory, MB")
    figure = make_subplots(cols=3, subplot_titles=titles)
    lines = {"more markets, 6 years": [], "more years, 125 markets": []}  # type: dict[str, list[tuple[int, int]]]
    for markets, years in sorted(found, key=lambda point: candles_of(*point)):
        if years == YEARS:
            lines["more markets, 6 years"].append((markets, years))
        if markets == MARKETS:
            lines["more years, 125 markets"].append((markets, years))
    for colour, (name, points) in zip(("#1f77b4", "#d62728"), lines.items(), strict=True):
        for column, value in enumerate(("shared", "a_trade", "peak_mb"), start=1):
            figure.add_trace(
                go.Scatter(
                    x=[candles_of(*point) for point in points],
                    y=[found[point][value] for point in points],
                    name=name, line={"color": colour}, showlegend=column == 1, mode="lines+markers",
                ), row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(title="candles", rangemode="tozero").update_yaxes(rangemode="tozero")
    PICTURE.write_text(svg_of(looks(figure), browser_of_this_machine()), encoding="utf-8")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="search recorded candles below BOT_DATA_DIR")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help=f"draws a variant (default {SEEDS})")
    parser.add_argument("--growth", action="store_true", help="measure and draw how the cost grows")
    parser.add_argument("--point", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        print(json.dumps(measure_point(*options.point)))
    elif options.growth:
        measure_growth()
    elif options.data:
        measure_search(recorded(options.data), YEARS * YEAR - AFTER, options.seeds)
    else:
        measure_search(made_up(MARKETS, YEARS * YEAR + AFTER), YEARS * YEAR, options.seeds)


if __name__ == "__main__":
    main()
