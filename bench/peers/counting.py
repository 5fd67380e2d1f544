"""How a process measures what frames and orders cost it, whatever client it runs. It imports nothing of ours."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ACCESS_KEY, SECRET_KEY = "bench-access-key", "bench-secret-key-0123456789abcdef01234567"
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-SOL", "KRW-DOGE")


class Enough(Exception):
    """All frames were counted."""


class Counter:
    """Measures this process from one frame to another."""

    def __init__(self, warm: int, frames: int) -> None:
        self._warm, self._frames, self._seen = warm, frames, 0
        self._cpu = self._at = 0.0

    def frame(self) -> None:
        """Count one; the last one is followed by `Enough`."""
        self._seen += 1
        if self._seen == self._warm:
            self._cpu, self._at = time.process_time(), time.perf_counter()
        elif self._seen == self._warm + self._frames:
            cpu, passed = time.process_time() - self._cpu, time.perf_counter() - self._at
            print(json.dumps({"us": 1e6 * cpu / self._frames, "a_second": self._frames / passed}), flush=True)
            raise Enough


async def repeat(place: Callable[[int], Awaitable[Any]], orders: int, pause_s: float) -> None:
    """Place so many orders, one after the other's answer and a pause; print when each was decided, monotonic ns."""
    decided = []
    for number in range(orders):
        await asyncio.sleep(pause_s)
        decided.append(time.monotonic_ns())
        await place(number)
    print(json.dumps(decided), flush=True)
