"""The page in a real browser: it shows what the command line tells, live, whole over cut streams, to everybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from dashboard.passes import LINK, LINK_LIFE, Role
from journal.records import Order
from journal.verdicts import Scan
from main import main
from notifier.formats import kst, number, percent, price, signed_won, units, won
from tests.helpers.charts import UNIT, kept, look_back
from tests.helpers.patience import PATIENCE_S
from tests.helpers.random_life import MARKETS, Life
from tests.helpers.relay import relayed
from tests.helpers.web_page import served
from trader.control import SELL_ALL, STOPPED
from views.events import told

playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

    from tests.helpers.web_page import Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

PATIENCE_MS = PATIENCE_S * 1000
LISTEN = "addEventListener('securitypolicyviolation', e => (window.broken ||= []).push(e.violatedDirective))"
FACTS = (
    "[...document.querySelectorAll('[data-path]')].map(e => [e.dataset.path, e.getAttribute('value') ?? e.textContent])"
)
SAME = (
    f"wanted => {{ const shown = Object.fromEntries({FACTS}); "
    "return wanted.length === Object.keys(shown).length && wanted.every(([k, v]) => shown[k] === v) }"
)
SEQS = "[...document.querySelectorAll('#rows [data-seq]')].map(e => Number(e.dataset.seq))"
WIDE = "document.documentElement.scrollWidth > innerWidth"


Scheme = Literal["light", "dark"]


class How(TypedDict, total=False):
    """What kind of browser somebody has."""

    viewport: ViewportSize
    color_scheme: Scheme
    java_script_enabled: bool


@dataclass
class Seen:
    """What a browser complained of, and whom it asked."""

    wrong: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Open a browser that shows nothing."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def visiting(
    browser: Browser, page: Served, port: int, role: Role, **how: Unpack[How]
) -> AsyncIterator[tuple[Page, Seen]]:
    """Visit a page with a link of a role; what the browser complains of is kept."""
    context: BrowserContext = await browser.new_context(**how)
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(LISTEN)
    seen = Seen()
    tab = await watched(context, seen)
    await tab.goto(f"http://127.0.0.1:{port}/login?link={page.site.desk.passes.issue(LINK, role, LINK_LIFE)}")
    await tab.click("button")
    await tab.wait_for_url(f"http://127.0.0.1:{port}/")
    yield tab, seen
    await context.close()


async def watched(context: BrowserContext, seen: Seen) -> Page:
    """Open a tab whose complaints are kept."""
    tab = await context.new_page()
    tab.on("pageerror", lambda error: seen.wrong.append(str(error)))
    tab.on("request", lambda request: seen.hosts.add(urlsplit(request.url).netloc))
    return tab


async def opened(beside: Page, seen: Seen, path: str) -> Page:
    """Open another page in a tab beside one, as the same person."""
    tab = await watched(beside.context, seen)
    await tab.goto(urljoin(beside.url, path))
    return tab


async def broken(tab: Page) -> list[str]:
    """Return the rules of the policy that something on the page has broken."""
    found: list[str] = await tab.evaluate("window.broken ?? []")
    return found


def flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of every value of a JSON document, as the page writes them."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(inner, f"{path}.{key}".lstrip("."))
    else:
        yield path, "" if value is None else str(value)


def command_line(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """Return what a verb tells a machine, by path."""
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return dict(flat(json.loads(capsys.readouterr().out)))


NOT_ON_THE_PAGE = (
    *(
        "now.at",
        "now.old",
        "now.places",
        "now.realised",
        "now.free_won_at",
        "totals.krw",
        "totals.coins",
        "totals.moved",
    ),
    *("counts.open_trades", "messages.refused", "messages.trouble"),
)
"""Of `status --json`: said in words elsewhere on the page, or of no use to a person."""


def should_show(told: dict[str, str], language: str) -> list[tuple[str, str]]:
    """Return what of `status --json` stands on the page; of trades the page shows other fields than of positions."""
    other = "ko" if language == "en" else "en"
    of_trades = ("phase", "cost_krw", "opened_at", f"entry_reason.{language}")
    return [
        (path, value)
        for path, value in told.items()
        if not path.startswith(NOT_ON_THE_PAGE)
        and not path.endswith((f".{other}", ".trade", ".level", ".ends"))
        and "evidence" not in path
        and (not path.startswith("open_trades.") or path.split(".", 2)[2] in of_trades)
    ]


FORMATS = {
    **dict.fromkeys(("profit", "open_profit", "today", "realised_pnl"), lambda one: signed_won(one, "en")),
    **dict.fromkeys(("share", "to_stop"), percent),
    **dict.fromkeys(("price", "stop"), price),
    **dict.fromkeys(("cost_krw", "proceeds_krw", "fees", "free_won"), lambda one: won(one, "en")),
    **dict.fromkeys(("value", "threshold"), number),
    "volume": units,
}
"""How a person reads them."""


OF_WHY = re.compile(
    r"(nearest\.\d+\.)?(sentence|at|closed_at|strategy|price|market|steps\.\d+\.(left|name\.1)|obstacles\.\d+\.code|"
    r"gates\.\d+\.(name\.1|passed|value|relation|threshold|distance))"
)
OF_THE_NEAREST = re.compile(r"nearest\.\d+\.(sentence|at|closed_at|strategy)|obstacles\..*")
OF_TRADES = re.compile(r"\d+\.(market|closed_at|cost_krw|proceeds_krw|exit_reason\.en)")
OF_A_CHART = re.compile(r"sentence|at|price")
"""What of the command line stands on which page. A page of all markets says but of the nearest what is in their way."""


@dataclass(frozen=True)
class Seat:
    """A page that somebody keeps open, and the verb that tells the same."""

    path: str
    words: tuple[str, ...]
    chosen: Callable[[dict[str, str]], list[tuple[str, str]]]


def matching(pattern: re.Pattern[str], without: re.Pattern[str] | None = None) -> Callable[..., list[tuple[str, str]]]:
    """Return what chooses the values whose paths match one pattern, and not another."""
    return lambda told: [
        (path, value)
        for path, value in told.items()
        if pattern.fullmatch(path) and not (without and without.fullmatch(path))
    ]


SEATS = (
    Seat("/", ("status",), lambda told: should_show(told, "en")),
    Seat("/why", ("why",), matching(OF_WHY, OF_THE_NEAREST)),
    Seat("/why?market=xrp", ("why", "KRW-XRP"), matching(OF_WHY)),
    Seat("/trades", ("history", "--limit", "50"), matching(OF_TRADES)),
    Seat("/market?market=xrp", ("why", "KRW-XRP"), matching(OF_A_CHART)),
)


async def shows(tab: Page, wanted: list[tuple[str, str]]) -> None:
    """Wait until a page shows these values and no other; say what differs when it never does."""
    try:
        await tab.wait_for_function(SAME, arg=wanted)
    except playwright.TimeoutError:
        shown, told = dict(await tab.evaluate(FACTS)), dict(wanted)
        differs = [
            (path, told.get(path), shown.get(path))
            for path in sorted(shown.keys() | told.keys())
            if shown.get(path) != told.get(path)
        ]
        pytest.fail(f"{tab.url}: path, command line, page: {differs}")


async def read_as_a_person(tab: Page) -> None:
    """Compare every number on the page with the way it must look."""
    facts = await tab.evaluate(
        "[...document.querySelectorAll('data[data-path]')].map(e => [e.dataset.path, e.value, e.textContent])"
    )
    for path, value, text in facts:
        shape = FORMATS.get(path.rpartition(".")[2])
        if shape is not None and value:
            assert text == shape(Decimal(value)), path


@pytest.mark.parametrize(
    ("moments", "cuts"), [(12, 4), pytest.param(200, 50, marks=pytest.mark.slow)], ids=["some", "all"]
)
async def test_the_page_tells_what_the_command_line_tells_over_cut_streams(
    moments: int, cuts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At random moments of a random life with faults: all pages say what `status`, `why` and `history` say then.

    No row is missed and none comes twice, no rule is broken, and no other host is asked.
    """
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    rng = random.Random(7)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - the command line has no other
    async with (
        asyncio.TaskGroup() as tasks,
        served(tasks, tmp_path, clock=clock, starts={"KRW-BTC": 1.4e8, "KRW-XRP": 3000.0}) as page,
        relayed(page.port) as (relay, port),
        chromium() as browser,
    ):
        page.site.hosts |= {f"127.0.0.1:{port}"}
        life = Life(page.book.journal, clock, rng)
        for _ in range(10):
            life.step()
        life.look()
        async with visiting(browser, page, port, Role.OWNER) as (tab, seen):
            rows: list[int] = await tab.evaluate(SEQS)
            before = page.book.journal.last_event()
            tabs = [tab, *[await opened(tab, seen, seat.path) for seat in SEATS[1:]]]
            cut_at = set(rng.sample(range(moments), cuts))
            for moment in range(moments):
                if moment in cut_at:
                    rng.choice((relay.cut, lambda: relay.cut_within(rng.randrange(400))))()
                for _ in range(rng.randrange(1, 5)):
                    life.step()
                for open_tab, seat in zip(tabs, SEATS, strict=True):
                    await shows(open_tab, seat.chosen(command_line(capsys, *seat.words)))
                    await read_as_a_person(open_tab)
            journal = page.book.journal
            happened = journal.happened(before, 100_000)
            fresh = [event.seq for event in happened if told(journal, event) is not None][::-1]
            await tab.wait_for_function(f"newest => {SEQS}[0] === newest", arg=fresh[0])
            assert await tab.evaluate(SEQS) == [*fresh, *rows][:500]
            assert relay.cuts >= cuts
            assert [await broken(one) for one in tabs] == [[]] * len(tabs)
            assert (seen.wrong, seen.hosts) == ([], {f"127.0.0.1:{port}"})


