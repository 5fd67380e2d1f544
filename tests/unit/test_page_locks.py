"""The page lets in who may look, and nobody else: route by route, by who asks, from where, and with which link."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from config.settings import Config, Secret
from dashboard.html import el, to_html
from dashboard.locks import HEADERS, is_foreign, names_of
from dashboard.passes import LINK_LIFE, SESSION, SESSION_LIFE, Passes, Role
from main import main
from tests.helpers.journals import NOW, buy
from tests.helpers.patience import PATIENCE_S
from tests.helpers.web_page import Served, served

ROOT = Path(__file__).resolve().parents[2]
COMMAND_ID = "0" * 32


class Row(NamedTuple):
    """What a route answers to who is not logged in, to a guest, and to the owner."""

    method: str
    address: str
    nobody: int
    guest: int
    owner: int


TABLE = (
    Row("GET", "/health", 200, 200, 200),
    Row("GET", "/metrics", 200, 200, 200),
    Row("GET", "/static/page.js", 200, 200, 200),
    Row("GET", "/login", 200, 200, 200),
    Row("POST", "/login", 403, 403, 403),  # without a link
    Row("GET", "/", 401, 200, 200),
    Row("GET", "/why", 401, 200, 200),
    Row("GET", "/market", 401, 200, 200),
    Row("GET", "/trades", 401, 200, 200),
    Row("GET", "/trade", 401, 200, 200),
    Row("GET", "/profit", 401, 200, 200),
    Row("GET", "/state", 401, 200, 200),
    Row("GET", "/trades.csv", 401, 200, 200),
    Row("GET", "/stream?of=/&after=0", 401, 200, 200),
    Row("GET", "/command/halt-buys", 401, 403, 200),
    Row("POST", "/command/halt-buys", 401, 403, 303),
    Row("GET", "/commanded?id=" + COMMAND_ID, 401, 403, 200),
    Row("POST", "/logout", 401, 303, 303),  # the last: it ends the session
)


async def ask(
    page: Served, method: str, address: str, cookies: dict[str, str] | None = None, **changed: str | None
) -> aiohttp.ClientResponse:
    """Ask like a browser that is on the page, or as `changed` says."""
    headers = {"Origin": page.url} | {name: value for name, value in changed.items() if value is not None}
    for name in [name for name, value in changed.items() if value is None]:
        headers.pop(name)
    form = None
    if method == "POST":
        form = {"id": COMMAND_ID, "token": page.token(cookies) if cookies else ""}
    given = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    answer = await page.client.request(
        method, page.url + address, headers=headers | {"Cookie": given}, data=form, allow_redirects=False
    )
    if not answer.content_type.startswith("text/event-stream"):
        await answer.read()
    answer.close()
    return answer


async def test_every_route_lets_in_who_may_and_nobody_else(tmp_path: Path) -> None:
    """Nobody, a guest, the owner; and whoever it is, not under another name, and not from another page."""
    filled, shut = [], []
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        sessions = [None, page.log_in(Role.GUEST), page.log_in(Role.OWNER)]
        for row in TABLE:
            for cookies in sessions:
                foreign = [
                    await ask(page, row.method, row.address, cookies, Host="evil.example"),
                    await ask(page, row.method, row.address, cookies, Origin="http://evil.example"),
                    await ask(page, row.method, row.address, cookies, Origin="null"),
                ]
                if row.method == "POST":
                    foreign.append(await ask(page, row.method, row.address, cookies, Origin=None))
                shut += [(row, answer.status) for answer in foreign if answer.status != 403]
            answers = [await ask(page, row.method, row.address, cookies) for cookies in sessions]
            filled.append(Row(row.method, row.address, *(answer.status for answer in answers)))
            for answer in answers:
                assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
                assert "Server" not in answer.headers
        known = {(route.method, re.sub(r"\{\w+\}", "*", route.path)) for route in page.site.routes()}
    assert filled == list(TABLE)
    assert shut == []
    assert known == {(row.method, pattern(row.address)) for row in TABLE}, "a route has no row in the table"


def pattern(address: str) -> str:
    """Return the route of an address."""
    return re.sub(r"^/(static|command)/.*", r"/\1/*", address.partition("?")[0])


async def test_the_review_of_security_speaks_of_every_route(tmp_path: Path) -> None:
    """One that is new must be thought about."""
    review = (ROOT / "docs" / "security-review.md").read_text(encoding="utf-8")
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        told = {route.path for route in page.site.routes()}
    assert sorted(path for path in told if f"`{path}`" not in review and f" {path}`" not in review) == []


async def test_what_does_not_exist_is_locked_as_well(tmp_path: Path) -> None:
    """No file beside ours, no other method, no long form; and each answer bears its locks."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        for method, address, status in (
            ("GET", "/static/..%2fserver.py", 404),
            ("GET", "/static/server.py", 404),
            ("GET", "/nothing", 404),
            ("DELETE", "/", 405),
            ("GET", "/command/withdraw", 404),
            ("POST", "/command/withdraw", 404),
            ("POST", "/command/resume", 400),  # of no reason
            ("GET", "/stream?of=/state&after=0", 400),
            ("GET", "/stream?of=/&after=-1", 400),
            ("GET", "/stream?of=/&after=" + "9" * 30, 400),
            ("GET", "/commanded?id=1", 404),
            ("GET", "/trades.csv?from=yesterday", 400),
        ):
            answer = await ask(page, method, address, owner)
            assert (address, answer.status) == (address, status)
            assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        long = {"link": "x" * 10_000}
        async with page.client.post(page.url + "/login", data=long, headers={"Origin": page.url}) as answer:
            assert answer.status == 413


