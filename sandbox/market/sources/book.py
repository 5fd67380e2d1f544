"""Order books drawn by a seed: the same for everybody who looks in the same second."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.market.feed import Book, Level
from sandbox.market.ticks import tick_size

if TYPE_CHECKING:
    from sandbox.market.feed import Taker

LEVELS = 30
WIDE_TICK_BPS = 3.0
"""Where a tick is worth this much, the spread is one tick nearly always."""
SPREAD_MEDIAN_BPS, SPREAD_SIGMA = 1.5, 0.95
SIZE_DECIMALS, STEPS_A_COIN = -8, 1e8
GAP_BPS, GAP_SIGMA, MEAN_GAP_BPS = 0.12, 1.4, 0.32
"""Distance between levels where ticks are small: bitcoin's book has holes."""
EVEN_SIGMA, UNEVEN_SIGMA = 0.8, 1.3
"""Log spread of the worth of levels, where a tick is large and where it is small."""
DEEPER, BEST = 1.03, 0.4
"""How much larger each level is than the one before it, and how much the best one is of them where ticks are large."""


class Books:
    """The books of a source, each drawn once however many look: it stands for a second and a last trade."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._drawn: dict[str, tuple[tuple[int, Decimal, Taker], Book]] = {}  # the last one of each market

    def of(self, market: str, at_ms: int, last: Decimal, taker: Taker, *, depth_krw: float) -> Book:
        """Return a market's book as `draw_book` draws it."""
        asked = (at_ms // 1000, last, taker)
        drawn = self._drawn.get(market)
        if drawn is None or drawn[0] != asked:
            book = draw_book(self._key, market, at_ms, last, taker, depth_krw=depth_krw)
            drawn = self._drawn[market] = (asked, book)
        return drawn[1]


def draw_book(key: str, market: str, at_ms: int, last: Decimal, taker: Taker, *, depth_krw: float) -> Book:
    """Return 30 levels a side around the last trade, which stands at the best price its taker took from.

    Args:
        key: what the draw depends on besides the second and the price.
        market: its name.
        at_ms: the moment; books are drawn anew each second.
        last: price of the last trade, KRW.
        taker: who took it.
        depth_krw: median worth at rest in a basis point near the best price, KRW.
    """
    second = at_ms // 1000
    rng = random.Random(f"{key}:{market}:{second}:{last}")
    step = tick_size(last)
    gap = step * spread_ticks(rng, step, last)
    best_ask, best_bid = (last, last - gap) if taker == "BID" else (last + gap, last)
    best_bid = max(best_bid, step)
    tick_bps = float(step / last) * 1e4
    asks = side(rng, best_ask, step, tick_bps, depth_krw)
    bids = side(rng, best_bid, -step, tick_bps, depth_krw)
    return Book(market, second * 1000, asks, bids)


def spread_ticks(rng: random.Random, step: Decimal, last: Decimal) -> int:
    """Return the spread in ticks."""
    tick_bps = float(step / last) * 1e4
    if tick_bps >= WIDE_TICK_BPS:
        return 1
    return max(1, round(SPREAD_MEDIAN_BPS * rng.lognormvariate(0.0, SPREAD_SIGMA) / tick_bps))


def side(rng: random.Random, best: Decimal, step: Decimal, tick_bps: float, depth_krw: float) -> tuple[Level, ...]:
    """Return one side of the book, best level first, down to the smallest price there can be."""
    levels, ticks, gauss, exp = [], 0, rng.gauss, math.exp
    wide = tick_bps >= WIDE_TICK_BPS
    uneven, gap = EVEN_SIGMA if wide else UNEVEN_SIGMA, GAP_BPS / tick_bps
    typical = depth_krw * max(tick_bps, MEAN_GAP_BPS) * STEPS_A_COIN
    at, each = float(best), float(step)
    for index in range(LEVELS):
        price = best + ticks * step
        if price <= 0:
            break
        worth = typical * (BEST if wide and not index else DEEPER**index) * exp(gauss(0.0, uneven))
        levels.append(Level(price, Decimal(round(worth / (at + ticks * each)) or 1).scaleb(SIZE_DECIMALS)))
        ticks += round(gap * exp(gauss(0.0, GAP_SIGMA))) or 1
    return tuple(levels)
