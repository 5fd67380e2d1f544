"""Upbit's rate limits, kept on our side: never more requests in any second than a group allows.

Upbit counts fixed seconds by its own clock, so two bursts on both sides of one of *our* boundaries may meet in one of
*its* seconds. Hence places instead of seconds: a group has as many places as it allows requests, a request holds one
from before it leaves until a window after its answer came, and Upbit counted it somewhere between. Whatever the
clocks and the road do, no second of Upbit's can hold more answered requests than there are places.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from upbit.errors import NotSent, RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

WINDOW_S = 1.05
"""A second and a margin."""

PER_ADDRESS: Mapping[str, tuple[int, float]] = {
    "market": (10, WINDOW_S),
    "candle": (10, WINDOW_S),
    "trade": (10, WINDOW_S),
    "ticker": (10, WINDOW_S),
    "orderbook": (10, WINDOW_S),
}
"""Quotation: requests per window, by group, counted for our IP address (documentation of October 2026)."""

PER_POCKET: Mapping[str, tuple[int, float]] = {
    "default": (30, WINDOW_S),
    "order": (12, WINDOW_S),
    "order-test": (8, WINDOW_S),
    "order-cancel-all": (1, 2 * WINDOW_S),
}
"""Exchange: the same, counted for all keys of a pocket together."""

LIMITS: Mapping[str, tuple[int, float]] = {**PER_ADDRESS, **PER_POCKET}

PENALTY_S = 60.0
"""How long a 418 blocks that does not say so."""
LONGEST_BLOCK_S = 3600.0
PATIENCE_S = 5.0
"""No request waits for a block longer than this: what it asks for would be stale when the block is over."""
MOST_WAITING = 1000

REMAINING = re.compile(r"group=([a-z\-]+);.*\bsec=([0-9]+)")


class Lane:
    """One group: its places, and who waits for one."""

    def __init__(self, limit: int, window: float) -> None:
        self._limit = limit
        self._window = window
        self._on_the_way = 0
        self._free_at: deque[float] = deque()  # when places of answered requests become free, ascending
        self._blocked_until = 0.0
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def free(self) -> int:
        """Return how many requests could leave at once now."""
        now = asyncio.get_running_loop().time()
        while self._free_at and self._free_at[0] <= now:
            self._free_at.popleft()
        return 0 if now < self._blocked_until else self._limit - self._on_the_way - len(self._free_at)

    async def enter(self, *, urgent: bool) -> None:
        """Take a place; the urgent go first, then whoever came first.

        Raises:
            RateLimited: when Upbit has blocked the group for longer than anybody should wait.
            NotSent: when too many wait already.
        """
        if refusal := self._refusal():
            raise refusal
        if len(self._urgent) + len(self._patient) >= MOST_WAITING:
            raise NotSent(f"{MOST_WAITING} requests of this group wait already")
        queue = self._urgent if urgent else self._patient
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        self._admit()
        try:
            await waiter
        except asyncio.CancelledError:
            with suppress(ValueError):  # it may have been taken out already
                queue.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._on_the_way -= 1  # admitted in the very turn of the cancellation: the place was never used
                self._admit()
            raise

    def leave(self) -> None:
        """Give a place back: it becomes free a window from now."""
        self._on_the_way -= 1
        self._free_at.append(asyncio.get_running_loop().time() + self._window)
        self._admit()

    def believe(self, remaining: int) -> None:
        """Take places out of use for a window where Upbit has fewer left than we: somebody else spends too."""
        until = asyncio.get_running_loop().time() + self._window
        self._free_at.extend([until] * max(0, self.free() - remaining))

    def block(self, seconds: float) -> None:
        """Let nothing leave for some seconds, and keep nobody waiting for a long block."""
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)
        for waiter in (*self._urgent, *self._patient):
            refusal = self._refusal()
            if refusal and not waiter.done():
                waiter.set_exception(refusal)

    def _refusal(self) -> RateLimited | None:
        seconds = self._blocked_until - asyncio.get_running_loop().time()
        if seconds <= PATIENCE_S:
            return None
        error = RateLimited(f"blocked for another {seconds:.0f} s, so nothing was sent", status=418)
        error.retry_after = seconds
        return error

    def _admit(self) -> None:
        while queue := self._next_queue():
            if self.free() <= 0:
                self._wake_later()
                return
            self._on_the_way += 1
            queue.popleft().set_result(None)

    def _next_queue(self) -> deque[asyncio.Future[None]] | None:
        for queue in (self._urgent, self._patient):
            while queue and queue[0].done():  # cancelled or refused while it waited
                queue.popleft()
            if queue:
                return queue
        return None

    def _wake_later(self) -> None:
        """Look again when time alone can have made a place free; a place on its way wakes us by itself."""
        loop = asyncio.get_running_loop()
        at = self._blocked_until if loop.time() < self._blocked_until else next(iter(self._free_at), None)
        if self._timer is None and at is not None:
            self._timer = loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._admit()


class RateLimiter:
    """All groups of one account on one machine. Groups are separate: candles can never starve an order."""

    def __init__(self) -> None:
        self._lanes = {group: Lane(*limit) for group, limit in LIMITS.items()}

    @asynccontextmanager
    async def place(self, group: str, *, urgent: bool = False) -> AsyncIterator[None]:
        """Wait until a request of `group` may leave, and hold its place until it is answered or given up."""
        lane = self._lanes[group]
        await lane.enter(urgent=urgent)
        try:
            yield
        finally:
            lane.leave()

    async def acquire(self, group: str, *, urgent: bool = False) -> None:
        """Wait until something of `group` may leave, however long that is; it counts as answered at once."""
        while True:
            try:
                async with self.place(group, urgent=urgent):
                    return
            except RateLimited as error:
                await asyncio.sleep(error.retry_after or PENALTY_S)

    def observe(self, group: str, header: str | None) -> None:
        """Compare our count with Upbit's `Remaining-Req`; a group it calls otherwise than we do is `group`."""
        if found := REMAINING.search(header or ""):
            lane = self._lanes.get(found[1]) or self._lanes[group]
            lane.believe(int(found[2]))

    def refused(self, group: str, retry_after: float | None, *, penalty: bool) -> None:
        """Note a 429: the group is empty until Upbit's next second; or a 418, a penalty, and its time.

        A penalty is for all that is counted together with `group`, by address or by pocket.
        """
        seconds = retry_after or PENALTY_S if penalty else max(retry_after or 0.0, WINDOW_S)
        together = PER_ADDRESS if group in PER_ADDRESS else PER_POCKET
        for refused in together if penalty else (group,):
            self._lanes[refused].block(min(seconds, LONGEST_BLOCK_S))

    def free(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return {group: lane.free() for group, lane in self._lanes.items()}
