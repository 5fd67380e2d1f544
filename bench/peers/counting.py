"""How a process measures what a frame costs it, whatever client it runs. It imports nothing of ours."""

from __future__ import annotations

import json
import time

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
