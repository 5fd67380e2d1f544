"""One request over a kept connection: written in one piece the moment it is made, and its answer read to the end.

Connections are aiohttp's: how they are made, verified, led through a proxy and kept, and how an answer is parsed. What
its sessions do around a request (redirects, cookies, repetitions, traces, a task for the content) is nothing that Upbit
needs, and takes longer than an order's signature.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import SERVER_SOFTWARE, HttpProcessingError
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.connector import Connection

TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0, sock_read=8.0)
LARGEST_BODY = 4 * 1024 * 1024
CONTINUES = range(100, 200)
"""What an answer is announced with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: everything of it."""

    status: int
    headers: Mapping[str, str]  # whatever their case
    content: bytes


class Request:
    """A request that is made once."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None) -> None:
        """`path` is with its query, encoded; what stands in it and in the headers is sent as it is."""
        self.begun = False  # whether a byte of it may have left
        self._told = {**headers, "Content-Length": str(len(content or b""))} if method != "GET" else headers
        self.line = f"{method} {path} HTTP/1.1\r\n"
        self._content = content or b""

    def leave(self, connection: Connection, about_us: str) -> None:
        """Write it; `about_us` are headers of every request."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ClientConnectionError("the connection ended before anything was written")
        if protocol.writing_paused:
            raise aiohttp.ClientConnectionError("what was written before has not left yet")
        told = "".join([f"{name}: {value}\r\n" for name, value in self._told.items()])
        whole = f"{self.line}{about_us}{told}\r\n".encode("ascii") + self._content
        self.begun = True
        transport.write(whole)
        # what is left can wait until it has left: no answer is read before the next turn of the loop
        protocol.set_response_params(read_until_eof=True, read_timeout=TIMEOUT.sock_read)
        protocol.start_timeout()


class Way:
    """The way to an address, over the connections of a session."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = URL(base_url)
        self._about_us = (
            f"Host: {self._base_url.host_port_subcomponent}\r\nAccept: application/json\r\n"
            f"User-Agent: {SERVER_SOFTWARE}\r\n"
        )
        self._goal: aiohttp.ClientRequest | None = None

    async def ask(self, request: Request) -> Answer:
        """Make a request, and return its answer.

        Raises:
            aiohttp.ClientError, OSError, TimeoutError: `request.begun` says whether anybody may have heard of it.
        """
        connection = await self._connect()
        try:
            request.leave(connection, self._about_us)
            async with asyncio.timeout(TIMEOUT.total):
                answer = await read(connection)
        except BaseException:
            connection.close()
            raise
        connection.release()
        return answer

    async def _connect(self) -> Connection:
        """Return a connection that is ours until it is released."""
        connector = self._session.connector
        assert connector is not None
        if self._goal is None:  # aiohttp finds a connection by the request that wants one
            proxy = self._session._default_proxy  # noqa: SLF001 - how it was opened; nothing public says so
            self._goal = aiohttp.ClientRequest(
                "GET",
                self._base_url,
                proxy=URL(proxy) if proxy else None,
                loop=asyncio.get_running_loop(),
                session=self._session,
            )
        return await connector.connect(self._goal, traces=[], timeout=TIMEOUT)


async def read(connection: Connection) -> Answer:
    """Read an answer to its end, but never more than is sane."""
    assert connection.protocol is not None
    try:
        head, body = await connection.protocol.read()
        while head.code in CONTINUES:
            head, body = await connection.protocol.read()
    except HttpProcessingError as error:
        raise aiohttp.ClientPayloadError(f"no answer: {error}") from error
    content = bytearray()
    async for chunk in body.iter_chunked(65536):
        content += chunk
        if len(content) > LARGEST_BODY:
            raise aiohttp.ClientPayloadError(f"an answer larger than {LARGEST_BODY} bytes")
    return Answer(status=head.code, headers=head.headers, content=bytes(content))
