"""The search of parameters: its axes, its folds, its honesty."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isnan, sin, sqrt
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from backtest.engine.rules import Rules
from backtest.figures.deflate import best_by_luck, better_than, deflated
from backtest.problems import UsageProblem
from backtest.search.evaluate import PANELS_KEPT, Evaluator, Score, Task
from backtest.search.folds import anchored
from backtest.search.found import as_toml
from backtest.search.search import SearchPlan, search
from backtest.search.source import fingerprint_of_code
from backtest.search.space import Axis, space_of
from backtest.search.workers import OtherCode, Remembering, judge_with
from config.reading import load as read_settings
from strategy.registry import StrategyError, load
from tests.helpers.scripted import START, UNIT, candles, flat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BEGIN, END = datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
QUIET_TREND = load("quiet_trend", {})[0]


class Hill:
    """Judges by a formula: the score is best at fast = 12, and every task is counted."""

    def __init__(self) -> None:
        self.asked: list[Task] = []

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks."""
        self.asked += tasks
        return [score(-((task.parameters.get("fast", 10) - 12) ** 2)) for task in tasks]


def score(sharpe: float, *daily: float) -> Score:
    """Return a score."""
    return Score(figures={"sharpe": float(sharpe), "trades": 50.0}, daily=list(daily or (0.01, -0.005)))


def plan(**changed: object) -> SearchPlan:
    """Return a plan over one whole axis."""
    values = {
        "strategy": "quiet_trend",
        "base": {},
        "axes": (Axis(name="fast", low=2, high=40, whole=True),),
        "folds": anchored(BEGIN, END, count=2, training=0.5),
        "trials": 30,
    }
    return SearchPlan(**{**values, **changed})  # type: ignore[arg-type]


def test_the_published_example_of_a_deflated_ratio_comes_out() -> None:
    """Bailey and Lopez de Prado 2014: ratio 2.5 a year, 1,250 days, 100 variants with variance 1/2: 0.1132 and 0.90."""
    luck = best_by_luck(sqrt(0.5 / 250), 100)
    assert luck == pytest.approx(0.1132, abs=5e-5)
    assert better_than(luck, 2.5 / sqrt(250), 1250, skew=-3, kurtosis=10) == pytest.approx(0.9004, abs=5e-4)


def test_the_more_variants_are_tried_the_less_is_left() -> None:
    """The same returns are less convincing after a wide search; returns that never change say nothing."""
    rng = np.random.default_rng(1)
    daily = rng.normal(0.002, 0.02, 500)
    few, many = rng.normal(0, 0.05, 3).tolist(), rng.normal(0, 0.05, 300).tolist()
    assert deflated(daily, [0.0]) > deflated(daily, few) > deflated(daily, many)
    assert isnan(deflated(np.zeros(100), few))


def test_folds_are_trained_on_everything_before_and_judged_on_what_follows() -> None:
    """Every training begins at the beginning, the tests follow each other without a gap and end at the end."""
    folds = anchored(BEGIN, END, count=4, training=0.5)
    assert {fold.begin for fold in folds} == {BEGIN}
    assert all(first.end == second.middle for first, second in pairwise(folds))
    assert folds[-1].end == END
    assert all(fold.middle.hour == 0 for fold in folds)
    assert abs((folds[0].middle - BEGIN) - (END - BEGIN) / 2) <= timedelta(days=4)


def test_a_period_shorter_than_its_tests_is_refused() -> None:
    """One sentence says what to change."""
    with pytest.raises(UsageProblem, match="too short"):
        anchored(BEGIN, BEGIN + timedelta(hours=30), count=4, training=0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fats=1:2", "no parameter fats"),
        ("fast=1", "name=low:high"),
        ("fast=a:b", "name=low:high"),
        ("fast=nan:20", "name=low:high"),
        ("fast=20:5", "low must be below high"),
        ("fast=0:5", "1 ~ 1000"),
        ("fast=5:20:16", "low must be below high"),
    ],
)
def test_an_axis_that_makes_no_sense_is_refused(text: str, words: str) -> None:
    """Unknown parameter, another form, out of bounds."""
    with pytest.raises(UsageProblem, match=words):
        space_of(QUIET_TREND, [text])


def test_without_axes_half_to_twice_of_every_default_is_searched() -> None:
    """What says which markets may be traded at all is left alone."""
    axes = {axis.name: axis for axis in space_of(QUIET_TREND, [])}
    assert set(axes) == {"fast", "slow", "btc_ema", "atr_period", "max_natr", "stop_atr"}
    assert (axes["fast"].low, axes["fast"].high, axes["fast"].whole) == (5, 20, True)
    assert (axes["max_natr"].low, axes["max_natr"].high, axes["max_natr"].whole) == (1.25, 5.0, False)
    (given,) = space_of(QUIET_TREND, ["stop_atr=1:9:2"])
    assert (given.low, given.high, given.step) == (1.0, 9.0, 2.0)


