"""How busy, how large and how restless the markets of the generated exchange are, as measured on the real one.

Ranks are fractions of all markets, the most traded at 0. The figures are those of 244 to 259 KRW markets in 2026-03
and 2026-05; `bench/market_facts.py` prints what comes out beside what was measured.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sandbox.market.sources.coins import COINS

Curve = tuple[tuple[float, float], ...]

RATES: Curve = (
    (0.0, 2.2),
    (0.01, 1.5),
    (0.04, 0.55),
    (0.10, 0.146),
    (0.25, 0.060),
    (0.50, 0.026),
    (0.75, 0.0125),
    (0.90, 0.0086),
    (1.0, 0.005),
)
"""Trades a second by rank."""
TURNOVERS: Curve = (
    (0.0, 2898e8),
    (0.0035, 1956e8),
    (0.007, 1477.2e8),
    (0.014, 1246.8e8),
    (0.0175, 702e8),
    (0.035, 498e8),
    (0.078, 183.6e8),
    (0.123, 100.8e8),
    (0.20, 50.88e8),
    (0.33, 21.6e8),
    (0.50, 11.28e8),
    (0.66, 5.64e8),
    (0.82, 3.36e8),
    (0.90, 1.992e8),
    (0.97, 1.08e8),
    (1.0, 0.216e8),
)
"""Turnover of 24 hours in KRW by rank: between the 1.64 trillion in all of 2026-03 and the 2.34 of 2026-09."""
SIZES: Curve = (
    (0.0, 300.0),
    (0.01, 2_600.0),
    (0.10, 11_000.0),
    (0.25, 35_849.0),
    (0.50, 202_811.0),
    (0.75, 871_668.0),
    (0.90, 2_221_790.0),
    (0.99, 9_979_301.0),
    (1.0, 30_000_000.0),
)
"""Shape of the worth of a trade, by the share of trades that are smaller. Small ones are lifted a little: mixed over
markets of every size, what comes out is what was measured."""
SAME_INSTANT = 0.43
"""Share of trades that happen in the millisecond of the one before: one order that met several."""
ALT_SIGMA, ALT_SIGMA_SPREAD, MAJOR_SIGMA_SPREAD = 10e-4, 0.3, 0.05
SIGMAS = {"ETH": 4.6e-4, "XRP": 5.2e-4, "SOL": 7.0e-4}
STEADY_SIGMAS = {"USDT": 1.6e-4, "USDC": 1.8e-4, "USD1": 1.8e-4, "USDE": 1.8e-4, "USDS": 1.8e-4, "XAUT": 2.5e-4}
"""Standard deviations of a minute's own log return. Coins tied to the dollar or to gold have no trends or shocks."""
PRICE_SPREAD = 0.15
DEPTH_KRW, DEPTH_POWER = 0.12e6, 0.67
"""Won at rest in a basis point of a book, for 100 million won of turnover; and how it grows with turnover."""


def at_rank(curve: Curve, fraction: float) -> float:
    """Return the value of a curve at a rank, on a log scale between its points."""
    places, values = zip(*curve, strict=True)
    return float(np.exp(np.interp(fraction, places, np.log(values))))


def mean_of(curve: Curve) -> float:
    """Return the mean of a distribution whose quantiles a curve gives."""
    return math.fsum((q - p) * (b - a) / math.log(b / a) for (p, a), (q, b) in pairwise(curve))


class Quantiles:
    """Draws from a distribution given by its quantiles."""

    def __init__(self, curve: Curve) -> None:
        self._places = [place for place, _ in curve]
        self._logs = [math.log(value) for _, value in curve]

    def at(self, place: float) -> float:
        """Return the value below which this share, less than 1, of all values lies."""
        right = bisect_right(self._places, place)
        left = right - 1
        share = (place - self._places[left]) / (self._places[right] - self._places[left])
        return math.exp(self._logs[left] + share * (self._logs[right] - self._logs[left]))


MEAN_SIZE = mean_of(SIZES)


@dataclass(frozen=True, slots=True)
class Habits:
    """How one market behaves."""

    price: float  # KRW at the start
    rate: float  # trades a second, on average
    turnover: float  # KRW in 24 hours, on average
    sigma: float  # of a minute's own log return
    steady: bool  # without trends and shocks
    shocks: bool

    @property
    def size_scale(self) -> float:
        """How much larger its trades are than those of all markets."""
        return self.turnover / (self.rate * 86_400 * MEAN_SIZE)

    @property
    def bursts(self) -> float:
        """Share of orders that another one follows within moments; busy markets are watched by machines."""
        return 0.5 * self.rate / (self.rate + 0.25)

    @property
    def arrivals(self) -> float:
        """Bursts a second: what is left of the rate when orders sweep and follow each other."""
        return self.rate * (1 - SAME_INSTANT) * (1 - self.bursts)

    @property
    def depth(self) -> float:
        """Won at rest in a basis point of its book."""
        return DEPTH_KRW * math.pow(self.turnover / 1e8, DEPTH_POWER)


def draw_habits(seed: int, index: int, markets: int) -> Habits:
    """Draw the habits of the market at a rank among so many."""
    coin = COINS[index]
    rng = random.Random(f"{seed}:{coin.code}:habits")
    fraction = index / max(1, markets - 1)
    steady, major = coin.code in STEADY_SIGMAS, coin.code in SIGMAS
    drift, spread = rng.gauss(0.0, 1.0), rng.lognormvariate(0.0, MAJOR_SIGMA_SPREAD if major else ALT_SIGMA_SPREAD)
    return Habits(
        price=coin.price * math.exp(PRICE_SPREAD * drift * (0.1 if steady else 1.0)),
        rate=at_rank(RATES, fraction),
        turnover=at_rank(TURNOVERS, fraction),
        sigma=STEADY_SIGMAS[coin.code] if steady else SIGMAS.get(coin.code, ALT_SIGMA) * spread,
        steady=steady,
        shocks=index > 0 and not steady and not major,
    )
