"""Made-up markets that are odd on purpose, and a strategy that is asked about them.

They are seeded; some trade on coarse ticks, some rest now and then, and bitcoin is the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from strategy.base import Moments, Position, Window
from strategy.gates import LEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from strategy.base import Floats, Numbers, Selection, Strategy

MARKETS = 12
COLUMNS = ("open", "high", "low", "close", "volume", "turnover_24h")
END = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A strategy under examination, on candles of one length."""

    strategy: Strategy
    parameters: Any
    unit: timedelta

    @property
    def history(self) -> int:
        """How many candles it asks for."""
        return self.strategy.history(self.parameters, self.unit)

    def compute(self, window: Window) -> Numbers:
        """Return its numbers."""
        with np.errstate(all="ignore"):
            return self.strategy.compute(window, self.parameters)

    def select(self, window: Window, at: int | slice = -1) -> Selection:
        """Return its verdicts."""
        return self.strategy.select(window, self.compute(window), at, self.parameters)


def made_up(suspect: Suspect, candles: int, *, markets: int = MARKETS, seed: int = 7) -> Window:
    """Return markets that rise and fall, bitcoin the first; every third on coarse ticks, every fourth with rests."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.normal(0.0006, 0.0025, (markets, candles // 60 + 1)), 60, axis=1)[:, -candles:]
    close = 10_000 * np.exp(np.cumsum(drift + rng.normal(0, 0.006, (markets, candles)), axis=1))
    close[::3] = np.maximum(np.round(close[::3] / 50) * 50, 50.0)
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    wide = 1 + np.abs(rng.normal(0, 0.003, (2, markets, candles)))
    wide[:, ::3] = 1.0
    high, low = np.maximum(open_, close) * wide[0], np.minimum(open_, close) / wide[1]
    volume = rng.uniform(1e5, 1e6, (markets, candles))
    for row in range(3, markets, 4):
        at = rng.random(candles) < 0.1  # noqa: PLR2004 - nothing trades in every tenth candle
        at[0] = False
        for values in (open_, high, low, close):
            values[row, at] = close[row, np.flatnonzero(at) - 1]
        volume[row, at] = 0.0
    names = (LEADER, *(f"KRW-M{row:03}" for row in range(1, markets)))
    turnover = np.full_like(close, 1e11)
    return Window(
        markets=names, unit=suspect.unit, closed_at=END,
        open=open_, high=high, low=low, close=close, volume=volume, turnover_24h=turnover,
    )  # fmt: skip


def changed(window: Window, change: Callable[[Floats], Floats], end: datetime | None = None) -> Window:
    """Return a window with every column changed."""
    columns = {name: change(getattr(window, name)) for name in COLUMNS}
    return with_columns(window, columns, end)


def with_columns(window: Window, columns: Mapping[str, Floats], end: datetime | None = None) -> Window:
    """Return a window with other columns."""
    closed_at = end or window.closed_at
    return Window(markets=window.markets, unit=window.unit, closed_at=closed_at, **columns)


def scrambled(values: Floats, cut: int) -> Floats:
    """Return values whose part after a candle is another one, in another order and size."""
    later = values[:, :cut:-1] * np.linspace(0.4, 2.5, values.shape[1] - cut - 1)
    return np.concatenate([values[:, : cut + 1], later], axis=1)


def holding(window: Window, row: int) -> Position:
    """Return a position of a market, bought some candles ago."""
    price = Decimal(repr(float(window.close[row, -10:].mean())))
    return Position(
        market=window.markets[row],
        entry_price=price,
        volume=Decimal(1),
        opened_at=window.closed_at - 9 * window.unit,
        stop_price=price * Decimal("0.97"),
        highest_price=price * Decimal("1.05"),
    )


def moments_of(window: Window, numbers: Numbers, row: int) -> Moments:
    """Return the last half of a market's candles as moments."""
    count = window.close.shape[1]
    begin = count // 2
    ends = window.closed_at.timestamp() - window.unit.total_seconds() * np.arange(count - 1 - begin, -1, -1)
    return Moments(
        numbers={name: values[row, begin:] for name, values in numbers.items()},
        price=window.close[row, begin:],
        highest=np.maximum.accumulate(window.high[row, begin:]),
        at_s=ends,
    )
