"""Walk-forward search: in each fold the best parameters of the past are chosen, and judged on what came after.

Only what came after is reported as a result. Beside it stand the plateau around the winner, the same tests with the
parameters that are shipped, and how many variants were tried: the more, the better the best looks by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import optuna

from backtest.figures.deflate import deflated
from backtest.figures.metrics import Curve, cagr, drawdown, sharpe, sortino
from backtest.problems import UsageProblem
from backtest.search.evaluate import Score, Task, key_of
from backtest.units import to_ms
from strategy import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.search.folds import Fold
    from backtest.search.space import Axis
    from backtest.search.workers import Workers
    from strategy.base import Floats

    Values = dict[str, float | int]

WORST = -1_000.0
"""Told to the sampler for a variant with too few trades, and a little more for each: below every Sharpe ratio."""
AT_ONCE = 8
"""Variants that are asked for before their scores are told: the same on any number of workers, so the search is too."""
OBJECTIVE = "sharpe"
DAY_MS = 86_400_000
YEAR = 365
TPE, RANDOM = "tpe", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """What is searched, and how long."""

    strategy: str
    base: Mapping[str, float | int]  # parameters that are not searched, where they are not the defaults
    axes: tuple[Axis, ...]
    folds: tuple[Fold, ...]
    trials: int  # variants a fold
    min_trades: int = 20  # least trades on a training, median of the seeds, of a variant that may be chosen
    sampler: str = TPE
    sampler_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """How the training scores change when one parameter of the winner moves to a neighbour; Sharpe ratios."""

    winner: float
    neighbours: Mapping[str, float]  # "fast=8": score

    @property
    def middle(self) -> float:
        """The median neighbour. A winner far above it stands on a peak of luck."""
        return median(self.neighbours.values()) if self.neighbours else self.winner


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a fold chose, and what came after."""

    fold: Fold
    parameters: Values | None  # None: no variant traded often enough to be judged, so the fold does not trade
    variants: int
    plateau: Plateau | None
    after: Score  # of the chosen parameters, on the test
    shipped: Score  # of the parameters before the search, on the same test


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All folds, one after the other."""

    plan: SearchPlan
    chosen: tuple[Chosen, ...]
    ratios: tuple[float, ...]  # daily Sharpe ratio of everything that was judged on a training, neighbours included
    earlier: int = 0  # of them, how many were tried by searches before this one

    @property
    def latest(self) -> Values | None:
        """All parameters that the last fold chose, those that were not searched included; None when it chose none."""
        chosen = self.chosen[-1].parameters
        if chosen is None:
            return None
        _, parameters = registry.load(self.plan.strategy, {**self.plan.base, **chosen})
        values: Values = msgspec.to_builtins(parameters)
        return values

    CONVINCING: ClassVar[float] = 0.95
    """Deflated probability from which a result is usually believed."""

    def deflated(self) -> float:
        """Return how probable it is that the tests are better than luck gives the best of the variants tried."""
        return deflated(self.after(), self.ratios)

    def after(self) -> Floats:
        """Return the daily returns of all tests, in a row."""
        return np.concatenate([np.array(one.after.daily) for one in self.chosen])

    def shipped(self) -> Floats:
        """Return the daily returns of the shipped parameters on the same tests."""
        return np.concatenate([np.array(one.shipped.daily) for one in self.chosen])

    def figures(self, daily: Floats) -> dict[str, float]:
        """Return the figures of daily returns that follow each other."""
        equity = np.concatenate([[1.0], np.cumprod(1 + daily)])
        begin = to_ms(self.chosen[0].fold.middle)
        at_ms = begin + DAY_MS * np.arange(len(equity), dtype=np.int64)
        curve = Curve(at_ms=at_ms, equity=equity, invested=np.zeros_like(equity))
        return {
            "total_return": float(equity[-1]) - 1,
            "cagr": cagr(curve),
            "sharpe": sharpe(daily),
            "sortino": sortino(daily),
            "max_drawdown": drawdown(curve).depth,
        }


Known = Iterable[tuple[Task, Score]]
Judge = Callable[[Sequence["Values"]], list[Score]]


def search(
    plan: SearchPlan, workers: Workers, done: Callable[[int], Any] = lambda _: None, known: Known = ()
) -> Search:
    """Search every fold.

    Args:
        plan: what is searched.
        workers: who judges.
        done: is told how many variants were judged since it was last told.
        known: scores of earlier searches on the same history; those of the same trainings were tries too.

    Raises:
        BacktestError: when the workers are lost, or there is nothing to judge on.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trainings = {(fold.begin, fold.middle) for fold in plan.folds}
    before = {key_of(task): ratio_of(score) for task, score in known if (task.begin, task.end) in trainings}
    chosen, tries = [], dict[bytes, float]()
    for number, fold in enumerate(plan.folds):

        def judge(variants: Sequence[Values], fold: Fold = fold) -> list[Score]:
            tasks = [training(plan, fold, values) for values in variants]
            scores = workers.map(tasks)
            tries.update((key_of(task), ratio_of(score)) for task, score in zip(tasks, scores, strict=True))
            return scores

        tried = try_variants(plan, number, judge, done)
        chosen.append(choose(plan, fold, tried, judge, workers))
    return Search(
        plan=plan,
        chosen=tuple(chosen),
        ratios=tuple((before | tries).values()),
        earlier=len(before.keys() - tries.keys()),
    )


