"""What every kind of socket is, and how each is opened and kept."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from math import inf
from socket import SO_RCVLOWAT, SOL_SOCKET
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl

log = logging.getLogger("upbit.sockets")

PING_S = 20.0
"""How often the other side is asked whether it lives, and how long it may take to say so."""
OPEN_S, CLOSE_S = 10.0, 2.0
LARGEST_MESSAGE = 1024 * 1024
BUNDLED_S = 0.03
"""How long a message may wait for others: nothing is decided on in so short a time."""

GATHERS = sys.platform == "linux"
GATHERED = 65536
"""Bytes that are read even before their time."""

Message = bytes | bytearray
OnMessage = Callable[[Message], bool]
"""Takes every message, whole, and says whether it wants more; it raises nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a socket leads, and how."""

    url: str
    tls: ssl.SSLContext | None = None  # None: a plain one
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    patience: Callable[[], float] = lambda: BUNDLED_S  # how long a message may wait for others, seconds


class Socket(Protocol):
    """An open socket."""

    async def send(self, message: str) -> None:
        """Send a text."""

    async def close(self) -> None:
        """Say goodbye, and wait for the end, but not for long."""

    async def wait_closed(self) -> None:
        """Wait until it has ended, for whatever reason."""

    def abort(self) -> None:
        """End it at once, without a word."""


Open = Callable[[Way, OnMessage], AbstractAsyncContextManager[Socket]]
"""Opens a socket, and closes it in the end.

Raises:
    OSError, WebSocketException: when it cannot be opened, or was closed while something was sent.
"""


class Flood:
    """Lets what comes in a flood gather in the kernel, and be read together, thirty times a second.

    Waking up and reading for each message cost more than the message does. One that comes after a while does not wait,
    and no end of a connection does. Other systems than Linux would not say what has gathered, so there each is read, as
    where no kernel is asked at all (a network in memory).
    """

    def __init__(self, transport: asyncio.BaseTransport, patience: Callable[[], float]) -> None:
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._until = -inf  # loop time: what comes before then is one

    def came(self) -> None:
        """Take note that something was read."""
        if self._timer is not None or not GATHERS or self._socket is None:
            return
        now, patience = self._loop.time(), self._patience()
        if now < self._until and patience:
            self._read_from(GATHERED)
            self._timer = self._loop.call_at(now + patience, self._read)
        self._until = now + patience

    def end(self) -> None:
        """Have nothing read any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read(self) -> None:
        self._timer = None
        self._until = self._loop.time() + self._patience()
        if self._socket is not None:
            self._read_from(1)

    def _read_from(self, size: int) -> None:
        """Have the loop woken from so many bytes on, or the end; where the kernel refuses that, each is read."""
        if not self._transport.is_closing():  # else the number of the socket may be another's already
            try:
                self._socket.setsockopt(SOL_SOCKET, SO_RCVLOWAT, size)
            except OSError as error:
                log.info("frames do not gather error=%s", error)
                self._socket = None


class Parts:
    """Puts messages together that come in several frames, and hands them over."""

    def __init__(self, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._parts: list[bytes | bytearray] = []
        self._size = 0

    def take(self, part: bytes | bytearray, *, last: bool) -> bool:
        """Take the next frame of a message; return whether more is wanted."""
        if last and not self._parts:  # as nearly always
            return self._on_message(part)
        self._parts.append(part)
        self._size += len(part)
        if self._size > LARGEST_MESSAGE or not last:
            return self._size <= LARGEST_MESSAGE
        whole, self._parts, self._size = b"".join(self._parts), [], 0
        return self._on_message(whole)