def test_the_best_of_the_training_is_chosen_and_judged_on_the_test_alone() -> None:
    """The hill's top is found; each fold's test is asked with it, and with the shipped parameters beside it."""
    hill = Hill()
    found = search(plan(), hill)
    assert [one.parameters for one in found.chosen] == [{"fast": 12}, {"fast": 12}]
    for one in found.chosen:
        judged = [task for task in hill.asked if task.begin == one.fold.middle]
        assert [task.parameters for task in judged if task.end == one.fold.end] == [{}, {"fast": 12}]
    trained = [task for task in hill.asked if task.begin == BEGIN]
    assert {task.end for task in trained} == {fold.middle for fold in plan().folds}


def test_the_plateau_shows_what_lies_beside_the_winner() -> None:
    """A step of a tenth of the axis to each side, on the training."""
    (first, _) = search(plan(), Hill()).chosen
    assert first.plateau is not None
    assert first.plateau.winner == 0
    assert first.plateau.neighbours == {"fast=8": -16, "fast=16": -16}
    assert first.plateau.middle == -16


def test_variants_the_strategy_refuses_are_not_tried() -> None:
    """`fast` must be below `slow`: what is not, is neither judged nor counted."""
    hill = Hill()
    found = search(plan(base={"slow": 20}, sampler="random", sampler_seed=3), hill)
    assert all(task.parameters.get("fast", 10) < 20 for task in hill.asked)
    assert 0 < len(found.ratios) < 60


def test_a_space_without_a_possible_value_is_said() -> None:
    """Nothing is chosen from nothing."""
    with pytest.raises(UsageProblem, match="none of the values"):
        search(plan(base={"slow": 2}), Hill())


def test_tests_in_a_row_are_one_account() -> None:
    """Their daily returns are compounded: 1 % up and half a percent down, twice."""
    found = search(plan(), Hill())
    figures = found.figures(found.after())
    assert figures["total_return"] == pytest.approx((1.01 * 0.995) ** 2 - 1)
    assert figures["max_drawdown"] == pytest.approx(0.005)


def test_the_same_seed_searches_the_same_way_and_another_does_not() -> None:
    """The tasks are equal, in their order."""
    asked = []
    for seed in (1, 1, 2):
        hill = Hill()
        search(plan(sampler_seed=seed), hill)
        asked.append(hill.asked)
    assert asked[0] == asked[1] != asked[2]


def test_a_search_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    """Scores are kept line by line; a line that a kill cut off is judged again, and nothing else is."""
    kept, first = tmp_path / "scores.jsonl", Hill()
    whole = search(plan(), Remembering(first, kept))
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(lines[:-2]) + lines[-2][:20])
    second = Hill()
    again = search(plan(), Remembering(second, kept))
    assert len(second.asked) == 2
    assert [one.parameters for one in again.chosen] == [one.parameters for one in whole.chosen]
    third = Hill()
    search(plan(), Remembering(third, kept))
    assert third.asked == []


class Flat(Hill):
    """Judges that nothing with a short average trades more than a few times."""

    def map(self, tasks: Sequence[Task]) -> list[Score]:
        """Judge some tasks; the fewer trades, the better the ratio looks."""
        self.asked += tasks
        return [
            Score(figures={"sharpe": -trades / 10, "trades": trades}, daily=[0.01, -0.005])
            for trades in (float(task.parameters.get("fast", 10)) for task in tasks)
        ]


def test_a_variant_that_hardly_trades_is_not_chosen_however_good_it_looks() -> None:
    """Two trades without a loss prove nothing: the least number of trades decides who may be taken at all."""
    judge = Flat()
    found = search(plan(min_trades=20), judge)
    tried = {int(task.parameters["fast"]) for task in judge.asked if task.begin == BEGIN and task.parameters}
    assert min(tried) < 20
    for one in found.chosen:
        assert one.parameters is not None
        assert 20 <= one.parameters["fast"] <= 25


def test_where_nothing_trades_often_enough_nothing_is_traded_and_that_is_said() -> None:
    """The fold has no parameters, no plateau, and as many idle days as the test has."""
    found = search(plan(min_trades=500), Flat())
    assert [(one.parameters, one.plateau) for one in found.chosen] == [(None, None), (None, None)]
    assert found.after().tolist() == [0.0] * 4
    assert found.shipped().tolist() == [0.01, -0.005] * 2
    assert found.latest is None
    assert isnan(found.deflated())


def test_every_look_at_a_training_counts_as_a_try() -> None:
    """Neighbours of the winner, and what earlier searches tried on the same trainings; not on others."""
    hill = Hill()
    alone = search(plan(), hill)
    judged = {repr(task) for task in hill.asked if task.begin == BEGIN}
    assert len(alone.ratios) == len(judged)
    fold = plan().folds[0]
    same = Task(parameters={"fast": 77}, begin=fold.begin, end=fold.middle)
    known = [
        (same, score(3)),
        (Task(parameters={"fast": 77}, begin=BEGIN, end=END), score(4)),
        (hill.asked[0], score(0)),
    ]
    found = search(plan(), Hill(), known=known)
    assert (len(found.ratios), found.earlier) == (len(alone.ratios) + 1, 1)
    assert 3 / sqrt(365) in found.ratios


