"""Judge parameters on a stretch of history: the work that a search spreads over processors and machines."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.figures.equity import btc_hold
from backtest.figures.metrics import curve_figures, of_days, returns
from backtest.figures.results import each_run
from backtest.search.source import fingerprint_of_code
from strategy import registry
from strategy.gates import LEADER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from backtest.engine.panel import Panel
    from backtest.engine.rules import Rules
    from backtest.history.candles import Candles


PANELS_KEPT = 3
"""A parameter that changes how much history is looked at asks for a panel of its own; memory must not grow with it."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters to be judged on a stretch of time."""

    parameters: dict[str, float | int]
    begin: datetime
    end: datetime


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: figures by name, medians over the seeds, and the daily returns of the median seed."""

    figures: dict[str, float]
    daily: list[float]


def key_of(task: Task) -> bytes:
    """Return a task as one name: equal tasks have equal ones."""
    return msgspec.json.encode(task, order="deterministic")


@dataclass(slots=True, kw_only=True)
class Evaluator:
    """History and assumptions; made once, copied to every worker, asked many times. The same task scores the same."""

    strategy: str
    unit: timedelta
    rules: Rules
    seeds: tuple[int, ...]
    history: Mapping[str, Candles]
    code: str = ""  # fingerprint of the code that asks; a worker elsewhere compares its own
    _panels: dict[tuple[Any, ...], Panel] = field(default_factory=dict)  # the last ones asked for, the newest last

    def __post_init__(self) -> None:
        self.code = self.code or fingerprint_of_code(self.strategy)

    def __call__(self, task: Task) -> Score:
        """Judge one set of parameters.

        Raises:
            StrategyError: when the strategy refuses them.
            NothingThere: when the stretch has no candles, or too few before it.
        """
        strategy, parameters = registry.load(self.strategy, task.parameters)
        panel = self._panel(task.begin, task.end, strategy.history(parameters, self.unit))
        ready = prepare(panel, strategy, parameters, exclude=self.rules.exclude, check=False)
        runs = list(each_run(ready, self.rules, self.seeds))
        middle = sorted(runs, key=lambda run: run.figures["equity_final"])[(len(runs) - 1) // 2]
        figures = {name: middling([run.figures[name] for run in runs]) for name in middle.figures}
        return Score(figures=figures, daily=returns(of_days(middle.curve)).tolist())

    def hold(self, begin: datetime, end: datetime) -> dict[str, float]:
        """Return what holding bitcoin gave over a stretch; nothing where its history is missing."""
        if LEADER not in self.history:
            return {}
        return curve_figures(btc_hold(self._panel(begin, end, 1), self.rules))

    def _panel(self, begin: datetime, end: datetime, warm_up: int) -> Panel:
        key = (begin, end, warm_up)
        panel = self._panels.pop(key, None)
        while len(self._panels) >= PANELS_KEPT:
            del self._panels[next(iter(self._panels))]
        self._panels[key] = panel or build_panel(self.history, self.unit, begin, end, warm_up=warm_up)
        return self._panels[key]

    def fingerprint(self) -> str:
        """Return a name for everything a score depends on besides its task: code, assumptions, every column."""
        told = msgspec.json.encode([self.strategy, self.unit.total_seconds(), self.rules, self.seeds])
        digest = hashlib.sha256(self.code.encode() + told)
        for market, candles in sorted(self.history.items()):
            digest.update(market.encode())
            for column in fields(candles):
                digest.update(column.name.encode() + np.ascontiguousarray(getattr(candles, column.name)).tobytes())
        return digest.hexdigest()[:16]


def middling(values: list[float]) -> float:
    """Return the median of the values that exist; 0 when none does: an account that never traded has no ratio."""
    known = [value for value in values if np.isfinite(value)]
    return median(known) if known else 0.0
