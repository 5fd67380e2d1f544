"""Upbit's WebSocket: connect, subscribe, deliver, and come back after whatever happens, for ever.

Upbit closes with 1000 after its own errors, and idle sockets without any word, so no kind of close means the end. A new
subscription replaces the old one. Frames are binary JSON.
https://docs.upbit.com/kr/reference/websocket-guide
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from websockets.exceptions import WebSocketException

from upbit.errors import UNREADABLE
from upbit.models import StreamCandle, StreamTicker, from_ms
from upbit.network import DIRECT, is_safe
from upbit.sockets.choice import opener
from upbit.sockets.common import BUNDLED_S, OPEN_S, Way

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable

    from upbit.models import Ticker
    from upbit.network import Network
    from upbit.sockets.common import Message, Socket

log = logging.getLogger("upbit.stream")

T = TypeVar("T")
Moment = tuple[int, int]
"""When a market traded last and, of a frame, when that was told: milliseconds by the exchange's clock. 0: unknown."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
BETWEEN_SUBSCRIPTIONS_S = 1.0
"""Upbit allows 5 messages a second and 100 a minute on a connection; one a second stays clear of both."""
STEADY_S = 10.0
"""An attempt that lived this long after it opened was a good one: the next failure starts from a short pause."""
SHORTEST_PAUSE_S = 0.25
"""Upbit allows 5 connects a second."""
COMPLAIN_EVERY_S = 60.0
FUTURE = timedelta(minutes=1)
"""Frames from further ahead are nonsense; clocks that far apart stop the daemon for another reason."""
HORIZON_S = 1.0
"""How often the time at the exchange is looked up for that: more often than once for each frame would cost more."""
CANDLE_AHEAD = timedelta(seconds=5)
"""The same of a candle's start: what is known of the exchange's time may be some seconds behind it."""
MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
"""Candles of all units that divide a day start a whole number of units after any midnight."""


class _Error(msgspec.Struct):
    error: dict[str, Any]


