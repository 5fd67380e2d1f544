"""The port the sandbox listens on, which can be shut for a while and opened again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Listener:
    """Listens for a server. While nobody listens new connections are refused, and open ones go on."""

    def __init__(self, runner: web.ServerRunner, host: str, port: int, on_error: Callable[[], None]) -> None:
        self._runner = runner
        self._host, self._port = host, port
        self._on_error = on_error
        self._site: web.TCPSite | None = None
        self._wanted = True
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> tuple[str, int]:
        """Listen, and return where; raise `OSError` when the port is taken."""
        await self._open()
        self._host, self._port = self._runner.addresses[0][:2]
        self._task = asyncio.get_running_loop().create_task(self._mind(), name="sandbox listener")
        return self._host, self._port

    def listen(self, wanted: bool) -> None:  # noqa: FBT001  # the name of the method says what it is
        """Say whether anybody should listen; soon it is so."""
        self._wanted = wanted
        self._changed.set()

    async def close(self) -> None:
        """Stop for good."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._runner.cleanup()

    async def _open(self) -> None:
        self._site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
        await self._site.start()

    async def _mind(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                if self._wanted and self._site is None:
                    await self._open()
                elif not self._wanted and self._site is not None:
                    site, self._site = self._site, None
                    await site.stop()
            except OSError:
                logger.exception("The port of the sandbox could not be opened again port=%d", self._port)
                self._on_error()
