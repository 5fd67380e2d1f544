"""The HTTP server under the sandbox, for clients of every kind: patient with no one, and never at a loss for an error.

aiohttp parses; a request that is no HTTP, or breaks off, gets an error of Upbit's shape like any other. Limits: a line
or a header of 8 KiB, 128 headers, a body of 1 MiB, a minute for the first request and for each body.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.refusals import refuse
from sandbox.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.refusals import ApiError

logger = logging.getLogger(__name__)

PATIENCE_S = 60.0  # loop seconds a client may take for its first request, and for each body
LARGEST_BODY = 1024**2  # bytes, unpacked
KEEP_ALIVE_S = 3600.0


class HttpServer(web.Server):
    """Makes the protocol of each connection. `on_error` is told of failures that are ours."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], on_error: Callable[[], None]
    ) -> None:
        super().__init__(self._enter(handler), access_log=None, keepalive_timeout=KEEP_ALIVE_S)
        self.on_error = on_error

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return Connection(self, self.on_error, loop=self._loop, **self._kwargs)

    @staticmethod
    def _enter(
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def enter(request: web.BaseRequest) -> web.StreamResponse:
            if isinstance(request.protocol, Connection):
                request.protocol.begun = True
            try:
                return await handler(request)
            except web.HTTPException as error:  # aiohttp's own, such as a handshake that is none
                return refused(error.status, refuse("bad_request"))

        return enter


class Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_on_error", "_patience", "begun")

    def __init__(self, manager: HttpServer, on_error: Callable[[], None], **more: Any) -> None:
        super().__init__(manager, **more)
        self._on_error = on_error
        self.begun = False  # whether a request has come
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no more."""
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if not self.begun:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's words, which are not Upbit's
    ) -> web.StreamResponse:
        """Answer what could not be parsed with a 400, and a failure of ours with a 500."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has gone in the middle of its request
        ours = status >= 500  # noqa: PLR2004  # server errors
        if ours:
            logger.error("The sandbox failed to answer path=%s", request.path, exc_info=exc)
            self._on_error()
        if request.writer.output_size > 0:
            raise ConnectionError("part of another answer has left already")
        return refused(status, refuse("internal_server_error" if ours else "bad_request"))

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """Take note of what aiohttp could not handle: nothing of ours when a client sent a body that is broken."""
        if isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            return
        logger.error(*args, **kwargs)
        self._on_error()


def refused(status: int, error: ApiError) -> web.Response:
    """Return an error after which the connection ends."""
    response = web.Response(status=status, body=to_json(error.body()), content_type="application/json")
    response.force_close()
    return response


async def read_body(request: web.BaseRequest) -> bytes:
    """Read a body to its end, or raise the `ApiError` of one that is too large, too slow or broken."""
    if not request.can_read_body:
        return b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise refuse("request_entity_too_large") from error
    except TimeoutError as error:
        raise refuse("request_timeout") from error
    except web.RequestPayloadError as error:
        raise refuse("bad_request") from error
