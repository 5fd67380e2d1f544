"""Windows of prices in tests: one coin and bitcoin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from strategy.base import Window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


RISING = np.linspace(100.0, 130.0, 600)


MARKETS = ("KRW-AAA", "KRW-BTC")


def window(alt: ArrayLike = RISING, btc: ArrayLike = RISING, *, turnover: float = 1e9, swing: float = 0.0) -> Window:
    """Return a window of one coin and bitcoin; `swing` widens the coin's candles, as a fraction."""
    close = np.stack([np.asarray(alt, dtype=np.float64), np.asarray(btc, dtype=np.float64)])
    wide = np.array([[swing], [0.0]])
    return Window(
        markets=MARKETS,
        unit=timedelta(minutes=240),
        closed_at=NOW,
        open=close,
        high=close * (1 + wide),
        low=close * (1 - wide),
        close=close,
        volume=np.ones_like(close),
        turnover_24h=np.full_like(close, turnover),
    )


def wandering(seed: int = 1) -> Window:
    """Return a window whose prices rise and fall enough that every gate opens and closes."""
    rng = np.random.default_rng(seed)
    alt, btc = (np.exp(np.cumsum(rng.normal(0.0005, 0.01, 900))) * 100 for _ in range(2))
    return window(alt, btc, swing=0.001)
