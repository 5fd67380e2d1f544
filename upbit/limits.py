"""Upbit's rate limits, kept on our side: never more requests in any second than a group allows.

Upbit counts fixed seconds by its own clock. A window that slides over every second of ours can never exceed that,
whatever the two clocks think of each other; the margin covers requests that bunch up on the way.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections import deque
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

QUOTATION_PER_S = 10
WINDOW_S = 1.05
"""A second and a margin."""

LIMITS: Mapping[str, tuple[int, float]] = {
    "market": (QUOTATION_PER_S, WINDOW_S),
    "candle": (QUOTATION_PER_S, WINDOW_S),
    "trade": (QUOTATION_PER_S, WINDOW_S),
    "ticker": (QUOTATION_PER_S, WINDOW_S),
    "orderbook": (QUOTATION_PER_S, WINDOW_S),
    "default": (30, WINDOW_S),
    "order": (12, WINDOW_S),
    "order-test": (8, WINDOW_S),
    "order-cancel-all": (1, 2 * WINDOW_S),
}
"""Requests per window, by group (documentation of October 2026)."""

REMAINING = re.compile(r"group=([a-z\-]+).*sec=([0-9]+)")


class Lane:
    """One group: who waits, and when the last requests left."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._left: deque[float] = deque(maxlen=limit)
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._blocked_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def free(self) -> int:
        """Return how many requests could leave at once now."""
        now = asyncio.get_running_loop().time()
        if now < self._blocked_until:
            return 0
        return self._limit - sum(1 for at in self._left if at > now - self._window)

    def block(self, seconds: float) -> None:
        """Let nothing leave for some seconds."""
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)

    async def acquire(self, *, urgent: bool) -> None:
        """Wait for a place; the urgent go first, then whoever came first."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (0 if urgent else 1, next(self._order), waiter))
        self._release()
        await waiter

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            wait = self._wait(loop.time())
            if wait > 0:
                if self._timer is None:
                    self._timer = loop.call_later(wait, self._on_timer)
                return
            *_, waiter = heapq.heappop(self._waiting)
            if not waiter.done():  # cancelled while it waited: its place is not used up
                self._left.append(loop.time())
                waiter.set_result(None)

    def _on_timer(self) -> None:
        self._timer = None
        self._release()

    def _wait(self, now: float) -> float:
        """Return the seconds until the next request may leave."""
        oldest = self._left[0] + self._window if len(self._left) == self._limit else 0.0
        return max(oldest, self._blocked_until) - now


class RateLimiter:
    """All groups of one account on one machine. Groups are separate: candles can never starve an order."""

    def __init__(self) -> None:
        self._lanes = {group: Lane(*limit) for group, limit in LIMITS.items()}

    async def acquire(self, group: str, *, urgent: bool = False) -> None:
        """Wait until a request of `group` may leave."""
        await self._lanes[group].acquire(urgent=urgent)

    def observe(self, header: str | None) -> None:
        """Believe Upbit's own count: where it has nothing left and we have, somebody else spends too, so wait."""
        found = REMAINING.search(header or "")
        lane = self._lanes.get(found.group(1)) if found else None
        if found and lane and int(found.group(2)) == 0 and lane.free() > 0:
            lane.block(WINDOW_S)

    def refused(self, group: str, retry_after: float | None, *, penalty: bool) -> None:
        """Note a 429, or a 418 with its penalty: nothing leaves before it is over."""
        self._lanes[group].block(retry_after or (60.0 if penalty else WINDOW_S))

    def free(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return {group: lane.free() for group, lane in self._lanes.items()}
