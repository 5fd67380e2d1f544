"""One WebSocket connection: its reader, its writer, its limits and its silence."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from sandbox.stream.subscription import Format, Message, StreamError, Subscription, read_message
from sandbox.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from aiohttp import WSMessage

IDLE_SECONDS = 60.5  # without a byte in either direction; then the connection just drops
STATUS_SECONDS = 10.0
FAREWELL_SECONDS = 0.15  # between an error frame and the close
MOST_QUEUED = 20_000  # frames a client may be behind before it is dropped
PER_SECOND, PER_MINUTE = 5, 100


class Session:
    """A client on one of the paths, which knows `types`. `on_message` is told of each well-formed request."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        request: web.BaseRequest,
        *,
        types: Collection[str],
        now_ms: Callable[[], int],
        on_message: Callable[[Session, Message], Awaitable[None]],
        on_violation: Callable[[str], None],
    ) -> None:
        self._types = types
        self.format: Format = "DEFAULT"
        self.subscriptions: tuple[Subscription, ...] = ()
        self.owed: set[tuple[str, str]] = set()  # types and markets whose snapshot comes first
        self._socket = socket
        self._request = request
        self._now_ms = now_ms
        self._on_message = on_message
        self._on_violation = on_violation
        self.spoil: Callable[[bytes], Iterable[bytes]] | None = None  # what is sent instead of a frame
        self._queue: deque[bytes | int] = deque()  # a number: the code to close with
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._active_at = self._loop.time()
        self._status: asyncio.TimerHandle | None = None
        self._counts: dict[int, tuple[int, int]] = {}  # window length in ms -> (window, messages)

    def send(self, frame: bytes) -> None:
        """Queue a frame; a client that is too far behind is dropped."""
        for sent in (frame,) if self.spoil is None else self.spoil(frame):
            self._put(sent)

    def hang_up(self, code: int | None) -> None:
        """End the connection after what is queued, with a close frame; without a code at once and without one."""
        if code is None:
            self.drop()
        else:
            self._put(code)

    def _put(self, frame: bytes | int) -> None:
        if len(self._queue) >= MOST_QUEUED:
            self.drop()
            return
        self._queue.append(frame)
        self._wake.set()

    def drop(self) -> None:
        """End the connection without a close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def close(self) -> None:
        """Close in order, as the server does when it stops."""
        with suppress(ConnectionError):
            await self._socket.close(code=1001)

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        idle = self._loop.call_later(IDLE_SECONDS, self._check_idle)
        self._idle = idle
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(self._write(), name="sandbox stream writer")
                try:
                    await self._read()
                finally:
                    writer.cancel()
        finally:
            self._idle.cancel()
            if self._status is not None:
                self._status.cancel()

    async def refuse(self, error: StreamError) -> None:
        """Send an error frame, then close with 1000 as the exchange does."""
        self._on_violation(error.name)
        with suppress(ConnectionError):
            await self._send_queued()
            await self._socket.send_bytes(to_json({"error": {"name": error.name, "message": error.message}}))
            await asyncio.sleep(FAREWELL_SECONDS)
            await self._socket.close(code=1000)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            self._active_at = self._loop.time()
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                return
            try:
                await self._take(message)
            except StreamError as error:
                await self.refuse(error)
                return

    async def _take(self, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await self._socket.pong(message.data)
        if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            return
        self._count()
        if message.data in {"PING", b"PING"}:
            self._send_status()
            return
        request = read_message(message.data, self._types)
        self.format = request.format or self.format
        await self._on_message(self, request)

    def _count(self) -> None:
        for length, most in ((1_000, PER_SECOND), (60_000, PER_MINUTE)):
            index = self._now_ms() // length
            window, used = self._counts.get(length, (index, 0))
            used = used + 1 if window == index else 1
            self._counts[length] = (index, used)
            if used > most:
                raise StreamError("Too Many Requests")

    async def _write(self) -> None:
        with suppress(ConnectionError):  # the client left: the reader hears of it, too
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._send_queued()

    async def _send_queued(self) -> None:
        while self._queue:
            frame = self._queue.popleft()
            if isinstance(frame, int):
                await self._socket.close(code=frame)
                return
            await self._socket.send_bytes(frame)
            self._active_at = self._loop.time()

    def _send_status(self) -> None:
        if self._status is not None:
            self._status.cancel()
        self.send(b'{"status":"UP"}')
        self._status = self._loop.call_later(STATUS_SECONDS, self._send_status)

    def _check_idle(self) -> None:
        left = self._active_at + IDLE_SECONDS - self._loop.time()
        if left <= 0:
            self.drop()
        else:
            self._idle = self._loop.call_later(left, self._check_idle)
