"""The pages of the daemon's own health, and of what the account was worth."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from dashboard.passes import Role
from journal import JOURNAL_FILE
from journal.backups import note_backup
from notifier.watchers import name_of
from tests.helpers.web_page import served
from trader.health import LIMITS_S, Health
from views.equity import FACT, Mark, as_fact

if TYPE_CHECKING:
    from pathlib import Path


async def test_each_part_says_when_it_last_finished_a_step_and_what_ails_it(tmp_path: Path) -> None:
    """In seconds, beside what it may take; settings stand there as config.toml writes them."""
    now = [0.0]
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        page.app.health = Health(lambda: now[0])
        now[0] = 90.0
        for loop in LIMITS_S.keys() - {"update_prices"}:
            page.app.health.alive(loop)
        page.app.health.failed("update_prices", ValueError("no price"))
        now[0] = 95.0
        note_backup(page.app.config.data_dir / JOURNAL_FILE, datetime(2026, 11, 2, 12, tzinfo=UTC))
        cookies = page.log_in(Role.OWNER)
        headers = {"Cookie": f"{page.site.cookie}={cookies[page.site.cookie]}"}
        async with page.client.get(page.url + "/state", headers=headers) as answer:
            text = await answer.text()
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r'<tr class="row">(.*?)</tr>', text)]
    shown = {cells[0]: cells[1:] for cells in rows}
    assert shown["live prices"] == ["95 s ago", "60 s", "no price"]
    for loop, limit in LIMITS_S.items():
        if loop != "update_prices":
            assert shown[name_of(loop, "en")] == ["5 s ago", f"{limit:,.0f} s", "-"]
    assert "The live prices part has stopped" in text
    assert "2026-11-02 21:00 KST" in text  # the last backup
    assert shown["strategy.unit"] == ["240", "default"]
    assert "None" not in text


async def test_equity_of_every_morning_stands_beside_the_same_won_in_bitcoin(tmp_path: Path) -> None:
    """A morning on which nobody knew bitcoin's price leaves a place empty; one morning is no curve yet."""
    mornings = [
        Mark(day=f"2026-11-0{day}", equity=Decimal(equity), bitcoin=None if price is None else Decimal(price))
        for day, equity, price in ((1, "1000000", "100"), (2, "1010000", None), (3, "1020000", "90"))
    ]
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        cookies = page.log_in(Role.OWNER)
        headers = {"Cookie": f"{page.site.cookie}={cookies[page.site.cookie]}"}
        texts = []
        for count in (1, 3):
            kept = as_fact(mornings[: count - 1], mornings[count - 1])
            page.book.journal.keep_fact(FACT, kept)
            async with page.client.get(page.url + "/profit", headers=headers) as answer:
                texts.append(await answer.text())
    assert 'id="equity"' not in texts[0]
    assert "equity ▲ +20,000 KRW (▲ +2.00 %) · bitcoin ▼ -10.00 %" in texts[1]
    drawn = dict(re.findall(r'<path d="([^"]*)" class="(line[^"]*)">', texts[1]))
    lines = {kind: path.count(",") or path.count("L") + 1 for path, kind in drawn.items()}
    assert lines == {"line": 3, "line l0": 2}