def test_what_was_judged_before_is_told(tmp_path: Path) -> None:
    """A search says how many of its scores it did not compute."""
    kept = tmp_path / "scores.jsonl"
    first = Remembering(Hill(), kept)
    search(plan(), first)
    assert first.reused == 0
    second = Remembering(Hill(), kept)
    search(plan(), second)
    assert second.reused == len(kept.read_bytes().split()) == len(second.known)


@pytest.fixture
def evaluator() -> Evaluator:
    """Return who judges a short history of one market."""
    history = {"KRW-A": candles([flat(100), flat(101)])}
    return Evaluator(strategy="quiet_trend", unit=UNIT, rules=Rules(), seeds=(1,), history=history)


def test_a_score_belongs_to_every_column_and_every_rule(evaluator: Evaluator) -> None:
    """Another volume, another fee, another seed: another file of scores."""
    ((market, one),) = evaluator.history.items()
    louder = replace(evaluator, history={market: replace(one, volume=one.volume + 1)})
    dearer = replace(evaluator, rules=Rules(fee_rate=0.001))
    reseeded = replace(evaluator, seeds=(2,))
    assert len({each.fingerprint() for each in (evaluator, louder, dearer, reseeded)}) == 4


def test_histories_of_other_lengths_do_not_pile_up() -> None:
    """Each length of bitcoin's average looks at another stretch; only the last ones are kept, and the scores stay."""
    swinging = {"KRW-BTC": candles([flat(1_000 + 300 * sin(at / 40)) for at in range(1_800)])}
    judge = Evaluator(strategy="quiet_trend", unit=UNIT, rules=Rules(), seeds=(1,), history=swinging)
    begin, end = START + 1_200 * UNIT, START + 1_800 * UNIT
    tasks = [Task(parameters={"btc_ema": length}, begin=begin, end=end) for length in range(205, 214)]
    scores = [judge(task) for task in tasks]
    assert min(score.figures["trades"] for score in scores) >= 1
    assert len(judge._panels) == PANELS_KEPT
    assert [judge(task) for task in reversed(tasks)] == scores[::-1]
    assert len(judge._panels) == PANELS_KEPT


@pytest.mark.parametrize("where", ["strategy", "backtest", "own"])
def test_a_score_belongs_to_the_code_that_made_it(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One character in the strategy's own file, in `strategy/` or in `backtest/`, and no old score is used."""
    import backtest  # noqa: PLC0415 - its search path is what the test changes
    import strategy  # noqa: PLC0415 - same

    room = backtest if where == "backtest" else strategy
    file = tmp_path / ("mine.py" if where == "own" else "helper.py")
    file.write_text("FACTOR = 1\n", encoding="utf-8")
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(tmp_path)])
    before = fingerprint_of_code("mine" if where == "own" else "quiet_trend")
    file.write_text("FACTOR = 2\n", encoding="utf-8")
    assert fingerprint_of_code("mine" if where == "own" else "quiet_trend") != before


def test_a_worker_with_other_code_judges_nothing(evaluator: Evaluator) -> None:
    """Its scores would be those of another program."""
    task = Task(parameters={}, begin=BEGIN, end=END)
    with pytest.raises(OtherCode, match="another version"):
        judge_with(replace(evaluator, code="older"), task)


@pytest.mark.parametrize("error", [UsageProblem("가", "a"), OtherCode(), StrategyError("나", "b")])
def test_what_a_worker_refuses_is_read_as_it_was_said(error: Exception) -> None:
    """Errors come whole out of another process."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own, a moment ago
    assert (type(again), again.ko, again.en, str(again)) == (type(error), error.ko, error.en, str(error))  # type: ignore[attr-defined]


def test_what_was_found_is_a_file_of_settings(tmp_path: Path) -> None:
    """Whole, one parameter a line, and the program reads it back to the last digit."""
    axes = (Axis(name="fast", low=2, high=40, whole=True), Axis(name="max_natr", low=1.0, high=6.0))
    found = search(plan(axes=axes, base={"slow": 60}), Hill())
    file = tmp_path / "found.toml"
    file.write_text(as_toml(found, timedelta(minutes=240)), encoding="utf-8")
    config = read_settings({}, path=file, overrides=[])
    _, parameters = load(config.strategy.name, config.strategy.parameters)
    assert msgspec.to_builtins(parameters) == found.latest
    assert (parameters.slow, config.strategy.unit) == (60, timedelta(minutes=240))
    assert parameters.max_natr == found.chosen[-1].parameters["max_natr"]  # type: ignore[index]
