"""One setting says which colour a gain has and which a loss, wherever somebody sees them."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from config.settings import Config
from dashboard.passes import Role
from dashboard.server import STATIC
from notifier.colours import PALETTES
from notifier.messages import Messages
from notifier.writer import SHADES
from tests.helpers.journals import Book, buy, sell
from tests.helpers.web_page import served
from tests.unit.test_picture import PICTURE

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = pytest.mark.parametrize(
    ("colors", "gain", "loss"), [("red_blue", "red", "blue"), ("green_red", "green", "red")]
)


@SETTINGS
def test_the_terminal_shows_gains_and_losses_in_the_colours_of_the_setting(colors: str, gain: str, loss: str) -> None:
    """A gain of one position, a loss of another."""
    drawn = list(Console(width=160).render(replace(PICTURE, colors=colors)))
    for amount, colour in (("▲ +2,952원", gain), ("▼ -2,500원", loss)):
        assert [f"{piece.style}" for piece in drawn if amount in piece.text] == [colour]


@SETTINGS
def test_a_card_has_the_colour_of_its_outcome(colors: str, gain: str, loss: str, tmp_path: Path) -> None:
    """What was sold higher is a gain; what was sold for what it cost is none."""
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal as journal:
        buy(book)
        sell(book, "t1", "s1", "2")
        journal.close_trade("t1", closed_at=book.now + timedelta(hours=1), dust=Decimal(0))
        (ended,) = journal.closed_trades(1)
    messages = Messages(language="en", mode="live", colors=colors)
    at = datetime(2026, 11, 2, tzinfo=UTC)
    for trade, name in ((ended, gain), (replace(ended, proceeds_krw=ended.cost_krw), loss)):
        body = messages.sold(trade, name="x", dust=Decimal(0), at=at).body
        assert f"'color': {SHADES[name]}," in str(body)


@SETTINGS
async def test_the_page_says_which_colours_its_style_sheet_takes(
    colors: str, gain: str, loss: str, tmp_path: Path
) -> None:
    """Both palettes are in the one style sheet, as names of the terminal's."""
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    chosen = style[style.index(f'[data-colors="{colors}"]') if colors != "red_blue" else 0 :]
    assert chosen.index(f"--up: var(--{gain});") < chosen.index(f"--down: var(--{loss});")
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        page.app.config = replace(page.app.config, colors=colors)
        cookies = page.log_in(Role.OWNER)
        headers = {"Cookie": f"{page.site.cookie}={cookies[page.site.cookie]}"}
        async with page.client.get(page.url, headers=headers) as answer:
            assert f'data-colors="{colors}"' in await answer.text()


def test_every_palette_can_be_set_and_is_known_everywhere() -> None:
    """The setting allows exactly what the terminal, the cards and the page have."""
    (setting,) = [one for one in fields(Config) if one.name == "colors"]
    assert [setting.metadata["kind"].convert(name) for name in PALETTES] == list(PALETTES)
    assert {name for palette in PALETTES.values() for name in palette} == set(SHADES)