async def test_a_link_opens_once_and_not_for_long(tmp_path: Path) -> None:
    """Looking at it uses nothing up; pressing the button does, also of two who press at once; five minutes are all."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        origin = {"Origin": page.url}

        async def press(link: str) -> aiohttp.ClientResponse:
            return await page.client.post(
                page.url + "/login", data={"link": link}, headers=origin, allow_redirects=False
            )

        link = page.link()
        for _ in range(2):
            async with page.client.get(page.url + "/login", params={"link": link}) as looked:
                assert f'value="{link}"' in await looked.text()
        async with asyncio.TaskGroup() as both:
            pressed = [both.create_task(press(link)) for _ in range(2)]
        assert sorted(one.result().status for one in pressed) == [303, 403]
        (opened,) = [one.result() for one in pressed if one.result().status == 303]
        cookie = opened.headers["Set-Cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
        assert link not in cookie
        assert (await press(link)).status == 403
        late = page.link(life=LINK_LIFE)
        page.book.now += LINK_LIFE
        assert (await press(late)).status == 403
        assert (await press("")).status == 403
        kept = {file.name for file in (tmp_path / "dashboard").iterdir()}
        assert not any(link in name or late in name for name in kept)
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "dashboard").iterdir())


async def test_a_session_ends_by_itself_and_by_its_owner_and_outlives_a_restart(tmp_path: Path) -> None:
    """After thirty days; at the logout; but not with the daemon. A stream of it ends, too."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        guest, owner = page.log_in(Role.GUEST), page.site.desk.passes.issue(SESSION, Role.OWNER, SESSION_LIFE)
        headers = {"Cookie": f"{page.site.cookie}={guest[page.site.cookie]}"}
        async with page.client.get(page.url + "/stream?of=/&after=0", headers=headers) as stream:
            assert b"retry" in await stream.content.readuntil(b"\n\n")
            assert (await ask(page, "POST", "/logout", guest)).status == 303
            await stream.content.read()  # to its end
        assert (await ask(page, "GET", "/", guest)).status == 401
        other = Passes(folder=tmp_path / "dashboard", clock=lambda: page.book.now)
        assert other.role(SESSION, owner) is Role.OWNER
        page.book.now += SESSION_LIFE
        assert other.role(SESSION, owner) is None
        other.issue(SESSION, Role.GUEST, timedelta(1))
        assert len(list((tmp_path / "dashboard").iterdir())) == 1  # what is over is forgotten


@pytest.mark.parametrize("torn", ["", "{", '{"role": "king", "until": "2099-01-01T00:00:00+00:00"}', "{}"])
def test_half_a_file_opens_nothing(torn: str, tmp_path: Path) -> None:
    """The power may end while it is written."""
    passes = Passes(folder=tmp_path, clock=lambda: NOW)
    token = passes.issue(SESSION, Role.OWNER, timedelta(1))
    (file,) = tmp_path.iterdir()
    file.write_text(torn, encoding="utf-8")
    assert passes.role(SESSION, token) is None


async def test_names_that_carry_markup_stay_names(tmp_path: Path) -> None:
    """A market, a strategy's words, a halt, an id and whatever the address says: in every page they are only text."""
    bad = "<img src=x onerror=alert(1)>\"'&"
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        headers = {"Cookie": f"{page.site.cookie}={owner[page.site.cookie]}"}
        buy(page.book, bad, "i1", market=f"KRW-{bad}")
        page.app.control.halt_buys(bad, ko=bad, en=bad)
        seen = 0
        for path in ("/", "/why", "/market", "/trades", "/trade", "/profit", "/state", "/command/resume", "/login"):
            asked = dict.fromkeys(("market", "at", "from", "to", "id", "code", "link"), bad)
            async with page.client.get(page.url + path, params=asked, headers=headers) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert not [found for found in elements(text) if found[0] == "img" or found[1].keys() & {"onerror"}]
                seen += text.count("&lt;img")
        assert seen >= 8


