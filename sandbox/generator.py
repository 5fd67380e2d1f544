"""A market made up by a seed, with the habits of the KRW market: its turnover, ticks, spreads, pauses, dips and surges.

Each market has random streams of its own, drawn minute by minute in order, so what happens does not depend on who
looks, how often, or at which other markets. Habits are calibrated by measurements of 2025-09 to 2026-09.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from sandbox.book import draw_book
from sandbox.candles import MINUTE, opened_ms
from sandbox.feed import PublicTrade
from sandbox.layers import Layer, history, on_grid
from sandbox.listings import make_listings
from sandbox.ticks import tick_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from sandbox.feed import Book, Candle, Taker

    Floats = npt.NDArray[np.float64]

MINUTE_MS = 60_000
FINE_MINUTES = 26 * 60
"""Minutes of history in 1-minute candles; what is older exists in quarters of an hour."""
COARSE_MINUTES, COARSE_DAYS = 15, 130
COARSE_STEPS = COARSE_DAYS * 24 * 60 // COARSE_MINUTES

RATES = (
    (0.0, 2.2),
    (0.01, 1.4),
    (0.04, 0.55),
    (0.10, 0.146),
    (0.25, 0.060),
    (0.50, 0.026),
    (0.75, 0.0125),
    (1.0, 0.007),
)
"""Trades a second by rank, as a fraction of all markets (259 markets, 2026-05)."""
DAY_PROFILE = (
    1.35, 0.89, 0.62, 0.53, 0.55, 0.68, 0.77, 0.99, 1.04, 1.55, 1.25, 1.09,
    0.99, 0.93, 0.86, 0.82, 0.95, 0.98, 0.88, 0.87, 0.99, 1.27, 1.50, 1.62,
)  # fmt: skip
"""Activity by hour in Korea, mean 1 (BTC 2024)."""
KST_HOURS = 9
TRADE_KRW_MEDIAN, TRADE_KRW_SIGMA = 150_000.0, 1.6
LEADER_SIGMA, ALT_SIGMA_MEDIAN, ALT_SIGMA_SPREAD = 4.5e-4, 10e-4, 0.35
"""Standard deviation of a minute's return."""
ACTIVITY_SIGMA = 1.0
"""How unevenly trades are spread over minutes (lognormal), in markets with more than `BUSY_RATE` trades a second."""
BUSY_RATE = 0.1
MEAN_TO_MEDIAN = math.exp(TRADE_KRW_SIGMA**2 / 2)
KNUTH_UP_TO = 30.0
LEADER_DRIFT, ALT_DRIFT, FOLLOW = 1.4e-4, 3.0e-4, 0.8
"""Drift a minute of a regime, and how much of the leader's the others share."""
REGIME_MINUTES = (25, 80)
OPENING_MINUTES, LEAD_IN_MINUTES = (45, 60), 180
"""A newcomer sees the leader rise: so long after the start, and so long before it."""
SHOCK_A_MINUTE, SHOCK_MINUTES, SHOCK_SIZE = 1 / 700, (3, 8), (0.03, 0.09)
ANCHOR_PRICES = {"KRW-BTC": 140_000_000.0, "KRW-ETH": 4_600_000.0, "KRW-XRP": 3_100.0, "KRW-SOL": 210_000.0}


def rate_of(fraction: float) -> float:
    """Return trades a second at a rank, between the measured ranks on a log scale."""
    ranks, rates = zip(*RATES, strict=True)
    return float(np.exp(np.interp(fraction, ranks, np.log(rates))))


def regimes(rng: random.Random, drift: float, first: int) -> Iterator[float]:
    """Yield the drift of every minute: up for `first` minutes, then up, quiet or down for a while each."""
    yield from [drift] * first
    last = drift
    while True:
        last = rng.choices([drift, 0.0, -drift], weights=[0.42, 0.18, 0.40] if last <= 0 else [0.15, 0.25, 0.60])[0]
        yield from [last] * rng.randint(*REGIME_MINUTES)


@dataclass(frozen=True, slots=True)
class Habits:
    """How one market behaves."""

    price: float  # KRW at the start
    rate: float  # trades a second
    sigma: float  # of a minute's log return
    trade_krw: float  # median worth of a trade
    shocks: bool


def draw_habits(seed: int, market: str, fraction: float) -> Habits:
    """Draw the habits of a market at a rank."""
    rng = random.Random(f"{seed}:{market}:habits")
    leader = fraction == 0.0
    price = ANCHOR_PRICES.get(market, 10 ** rng.uniform(0.2, 3.7))
    sigma = LEADER_SIGMA if leader else ALT_SIGMA_MEDIAN * rng.lognormvariate(0.0, ALT_SIGMA_SPREAD)
    trade_krw = TRADE_KRW_MEDIAN * rng.lognormvariate(0.0, 0.5)
    return Habits(price, rate_of(fraction), sigma, trade_krw, not leader and market not in ANCHOR_PRICES)


