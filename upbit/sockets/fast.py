"""Sockets of `picows`, an extra: half as much work for a message. It needs uvloop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import picows
from websockets.exceptions import InvalidHandshake

from upbit.sockets.common import CLOSE_S, LARGEST_MESSAGE, OPEN_S, PING_S, Flood, Parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from upbit.sockets.common import OnMessage, Socket, Way

log = logging.getLogger("upbit.sockets")

WHOLE = (picows.WSMsgType.BINARY, picows.WSMsgType.TEXT)
DATA = (*WHOLE, picows.WSMsgType.CONTINUATION)


class _Listening(picows.WSListener):
    """Hands messages over; pings and pongs are answered for it."""

    _transport: picows.WSTransport
    _flood: Flood

    def __init__(self, way: Way, on_message: OnMessage) -> None:
        super().__init__()
        self._on_message = on_message
        self._patience = way.patience
        self._parts = Parts(on_message)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Begin."""
        self._transport = transport
        self._flood = Flood(transport.underlying_transport, self._patience)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame; its bytes are copied, as the buffer they stand in is used again."""
        self._flood.came()
        kind = frame.msg_type
        if kind in WHOLE and frame.fin:  # as nearly always
            if not self._on_message(frame.get_payload_as_bytes()):
                self.abort()
        elif kind in DATA:
            if not self._parts.take(frame.get_payload_as_bytes(), last=frame.fin):
                self.abort()
        elif kind == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, _: picows.WSTransport) -> None:
        """End."""
        self._flood.end()

    async def send(self, message: str) -> None:
        """Send a text."""
        self._transport.send(picows.WSMsgType.TEXT, message.encode())

    async def close(self) -> None:
        """Say goodbye, and wait for the end, but not for long."""
        self._transport.send_close(picows.WSCloseCode.OK)
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.wait_closed()
        except TimeoutError:
            self.abort()

    async def wait_closed(self) -> None:
        """Wait until it has ended, for whatever reason."""
        try:
            await self._transport.wait_disconnected()
        except picows.WSError as error:
            log.info("socket ended: %s", error)

    def abort(self) -> None:
        """End it at once."""
        self._transport.disconnect(graceful=False)


@asynccontextmanager
async def open_fast(way: Way, on_message: OnMessage) -> AsyncIterator[Socket]:
    """Open a socket, and close it in the end."""
    try:
        async with asyncio.timeout(OPEN_S):
            _, socket = await picows.ws_connect(
                lambda: _Listening(way, on_message),
                way.url,
                ssl_context=way.tls,
                proxy=way.proxy,
                max_redirects=0,  # our token is for Upbit alone
                max_frame_size=LARGEST_MESSAGE,
                websocket_handshake_timeout=OPEN_S,
                enable_auto_ping=True,
                auto_ping_strategy=picows.WSAutoPingStrategy.PING_PERIODICALLY,
                auto_ping_idle_timeout=PING_S,
                auto_ping_reply_timeout=PING_S,
            )
    except picows.WSError as error:
        raise InvalidHandshake(str(error)) from error
    assert isinstance(socket, _Listening)
    try:
        yield socket
    finally:
        await socket.close()
