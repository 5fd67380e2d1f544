"""Where connections come in: so many at a time, and no more, whoever opens them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from aiohttp import web

MOST = 200
"""Fifty browsers with their streams. Each connection is an open file, and the daemon needs some for orders."""


class TurnedAway(asyncio.Protocol):
    """A connection that finds no place: it ends at once, and nothing of it is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        cast("asyncio.Transport", transport).abort()


class Entrance:
    """Makes what speaks with each connection that comes."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def __call__(self) -> asyncio.Protocol:
        """Return who speaks with the next one."""
        return cast("asyncio.Protocol", self._server()) if len(self._server.connections) < MOST else TurnedAway()