class Leader:
    """The drift of the leading market, minute by minute: the common factor of all."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"{seed}:leader")
        self._minutes = regimes(rng, LEADER_DRIFT, rng.randint(*OPENING_MINUTES))
        self._known: list[float] = []

    def drift(self, minute: int) -> float:
        """Return the drift in the so-manieth minute since the start."""
        while len(self._known) <= minute:
            self._known.append(next(self._minutes))
        return self._known[minute]


class Walk:
    """The latent price of one market and the trades around it."""

    def __init__(self, seed: int, index: int, market: str, *, habits: Habits, leader: Leader, start_ms: int) -> None:
        self.market = market
        self.habits = habits
        self._leads = index == 0
        self._leader = leader
        self._start_ms = start_ms
        self._index = index
        self._rng = random.Random(f"{seed}:{market}:walk")
        own = random.Random(f"{seed}:{market}:regimes")
        self._own = regimes(own, ALT_DRIFT * own.uniform(0.3, 1.0), own.randint(0, 60))
        self._shock: list[float] = []
        self._log = math.log(habits.price)

    def trades(self) -> Iterator[PublicTrade]:
        """Yield all trades from the start on, for ever."""
        minute = number = 0
        while True:
            begin, end = self._log, self._log + self._step(minute)
            self._log = end
            for at, share in self._moments(minute):
                number += 1
                taker: Taker = "BID" if self._rng.random() < 0.5 + 0.2 * math.copysign(1, end - begin) else "ASK"
                price = self._price(begin + (end - begin) * share, taker)
                yield PublicTrade(self.market, price, self._volume(price), at, taker, self._number(at, number))
            minute += 1

    def _step(self, minute: int) -> float:
        noise = self._rng.gauss(0.0, self.habits.sigma)
        if self._leads:
            return self._leader.drift(minute) + noise
        return FOLLOW * self._leader.drift(minute) + next(self._own) + self._shock_of() + noise

    def _shock_of(self) -> float:
        """Return this minute's part of a surge or a dip; half of it comes back afterwards."""
        if not self._shock and self.habits.shocks and self._rng.random() < SHOCK_A_MINUTE:
            length = self._rng.randint(*SHOCK_MINUTES)
            size = math.copysign(self._rng.uniform(*SHOCK_SIZE), self._rng.random() - 0.5)
            self._shock = [size / length] * length + [-size / 2 / (3 * length)] * (3 * length)
        return self._shock.pop(0) if self._shock else 0.0

    def _moments(self, minute: int) -> list[tuple[int, float]]:
        """Return when in a minute trades happen, with the share of the minute that has passed."""
        at_ms = self._start_ms + minute * MINUTE_MS
        hour = (at_ms // 3_600_000 + KST_HOURS) % 24
        activity = (
            self._rng.lognormvariate(-(ACTIVITY_SIGMA**2) / 2, ACTIVITY_SIGMA) if self.habits.rate > BUSY_RATE else 1.0
        )
        count = poisson(self._rng, self.habits.rate * 60 * DAY_PROFILE[hour] * activity)
        moments = sorted(self._rng.randrange(1, MINUTE_MS) for _ in range(count))
        return [(at_ms + moment, moment / MINUTE_MS) for moment in moments]

    def _price(self, log_price: float, taker: Taker) -> Decimal:
        """Return the price a taker gets: the tick above the latent price for a buyer, the one below for a seller."""
        raw = Decimal(repr(math.exp(log_price)))
        step = tick_size(raw)
        below = raw // step * step
        return max(below + step if taker == "BID" else below, step)

    def price_now(self, taker: Taker) -> Decimal:
        """Return what a taker would get now."""
        return self._price(self._log, taker)

    def _volume(self, price: Decimal) -> Decimal:
        worth = self.habits.trade_krw * self._rng.lognormvariate(0.0, TRADE_KRW_SIGMA)
        return max(Decimal(repr(worth / float(price))).quantize(Decimal("1e-8")), Decimal("1e-8"))

    def _number(self, at_ms: int, number: int) -> int:
        """Return a number nobody else uses; odd ones are left to fills of the user."""
        return at_ms * 10_000 + (self._index * 16 + number % 8 * 2) % 10_000


def poisson(rng: random.Random, mean: float) -> int:
    """Draw a Poisson number (Knuth); above that the normal curve is close enough."""
    if mean > KNUTH_UP_TO:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count


class Past:
    """What one market did before the start, drawn when somebody first asks."""

    def __init__(self, seed: int, index: int, habits: Habits, start_ms: int) -> None:
        self._rng = np.random.default_rng([seed, index, 7])
        self._habits = habits
        self._leads = index == 0
        self._start_ms = start_ms
        self.fine = self._make_fine()
        self._coarse: Layer | None = None

    def coarse(self) -> Layer:
        """Return the quarters of an hour before the fine candles."""
        if self._coarse is None:
            self._coarse = self._make_coarse()
        return self._coarse

    def _make_fine(self) -> Layer:
        drift = np.zeros(FINE_MINUTES)
        own = ALT_DRIFT * self._rng.uniform(-0.5, 0.7)
        drift[-LEAD_IN_MINUTES:] = LEADER_DRIFT if self._leads else FOLLOW * LEADER_DRIFT + own
        path = backwards(self._rng.normal(drift, self._habits.sigma), math.log(self._habits.price))
        return self._layer(path, opened=self._start_ms - FINE_MINUTES * MINUTE_MS, minutes=1)

    def _make_coarse(self) -> Layer:
        drift = np.full(COARSE_STEPS, -2e-5)
        drift[-COARSE_STEPS // 6 :] = 9e-5 if self._leads else self._rng.uniform(-6e-5, 1.4e-4)
        first = float(self.fine.open[0]) if len(self.fine.open) else self._habits.price
        path = backwards(self._rng.normal(drift, self._habits.sigma * math.sqrt(COARSE_MINUTES)), math.log(first))
        opened = self._start_ms - FINE_MINUTES * MINUTE_MS - COARSE_STEPS * COARSE_MINUTES * MINUTE_MS
        return self._layer(path, opened=opened, minutes=COARSE_MINUTES)

    def _layer(self, path: Floats, *, opened: int, minutes: int) -> Layer:
        """Return candles along a path of log prices with one more point than candles."""
        rng, habits, count = self._rng, self._habits, len(path) - 1
        reach = rng.exponential(habits.sigma * math.sqrt(minutes) / 2, (2, count))
        begin, end = path[:-1], path[1:]
        top, bottom = np.maximum(begin, end) + reach[0], np.minimum(begin, end) - reach[1]
        trades = habits.rate * 60 * minutes
        traded = rng.random(count) < 1 - math.exp(-trades)
        worth = habits.trade_krw * trades * MEAN_TO_MEDIAN * rng.lognormal(-0.5, 1.0, count)
        o, h, low, c = (on_grid(np.exp(row[traded])) for row in (begin, top, bottom, end))
        times = opened + np.flatnonzero(traded) * minutes * MINUTE_MS
        return Layer(minutes * 60, times, o, h, low, c, worth[traded] / c, worth[traded])


def backwards(steps: Floats, last: float) -> Floats:
    """Return a path of log prices that takes these steps and ends at `last`."""
    path = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(path - path[-1] + last)


class Generator:
    """A source of up to 289 made-up markets."""

    end_ms: int | None = None
    takes_impact = True

    def __init__(self, seed: int, markets: int, start_ms: int) -> None:
        self.listings = make_listings(seed, markets)
        self.start_ms = opened_ms(start_ms, MINUTE)
        self._seed = seed
        self._index = {listing.market: index for index, listing in enumerate(self.listings)}
        leader = Leader(seed)
        self._walks: dict[str, Walk] = {}
        self._pasts: dict[str, Past] = {}
        self._last: dict[str, PublicTrade] = {}
        self._books: dict[str, tuple[tuple[int, PublicTrade | None], Book]] = {}  # the last one drawn, and for what
        self._streams: list[Iterator[PublicTrade]] = []
        self._next: list[tuple[int, int, PublicTrade]] = []
        for index, listing in enumerate(self.listings):
            habits = draw_habits(seed, listing.market, index / max(1, markets - 1))
            walk = Walk(seed, index, listing.market, habits=habits, leader=leader, start_ms=self.start_ms)
            self._walks[listing.market] = walk
            self._streams.append(walk.trades())
            self._push(index)

    def _push(self, index: int) -> None:
        trade = next(self._streams[index])
        heapq.heappush(self._next, (trade.at_ms, index, trade))

    def next_ms(self) -> int | None:
        """Return when the next public trade happens."""
        return self._next[0][0] if self._next else None

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to `to_ms` that were not given yet, in time order."""
        trades = []
        while self._next and self._next[0][0] <= to_ms:
            _, index, trade = heapq.heappop(self._next)
            self._last[trade.market] = trade
            trades.append(trade)
            self._push(index)
        return trades

    def book(self, market: str, at_ms: int) -> Book:
        """Return the order book around the last trade; it is drawn once, however many look."""
        trade = self._last.get(market)
        drawn_for = (at_ms // 1000, trade)
        drawn = self._books.get(market)
        if drawn is None or drawn[0] != drawn_for:
            drawn = self._books[market] = (drawn_for, self._draw_book(market, at_ms, trade))
        return drawn[1]

    def _draw_book(self, market: str, at_ms: int, trade: PublicTrade | None) -> Book:
        habits = self._walks[market].habits
        last = trade.price if trade else self._start_price(market)
        taker: Taker = trade.taker if trade else "BID"
        best_krw = 2_000_000 + 40 * habits.trade_krw * habits.rate
        return draw_book(str(self._seed), market, at_ms, last, taker, best_krw=best_krw)

    def _start_price(self, market: str) -> Decimal:
        last = self.history(market, MINUTE, self.start_ms, 1)
        return last[0].close if last else self._walks[market].price_now("BID")

    def _past(self, market: str) -> Past:
        past = self._pasts.get(market)
        if past is None:
            index, habits = self._index[market], self._walks[market].habits
            past = self._pasts[market] = Past(self._seed, index, habits, self.start_ms)
        return past

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start that opened before `before_ms`, newest first."""
        past = self._past(market)
        return history(past.fine, past.coarse(), unit_s, before_ms, count)
