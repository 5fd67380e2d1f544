"""`history` and `tax`: what trades have come to, as the journal says, in Korean days."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cli.history import korean_day
from journal.records import IntentState, Note
from journal.scans import Draw
from main import main
from tests.helpers.journals import NOW, Book, buy, fill, intent, trade
from upbit.models import Side
from views.executions import executions
from views.history import story, sums

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """Lend a journal with two trades that have ended, a day apart, and one that is open."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        opened.journal.record_draw(Draw(at=NOW, candidates=3, free=1, markets=("KRW-BTC",)))
        for number, (name, market, price) in enumerate((("t1", "KRW-BTC", "120"), ("t2", "KRW-ETH", "90"))):
            buy(opened, name, f"b{number}", market=market)
            sell(opened, name, f"s{number}", market, price)
            ended = NOW + number * DAY
            note = Note(key=f"sold:{name}", kind="sold", body={})
            opened.journal.close_trade(name, closed_at=ended, dust=Decimal(0), notes=[note])
        buy(opened, "t3", "b3", market="KRW-XRP")
        yield opened


def sell(book: Book, name: str, order: str, market: str, price: str) -> None:
    """Sell two units for a fee of a quarter."""
    reason = {"code": "stop", "ko": "손절", "en": "protective stop"}
    assert book.journal.leave(name, reason, intent(order, trade(name, market), side=Side.ASK))
    book.journal.begin_attempt(order)
    book.journal.end_attempt(order, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{order}")
    book.journal.record_fills(order, [fill(f"f-{order}", price, "2")], Decimal("0.25"))
    book.journal.finish(order)


def test_executions_add_up_to_what_the_journal_counts(book: Book) -> None:
    """The rows of the table and the sums of the journal come to the same won and coins."""
    found, totals = executions(book.journal), book.journal.totals()
    assert sum((one.krw for one in found), Decimal(0)) == totals.krw
    for coin in ("BTC", "ETH", "XRP"):
        assert sum((one.coins for one in found if one.market == f"KRW-{coin}"), Decimal(0)) == totals.coins[coin]


@pytest.mark.parametrize(("by", "names"), [("market", ["KRW-BTC", "KRW-ETH"]), ("reason", ["stop"])])
def test_sums_are_the_sums_of_their_trades(book: Book, by: str, names: list[str]) -> None:
    """Nothing is counted twice, and nothing is left out."""
    trades = book.journal.closed_trades(-1)
    found = sums(trades, by)
    assert [one.name for one in found] == names
    assert sum((one.profit for one in found), Decimal(0)) == book.journal.realised()
    assert sum(one.trades for one in found) == 2
    assert sum(one.gained for one in found) == 1


def test_days_and_months_turn_at_midnight_in_korea(book: Book) -> None:
    """What ended at 23:59 in Seoul and a minute later stands in two days."""
    at = korean_day("2026-12-01")
    early, late = book.journal.closed_trades(-1)
    some = [replace(early, closed_at=at - timedelta(minutes=1)), replace(late, closed_at=at)]
    assert [one.name for one in sums(some, "day")] == ["2026-11-30", "2026-12-01"]
    assert [one.name for one in sums(some, "month")] == ["2026-11", "2026-12"]


def test_a_story_goes_from_the_draw_to_the_last_message(book: Book) -> None:
    """Draw, decision, attempt, fill, sale, end, message: oldest first."""
    book.journal.mark_sent(["sold:t1"])
    told = [moment.what.en for moment in story(book.journal, "t1").moments]
    for words in (
        "drawn, one of 3 candidates",
        "the buy was decided",
        "bought 2 × 100 = 200 KRW",
        "the sale was decided: protective stop",
        "sold 2 × 120 = 240 KRW",
        "the trade has ended",
        "an order to buy was sent: Upbit took it",
        "the card of the result was delivered",
    ):
        assert any(words in line for line in told), (words, told)
    moments = story(book.journal, "t1").moments
    assert list(moments) == sorted(moments, key=lambda one: one.at)
    assert all(moment.what.ko and moment.what.en for moment in moments)
    assert not any("drawn" in moment.what.en for moment in story(book.journal, "t2").moments)


def test_the_verbs_print_tables_sums_stories_and_json(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    """Also beside a daemon; a name that nobody bears is told in one sentence."""
    assert main(["history", "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[3] for row in rows[1:]].count("sell") == 2
    assert {row[12] for row in rows[1:]} == {"t1", "t2", "t3"}
    assert main(["history", "--by", "market", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["KRW-BTC", "KRW-ETH"]
    first = f"{NOW + timedelta(hours=9):%Y-%m-%d}"
    assert main(["history", "--json", "--from", first, "--to", first]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == ["t1"]
    assert main(["history", "t1"]) == 0
    assert "the trade has ended" in capsys.readouterr().out
    assert main(["history", "nobody"]) == 1
    assert "There is no trade nobody" in capsys.readouterr().err
    assert main(["history", "--from", "soon"]) == 2
    year = str((NOW + timedelta(hours=9)).year)
    capsys.readouterr()
    assert main(["tax", "--year", year, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert Decimal(said["total_average"]["profit"]) == book.journal.realised()
    assert said["total_average"]["profit"] == said["moving_average"]["profit"]
    assert main(["tax", "--year", year]) == 0
    assert "estimate" in capsys.readouterr().out