async def test_why_and_history_are_those_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every gate with value, threshold and distance; every ended trade; one trade's story."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    clock = lambda: datetime.now(UTC)  # noqa: E731 - the command line has no other
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path, clock=clock) as page, chromium() as browser:
        life = Life(page.book.journal, clock, random.Random(11))
        for _ in range(120):
            life.step()
        life.look()
        async with visiting(browser, page, page.port, Role.GUEST) as (tab, seen):

            async def shown(path: str) -> dict[str, str]:
                await tab.goto(page.url + path)
                return dict(await tab.evaluate(FACTS))

            for market in ("", *MARKETS):
                on_page = await shown("/why?" + urlencode({"market": market}))
                told_here = command_line(capsys, "why", *([market] if market else []))
                assert on_page.items() <= told_here.items()
                gates = [path for path in told_here if path.endswith((".value", ".threshold", ".distance", ".passed"))]
                assert set(gates) <= set(on_page)
            on_page = await shown("/trades")
            ended = command_line(capsys, "history", "--limit", "50")
            assert on_page.items() <= ended.items()
            assert {path for path in ended if path.endswith(".cost_krw")} <= set(on_page)
            trade = page.book.journal.closed_trades(1)[0].id
            story = await shown(f"/trade?id={trade}")
            assert story.items() <= command_line(capsys, "history", trade).items()
            assert len(story) >= 8
            await tab.goto(page.url + "/profit")
            assert await tab.locator("svg path").count() == 2
            assert (await broken(tab), seen.wrong) == ([], [])


