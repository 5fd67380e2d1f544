"""Delayed calls in market time, all of which end with the sandbox."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Timers:
    """Calls functions after a delay of market time; `speed` is market seconds per loop second.

    A function that fails is logged and counted, and the others go on.
    """

    def __init__(self, speed: float, on_error: Callable[[], None]) -> None:
        self._speed = speed
        self._on_error = on_error
        self._pending: set[asyncio.TimerHandle] = set()
        self._over = asyncio.Event()

    def later(self, delay_ms: int, function: Callable[[], None], *, at_least: float = 0.0) -> None:
        """Call a function in so many milliseconds of market time, and not before `at_least` loop seconds."""
        if self._over.is_set():
            return
        handle: asyncio.TimerHandle | None = None

        def run() -> None:
            assert handle is not None
            self._pending.discard(handle)
            try:
                function()
            except Exception:
                logger.exception("A timer of the sandbox failed function=%s", function)
                self._on_error()

        seconds = max(delay_ms / 1000 / self._speed, at_least)
        handle = asyncio.get_running_loop().call_later(seconds, run)
        self._pending.add(handle)

    async def sleep(self, delay_ms: int, *, at_least: float = 0.0) -> bool:
        """Wait so many milliseconds of market time, and `at_least` loop seconds; return whether that was in peace.

        Ends at once, and false, when the sandbox closes.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(max(delay_ms / 1000 / self._speed, at_least)):
                await self._over.wait()
        return not self._over.is_set()

    def close(self) -> None:
        """Cancel what is pending and take no more."""
        self._over.set()
        for handle in self._pending:
            handle.cancel()
        self._pending.clear()
