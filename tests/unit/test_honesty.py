# ruff: noqa: ARG002 - a strategy with one fault answers without looking at most of what it is given
"""`strategy check`: the shipped strategies pass, and each question finds the fault it asks about."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backtest.honesty.examine import examine
from backtest.honesty.odd_markets import Suspect, made_up
from main import main
from strategy import indicators
from strategy.base import Cause, Gate
from strategy.quiet_trend import QuietTrend
from strategy.registry import STRATEGIES
from strategy.scaffold import Common, Scaffold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from strategy.base import Moments, Numbers, Position, Selection, Strategy, Window

UNIT = timedelta(minutes=240)


def faults(strategy: Strategy) -> set[str]:
    """Return the questions whose answer is not right, without that of cost, which is the machine's."""
    findings = examine(Suspect(strategy, strategy.parameter_class(), UNIT))
    return {one.code for one in findings if not one.passed} - {"cost"}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
def test_the_shipped_strategies_pass(strategy: Strategy) -> None:
    """Every question."""
    assert faults(strategy) == set()


class Crossing(Scaffold):
    """The shortest strategy."""

    def numbers(self, window: Window, parameters: object) -> Numbers:
        """Return two averages."""
        return {"short": indicators.sma(window.close, 50), "long": indicators.sma(window.close, 200)}

    def wants(self, now: Mapping[str, Any], parameters: object) -> Any:
        """Want what rises."""
        return now["short"] > now["long"]


def test_the_shortest_strategy_passes_and_is_called_as_its_file() -> None:
    """What all share comes from the scaffold."""
    assert faults(Crossing()) == set()
    assert (Crossing.name, Crossing.en) == ("test_honesty", "test honesty")


class Prophet(Crossing):
    """Its average is centred: half of it lies ahead."""

    def numbers(self, window: Window, parameters: object) -> Numbers:
        """Move an average to the left."""
        ahead = np.roll(indicators.sma(window.close, 51), -25, axis=1)
        return {"short": ahead, "long": indicators.sma(window.close, 200)}


class Subtle(Crossing):
    """It scales by the largest price of the whole window."""

    def numbers(self, window: Window, parameters: object) -> Numbers:
        """Divide by what is known only at the end."""
        scale = np.nanmax(window.close, axis=1, keepdims=True)
        return {name: values / scale for name, values in super().numbers(window, parameters).items()}


class Impatient(QuietTrend):
    """It asks for too short a history."""

    def history(self, parameters: object, unit: timedelta) -> int:
        """Ask for no more than the least."""
        return 205


class Boastful(Crossing):
    """It says of a take-profit that it rests on numbers alone."""

    exits = (Cause(code="profit", ko="익절", en="take profit", of_market=True),)

    def sells(self, position: Position, moments: Moments, parameters: object) -> tuple[Any, ...]:
        """Sell ten percent above the entry."""
        return (moments.numbers["short"] > float(position.entry_price) * 1.1,)


class Careless(Crossing):
    """It buys what it does not know."""

    parameter_class = Common

    def tests(self, now: Mapping[str, Any], parameters: object) -> tuple[Any, ...]:
        """Open every gate but where a number says no."""
        return tuple(~(now["short"] <= now["long"]) for _ in self.gates)


class Forgetful(Crossing):
    """It has one gate more than answers."""

    gates = (Gate(code="only", ko="-", en="-"),)

    def sells(self, position: Position, moments: Moments, parameters: object) -> tuple[Any, ...]:
        """Answer for one exit of two."""
        return (moments.price < 0,)


class Moody(Crossing):
    """It remembers how often it was asked."""

    asked = 0

    def numbers(self, window: Window, parameters: object) -> Numbers:
        """Answer otherwise each time."""
        Moody.asked += 1
        return {name: values + Moody.asked for name, values in super().numbers(window, parameters).items()}


