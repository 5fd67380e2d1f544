"""Measure every shipped strategy on recorded history, and write the figures into Strategy.md and Strategy.en.md.

    python main.py data import FOLDER ... --unit 240m     or     python main.py download --unit 240m --from 2018-07-01
    python bench/strategy_report.py --measure --data data

Without --measure the documents are only written again from docs/strategy-results.json. A test compares the three.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from backtest.engine.panel import build_panel  # noqa: E402
from backtest.engine.prepare import prepare  # noqa: E402
from backtest.engine.rules import Rules  # noqa: E402
from backtest.figures.results import run_seeds  # noqa: E402
from backtest.search.evaluate import Evaluator  # noqa: E402 - found only once the path is set
from backtest.search.folds import anchored  # noqa: E402
from backtest.search.space import space_of  # noqa: E402
from bench.strategy_pictures import draw  # noqa: E402
from bench.strategy_tables import (  # noqa: E402
    BROAD,
    WHOLE,
    YEARS,
    Cell,
    FoldResult,
    Month,
    Results,
    WalkForward,
    rewritten,
)
from config.reading import load  # noqa: E402
from strategy.btc_only import BtcOnly  # noqa: E402
from strategy.registry import STRATEGIES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.figures.metrics import Curve
    from backtest.figures.results import Report
    from backtest.history.candles import Candles
    from backtest.search.search import Search
    from strategy.base import Strategy

UNIT = timedelta(minutes=240)
WEEK_MS = timedelta(days=7) // timedelta(milliseconds=1)
SEEDS, SEARCH_SEEDS, TRIALS, FOLDS = 100, 3, 40, 4
SEARCHED = ("quiet_trend", "quiet_breakout")
RESULTS = ROOT / "docs" / "strategy-results.json"
PICTURES = ROOT / "docs" / "pictures"
DOCUMENTS = {"ko": ROOT / "Strategy.md", "en": ROOT / "Strategy.en.md"}


def measure(folder: Path) -> Results:
    """Run every strategy over every period; minutes of work."""
    history = read_history(folder)
    table: dict[str, dict[str, Cell]] = {}
    sensitivity: dict[str, dict[str, dict[str, Cell]]] = {}
    worst: dict[str, Month] = {}
    curves: dict[str, Curve] = {}
    for strategy in STRATEGIES:
        rules = rules_of(strategy)
        reports = {period: run_strategy(history, strategy, rules, *span) for period, span in periods().items()}
        table[strategy.name] = {period: cell_of(report) for period, report in reports.items()}
        worst[strategy.name] = worst_month(reports[WHOLE])
        if strategy.name == STRATEGIES[0].name:
            table |= baselines(reports)
            curves |= {"btc_hold": reports[WHOLE].baselines["btc_hold"]}
        curves[strategy.name] = middle_curve(reports[WHOLE])
        sensitivity[strategy.name] = changes(history, strategy, rules)
        say(f"{strategy.name}: {table[strategy.name][WHOLE]}")
    spans = periods()
    return Results(
        begin=f"{spans[WHOLE][0]:%Y-%m-%d}",
        end=f"{spans[WHOLE][1] - timedelta(days=1):%Y-%m-%d}",
        markets_by_year={year: traded(history, *spans[year]) for year in YEARS},
        seeds=SEEDS,
        table=table,
        sensitivity=sensitivity,
        worst_month=worst,
        walk_forward={name: walk_forward(history, name) for name in SEARCHED},
        **weekly(curves),
    )


def middle_curve(report: Report) -> Curve:
    """Return the median equity of all seeds at each moment."""
    first = report.runs[0].curve
    return replace(first, equity=np.median([run.curve.equity for run in report.runs], axis=0))


def weekly(curves: Mapping[str, Curve]) -> dict[str, Any]:
    """Return curves as the pictures draw them: one point a week, 1 at the beginning."""
    at_ms = next(iter(curves.values())).at_ms
    shown = np.searchsorted(at_ms, np.arange(at_ms[0], at_ms[-1] + 1, WEEK_MS))
    return {
        "curve_days": [str(day) for day in at_ms[shown].astype("datetime64[ms]").astype("datetime64[D]")],
        "curves": {
            name: [float(f"{value:.5g}") for value in curve.equity[shown] / curve.equity[0]]
            for name, curve in curves.items()
        },
    }


def read_history(folder: Path) -> dict[str, Candles]:
    """Read every market of the store below a data folder."""
    from backtest.history.store import FOLDER, Store  # noqa: PLC0415 - only a measurement needs the history

    store = Store(folder / FOLDER)
    return {market: store.read(UNIT, market).candles for market in store.need(UNIT)}


def periods() -> dict[str, tuple[datetime, datetime]]:
    """Return every year and all of them."""
    first = {year: (datetime(int(year), 1, 1, tzinfo=UTC), datetime(int(year) + 1, 1, 1, tzinfo=UTC)) for year in YEARS}
    return {**first, WHOLE: (first[YEARS[0]][0], first[YEARS[-1]][1])}


def rules_of(strategy: Strategy) -> Rules:
    """Return the account a strategy is measured with: five places, or one where there is one market to hold."""
    exclude = load({}, path=None, overrides=[]).risk.exclude
    return Rules(exclude=exclude, slots=1 if isinstance(strategy, BtcOnly) else 5)


def run_strategy(
    history: Mapping[str, Candles], strategy: Strategy, rules: Rules, begin: datetime, end: datetime
) -> Report:
    """Run one strategy, as it is shipped, over one period."""
    parameters = strategy.parameter_class()
    panel = build_panel(history, UNIT, begin, end, warm_up=strategy.history(parameters, UNIT))
    return run_seeds(prepare(panel, strategy, parameters, exclude=rules.exclude), rules, range(SEEDS))


def changes(history: Mapping[str, Candles], strategy: Strategy, rules: Rules) -> dict[str, dict[str, Cell]]:
    """Return what dearer or later orders do to a strategy."""
    dear_fees, slipping = 2 * rules.fee_rate, 2 * rules.slippage_scale
    changed = {
        "base": rules,
        "fees x2": replace(rules, fee_rate=dear_fees),
        "slippage x2": replace(rules, slippage_scale=slipping),
        "fees and slippage x2": replace(rules, fee_rate=dear_fees, slippage_scale=slipping),
        "one candle late": replace(rules, delay=1),
    }
    spans = {period: periods()[period] for period in (WHOLE, BROAD)}
    return {
        name: {period: cell_of(run_strategy(history, strategy, one, *span)) for period, span in spans.items()}
        for name, one in changed.items()
    }


LIVED = (
    "trades", "win_rate", "profit_factor", "payoff", "mean_trade", "holding_days", "exposure", "losing_streak",
    "under_water_days", "worst_trade",
)  # fmt: skip


def cell_of(report: Report) -> Cell:
    """Return the medians of a report."""
    median = {name: one.median for name, one in report.bands.items()}
    band = report.bands["cagr"]
    lived = {name: rounded(median[name]) for name in LIVED}
    return msgspec.structs.replace(
        account(median),
        cagr_low=rounded(band.p05),
        cagr_high=rounded(band.p95),
        fees=rounded(median["fees_krw"]),
        slippage=rounded(median["slippage_krw"]),
        **lived,
    )


def rounded(value: float) -> float | None:
    """Return six significant digits, enough for every table; None for what does not exist."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def account(figures: Mapping[str, float]) -> Cell:
    """Return the figures of one account."""
    values = {name: rounded(figures[name]) for name in ("cagr", "sharpe", "max_drawdown")}
    return Cell(cagr=values["cagr"] or 0.0, sharpe=values["sharpe"], max_drawdown=values["max_drawdown"] or 0.0)


