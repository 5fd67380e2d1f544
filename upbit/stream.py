"""Upbit's WebSocket: connect, subscribe, deliver, and come back after whatever happens, for ever.

Upbit closes with 1000 after its own errors, and idle sockets without any word, so no kind of close means the end. A new
subscription replaces the old one. Frames are binary JSON.
https://docs.upbit.com/kr/reference/websocket-guide
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from upbit.auth import token
from upbit.errors import UNREADABLE
from upbit.models import StreamCandle, StreamOrder, StreamTicker, from_ms
from upbit.network import DIRECT, is_safe

if TYPE_CHECKING:
    import random
    import ssl
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from upbit.models import Ticker
    from upbit.network import Network

log = logging.getLogger("upbit.stream")

T = TypeVar("T")

PING_S = 20.0
OPEN_S, CLOSE_S = 10.0, 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
BETWEEN_SUBSCRIPTIONS_S = 1.0
"""Upbit allows 5 messages a second and 100 a minute on a connection; one a second stays clear of both."""
LARGEST_FRAME = 1024 * 1024
STEADY_S = 10.0
"""An attempt that lived this long after it opened was a good one: the next failure starts from a short pause."""
SHORTEST_PAUSE_S = 0.25
"""Upbit allows 5 connects a second."""
COMPLAIN_EVERY_S = 60.0
FUTURE = timedelta(minutes=1)
"""Frames from further ahead are nonsense; clocks that far apart stop the daemon for another reason."""
CANDLE_AHEAD = timedelta(seconds=5)
"""The same of a candle's start: what is known of the exchange's time may be some seconds behind it."""
MIDNIGHT = datetime(2000, 1, 1, tzinfo=UTC)
"""Candles of all units that divide a day start a whole number of units after any midnight."""


class ToldOff(Exception):
    """Upbit sent an error frame; it closes the connection right after."""


class _Error(msgspec.Struct):
    error: dict[str, Any]


class _Direct(connect):
    """A connection that follows no redirects: our token is for Upbit alone."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class Stream(Generic[T]):
    """One subscription that lives as long as its `run`."""

    def __init__(self, url: str, kind: type[T], rng: random.Random, network: Network = DIRECT) -> None:
        self._url = url
        self._decoder = msgspec.json.Decoder(kind)
        self._rng = rng
        self._subscription: list[dict[str, Any]] | None = None
        self._changed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._complained: float | None = None
        self._tls = tls_for(url, network)
        self._proxy = network.proxy_for(url)
        self.last_frame: float | None = None  # loop time since which frames are missing
        self.on_raw: Callable[[str | bytes], None] | None = None  # who keeps every frame as it came

    def _headers(self) -> dict[str, str]:
        return {}

    def _subscribe(self, what: list[dict[str, Any]] | None) -> None:
        """Set what is subscribed; None subscribes nothing."""
        if what != self._subscription:
            if self._subscription is None and self.last_frame is not None:
                self.last_frame = asyncio.get_running_loop().time()  # nobody had asked for frames before
            self._subscription = what
            self._changed.set()

    def reconnect(self) -> None:
        """Drop the connection; `run` makes a new one."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def run(self, on_frame: Callable[[T], None], on_state: Callable[[str], None] | None = None) -> None:
        """Deliver frames until cancelled. A connection that ends is made again, ever more patiently while it fails.

        `on_state` is told "connecting", "open" and "closed".
        """
        tell = on_state or (lambda _: None)
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_S
        while True:
            await self._something_to_subscribe()
            began = loop.time()
            tell("connecting")
            try:
                await self._converse(on_frame, tell)
            except* (OSError, WebSocketException, ToldOff) as group:
                log.info("stream ended url=%s error=%r", self._url, group.exceptions[0])
            finally:
                self._connection = None
                tell("closed")
            pause = FIRST_PAUSE_S if loop.time() - began >= STEADY_S + OPEN_S else min(LONGEST_PAUSE_S, pause * 2)
            await asyncio.sleep(max(SHORTEST_PAUSE_S, self._rng.uniform(0.0, pause)))

    async def _something_to_subscribe(self) -> None:
        while self._subscription is None:
            self._changed.clear()
            await self._changed.wait()

    async def _converse(self, on_frame: Callable[[T], None], tell: Callable[[str], None]) -> None:
        """Hold one connection: subscribe, and deliver until it closes."""
        tls: dict[str, Any] = {"ssl": self._tls} if self._tls else {}
        async with _Direct(
            self._url,
            additional_headers=self._headers(),
            compression=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=LARGEST_FRAME,
            proxy=self._proxy,
            **tls,
        ) as connection:
            self._connection = connection
            self.last_frame = asyncio.get_running_loop().time()
            tell("open")
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send_subscriptions(connection), name="subscriptions")
                async for frame in connection:
                    self._take(frame, on_frame)
                sender.cancel()

    async def _send_subscriptions(self, connection: ClientConnection) -> None:
        sent = None
        while True:
            self._changed.clear()
            if self._subscription is None:
                await connection.close()
                return
            if sent != self._subscription:
                sent = self._subscription
                message = [{"ticket": f"{self._rng.getrandbits(64):016x}"}, *sent]
                await connection.send(msgspec.json.encode(message).decode())
                await asyncio.sleep(BETWEEN_SUBSCRIPTIONS_S)
            await self._changed.wait()

    def _take(self, frame: str | bytes, on_frame: Callable[[T], None]) -> None:
        if self.on_raw is not None:
            self.on_raw(frame)
        try:
            decoded = self._decode(frame)
        except UNREADABLE:
            self._not_understood(frame)
            return
        self.last_frame = asyncio.get_running_loop().time()
        if not self._is_news(decoded):
            return
        try:
            on_frame(decoded)
        except Exception:  # the loop protects its next frame from whoever listens
            log.exception("a frame was not handled url=%s", self._url)

    def _decode(self, frame: str | bytes) -> T:
        return self._decoder.decode(frame)

    def _is_news(self, frame: T) -> bool:  # noqa: ARG002 - every frame is, unless a stream knows better
        return True

    def _not_understood(self, frame: str | bytes) -> None:
        """Leave on an error frame; complain now and then about anything else, and go on."""
        try:
            told = msgspec.json.decode(frame, type=_Error)
        except UNREADABLE:
            self._complain(f"of another shape: {frame[:200]!r}")
        else:
            log.warning("error frame url=%s error=%.200r", self._url, told.error)
            raise ToldOff(str(told.error.get("name")))

    def _complain(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._complained is None or now - self._complained >= COMPLAIN_EVERY_S:
            self._complained = now
            log.warning("frame %s url=%s", what, self._url)


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
        super().__init__(url, StreamTicker, rng, network)
        self._latest = latest
        self._newest: dict[str, Moment] = {}

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        self._newest = {market: newest for market, newest in self._newest.items() if market in markets}
        self._subscribe([{"type": "ticker", "codes": sorted(markets)}] if markets else None)

    def heard(self, ticker: Ticker) -> bool:
        """Take note of a trade that REST told; return False for one that is older than what is known already."""
        return self._follows(ticker.market, Moment(ticker.traded_at_ms))

    def _is_news(self, frame: StreamTicker) -> bool:
        return self._follows(frame.market, Moment(frame.traded_at_ms, frame.sent_at_ms))

    def _follows(self, market: str, moment: Moment) -> bool:
        """Keep a moment that is not older than the newest one of its market."""
        if self._latest is not None and from_ms(max(moment)) > self._latest() + FUTURE:
            self._complain(f"from the future: {market} {from_ms(max(moment)):%Y-%m-%d %H:%M:%S}")
            return False
        known = self._newest.get(market, Moment(0))
        if moment < (known if moment.sent_at_ms else Moment(known.traded_at_ms)):
            return False
        self._newest[market] = max(known, moment)
        return True


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
        super().__init__(url, StreamCandle, rng, network)
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
        super().__init__(url, Heard, rng, network)

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        codes = sorted(markets)
        kinds = [{"type": "trade", "codes": codes}, {"type": "orderbook", "codes": codes}]
        self._subscribe(kinds if markets else None)


class Moment(NamedTuple):
    """When a market traded last and, of a frame, when that was told, by the exchange's clock."""

    traded_at_ms: int
    sent_at_ms: int = 0  # 0: REST does not say


class OrderStream(Stream[StreamOrder]):
    """Events of the account's orders: hints to look, never the only proof."""

    def __init__(self, url: str, access_key: str, secret_key: str, *, rng: random.Random) -> None:
        super().__init__(url + "/private", StreamOrder, rng)
        self._access_key = access_key
        self._secret_key = secret_key
        self._subscribe([{"type": "myOrder", "codes": []}])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(self._access_key, self._secret_key)}"}
