"""`strategy new`, `check` and `chance`: one's own strategy, from a file that runs to what it is worth."""

from __future__ import annotations

import keyword
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

import strategy
from backtest.figures.words import written
from backtest.problems import UsageProblem, unwritable
from cli.common.exits import ERROR, OK
from cli.common.options import add_action, add_assumptions, add_period
from cli.common.printing import folding, print_json
from strategy import registry

if TYPE_CHECKING:
    import argparse

    from backtest.figures.results import Report
    from backtest.honesty.chance import ChanceResult
    from config.settings import Config

TEMPLATE = '''"""{title}: hold what has its short average above its long one."""

from strategy import indicators
from strategy.scaffold import Scaffold


class {title}(Scaffold):
    def numbers(self, window, parameters):
        return {{"short": indicators.sma(window.close, 50), "long": indicators.sma(window.close, 200)}}

    def wants(self, now, parameters):
        return now["short"] > now["long"]


STRATEGY = {title}()
'''
"""The shortest strategy that runs; docs/strategies.md explains each line."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = add_action(actions, "new", "write strategy/NAME.py: 15 lines that run, to be changed")
    new.add_argument("name", metavar="NAME", help="small letters, e.g. golden_cross")
    check = add_action(actions, "check", "does it look ahead, is it warmed up, does it stand odd markets?")
    check.add_argument("name", metavar="NAME", help="e.g. golden_cross")
    check.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    chance = add_action(actions, "chance", "what chance alone would have given: trades drawn again, random entries")
    chance.add_argument("name", metavar="NAME", help="e.g. golden_cross")
    chance.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    add_period(chance)
    add_assumptions(chance)


def run(config: Config, options: argparse.Namespace) -> int:
    """Run one of the three."""
    return {"new": write_new, "check": check, "chance": chance}[options.action](config, options)


def write_new(config: Config, options: argparse.Namespace) -> int:
    """`strategy new NAME`: write a file that runs, and say what to do next."""
    name = options.name
    path = Path(strategy.__path__[0]) / f"{name}.py"
    check_name(name, path)
    title = "".join(part.title() for part in name.split("_"))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(title=title))
    except OSError as error:
        raise unwritable(path, error) from error
    if options.json:
        print_json({"strategy": name, "file": str(path)})
        return OK
    said = {
        "ko": f"{path}에 전략을 만들었습니다. 고친 뒤: python main.py strategy check {name}",
        "en": f"{path} is a strategy. Change it, then: python main.py strategy check {name}",
    }
    Console(soft_wrap=True).print(said[config.language], markup=False, highlight=False)
    return OK


def check_name(name: str, path: Path) -> None:
    """Refuse what cannot be a new strategy's name.

    Raises:
        UsageProblem: for what is no name in Python, or is taken.
    """
    if not (name.isascii() and name.isidentifier() and name == name.lower()) or keyword.iskeyword(name):
        raise UsageProblem(
            f"'{name}'은 전략 이름이 될 수 없습니다. 소문자, 숫자, 밑줄만 쓰세요. 예: golden_cross",
            f"'{name}' cannot be a strategy's name. Small letters, digits and underscores, e.g. golden_cross",
        )
    if path.exists():
        raise UsageProblem(
            f"{path} 파일이 이미 있습니다. 다른 이름을 쓰세요.", f"{path} is there already. Use another name."
        )


def check(config: Config, options: argparse.Namespace) -> int:
    """`strategy check NAME`: ask it everything; exit 1 when an answer is not right."""
    from backtest.honesty.examine import examine  # noqa: PLC0415 - nothing else needs it
    from backtest.honesty.odd_markets import Suspect  # noqa: PLC0415 - same

    unit = unit_of(config, options)
    given = config.strategy.parameters if options.name == config.strategy.name else {}
    found, parameters = registry.load(options.name, given)
    if (why := found.refuses(parameters, unit)) is not None:
        raise UsageProblem(*why)
    findings = examine(Suspect(found, parameters, unit))
    faulty = [one for one in findings if not one.passed]
    if options.json:
        print_json({"strategy": options.name, "passed": not faulty, "findings": [asdict(one) for one in findings]})
        return ERROR if faulty else OK
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for one in findings:
        table.add_row("✓" if one.passed else "✗", one.code, one.ko if config.language == "ko" else one.en)
    Console().print(table)
    return ERROR if faulty else OK


def unit_of(config: Config, options: argparse.Namespace) -> Any:
    """Return the length of the candles that is asked for."""
    from cli.common.period import read_unit  # noqa: PLC0415 - `new` needs nothing of it

    return read_unit(options.unit) if options.unit else config.strategy.unit


def chance(config: Config, options: argparse.Namespace) -> int:
    """`strategy chance NAME`: backtest it, and tell what chance alone would have given."""
    from backtest.figures.results import band  # noqa: PLC0415 - same
    from backtest.honesty.chance import measure  # noqa: PLC0415 - nothing else needs it
    from cli.backtest import make_report  # noqa: PLC0415 - `new` and `check` need no history
    from cli.common.period import open_store  # noqa: PLC0415 - same

    report = make_report(with_strategy(config, options.name), open_store(config), options)
    found = measure(report)
    returns = band([run.figures["total_return"] for run in report.runs])
    falls = band([run.figures["max_drawdown"] for run in report.runs])
    if options.json:
        seeds = {"total_return": asdict(returns), "max_drawdown": asdict(falls)}
        print_json({"strategy": options.name, "seeds": seeds, "chance": None if found is None else asdict(found)})
        return OK
    at = 0 if config.language == "ko" else 1
    if found is None:
        Console().print(("끝난 거래가 없습니다.", "No trade has ended.")[at])
        return OK
    print_chance(found, report, at)
    return OK


def with_strategy(config: Config, name: str) -> Config:
    """Return the settings with another strategy; its parameters stay when it is the one that is set."""
    from dataclasses import replace  # noqa: PLC0415 - here alone

    if name == config.strategy.name:
        return config
    return replace(config, strategy=replace(config.strategy, name=name, parameters={}))


CHANCE_ROWS = (
    ("시드 {seeds}개의 수익률", "returns of {seeds} seeds"),
    ("시드의 최대 낙폭", "max drawdown of the seeds"),
    ("중앙 시드 (거래당 1/{slots})", "the median seed, 1/{slots} a trade"),
    ("그 거래를 다시 뽑으면", "its trades drawn again"),
    ("다시 뽑은 최대 낙폭", "max drawdown, drawn again"),
    ("같은 때, 아무 마켓", "same moments, any market"),
    ("아무 때, 아무 마켓", "any moment, any market"),
)
BY_LUCK = (
    "우연이 이만큼 할 확률: 아무 때 {moment}, 같은 때 아무 마켓 {market}. 다시 뽑은 거래가 손실로 끝날 확률 {loses}.",
    "How often luck does as well: any moment {moment}, same moments {market}. Drawn again, its trades lose in {loses}.",
)
ALONE = (
    "진입 시점(게이트)만의 몫 {gate} (아무 때 {none} → 같은 때 {same}), 마켓 선택의 몫 {choice}.",
    "The gate's moments alone: {gate} (any moment {none} → same moments {same}); the choice of markets: {choice}.",
)


def print_chance(found: ChanceResult, report: Report, at: int) -> None:
    """Print what was measured beside what chance gives."""
    figures = [[run.figures[name] for run in report.runs] for name in ("total_return", "max_drawdown")]
    from backtest.honesty.chance import Spread, spread  # noqa: PLC0415 - loaded by who measured

    own = Spread(p05=found.measured, median=found.measured, p95=found.measured)
    seeds, falls = (spread(np.array(values)) for values in figures)
    rows = (seeds, falls, own, found.again, found.again_drawdown, found.same_moments, found.any_moments)
    names = [row[at].format(seeds=len(report.runs), slots=report.rules.slots) for row in CHANCE_ROWS]
    table = folding("", "5 %", ("중앙값", "median")[at], "95 %", padding=(0, 2, 0, 0))
    for name, one in zip(names, rows, strict=True):
        form = "{:.0%}" if one in {falls, found.again_drawdown} else "{:+.0%}"
        table.add_row(name, *(written(value, form) for value in (one.p05, one.median, one.p95)))
    console = Console(soft_wrap=True, highlight=False)
    Console().print(table)
    told = {"moment": found.better_moment, "market": found.better_market, "loses": found.loses}
    console.print(BY_LUCK[at].format(**{name: written(value, "{:.0%}") for name, value in told.items()}))
    gate = found.same_moments.median - found.any_moments.median
    shares = {
        "gate": gate,
        "none": found.any_moments.median,
        "same": found.same_moments.median,
        "choice": found.measured - found.same_moments.median,
    }
    console.print(ALONE[at].format(**{name: written(value, "{:+.0%}") for name, value in shares.items()}))