def baselines(reports: Mapping[str, Report]) -> dict[str, dict[str, Cell]]:
    """Return what the money would have become without a strategy."""
    found: dict[str, dict[str, Cell]] = {"btc_hold": {}, "equal_weight_monthly": {}}
    for period, report in reports.items():
        figures = report.baseline_figures()
        for name, cells in found.items():
            cells[period] = account(figures[name])
    return found


def worst_month(report: Report) -> Month:
    """Return the month with the worst median."""
    from backtest.figures.metrics import monthly  # noqa: PLC0415 - beside its only use

    name = min(report.monthly, key=lambda month: report.monthly[month].median)
    hold = monthly(report.baselines["btc_hold"]).get(name)
    return Month(
        month=name, result=round(report.monthly[name].median, 6), btc_hold=None if hold is None else round(hold, 6)
    )


def traded(history: Mapping[str, Candles], begin: datetime, end: datetime) -> int:
    """Return how many markets have candles in a period."""
    first, last = (int(moment.timestamp() * 1000) for moment in (begin, end))
    return sum(bool(((one.opened_at_ms >= first) & (one.opened_at_ms < last)).any()) for one in history.values())


def walk_forward(history: Mapping[str, Candles], name: str) -> WalkForward:
    """Search a strategy's parameters in anchored folds."""
    from backtest.search.search import SearchPlan, search  # noqa: PLC0415 - Optuna and Dask are needed here alone
    from backtest.search.workers import open_workers  # noqa: PLC0415 - same

    strategy = next(one for one in STRATEGIES if one.name == name)
    begin, end = periods()[WHOLE]
    rules = rules_of(strategy)
    evaluator = Evaluator(strategy=name, unit=UNIT, rules=rules, seeds=tuple(range(SEARCH_SEEDS)), history=history)
    plan = SearchPlan(
        strategy=name,
        base={},
        axes=space_of(strategy, []),
        folds=anchored(begin, end, count=FOLDS, training=1 / 3),
        trials=TRIALS,
    )
    with open_workers(evaluator, processes=None, cluster=None) as workers:
        found = search(plan, workers, lambda _: say(f"{name}: searching"))
    return written(found, account(evaluator.hold(plan.folds[0].middle, plan.folds[-1].end)))


def written(found: Search, hold: Cell) -> WalkForward:
    """Return a search as the results keep it."""
    return WalkForward(
        variants=len(found.ratios),
        after=account(found.figures(found.after())),
        shipped=account(found.figures(found.shipped())),
        btc_hold=hold,
        deflated=round(found.deflated(), 4),
        folds=[
            FoldResult(
                judged_on=f"{one.fold.middle:%Y-%m-%d} ~ {one.fold.end - timedelta(days=1):%Y-%m-%d}",
                parameters={key: float(f"{value:.4g}") for key, value in (one.parameters or {}).items()},
                winner=round(one.plateau.winner, 3) if one.plateau else None,
                neighbours=round(one.plateau.middle, 3) if one.plateau else None,
                after=account(one.after.figures),
                shipped=account(one.shipped.figures),
            )
            for one in found.chosen
        ],
    )


def say(text: str) -> None:
    """Tell how far it is."""
    print(f"{datetime.now(tz=UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def read_results() -> Results:
    """Return the results that the documents quote."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=Results)


def main() -> None:
    """Measure if asked to, and write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="run everything again; minutes")
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="FOLDER", help="BOT_DATA_DIR (default data)")
    options = parser.parse_args()
    if options.measure:
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(measure(options.data)), indent=1) + b"\n")
    results = read_results()
    for at, path in enumerate(DOCUMENTS.values()):
        path.write_text(rewritten(path.read_text(encoding="utf-8"), results, at), encoding="utf-8")
    draw(results, PICTURES)


if __name__ == "__main__":
    main()
