"""`optimize`: search a strategy's parameters on the past, and say what they earned after it."""

from __future__ import annotations

import os
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from backtest.figures.words import LEAST_DAYS, written
from backtest.problems import UsageProblem, unwritable
from backtest.report.as_json import numbers
from backtest.search.evaluate import Evaluator
from backtest.search.folds import anchored
from backtest.search.found import as_toml, parameter_lines
from backtest.search.space import space_of
from backtest.units import name_of
from cli.backtest import load, load_strategy, reach, rules_of, traded
from cli.common.exits import OK
from cli.common.options import add_assumptions, add_period
from cli.common.peak_memory import check_memory, peak_mb
from cli.common.period import ResearchMissing, open_store, read_markets, read_period, read_unit
from cli.common.printing import folding, print_json
from cli.report import write

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

    from backtest.search.search import Search, SearchPlan
    from config.settings import Config

FOLDER = "searches"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    parser.add_argument("--trials", type=int, default=60, metavar="N", help="variants tried in each fold (default 60)")
    parser.add_argument(
        "--min-trades", type=int, default=20, metavar="N", help="least trades on a training to be chosen (default 20)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what the last fold chose as settings, in TOML")
    parser.add_argument("--folds", type=int, default=4, metavar="N", help="tests, one after the other (default 4)")
    parser.add_argument(
        "--training",
        type=float,
        default=0.5,
        metavar="X",
        help="share of the period before the first test (default 0.5)",
    )
    parser.add_argument(
        "--space",
        nargs="+",
        metavar="NAME=LOW:HIGH[:STEP]",
        help="what is searched (default: half to twice every default)",
    )
    parser.add_argument("--sampler", choices=("tpe", "random"), default="tpe", help="who proposes (default tpe)")
    parser.add_argument("--sampler-seed", type=int, default=0, metavar="N", help="seed of the proposals (default 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler that judges instead, e.g. tcp://host:8786"
    )
    add_period(parser)
    add_assumptions(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Search, and print what came after; return the exit code."""
    if any(find_spec(name) is None for name in ("optuna", "distributed")):
        raise ResearchMissing
    from backtest.search.search import search  # noqa: PLC0415 - Optuna takes a moment to load, and nothing else needs it
    from backtest.search.workers import Remembering, open_workers  # noqa: PLC0415 - same for Dask

    check_ranges(options)
    plan, evaluator = make_plan(config, options)
    kept = scores_file(config, evaluator)
    with open_workers(evaluator, processes=options.workers, cluster=options.cluster) as workers, bar(options) as shown:
        task = shown.add_task("", total=options.trials * len(plan.folds))
        memory = Remembering(workers, kept)
        found = search(plan, memory, lambda count: shown.advance(task, count), memory.known)
    peak = peak_mb()
    hold = evaluator.hold(plan.folds[0].middle, plan.folds[-1].end)
    if options.out is not None and found.latest is not None:
        write(options.out, as_toml(found, evaluator.unit))
    if options.json:
        print_json(to_json(found, evaluator, hold) | {"reused": memory.reused, "peak_memory_mb": peak})
    else:
        at = 0 if config.language == "ko" else 1
        print_search(found, evaluator, hold, at=at)
        print_choice(found, options.out, memory.reused, at=at)
        Console(highlight=False).print(MEMORY[at].format(peak=peak))
    return OK


def make_plan(config: Config, options: argparse.Namespace) -> tuple[SearchPlan, Evaluator]:
    """Return what is searched, and who judges it."""
    from backtest.search.search import SearchPlan  # noqa: PLC0415 - as above

    store, rules = open_store(config), rules_of(config, options)
    unit = read_unit(options.unit) if options.unit else config.strategy.unit
    strategy, parameters = load_strategy(config, unit)
    history = load(store, unit, read_markets(options))
    begin, end = read_period(options, *reach(traded(history, rules), unit, strategy.history(parameters, unit)))
    here = 1 if options.cluster else (options.workers or os.cpu_count() or 1)  # a cluster's workers have their own
    check_memory(len(history) * ((end - begin) // unit + strategy.history(parameters, unit)), here)
    first = config.trading.seed if config.trading.seed is not None else 0
    evaluator = Evaluator(
        strategy=strategy.name,
        unit=unit,
        rules=rules,
        seeds=tuple(range(first, first + options.seeds)),
        history=history,
    )
    plan = SearchPlan(
        strategy=strategy.name,
        base=msgspec.to_builtins(parameters),
        axes=space_of(strategy, options.space or []),
        folds=anchored(begin, end, count=options.folds, training=options.training),
        trials=options.trials,
        min_trades=options.min_trades,
        sampler=options.sampler,
        sampler_seed=options.sampler_seed,
    )
    return plan, evaluator


def check_ranges(options: argparse.Namespace) -> None:
    """Refuse a search that means nothing."""
    limits = {
        "--trials": (options.trials, 1, 1_000_000),
        "--min-trades": (options.min_trades, 1, 1_000_000),
        "--folds": (options.folds, 1, 100),
        "--training": (options.training, 0.1, 0.95),
        "--workers": (options.workers or 1, 1, 1_024),
    }
    for name, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise UsageProblem(
                f"{name} {value:g}: {least:g} ~ {most:g} 범위여야 합니다.",
                f"{name} {value:g}: must be {least:g} ~ {most:g}.",
            )


def scores_file(config: Config, evaluator: Evaluator) -> Path:
    """Return the file that keeps the scores of this history and these assumptions.

    Raises:
        Unwritable: when its folder cannot be made.
    """
    folder = config.data_dir / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder / f"{evaluator.strategy}-{evaluator.fingerprint()}.jsonl"


def bar(options: argparse.Namespace) -> Progress:
    """Return a bar of variants judged, with the time left; none for a machine."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("·"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=options.json)


def to_json(found: Search, evaluator: Evaluator, hold: dict[str, float]) -> dict[str, Any]:
    """Return everything a search says; every figure but the plateau's is of what came after the choice."""
    plan = found.plan
    return {
        "strategy": plan.strategy,
        "unit": name_of(evaluator.unit),
        "space": [asdict(axis) for axis in plan.axes],
        "sampler": plan.sampler,
        "sampler_seed": plan.sampler_seed,
        "trials": plan.trials,
        "seeds": len(evaluator.seeds),
        "min_trades": plan.min_trades,
        "variants": len(found.ratios),
        "variants_of_earlier_searches": found.earlier,
        "out_of_sample": numbers(found.figures(found.after())) | numbers({"deflated_sharpe": found.deflated()}),
        "shipped_parameters": numbers(found.figures(found.shipped())),
        "btc_hold": numbers(hold),
        "folds": [
            {
                "trained_on": [one.fold.begin.isoformat(), one.fold.middle.isoformat()],
                "judged_on": [one.fold.middle.isoformat(), one.fold.end.isoformat()],
                "parameters": one.parameters,
                "variants": one.variants,
                "plateau": None
                if one.plateau is None
                else {
                    "training_sharpe": one.plateau.winner,
                    "neighbours_middle": one.plateau.middle,
                    "neighbours": dict(one.plateau.neighbours),
                },
                "out_of_sample": numbers(one.after.figures),
                "shipped_parameters": numbers(one.shipped.figures),
            }
            for one in found.chosen
        ],
    }


FOLD_COLUMNS = (
    ("검증 구간", "judged on"),
    ("고른 값", "chosen"),
    ("학습 샤프 → 이웃", "training Sharpe → neighbours"),
    ("거래", "trades"),
    ("수익률", "return"),
    ("샤프", "Sharpe"),
    ("낙폭", "drawdown"),
    ("기본값 샤프", "Sharpe as shipped"),
)
TOTAL_COLUMNS = (
    ("검증 구간 전체", "all tests in a row"),
    ("연 수익률", "growth a year"),
    ("수익률", "return"),
    ("샤프", "Sharpe"),
    ("낙폭", "drawdown"),
)
CHOSEN, SHIPPED, HOLD = ("고른 값", "chosen"), ("기본값", "as shipped"), ("BTC 보유", "hold BTC")
VERDICTS = (
    "시도한 변형 {count}개(이웃 포함, 이전 탐색 {earlier}개), 시드 {seeds}개. 보정된 샤프 확률 {chance}: {word}.",
    "{count} variants tried ({earlier} earlier), {seeds} seeds. Deflated Sharpe probability {chance}: {word}.",
)
IDLE = ("거래 안 함", "no trading")
DECLINED = (
    "{count}개 구간에서는 학습 기간에 {least}번 이상 거래한 변형이 없어 거래하지 않기로 했습니다(--min-trades).",
    "In {count} folds no variant traded at least {least} times on the training, so nothing was traded (--min-trades).",
)
REUSED = (
    "이전에 같은 코드와 자료로 계산한 점수 {count}개를 다시 썼습니다.",
    "{count} scores of an earlier search with the same code and data were used again.",
)
MEMORY = (
    "메모리: 가장 큰 프로세스가 최대 {peak:,.0f} MB.",
    "Peak memory of the largest process: {peak:,.0f} MB.",
)
LATEST = ("마지막 구간이 고른 값 ({begin} ~ {end}에서):", "Chosen by the last fold (on {begin} ~ {end}):")
LUCK = (
    ("우연과 구별되지 않습니다(95% 초과 필요)", "not to be told from luck (above 95% is asked)"),
    ("우연으로 보기 어렵습니다", "hard to explain by luck"),
)


def print_search(found: Search, evaluator: Evaluator, hold: dict[str, float], *, at: int) -> None:
    """Print what each fold chose and what came after it, and what all of it is worth; `at` is the language."""
    console = Console()
    console.print(folds_table(found, at))
    console.print(totals_table(found, hold, at))
    chance = found.deflated()
    told = VERDICTS[at].format(
        count=len(found.ratios),
        earlier=found.earlier,
        seeds=len(evaluator.seeds),
        chance=written(chance, "{:.0%}"),
        word=LUCK[chance > found.CONVINCING][at],
    )
    console.print(told, highlight=False)
    if declined := sum(one.parameters is None for one in found.chosen):
        console.print(DECLINED[at].format(count=declined, least=found.plan.min_trades), highlight=False)


def print_choice(found: Search, out: Path | None, reused: int, *, at: int) -> None:
    """Print the parameters of the last fold whole, as they stand in a file of settings, and what was used again."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if reused:
        console.print(REUSED[at].format(count=reused))
    if found.latest is None:
        return
    fold = found.chosen[-1].fold
    console.print(LATEST[at].format(begin=f"{fold.begin:%Y-%m-%d}", end=f"{fold.middle:%Y-%m-%d}"))
    shown = parameter_lines(found.latest)
    console.print(shown if out is None else f"{shown}\n→ {out.resolve()}")


def folds_table(found: Search, at: int) -> Table:
    """Return a row for each fold."""
    table = folding(*(names[at] for names in FOLD_COLUMNS), padding=(0, 2, 0, 0))
    for one in found.chosen:
        figures = one.after.figures
        table.add_row(
            f"{one.fold.middle:%Y-%m-%d}\n{one.fold.end:%Y-%m-%d}",
            IDLE[at] if one.parameters is None else "\n".join(f"{k}={v:g}" for k, v in one.parameters.items()),
            "-" if one.plateau is None else f"{one.plateau.winner:.2f} → {one.plateau.middle:.2f}",
            f"{figures['trades']:.0f}",
            written(figures["total_return"], "{:+.1%}"),
            f"{figures['sharpe']:.2f}",
            written(figures["max_drawdown"], "{:.1%}"),
            f"{one.shipped.figures['sharpe']:.2f}",
        )
    return table


def totals_table(found: Search, hold: dict[str, float], at: int) -> Table:
    """Return the chosen and the shipped parameters and bitcoin over all tests in a row."""
    table = folding(*(names[at] for names in TOTAL_COLUMNS), padding=(0, 2, 0, 0))
    days = len(found.after())
    rows = {CHOSEN: found.figures(found.after()), SHIPPED: found.figures(found.shipped()), HOLD: hold}
    for label, figures in rows.items():
        if figures:
            forms = {"total_return": "{:+.1%}", "sharpe": "{:.2f}", "max_drawdown": "{:.1%}"}
            cells = [written(figures[name], form) for name, form in forms.items()]
            growth = written(figures["cagr"], "{:+.1%}") if days >= LEAST_DAYS["cagr"] else "-"
            table.add_row(label[at], growth, *cells)
    return table