class Stream(Generic[T]):
    """One subscription that lives as long as its `run`."""

    bundled_s = BUNDLED_S
    """How long a frame may wait for others."""

    def __init__(self, url: str, decode: Callable[[Message], T], rng: random.Random, network: Network = DIRECT) -> None:
        """`decode` reads a frame; what it raises of `UNREADABLE` says that it is none."""
        self._url = url
        self._decode = decode
        self._rng = rng
        self._subscription: list[dict[str, Any]] | None = None
        self._changed = asyncio.Event()
        self._socket: Socket | None = None
        self._complained: float | None = None
        self._tls = tls_for(url, network)
        self._proxy = network.proxy_for(url)
        self._time = loop_time
        self.last_frame: float | None = None  # loop time since which frames are missing
        self.on_raw: Callable[[bytes], None] | None = None  # who keeps every frame as it came

    def _subscribe(self, what: list[dict[str, Any]] | None) -> None:
        """Set what is subscribed; None subscribes nothing."""
        if what != self._subscription:
            if self._subscription is None and self.last_frame is not None:
                self.last_frame = loop_time()  # nobody had asked for frames before
            self._subscription = what
            self._changed.set()

    def reconnect(self) -> None:
        """Drop the connection; `run` makes a new one."""
        if self._socket is not None:
            self._socket.abort()

    async def run(self, on_frame: Callable[[T], None], on_state: Callable[[str], None] | None = None) -> None:
        """Deliver frames until cancelled. A connection that ends is made again, ever more patiently while it fails.

        `on_state` is told "connecting", "open" and "closed".
        """
        tell = on_state or (lambda _: None)
        self._time = asyncio.get_running_loop().time  # to ask which loop runs asks the kernel which process does
        pause = FIRST_PAUSE_S
        while True:
            await self._something_to_subscribe()
            began = self._time()
            tell("connecting")
            try:
                await self._converse(on_frame, tell)
            except* (OSError, WebSocketException) as group:
                log.info("stream ended url=%s error=%r", self._url, group.exceptions[0])
            finally:
                self._socket = None
                tell("closed")
            pause = FIRST_PAUSE_S if self._time() - began >= STEADY_S + OPEN_S else min(LONGEST_PAUSE_S, pause * 2)
            await asyncio.sleep(max(SHORTEST_PAUSE_S, self._rng.uniform(0.0, pause)))

    async def _something_to_subscribe(self) -> None:
        while self._subscription is None:
            self._changed.clear()
            await self._changed.wait()

    async def _converse(self, on_frame: Callable[[T], None], tell: Callable[[str], None]) -> None:
        """Hold one connection: subscribe, and deliver until it closes."""
        way = Way(
            url=self._url,
            tls=self._tls,
            proxy=self._proxy,
            patience=lambda: 0.0 if self.on_raw else self.bundled_s,  # who keeps frames keeps when they came, too
        )
        async with opener()(way, partial(self._take, on_frame=on_frame)) as socket:
            self._socket = socket
            self.last_frame = self._time()
            tell("open")
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send_subscriptions(socket), name="subscriptions")
                await socket.wait_closed()
                sender.cancel()

    async def _send_subscriptions(self, socket: Socket) -> None:
        sent = None
        while True:
            self._changed.clear()
            if self._subscription is None:
                await socket.close()
                return
            if sent != self._subscription:
                sent = self._subscription
                message = [{"ticket": f"{self._rng.getrandbits(64):016x}"}, *sent]
                await socket.send(msgspec.json.encode(message).decode())
                await asyncio.sleep(BETWEEN_SUBSCRIPTIONS_S)
            await self._changed.wait()

    def _take(self, message: Message, on_frame: Callable[[T], None]) -> bool:
        """Take a message; return False after one with which Upbit ends the conversation."""
        if self.on_raw is not None:
            self.on_raw(bytes(message))
        try:
            frame = self._decode(message)
        except UNREADABLE:
            return self._is_harmless(message)
        self.last_frame = self._time()
        if self._is_news(frame):
            try:
                on_frame(frame)
            except Exception:  # the loop protects its next frame from whoever listens
                log.exception("a frame was not handled url=%s", self._url)
        return True

    def _is_news(self, frame: T) -> bool:  # noqa: ARG002 - every frame is, unless a stream knows better
        return True

    def _is_harmless(self, message: Message) -> bool:
        """Return whether what was not understood is no error frame, which ends a connection; complain now and then."""
        try:
            told = msgspec.json.decode(message, type=_Error)
        except UNREADABLE:
            self._complain(f"of another shape: {bytes(message[:200])!r}")
            return True
        log.warning("error frame url=%s error=%.200r", self._url, told.error)
        return False

    def _complain(self, what: str) -> None:
        now = self._time()
        if self._complained is None or now - self._complained >= COMPLAIN_EVERY_S:
            self._complained = now
            log.warning("frame %s url=%s", what, self._url)


def loop_time() -> float:
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


def tls_for(url: str, network: Network) -> ssl.SSLContext | None:
    """Return what verifies a wss address; plain ws is for this machine only."""
    if not is_safe(url.replace("ws", "http", 1)):
        raise ValueError(f"{url}: only wss is allowed, plain ws only to this machine")
    return network.tls() if url.startswith("wss:") else None


