"""What a generated market does from the start on: a latent price, and the trades around it.

One latent activity moves both the number of trades and the size of steps of a minute; a part of it, and of the
steps, is common to all markets. Each market has random streams of its own, drawn minute by minute in order, so what
happens does not depend on who looks, how often, or at which other markets.
"""

from __future__ import annotations

import math
import random
from array import array
from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from sandbox.market.feed import PublicTrade
from sandbox.market.sources.habits import SAME_INSTANT, SIZES, Quantiles
from sandbox.market.ticks import FINEST, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.market.feed import Taker
    from sandbox.market.sources.habits import Habits

MINUTE_MS = 60_000
DAY_PROFILE = (
    1.35, 0.89, 0.62, 0.53, 0.55, 0.68, 0.77, 0.99, 1.04, 1.55, 1.25, 1.09,
    0.99, 0.93, 0.86, 0.82, 0.95, 0.98, 0.88, 0.87, 0.99, 1.27, 1.50, 1.62,
)  # fmt: skip
"""Activity by hour in Korea, mean 1 (BTC 2024)."""
KST_HOURS = 9
COMMON_SIGMA, OWN_SIGMA, PERSISTENCE, LEAST = 0.7, 1.1, 0.9, 0.15
"""Log spreads of the activity all share and of a market's own, what stays of them a minute later, and its floor."""
GUST_SIGMA = 0.7
"""Log spread of the step size of a minute beyond what its activity explains: the fat tails of returns."""
LEADER_SIGMA = 2.8e-4
OPENING_DRIFT, LEADER_DRIFT, ALT_DRIFT, FOLLOW = 1.4e-4, 0.6e-4, 2.0e-4, 0.8
"""Drift a minute of a regime, and how much of the leader's steps the others share."""
REGIME_MINUTES = (25, 80)
OPENING_MINUTES = (45, 60)
"""A newcomer sees the leader rise: so long after the start."""
SHOCK_A_MINUTE, SHOCK_MINUTES, SHOCK_SIZE = 1 / 1400, (3, 8), (0.03, 0.09)
QUOTES_A_MINUTE = 10
"""How often the latent price moves inside a minute; in between trades are at unchanged prices."""
STAYS, LEANS = 0.75, 0.2
"""How often a burst is on the side of the one before, and how much buyers prevail while the price rises."""
WALKS, WALKED = 0.3, 0.15e-4
"""How often the next fill of an order is at a worse price, and by which fraction of it on average."""
BURST_MS = 80.0
MOST_FILLS = 8
IDS_A_MS, IDS_A_MARKET = 10_000, 17
"""Numbers of trades in a millisecond: so many even ones for each of 289 markets; the last ones are not used here."""
WIDE_TICK = 3e-4
"""Where a tick is worth this fraction of the price, the spread is one tick nearly always."""
SPREAD_MEDIAN, SPREAD_SIGMA, TAKEN = 1.5e-4, 0.95, 0.35
"""Spread of a book where ticks are small, and the part of it at which trades happen: takers wait for a narrow one."""
KNUTH_UP_TO = 30.0
BOUNDS = [float(bound) for bound, _ in reversed(STEPS)]
TICKS = [FINEST, *(step for _, step in reversed(STEPS))]
VOLUME_STEP = Decimal("1e-8")
SIZE = Quantiles(SIZES)


