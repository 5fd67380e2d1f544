"""The candles of many markets on one clock, as strategies and the backtester see them.

A market is not listed before its first candle nor after its last, and a hole of more than three days ends a series:
what comes after it is a row of its own, so that no indicator reaches over the hole and no position lives through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from backtest.history.candles import PRICES, gaps
from backtest.problems import NothingThere
from backtest.units import DAY, from_ms, to_ms, unit_ms
from strategy.base import Window
from strategy.grid import CandleArrays, place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from backtest.history.candles import Candles
    from strategy.base import Bools, Floats

LONGEST_HOLE = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Series of candles on one grid; arrays have shape ``(series, candles)``.

    `window.markets` names the market of each row, in the order of the names; a market with a hole in its history has
    several rows, which never hold values in the same column.
    """

    window: Window
    real: Bools  # whether something traded; elsewhere the window carries the close before, or NaN
    begins: npt.NDArray[np.intp]  # (series,): the column of a series' first candle
    ends: npt.NDArray[np.intp]  # (series,): the column after a series' last candle, or that after the last of all
    unit_ms: int  # length of a candle
    first_ms: int  # opening of column 0, epoch milliseconds
    first: int  # the first column that may be traded; those before it are warm-up

    def __post_init__(self) -> None:
        assert list(self.window.markets) == sorted(self.window.markets)

    def opened_ms(self, column: int) -> int:
        """Return when a column's candles open, epoch milliseconds."""
        return self.first_ms + column * self.unit_ms

    def opened_at(self, column: int) -> datetime:
        """Return when a column's candles open, UTC."""
        return from_ms(self.opened_ms(column))


@dataclass(frozen=True, slots=True)
class Series:
    """One unbroken stretch of a market's history."""

    market: str
    candles: Candles


def series_of(market: str, candles: Candles, length_ms: int) -> Iterator[Series]:
    """Cut a market's history at its long holes."""
    long_ms = LONGEST_HOLE // timedelta(milliseconds=1)
    cuts = [gap.end_ms for gap in gaps(candles, length_ms) if gap.end_ms - gap.begin_ms > long_ms]
    edges = [0, *np.searchsorted(candles.opened_at_ms, cuts).tolist(), len(candles)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield Series(market, candles.take(slice(begin, end)))


def build_panel(
    history: Mapping[str, Candles], unit: timedelta, begin: datetime, end: datetime, *, warm_up: int
) -> Panel:
    """Put the candles of many markets on one grid.

    Args:
        history: candles by market.
        unit: length of a candle.
        begin: UTC; candles that open from here on may be traded.
        end: UTC; candles that open at or after it are left out.
        warm_up: candles before `begin` that indicators may look at, as far as there are any.

    Raises:
        NothingThere: when no market has a candle in the period.
    """
    length = unit_ms(unit)
    begin_ms, end_ms = (to_ms(moment) // length * length for moment in (begin, end))
    wanted = {market: between(candles, begin_ms - warm_up * length, end_ms) for market, candles in history.items()}
    series = [one for market in sorted(wanted) for one in series_of(market, wanted[market], length)]
    last_ms = max((int(one.candles.opened_at_ms[-1]) for one in series), default=0)
    if last_ms < begin_ms or not series:
        raise no_candles(history, begin, end)
    first_ms = min(int(one.candles.opened_at_ms[0]) for one in series)
    count = (last_ms - first_ms) // length + 1
    grids = {name: np.full((len(series), count), np.nan) for name in (*PRICES, "volume", "turnover")}
    real = np.zeros((len(series), count), dtype=np.bool_)
    begins, ends = np.zeros((2, len(series)), dtype=np.intp)
    for row, one in enumerate(series):
        columns = (one.candles.opened_at_ms - first_ms) // length
        standing_still = (count - 1 - columns[-1]) * unit <= LONGEST_HOLE
        begins[row] = columns[0]
        ends[row] = count if standing_still else columns[-1] + 1
        real[row, columns] = True
        fill_row({name: grid[row, begins[row] : ends[row]] for name, grid in grids.items()}, one.candles, length)
    window = Window(
        markets=tuple(one.market for one in series),
        unit=unit,
        closed_at=from_ms(last_ms + length),
        turnover_24h=sum_of_a_day(grids.pop("turnover"), max(1, DAY // unit)),
        **grids,
    )
    first = max(0, (begin_ms - first_ms) // length)
    return Panel(window=window, real=real, begins=begins, ends=ends, unit_ms=length, first_ms=first_ms, first=first)


def between(candles: Candles, begin_ms: int, end_ms: int) -> Candles:
    """Return the candles that open in a stretch of time."""
    begin, end = np.searchsorted(candles.opened_at_ms, [begin_ms, end_ms])
    return candles.take(slice(int(begin), int(end)))


def fill_row(grid: Mapping[str, Floats], candles: Candles, length: int) -> None:
    """Write a series into its stretch of a row; where nothing traded, the close before is carried."""
    arrays = CandleArrays(
        opened_at_ms=candles.opened_at_ms,
        volume=candles.volume,
        **{name: getattr(candles, name) for name in PRICES},
    )
    place(arrays, int(candles.opened_at_ms[0]), length, {name: grid[name] for name in (*PRICES, "volume")})
    columns = (candles.opened_at_ms - candles.opened_at_ms[0]) // length
    middle = (candles.open + candles.high + candles.low + candles.close) / 4
    grid["turnover"][:] = 0.0
    grid["turnover"][columns] = np.where(np.isfinite(candles.turnover), candles.turnover, candles.volume * middle)


def sum_of_a_day(turnover: Floats, candles: int) -> Floats:
    """Return the sum over the last `candles` candles; over fewer at the beginning of a series, NaN before it."""
    unknown = np.isnan(turnover)
    total = np.cumsum(np.where(unknown, 0.0, turnover), axis=1)
    before = np.zeros_like(total)
    before[:, candles:] = total[:, :-candles] if candles < total.shape[1] else 0.0
    total -= before
    total[unknown] = np.nan
    return total


def no_candles(history: Mapping[str, Candles], begin: datetime, end: datetime) -> NothingThere:
    """Return the error of a period without candles, naming what there is."""
    known = [candles.opened_at_ms for candles in history.values() if len(candles)]
    there = "-"
    if known:
        first, last = (from_ms(int(f([times[at] for times in known]))) for f, at in ((min, 0), (max, -1)))
        there = f"{first:%Y-%m-%d %H:%M} ~ {last:%Y-%m-%d %H:%M} UTC"
    asked = f"{begin:%Y-%m-%d %H:%M} ~ {end:%Y-%m-%d %H:%M} UTC"
    return NothingThere(
        f"{asked} 기간의 캔들이 없습니다. 있는 기간: {there}. --from/--to를 바꾸거나 download로 받으세요.",
        f"There are no candles for {asked}. There are some for: {there}. Change --from/--to, or download.",
    )
