"""A raw HTTP server that plays back bytes, and a client of it: every kind of answer, spelled byte for byte."""

from __future__ import annotations

import asyncio
import json
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import jwt
from jwt.warnings import InsecureKeyLengthWarning

from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "0123456789abcdef0123456789abcdef01234567"
DROP = b""


def http(status: int, body: object, *headers: str) -> bytes:
    """Spell an answer byte for byte."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Wire:
    """A raw HTTP server: notes every request it sees and plays back bytes; `DROP` closes without a word."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests of one connection until there is nothing left to say."""
        self.writers.append(writer)
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                length = next((int(x[15:]) for x in head.split("\r\n") if x.lower().startswith("content-length:")), 0)
                self.bodies.append(await reader.readexactly(length))
                self.seen.append(head)
                answer = self.answers.pop(0) if self.answers else DROP
                if answer == DROP:
                    break
                writer.write(answer)
                await writer.drain()
                if b"Connection: close" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def tokens(self) -> list[dict[str, str]]:
        """Return the verified claims of every request."""
        found = [line[22:] for head in self.seen for line in head.split("\r\n") if line.startswith("Authorization")]
        return [decode(token) for token in found]


def decode(token: str) -> dict[str, str]:
    """Verify a token as Upbit would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)  # Upbit's keys have 40 characters
        return dict(jwt.decode(token, SECRET, algorithms=["HS512"]))


@asynccontextmanager
async def serving() -> AsyncIterator[Wire]:
    """Serve on a free port of this machine."""
    wire = Wire()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for writer in wire.writers:
            writer.close()
        await server.wait_closed()


@asynccontextmanager
async def asking(wire: Wire) -> AsyncIterator[Upbit]:
    """Return a client of that server, with keys."""
    async with open_session() as session:
        yield Upbit(session, base_url=f"http://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET)
