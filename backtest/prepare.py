"""Everything about a strategy on a panel that does not depend on chance: numbers and targets, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from backtest.errors import NothingThere
from strategy.base import PASSED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from backtest.panel import Panel
    from strategy.base import Bools, Numbers, Strategy

CHUNK = 4096
"""Candles that are judged in one call: enough to be fast, few enough to fit the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A strategy and what it says about every candle of a panel."""

    panel: Panel
    strategy: Strategy
    parameters: Any
    numbers: Numbers  # arrays ``(series, candles)``
    target_rows: npt.NDArray[np.intp]  # rows of all targets, candle by candle
    target_ends: npt.NDArray[
        np.intp
    ]  # (candles + 1,): candle `c` has `target_rows[target_ends[c] : target_ends[c + 1]]`
    appears: Bools  # (candles,): whether some row is a target that was none a candle before
    gates: Mapping[str, int]  # how often each gate was the first to fail, over all tradable candles of all markets

    def targets(self, column: int) -> npt.NDArray[np.intp]:
        """Return the rows that are targets at the close of a candle."""
        return self.target_rows[self.target_ends[column] : self.target_ends[column + 1]]

    def is_target(self, row: int, column: int) -> bool:
        """Return whether a row is a target at the close of a candle."""
        return bool((self.targets(column) == row).any())


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
    need, most = strategy.history(parameters, panel.window.unit), int(np.isfinite(panel.window.close).sum(axis=1).max())
    if check and most < need:
        raise NothingThere(
            f"지표를 계산할 캔들이 부족합니다: {need}개가 필요한데 {most}개뿐입니다. "
            "더 이른 캔들을 받거나 기간을 늘리세요.",
            f"There are too few candles for the indicators: {need} are needed, there are {most}. "
            "Fetch earlier ones, or choose a longer period.",
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = strategy.compute(panel.window, parameters)
    barred = np.isin(panel.window.markets, list(exclude))
    counts = np.zeros(len(strategy.gates), dtype=np.int64)
    rows, per_column = [], np.zeros(panel.real.shape[1], dtype=np.intp)
    appears, before = np.zeros(panel.real.shape[1], dtype=np.bool_), np.zeros((len(panel.real), 1), dtype=np.bool_)
    begin = max(0, panel.first - 1)
    for at in range(begin, panel.real.shape[1], CHUNK):
        gate = strategy.select(panel.window, numbers, slice(at, at + CHUNK), parameters).gate
        listed = np.isfinite(panel.window.close[:, at : at + CHUNK]) & ~barred[:, None]
        counts += np.bincount(gate[listed & (gate != PASSED)], minlength=len(strategy.gates))
        targets = (gate == PASSED) & listed
        appears[at : at + CHUNK] = (targets & ~np.hstack([before, targets[:, :-1]])).any(axis=0)
        before = targets[:, -1:]
        columns, found = np.nonzero(targets.T)
        rows.append(found)
        per_column[at : at + CHUNK] = np.bincount(columns, minlength=gate.shape[1])
    return Prepared(
        panel=panel,
        strategy=strategy,
        parameters=parameters,
        numbers=numbers,
        target_rows=np.concatenate(rows) if rows else np.empty(0, dtype=np.intp),
        appears=appears,
        target_ends=np.concatenate([[0], np.cumsum(per_column)]),
        gates={gate.code: int(count) for gate, count in zip(strategy.gates, counts, strict=True)},
    )
