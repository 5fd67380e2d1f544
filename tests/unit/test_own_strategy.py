"""A strategy of one's own: one file and one line of settings."""

from __future__ import annotations

import inspect
import re
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from backtest.honesty.examine import examine
from backtest.honesty.odd_markets import Suspect
from cli.strategy import TEMPLATE
from config.reading import load as load_config
from strategy import indicators, registry
from strategy.base import PASSED, Strategy
from strategy.trial import try_out, unwritten
from tests.helpers.windows import wandering

UNIT = timedelta(minutes=240)
WHOLE = Path(__file__).resolve().parent.parent / "helpers" / "whole_strategy.txt"
"""A strategy that writes every function itself."""
DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "strategies.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the strategies of a folder be found as if they lay beside ours."""
    import strategy  # noqa: PLC0415 - its search path is what the fixture changes

    monkeypatch.setattr(strategy, "__path__", [*strategy.__path__, str(tmp_path)])
    for name in [name for name in sys.modules if name.startswith("strategy.mine")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def blocks(language: str) -> list[str]:
    """Return the examples of the document."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_example_of_the_document_trades_with_the_settings_beside_it(folder: Path) -> None:
    """It is found by its name, takes its parameter, selects some candles, and sells below its cross."""
    (_, example), (settings,) = blocks("python"), blocks("toml")
    (folder / "golden_cross.py").write_text(example, encoding="utf-8")
    (folder / "config.toml").write_text(settings, encoding="utf-8")
    config = load_config({}, path=folder / "config.toml", overrides=[])
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    assert (strategy.name, parameters.short) == ("golden_cross", 20)
    seen = wandering()
    numbers = strategy.compute(seen, parameters)
    targets = strategy.select(seen, numbers, slice(0, 900), parameters).gate == PASSED
    assert targets.any()
    wanted = (numbers["short"] > numbers["long"]) & (numbers["candles"] >= 200) & (numbers["natr"] < 2.5)
    np.testing.assert_array_equal(targets, wanted)
    assert {one.code for one in examine(Suspect(strategy, parameters, UNIT)) if not one.passed} <= {"cost"}


def test_the_shortest_example_is_what_the_command_writes() -> None:
    """Fifteen lines, the same in the document and in the file."""
    shortest = blocks("python")[0]
    assert shortest == TEMPLATE.format(title="GoldenCross")
    assert len(shortest.splitlines()) == 15


def test_every_indicator_is_in_the_document() -> None:
    """And every one the document names exists."""
    functions = {name for name, one in vars(indicators).items() if inspect.isfunction(one)}
    public = {name for name in functions if not name.startswith("_")} - {"rows", "finite_stretch", "check_period"}
    section = DOCUMENT.read_text(encoding="utf-8").split("## Indicators")[1]
    assert set(re.findall(r"`(\w+)\(", section)) == public


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def broken(:", "SyntaxError"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("class Half:\n    name = 'mine'\n\nSTRATEGY = Half()", "compute"),
    ],
    ids=["not Python", "imports what is not there", "lacks functions"],
)
def test_a_file_that_cannot_be_used_is_told_in_one_sentence(folder: Path, code: str, words: str) -> None:
    """The file and the cause, in both languages."""
    (folder / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(registry.StrategyError) as caught:
        registry.load("mine", {})
    for sentence in (caught.value.ko, caught.value.en):
        assert sentence.startswith("strategy/mine.py")
        assert words in sentence


@pytest.mark.parametrize("name", ["base", "gates", "../main", "os.path"])
def test_what_is_no_strategy_is_not_taken_for_one(name: str) -> None:
    """Neither our own other files nor anything outside the folder."""
    with pytest.raises(registry.StrategyError, match="there is no strategy"):
        registry.load(name, {})


# --- tried out at the door -------------------------------------------------------------------------------------------


def spoiled(folder: Path, *changes: tuple[str, str], name: str = "mine") -> str:
    """Write a strategy without a scaffold under another name, with some of its text changed; return what is said."""
    example = WHOLE.read_text(encoding="utf-8")
    for old, new in (("golden_cross", name), *changes):
        assert old in example
        example = example.replace(old, new)
    (folder / f"{name}.py").write_text(example, encoding="utf-8")
    with pytest.raises(registry.StrategyError) as caught:
        registry.load(name, {})
    assert caught.value.ko.startswith(f"strategy/{name}.py")
    return caught.value.en


SELLS = "    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:\n"
ANSWER = 'return stopped(position, moments), moments.numbers["short"] < moments.numbers["long"]'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"{SELLS}        {ANSWER}\n", "", "lacks sells"),
        ("def history(", "def histories(", "lacks history"),
        (ANSWER, "return (stopped(position, moments),)", "1 answers and 2 exits"),
        (ANSWER, "return stopped(position, moments), 0.5", "dead_cross is not true or false"),
        (ANSWER, 'return stopped(position, moments), moments.numbers["nothing"] > 0', "sells: it failed: KeyError"),
        ('            CROSS.asks(now["short"], ">", now["long"]),\n', "", "2 tests and 3 gates"),
        ("TURNOVER.asks(", "HISTORY.asks(", "3 tests and 3 gates: they must be as many, and in one order"),
        ("return choose(", "return None and choose(", "select: it must return a Selection"),
        ("now = {name: values[:, at]", "now = {name: values[:, -1]", "select: it must return a Selection"),
        ("indicators.sma(window.close, parameters.short)", "window.close * float('nan')", "short is NaN to the end"),
        ("return parameters.long + 1", "return 10", "is NaN to the end"),
        ("return parameters.long + 1", "return 1e9", "history: no whole number"),
        ("return parameters.cooldown_candles", "return -1", "cooldown: no whole number"),
        ('"turnover_24h": window.turnover_24h,', '"turnover_24h": window.turnover_24h[:, -1],', "must be floats"),
        ("distance = parameters", "distance = -parameters", "enter: its stop_distance is -"),
        ("return Entry(", "return print(", "enter: it failed: TypeError"),
        ('name = "mine"', 'name = "yours"', "is called 'yours'. Call it 'mine'"),
    ],
)
def test_a_strategy_that_would_fail_in_a_trade_is_refused_at_the_start(
    folder: Path, old: str, new: str, words: str
) -> None:
    """A missing function, too few answers, a number never known, a name that is not its file's: one sentence."""
    assert words in spoiled(folder, (old, new))


def test_own_strategies_stand_among_those_that_are_possible(folder: Path) -> None:
    """Who mistypes the name of his own file is told its name."""
    (folder / "mine.py").write_text("STRATEGY = None\n", encoding="utf-8")
    (folder / "helpers.py").write_text("# nothing of the kind\n", encoding="utf-8")
    with pytest.raises(registry.StrategyError, match=r"Did you mean 'mine'\?.*, mine$") as caught:
        registry.load("mines", {})
    assert "helpers" not in str(caught.value)


@pytest.mark.parametrize("strategy", registry.STRATEGIES, ids=lambda strategy: strategy.name)
def test_ours_pass_the_same_trial(strategy: Strategy) -> None:
    """With the parameters we ship."""
    assert unwritten(strategy) == []
    assert try_out(strategy, strategy.parameter_class()) is None
