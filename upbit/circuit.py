"""When Upbit says that the key does not allow something, stop asking for it: one probe a minute until it is allowed.

A wrong, expired or misplaced key closes everything that is signed; a lacking permission only what needs it. While
closed, a request fails here as it failed there, and no byte leaves.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upbit.errors import AgreementNeeded, OutOfScope, RateLimited, Rejected, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from upbit.errors import ExchangeError

PROBE_EVERY_S = 60.0
KEY, VIEW_ACCOUNTS, VIEW_ORDERS, MAKE_ORDERS, AGREEMENT = (
    "key",
    "view_accounts",
    "view_orders",
    "make_orders",
    "agreement",
)


def permission_of(method: str, path: str) -> str:
    """Return which permission a signed request needs; empty for what trading does not need."""
    if path == "/v1/accounts":
        return VIEW_ACCOUNTS
    if not path.startswith("/v1/order"):
        return ""
    return VIEW_ORDERS if method == "GET" else MAKE_ORDERS


@dataclass(slots=True)
class _Closed:
    """What is closed: the refusal, and when the next probe may leave, loop time."""

    error: ExchangeError
    probe_at: float


class Circuit:
    """`check` before a signed request, `observe` after it.

    `on_change` hears what was closed, with Upbit's refusal, and what was opened again, with None.
    """

    def __init__(self) -> None:
        self._closed: dict[str, _Closed] = {}
        self.on_change: Callable[[str, ExchangeError | None], None] = lambda *_: None

    def check(self, permission: str) -> None:
        """Let a request pass, or raise the refusal it would get.

        Raises:
            Unauthorized: as Upbit said it, while it is not yet time to ask again.
        """
        if not self._closed:
            return  # as nearly always
        now = asyncio.get_running_loop().time()
        closed = [self._closed[part] for part in (KEY, permission) if part in self._closed]
        for part in closed:
            if now < part.probe_at:
                known = part.error
                raise type(known)(f"{known.message} (not asked again yet)", name=known.name, status=known.status)
        for part in closed:
            part.probe_at = now + PROBE_EVERY_S

    def observe(self, permission: str, error: ExchangeError | None) -> None:
        """Note how a request ended. A refusal for another reason proves that the key works."""
        if isinstance(error, OutOfScope):
            self._opened(KEY)
            if permission:
                self._close(permission, error)
        elif isinstance(error, Unauthorized):
            self._close(KEY, error)
        elif error is None or (isinstance(error, Rejected) and not isinstance(error, RateLimited)):
            self._opened(KEY)
            self._opened(permission)
        if isinstance(error, AgreementNeeded):
            self.on_change(AGREEMENT, error)

    def _opened(self, part: str) -> None:
        if self._closed.pop(part, None) is not None:
            self.on_change(part, None)

    def _close(self, part: str, error: ExchangeError) -> None:
        news = part not in self._closed
        self._closed[part] = _Closed(error, asyncio.get_running_loop().time() + PROBE_EVERY_S)
        if news:
            self.on_change(part, error)