class TickerStream(Stream[StreamTicker]):
    """Last trades of a changing set of markets, of which no market's price ever goes back in exchange time.

    Frames come out of order or late: what is older than what was told before is left out. A frame from far in the
    future is left out too, or it would silence its market.
    """

    def __init__(
        self, url: str, *, rng: random.Random, network: Network = DIRECT, latest: Callable[[], datetime] | None = None
    ) -> None:
        """`latest` returns the time it is at the exchange, at the latest; None: no frame is from the future."""
        super().__init__(url, msgspec.json.Decoder(StreamTicker).decode, rng, network)
        self._markets = frozenset[str]()
        self._ahead = Horizon(latest)
        self._newest: dict[str, Moment] = {}

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        if markets == self._markets:
            return
        self._markets = markets
        self._newest = {market: newest for market, newest in self._newest.items() if market in markets}
        self._subscribe([{"type": "ticker", "codes": sorted(markets)}] if markets else None)

    def heard(self, ticker: Ticker) -> bool:
        """Take note of a trade that REST told; return False for one that is older than what is known already."""
        return self._follows(ticker.market, ticker.traded_at_ms, 0)

    def _is_news(self, frame: StreamTicker) -> bool:
        return self._follows(frame.market, frame.traded_at_ms, frame.sent_at_ms)

    def _follows(self, market: str, traded_at_ms: int, sent_at_ms: int) -> bool:
        """Keep a moment that is not older than the newest one of its market."""
        if self._ahead.is_beyond(max(traded_at_ms, sent_at_ms), self._time()):
            self._complain(f"from the future: {market} {from_ms(max(traded_at_ms, sent_at_ms)):%Y-%m-%d %H:%M:%S}")
            return False
        known = self._newest.get(market)
        moment = (traded_at_ms, sent_at_ms)
        if known is not None and moment < (known if sent_at_ms else (known[0], 0)):
            return False
        if known is None or moment > known:
            self._newest[market] = moment
        return True


class Horizon:
    """Up to when frames may claim to be; looked up anew once a second."""

    def __init__(self, latest: Callable[[], datetime] | None) -> None:
        """`latest` returns the time it is at the exchange, at the latest; None: nothing is of the future."""
        self._latest = latest
        self._until_ms = -inf
        self._good_until = -inf  # loop time

    def is_beyond(self, moment_ms: int, now_s: float) -> bool:
        """Return whether a moment is of the future; `now_s` is loop time."""
        if now_s >= self._good_until:
            self._until_ms = 1000 * (self._latest() + FUTURE).timestamp() if self._latest else inf
            self._good_until = now_s + HORIZON_S
        return moment_ms > self._until_ms


class CandleStream(Stream[StreamCandle]):
    """The candles of one unit of many markets, each whole, at most once a second and only while trades change it.

    There is no word for the end of a candle. What is of another unit, of a market nobody asked for, or starts between
    two candles or in the future is left out.
    https://docs.upbit.com/kr/reference/websocket-candle
    """

    def __init__(
        self,
        url: str,
        unit: timedelta,
        *,
        rng: random.Random,
        network: Network = DIRECT,
        latest: Callable[[], datetime] | None = None,
    ) -> None:
        """`latest` returns the time it is at the exchange, at the latest; None: no candle is of the future."""
        super().__init__(url, msgspec.json.Decoder(StreamCandle).decode, rng, network)
        self._unit = unit
        self._kind = f"candle.{unit // timedelta(minutes=1)}m"
        self._latest = latest
        self._markets = frozenset[str]()

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        self._markets = markets
        self._subscribe([{"type": self._kind, "codes": sorted(markets)}] if markets else None)

    def _is_news(self, frame: StreamCandle) -> bool:
        if oddity := self._oddity(frame):
            self._complain(f"{oddity}: {frame.market:.20} {frame.kind:.20} {frame.opened_at_utc}")
        return not oddity

    def _oddity(self, frame: StreamCandle) -> str:
        if frame.kind != self._kind or (frame.opened_at - MIDNIGHT) % self._unit:
            return "of another unit"
        if frame.market not in self._markets:
            return "of a market nobody asked for"
        if self._latest is not None and frame.opened_at > self._latest() + CANDLE_AHEAD:
            return "from the future"
        return ""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a frame as tells it from an error."""

    type: str
    code: str


class MarketStream(Stream[Heard]):
    """Every trade and book of many markets, for who keeps them as they came (`on_raw`).

    https://docs.upbit.com/kr/reference/websocket-trade
    """

    def __init__(self, url: str, *, rng: random.Random, network: Network = DIRECT) -> None:
        super().__init__(url, msgspec.json.Decoder(Heard).decode, rng, network)

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        codes = sorted(markets)
        kinds = [{"type": "trade", "codes": codes}, {"type": "orderbook", "codes": codes}]
        self._subscribe(kinds if markets else None)
