"""The made-up prices that every peer of the benchmark gets, and the rule that each of them follows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from strategy.base import Floats

FAST, SLOW, PLACES, FEE, KRW = 20, 100, 5, 0.0005, 1e9
UNIT = timedelta(minutes=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Prices:
    """Made-up candles, arrays ``(markets, candles)``."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def count(self) -> int:
        """How many candles there are, of all markets together."""
        return self.close.size


def make_prices(markets: int, candles: int) -> Prices:
    """Return seeded prices that wander about, with trends that last some hours."""
    rng = np.random.default_rng(1)
    drift = np.repeat(rng.normal(0, 2e-5, (markets, candles // 240 + 1)), 240, axis=1)[:, :candles]
    close = 10_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, (markets, candles)) + drift, axis=1))
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    wide = np.exp(np.abs(rng.normal(0, 3e-4, (markets, candles))))
    high, low = np.maximum(open_, close) * wide, np.minimum(open_, close) / wide
    return Prices(open_, high, low, close, np.full_like(close, 1e6))


def frame_of(prices: Prices, row: int) -> Any:
    """Return one market as a pandas frame, columns as most libraries call them, at the openings of its candles."""
    import pandas as pd

    at = pd.date_range(START, periods=prices.close.shape[1], freq="min")
    return pd.DataFrame({name: getattr(prices, name)[row] for name in COLUMNS}, index=at)
