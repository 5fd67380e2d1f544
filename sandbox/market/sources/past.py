"""What a generated market did before the start: candles drawn at once, as arrays.

The last 26 hours are minutes with the habits of the live market. What is older is quarters of an hour, which are drawn
again whenever somebody asks for them: 130 days of all markets would be most of the memory of the exchange.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sandbox.market.candles import opened_ms
from sandbox.market.sources.habits import MEAN_SIZE
from sandbox.market.sources.layers import OLD_UNIT, Layer, down_to_grid, on_grid, up_to_grid
from sandbox.market.sources.walk import (
    ALT_DRIFT,
    COMMON_SIGMA,
    DAY_PROFILE,
    FOLLOW,
    GUST_SIGMA,
    KST_HOURS,
    LEADER_SIGMA,
    LEAST,
    MINUTE_MS,
    OPENING_DRIFT,
    OWN_SIGMA,
    PERSISTENCE,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from sandbox.market.sources.habits import Habits

    Floats = npt.NDArray[np.float64]
    Times = npt.NDArray[np.int64]

FINE_MS = 26 * 3_600_000
COARSE_MINUTES, COARSE_DAYS = OLD_UNIT // 60, 130
COARSE_STEPS = COARSE_DAYS * 24 * 60 // COARSE_MINUTES
LEAD_IN_MINUTES = 180
"""A newcomer sees the leader rise: so long before the start."""
REACH = 0.5
"""How far a candle reaches beyond its open and close, in steps."""


class Tide(NamedTuple):
    """What all markets share in the minutes before the start. Shapes ``(minutes,)``."""

    opened: Times  # ms; the first is a full quarter of an hour
    steps: Floats  # log returns of the leader
    activity: Floats


def draw_tide(seed: int, start_ms: int) -> Tide:
    """Draw what all markets share."""
    rng = np.random.default_rng([seed, 8])
    opened = np.arange(opened_ms(start_ms - FINE_MS, OLD_UNIT), start_ms, MINUTE_MS)
    common = activity(rng, COMMON_SIGMA, len(opened))
    drift = np.zeros(len(opened))
    drift[-LEAD_IN_MINUTES:] = OPENING_DRIFT
    return Tide(opened, drift + steps(rng, LEADER_SIGMA, common), common)


def activity(rng: np.random.Generator, sigma: float, count: int) -> Floats:
    """Return a persistent lognormal activity, 1 on average, shape ``(count,)``."""
    fresh = rng.normal(0.0, sigma * math.sqrt(1 - PERSISTENCE**2), count)
    state = np.array(list(accumulate(fresh.tolist(), lambda last, new: PERSISTENCE * last + new)))
    return np.asarray(np.exp(state - sigma**2 / 2))


def steps(rng: np.random.Generator, sigma: float, busy: Floats) -> Floats:
    """Return log returns whose size follows the activity, with fat tails."""
    size = sigma * np.sqrt(busy) * np.exp(rng.normal(-(GUST_SIGMA**2), GUST_SIGMA, len(busy)))
    return np.asarray(rng.normal(0.0, 1.0, len(busy)) * size)


def profile(opened_ms: Times) -> Floats:
    """Return how busy the hours are in which candles opened."""
    return np.array(DAY_PROFILE)[(opened_ms // 3_600_000 + KST_HOURS) % 24]


class Past:
    """The history of one market."""

    def __init__(self, seed: int, index: int, habits: Habits, tide: Tide) -> None:
        self._seed = [seed, index]
        self._habits = habits
        self._leads = index == 0
        self._fine_ms = int(tide.opened[0])
        self.fine = self._make_fine(np.random.default_rng([*self._seed, 7]), tide)

    def _make_fine(self, rng: np.random.Generator, tide: Tide) -> Layer:
        habits = self._habits
        busy = tide.activity * activity(rng, OWN_SIGMA, len(tide.opened))
        moves = tide.steps
        if not self._leads:
            own = np.zeros(len(moves))
            own[-LEAD_IN_MINUTES:] = 0.0 if habits.steady else ALT_DRIFT * rng.uniform(-0.5, 0.7)
            shared = (0.0 if habits.steady else FOLLOW) * tide.steps
            moves = shared + own + steps(rng, habits.sigma, busy)
        path = backwards(moves, math.log(habits.price))
        return self._layer(rng, path, tide.opened, minutes=1, busy=LEAST + (1 - LEAST) * busy)

    def coarse(self) -> Layer:
        """Return the quarters of an hour before the fine candles."""
        rng = np.random.default_rng([*self._seed, 9])
        drift = np.full(COARSE_STEPS, 0.0 if self._habits.steady else -2e-5)
        if not self._habits.steady:
            drift[-COARSE_STEPS // 6 :] = 9e-5 if self._leads else rng.uniform(-6e-5, 1.4e-4)
        first = float(self.fine.open[0]) if len(self.fine.open) else self._habits.price
        sigma = LEADER_SIGMA if self._leads else self._habits.sigma
        path = backwards(rng.normal(drift, sigma * math.sqrt(COARSE_MINUTES)), math.log(first))
        opened = self._fine_ms + np.arange(-COARSE_STEPS, 0) * COARSE_MINUTES * MINUTE_MS
        busy = rng.lognormal(-0.32, 0.8, COARSE_STEPS)
        return self._layer(rng, path, opened, minutes=COARSE_MINUTES, busy=busy)

    def _layer(self, rng: np.random.Generator, path: Floats, opened: Times, *, minutes: int, busy: Floats) -> Layer:
        """Return candles along a path of log prices with one more point than candles; none where nobody trades."""
        habits, count = self._habits, len(opened)
        orders = rng.poisson(habits.arrivals * 60 * minutes * busy * profile(opened))
        sigma = (LEADER_SIGMA if self._leads else habits.sigma) * np.sqrt(minutes * busy)
        reach = rng.exponential(REACH, (2, count)) * sigma
        begin, end = path[:-1], path[1:]
        bought = rng.random((2, count)) < 1 / 2
        first, last = (
            np.where(side, up_to_grid(np.exp(row)), down_to_grid(np.exp(row)))
            for side, row in zip(bought, (begin, end), strict=True)
        )
        first = np.where(orders == 1, last, first)
        alone = orders <= 1
        top = np.where(alone, last, on_grid(np.exp(np.maximum(begin, end) + reach[0])))
        bottom = np.where(alone, last, on_grid(np.exp(np.minimum(begin, end) - reach[1])))
        high, low = np.maximum.reduce([top, first, last]), np.minimum.reduce([bottom, first, last])
        sizes = rng.lognormal(-0.5, 1.0, count) if minutes == 1 else rng.lognormal(-0.1, 0.4, count)
        worth = orders * habits.rate / habits.arrivals * habits.size_scale * MEAN_SIZE * sizes
        traded = orders > 0
        o, h, low_, c, w = (row[traded] for row in (first, high, low, last, worth))
        return Layer(minutes * 60, opened[traded], o, h, low_, c, w / c, w)


def backwards(steps: Floats, last: float) -> Floats:
    """Return a path of log prices that takes these steps and ends at `last`."""
    path = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(path - path[-1] + last)