class Lonely(Crossing):
    """It says of the last candle something else than of many."""

    def select(self, window: Window, numbers: Numbers, at: int | slice, parameters: object) -> Selection:
        """Look at another candle when asked about one."""
        return super().select(window, numbers, at - 1 if isinstance(at, int) else at, parameters)


class Fragile(Crossing):
    """It divides by the range, which a market that stands still has not."""

    def numbers(self, window: Window, parameters: object) -> Numbers:
        """Normalise by the range of fifty candles."""
        spread = indicators.highest(window.high, 50) - indicators.lowest(window.low, 50)
        with np.errstate(all="ignore"):
            return {name: values / spread for name, values in super().numbers(window, parameters).items()}


@pytest.mark.parametrize(
    ("strategy", "question"),
    [
        (Prophet(), "look_ahead"), (Subtle(), "look_ahead"), (Impatient(), "warm_up"), (Boastful(), "marks"),
        (Careless(), "unknown"), (Careless(), "short"), (Forgetful(), "shape"), (Moody(), "pure"),
        (Lonely(), "one_or_many"), (Fragile(), "still"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)  # fmt: skip
def test_each_question_finds_its_fault(strategy: Strategy, question: str) -> None:
    """A strategy with one fault is found by the question that asks about it."""
    assert question in faults(strategy)


def test_what_a_strategy_raises_is_an_answer_too() -> None:
    """The name of the error and its words, and the other questions are asked all the same."""

    class Broken(Crossing):
        def numbers(self, window: Window, parameters: object) -> Numbers:
            raise KeyError("no such column")

    findings = examine(Suspect(Broken(), Common(), UNIT))
    assert len(findings) == 10
    assert "KeyError" in findings[0].en
    assert not any(one.passed for one in findings)


def test_the_made_up_markets_are_odd() -> None:
    """Some are on coarse ticks with many ties, some rest, and none is the same as another."""
    window = made_up(Suspect(Crossing(), Common(), UNIT), 500)
    assert (np.diff(window.close[3]) == 0).mean() > 0.05
    assert (window.volume[3] == 0).mean() > 0.05
    assert len({float(one) for one in window.close[:, -1]}) > 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let new strategies be written into a folder of their own."""
    import strategy  # noqa: PLC0415 - its search path is what the fixture changes

    monkeypatch.setattr(strategy, "__path__", [str(tmp_path), *strategy.__path__])
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("strategy.my_")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_new_strategy_is_fifteen_lines_that_pass(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written, found by its name, and examined from the command line."""
    assert main(["strategy", "new", "my_first"]) == 0
    assert len((folder / "my_first.py").read_text(encoding="utf-8").splitlines()) == 15
    assert "strategy check my_first" in " ".join(capsys.readouterr().out.split())
    main(["strategy", "check", "my_first", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert {one["code"] for one in said["findings"] if not one["passed"]} <= {"cost"}
    assert "history=600" in json.dumps(said)


def test_a_strategy_that_looks_ahead_fails_on_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the number that does it is named."""
    main(["strategy", "new", "my_second"])
    file = folder / "my_second.py"
    text = file.read_text(encoding="utf-8").replace(
        "sma(window.close, 50)", "sma(window.close, 50) + window.close[:, -1:]"
    )
    file.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main(["strategy", "check", "my_second"]) == 1
    assert "looks into the future: short" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Golden", "cannot be"),
        ("2nd", "cannot be"),
        ("class", "cannot be"),
        ("a-b", "cannot be"),
        ("../x", "cannot be"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    """In one sentence, with the code of usage."""
    assert main(["strategy", "new", name]) == 2
    assert words in capsys.readouterr().err


def test_a_strategy_that_is_there_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its file stays as it is."""
    (folder / "my_third.py").write_text("# mine\n", encoding="utf-8")
    assert main(["strategy", "new", "my_third"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (folder / "my_third.py").read_text(encoding="utf-8") == "# mine\n"