async def test_a_slider_moves_through_what_is_kept_and_what_is_opened_stays_open(tmp_path: Path) -> None:
    """The page follows it without being loaded anew, and its address says where it stands; a chart lives on."""
    starts = {"KRW-BTC": 1.4e8, "KRW-XRP": 3000.0}
    async with (
        asyncio.TaskGroup() as tasks,
        served(tasks, tmp_path, starts=starts) as page,
        chromium() as browser,
    ):
        known = kept(page.book.now, starts)
        look_back(page.book.journal, known, page.book.now, 20)
        async with visiting(browser, page, page.port, Role.GUEST) as (tab, seen):
            for path in ("/why", "/why?market=xrp", "/why?all=1"):
                await tab.goto(page.url + path)
                first = kst(page.book.now - 19 * UNIT)
                await tab.evaluate("window.same = true")
                await tab.focus("[name=minute]")
                await tab.keyboard.press("Home")
                await tab.wait_for_function(
                    "told => document.getElementById('head').textContent.includes(told)", arg=first
                )
                assert await tab.evaluate("[window.same, document.activeElement.name]") == [True, "minute"]
                assert "minute=" in tab.url
            await tab.goto(page.url + "/market?market=xrp")
            await tab.wait_for_selector("#moving canvas")
            await tab.click("summary")
            page.book.journal.record_scan(page.book.now, "s", page.book.now, Scan(markets=[], gates=[], prices=[]))
            await tab.wait_for_function("() => !document.querySelector('[data-path=price]')")
            assert await tab.locator("details[open] tbody tr").count() == 60
            assert await tab.locator("#drawn > #moving canvas").count() > 2
            assert (await broken(tab), seen.wrong) == ([], [])


