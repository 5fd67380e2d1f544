"""A market made up by a seed, with the habits of the KRW market: its turnover, ticks, spreads, pauses, dips and surges.

The public tape depends on the seed, the number of markets and the start alone: on nobody who looks, and on no order.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from typing import TYPE_CHECKING

from sandbox.market.candles import MINUTE, opened_ms
from sandbox.market.sources.book import Books
from sandbox.market.sources.habits import draw_habits
from sandbox.market.sources.layers import history
from sandbox.market.sources.listings import make_listings
from sandbox.market.sources.past import Past, draw_tide
from sandbox.market.sources.walk import Leader, Walk

if TYPE_CHECKING:
    from decimal import Decimal

    from sandbox.market.feed import Book, Candle, PublicTrade, Taker
    from sandbox.market.sources.layers import Layer

OLD_KEPT = 8
"""Markets whose old candles are at hand; a client pages through one market after the other."""


class Generator:
    """A source of up to 289 made-up markets."""

    end_ms: int | None = None
    takes_impact = True

    def __init__(self, seed: int, markets: int, start_ms: int) -> None:
        self.listings = make_listings(seed, markets)
        self.start_ms = opened_ms(start_ms, MINUTE)
        self._seed = seed
        self._index = {listing.market: index for index, listing in enumerate(self.listings)}
        leader, habits = Leader(seed), [draw_habits(seed, index, markets) for index in range(markets)]
        self._walks = {
            listing.market: Walk(seed, index, listing.market, habits=own, leader=leader, start_ms=self.start_ms)
            for index, (listing, own) in enumerate(zip(self.listings, habits, strict=True))
        }
        self._tide = draw_tide(seed, self.start_ms)
        self._pasts: dict[str, Past] = {}
        self._old: OrderedDict[str, Layer] = OrderedDict()
        self._last: dict[str, PublicTrade] = {}
        self._start_prices: dict[str, Decimal] = {}
        self._books = Books(str(seed))
        self._streams = [walk.trades() for walk in self._walks.values()]
        self._next: list[tuple[int, int, PublicTrade]] = []
        for index in range(markets):
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
        """Return the order book around the last trade."""
        trade, habits = self._last.get(market), self._walks[market].habits
        last = trade.price if trade else self._start_price(market)
        taker: Taker = trade.taker if trade else "BID"
        return self._books.of(market, at_ms, last, taker, depth_krw=habits.depth)

    def _start_price(self, market: str) -> Decimal:
        if market not in self._start_prices:
            last = self.history(market, MINUTE, self.start_ms, 1)
            self._start_prices[market] = last[0].close if last else self._walks[market].price_now("BID")
        return self._start_prices[market]

    def _past(self, market: str) -> Past:
        past = self._pasts.get(market)
        if past is None:
            index, habits = self._index[market], self._walks[market].habits
            past = self._pasts[market] = Past(self._seed, index, habits, self._tide)
        return past

    def _coarse(self, market: str) -> Layer:
        """Return a market's old candles, drawn again unless it was asked for a moment ago."""
        layer = self._old.pop(market, None) or self._past(market).coarse()
        self._old[market] = layer
        while len(self._old) > OLD_KEPT:
            self._old.popitem(last=False)
        return layer

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start that opened before `before_ms`, newest first."""
        return history(self._past(market).fine, lambda: self._coarse(market), unit_s, before_ms, count)