def ratio_of(score: Score) -> float:
    """Return the daily Sharpe ratio of a score."""
    return score.figures[OBJECTIVE] / sqrt(YEAR)


@dataclass(frozen=True, slots=True)
class TriedVariant:
    """A variant and its score on a training."""

    values: Values
    score: Score

    def worth(self, least: int) -> float:
        """Return what the sampler is told: the objective, or how far from enough trades it is."""
        trades = self.score.figures["trades"]
        return self.score.figures[OBJECTIVE] if trades >= least else WORST + trades / least


def try_variants(plan: SearchPlan, number: int, judge: Judge, done: Callable[[int], Any]) -> list[TriedVariant]:
    """Return every variant that was tried on a fold's training, each once."""
    study = optuna.create_study(direction="maximize", sampler=sampler_of(plan, number))
    tried: dict[str, TriedVariant] = {}
    left = plan.trials
    while left > 0:
        asked = [study.ask() for _ in range(min(AT_ONCE, left))]
        left -= len(asked)
        variants = [suggest(plan, trial) for trial in asked]
        possible = [is_possible(plan, values) for values in variants]
        scores = iter(judge([values for values, fits in zip(variants, possible, strict=True) if fits]))
        for trial, values, fits in zip(asked, variants, possible, strict=True):
            if not fits:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            one = TriedVariant(values, next(scores))
            study.tell(trial, one.worth(plan.min_trades))
            tried[repr(sorted(values.items()))] = one
        done(len(asked))
    if not tried:
        raise UsageProblem(
            "탐색 범위에 전략이 받아들이는 값이 하나도 없습니다. --space를 바꾸세요.",
            "The strategy takes none of the values tried. Change --space.",
        )
    return list(tried.values())


def sampler_of(plan: SearchPlan, number: int) -> optuna.samplers.BaseSampler:
    """Return who proposes variants; each fold has a stream of its own."""
    seed = plan.sampler_seed * 1_000 + number
    if plan.sampler == RANDOM:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def suggest(plan: SearchPlan, trial: optuna.Trial) -> Values:
    """Return the values a trial proposes."""
    values: Values = {}
    for axis in plan.axes:
        if axis.whole:
            step = round(axis.step) if axis.step else 1
            values[axis.name] = trial.suggest_int(axis.name, round(axis.low), round(axis.high), step=step)
        else:
            values[axis.name] = trial.suggest_float(axis.name, axis.low, axis.high, step=axis.step)
    return values


def is_possible(plan: SearchPlan, values: Values) -> bool:
    """Return whether the strategy takes such parameters together."""
    try:
        registry.load(plan.strategy, {**plan.base, **values})
    except registry.StrategyError:
        return False
    return True


def training(plan: SearchPlan, fold: Fold, values: Values) -> Task:
    """Return the task of judging values on a fold's training."""
    return Task(parameters={**plan.base, **values}, begin=fold.begin, end=fold.middle)


def choose(plan: SearchPlan, fold: Fold, tried: Sequence[TriedVariant], judge: Judge, workers: Workers) -> Chosen:
    """Take the best variant of the training that traded enough, look around it, and judge it on the test."""
    able = [one for one in tried if one.score.figures["trades"] >= plan.min_trades]
    best = max(able, key=lambda one: one.worth(plan.min_trades), default=None)
    given = [{}] if best is None else [{}, best.values]
    tests = [Task(parameters={**plan.base, **values}, begin=fold.middle, end=fold.end) for values in given]
    shipped, *after = workers.map(tests)
    return Chosen(
        fold=fold,
        parameters=best.values if best else None,
        variants=len(tried),
        plateau=look_around(plan, best, judge) if best else None,
        after=after[0] if after else idle(shipped),
        shipped=shipped,
    )


def look_around(plan: SearchPlan, best: TriedVariant, judge: Judge) -> Plateau:
    """Judge what lies beside the winner."""
    around = neighbours(plan, best.values)
    scores = dict(zip(around, judge(list(around.values())), strict=True))
    return Plateau(
        winner=best.score.figures[OBJECTIVE],
        neighbours={name: score.figures[OBJECTIVE] for name, score in scores.items()},
    )


def idle(like: Score) -> Score:
    """Return the score of an account that does nothing for as many days."""
    return Score(figures=dict.fromkeys(like.figures, 0.0), daily=[0.0] * len(like.daily))


def neighbours(plan: SearchPlan, values: Values) -> dict[str, Values]:
    """Return the variants in which one parameter is a step away, by what was changed."""
    found = {}
    for axis in plan.axes:
        for step in (-axis.neighbour, axis.neighbour):
            value = axis.value(values[axis.name] + step)
            near = {**values, axis.name: value}
            if value != values[axis.name] and is_possible(plan, near):
                found[f"{axis.name}={value:g}"] = near
    return found