def day_profile(at_ms: int) -> float:
    """Return how busy this hour of the day is."""
    return DAY_PROFILE[(at_ms // 3_600_000 + KST_HOURS) % 24]


def regimes(rng: random.Random, opening: float, first: int, drift: float) -> Iterator[float]:
    """Yield the drift of every minute: up for `first` minutes, then up, quiet or down for a while each."""
    yield from [opening] * first
    last = drift
    while True:
        last = rng.choices([drift, 0.0, -drift], weights=[0.42, 0.18, 0.40] if last <= 0 else [0.15, 0.25, 0.60])[0]
        yield from [last] * rng.randint(*REGIME_MINUTES)


class Activity:
    """How busy it is, minute by minute: lognormal around 1, and persistent."""

    def __init__(self, rng: random.Random, sigma: float) -> None:
        self._rng, self._sigma, self._state = rng, sigma, rng.gauss(0.0, sigma)

    def step(self) -> float:
        """Return the activity of the next minute; 1 on average."""
        fresh = self._sigma * math.sqrt(1 - PERSISTENCE**2)
        self._state = PERSISTENCE * self._state + self._rng.gauss(0.0, fresh)
        return math.exp(self._state - self._sigma**2 / 2)


def gust(rng: random.Random) -> float:
    """Return by how much the step of a minute is larger than its activity says; its mean square is 1."""
    return math.exp(rng.gauss(-(GUST_SIGMA**2), GUST_SIGMA))


class Leader:
    """The steps of the leading market and the activity all share: the common factors of all markets."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"{seed}:leader")
        opening = self._rng.randint(*OPENING_MINUTES)
        self._drifts = regimes(random.Random(f"{seed}:leader:regimes"), OPENING_DRIFT, opening, LEADER_DRIFT)
        self._activity = Activity(random.Random(f"{seed}:activity"), COMMON_SIGMA)
        self._steps, self._activities = array("d"), array("d")  # 700 kB a month

    def minute(self, minute: int) -> tuple[float, float]:
        """Return (log return, activity) in the so-manieth minute since the start."""
        while len(self._steps) <= minute:
            activity = self._activity.step()
            noise = self._rng.gauss(0.0, LEADER_SIGMA) * math.sqrt(activity) * gust(self._rng)
            self._steps.append(next(self._drifts) + noise)
            self._activities.append(activity)
        return self._steps[minute], self._activities[minute]


class TakingOrder(NamedTuple):
    """A stranger's order that takes: it fills so many times in one instant."""

    at_ms: int
    share: float  # of the minute that has passed
    taker: Taker
    fills: int


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
        drift = 0.0 if habits.steady else ALT_DRIFT * own.uniform(0.3, 1.0)
        self._own = regimes(own, drift, own.randint(0, 60), drift)
        self._follow = 0.0 if habits.steady else FOLLOW
        self._activity = Activity(random.Random(f"{seed}:{market}:activity"), OWN_SIGMA)
        self._shock: list[float] = []
        self._taker: Taker = "BID"
        self._number = 0
        self._log = math.log(habits.price)

    def trades(self) -> Iterator[PublicTrade]:
        """Yield all trades from the start on, for ever."""
        minute = 0
        while True:
            step, common = self._leader.minute(minute)
            activity = self._activity.step() * common
            begin, self._log = self._log, self._log + self._step(step, activity)
            at_ms = self._start_ms + minute * MINUTE_MS
            busy = (LEAST + (1 - LEAST) * activity) * day_profile(at_ms)
            count = poisson(self._rng, self.habits.arrivals * 60 * busy)
            if count:
                yield from self._minute(at_ms, count, begin, activity)
            minute += 1

    def _step(self, leader: float, activity: float) -> float:
        if self._leads:
            return leader
        noise = self._rng.gauss(0.0, self.habits.sigma) * math.sqrt(activity) * gust(self._rng)
        return self._follow * leader + next(self._own) + self._shock_of() + noise

    def _shock_of(self) -> float:
        """Return this minute's part of a surge or a dip; half of it comes back afterwards."""
        if not self._shock and self.habits.shocks and self._rng.random() < SHOCK_A_MINUTE:
            length = self._rng.randint(*SHOCK_MINUTES)
            size = math.copysign(self._rng.uniform(*SHOCK_SIZE), self._rng.random() - 0.5)
            self._shock = [size / length] * length + [-size / 2 / (3 * length)] * (3 * length)
        return self._shock.pop(0) if self._shock else 0.0

    def _minute(self, at_ms: int, bursts: int, begin: float, activity: float) -> Iterator[PublicTrade]:
        """Yield the trades of a minute."""
        quotes = self._quotes(begin, activity)
        spread = TAKEN * SPREAD_MEDIAN * self._rng.lognormvariate(0.0, SPREAD_SIGMA)
        for order in self._orders(at_ms, bursts, self._log - begin, quotes):
            latent = math.exp(quotes[int(order.share * QUOTES_A_MINUTE)])
            step, ticks = touch(latent, spread, order.taker)
            walk = WALKED * latent / float(step)  # ticks
            for _ in range(order.fills):
                price = step * max(ticks, 1)
                yield PublicTrade(
                    self.market, price, self._volume(price), order.at_ms, order.taker, self._id(order.at_ms)
                )
                if self._rng.random() < WALKS:
                    ticks += round(self._rng.expovariate(1 / walk)) * (1 if order.taker == "BID" else -1)

    def _quotes(self, begin: float, activity: float) -> list[float]:
        """Return the latent log prices of a minute: a bridge from its beginning to its end."""
        rng, rise = self._rng, self._log - begin
        sigma = (LEADER_SIGMA if self._leads else self.habits.sigma) * math.sqrt(activity / QUOTES_A_MINUTE)
        steps = [rng.gauss(0.0, sigma) for _ in range(QUOTES_A_MINUTE)]
        correction = (rise - sum(steps)) / QUOTES_A_MINUTE
        quotes, log = [], begin
        for step in steps:
            quotes.append(log)
            log += step + correction
        return quotes

    def _orders(self, at_ms: int, bursts: int, rise: float, quotes: list[float]) -> list[TakingOrder]:
        """Return the orders of a minute in time order: bursts of them, each on one side."""
        rng, orders = self._rng, []
        for moment in sorted(rng.randrange(1, MINUTE_MS) for _ in range(bursts)):
            self._taker = self._side(rise, quotes[moment * QUOTES_A_MINUTE // MINUTE_MS])
            at = float(moment)
            while True:
                fills = min(1 + geometric(rng, SAME_INSTANT), MOST_FILLS)
                orders.append(TakingOrder(at_ms + int(at), at / MINUTE_MS, self._taker, fills))
                at += 1 + rng.expovariate(1 / BURST_MS)
                if rng.random() >= self.habits.bursts or at >= MINUTE_MS:
                    break
        return sorted(orders)

    def _side(self, rise: float, log_price: float) -> Taker:
        """Return who takes next: mostly who took last, else whoever the price is good for."""
        if self._rng.random() < STAYS:
            return self._taker
        price = math.exp(log_price)
        step = float(TICKS[bisect_right(BOUNDS, price)])
        dear = price / step % 1.0 if step >= WIDE_TICK * price else 0.5  # 0: the next ask is a tick away, 1: it is near
        return "BID" if self._rng.random() < dear + math.copysign(LEANS, rise) else "ASK"

    def _volume(self, price: Decimal) -> Decimal:
        worth = self.habits.size_scale * SIZE.at(self._rng.random())
        return max(Decimal(repr(worth / float(price))).quantize(VOLUME_STEP), VOLUME_STEP)

    def _id(self, at_ms: int) -> int:
        """Return a number nobody else uses."""
        self._number += 1
        return at_ms * IDS_A_MS + 2 * (self._index * IDS_A_MARKET + self._number % IDS_A_MARKET)

    def price_now(self, taker: Taker) -> Decimal:
        """Return what a taker would get now."""
        step, ticks = touch(math.exp(self._log), 0.0, taker)
        return step * max(ticks, 1)


def touch(latent: float, spread: float, taker: Taker) -> tuple[Decimal, int]:
    """Return the price step and the number of steps a taker pays: half a spread, and at least up to the next step."""
    step = TICKS[bisect_right(BOUNDS, latent)]
    size = float(step)
    half = latent * spread / 2 if size < WIDE_TICK * latent else 0.0
    below = math.floor((latent + half if taker == "BID" else latent - half) / size)
    return step, below + 1 if taker == "BID" else below


def geometric(rng: random.Random, share: float) -> int:
    """Draw how often in a row something of a probability happens."""
    return int(math.log(1.0 - rng.random()) / math.log(share))


def poisson(rng: random.Random, mean: float) -> int:
    """Draw a Poisson number (Knuth); above that the normal curve is close enough."""
    if mean > KNUTH_UP_TO:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
