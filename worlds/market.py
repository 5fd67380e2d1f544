"""A cheap public market made to be traded often: every price is a function of time, up and down within minutes.

The leader rises slowly until `fall_at_ms`, from which on it falls: then the strategy wants out of everything and into
nothing, which is how a world comes to rest.
"""

from __future__ import annotations

import math
import random
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from sandbox.market.feed import Book, Candle, Level, Listing, PublicTrade
from sandbox.market.ticks import tick_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.market.feed import Taker

LEADER = "KRW-BTC"
MINUTE_MS = 60_000
NAMES = (
    ("KRW-ETH", "이더리움", 4_000_000),
    ("KRW-XRP", "엑스알피", 3_000),
    ("KRW-SOL", "솔라나", 200_000),
    ("KRW-DOGE", "도지코인", 300),
)
SWING = 0.01
"""Half the height of a wave, as a fraction of the price."""
CRASH, CRASH_A_MINUTE, CRASH_MINUTES = 0.06, 1 / 90, 3
TRADE_EVERY_MS = 12_000
LEVELS = 6
HOUR_MS = 3_600_000


class WaveMarket:
    """A `sandbox.feed.Source` of the leader and up to four markets."""

    takes_impact = False
    end_ms: int | None = None

    def __init__(self, seed: int, markets: int, start_ms: int, names: Sequence[tuple[str, str, int]] = NAMES) -> None:
        rng = random.Random(f"{seed} seesaw")
        self.start_ms = start_ms
        self.fall_at_ms: int | None = None
        self.shocks: list[tuple[int, float]] = []  # from when on all but the leader cost a fraction less
        self._given_ms = start_ms
        self.trade_every_ms = TRADE_EVERY_MS
        self._seed = seed
        chosen = names[:markets]
        self._bases = {LEADER: 150_000_000.0} | {name: price * rng.uniform(0.8, 1.2) for name, _, price in chosen}
        self._periods = {market: rng.uniform(6.0, 10.0) * MINUTE_MS for market in self._bases}
        self._phases = {market: rng.random() for market in self._bases}
        self.depth_krw = 10 ** rng.uniform(3.8, 6.0)  # of the best level: orders take several levels, or one
        korean = {name: korean for name, korean, _ in chosen} | {LEADER: "비트코인"}
        self.listings = tuple(
            Listing(market, korean[market], market[4:], warning=False, caution=frozenset()) for market in self._bases
        )
        self.price = lru_cache(maxsize=4096)(self._price)
        self._crashes = lru_cache(maxsize=64)(self._draw_crash)

    def _price(self, market: str, at_ms: int) -> Decimal:
        """Return the price of a market at a moment, on its grid."""
        raw = self._bases[market] * (1 + (self._trend(at_ms) if market == LEADER else self._wave(market, at_ms)))
        step = tick_size(Decimal(repr(raw)))
        return max((Decimal(repr(raw)) / step).to_integral_value() * step, step)

    def _trend(self, at_ms: int) -> float:
        turn = self.fall_at_ms if self.fall_at_ms is not None and at_ms > self.fall_at_ms else at_ms
        return ((turn - self.start_ms) - 20 * (at_ms - turn)) / HOUR_MS * 0.005

    def _wave(self, market: str, at_ms: int) -> float:
        turn = (at_ms - self.start_ms) / self._periods[market] + self._phases[market]
        swing = SWING * (4 * abs(turn - math.floor(turn + 0.5)) - 1)
        minute = (at_ms - self.start_ms) // MINUTE_MS
        shocked = sum(fraction for since, fraction in self.shocks if at_ms > since)
        return swing - shocked - CRASH * any(self._crashes(market, minute - ago) for ago in range(CRASH_MINUTES))

    def _draw_crash(self, market: str, minute: int) -> bool:
        return minute > 0 and random.Random(f"{self._seed} {market} {minute}").random() < CRASH_A_MINUTE

    # -- what the exchange asks of a source

    def next_ms(self) -> int | None:
        """Return when the next public trade happens."""
        return self._given_ms + self.trade_every_ms

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to a moment: one of every market at each beat."""
        trades: list[PublicTrade] = []
        while self._given_ms + self.trade_every_ms <= to_ms:
            self._given_ms += self.trade_every_ms
            for number, market in enumerate(self._bases):
                price = self.price(market, self._given_ms)
                volume = (Decimal(400_000) / price).quantize(Decimal("0.00000001"))
                taker: Taker = "BID" if self._given_ms // self.trade_every_ms % 2 else "ASK"
                trades.append(PublicTrade(market, price, volume, self._given_ms, taker, self._given_ms * 100 + number))
        return trades

    def book(self, market: str, at_ms: int) -> Book:
        """Return some levels around the price of this second."""
        return self._book(market, at_ms // 1000 * 1000)

    @lru_cache(maxsize=64)  # noqa: B019 - a world has one source, and ends with its process
    def _book(self, market: str, at_ms: int) -> Book:
        price = self.price(market, at_ms)
        step = tick_size(price)
        asks = tuple(self._level(price + step * n, n) for n in range(LEVELS))
        bids = tuple(self._level(price - step * (n + 1), n) for n in range(LEVELS) if price > step * (n + 1))
        return Book(market, at_ms, asks, bids)

    def _level(self, price: Decimal, number: int) -> Level:
        worth = Decimal(repr(self.depth_krw)) * (1 + 3 * number) if number < LEVELS - 1 else Decimal(50_000_000)
        return Level(price, (worth / price).quantize(Decimal("0.00000001")) or Decimal("0.00000001"))

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start, newest first, for at most a day back."""
        unit_ms = unit_s * 1000
        opened = (min(before_ms, self.start_ms) - 1) // unit_ms * unit_ms
        oldest = self.start_ms - 24 * HOUR_MS
        candles: list[Candle] = []
        while len(candles) < count and opened > oldest:
            candles.append(self._candle(market, opened, unit_ms))
            opened -= unit_ms
        return candles

    def _candle(self, market: str, opened: int, unit_ms: int) -> Candle:
        first, last = self.price(market, opened), self.price(market, opened + unit_ms - 1)
        turnover = Decimal(400_000) * (unit_ms // TRADE_EVERY_MS)
        volume = (turnover / last).quantize(Decimal("0.00000001"))
        return Candle(opened, first, max(first, last), min(first, last), last, volume, turnover, opened + unit_ms - 1)
