"""`backtest`: would this have made money, after costs, and would one have dared to hold it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import track
from rich.table import Table

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.engine.rules import ORDER, Rules
from backtest.figures.results import run_seeds
from backtest.figures.words import BASELINES, ROWS, band_cell, cell, short_note, verdict, written
from backtest.problems import UsageProblem
from backtest.report.as_json import to_json, trades_to_json
from backtest.report.tables import all_tables
from backtest.units import from_ms, name_of
from cli.common.exits import OK
from cli.common.options import add_assumptions, add_period
from cli.common.peak_memory import check_memory
from cli.common.period import known, open_store, read_markets, read_period, read_unit
from cli.common.printing import folding, print_json
from strategy import registry
from strategy.gates import LEADER

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from backtest.engine.prepare import Prepared
    from backtest.figures.results import Report
    from backtest.history.candles import Candles
    from backtest.history.store import Store
    from config.settings import Config
    from strategy.base import Strategy

ENDLESS = 10_000
"""Columns of a terminal in which no table is cut."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    parser.add_argument(
        "--trades", action="store_true", help="show every trade of the median seed, markets and reasons"
    )
    parser.add_argument(
        "--export", type=Path, metavar="FOLDER", help="write trades, equity and daily returns as CSV and Parquet"
    )
    add_period(parser)
    add_assumptions(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Test the strategy of the settings on history; print a table or JSON; return the exit code."""
    store = open_store(config)
    report = make_report(config, store, options)
    files = export_to(options.export, report) if options.export is not None else []
    if options.json:
        told = to_json(report) | ({"trade_list": trades_to_json(report)} if options.trades else {})
        print_json(told | ({"files": [str(file) for file in files]} if files else {}))
        return OK
    print_report(report, config.language)
    if options.trades:
        print_tables(report, at=0 if config.language == "ko" else 1)
    for file in files:
        Console(soft_wrap=True).print(str(file), markup=False, highlight=False)
    return OK


def export_to(folder: Path, report: Report) -> list[Path]:
    """Write the files of a report into a folder."""
    from backtest.report.export import export  # noqa: PLC0415 - pyarrow's writers take a moment to load

    return [file.resolve() for file in export(report, folder)]


def print_tables(report: Report, *, at: int) -> None:
    """Print years, falls, markets, reasons and every trade of the median seed; nothing is cut at a narrow terminal."""
    for one in all_tables(report, at):
        table = Table(*one.heads, box=None, padding=(0, 2, 0, 0), title=one.title, title_justify="left")
        for row in one.rows:
            table.add_row(*row)
        wide = Console(width=ENDLESS)
        console = Console(width=Measurement.get(wide, wide.options, table).maximum)
        console.print()
        console.print(table)


def make_report(config: Config, store: Store, options: argparse.Namespace) -> Report:
    """Run every seed of what the options and the settings describe."""
    rules = rules_of(config, options)
    ready = prepare_for(config, store, options, rules)
    first = config.trading.seed if config.trading.seed is not None else 0
    seeds = range(first, first + options.seeds)
    shown = track(seeds, console=Console(stderr=True), transient=True, disable=options.json)
    return run_seeds(ready, rules, shown)


def prepare_for(config: Config, store: Store, options: argparse.Namespace, rules: Rules) -> Prepared:
    """Load the history and ask the strategy about all of it."""
    unit = read_unit(options.unit) if options.unit else config.strategy.unit
    strategy, parameters = load_strategy(config, unit)
    warm_up = strategy.history(parameters, unit)
    history = load(store, unit, read_markets(options))
    begin, end = read_period(options, *reach(traded(history, rules), unit, warm_up))
    check_memory(len(history) * ((end - begin) // unit + warm_up))
    panel = build_panel(history, unit, begin, end, warm_up=warm_up)
    return prepare(panel, strategy, parameters, exclude=rules.exclude)


def load_strategy(config: Config, unit: timedelta) -> tuple[Strategy, Any]:
    """Return the strategy of the settings and its parameters.

    Raises:
        StrategyError: as `registry.load`.
        UsageProblem: when it cannot trade on such candles.
    """
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    if (why := strategy.refuses(parameters, unit)) is not None:
        raise UsageProblem(*why)
    return strategy, parameters


def load(store: Store, unit: timedelta, wanted: list[str]) -> dict[str, Candles]:
    """Read the history of the wanted markets, or of all there are; that of bitcoin in any case, to be looked at."""
    there = store.need(unit)
    markets = known(there, wanted)
    markets = markets if LEADER in markets or LEADER not in there else [*markets, LEADER]
    read = {market: store.read(unit, market).candles for market in markets}
    return {market: candles for market, candles in read.items() if len(candles)}


def traded(history: Mapping[str, Candles], rules: Rules) -> dict[str, Candles]:
    """Return the history of the markets that may be bought; of all when none may."""
    return {market: candles for market, candles in history.items() if market not in rules.exclude} or dict(history)


def reach(history: Mapping[str, Candles], unit: timedelta, warm_up: int) -> tuple[datetime, datetime]:
    """Return the longest period that can be tested: from the first candle on, after the warm-up, to the last."""
    first = from_ms(min((int(one.opened_at_ms[0]) for one in history.values()), default=0))
    end = from_ms(max((int(one.opened_at_ms[-1]) for one in history.values()), default=0)) + unit
    warm = first + warm_up * unit
    return warm if warm < end else first, end


def rules_of(config: Config, options: argparse.Namespace) -> Rules:
    """Return the account and market that are assumed; the caps of the settings bind fixed order sums only."""
    wanted = read_markets(options)
    only_looked_at = (LEADER,) if wanted and LEADER not in wanted else ()
    caps = {name: getattr(config.risk, name) for name in ("max_order_krw", "max_market_krw", "max_day_krw")}
    rules = Rules(
        krw=float(options.krw),
        slots=config.trading.max_open_trades,
        sizing=options.sizing,
        order_krw=config.trading.order_krw,
        fill=options.fill,
        delay=options.delay,
        fee_rate=options.fee,
        slippage_scale=options.slippage,
        exclude=(*config.risk.exclude, *only_looked_at),
        **(caps if options.sizing == ORDER else {}),
    )
    check_ranges(rules, options.seeds)
    return rules


def check_ranges(rules: Rules, seeds: int) -> None:
    """Refuse assumptions that mean nothing."""
    limits = {
        "--seeds": (seeds, 1, 100_000),
        "--krw": (rules.krw, 5_000, 1e15),
        "--delay": (rules.delay, 0, 1_000),
        "--fee": (rules.fee_rate, 0.0, 0.1),
        "--slippage": (rules.slippage_scale, 0.0, 100.0),
    }
    for name, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise UsageProblem(
                f"{name} {value:g}: {least:g} ~ {most:g} 범위여야 합니다.",
                f"{name} {value:g}: must be {least:g} ~ {most:g}.",
            )


def print_report(report: Report, language: str) -> None:
    """Print what came of it beside what it has to be compared with."""
    korean = language == "ko"
    console = Console()
    strategy = report.ready.strategy
    markets, seeds = report.markets, len(report.runs)
    many = f"마켓 {markets}개 · 시드 {seeds}개" if korean else f"{markets} markets · {seeds} seeds"
    console.print(
        f"{strategy.ko if korean else strategy.en} · {name_of(report.ready.panel.window.unit)} · "
        f"{report.begin:%Y-%m-%d} ~ {report.end:%Y-%m-%d} UTC · {many}"
    )
    console.print(figures_table(report, korean=korean))
    console.print(monthly_table(report, korean=korean))
    fall = report.drawdowns()["typical"]
    until = f"{fall.recovered:%Y-%m-%d}" if fall.recovered else "-"
    words = "최대 낙폭(중앙 시드)" if korean else "deepest fall of the median seed"
    console.print(f"{words}: {fall.depth:.1%}, {fall.peak:%Y-%m-%d} → {fall.trough:%Y-%m-%d} → {until}")
    console.print(verdict(report, korean=korean))
    if note := short_note(report, korean=korean):
        console.print(note)


def figures_table(report: Report, *, korean: bool) -> Table:
    """Return median and band of every figure, and the baselines."""
    beside = report.baseline_figures()
    names = [BASELINES[name][0 if korean else 1] for name in beside]
    table = folding("", "중앙값" if korean else "median", "5 ~ 95 %", *names, padding=(0, 1))
    for name, ko, en, form in ROWS:
        cells = [cell(report, name, figures[name], form) if name in figures else "" for figures in beside.values()]
        median = cell(report, name, report.bands[name].median, form)
        table.add_row(ko if korean else en, median, band_cell(report, name, form), *cells)
    return table


def monthly_table(report: Report, *, korean: bool) -> Table:
    """Return the median return of every month, one line a year."""
    months = [f"{month:02}" for month in range(1, 13)]
    table = folding("월별" if korean else "months", *months, padding=(0, 1, 0, 0))
    for year in sorted({name[:4] for name in report.monthly}):
        cells = [report.monthly.get(f"{year}-{month}") for month in months]
        table.add_row(year, *(written(one.median, "{:+.0%}") if one else "" for one in cells))
    return table
