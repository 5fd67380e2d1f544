"""Walk-forward search: in each fold the best parameters of the past are chosen, and judged on what came after.

Only what came after is reported as a result. Beside it stand the plateau around the winner, the same tests with the
parameters that are shipped, and how many variants were tried: the more, the better the best looks by luck.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import optuna

from backtest.deflate import deflated
from backtest.errors import UsageProblem
from backtest.evaluate import Task
from backtest.metrics import Curve, cagr, drawdown, sharpe, sortino
from backtest.units import to_ms
from strategy import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from backtest.evaluate import Score
    from backtest.folds import Fold
    from backtest.space import Axis
    from backtest.workers import Workers
    from strategy.base import Floats

    Values = dict[str, float | int]

AT_ONCE = 8
"""Variants that are asked for before their scores are told: the same on any number of workers, so the search is too."""
OBJECTIVE = "sharpe"
DAY_MS = 86_400_000
YEAR = 365
TPE, RANDOM = "tpe", "random"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is searched, and how long."""

    strategy: str
    base: Mapping[str, float | int]  # parameters that are not searched, where they are not the defaults
    axes: tuple[Axis, ...]
    folds: tuple[Fold, ...]
    trials: int  # variants a fold
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
    parameters: Values
    variants: int
    plateau: Plateau
    after: Score  # of the chosen parameters, on the test
    shipped: Score  # of the parameters before the search, on the same test


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All folds, one after the other."""

    plan: Plan
    chosen: tuple[Chosen, ...]
    ratios: tuple[float, ...]  # daily Sharpe ratio of every variant tried, on its training

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


def search(plan: Plan, workers: Workers, done: Callable[[int], Any] = lambda _: None) -> Search:
    """Search every fold; `done` is told how many variants were judged since it was last told.

    Raises:
        BacktestError: when the workers are lost, or there is nothing to judge on.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    chosen, ratios = [], []
    for number, fold in enumerate(plan.folds):
        tried = try_variants(plan, fold, number, workers, done)
        chosen.append(choose(plan, fold, tried, workers))
        ratios += [score / YEAR**0.5 for _, score in tried.values()]
    return Search(plan=plan, chosen=tuple(chosen), ratios=tuple(ratios))


def try_variants(
    plan: Plan, fold: Fold, number: int, workers: Workers, done: Callable[[int], Any]
) -> dict[str, tuple[Values, float]]:
    """Return every variant that was tried on a fold's training, with its score."""
    study = optuna.create_study(direction="maximize", sampler=sampler_of(plan, number))
    tried: dict[str, tuple[Values, float]] = {}
    left = plan.trials
    while left > 0:
        asked = [study.ask() for _ in range(min(AT_ONCE, left))]
        left -= len(asked)
        variants = [suggest(plan, trial) for trial in asked]
        possible = [is_possible(plan, values) for values in variants]
        tasks = [training(plan, fold, values) for values, fits in zip(variants, possible, strict=True) if fits]
        scores = iter(workers.map(tasks))
        for trial, values, fits in zip(asked, variants, possible, strict=True):
            if not fits:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            score = next(scores).figures[OBJECTIVE]
            study.tell(trial, score)
            tried[repr(sorted(values.items()))] = (values, score)
        done(len(asked))
    if not tried:
        raise UsageProblem(
            "탐색 범위에 전략이 받아들이는 값이 하나도 없습니다. --space를 바꾸세요.",
            "The strategy takes none of the values tried. Change --space.",
        )
    return tried


def sampler_of(plan: Plan, number: int) -> optuna.samplers.BaseSampler:
    """Return who proposes variants; each fold has a stream of its own."""
    seed = plan.sampler_seed * 1_000 + number
    if plan.sampler == RANDOM:
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def suggest(plan: Plan, trial: optuna.Trial) -> Values:
    """Return the values a trial proposes."""
    values: Values = {}
    for axis in plan.axes:
        if axis.whole:
            step = round(axis.step) if axis.step else 1
            values[axis.name] = trial.suggest_int(axis.name, round(axis.low), round(axis.high), step=step)
        else:
            values[axis.name] = trial.suggest_float(axis.name, axis.low, axis.high, step=axis.step)
    return values


def is_possible(plan: Plan, values: Values) -> bool:
    """Return whether the strategy takes such parameters together."""
    try:
        registry.load(plan.strategy, {**plan.base, **values})
    except registry.StrategyError:
        return False
    return True


def training(plan: Plan, fold: Fold, values: Values) -> Task:
    """Return the task of judging values on a fold's training."""
    return Task(parameters={**plan.base, **values}, begin=fold.begin, end=fold.middle)


def choose(plan: Plan, fold: Fold, tried: Mapping[str, tuple[Values, float]], workers: Workers) -> Chosen:
    """Take the best variant of the training, look around it, and judge it on the test."""
    values, best = max(tried.values(), key=lambda pair: pair[1])
    around = neighbours(plan, values)
    looked = workers.map([training(plan, fold, near) for near in around.values()])
    test = [Task(parameters={**plan.base, **given}, begin=fold.middle, end=fold.end) for given in (values, {})]
    after, shipped = workers.map(test)
    scores = {name: score.figures[OBJECTIVE] for name, score in zip(around, looked, strict=True)}
    return Chosen(
        fold=fold,
        parameters=values,
        variants=len(tried),
        plateau=Plateau(winner=best, neighbours=scores),
        after=after,
        shipped=shipped,
    )


def neighbours(plan: Plan, values: Values) -> dict[str, Values]:
    """Return the variants in which one parameter is a step away, by what was changed."""
    found = {}
    for axis in plan.axes:
        for step in (-axis.neighbour, axis.neighbour):
            value = axis.value(values[axis.name] + step)
            near = {**values, axis.name: value}
            if value != values[axis.name] and is_possible(plan, near):
                found[f"{axis.name}={value:g}"] = near
    return found
