"""What ended trades have earned: kept in the file, the same as if every trade were added up anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.journal import Journal
from journal.profits import Profits
from journal.reader import open_reader
from journal.records import IntentState, Phase
from journal.schema import MIGRATIONS
from tests.helpers.journals import NOW, accepted, fill, intent, trade

if TYPE_CHECKING:
    from pathlib import Path

    from journal.queries import Queries


def added_up(journal: Queries) -> Decimal:
    """Return the sum of what every ended trade has earned, each read with all its fills."""
    names = [row["id"] for row in journal._db.execute("SELECT id FROM trade WHERE phase = 'closed' ORDER BY rowid")]
    return sum((journal.trade(name).profit_krw for name in names), Decimal(0))


def bought(journal: Journal, name: str, market: str, price: str = "100.1", fee: str = "0.05") -> None:
    """Buy one coin."""
    of = replace(trade(name), market=market)
    assert journal.begin_trade(of, intent(f"{name}-b", of))
    accepted(journal, f"{name}-b", f"{name}-b")
    journal.record_fills(f"{name}-b", [fill(f"{name}-b", price, "1")], Decimal(fee))
    journal.finish(f"{name}-b")
    journal.enter_position(name, opened_at=NOW, stop_price=None, highest_price=Decimal(price))


def sold(journal: Journal, name: str, volume: str = "1", price: str = "110.3", fee: str = "0.055") -> None:
    """Sell so much of it, and end the trade."""
    assert journal.leave(name, {}, intent(f"{name}-s", journal.trade(name), "ask"))
    accepted(journal, f"{name}-s", f"{name}-s")
    journal.record_fills(f"{name}-s", [fill(f"{name}-s", price, volume)], Decimal(fee))
    journal.finish(f"{name}-s")
    journal.close_trade(name, closed_at=NOW, dust=journal.position_volume(name))


def test_a_trade_counts_from_its_end_on(journal: Journal) -> None:
    """What it has earned after fees; one that is held or bought nothing counts for nothing."""
    assert journal.realised() == 0
    bought(journal, "t1", "KRW-A")
    assert journal.realised() == 0
    sold(journal, "t1")
    assert journal.realised() == Decimal("110.3") - Decimal("0.055") - Decimal("100.1") - Decimal("0.05")
    assert journal.realised() == added_up(journal) == journal.totals().realised_pnl
    of = replace(trade("t2"), market="KRW-A")
    journal.begin_trade(of, intent("t2-b", of))
    journal.abandon("t2-b", "deadline")
    journal.abandon_trade("t2", "deadline")
    assert journal.realised() == added_up(journal)


def test_many_trades_are_one_sum(journal: Journal) -> None:
    """Gains, losses, withdrawals at a price and at none, dust that is sold with the next trade: to the last decimal."""
    for number in range(12):
        name, market = f"t{number}", f"KRW-{'ABC'[number % 3]}"
        bought(journal, name, market, price=f"{90 + 7 * number % 13}.01")
        if number % 4 == 1:
            journal.take_out(name, Decimal("0.3"), price=None)
        if number % 4 == 3:
            journal.take_out(name, Decimal("0.2"), price=Decimal(77))
        sold(journal, name, volume="0.65", price=f"{95 + 5 * number % 11}.3")
        assert journal.realised() == added_up(journal)
    assert len(journal.closed_trades(99)) == 12


def test_a_late_order_changes_what_its_ended_trade_has_earned(journal: Journal) -> None:
    """A sale found at the exchange ends it anew, a buy lets it go on, and the next sale ends it again."""
    bought(journal, "t1", "KRW-A")
    sold(journal, "t1", volume="0.5")
    before = journal.realised()
    late = replace(intent("late", journal.trade("t1"), "ask"), state=IntentState.FINAL, uuid="late")
    journal.adopt(journal.trade("t1"), late, [fill("late", "50", "0.5")], Decimal("0.1"), [])
    assert journal.realised() == before + 25 - Decimal("0.1") == added_up(journal)
    more = replace(intent("more", journal.trade("t1")), state=IntentState.FINAL, uuid="more")
    journal.adopt(journal.trade("t1"), more, [fill("more", "70", "2")], Decimal("0.2"), [])
    assert journal.trade("t1").phase == "holding"
    assert journal.realised() == added_up(journal) == 0
    rest = replace(intent("rest", journal.trade("t1"), "ask"), state=IntentState.FINAL, uuid="rest")
    journal.adopt(journal.trade("t1"), rest, [fill("rest", "80", "2")], Decimal("0.2"), [])
    assert journal.trade("t1").phase == "closed"
    assert journal.realised() == added_up(journal) == before + 25 + 20 - Decimal("0.5")


def test_a_fee_that_grows_after_the_end_counts_too(journal: Journal) -> None:
    """Upbit may tell the last of it late."""
    bought(journal, "t1", "KRW-A")
    sold(journal, "t1")
    before = journal.realised()
    journal.record_fills("t1-s", [], Decimal("0.155"))
    assert journal.realised() == added_up(journal) == before - Decimal("0.1")


def test_what_is_undone_is_not_counted(journal: Journal) -> None:
    """The sum is written with what it counts, or not at all."""
    bought(journal, "t1", "KRW-A")

    def undone() -> None:
        with journal._transaction():
            journal._phase("t1", Phase.CLOSED)
            assert journal.realised() < 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undone()
    assert journal.realised() == 0


def test_the_next_process_goes_on_with_the_sum(tmp_path: Path) -> None:
    """Nothing is added up at its start."""
    path = tmp_path / "journal.sqlite3"
    for number in range(3):
        with Journal.open(path, lambda: NOW) as journal:
            assert journal.realised() == added_up(journal)
            bought(journal, f"t{number}", "KRW-A")
            sold(journal, f"t{number}")
    with Journal.open(path, lambda: NOW) as journal:
        assert journal.realised() == added_up(journal) == 3 * Decimal("10.095")


def test_a_sum_of_any_length_is_asked_for_with_one_query(journal: Journal) -> None:
    """And leaves nothing in memory."""
    for number in range(5):
        bought(journal, f"t{number}", "KRW-A")
        sold(journal, f"t{number}")
    asked: list[str] = []
    journal._db.set_trace_callback(asked.append)
    assert journal.realised() == 5 * Decimal("10.095")
    assert asked == ["SELECT value FROM meta WHERE key = 'realised'"]


def test_fees_are_those_of_all_orders_and_are_added_up_once(journal: Journal) -> None:
    """Whether their trade has ended or not; a screen asks twice a second."""
    assert journal.fees() == 0
    bought(journal, "t1", "KRW-A", fee="0.05")
    sold(journal, "t1", fee="0.055")
    bought(journal, "t2", "KRW-B", fee="1.5")
    assert journal.fees() == Decimal("1.605") == journal.totals().fees
    asked: list[str] = []
    journal._db.set_trace_callback(asked.append)
    assert journal.fees() == Decimal("1.605")
    assert asked == []


def older_file(path: Path) -> Decimal:
    """Make a journal of format 4 with two ended trades and an open one; return what the ended have earned."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript("".join(MIGRATIONS[:4]) + "PRAGMA user_version = 4;")
        for name, phase, funds in (("t1", "closed", "110.25"), ("t2", "closed", "70"), ("t3", "holding", "1")):
            market = f"KRW-{name}"
            old.execute(
                "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, closed_ms, entry_reason) "
                "VALUES (?, ?, 's', 60, ?, 0, 0, '{}')",
                (name, market, phase),
            )
            for side, krw, fee in (("bid", "100", "1"), ("ask", funds, "2")):
                order = f"{name}-{side}"
                old.execute(
                    "INSERT INTO intent (id, decision_key, n, trade_id, market, side, request, decided_ms, state, "
                    "paid_fee) VALUES (?, ?, 0, ?, ?, ?, '{}', 0, 'FINAL', ?)",
                    (order, order, name, market, side, fee),
                )
                old.execute("INSERT INTO fill VALUES (?, ?, '50', '2', ?, 0)", (order, order, krw))
    return Decimal("110.25") + 70 - 200 - 6


@pytest.mark.failure("F18")
def test_trades_that_ended_before_the_sum_was_kept_are_counted_when_the_file_is_opened(tmp_path: Path) -> None:
    """Once; until then a reader adds them up."""
    path = tmp_path / "journal.sqlite3"
    earned = older_file(path)
    with open_reader(path) as reader:
        assert reader.realised() == reader.totals().realised_pnl == earned
    for _ in range(2):
        with Journal.open(path, lambda: NOW) as journal:
            assert journal.realised() == added_up(journal) == earned
    with open_reader(path) as reader:
        assert reader.realised() == earned


@pytest.mark.failure("E10")
def test_a_counting_that_is_interrupted_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a sum would be taken for the whole one ever after."""
    path = tmp_path / "journal.sqlite3"
    earned, real = older_file(path), Profits._settle

    def dies(journal: Profits, trade_id: str) -> None:
        if trade_id == "t2":
            raise KeyboardInterrupt
        real(journal, trade_id)

    with monkeypatch.context() as patch:
        patch.setattr(Profits, "_settle", dies)
        with pytest.raises(KeyboardInterrupt):
            Journal.open(path, lambda: NOW)
    with Journal.open(path, lambda: NOW) as journal:
        assert journal.realised() == earned
