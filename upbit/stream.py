"""Upbit's WebSocket: connect, subscribe, deliver, and come back after whatever happens, for ever.

Upbit closes with 1000 after its own errors, and idle sockets without any word, so no kind of close means the end. A new
subscription replaces the old one. Frames are binary JSON.
https://docs.upbit.com/kr/reference/websocket-guide
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from upbit.auth import token
from upbit.models import StreamOrder, StreamTicker

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

log = logging.getLogger("upbit.stream")

T = TypeVar("T")

PING_S = 20.0
OPEN_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
BETWEEN_SUBSCRIPTIONS_S = 1.0
"""Upbit allows 5 messages a second and 100 a minute on a connection; one a second stays clear of both."""
LARGEST_FRAME = 1024 * 1024


class Stream(Generic[T]):
    """One subscription that lives as long as its `run`."""

    def __init__(self, url: str, kind: type[T], rng: random.Random) -> None:
        self._url = url
        self._decoder = msgspec.json.Decoder(kind)
        self._rng = rng
        self._subscription: list[dict[str, Any]] | None = None
        self._changed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self.last_frame: float | None = None  # loop time of the last frame

    def _headers(self) -> dict[str, str]:
        return {}

    def _subscribe(self, what: list[dict[str, Any]] | None) -> None:
        """Set what is subscribed; None subscribes nothing."""
        if what != self._subscription:
            self._subscription = what
            self._changed.set()

    def reconnect(self) -> None:
        """Drop the connection; `run` makes a new one."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def run(self, on_frame: Callable[[T], None]) -> None:
        """Deliver frames until cancelled. A connection that ends is made again, ever more patiently while it fails."""
        pause = FIRST_PAUSE_S
        while True:
            await self._something_to_subscribe()
            before = self.last_frame
            try:
                await self._converse(on_frame)
            except* (OSError, WebSocketException, TimeoutError) as group:
                log.info("stream ended url=%s error=%r", self._url, group.exceptions[0])
            self._connection = None
            pause = FIRST_PAUSE_S if self.last_frame != before else min(LONGEST_PAUSE_S, pause * 2)
            await asyncio.sleep(self._rng.uniform(0.0, pause))

    async def _something_to_subscribe(self) -> None:
        while self._subscription is None:
            self._changed.clear()
            await self._changed.wait()

    async def _converse(self, on_frame: Callable[[T], None]) -> None:
        """Hold one connection: subscribe, and deliver until it closes."""
        async with connect(
            self._url,
            additional_headers=self._headers(),
            compression=None,
            open_timeout=OPEN_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=LARGEST_FRAME,
            proxy=None,
        ) as connection:
            self._connection = connection
            self._changed.set()
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send_subscriptions(connection))
                async for frame in connection:
                    self._take(frame, on_frame)
                sender.cancel()

    async def _send_subscriptions(self, connection: ClientConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._subscription is None:
                await connection.close()
                return
            message = [{"ticket": f"{self._rng.getrandbits(64):016x}"}, *self._subscription]
            await connection.send(msgspec.json.encode(message).decode())
            await asyncio.sleep(BETWEEN_SUBSCRIPTIONS_S)

    def _take(self, frame: str | bytes, on_frame: Callable[[T], None]) -> None:
        self.last_frame = asyncio.get_running_loop().time()
        try:
            decoded = self._decoder.decode(frame)
        except msgspec.DecodeError:
            log.warning("frame of another shape url=%s frame=%.200r", self._url, frame)
            return
        on_frame(decoded)


class TickerStream(Stream[StreamTicker]):
    """Last trades of a changing set of markets."""

    def __init__(self, url: str, *, rng: random.Random) -> None:
        super().__init__(url, StreamTicker, rng)

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        self._subscribe([{"type": "ticker", "codes": sorted(markets)}] if markets else None)


class OrderStream(Stream[StreamOrder]):
    """Events of the account's orders: hints to look, never the only proof."""

    def __init__(self, url: str, access_key: str, secret_key: str, *, rng: random.Random) -> None:
        super().__init__(url + "/private", StreamOrder, rng)
        self._access_key = access_key
        self._secret_key = secret_key
        self._subscribe([{"type": "myOrder", "codes": []}])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(self._access_key, self._secret_key)}"}
