"""The page of a market: what it weighs, that it says the same without scripts, and whose library it brings along."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from dashboard.locks import HEADERS
from dashboard.passes import Role
from dashboard.server import STATIC
from tests.helpers.charts import kept, look_back
from tests.helpers.journals import NOW
from tests.helpers.random_life import Life
from tests.helpers.scans import a_scan
from tests.helpers.web_page import Served, served
from upbit.models import Market
from views.chart import SHOWN, chart

if TYPE_CHECKING:
    from pathlib import Path

MARKETS = ["KRW-BTC", "KRW-XRP", *(f"KRW-M{number}" for number in range(287))]
STARTS = {"KRW-BTC": 1.4e8, "KRW-XRP": 3000.0}
LIBRARY = "lightweight-charts"
WITH_CHART, WITHOUT = 300_000, 120_000


async def load(page: Served, path: str) -> tuple[str, int]:
    """Return a page as its owner gets it, and the bytes of it and of everything it loads first."""
    owner = page.log_in(Role.OWNER)
    headers = {"Cookie": f"{page.site.cookie}={owner[page.site.cookie]}"}
    async with page.client.get(page.url + path, headers=headers) as answer:
        assert answer.status == 200
        text = await answer.text()
    size = len(text.encode())
    for source in re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', text):
        async with page.client.get(urljoin(page.url, source)) as answer:
            size += len(await answer.read())
    return text, size


async def test_a_first_load_is_light(tmp_path: Path) -> None:
    """With 289 markets: under 300 kB with the chart, under 120 kB everywhere else; the library only where it draws."""
    sizes = {}
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path, starts=dict.fromkeys(MARKETS, 100.0)) as page:
        look_back(page.book.journal, kept(NOW, dict.fromkeys(MARKETS, 100.0)), NOW, 2)
        named = {market: Market(market=market, korean_name="아홉글자짜리코인이름") for market in MARKETS}
        await page.app.state.listings.replace(named)
        life = Life(page.book.journal, lambda: page.book.now, random.Random(3))
        for _ in range(300):
            life.step()
        look_back(page.book.journal, kept(NOW, dict.fromkeys(MARKETS, 100.0)), NOW, 1)
        for path in (
            "/market?market=KRW-XRP",
            "/",
            "/why",
            "/why?market=xrp",
            "/why?all=1",
            "/trades",
            "/profit",
            "/state",
        ):
            text, size = await load(page, path)
            sizes[path] = size
            assert (LIBRARY + ".js" in text) is path.startswith("/market")
    with_chart = sizes.pop("/market?market=KRW-XRP")
    assert 200_000 < with_chart < WITH_CHART
    assert {path: size for path, size in sizes.items() if not 10_000 < size < WITHOUT} == {}


async def test_the_chart_is_whole_without_scripts(tmp_path: Path) -> None:
    """Candles, lines, days, strip and trades as a picture, the newest candles as a table; the script gets the same."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path, starts=STARTS, language="ko") as page:
        known = kept(NOW, STARTS)
        look_back(page.book.journal, known, NOW, 20)
        await page.app.state.listings.replace({"KRW-XRP": Market(market="KRW-XRP", korean_name="엑스알피")})
        text, _ = await load(page, "/market?market=엑스알피")
        found = chart(page.book.journal, known, "KRW-XRP")
    assert "<h1>엑스알피 KRW-XRP" in text
    traded = sum(1 for one in found.candles if one is not None)
    drawn = "".join(re.findall(r'<path d="([^"]*)" class="candle (?:up|down)">', text))
    assert drawn.count("h2V") == traded
    assert text.count('class="line l') == len(found.lines)
    (days,) = re.findall(r'<path d="([^"]*)" class="day">', text)
    assert days.count("M") == SHOWN // 6
    strip = "".join(re.findall(r'<path d="([^"]*)" class="strip [^"]*">', text))
    assert sum(int(width) for width in re.findall(r"h(\d+)v", strip)) == 4 * 20
    assert text.count('<tr class="row">') == 60
    (told,) = re.findall(r'data-chart="([^"]*)"', text)
    data = json.loads(unescape(told))
    assert [one is None for one in data["candles"]] == [one is None for one in found.candles]
    names = [data["gates"][place][0] for place in data["said"] if place >= 0]
    assert names == [one.name.ko for one in found.said if one is not None]
    assert "TradingView Lightweight Charts™ Copyright (c) 2026 TradingView, Inc." in text
    assert 'href="https://www.tradingview.com/"' in text


async def test_a_market_nobody_knows_is_told_and_markup_stays_text(tmp_path: Path) -> None:
    """Without a name it shows bitcoin; with one that is none it says what to do."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path, starts=STARTS) as page:
        text, _ = await load(page, "/market")
        assert 'value="KRW-BTC"' in text
        text, _ = await load(page, "/market?market=<i>no</i>")
        assert "No candles of KRW-&lt;I&gt;NO&lt;/I&gt; are in memory" in text


def test_the_library_is_the_published_one_with_its_notice_and_licence() -> None:
    """Not a byte was changed; nothing of it is loaded from elsewhere."""
    library = (STATIC / f"{LIBRARY}.js").read_bytes()
    notice = (STATIC / f"{LIBRARY}.NOTICE.txt").read_text(encoding="utf-8")
    assert hashlib.sha256(library).hexdigest() in notice
    assert b"TradingView Lightweight Charts\xe2\x84\xa2 v5.2." in library[:200]
    assert "Apache License" in (STATIC / f"{LIBRARY}.LICENSE.txt").read_text(encoding="utf-8")[:200]
    assert "attributionLogo: false" in (STATIC / "chart.js").read_text(encoding="utf-8")
    assert "script-src 'self';" in HEADERS["Content-Security-Policy"]


async def test_all_markets_stand_beside_all_gates_nearest_first_and_a_hundred_at_once(tmp_path: Path) -> None:
    """Value and distance of each; what all are asked stands in the head; a target and a barred one say so."""
    values = [2.0, *(1.0 - number / 1000 for number in range(240))]
    looked = a_scan(*values)
    markets = [f"KRW-M{number:03}" for number in range(len(values))]
    gate = {"code": "warning", "ko": "투자유의 종목", "en": "warned of"}
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        scan = replace(looked, markets=markets, barred={markets[1]: gate})
        page.book.journal.record_scan(NOW, "s", NOW, scan)
        shown = []
        for turn in ("1", "2", "3", "99", "x"):
            text, _ = await load(page, f"/why?all={turn}")
            rows = re.findall(r'<tr class="row">(.*?)</tr>', text)
            shown.append([re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows])
        assert "below what is asked (open: &gt; 1)" in text
    assert [len(rows) for rows in shown] == [100, 100, 41, 41, 100]
    assert [re.findall(r"KRW-M\d+", row[0])[-1] for rows in shown[:3] for row in rows] == [
        markets[0],
        *markets[2:],
        markets[1],
    ]
    assert shown[0][0][1:] == ['<span class="open">✓ 2</span>', "target"]
    assert shown[0][1][1:] == ['<span class="shut">✗ 0.999 (0.10 %)</span>', '<span class="open">-</span>']
    assert shown[2][-1][1:] == ['<span class="shut">✗ 1 (0.00 %)</span>', "warned of"]
