"""Put the candles of many markets on one time grid.

Upbit makes no candle for a period without a trade. On the grid such a period carries the close before it, at volume 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from strategy.base import Window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from strategy.base import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleArrays:
    """The candles of one market, oldest first, as arrays of shape ``(candles,)``."""

    opened_at_ms: npt.NDArray[np.int64]  # epoch milliseconds
    open: Floats  # KRW
    high: Floats  # KRW
    low: Floats  # KRW
    close: Floats  # KRW
    volume: Floats  # units of base currency


def build_window(
    unit: timedelta,
    closed_at: datetime,
    count: int,
    series: Mapping[str, CandleArrays],
    turnover: Mapping[str, float],
) -> Window:
    """Return the last `count` closed candles of every market on one grid.

    Args:
        unit: length of a candle.
        closed_at: UTC end of the last candle of the grid; candles that opened at or after it are left out.
        count: candles of the grid.
        series: candles by market.
        turnover: 24 h turnover in KRW by market, known only for the last candle.
    """
    markets = tuple(sorted(series))
    shape = (len(markets), count)
    grids = {name: np.full(shape, np.nan) for name in ("open", "high", "low", "close", "volume", "turnover_24h")}
    unit_ms = round(unit.total_seconds() * 1000)
    first_ms = round(closed_at.timestamp() * 1000) - count * unit_ms
    for row, market in enumerate(markets):
        place(series[market], first_ms, unit_ms, {name: grid[row] for name, grid in grids.items()})
        grids["turnover_24h"][row, -1:] = turnover.get(market, np.nan)
    return Window(markets=markets, unit=unit, closed_at=closed_at, **grids)


def place(candles: CandleArrays, first_ms: int, unit_ms: int, grid: Mapping[str, Floats]) -> None:
    """Write one market's candles into its row of the grid, and carry closes over the periods without a trade."""
    column = (candles.opened_at_ms - first_ms) // unit_ms
    count = len(grid["close"])
    inside = (column >= 0) & (column < count)
    before = np.flatnonzero(column < 0)
    at = column[inside]
    for name in ("open", "high", "low", "close", "volume"):
        grid[name][at] = getattr(candles, name)[inside]
    if len(before) and np.isnan(grid["close"][:1]).all():
        carried = candles.close[before[-1]]  # the market had traded before the grid begins
        for name in ("open", "high", "low", "close"):
            grid[name][0] = carried
        grid["volume"][0] = 0.0
    carry_forward(grid)


def carry_forward(grid: Mapping[str, Floats]) -> None:
    """Fill the gaps after a market's first candle with the close before them."""
    close = grid["close"]
    known = np.isfinite(close)
    if known.all():
        return
    last_known = np.maximum.accumulate(np.where(known, np.arange(len(close)), -1))
    gap = ~known & (last_known >= 0)
    carried = close[last_known[gap]]
    for name in ("open", "high", "low", "close"):
        grid[name][gap] = carried
    grid["volume"][gap] = 0.0
