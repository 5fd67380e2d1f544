"""Stretches of candles as arrays: small in memory, quick to add up, turned into exact candles only when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from sandbox.market.candles import DAY, FIRST_MONDAY_MS, MONTH, QUARTER, WEEK, aggregate
from sandbox.market.feed import Candle
from sandbox.market.ticks import FINEST, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Times = npt.NDArray[np.int64]

BOUNDS = np.array([float(bound) for bound, _ in reversed(STEPS)])
TICKS = np.array([float(FINEST)] + [float(step) for _, step in reversed(STEPS)])
DECIMALS = [8] + [max(0, -int(step.normalize().as_tuple().exponent)) for _, step in reversed(STEPS)]
VOLUME_STEP = Decimal("1e-8")
OLD_UNIT = QUARTER
"""Unit of the older candles of a history, seconds."""
ALL = 10**6


@dataclass(frozen=True, slots=True)
class Layer:
    """Candles of one unit, oldest first; only periods with a trade. Arrays of shape ``(candles,)``."""

    unit_s: int
    opened: Times  # ms
    open: Floats  # KRW, like the next three
    high: Floats
    low: Floats
    close: Floats
    volume: Floats  # base currency
    turnover: Floats  # KRW

    def between(self, since_ms: int, before_ms: int) -> Layer:
        """Return the part that opened from `since_ms` on and before `before_ms`."""
        part = slice(*np.searchsorted(self.opened, [since_ms, before_ms]).tolist())
        return Layer(
            self.unit_s,
            self.opened[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.volume[part],
            self.turnover[part],
        )

    def longer(self, unit_s: int) -> Layer:
        """Return candles of a unit up to a week, added up from these."""
        if unit_s == self.unit_s or not len(self.opened):
            return self
        offset = FIRST_MONDAY_MS if unit_s == WEEK else 0
        buckets = (self.opened - offset) // (unit_s * 1000) * (unit_s * 1000) + offset
        first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
        last = np.append(first[1:], len(buckets)) - 1
        return Layer(
            unit_s,
            buckets[first],
            self.open[first],
            np.maximum.reduceat(self.high, first),
            np.minimum.reduceat(self.low, first),
            self.close[last],
            np.add.reduceat(self.volume, first),
            np.add.reduceat(self.turnover, first),
        )

    def joined(self, later: Layer) -> Layer:
        """Return these candles and, after them, those of a later layer, in this layer's unit."""
        other = later.longer(self.unit_s)
        pairs = ((getattr(self, name), getattr(other, name)) for name in Layer.__slots__[1:])
        return Layer(self.unit_s, *(np.concatenate(pair) for pair in pairs))

    def candle(self, at: int) -> Candle:
        """Return one candle, exactly."""
        open_, high, low, close = (exact(float(row[at])) for row in (self.open, self.high, self.low, self.close))
        opened = int(self.opened[at])
        volume = max(Decimal(f"{self.volume[at]:.8f}"), VOLUME_STEP)
        turnover = Decimal(f"{self.turnover[at]:.8f}")
        return Candle(opened, open_, high, low, close, volume, turnover, opened + self.unit_s * 1000 - 1)

    def newest(self, count: int) -> list[Candle]:
        """Return the last `count` candles, newest first."""
        size = len(self.opened)
        return [self.candle(at) for at in range(size - 1, max(-1, size - 1 - count), -1)]


def grid(prices: Floats) -> Floats:
    """Return the steps at prices."""
    return np.asarray(TICKS[np.searchsorted(BOUNDS, prices, side="right")])


def on_grid(prices: Floats) -> Floats:
    """Return prices rounded to their steps, never to zero."""
    steps = grid(prices)
    return np.asarray(np.maximum(np.round(prices / steps) * steps, steps))


def down_to_grid(prices: Floats) -> Floats:
    """Return the steps at or below prices, never zero."""
    steps = grid(prices)
    return np.asarray(np.maximum(np.floor(prices / steps) * steps, steps))


def up_to_grid(prices: Floats) -> Floats:
    """Return the steps above prices."""
    steps = grid(prices)
    return np.asarray((np.floor(prices / steps) + 1) * steps)


def exact(price: float) -> Decimal:
    """Return a price that lies on its step as the Decimal it stands for."""
    return Decimal(f"{price:.{DECIMALS[int(np.searchsorted(BOUNDS, price * (1 + 1e-12), side='right'))]}f}")


def history(fine: Layer, coarse: Callable[[], Layer], unit_s: int, before_ms: int, count: int) -> list[Candle]:
    """Return candles of any unit that opened before `before_ms`, newest first, from the finest layer that reaches.

    Args:
        fine: the newest candles.
        coarse: gives the older ones, of a longer unit, when they are needed.
        unit_s: what is wanted; a unit the old ones cannot be added up to is taken from the newest alone.
        before_ms: only candles that opened before.
        count: how many at most.
    """
    if unit_s >= MONTH:
        days = history(fine, coarse, DAY, before_ms, ALL)
        return aggregate(reversed(days), unit_s)[::-1][:count]
    found = opened_before(fine, unit_s, before_ms)
    if len(found.opened) > count or unit_s % OLD_UNIT:
        return found.newest(count if unit_s == fine.unit_s else min(count, len(found.opened) - 1))
    return opened_before(coarse().joined(fine), unit_s, before_ms).newest(count)


def opened_before(layer: Layer, unit_s: int, before_ms: int) -> Layer:
    """Return candles of a longer unit that opened before a moment; the newest may end after it."""
    longer = layer.between(0, before_ms + unit_s * 1000).longer(unit_s)
    return longer.between(0, before_ms)
