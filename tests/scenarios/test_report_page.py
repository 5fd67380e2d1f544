"""The HTML report in a real browser: it draws its plots, and nothing leaves the machine."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Self

import pytest

from tests.helpers.made_up import run_main, write_history
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report of a few made-up markets."""
    folder = tmp_path_factory.mktemp("report")
    write_history(folder / "csv")
    run_main(folder, "data", "import", str(folder / "csv"), "--unit", "240m")
    wanted = folder / "report <&>.html"
    done = run_main(folder, "report", "--unit", "240m", "--seeds", "3", "--out", str(wanted), "--json")
    assert json.loads(done.stdout) == {"report": str(wanted), "seeds": 3}, done.stderr
    return wanted


OF_THE_BROWSER = re.compile(rb"https?://[\w.-]*\.google(?:apis)?\.com|CONNECT [\w.-]*\.google(?:apis)?\.com:443")
"""A fresh Chromium asks its maker for updates and the time, whatever page it shows."""


class SilentProxy:
    """Takes every request of a browser, answers none, and remembers what was asked for."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._asked: list[bytes] = []
        self._thread = threading.Thread(target=self._take)
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"STOP\r\n")
            self._thread.join()
        self._listener.close()

    def _take(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                line = connection.recv(4096).split(b"\r\n")[0]
            if line == b"STOP":
                return
            self._asked.append(line)

    def asked_by_the_page(self) -> list[bytes]:
        """Return what was asked for, without what the browser asks for by itself."""
        return [line for line in self._asked if line and not OF_THE_BROWSER.search(line)]


def dom_of(page: Path, proxy: SilentProxy, profile: Path) -> str:
    """Open a page in a headless browser whose every request goes to `proxy`; return its elements after scripts ran."""
    assert BROWSER is not None
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-extensions",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
        f"--user-data-dir={profile}", f"--proxy-server=127.0.0.1:{proxy.port}", "--proxy-bypass-list=<-loopback>",
        "--virtual-time-budget=10000", "--dump-dom",
    ]  # fmt: skip
    command = [BROWSER, *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603 - our flags
    assert done.returncode == 0, done.stderr
    return done.stdout


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")


@needs_browser
def test_a_browser_draws_every_plot_and_asks_nobody(report: Path, tmp_path: Path) -> None:
    """Equity, drawdown, trades and a market's candles are drawn; the page asks for nothing over the network."""
    with SilentProxy() as proxy:
        dom = dom_of(report, proxy, tmp_path)
    assert proxy.asked_by_the_page() == []
    for name in ("equity", "drawdown", "rolling", "exposure", "trades", "chart"):
        assert re.search(rf'<div id="{name}"[^>]*class="js-plotly-plot"', dom), f"{name} was not drawn"
    assert dom.count('class="main-svg"') >= 5
    assert re.search(r'class="trace boxes"[^>]*>\s*<path', dom), "there are no candles"
    assert re.search(r'class="point"', dom), "there are no trades"


@needs_browser
def test_a_page_that_asks_would_be_seen(tmp_path: Path) -> None:
    """The check above can fail: an image of another host knocks at the proxy."""
    page = tmp_path / "asks.html"
    page.write_text('<img src="http://elsewhere.invalid/x.png">', encoding="utf-8")
    with SilentProxy() as proxy:
        dom_of(page, proxy, tmp_path / "profile")
    assert any(b"elsewhere.invalid" in line for line in proxy.asked_by_the_page())


def test_the_page_names_what_it_rests_on_and_loads_nothing(report: Path) -> None:
    """Costs, parameters, seeds and the comparison with bitcoin stand in it; no element points outside."""
    text = report.read_text(encoding="utf-8")
    known = ("quiet trend", "fee_rate", "max_natr", "3 seeds", "holding bitcoin", "default-src 'none'")
    for words in (*known, "The history is shorter than 180 days"):
        assert words in text
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", text)


def test_the_page_shows_every_trade_and_fits_a_phone(report: Path) -> None:
    """Lists by trade, market and reason; every table moves in a box of its own, so that the page does not."""
    text = report.read_text(encoding="utf-8")
    for words in ("by market", "by reason of the sale", "deepest falls", "year by year", "trades of seed", "payoff"):
        assert words in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert text.count("<table") == len(re.findall('<div class="wide(?: long)?"><table', text))


MONTHS = """(() => {
  const map = document.querySelector("table.months"), cells = [...map.querySelectorAll("td[style]")];
  return {
    letters: parseFloat(getComputedStyle(map).fontSize) >= 14 && cells.length > 0,
    whole: cells.every(cell => cell.scrollWidth <= cell.clientWidth && cell.offsetWidth >= 44),
    moves: map.parentElement.scrollWidth > map.parentElement.clientWidth,
  };
})()"""
"""Of the map of months: letters of the size of the page, each number whole in a finger wide, the box that moves."""


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_of_the_page_is_wider_than_the_screen(report: Path, width: int) -> None:
    """On a phone too: what is wider moves in its own box, else the phone shows all of it smaller."""
    playwright = pytest.importorskip("playwright.async_api", reason="pip install playwright")
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        phone = await browser.new_context(viewport={"width": width, "height": 844}, is_mobile=width < 600)
        tab = await phone.new_page()
        await tab.goto(report.as_uri())
        assert await tab.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert await tab.evaluate(MONTHS) == {"letters": True, "whole": True, "moves": width < 600}
        await browser.close()


def test_a_place_that_cannot_be_written_is_said_in_one_sentence(report: Path, tmp_path: Path) -> None:
    """The exit code is 1, and no half page is left."""
    done = run_main(report.parent, "report", "--unit", "240m", "--seeds", "1", "--out", str(tmp_path / "no" / "r.html"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
