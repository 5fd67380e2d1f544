"""The page of a running daemon: its routes, who may take which, what a request must be and what an answer bears."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from dashboard import locks, shell
from dashboard.desk import Desk
from dashboard.entrance import Entrance
from dashboard.feed import Feed, Viewed
from dashboard.html import el
from dashboard.pages import command, market, now, state, trades, why
from dashboard.passes import LINK, SESSION, SESSION_LIFE, Passes, Role, form_token
from journal import JOURNAL_FILE
from journal.errors import JournalError
from journal.records import OF_ONE_THING, Command, Order
from notifier.words import Words
from trader.commands import obey
from trader.loops import pause
from views.events import NOT_DONE
from views.executions import executions, to_csv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping

    from dashboard.html import Node
    from dashboard.pages.parts import Page
    from journal.queries import Queries
    from trader.app import App

log = logging.getLogger("dashboard")

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
LONGEST_FORM = 4096
LONGEST_WORD = 80
"""Bytes of a form, and letters of one word of an address: nothing longer is ever asked."""
TRY_AGAIN_S = 30.0
"""Until a port that is taken is tried again."""
PAGES = {
    "/": now.page,
    "/why": why.page,
    "/market": market.page,
    "/trades": trades.page,
    "/trade": trades.trade,
    "/profit": trades.profit,
}
"""What is made of the journal alone, and sent again when it changes."""
ASKED = frozenset({"market", "at", "minute", "all", "from", "to", "id", "code"})
ID = re.compile(r"[0-9a-f]{32}")
NOT_READ = Words("거래 기록을 읽을 수 없습니다. 잠시 뒤 다시 여세요.", "The journal cannot be read. Try again.")


Announce = Callable[[str, Passes], None]


class Caller(NamedTuple):
    """Who asks: what it may do, and the token of its session."""

    role: Role
    session: str


class Route(NamedTuple):
    """One thing that can be asked for, and who may; None: everybody, also who is not logged in."""

    method: str
    path: str
    who: Role | None
    handler: Callable[[web.Request, Caller | None], Awaitable[web.StreamResponse]]


def page_of(seconds: float, announce: Announce) -> Callable[[App], Coroutine[None, None, None]]:
    """Return what serves a daemon's page beside it.

    Args:
        seconds: so many of loop time pass in one second.
        announce: is told the address once it is open, and whose links open it.
    """
    return lambda app: Site(Desk.of(app, seconds), announce).run()


class Site:
    """The page of one daemon."""

    def __init__(self, desk: Desk, announce: Announce) -> None:
        self.desk = desk
        self.feed = Feed(desk, PAGES)
        self.hosts = frozenset[str]()  # every name under which it may be asked for
        self.cookie = ""
        self._announce = announce

    # --- life

    async def run(self) -> None:
        """Serve until cancelled; a port that is taken is told, and tried again."""
        settings = self.desk.app.config.dashboard
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(self.desk.close)
            runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
            await runner.setup()
            undo.push_async_callback(runner.cleanup)
            while (door := await self.listen(runner, settings.bind, settings.port or 0)) is None:
                await pause(TRY_AGAIN_S * self.desk.seconds)
            undo.callback(door.close)
            await self.feed.run()

    async def listen(self, runner: web.AppRunner, bind: str, port: int) -> asyncio.Server | None:
        """Open the port, 0 for a free one; return what listens there, None where it cannot be opened."""
        server = runner.server
        assert server is not None, "a runner that is set up has one"
        loop = asyncio.get_running_loop()
        try:
            door = await loop.create_server(Entrance(server), bind, port, reuse_address=True)
        except OSError as error:
            log.warning("the page cannot be served bind=%s port=%d: %s", bind, port, error.strerror)
            return None
        actual = door.sockets[0].getsockname()[1]
        self.open_on(bind, actual)
        self._announce(f"http://127.0.0.1:{actual}", self.desk.passes)
        return door

    def open_on(self, bind: str, port: int) -> None:
        """Be known by the names of an address."""
        self.hosts = frozenset(locks.names_of(bind, port, self.desk.app.config.dashboard.hosts))
        self.cookie = f"session_{port}"  # browsers keep cookies by host, not by port

    # --- locks

    def routes(self) -> list[Route]:
        """Return everything that can be asked for."""
        return [
            Route("GET", "/health", None, self.health),
            Route("GET", "/metrics", None, self.metrics),
            Route("GET", "/static/{name}", None, self.static),
            Route("GET", "/login", None, self.ask_to_log_in),
            Route("POST", "/login", None, self.log_in),
            Route("POST", "/logout", Role.GUEST, self.log_out),
            *(Route("GET", path, Role.GUEST, self.page) for path in PAGES),
            Route("GET", "/state", Role.GUEST, self.state),
            Route("GET", "/trades.csv", Role.GUEST, self.csv),
            Route("GET", "/stream", Role.GUEST, self.stream),
            Route("GET", "/command/{order}", Role.OWNER, self.ask_command),
            Route("POST", "/command/{order}", Role.OWNER, self.give_command),
            Route("GET", "/commanded", Role.OWNER, self.commanded),
        ]

    def application(self) -> web.Application:
        """Return what answers."""
        application = web.Application(middlewares=[self.shut_out], client_max_size=LONGEST_FORM)
        application.on_response_prepare.append(bear)
        for route in self.routes():
            application.router.add_route(route.method, route.path, partial(self.let_in, route))
        return application

    @web.middleware
    async def shut_out(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse what is not asked of us, or comes from another page."""
        headers = request.headers
        if locks.is_foreign(request.method, headers.get("Host"), headers.get("Origin"), self.hosts):
            raise web.HTTPForbidden
        return await handler(request)

    async def let_in(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Answer who may ask; tell everybody else how to."""
        caller = self.caller(request)
        language = self.desk.app.config.language
        if route.who is not None and caller is None:
            return html(shell.door(language, sentence=shell.LOG_IN), status=401)
        if route.who is not None and caller is not None and not caller.role.may(route.who):
            raise web.HTTPForbidden
        try:
            return await route.handler(request, caller)
        except JournalError:
            log.warning("the page cannot read the journal", exc_info=True)
            return html(shell.door(language, sentence=NOT_READ), status=503)

    def caller(self, request: web.Request) -> Caller | None:
        """Return who asks; None for who is not logged in."""
        session = request.cookies.get(self.cookie, "")
        role = self.desk.passes.role(SESSION, session) if session else None
        return None if role is None else Caller(role, session)

    async def form(self, request: web.Request, caller: Caller) -> Mapping[str, str]:
        """Return what a form of ours says.

        Raises:
            HTTPForbidden: it was not made for this session.
        """
        sent = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        if not hmac.compare_digest(sent.get("token", "").encode(), form_token(caller.session).encode()):
            raise web.HTTPForbidden
        return sent

    # --- what everybody may ask for

    async def health(self, _: web.Request, __: Caller | None) -> web.Response:
        """Say whether the daemon is alive, and nothing else."""
        dead = self.desk.app.health.dead()
        return web.Response(text="dead\n" if dead else "alive\n", status=503 if dead else 200)

    async def metrics(self, _: web.Request, __: Caller | None) -> web.Response:
        """Tell Prometheus how the daemon is; nothing of markets and money."""
        app = self.desk.app
        lines = [
            "# TYPE upbit_loops_dead gauge",
            f"upbit_loops_dead {len(app.health.dead())}",
            "# TYPE upbit_halts gauge",
            f"upbit_halts {len(app.control.reasons)}",
            "# TYPE upbit_viewers gauge",
            f"upbit_viewers {len(self.feed.viewers)}",
            "# TYPE upbit_requests_left gauge",
            *(f'upbit_requests_left{{group="{group}"}} {left}' for group, left in sorted(app.upbit.rates().items())),
        ]
        return web.Response(text="\n".join(lines) + "\n", headers={"Content-Type": "text/plain; version=0.0.4"})

    async def static(self, request: web.Request, _: Caller | None) -> web.Response:
        """Return one of our own files."""
        name = request.match_info["name"]
        if name not in {file.name for file in STATIC.iterdir()}:
            raise web.HTTPNotFound
        file = STATIC / name
        return web.Response(body=file.read_bytes(), content_type=KINDS[file.suffix], charset="utf-8")

    async def ask_to_log_in(self, request: web.Request, _: Caller | None) -> web.Response:
        """Show a button: a program that only follows links, such as a chat's preview, uses no link up."""
        language, link = self.desk.app.config.language, request.query.get("link", "")
        button = el("button", Words("열기", "Open").say(language), type="submit")
        form = el("form", shell.hidden("link", link[:LONGEST_WORD]), button, method="post", action="/login")
        sentence = Words("이 브라우저에서 30일 동안 볼 수 있습니다.", "This browser can look for 30 days.")
        return html(shell.door(language, sentence=sentence if link else shell.LOG_IN, form=form if link else None))

    async def log_in(self, request: web.Request, _: Caller | None) -> web.Response:
        """Turn a link into a session, once."""
        passes = self.desk.passes
        role = passes.take(LINK, str((await request.post()).get("link", "")))
        if role is None:
            return html(shell.door(self.desk.app.config.language, sentence=shell.LINK_OVER), status=403)
        session = passes.issue(SESSION, role, SESSION_LIFE)
        answer = web.Response(status=303, headers={"Location": "/"})
        secure = request.headers.get("Origin", "").startswith("https:")
        answer.set_cookie(
            self.cookie,
            session,
            max_age=int(SESSION_LIFE.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=secure,
            path="/",
        )
        self.desk.app.tell("dashboard_login", role=role.value)
        return answer

    # --- what guests may ask for

    async def log_out(self, request: web.Request, caller: Caller | None) -> web.Response:
        """End a session."""
        session = known(caller)
        await self.form(request, session)
        self.desk.passes.take(SESSION, session.session)
        return web.Response(status=303, headers={"Location": "/"})

    async def page(self, request: web.Request, caller: Caller | None) -> web.Response:
        """Return a page that is made of the journal."""
        who, path = known(caller), request.path
        look = Viewed(path, asked(request.query), who.role)
        sight = await self.desk.sight(look.role, dict(look.asked))

        def ask(journal: Queries) -> tuple[Page, int, list[Node]]:
            return PAGES[path](journal, sight), *now.newest(journal, sight)

        page, last, rows = await self.desk.read(ask)
        stream = "/stream?" + urlencode({**sight.asked, "of": path, "after": last})
        token = form_token(who.session)
        return html(
            shell.framed(page, sight, path=path, token=token, stream=stream, rows=rows if path == "/" else None)
        )

    async def state(self, _: web.Request, caller: Caller | None) -> web.Response:
        """Return how the daemon itself is."""
        who, app = known(caller), self.desk.app
        journal = app.config.data_dir / JOURNAL_FILE
        sight = await self.desk.sight(who.role, {})
        page = state.page(state.pulse_of(app, len(self.feed.viewers), journal), sight)
        return html(shell.framed(page, sight, path="/state", token=form_token(who.session)))

    async def csv(self, request: web.Request, caller: Caller | None) -> web.Response:
        """Return the executions of a period as `history --csv` prints them."""
        sight = await self.desk.sight(known(caller).role, dict(asked(request.query)))
        period = trades.period_of(sight)
        if period is None:
            raise web.HTTPBadRequest
        text = await self.desk.read(lambda journal: to_csv(executions(journal, *period), sight.language))
        headers = {"Content-Disposition": 'attachment; filename="trades.csv"'}
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    async def stream(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """Send what changes of a page."""
        who, path = known(caller), request.query.get("of", "")
        after = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        if path not in PAGES or not (after.isascii() and after.isdigit() and len(after) < 19):  # noqa: PLR2004 - of SQLite
            raise web.HTTPBadRequest
        look = Viewed(path, asked(request.query), who.role)
        return await self.feed.serve(request, look, int(after), lambda: self.caller(request) == who)

    # --- what owners may ask for

    async def ask_command(self, request: web.Request, caller: Caller | None) -> web.Response:
        """Show what a command would do, and its button."""
        return await self._command_page(request, known(caller), order_of(request), request.query)

    async def _command_page(
        self, request: web.Request, who: Caller, order: Order, given: Mapping[str, str], *, wrong: bool = False
    ) -> web.Response:
        sight, token = await self.desk.sight(who.role, dict(asked(given))), form_token(who.session)
        page = await self.desk.read(lambda journal: command.page(journal, sight, order, token, wrong=wrong))
        return html(shell.framed(page, sight, path=request.path, token=token), status=400 if wrong else 200)

    async def give_command(self, request: web.Request, caller: Caller | None) -> web.Response:
        """Take a command the way the command line's are taken: by its id, once."""
        order, who, app = order_of(request), known(caller), self.desk.app
        form = await self.form(request, who)
        name, code = form.get("id", ""), form.get("code", "")
        if not ID.fullmatch(name) or (order in OF_ONE_THING and not code):
            raise web.HTTPBadRequest
        if form.get("typed") != command.TYPED.get(order):
            return await self._command_page(request, who, order, form, wrong=True)
        codes = (code,) if order in OF_ONE_THING else ()
        given = Command(id=name, name=order, by="page", asked_at=app.clock(), codes=codes)
        try:
            outcome = obey(app.control, app.journal, given)
            written = app.journal.command(name) is not None
        except (JournalError, sqlite3.Error):
            log.warning("a command of the page is not done command=%s", order, exc_info=True)
            return html(shell.door(app.config.language, sentence=NOT_DONE), status=503)
        if not written:  # the disk takes nothing, and what stops buys is done all the same
            return await self._told(who, lambda _: replace(given, outcome=outcome))
        return web.Response(status=303, headers={"Location": f"/commanded?id={name}"})

    async def commanded(self, request: web.Request, caller: Caller | None) -> web.Response:
        """Show what came of a command."""
        name = request.query.get("id", "")
        return await self._told(known(caller), lambda journal: journal.command(name))

    async def _told(self, who: Caller, find: Callable[[Queries], Command | None]) -> web.Response:
        sight = await self.desk.sight(who.role, {})

        def ask(journal: Queries) -> Page | None:
            given = find(journal)
            return None if given is None else command.told(journal, sight, given)

        page = await self.desk.read(ask)
        if page is None:
            raise web.HTTPNotFound
        return html(shell.framed(page, sight, path="/commanded", token=form_token(who.session)))


def order_of(request: web.Request) -> Order:
    """Return which command an address names."""
    try:
        return Order(request.match_info["order"])
    except ValueError:
        raise web.HTTPNotFound from None


def known(caller: Caller | None) -> Caller:
    """Return who asks, of a route that only lets in who is known."""
    assert caller is not None
    return caller


def asked(query: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what an address asks of a page, without anything we do not know."""
    return tuple(sorted((key, value[:LONGEST_WORD]) for key, value in query.items() if key in ASKED))


async def bear(_: web.Request, answer: web.StreamResponse) -> None:
    """Let every answer bear what protects it."""
    answer.headers.update(locks.HEADERS)
    answer.headers.popall("Server", None)


def html(text: str, status: int = 200) -> web.Response:
    """Return a page."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
