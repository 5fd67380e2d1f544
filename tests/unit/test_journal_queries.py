"""What the journal answers: the sums a cap rests on, the orders a restart takes up, and what a person asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.errors import JournalBreach
from journal.records import Counts, Ends, Flow, Halt, IntentState, Level, Note, Totals
from journal.rows import canonical, chain, from_ms, money, to_ms, to_text, worth_of
from journal.scans import Draw
from tests.helpers.journals import MS, NOW, Book, begin, buy, fill, intent, sell, trade
from tests.helpers.scans import a_scan
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HALT = Halt(code="breach", level=Level.HALTED, ends=Ends.PERSON, ko="멈춤", en="halted", since=NOW, evidence={"a": "1"})


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty journal whose clock is set by hand."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        yield opened


def test_an_empty_journal_knows_nothing(book: Book) -> None:
    """And says so, for whoever asks."""
    journal = book.journal
    assert (journal.live_intents(), journal.open_trades(), journal.closed_trades(9)) == ([], [], [])
    assert journal.realised() == 0
    assert (journal.known_intent("i1"), journal.newest_shown(), journal.open_trade_in("KRW-BTC")) == (None, None, None)
    assert not journal.knows_trade("t1")
    assert (journal.exposure(), journal.last_exits(), journal.standing_halts()) == ({}, {}, [])
    assert journal.spent_since(NOW) == 0
    assert journal.totals() == Totals(krw=Decimal(0))
    assert journal.counts() == Counts(buys=0, sells=0, rejected=0, open_trades=0, closed_trades=0)
    assert (journal.meta("x"), journal.scan_at(NOW), journal.imported_until()) == (None, None, None)
    assert (journal.looked(), journal.looked_last()) == ((None, None), None)
    with pytest.raises(JournalBreach, match="there is no order i1"):
        journal.intent("i1")
    with pytest.raises(JournalBreach, match="there is no trade t1"):
        journal.trade("t1")


def test_orders_and_trades_are_found_by_what_they_are(book: Book) -> None:
    """Live ones, open ones, those of a market or a name; oldest first, the newest uuid last."""
    buy(book, "t1", "i1")
    assert book.journal.newest_shown() == "i1"
    begin(book, "e1", "e1", "KRW-ETH")
    assert book.journal.newest_shown() == "i1"
    buy(book, "x1", "x1", market="KRW-XRP")
    sell(book, "t1", "i2", "0.5")
    journal = book.journal
    assert journal.newest_shown() == "i2"
    assert [one.identifier for one in journal.live_intents()] == ["e1"]
    assert [one.identifier for one in journal.intents_of("t1")] == ["i1", "i2"]
    assert [one.id for one in journal.open_trades()] == ["t1", "e1", "x1"]
    found = journal.open_trade_in("KRW-ETH")
    assert found is not None
    assert found.id == "e1"
    assert journal.open_trade_in("KRW-ADA") is None
    assert journal.knows_trade("x1")
    assert not journal.knows_trade("x2")
    assert journal.known_intent("e1") == journal.intent("e1")
    assert journal.known_intent("e2") is None


def test_the_order_in_hand_of_a_trade_is_the_live_one_else_its_last(book: Book) -> None:
    """One that was adopted may have been written after the one somebody follows."""
    buy(book)
    assert book.journal.order_in_hand("t1").identifier == "i1"
    assert book.journal.leave("t1", {}, intent("i2", side=Side.ASK))
    found = replace(intent("i3", side=Side.ASK), state=IntentState.FINAL, uuid="u3")
    book.journal.adopt(trade(), found, [fill("f3", "110", "0.5")], Decimal(0), [])
    assert book.journal.order_in_hand("t1").identifier == "i2"
    book.journal.abandon("i2", "deadline")
    assert book.journal.order_in_hand("t1").identifier == "i3"


def test_ended_trades_are_told_newest_first_and_no_more_than_asked_for(book: Book) -> None:
    """One that bought nothing is none of them."""
    for number, market in enumerate(("KRW-BTC", "KRW-ETH", "KRW-BTC", "KRW-XRP")):
        begin(book, f"t{number}", f"i{number}", market)
        book.journal.abandon(f"i{number}", "deadline")
        closed_at = NOW + timedelta(seconds=[5, 9, 5, 1][number])
        if number < 3:
            book.journal.close_trade(f"t{number}", closed_at=closed_at, dust=Decimal(0))
        else:
            book.journal.abandon_trade("t3", "deadline")
    assert [one.id for one in book.journal.closed_trades(9)] == ["t1", "t2", "t0"]
    assert [one.id for one in book.journal.closed_trades(1)] == ["t1"]
    assert book.journal.last_exits() == {
        "KRW-BTC": NOW + timedelta(seconds=5),
        "KRW-ETH": NOW + timedelta(seconds=9),
    }


def test_what_stood_at_a_moment_is_told_long_after_it(book: Book) -> None:
    """The trades, their coins and the halts of then; what began later or was over by then is none of them."""
    halted, held, over = NOW, NOW + timedelta(seconds=2), NOW + timedelta(seconds=4)
    book.journal.begin_halt(HALT, [])
    book.at(1000)
    begin(book, "t1", "i1", "KRW-BTC")
    book.journal.begin_attempt("i1")
    book.journal.end_attempt("i1", IntentState.ACCEPTED, outcome="accepted", uuid="u1")
    book.journal.record_fills("i1", [fill("f1", "100", "2")], Decimal(0))
    book.journal.finish("i1")
    book.journal.enter_position("t1", opened_at=held, stop_price=None, highest_price=Decimal(100))
    book.journal.close_trade("t1", closed_at=over, dust=Decimal(0))
    book.at(4000).end_halt("breach", "person", [])
    journal, instant = book.journal, timedelta(milliseconds=1)
    assert [journal.halts_at(moment) for moment in (halted - instant, halted, over - instant, over)] == [
        [],
        [HALT],
        [HALT],
        [],
    ]
    assert [journal.markets_open_at(NOW + timedelta(seconds=number)) for number in range(5)] == [
        {},
        {"KRW-BTC": False},
        {"KRW-BTC": True},
        {"KRW-BTC": True},
        {},
    ]
    assert [[one.id for one in journal.held_at(moment)] for moment in (over - instant, over)] == [["t1"], []]
    assert [[one.id for one in journal.trades_in("KRW-BTC", moment)] for moment in (over, over + instant)] == [
        ["t1"],
        [],
    ]
    assert [journal.ended_before("KRW-BTC", moment) for moment in (over - instant, over)] == [None, over]


def test_who_was_drawn_is_told_by_the_last_draw_that_names_him(book: Book) -> None:
    """At or before a moment; where no draw does, nobody is."""
    first = Draw(at=NOW, candidates=3, free=2, markets=("KRW-A", "KRW-B"))
    second = Draw(at=NOW + timedelta(seconds=1), candidates=2, free=1, markets=("KRW-B",))
    for one in (first, second):
        book.journal.record_draw(one)
    later = NOW + timedelta(hours=1)
    assert [book.journal.draw_of(market, later) for market in ("KRW-A", "KRW-B", "KRW-C")] == [first, second, None]
    assert book.journal.draw_of("KRW-B", NOW) == first
    assert book.journal.last_draw(NOW) == first
    assert book.journal.last_draw(later) == second


def test_coins_that_moved_without_an_order_are_told_with_their_worth(book: Book) -> None:
    """When, in which market, and what."""
    buy(book)
    book.at(5).take_out("t1", Decimal("0.5"), price=Decimal(200))
    taken = Flow(volume=Decimal("-0.5"), krw=Decimal(-100), why="taken")
    assert book.journal.moved_coins() == [(NOW + timedelta(milliseconds=5), "KRW-BTC", taken)]


def test_a_wallet_may_not_show_what_was_decided_after_it_nor_what_is_under_way(book: Book) -> None:
    """A buy that was over before it was read is in it; a later one is not, nor one whose outcome is unknown."""
    buy(book, "t1", "i1")
    assert book.journal.spent_beside(NOW - timedelta(milliseconds=1)) == Decimal("200.5")
    assert book.journal.spent_beside(NOW) == 0
    begin(book, "e1", "e1", "KRW-ETH")
    book.journal.begin_attempt("e1")
    book.journal.end_attempt("e1", IntentState.UNKNOWN, outcome="no answer")
    assert book.journal.spent_beside(NOW + timedelta(hours=1)) == 10_000


@pytest.mark.case("L10")
def test_what_is_spent_is_what_was_paid_and_what_may_be(book: Book) -> None:
    """An order counts in full until it is over, however much of it was filled; then by its fills and fee."""
    buy(book, "t1", "i1")
    assert book.journal.spent_since(NOW) == Decimal("200.5")
    assert book.journal.exposure() == {"KRW-BTC": Decimal("200.5")}
    book.at(1000)
    begin(book, "e1", "e1", "KRW-ETH")
    assert book.journal.spent_since(NOW) == Decimal("10200.5")
    assert book.journal.spent_since(NOW + timedelta(seconds=1)) == 10_000
    assert book.journal.spent_since(NOW + timedelta(seconds=1, milliseconds=1)) == 0
    assert book.journal.exposure() == {"KRW-BTC": Decimal("200.5"), "KRW-ETH": Decimal(10_000)}
    book.journal.begin_attempt("e1")
    book.journal.end_attempt("e1", IntentState.ACCEPTED, outcome="accepted", uuid="u")
    assert book.journal.spent_since(NOW) == Decimal("10200.5")
    book.journal.record_fills("e1", [fill("f", "100", "3"), fill("g", "100", "1")], Decimal("0.7"))
    assert book.journal.spent_since(NOW) == Decimal("10200.5")
    assert book.journal.exposure() == {"KRW-BTC": Decimal("200.5"), "KRW-ETH": Decimal(10_000)}
    book.journal.finish("e1")
    assert book.journal.spent_since(NOW) == Decimal("601.2")
    assert book.journal.exposure() == {"KRW-BTC": Decimal("200.5"), "KRW-ETH": Decimal("400.7")}
    sell(book, "t1", "i2", "2")
    assert book.journal.spent_since(NOW) == Decimal("601.2")
    assert book.journal.exposure() == {"KRW-BTC": Decimal("200.5"), "KRW-ETH": Decimal("400.7")}
    begin(book, "x1", "x1", "KRW-XRP")
    book.journal.begin_attempt("x1")
    book.journal.end_attempt("x1", IntentState.REJECTED, outcome="no")
    assert book.journal.spent_since(NOW) == Decimal("601.2")


def test_refusals_of_buys_are_counted_by_market_and_time(book: Book) -> None:
    """A sale that was refused, or another market, is none of them."""
    for number, market in enumerate(("KRW-BTC", "KRW-BTC", "KRW-ETH")):
        book.at(1000 * number)
        begin(book, f"t{number}", f"i{number}", market)
        book.journal.begin_attempt(f"i{number}")
        book.journal.end_attempt(f"i{number}", IntentState.REJECTED, outcome="no")
        book.journal.abandon_trade(f"t{number}", "REJECTED")
    buy(book, "t9", "i9")
    assert book.journal.leave("t9", {}, intent("s9", trade("t9"), side=Side.ASK))
    book.journal.begin_attempt("s9")
    book.journal.end_attempt("s9", IntentState.REJECTED, outcome="no")
    assert book.journal.rejections("KRW-BTC", NOW) == 2
    assert book.journal.rejections("KRW-BTC", NOW + timedelta(seconds=1)) == 1
    assert book.journal.rejections("KRW-BTC", NOW + timedelta(seconds=2)) == 0
    assert book.journal.rejections("KRW-ETH", NOW) == 1


def test_totals_and_counts_are_those_of_all_orders_and_what_moved_besides(book: Book) -> None:
    """Won by fills and fees, coins by fills and flows, the profit of what is over."""
    buy(book, "t1", "i1")
    sell(book, "t1", "i2", "1.5")
    book.journal.take_out("t1", Decimal("0.25"), price=Decimal(200))
    book.journal.close_trade("t1", closed_at=NOW, dust=Decimal("0.25"))
    buy(book, "e1", "e1", market="KRW-ETH")
    book.journal.take_out("e1", Decimal(1), price=None)
    begin(book, "x1", "x1", "KRW-XRP")
    assert book.journal.totals() == Totals(
        krw=Decimal("-200.5") + Decimal("179.75") - Decimal("200.5"),
        coins={"BTC": Decimal("0.25"), "ETH": Decimal(1), "XRP": Decimal(0)},
        moved={"BTC": Decimal("-0.25"), "ETH": Decimal(-1)},
        fees=Decimal("1.25"),
        realised_pnl=Decimal("179.75") - Decimal("200.5") + Decimal(50),
    )
    book.journal.begin_attempt("x1")
    book.journal.end_attempt("x1", IntentState.REJECTED, outcome="no")
    book.journal.abandon_trade("x1", "REJECTED")
    assert book.journal.counts() == Counts(buys=2, sells=1, rejected=1, open_trades=1, closed_trades=1)
    assert book.journal.trade("e1").taken_krw == Decimal("100.25")


def test_the_profit_of_every_trade_that_is_over_counts(book: Book) -> None:
    """Not of the last one only, and a loss as well as a gain."""
    for number, price in enumerate((120, 90, 100)):
        buy(book, f"t{number}", f"b{number}", volume="1")
        book.journal.take_out(f"t{number}", Decimal(1), price=Decimal(price))
        book.journal.close_trade(f"t{number}", closed_at=NOW, dust=Decimal(0))
    assert book.journal.totals().realised_pnl == Decimal("19.5") + Decimal("-10.5") + Decimal("-0.5")


def test_halts_stand_until_they_are_ended_by_name(book: Book) -> None:
    """Written with all that a person needs, and with who ended them."""
    note = Note(key="k", kind="problem", body={})
    other = replace(HALT, code="stale", level=Level.HALT_BUYS, ends=Ends.ITSELF, since=NOW + timedelta(seconds=1))
    book.journal.begin_halt(HALT, [note])
    book.journal.begin_halt(other, [])
    assert book.journal.standing_halts() == [HALT, other]
    book.at(7).end_halt("breach", "person", [replace(note, key="over")])
    assert book.journal.standing_halts() == [other]
    assert [row["key"] for row in book.rows("outbox")] == ["k", "over"]
    first, _ = book.rows("halt")
    assert (first["ended_ms"], first["ended_by"], first["since_ms"]) == (7, "person", 0)
    assert book.events() == [
        ("halt", "breach", {"level": "HALTED", "ends": "person", "en": "halted", "evidence": {"a": "1"}}),
        ("halt", "stale", {"level": "HALT_BUYS", "ends": "itself", "en": "halted", "evidence": {"a": "1"}}),
        ("halt_ended", "breach", {"by": "person"}),
    ]
    with pytest.raises(JournalBreach, match="nothing stands still because of breach"):
        book.journal.end_halt("breach", "person", [])


def test_a_message_is_marked_by_its_key(book: Book) -> None:
    """Delivered with its time, or never deliverable with why."""
    book.journal.add_notes([Note(key=key, kind="x", body={"a": key}) for key in "abc"])
    assert book.journal.pending_notes(1) == [Note(key="a", kind="x", body={"a": "a"})]
    book.at(5).mark_sent(["a"])
    book.journal.mark_failed(["b"], "HTTP 400")
    marks = {row["key"]: (row.get("sent_ms"), row.get("failed")) for row in book.rows("outbox")}
    assert marks == {"a": (5, None), "b": (None, "HTTP 400"), "c": (None, None)}


def test_facts_and_verdicts_are_kept_by_their_time_and_name(book: Book) -> None:
    """The later word of a minute stands; no more than ten old ones go at a time."""
    book.journal.set_meta("mode", "live")
    book.journal.set_meta("mode", "sandbox")
    assert book.journal.meta("mode") == "sandbox"
    assert book.events() == [("meta", "mode", {"value": "live"}), ("meta", "mode", {"value": "sandbox"})]
    book.journal.note_import(NOW + timedelta(seconds=3))
    assert book.journal.imported_until() == NOW + timedelta(seconds=3)
    for value in (0.0, 2.0):
        book.journal.record_scan(NOW, "breakouts", NOW - timedelta(minutes=1), a_scan(value))
    found = book.journal.scan_at(NOW)
    assert found is not None
    assert found.scan is not None
    assert (found.minute, found.closed_at, found.scan.failed("KRW-A")) == (NOW, NOW - timedelta(minutes=1), None)
    assert book.journal.scan_at(NOW - timedelta(milliseconds=1)) is None
    (row,) = book.rows("scan")
    assert (row["minute_ms"], row["strategy"], row["closed_ms"]) == (0, "breakouts", -60_000)
    for minute in range(1, 12):
        book.journal.record_scan(NOW + timedelta(minutes=minute), "s", NOW, a_scan(2.0))
    assert book.journal.looked() == (NOW, NOW + timedelta(minutes=11))
    assert book.journal.looked_last() == NOW + timedelta(minutes=11)
    book.journal.prune_scans(NOW + timedelta(minutes=59))
    assert len(book.rows("scan")) == 12, "an hour goes when it is over"
    book.journal.prune_scans(NOW + timedelta(minutes=60))
    assert [row["minute_ms"] for row in book.rows("scan")] == [0, 60_000]
    book.journal.prune_scans(NOW + timedelta(minutes=60))
    assert book.rows("scan") == []


def test_a_moment_and_an_amount_are_written_exactly() -> None:
    """Milliseconds since 1970, rounded down; amounts without an exponent; none is none."""
    assert to_ms(NOW) == MS
    assert to_ms(NOW + timedelta(microseconds=1999)) == MS + 1
    assert from_ms(MS + 1) == NOW + timedelta(milliseconds=1)
    assert from_ms(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert to_text(Decimal("1E+3")) == "1000"
    assert to_text(Decimal("1.500")) == "1.500"
    assert money("0.10") == Decimal("0.1")
    assert (to_ms(None), to_text(None), money(None)) == (None, None, None)


def test_equal_data_is_equal_text() -> None:
    """Keys in order, no blanks, Korean as it is, and whatever JSON cannot say as text."""
    assert canonical({"b": Decimal("1.50"), "a": ["가", None]}) == '{"a":["가",null],"b":"1.50"}'


def test_the_hash_of_an_event_covers_all_of_it_and_what_was_before() -> None:
    """As anybody can compute it: SHA-256 of the one before and of time, kind, whom and what, with bars between."""
    first = chain(b"\0" * 32, 1, "kind", "ref", "{}")
    told = {chain(*what) for what in [(first, 1, "kind", "ref", "{}"), (first, 2, "kind", "ref", "{}")]}
    assert len(told | {first, chain(first, 1, "x", "ref", "{}"), chain(first, 1, "kind", "x", "{}")}) == 5
    assert chain(b"", 1, "k", "r", "{}").hex() == "8834538ce01367869ac6d2c3997887553ce7a76a6813e12b839f77622a200834"


@pytest.mark.parametrize(
    ("krw", "bought", "worth"), [(Decimal(-7), Decimal(4), -7), (None, Decimal(4), -50), (None, Decimal(0), 0)]
)
def test_coins_that_moved_are_worth_what_was_known_then_else_what_they_cost(
    krw: Decimal | None, bought: Decimal, worth: int
) -> None:
    """Of nothing that was bought, nothing."""
    flow = Flow(volume=Decimal(-2), krw=krw, why="taken")
    assert worth_of(flow, Decimal(100), bought) == worth
