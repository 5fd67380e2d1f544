"""The stream of the page: made once for all who look, each row once to each; who does not read costs itself alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from config.settings import Config, DashboardSettings
from dashboard.desk import Desk
from dashboard.html import to_tree
from dashboard.pages import now
from dashboard.passes import Role
from dashboard.server import Site
from journal.errors import JournalBusy
from tests.helpers.journals import buy, sell
from tests.helpers.parts import make_app
from tests.helpers.web_page import Served, served
from views.events import told

if TYPE_CHECKING:
    from pathlib import Path

    from dashboard.desk import Sight
    from dashboard.pages.parts import Page
    from journal.queries import Queries


class Reader:
    """A browser's half of a stream: what events came, and the number it would come back with."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.last = 0
        self.rows: list[int] = []

    async def until(self, kind: str) -> object:
        """Read on until an event of a kind; return what it says."""
        while True:
            lines = (await self._answer.content.readuntil(b"\n\n")).decode().splitlines()
            fields = dict(line.split(": ", 1) for line in lines if ": " in line)
            self.last = int(fields.get("id", self.last))
            if fields.get("event") == "row":
                self.rows.append(self.last)
            if fields.get("event") == kind:
                return json.loads(fields["data"])


async def open_stream(page: Served, cookies: dict[str, str], after: int, *, of: str = "/") -> aiohttp.ClientResponse:
    """Open the stream of a page behind an event, as a browser that comes back."""
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"Cookie": cookie, "Last-Event-ID": str(after)}
    return await page.client.get(f"{page.url}/stream?of={of}&after=0", headers=headers)


def told_numbers(page: Served, after: int) -> list[int]:
    """Return the numbers of the events behind one that have a sentence."""
    journal = page.book.journal
    return [event.seq for event in journal.happened(after, 10_000) if told(journal, event) is not None]


async def test_who_comes_back_gets_each_row_it_missed_once(tmp_path: Path) -> None:
    """From memory or from the journal, also when nobody looked meanwhile; then the picture as it is now."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        rows: list[int] = []
        last = 0
        for number in range(4):
            buy(page.book, f"t{number}", f"b{number}", market=f"KRW-{number}")
            async with await open_stream(page, owner, last) as answer:
                reader = Reader(answer)
                await reader.until("page")
                sell(page.book, f"t{number}", f"s{number}", "2", market=f"KRW-{number}")
                wanted = told_numbers(page, 0)[-1]
                while reader.last < wanted:
                    await reader.until("row")
                rows += reader.rows
                last = reader.last
        assert rows == told_numbers(page, 0)


async def test_equal_looks_are_made_once_and_only_when_something_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten who look at the same cost as much as one, and nobody costs nothing; a guest's page is another."""
    made: list[Role] = []

    def counted(journal: Queries, sight: Sight) -> Page:
        made.append(sight.role)
        return now.page(journal, sight)

    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page, contextlib.AsyncExitStack() as opened:
        monkeypatch.setitem(page.site.feed._pages, "/", counted)
        buy(page.book, "t1", "b1")
        assert made == []
        owner, guest = page.log_in(Role.OWNER), page.log_in(Role.GUEST)
        readers = [
            Reader(await opened.enter_async_context(await open_stream(page, who, 0))) for who in [owner] * 10 + [guest]
        ]
        for reader in readers:
            await reader.until("page")
        made.clear()
        page.book.journal.set_meta("a", "b")  # written, and nothing of it is shown
        sell(page.book, "t1", "s1", "2")
        pictures = [await reader.until("page") for reader in readers]
        assert all(picture == pictures[0] for picture in pictures[:10])
        assert pictures[10] != pictures[0]
        assert made.count(Role.OWNER) == made.count(Role.GUEST) <= 2


@pytest.mark.failure("G7")
async def test_who_does_not_read_is_dropped_and_nobody_else_waits(tmp_path: Path) -> None:
    """Its connection ends; meanwhile others see everything."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stalled, ("127.0.0.1", page.port))
            cookie = f"{page.site.cookie}={owner[page.site.cookie]}"
            request = f"GET /stream?of=/&after=0 HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: {cookie}\r\n\r\n"
            await loop.sock_sendall(stalled, request.encode())
            async with await open_stream(page, owner, 0) as answer:
                reader = Reader(answer)
                await reader.until("page")
                number = 0
                while len(page.site.feed.viewers) != 1:
                    number += 1
                    buy(page.book, f"t{number}", f"b{number}", market=f"KRW-{number}")
                    await reader.until("page")
                assert number > 1


async def test_a_journal_that_cannot_be_read_now_is_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream waits, a page says so, and both go on by themselves."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        cookie = {"Cookie": f"{page.site.cookie}={owner[page.site.cookie]}"}

        async def held(*_: object) -> None:
            raise JournalBusy(tmp_path, "held")

        with monkeypatch.context() as busy:
            busy.setattr(type(page.site.desk), "read", held)
            async with page.client.get(page.url, headers=cookie) as answer:
                assert answer.status == 503
                assert "Try again" in await answer.text()
            stream = await open_stream(page, owner, 0)
            await stream.content.readuntil(b"\n\n")
        async with stream:
            picture = await Reader(stream).until("page")
        sections = now.page(page.book.journal, await page.site.desk.sight(Role.OWNER, {})).sections
        assert picture == [to_tree(section) for section in sections]


@pytest.mark.failure("G7")
async def test_no_more_can_look_than_the_daemon_bears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told so, and finds a place when another leaves."""
    monkeypatch.setattr("dashboard.feed.MOST_VIEWERS", 2)
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        async with (
            await open_stream(page, owner, 0) as first,
            await open_stream(page, owner, 0) as second,
            await open_stream(page, owner, 0) as third,
        ):
            assert [first.status, second.status, third.status] == [200, 200, 503]


@pytest.mark.failure("G8")
async def test_a_port_that_is_taken_is_told_and_served_once_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon trades meanwhile: the page is a task beside it, and waits by itself."""
    opened, refused = asyncio.Event(), asyncio.Event()
    said: list[tuple[object, ...]] = []

    def warn(_: str, *facts: object) -> None:
        said.append(facts)
        refused.set()

    monkeypatch.setattr("dashboard.server.log.warning", warn)
    app = make_app(config=replace(Config(), data_dir=tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        app.config = replace(app.config, dashboard=DashboardSettings(port=port))
        site = Site(Desk.of(app, 0.001), lambda *_: opened.set())
        serving = asyncio.create_task(site.run())
        await refused.wait()
        assert not opened.is_set()
        assert said[0][:2] == ("127.0.0.1", port)
    await opened.wait()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/login") as answer:
        assert answer.status == 200
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
