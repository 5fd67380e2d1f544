"""A market source with which things go wrong: gaps, wild trades, thin books and silence. The source itself goes on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.exchange.orders import SATOSHI, floor_volume
from sandbox.market.feed import Book, Level, PublicTrade
from sandbox.market.ticks import tick_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.market.feed import Candle, Source

ONE = Decimal(1)


class FaultySource:
    """A source behind which another one goes on as if nothing happened."""

    def __init__(self, source: Source) -> None:
        self.listings = source.listings
        self.start_ms, self.end_ms, self.takes_impact = source.start_ms, source.end_ms, source.takes_impact
        self.silent: set[str] = set()  # markets without trades
        self.factors: dict[str, Decimal] = {}  # what prices of a market are multiplied by
        self.thin: dict[str, tuple[int, Decimal]] = {}  # levels and share of their size that books have
        self._source = source
        self._wild: list[PublicTrade] = []

    def add(self, trade: PublicTrade) -> None:
        """Let a trade happen now that is not the source's."""
        self._wild.append(trade)

    def next_ms(self) -> int | None:
        """Return when the next public trade happens."""
        return self._wild[0].at_ms if self._wild else self._source.next_ms()

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to a moment that were not given yet."""
        trades = self._source.advance(to_ms)
        if self.silent or self.factors:
            trades = [self._scaled(trade) for trade in trades if trade.market not in self.silent]
        if self._wild:
            trades = sorted([*trades, *self._wild], key=lambda trade: trade.at_ms)
            self._wild.clear()
        return trades

    def _scaled(self, trade: PublicTrade) -> PublicTrade:
        factor = self.factors.get(trade.market)
        if factor is None:
            return trade
        volume = max(floor_volume(trade.volume / factor), SATOSHI)
        return replace(trade, price=on_tick(trade.price * factor), volume=volume)

    def book(self, market: str, at_ms: int) -> Book:
        """Return the order book."""
        book = self._source.book(market, at_ms)
        factor, thin = self.factors.get(market), self.thin.get(market)
        if factor is not None:
            book = replace(book, asks=scaled(book.asks, factor, 1), bids=scaled(book.bids, factor, -1))
        if thin is not None:
            book = replace(book, asks=thinned(book.asks, *thin), bids=thinned(book.bids, *thin))
        return book

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start."""
        return self._source.history(market, unit_s, before_ms, count)


def on_tick(price: Decimal) -> Decimal:
    """Return the nearest price there can be."""
    step = tick_size(price)
    return max((price / step).quantize(ONE) * step, step)


def scaled(levels: Iterable[Level], factor: Decimal, away: int) -> tuple[Level, ...]:
    """Return levels at other prices, of the same worth, each at least a tick further `away` (1 up, -1 down)."""
    found: list[Level] = []
    for level in levels:
        price = on_tick(level.price * factor)
        if found and (price - found[-1].price) * away <= 0:
            price = found[-1].price + away * tick_size(found[-1].price)
        if price <= 0:
            break
        found.append(Level(price, max(floor_volume(level.size / factor), SATOSHI)))
    return tuple(found)


def thinned(levels: tuple[Level, ...], count: int, share: Decimal) -> tuple[Level, ...]:
    """Return the best levels with a share of their size."""
    return tuple(Level(level.price, max(floor_volume(level.size * share), SATOSHI)) for level in levels[:count])
