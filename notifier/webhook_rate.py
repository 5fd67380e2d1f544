"""How fast messages leave: never more than a webhook may send, and no more than Discord says are left."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from notifier.answers import LONGEST_PAUSE_S, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS, WINDOW_S = 5, 2.0
"""What a webhook may send; Discord's headers tell of less."""


class WebhookRate:
    """When the next request may leave; times are those of the loop, seconds."""

    def __init__(self) -> None:
        self._left: deque[float] = deque(maxlen=REQUESTS)
        self._not_before = 0.0

    def wait_s(self, now: float) -> float:
        """Return how long the next request must wait."""
        free = self._left[0] + WINDOW_S if len(self._left) == REQUESTS else now
        return max(0.0, free - now, self._not_before - now)

    def leave(self, now: float) -> None:
        """Take notice of a request that leaves now."""
        self._left.append(now)

    def hear(self, headers: Mapping[str, str], now: float) -> None:
        """Take notice of what an answer says is left, and until when."""
        if headers.get("X-RateLimit-Remaining") != "0":
            return
        try:
            rest = min(bounded(headers.get("X-RateLimit-Reset-After", "")), LONGEST_PAUSE_S)
        except ValueError:
            return
        self._not_before = max(self._not_before, now + rest)
