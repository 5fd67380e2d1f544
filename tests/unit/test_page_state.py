"""The page of the daemon's own health."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from dashboard.passes import Role
from notifier.watchers import name_of
from tests.helpers.web_page import served
from trader.health import LIMITS_S, Health

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
    assert shown["strategy.unit"] == ["240", "default"]
    assert "None" not in text
