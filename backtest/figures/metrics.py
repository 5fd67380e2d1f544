"""Figures of an equity curve, by their usual names and definitions. Days end at 00:00 UTC, which is 09:00 in Korea."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import nan, sqrt
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from backtest.units import DAY, from_ms

if TYPE_CHECKING:
    from strategy.base import Floats

DAYS_A_YEAR = 365
DAY_MS = DAY // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The worth of an account over time, arrays of shape ``(moments,)``: its beginning, then each candle's close."""

    at_ms: npt.NDArray[np.int64]  # epoch milliseconds, ascending
    equity: Floats  # KRW
    invested: Floats  # KRW of it in positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of a curve from its highest value before. A fall inside a candle is not seen."""

    depth: float  # 1 - lowest / highest: a fraction >= 0
    peak: datetime  # UTC
    trough: datetime
    recovered: datetime | None  # None: not until the end


def of_days(curve: Curve) -> Floats:
    """Return the equity at the beginning and at the end of each full day."""
    first, last = -(-int(curve.at_ms[0]) // DAY_MS), int(curve.at_ms[-1]) // DAY_MS
    ends = np.arange(first, last + 1, dtype=np.int64) * DAY_MS
    values = curve.equity[np.searchsorted(curve.at_ms, ends, side="right") - 1]
    starts_inside_a_day = len(ends) == 0 or ends[0] != curve.at_ms[0]
    return np.concatenate([curve.equity[:1], values]) if starts_inside_a_day else values


def returns(values: Floats) -> Floats:
    """Return the change from each value to the next, as a fraction."""
    return np.asarray(values[1:] / values[:-1] - 1)


def cagr(curve: Curve) -> float:
    """Return the growth a year of 365 days, compounded: a fraction."""
    years = (int(curve.at_ms[-1]) - int(curve.at_ms[0])) / DAY_MS / DAYS_A_YEAR
    growth = float(curve.equity[-1] / curve.equity[0])
    return growth ** (1 / years) - 1 if years > 0 and growth > 0 else nan


def sharpe(daily: Floats) -> float:
    """Return mean over standard deviation of daily returns, a year; NaN when they never change. No interest."""
    spread = float(daily.std(ddof=1)) if len(daily) > 1 else 0.0
    return float(daily.mean()) / spread * sqrt(DAYS_A_YEAR) if spread > 0 else nan


def sortino(daily: Floats) -> float:
    """Return mean over the root of the mean square of the losing days' returns, a year; NaN without a losing day."""
    downside = float(np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2))) if len(daily) else 0.0
    return float(daily.mean()) / downside * sqrt(DAYS_A_YEAR) if downside > 0 else nan


def drawdown(curve: Curve) -> Drawdown:
    """Return the deepest fall."""
    highest = np.maximum.accumulate(curve.equity)
    depth = 1 - curve.equity / highest
    trough = int(depth.argmax())
    peak = int(curve.equity[: trough + 1].argmax())
    later = np.flatnonzero(curve.equity[trough:] >= curve.equity[peak])
    return Drawdown(
        depth=float(depth[trough]),
        peak=from_ms(int(curve.at_ms[peak])),
        trough=from_ms(int(curve.at_ms[trough])),
        recovered=from_ms(int(curve.at_ms[trough + later[0]])) if len(later) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """One stretch below the highest value before, from its peak to where that is reached again, or to the end."""

    depth: float  # a fraction > 0
    peak: datetime  # UTC
    trough: datetime
    recovered: datetime | None  # None: not until the end
    days: float


def falls(curve: Curve) -> list[Fall]:
    """Return every stretch under water, the deepest first."""
    highest = np.maximum.accumulate(curve.equity)
    tops = np.append(np.flatnonzero(curve.equity >= highest), len(curve.equity))
    found = []
    for peak, after in zip(tops[:-1].tolist(), tops[1:].tolist(), strict=True):
        if after - peak < 2:  # noqa: PLR2004 - the next moment is a top again
            continue
        trough = peak + 1 + int(curve.equity[peak + 1 : after].argmin())
        end = min(after, len(curve.equity) - 1)
        found.append(
            Fall(
                depth=1 - float(curve.equity[trough] / curve.equity[peak]),
                peak=from_ms(int(curve.at_ms[peak])),
                trough=from_ms(int(curve.at_ms[trough])),
                recovered=from_ms(int(curve.at_ms[after])) if after < len(curve.equity) else None,
                days=float(curve.at_ms[end] - curve.at_ms[peak]) / DAY_MS,
            )
        )
    return sorted(found, key=lambda one: -one.depth)


def longest_under_water_days(curve: Curve) -> float:
    """Return the longest time between two highest values, days; one that lasts to the end counts."""
    highest = np.maximum.accumulate(curve.equity)
    at_top = np.append(np.flatnonzero(curve.equity >= highest), len(curve.equity) - 1)
    return float(np.diff(curve.at_ms[at_top]).max(initial=0)) / DAY_MS


def curve_figures(curve: Curve) -> dict[str, float]:
    """Return the figures of a curve by name; fractions, days and KRW."""
    daily = returns(of_days(curve))
    depth = drawdown(curve).depth
    return {
        "equity_final": float(curve.equity[-1]),
        "total_return": float(curve.equity[-1] / curve.equity[0]) - 1,
        "cagr": cagr(curve),
        "sharpe": sharpe(daily),
        "sortino": sortino(daily),
        "volatility": float(daily.std(ddof=1)) * sqrt(DAYS_A_YEAR) if len(daily) > 1 else nan,
        "max_drawdown": depth,
        "calmar": cagr(curve) / depth if depth > 0 else nan,
        "under_water_days": longest_under_water_days(curve),
        "exposure": float(np.mean(curve.invested[1:] / curve.equity[1:])) if len(curve.equity) > 1 else 0.0,
    }


def monthly(curve: Curve) -> dict[str, float]:
    """Return the return of each month (UTC, which is Korea's month to nine hours), e.g. ``{"2024-01": 0.05}``."""
    return by_calendar(curve, "M")


def yearly(curve: Curve) -> dict[str, float]:
    """Return the return of each year (UTC), e.g. ``{"2024": 0.5}``; the first and the last may be parts of one."""
    return by_calendar(curve, "Y")


def by_calendar(curve: Curve, part: Literal["M", "Y"]) -> dict[str, float]:
    """Return the return of each month or year."""
    names = (curve.at_ms - 1).astype("datetime64[ms]").astype(f"datetime64[{part}]")  # a close at midnight ends it
    names[0] = names[1] if len(names) > 1 else names[0]
    ends = np.append(np.flatnonzero(names[1:] != names[:-1]), len(names) - 1)
    values = np.concatenate([curve.equity[:1], curve.equity[ends]])
    return {str(names[end]): float(change) for end, change in zip(ends, returns(values), strict=True)}


def rolling_sharpe(daily: Floats, days: int) -> Floats:
    """Return the Sharpe ratio of the `days` returns up to each one; NaN for the first, and where nothing moved."""
    result = np.full(len(daily), np.nan)
    if len(daily) >= days > 1:
        windows = np.lib.stride_tricks.sliding_window_view(daily, days)
        spread = windows.std(axis=1, ddof=1)
        moved = spread > 0
        result[days - 1 :][moved] = windows.mean(axis=1)[moved] / spread[moved] * sqrt(DAYS_A_YEAR)
    return result
