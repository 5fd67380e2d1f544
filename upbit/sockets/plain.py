"""Sockets of `websockets`, which are always there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import DATA_OPCODES, Frame

from upbit.sockets.common import CLOSE_S, LARGEST_MESSAGE, OPEN_S, PING_S, Flood, Parts

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from websockets.protocol import Event

    from upbit.sockets.common import OnMessage, Socket, Way


class _Direct(connect):
    """A connection that follows no redirects: our token is for Upbit alone."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class _Listening(ClientConnection):
    """A connection that hands messages over instead of queueing them."""

    _flood: Flood

    def __init__(self, way: Way, on_message: OnMessage, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._patience = way.patience
        self._parts = Parts(on_message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._flood = Flood(transport, self._patience)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._flood.came()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._flood.end()
        super().connection_lost(exc)

    def process_event(self, event: Event) -> None:
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
        elif not self._parts.take(event.data, last=event.fin):  # type: ignore[arg-type] # no memoryview comes in
            self.abort()

    def abort(self) -> None:
        """End it at once."""
        self.transport.abort()


@asynccontextmanager
async def open_plain(way: Way, on_message: OnMessage) -> AsyncIterator[Socket]:
    """Open a socket, and close it in the end."""
    tls: dict[str, Any] = {"ssl": way.tls} if way.tls else {}
    async with _Direct(
        way.url,
        create_connection=partial(_Listening, way, on_message),  # type: ignore[arg-type] # as good as its class
        compression=None,
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        max_size=LARGEST_MESSAGE,
        proxy=way.proxy,
        **tls,
    ) as connection:
        assert isinstance(connection, _Listening)
        yield connection