async def test_without_javascript_positions_are_seen_and_the_stop_works(tmp_path: Path) -> None:
    """And selling all, with its word; a slip in the word sells nothing."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page, chromium() as browser:
        Life(page.book.journal, lambda: page.book.now, random.Random(1)).buy()
        async with visiting(browser, page, page.port, Role.OWNER, java_script_enabled=False) as (tab, _):
            assert await tab.locator("#held tbody tr").count() == 1
            await tab.click("text=Stop buying")
            await tab.click("main button")
            assert await tab.inner_text("h1") == "stop buying: done"
            assert page.app.control.stands(STOPPED)
            await tab.click("text=Look at now")
            await tab.click("text=Sell all")
            await tab.fill("input[name=typed]", "sell all")
            await tab.click("main button")
            assert "Nothing was done" in await tab.inner_text("[role=alert]")
            assert not page.app.control.stands(SELL_ALL)
            await tab.fill("input[name=typed]", "sell-all")
            await tab.click("main button")
            assert page.app.control.stands(SELL_ALL)
            await tab.click("text=Look at now")
            await tab.click("[aria-label='sell_all resume']")
            await tab.click("main button")
            assert [halt.code for halt in page.app.control.reasons] == [STOPPED]
            assert [row["name"] for row in page.book.rows("command")] == [
                Order.HALT_BUYS.value, Order.SELL_ALL.value, Order.RESUME.value,
            ]  # fmt: skip
        async with visiting(browser, page, page.port, Role.GUEST, java_script_enabled=False) as (tab, _):
            assert await tab.locator("#commands, main a.button").count() == 0


@pytest.mark.parametrize(("language", "schemes"), [("ko", ("light", "dark")), ("en", ("dark", "light"))])
async def test_everybody_can_use_every_page(language: str, schemes: tuple[Scheme, Scheme], tmp_path: Path) -> None:
    """Phone and desktop, dark and light: axe finds nothing, nothing is wider than the screen, nothing breaks a rule."""
    axe = pytest.importorskip(
        "axe_playwright_python.async_playwright", reason="pip install axe-playwright-python"
    ).Axe()
    async with (
        asyncio.TaskGroup() as tasks,
        served(tasks, tmp_path, language=language, starts={"KRW-BTC": 1.4e8, "KRW-XRP": 3000.0}) as page,
        chromium() as browser,
    ):
        life = Life(page.book.journal, lambda: page.book.now, random.Random(5))
        for _ in range(100):
            life.step()
        life.look()
        page.app.control.sell_all()
        trade = page.book.journal.closed_trades(1)[0].id
        pages = [
            "/",
            "/why",
            "/why?market=xrp",
            "/why?at=never",
            "/why?all=1",
            "/market?market=xrp",
            "/market?market=doge",
            "/trades",
            f"/trade?id={trade}",
            "/profit",
            "/state",
        ]
        pages += ["/command/sell-all", "/command/resume?code=sell_all", "/login?link=x"]
        for width, scheme in zip((390, 1280), schemes, strict=True):
            how: How = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
            async with visiting(browser, page, page.port, Role.OWNER, **how) as (tab, seen):
                for path in pages:
                    await tab.goto(page.url + path)
                    found = (await axe.run(tab)).response["violations"]
                    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], path
                    assert not await tab.evaluate(WIDE), (path, width)
                    assert await broken(tab) == []
                    assert await tab.locator("#moving canvas").count() >= (path == "/market?market=xrp")
                assert seen.wrong == []
                assert seen.hosts == {f"127.0.0.1:{page.port}"}
