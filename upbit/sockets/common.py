"""What every kind of socket is, and how each is opened and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import ssl

PING_S = 20.0
"""How often the other side is asked whether it lives, and how long it may take to say so."""
OPEN_S, CLOSE_S = 10.0, 2.0
LARGEST_MESSAGE = 1024 * 1024
BUNDLED_S = 0.02
"""How long a message may wait for others: nothing is decided on in so short a time."""

T = TypeVar("T")

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


class Bundle(Generic[T]):
    """Hands over what came, one after the other; in a flood together, fifty times a second.

    Waking up for each message costs more than the message does. The first one after a while does not wait.
    """

    def __init__(self, hand_over: Callable[[T], None], patience: Callable[[], float]) -> None:
        self._hand_over = hand_over
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._held: list[T] = []
        self._timer: asyncio.Handle | None = None
        self._rests_until = -inf  # loop time

    def add(self, one: T) -> None:
        """Take what came."""
        self._held.append(one)
        if self._timer is None:
            if self._loop.time() >= self._rests_until:
                self.empty()
            else:
                self._timer = self._loop.call_at(self._rests_until, self.empty)

    def empty(self) -> None:
        """Hand over what is held, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rests_until = self._loop.time() + self._patience()
        held, self._held = self._held, []
        for one in held:
            self._hand_over(one)


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
