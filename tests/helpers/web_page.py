"""A page of a daemon on a real port of this machine, over a real journal, and a client that is no browser."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from config.settings import Config
from dashboard.desk import Desk
from dashboard.passes import LINK, SESSION, Role, form_token
from dashboard.server import Site
from notifier.messages import Messages
from tests.helpers.charts import kept
from tests.helpers.journals import Book
from tests.helpers.parts import make_app, only
from trader.candles.candle_store import CandleStore
from trader.control import Control
from trader.health import Health
from upbit.rest import Upbit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from tests.helpers.parts import Parts

DAY = timedelta(days=1)


@dataclass
class Served:
    """A page that is served."""

    site: Site
    app: Parts
    book: Book
    port: int
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self.port}"

    def log_in(self, role: Role) -> dict[str, str]:
        """Return the cookies of somebody who has used a link."""
        return {self.site.cookie: self.site.desk.passes.issue(SESSION, role, DAY)}

    def link(self, role: Role = Role.OWNER, life: timedelta = DAY) -> str:
        """Return the token of a link."""
        return self.site.desk.passes.issue(LINK, role, life)

    def token(self, cookies: dict[str, str]) -> str:
        """Return what the forms of a session carry."""
        return form_token(cookies[self.site.cookie])


@contextlib.asynccontextmanager
async def served(
    tasks: asyncio.TaskGroup,
    folder: Path,
    *,
    language: str = "en",
    seconds: float = 0.02,
    clock: Callable[[], datetime] | None = None,
    starts: Mapping[str, float] = MappingProxyType({}),
) -> AsyncIterator[Served]:
    """Serve the page of a daemon that does nothing else; without a clock time stands still unless the book moves it.

    Args:
        tasks: what makes its stream runs in.
        folder: of the journal.
        language: of the settings.
        seconds: so many of loop time pass in one second.
        clock: of the daemon.
        starts: the markets that have candles, each with its first price.
    """
    config = replace(Config(), data_dir=folder, language=language)
    book = Book(folder / "journal.sqlite3", clock)
    known = kept((clock or (lambda: book.now))(), starts)
    with book.journal as journal:
        messages = Messages(language=language, mode="sandbox")
        app = make_app(
            config=config,
            clock=clock or (lambda: book.now),
            journal=journal,
            control=Control(journal, messages, clock or (lambda: book.now)),
            messages=messages,
            health=Health(lambda: 0.0),
            upbit=only(Upbit, rates=lambda: {"order": 8, "candle": 10}),
            strategy=known.strategy,
            parameters=known.parameters,
            candles=only(CandleStore, unit=known.unit, history=known.history, series=lambda: known.series),
        )
        site = Site(Desk.of(app, seconds), lambda *_: None)
        runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        door = await site.listen(runner, "127.0.0.1", 0)
        assert door is not None
        feeding = tasks.create_task(site.feed.run())
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
                yield Served(site, app, book, door.sockets[0].getsockname()[1], client)
        finally:
            feeding.cancel()
            door.close()
            await runner.cleanup()
            site.desk.close()
