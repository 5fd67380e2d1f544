"""Candles of every unit from finer ones. Minutes and days follow the UTC day, weeks begin on Monday."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.market.feed import Candle

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableSequence

SECOND, MINUTE, QUARTER, HOUR, DAY, WEEK, MONTH = 1, 60, 900, 3_600, 86_400, 604_800, 2_592_000
"""Units in seconds; a month is any unit from 30 days up."""
FIRST_MONDAY_MS = 4 * DAY * 1000


def opened_ms(at_ms: int, unit_s: int) -> int:
    """Return when the candle that holds a moment opened."""
    if unit_s >= MONTH:
        first = datetime.fromtimestamp(at_ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return int(first.timestamp()) * 1000
    unit_ms = unit_s * 1000
    offset = FIRST_MONDAY_MS if unit_s == WEEK else 0
    return (at_ms - offset) // unit_ms * unit_ms + offset


def join(earlier: Candle, later: Candle) -> Candle:
    """Return one candle for two stretches of the same period."""
    return Candle(
        opened_ms=earlier.opened_ms,
        open=earlier.open,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
        turnover=earlier.turnover + later.turnover,
        last_ms=later.last_ms,
    )


def moved(candle: Candle, opened: int) -> Candle:
    """Return a candle as the first part of a longer one."""
    if candle.opened_ms == opened:
        return candle
    return Candle(
        opened, candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover, candle.last_ms
    )


def aggregate(candles: Iterable[Candle], unit_s: int) -> list[Candle]:
    """Return candles of a longer unit, oldest first, from finer ones in the same order."""
    result: list[Candle] = []
    for candle in candles:
        extend(result, candle, unit_s)
    return result


def extend(candles: MutableSequence[Candle], part: Candle, unit_s: int) -> None:
    """Add a part to the last candle of its unit, or begin a new one."""
    opened = opened_ms(part.opened_ms, unit_s)
    if candles and candles[-1].opened_ms == opened:
        candles[-1] = join(candles[-1], part)
    else:
        candles.append(moved(part, opened))
