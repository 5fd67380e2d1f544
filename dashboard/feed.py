"""What changes, to those who look: a page is made once for all who look at it, and only when the journal has changed.

Every viewer gets the newest picture of its page, and every row of what happened exactly once: a row bears the number of
its event, the browser repeats the last one it saw when it comes back, and what it missed is read from the journal.
Who does not read is dropped; until then it holds one picture, however much happens.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from dashboard.desk import Sight
from dashboard.html import to_tree
from dashboard.pages.now import row_of
from dashboard.passes import Role
from journal.errors import JournalError
from trader.loops import pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from dashboard.desk import Desk
    from dashboard.pages.parts import Page
    from journal.queries import Queries

log = logging.getLogger("dashboard")

REFRESH_S, HEARTBEAT_S, STALL_S = 1.0, 15.0, 10.0
REST_S = 30.0
SHARE = 10
"""A page is made again after ten times the time it took to make it: what many trades make slow never becomes a load."""
MOST_VIEWERS = 100
KEPT = 1000
"""Rows in memory; what was missed of older ones is read from the journal."""
BUFFER = 64 * 1024
"""Bytes of a viewer's connection; what a page needs fits."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """What a viewer looks at: equal looks are made once."""

    path: str
    asked: tuple[tuple[str, str], ...]
    role: Role


@dataclass(eq=False, slots=True)
class Viewer:
    """One open page."""

    look: Viewed
    cursor: int  # the newest event it was sent
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sent: bytes = b""  # the picture it has


class Feed:
    """Makes pictures and rows while somebody looks."""

    def __init__(self, desk: Desk, pages: Mapping[str, Callable[[Queries, Sight], Page]]) -> None:
        self._desk = desk
        self._pages = pages
        self.viewers: set[Viewer] = set()
        self._pictures: dict[Viewed, bytes] = {}
        self._rows: deque[tuple[int, bytes]] = deque(maxlen=KEPT)  # number and frame of every event, oldest first
        self._last = -1  # the newest event that was read
        self._made: tuple[int, ...] | None = None  # state of the journal then
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Make what viewers wait for, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wanted.clear()
            began = loop.time()
            try:
                await self.refresh()
            except JournalError as error:
                log.warning("the page waits for the journal: %s", error)
            except Exception:  # a fault of the page is no viewer's end, and the next state may be well
                log.exception("the page cannot be made")
                await pause(REST_S * self._desk.seconds)  # once a while is enough to say it
            least = REFRESH_S * self._desk.seconds
            await asyncio.sleep(max(least, SHARE * (loop.time() - began)))
            if not self.viewers:
                self._forget()
                await self._wanted.wait()

    def _forget(self) -> None:
        """Keep nothing for nobody; who comes back reads what it missed from the journal."""
        self._pictures, self._last, self._made = {}, -1, None
        self._rows.clear()

    async def refresh(self) -> None:
        """Make what is looked at, if anything was written since or somebody came, and wake who waits for it."""
        state = self._desk.app.journal.written()
        looks = {viewer.look for viewer in self.viewers}
        if state == self._made and looks <= self._pictures.keys():
            return
        sights = {look: await self._desk.sight(look.role, dict(look.asked)) for look in looks}
        after = self._last

        def ask(journal: Queries) -> tuple[dict[Viewed, bytes], list[tuple[int, bytes]], int]:
            last = journal.last_event()
            rows = [] if after < 0 else list(self._frames(journal, after, last))
            return {look: self._picture(journal, look, sight) for look, sight in sights.items()}, rows, last

        self._pictures, rows, self._last = await self._desk.read(ask)
        self._rows.extend(rows)
        self._made = state
        for viewer in self.viewers:
            viewer.wake.set()

    def _picture(self, journal: Queries, look: Viewed, sight: Sight) -> bytes:
        page, hide = self._pages[look.path](journal, sight), sight.hide
        return frame("page", msgspec.json.encode([to_tree(part, hide) for part in page.sections]))

    def _frames(self, journal: Queries, after: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Yield number and frame of every event behind one; nothing to be told is an empty frame."""
        app = self._desk.app
        sight = Sight(now=app.clock(), config=app.config, role=Role.GUEST)
        hide = sight.hide
        while after < last:
            for event in journal.happened(after, KEPT):
                row = row_of(journal, event, sight)
                after = event.seq
                yield after, b"" if row is None else frame("row", msgspec.json.encode(to_tree(row, hide)), after)

    async def serve(
        self, request: web.Request, look: Viewed, cursor: int, still: Callable[[], bool]
    ) -> web.StreamResponse:
        """Send what changes to one viewer, from the event behind `cursor` on.

        It ends when the viewer goes, does not read, or may not look any more (`still`).
        """
        if len(self.viewers) >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await answer.prepare(request)
        narrow(request.transport)
        viewer = Viewer(look, cursor)
        self.viewers.add(viewer)
        self._wanted.set()
        try:
            async for chunk in self._chunks(viewer):
                if not still():
                    break
                async with asyncio.timeout(STALL_S * self._desk.seconds):
                    await answer.write(chunk)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.viewers.discard(viewer)
        return answer

    async def _chunks(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """Yield what a viewer has not seen; while nothing happens, a sign of life."""
        yield f"retry: 1000\nid: {viewer.cursor}\ndata:\n\n".encode()
        while True:
            viewer.wake.clear()
            rows = await self._rows_for(viewer)
            if rows:
                yield rows
            picture = self._pictures.get(viewer.look, b"")
            if picture != viewer.sent:
                viewer.sent = picture
                yield picture
            await pause(HEARTBEAT_S * self._desk.seconds, viewer.wake)
            if not viewer.wake.is_set():
                yield b":\n\n"

    async def _rows_for(self, viewer: Viewer) -> bytes:
        """Return the rows behind those a viewer has, and remember that it has them."""
        if self._last <= viewer.cursor:
            return b""
        if self._rows and self._rows[0][0] <= viewer.cursor + 1:
            rows = [row for row in self._rows if row[0] > viewer.cursor]
        else:
            after, last = viewer.cursor, self._last
            rows = await self._desk.read(lambda journal: list(self._frames(journal, after, last)))
        viewer.cursor = max([viewer.cursor, *(number for number, _ in rows)])
        return b"".join(text for _, text in rows)


def frame(kind: str, data: bytes, number: int | None = None) -> bytes:
    """Return one event of a stream; JSON has no line breaks."""
    named = b"" if number is None else b"id: %d\n" % number
    return b"event: " + kind.encode() + b"\n" + named + b"data: " + data + b"\n\n"


def narrow(transport: asyncio.Transport | None) -> None:
    """Let a connection hold little that is not read: what stalls is seen soon, and costs little until then."""
    if transport is None:
        return
    transport.set_write_buffer_limits(high=BUFFER)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
