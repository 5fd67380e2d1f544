"""`status` like an app: price, open profit, distance to the stop, places and won, as far as the journal knows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from main import main
from tests.helpers.journals import NOW, Book, buy
from tests.helpers.scans import a_scan
from views.status import status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FACTS = {"places": 5, "taken": 1, "won": "123456.7", "won_at": "2026-11-02T11:59:58+00:00", "rest_s": 60}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """Lend a journal with one position, bought at 100 won, with a stop at 90."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        buy(opened, "t1", "b1", market="KRW-A")
        opened.journal.set_stop("t1", Decimal(90))
        yield opened


def look(book: Book, price: str | None) -> None:
    """Let the daemon look at all markets at a price."""
    prices = [None if price is None else Decimal(price)]
    book.journal.record_scan(NOW, "s", NOW, replace(a_scan(2.0), prices=prices, facts=FACTS))


def test_a_position_is_told_at_the_price_of_the_last_look(book: Book) -> None:
    """Two units at 110 won, paid 200 and a fee of half a won: 19.5 won, and the stop is 18 percent below."""
    look(book, "110")
    found = status(book.journal, NOW + timedelta(minutes=1))
    (held,) = found.held
    assert held.entry == 100
    assert held.profit == Decimal("19.5")
    assert held.share == Decimal("19.5") / Decimal("200.5")
    assert held.to_stop == Decimal(90) / Decimal(110) - 1
    assert found.open_profit == held.profit
    assert (found.places, found.taken) == (5, 1)
    assert found.free_won == Decimal("123456.7")
    assert found.warning("ko") is None
    assert found.sentence("en") == "1/5 places, 0 KRW today, open profit ▲ +20 KRW"
    assert found.account("en") == "available won: 123,457 KRW (11-02 20:59 KST)"


@pytest.mark.parametrize("price", [None, "none at all"])
def test_what_the_journal_does_not_know_is_not_made_up(book: Book, price: str | None) -> None:
    """No price, or no look: no profit, and a sentence that says what to do."""
    if price is None:
        look(book, price)
    found = status(book.journal, NOW + timedelta(hours=1))
    assert found.open_profit is None
    assert found.held[0].profit is None
    for language in ("ko", "en"):
        assert "python main.py health" in (found.warning(language) or "")
    assert "open profit" not in found.sentence("en")


def test_the_verb_tells_it_as_a_sentence_and_as_json(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence first; the same in what a machine reads."""
    look(book, "110")
    assert main(["status"]) == 0
    assert capsys.readouterr().out.startswith("1/5 places")
    assert main(["status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["now"]["held"][0]["profit"] == "19.5"
    assert said["now"]["old"] is True
