"""Order books drawn by a seed: the same for everybody who looks in the same second."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.feed import Book, Level
from sandbox.ticks import tick_size

if TYPE_CHECKING:
    from sandbox.feed import Taker

LEVELS = 30
WIDE_TICK_BPS = 3.0
"""Where a tick is worth this much, the spread is one tick nearly always."""
SPREAD_MEDIAN_BPS, SPREAD_SIGMA = 1.5, 0.95
SIZE_STEP = Decimal("0.00000001")
DEEPER = 1.05
"""How much larger each level is than the one before it, on average."""


def draw_book(
    key: str, market: str, at_ms: int, last: Decimal, taker: Taker, *, best_krw: float, tick: Decimal | None = None
) -> Book:
    """Return 30 levels a side around the last trade, which stands at the best price its taker took from.

    Args:
        key: what the draw depends on besides the second and the price.
        market: its name.
        at_ms: the moment; books are drawn anew each second.
        last: price of the last trade, KRW.
        taker: who took it.
        best_krw: median worth of the best level, KRW.
        tick: price step; None: that of the table.
    """
    second = at_ms // 1000
    rng = random.Random(f"{key}:{market}:{second}:{last}")
    step = tick or tick_size(last)
    gap = step * spread_ticks(rng, step, last)
    best_ask, best_bid = (last, last - gap) if taker == "BID" else (last + gap, last)
    best_bid = max(best_bid, step)
    asks = side(rng, best_ask, step, best_krw)
    bids = side(rng, best_bid, -step, best_krw)
    return Book(market, second * 1000, asks, bids)


def spread_ticks(rng: random.Random, step: Decimal, last: Decimal) -> int:
    """Return the spread in ticks."""
    tick_bps = float(step / last) * 1e4
    if tick_bps >= WIDE_TICK_BPS:
        return 1
    return max(1, round(SPREAD_MEDIAN_BPS * rng.lognormvariate(0.0, SPREAD_SIGMA) / tick_bps))


def side(rng: random.Random, best: Decimal, step: Decimal, best_krw: float) -> tuple[Level, ...]:
    """Return one side of the book, best level first, down to the smallest price there can be."""
    levels = []
    for index in range(LEVELS):
        price = best + index * step
        if price <= 0:
            break
        worth = best_krw * DEEPER**index * rng.lognormvariate(0.0, 1.0)
        size = Decimal(repr(worth / float(price))).quantize(SIZE_STEP)
        levels.append(Level(price, max(size, SIZE_STEP)))
    return tuple(levels)
