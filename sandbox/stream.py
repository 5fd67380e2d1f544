"""The WebSocket side: who listens to what, and the frames they are sent."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox import frames, views
from sandbox.auth import VIEW_ACCOUNT, VIEW_ORDERS, ApiKey, read_token
from sandbox.errors import ApiError
from sandbox.session import Session
from sandbox.subscription import CANDLE_UNITS, Message, StreamError, Subscription
from sandbox.wire import http_date, to_json, to_ms

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from sandbox.auth import Gate
    from sandbox.exchange import Exchange
    from sandbox.feed import Book, PublicTrade
    from sandbox.limits import Limits
    from sandbox.market import Markets
    from sandbox.orders import Fill, Order

PUBLIC_PATH = "/websocket/v1"
PRIVATE_PATH = "/websocket/v1/private"
SCOPES = {"myOrder": VIEW_ORDERS, "myAsset": VIEW_ACCOUNT}
BOOK_GRID_MS = 100
CANDLE_GRID_MS = 1_000
MOST_CANDLES = 5  # of one unit sent at once when time made a jump


class Stream:
    """Serves both WebSocket paths and pushes what happens to the sessions that asked for it."""

    def __init__(
        self,
        markets: Markets,
        exchange: Exchange,
        *,
        gate: Gate,
        limits: Limits,
        clock: Callable[[], datetime],
        rng: random.Random,
        on_violation: Callable[[str], None],
    ) -> None:
        self.sessions: dict[Session, ApiKey | None] = {}
        self._markets = markets
        self._exchange = exchange
        self._gate = gate
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._on_violation = on_violation
        self._books: dict[str, Book] = {}  # last sent
        self._dirty: dict[str, int] = {}  # market -> time of its first trade since candles were last sent
        self._book_grid = self._candle_grid = 0

    # -- connections

    async def serve(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Serve one connection from its upgrade to its end."""
        now = self._clock()
        group = "origin" if "Origin" in request.headers else "websocket"
        caller = request.remote or ""
        try:
            self._limits.spend(group, caller, to_ms(now))
        except ApiError as error:
            self._on_violation(str(error.name))
            return web.Response(body=to_json(error.body()), status=error.status, content_type="application/json")
        socket = web.WebSocketResponse(autoping=False)
        socket.headers["Remaining-Req"] = self._limits.header(group, caller, to_ms(now))
        socket.headers["Date"] = http_date(now)
        await socket.prepare(request)
        session = Session(
            socket,
            request,
            private=path == PRIVATE_PATH,
            now_ms=self._now_ms,
            on_message=self._on_message,
            on_violation=self._on_violation,
        )
        await self._run(session, request)
        return socket

    async def _run(self, session: Session, request: web.BaseRequest) -> None:
        key: ApiKey | None = None
        if session.private:
            try:
                token = read_token(request.headers.get("Authorization"))
                key = self._gate.check(token, (), ip=request.remote or "", now=self._clock())
            except ApiError:
                await session.refuse(StreamError("INVALID_AUTH"))
                return
        self.sessions[session] = key
        try:
            await session.run()
        finally:
            del self.sessions[session]

    async def close(self) -> None:
        """Close every connection."""
        for session in list(self.sessions):
            await session.close()

    def _now_ms(self) -> int:
        return to_ms(self._clock())

    # -- requests

    def _on_message(self, session: Session, message: Message) -> None:
        if message.subscriptions is None:
            shown = [subscription.listed() for subscription in session.subscriptions]
            answer: frames.Json = {"method": "LIST_SUBSCRIPTIONS", "result": shown, "ticket": message.ticket}
            session.send(frames.encode(answer, frames.SUBSCRIPTIONS, session.format))
            return
        key = self.sessions[session]
        for subscription in message.subscriptions:
            scope = SCOPES.get(subscription.type)
            if scope and (key is None or scope not in key.permissions):
                raise StreamError("INVALID_AUTH")
        session.subscriptions = message.subscriptions
        for subscription in message.subscriptions:
            if subscription.snapshot:
                self._send_snapshots(session, subscription)

    def _send_snapshots(self, session: Session, subscription: Subscription) -> None:
        now_ms = self._now_ms()
        for market, levels in subscription.wanted.items():
            if market not in self._exchange.markets or subscription.level not in {0, None}:
                continue
            for frame, names in self._snapshot(subscription.type, market, levels, now_ms):
                session.send(frames.encode(frame, names, session.format))

    def _snapshot(
        self, kind: str, market: str, levels: int, now_ms: int
    ) -> Iterator[tuple[frames.Json, Mapping[str, str]]]:
        if kind == "ticker":
            yield views.ticker_frame(self._markets.ticker(market), now_ms, "SNAPSHOT"), frames.TICKER
        elif kind == "orderbook":
            yield frames.book_frame(self._markets.book(market), levels, "SNAPSHOT"), frames.ORDERBOOK
        elif kind == "trade":
            for trade in self._markets.recent_trades(market, 1):
                yield self._trade_frame(trade, now_ms, "SNAPSHOT"), frames.TRADE
        elif kind in CANDLE_UNITS:
            for candle in self._markets.candles(market, CANDLE_UNITS[kind], None, 1):
                yield views.candle_frame(kind, market, candle, "SNAPSHOT"), frames.CANDLE

    def _trade_frame(self, trade: PublicTrade, now_ms: int, stream_type: str) -> frames.Json:
        previous = self._markets.ticker(trade.market).prev_close
        return frames.trade_frame(trade, previous, self._markets.book(trade.market), now_ms, stream_type)

    # -- public events

    def _listening(self, kind: str) -> Iterator[tuple[Session, Subscription]]:
        for session in list(self.sessions):
            for subscription in session.subscriptions:
                if subscription.type == kind and subscription.realtime:
                    yield session, subscription

    def on_trades(self, trades: Iterable[PublicTrade]) -> None:
        """Push what new public trades mean: tickers once per market, trades one by one; candles follow later."""
        trades = list(trades)
        now_ms = self._now_ms()
        for trade in trades:
            self._dirty.setdefault(trade.market, trade.at_ms)
        if not self.sessions:
            return
        for market in dict.fromkeys(trade.market for trade in trades):
            build = partial(self._ticker_frame, market, now_ms)
            self._push("ticker", market, frames.TICKER, build)
        for trade in trades:
            self._push("trade", trade.market, frames.TRADE, partial(self._trade_frame, trade, now_ms, "REALTIME"))

    def _ticker_frame(self, market: str, now_ms: int) -> frames.Json:
        return views.ticker_frame(self._markets.ticker(market), now_ms, "REALTIME")

    def _push(self, kind: str, market: str, names: Mapping[str, str], build: Callable[[], frames.Json]) -> None:
        """Send one frame to everybody who wants it, built and encoded once per format and only if somebody does."""
        frame: frames.Json | None = None
        encoded: dict[str, bytes] = {}
        for session, subscription in self._listening(kind):
            if not subscription.wants(market):
                continue
            if session.format not in encoded:
                frame = build() if frame is None else frame
                encoded[session.format] = frames.encode(frame, names, session.format)
            session.send(encoded[session.format])

    @property
    def watches_books(self) -> bool:
        """Whether anybody wants to see books change."""
        return any(True for _ in self._listening("orderbook"))

    def tick(self, now_ms: int) -> None:
        """Push books on their 100 ms grid and candles once a second."""
        if now_ms // BOOK_GRID_MS != self._book_grid:
            self._book_grid = now_ms // BOOK_GRID_MS
            self._push_books()
        if now_ms // CANDLE_GRID_MS != self._candle_grid:
            self._candle_grid = now_ms // CANDLE_GRID_MS
            self._push_candles(now_ms)

    def _push_books(self) -> None:
        listening = [(s, sub) for s, sub in self._listening("orderbook") if sub.level in {0, None}]
        watched = {code for _, sub in listening for code in sub.wanted if code in self._exchange.markets}
        for market in sorted(watched):
            book, last = self._markets.book(market), self._books.get(market)
            if last is not None and (book.asks, book.bids) == (last.asks, last.bids):
                continue
            self._books[market] = book
            for session, subscription in listening:
                if subscription.wants(market):
                    frame = frames.book_frame(book, subscription.wanted[market], "REALTIME")
                    session.send(frames.encode(frame, frames.ORDERBOOK, session.format))

    def _push_candles(self, now_ms: int) -> None:
        dirty, self._dirty = self._dirty, {}
        for kind, unit_s in CANDLE_UNITS.items():
            listening = list(self._listening(kind))
            for market in sorted({code for _, sub in listening for code in sub.wanted} & dirty.keys()):
                first_ms = dirty[market] // (unit_s * 1000) * (unit_s * 1000)
                count = min((now_ms - first_ms) // (unit_s * 1000) + 1, MOST_CANDLES)
                candles = self._markets.candles(market, unit_s, None, count)
                changed = [candle for candle in candles if candle.opened_ms >= first_ms]
                for candle in reversed(changed):
                    frame = views.candle_frame(kind, market, candle, "REALTIME")
                    for session, subscription in listening:
                        if subscription.wants(market):
                            session.send(frames.encode(frame, frames.CANDLE, session.format))

    # -- private events

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Push a `myOrder` event; a fill that took liquidity changes the public candles too."""
        if fill is not None and not fill.maker:
            self._dirty.setdefault(order.asked.market, fill.at_ms)
        for session, subscription in self._listening("myOrder"):
            if subscription.wants(order.asked.market):
                frame = frames.order_frame(order, event, fill, self._now_ms())
                session.send(frames.encode(frame, frames.MY_ORDER, session.format))

    def on_assets(self, currencies: Collection[str]) -> None:
        """Push a `myAsset` event."""
        listening = list(self._listening("myAsset"))
        if listening:
            balances = {name: self._exchange.accounts.of(name) for name in sorted(currencies)}
            frame = frames.asset_frame(
                str(uuid.UUID(int=self._rng.getrandbits(128), version=4)), balances, self._now_ms()
            )
            for session, _ in listening:
                session.send(frames.encode(frame, frames.MY_ASSET, session.format))
