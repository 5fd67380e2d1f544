"""Everything about a strategy on a panel that does not depend on chance: numbers and targets, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property, reduce
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.problems import NothingThere
from strategy.base import PASSED, Moments, Position

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from backtest.engine.panel import Panel
    from strategy.base import Bools, Numbers, Strategy

CHUNK = 4096
"""Candles that are judged in one call: enough to be fast, few enough to fit the cache."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A strategy and what it says about every candle of a panel."""

    panel: Panel
    strategy: Strategy
    parameters: Any
    numbers: Numbers  # arrays ``(series, candles)``
    barred: Bools  # (series,): whether the market is never bought
    passed: Bools  # (series, candles): which are targets at the close of a candle
    exits: Mapping[
        int, Bools
    ]  # what each cause `of_market` says at a close, (series, candles), by its place in `exits`
    sells: Bools | None  # whether any of them does; None where some other cause waits for candles too
    plain: bool  # whether all causes are of these or the protective stop, so that the end of a position is looked up

    def is_target(self, row: int, column: int) -> bool:
        """Return whether a row is a target at the close of a candle."""
        return bool(self.passed[row, column])

    @cached_property
    def sold(self) -> tuple[bytes, ...]:
        """Whether any cause `of_market` says sell at each close, a byte a candle, for each series."""
        return tuple(row.tobytes() for row in self.sells) if self.sells is not None else ()

    @cached_property
    def called(self) -> bytes:
        """Whether there is a target at each close, a byte a candle."""
        return np.asarray(self.passed.any(axis=0)).tobytes()

    @cached_property
    def appeared(self) -> bytes:
        """Whether a close has a target that the close before it had not, a byte a candle."""
        appeared = np.asarray(self.passed.any(axis=0))
        appeared[1:] = (self.passed[:, 1:] > self.passed[:, :-1]).any(axis=0)
        return appeared.tobytes()

    @property
    def gates(self) -> dict[str, int]:
        """How often each gate was the first to fail, over all tradable candles of all markets; asked anew each time."""
        counts = np.zeros(len(self.strategy.gates), dtype=np.int64)
        there = listed(self.panel, self.barred)
        for at in chunks(self.panel):
            gate = self.strategy.select(self.panel.window, self.numbers, at, self.parameters).gate
            judged = there[:, at] & (gate != PASSED)
            counts += np.bincount(gate[judged], minlength=len(counts))
        return {gate.code: int(count) for gate, count in zip(self.strategy.gates, counts, strict=True)}


def listed(panel: Panel, barred: Bools) -> Bools:
    """Return which markets may be bought and are there, (series, candles)."""
    there = np.zeros(panel.real.shape, dtype=np.bool_)
    for row in np.flatnonzero(~barred):
        there[row, panel.begins[row] : panel.ends[row]] = True
    return there


def chunks(panel: Panel) -> list[slice]:
    """Return the tradable candles in stretches that fit the cache."""
    count = panel.real.shape[1]
    return [slice(at, min(at + CHUNK, count)) for at in range(max(0, panel.first - 1), count, CHUNK)]


def prepare(
    panel: Panel, strategy: Strategy, parameters: Any, *, exclude: Collection[str] = (), check: bool = True
) -> Prepared:
    """Ask a strategy about every candle of every market.

    Args:
        panel: the candles.
        strategy: who is asked.
        parameters: its parameters.
        exclude: markets that are never bought.
        check: whether too little history is an error.

    Raises:
        NothingThere: when no market has enough candles for the strategy to judge.
    """
    need = strategy.history(parameters, panel.window.unit)
    if check and all(candles < need for candles in lengths(panel)):
        raise too_few(need, max(lengths(panel)))
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = strategy.compute(panel.window, parameters)
    barred = np.isin(panel.window.markets, list(exclude))
    passed = listed(panel, barred)
    passed[:, : max(0, panel.first - 1)] = False
    for at in chunks(panel):
        passed[:, at] &= strategy.select(panel.window, numbers, at, parameters).passed()
    exits = ask_exits(strategy, numbers, parameters)
    patient = {at for at, cause in enumerate(strategy.exits) if not cause.at_once}
    sells = reduce(np.logical_or, exits.values()) if exits and patient == exits.keys() else None
    return Prepared(
        panel=panel,
        strategy=strategy,
        parameters=parameters,
        numbers=numbers,
        barred=barred,
        passed=passed,
        exits=exits,
        sells=sells,
        plain=sells is not None and all(cause.at_stop for cause in strategy.exits if cause.at_once),
    )


def lengths(panel: Panel) -> Iterator[int]:
    """Yield how many candles each series has."""
    return (int(np.count_nonzero(np.isfinite(row))) for row in panel.window.close)


def too_few(need: int, most: int) -> NothingThere:
    """Return the error of a history in which no number settles."""
    return NothingThere(
        f"지표를 계산할 캔들이 부족합니다: {need}개가 필요한데 {most}개뿐입니다. "
        "더 이른 캔들을 받거나 기간을 늘리세요.",
        f"There are too few candles for the indicators: {need} are needed, there are {most}. "
        "Fetch earlier ones, or choose a longer period.",
    )


NOBODY = Position(
    market="",
    entry_price=Decimal(1),
    volume=Decimal(1),
    opened_at=datetime(1970, 1, 1, tzinfo=UTC),
    stop_price=Decimal(1),
    highest_price=Decimal(1),
)
"""A position for causes that do not look at it."""


def ask_exits(strategy: Strategy, numbers: Numbers, parameters: Any) -> dict[int, Bools]:
    """Ask every cause that rests on numbers alone about all candles at once."""
    wanted = [at for at, cause in enumerate(strategy.exits) if cause.of_market and not cause.at_once]
    if not wanted:
        return {}
    moments = Moments(numbers=numbers, price=nan, highest=nan, at_s=nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        answers = strategy.sells(NOBODY, moments, parameters)
    shape = next(iter(numbers.values())).shape
    return {at: np.broadcast_to(np.asarray(answers[at], dtype=np.bool_), shape) for at in wanted}