class Elements(HTMLParser):
    """Reads a page as a browser does, and keeps name and attributes of every element."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep one."""
        self.found.append((tag, dict(attrs)))


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    """Return name and attributes of every element of a page."""
    parser = Elements()
    parser.feed(text)
    return parser.found


def test_an_element_never_becomes_what_its_text_says() -> None:
    """Texts and attributes are written so that they are read back as they were."""
    made = to_html(el("p", "<b>&\"'", title="\"><script>'&", hidden=True, class_=None))
    assert made == '<p title="&quot;&gt;&lt;script&gt;&#x27;&amp;" hidden="">&lt;b&gt;&amp;"\'</p>'
    assert to_html(el("br")) == "<br>"


def test_a_host_is_one_of_ours_and_an_origin_is_that_host() -> None:
    """The name of a machine that points here (DNS rebinding) is none of ours; a proxy's name is one that was set."""
    names = set(names_of("192.0.2.7", 8787, ["bot.example.com"]))
    assert {"127.0.0.1:8787", "localhost:8787", "[::1]:8787", "192.0.2.7:8787", "bot.example.com"} < names
    assert "0.0.0.0:8787" not in set(names_of("0.0.0.0", 8787, []))  # noqa: S104 - a name, nobody listens
    assert "[fd00::1]:1" in set(names_of("fd00::1", 1, []))
    assert not is_foreign("GET", "LocalHost:8787", None, names)
    assert not is_foreign("POST", "bot.example.com", "https://bot.example.com", names)
    assert is_foreign("GET", None, None, names)
    assert is_foreign("GET", "localhost:8788", None, names)
    assert is_foreign("POST", "localhost:8787", "http://127.0.0.1:8787", names)  # both ours, and not the same


async def test_no_secret_is_in_any_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, webhook and proxy of the settings, the session and the link: in no page, header or printed word."""
    canary = "canary-0123456789abcdef"
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        secrets = {name: Secret(f"https://x/{canary}") for name in ("access_key", "secret_key", "webhook_url", "proxy")}
        page.app.config = Config(data_dir=tmp_path, language="en", **secrets)  # type: ignore[arg-type]
        owner = page.log_in(Role.OWNER)
        page.app.control.halt_buys("echo", ko=f"메아리 https://x/{canary}", en=f"an echo of https://x/{canary}")
        told = []
        for row in TABLE:
            if row.method == "GET" and not row.address.startswith("/stream"):
                headers = {"Cookie": f"{page.site.cookie}={owner[page.site.cookie]}"}
                async with page.client.get(page.url + row.address, headers=headers) as answer:
                    told.append(await answer.text() + str(answer.headers))
    whole = "".join(told) + "".join(capsys.readouterr())
    assert owner[page.site.cookie] not in whole
    assert canary not in whole


def test_open_prints_a_link_for_the_owner_or_a_guest_and_says_when_there_is_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon that runs on the folder takes it; without a port there is nothing to open."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    port = ["--set", "dashboard.port=8787"]
    assert main(["open", *port, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["role"] == "owner"
    assert re.fullmatch(r"http://127\.0\.0\.1:8787/login\?link=[\w-]{43}", told["link"])
    assert main(["open", *port, "--guest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "guest"
    assert main(["open", *port]) == 0
    assert "5분 안에" in capsys.readouterr().out
    assert main(["open"]) != 0
    assert "[dashboard] port" in capsys.readouterr().err


async def told_soon(page: Served, address: str) -> int:
    """Return the status of an answer, once there is room for the question."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with page.client.get(page.url + address) as answer:
                    return answer.status


async def test_so_many_connections_are_let_in_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens them says nothing and closes none: the next are ended unread, and one that leaves makes room."""
    monkeypatch.setattr("dashboard.entrance.MOST", 5)
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        open_ones = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(5)]
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
            with contextlib.suppress(ConnectionError):
                writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert await reader.read() == b""
            writer.close()
        open_ones[0][1].close()
        assert await told_soon(page, "/health") == 200
        for _, writer in open_ones:
            writer.close()


def test_a_daemon_without_a_page_loads_none_of_it() -> None:
    """Neither our room nor the server of the library."""
    code = "import cli.run, sys; print([m for m in sys.modules if m.startswith(('dashboard', 'aiohttp.web'))])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.strip() == "[]"
