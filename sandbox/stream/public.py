"""The public frames of a market of our own: snapshots for who comes new, and what each trade, second and book means."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sandbox.market import views
from sandbox.market.grouping import grouped, supported_levels
from sandbox.stream import frames
from sandbox.stream.subscription import CANDLE_UNITS
from sandbox.wire import trim

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from decimal import Decimal

    from sandbox.exchange.desk import Exchange
    from sandbox.market.feed import Book, Candle, PublicTrade
    from sandbox.market.markets import Markets
    from sandbox.stream.audience import Audience
    from sandbox.stream.subscription import Depth
    from sandbox.wire import Json

BOOK_GRID_MS = 100
CANDLE_GRID_MS = 1_000
MOST_CANDLES = 5  # of one unit sent at once when time made a jump


class Shown(NamedTuple):
    """A frame, and the short keys of its fields."""

    frame: Json
    names: Mapping[str, str]


class Public(Protocol):
    """What everybody may hear."""

    def groupings(self, market: str) -> Collection[Decimal]:
        """Return in which groupings of prices a book is told, KRW."""

    def snapshot(self, kind: str, market: str, depth: Depth, now_ms: int) -> list[Shown] | None:
        """Return what is told of a market at first; None: that comes later, by itself."""

    def changed(self) -> None:
        """Take note that somebody listens to something else."""


class OwnMarket:
    """Makes the frames of a market of ours, and pushes them to the audience."""

    def __init__(self, markets: Markets, exchange: Exchange, audience: Audience) -> None:
        self._markets = markets
        self._exchange = exchange
        self._audience = audience
        self._books: dict[str, Book] = {}  # last sent
        self._dirty: dict[str, int] = {}  # market -> time of its first trade since candles were last sent
        self._book_grid = self._candle_grid = 0

    def groupings(self, market: str) -> Collection[Decimal]:
        """Return in which groupings of prices a book is told, KRW."""
        return supported_levels(self._markets.ticker(market).price)

    def snapshot(self, kind: str, market: str, depth: Depth, now_ms: int) -> list[Shown]:
        """Return what is told of a market at first."""
        if kind == "ticker":
            return [Shown(views.ticker_frame(self._markets.ticker(market), now_ms, "SNAPSHOT"), frames.TICKER)]
        if kind == "orderbook":
            return [Shown(book_frame(self._exchange.book(market), "SNAPSHOT", depth), frames.ORDERBOOK)]
        if kind == "trade":
            trades = self._markets.recent_trades(market, 1)
            return [Shown(self._trade_frame(trade, now_ms, "SNAPSHOT"), frames.TRADE) for trade in trades]
        candles = self._markets.forming(market, CANDLE_UNITS[kind], 1) if kind in CANDLE_UNITS else []
        return [Shown(views.candle_frame(kind, market, candle, "SNAPSHOT"), frames.CANDLE) for candle in candles]

    def changed(self) -> None:
        """Nothing depends on who listens."""

    def _trade_frame(self, trade: PublicTrade, now_ms: int, stream_type: str) -> Json:
        previous = self._markets.previous_close(trade.market)
        return frames.trade_frame(trade, previous, self._exchange.book(trade.market), now_ms, stream_type)

    def on_trades(self, trades: Iterable[PublicTrade], now_ms: int) -> None:
        """Push what new public trades mean: tickers once per market, trades one by one; candles follow later."""
        trades = list(trades)
        for trade in trades:
            self._dirty.setdefault(trade.market, trade.at_ms)
        for market in dict.fromkeys(trade.market for trade in trades):
            self._audience.push("ticker", market, frames.TICKER, partial(self._ticker_frame, market, now_ms))
        for trade in trades:
            self._audience.push("trade", trade.market, frames.TRADE, partial(self._next_trade_frame, trade, now_ms))

    def _ticker_frame(self, market: str, now_ms: int, _: Depth) -> Json:
        return views.ticker_frame(self._markets.ticker(market), now_ms, "REALTIME")

    def _next_trade_frame(self, trade: PublicTrade, now_ms: int, _: Depth) -> Json:
        return self._trade_frame(trade, now_ms, "REALTIME")

    @property
    def watches_books(self) -> bool:
        """Whether anybody wants to see books change."""
        return bool(self._audience.of("orderbook"))

    def tick(self, now_ms: int) -> None:
        """Push books on their 100 ms grid and candles once a second."""
        if now_ms // BOOK_GRID_MS != self._book_grid:
            self._book_grid = now_ms // BOOK_GRID_MS
            self._push_books()
        if now_ms // CANDLE_GRID_MS != self._candle_grid:
            self._candle_grid = now_ms // CANDLE_GRID_MS
            self._push_candles(now_ms)

    def _push_books(self) -> None:
        watched = {market for _, subscription in self._audience.of("orderbook") for market in subscription.wanted}
        for market in sorted(watched.intersection(self._exchange.markets)):
            book, last = self._exchange.book(market), self._books.get(market)
            if last is not None and (book.asks, book.bids) == (last.asks, last.bids):
                continue
            self._books[market] = book
            self._audience.push("orderbook", market, frames.ORDERBOOK, partial(book_frame, book, "REALTIME"))

    def _push_candles(self, now_ms: int) -> None:
        dirty, self._dirty = self._dirty, {}
        for kind, unit_s in CANDLE_UNITS.items():
            for market, traded_ms in dirty.items() if self._audience.of(kind) else ():
                if not self._audience.of_market(kind, market):
                    continue
                first_ms = traded_ms // (unit_s * 1000) * (unit_s * 1000)
                count = min((now_ms - first_ms) // (unit_s * 1000) + 1, MOST_CANDLES)
                for candle in self._markets.forming(market, unit_s, count):
                    if candle.opened_ms >= first_ms:
                        self._audience.push(kind, market, frames.CANDLE, partial(_candle_frame, kind, market, candle))


def book_frame(book: Book, stream_type: str, depth: Depth) -> Json:
    """Return a frame of a book as deep, and in such groups of prices, as it was asked for."""
    frame = frames.book_frame(grouped(book, depth.grouping), depth.levels, stream_type)
    return frame | {"level": trim(depth.grouping)}


def _candle_frame(kind: str, market: str, candle: Candle, _: Depth) -> Json:
    return views.candle_frame(kind, market, candle, "REALTIME")
