"""A way between a browser and a server that can be cut, in the middle of whatever is being said."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK = 65_536


@dataclass(slots=True)
class Relay:
    """Passes bytes on, both ways."""

    port: int  # of the server
    ways: set[asyncio.StreamWriter] = field(default_factory=set)  # to browsers
    half: int | None = None  # so many bytes of the next answer pass before everything is cut
    cuts: int = 0

    def cut(self) -> None:
        """Cut everything, at once."""
        self.cuts += 1
        for way in self.ways:
            way.transport.abort()

    def cut_within(self, count: int) -> None:
        """Cut everything once so many bytes of what comes next have passed."""
        self.half = count

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one browser with the server."""
        self.ways.add(writer)
        with contextlib.suppress(ConnectionError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self.pass_on(reader, up_writer, counted=False))
                both.create_task(self.pass_on(up_reader, writer, counted=True))
        self.ways.discard(writer)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        """Pass on what one side says, until either has gone."""
        try:
            while chunk := await reader.read(CHUNK):
                if counted and self.half is not None:
                    writer.write(chunk[: self.half])
                    await writer.drain()
                    self.half = None
                    self.cut()
                    return
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def relayed(port: int) -> AsyncIterator[tuple[Relay, int]]:
    """Open a way to a port; return it, and where it begins."""
    relay = Relay(port)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        yield relay, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        relay.cut()
