"""Why the daemon did not do what the candles asked for is read from its journal: each cause from its own traces."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.history.candles import Candles
from backtest.problems import NothingThere
from cli.diverge import need_candles, need_looks
from journal.records import Ends, Halt, IntentState, Level, Note
from journal.scans import Rest
from tests.helpers.journals import MS, NOW, Book, begin, buy, sell, trade
from tests.helpers.scans import a_scan
from views.divergence import Cause, Deal
from views.traded_day import NOT_LOADED, JournalFacts, deals_of, opening_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.verdicts import Scan

UNIT = timedelta(minutes=240)
MARKET = "KRW-A"
CLOSED = NOW  # a candle closes and the next one opens


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty journal whose clock stands at the close of a candle."""
    made = Book(tmp_path / "journal.sqlite3")
    yield made
    made.journal.close()


def facts(book: Book, *, wanted: bool = True) -> JournalFacts:
    """Return what the journal says; the backtester has a target, or not."""
    return JournalFacts(
        journal=book.journal, unit=UNIT, wanted=lambda market, at: wanted and market == MARKET and at == CLOSED
    )


def look(book: Book, scan: Scan, *, after: timedelta = timedelta(0), closed_at: datetime = CLOSED) -> None:
    """Write a look at all markets."""
    book.journal.record_scan(closed_at + after, "quiet_trend", closed_at, scan)


def why(book: Book) -> Cause:
    """Return why the target of the candle was not bought."""
    return facts(book).not_bought(MARKET, CLOSED)


TARGET, NO_TARGET = a_scan(2.0), a_scan(0.5)


def started(book: Book, after: timedelta) -> None:
    """Write that trading began."""
    book.now = CLOSED + after
    book.journal.add_notes([Note(key=f"started:{book.now}", kind="started", body={})])


def test_a_target_that_stood_there_was_not_drawn(book: Book) -> None:
    """Nothing else was in the way."""
    look(book, TARGET)
    assert why(book) is Cause.DRAW


def test_a_look_that_saw_another_candle_or_none_was_too_late(book: Book) -> None:
    """It failed a gate the candle passes, its candles were not there, or the market was not known."""
    look(book, NO_TARGET)
    assert why(book) is Cause.LATE_CANDLE
    look(book, replace(TARGET, barred={MARKET: {"code": NOT_LOADED, "ko": "", "en": ""}}))
    assert why(book) is Cause.LATE_CANDLE
    assert facts(book).not_bought("KRW-NEW", CLOSED) is Cause.LATE_CANDLE


def test_a_market_that_the_settings_bar_was_refused(book: Book) -> None:
    """A warning is in no candle."""
    look(book, a_scan(2.0, barred=MARKET))
    assert why(book) is Cause.REFUSAL


def test_nobody_looked_while_the_daemon_did_not_run(book: Book) -> None:
    """It began again before the next look, or never looked again; without a start it ran and could not see."""
    assert why(book) is Cause.RESTART
    look(book, TARGET, after=timedelta(minutes=20))
    assert why(book) is Cause.LATE_CANDLE
    started(book, timedelta(minutes=19))
    assert why(book) is Cause.RESTART


def test_a_halt_is_a_persons_when_a_person_ordered_it(book: Book) -> None:
    """Else a rule of the daemon's own said no."""
    look(book, TARGET)
    halt = Halt(code="loss_day", level=Level.HALT_BUYS, ends=Ends.ITSELF, ko="", en="", since=CLOSED)
    book.journal.begin_halt(halt, [])
    assert why(book) is Cause.REFUSAL
    book.journal.begin_halt(replace(halt, code="stopped_by_person"), [])
    assert why(book) is Cause.PERSON


def test_a_market_that_rested_or_an_order_that_bought_nothing_was_refused(book: Book) -> None:
    """Within the candle; what was before or came after it is another story."""
    look(book, TARGET)
    for at in (CLOSED - timedelta(seconds=1), CLOSED + UNIT):
        book.journal.record_rest(Rest(market=MARKET, at=at, until=at + timedelta(minutes=1), why="spread"))
    assert why(book) is Cause.DRAW
    at = CLOSED + timedelta(seconds=5)
    book.journal.record_rest(Rest(market=MARKET, at=at, until=at + timedelta(minutes=1), why="spread"))
    assert why(book) is Cause.REFUSAL


def test_the_journal_of_an_older_version_knows_of_no_rests(book: Book) -> None:
    """Its other traces are read all the same."""
    look(book, TARGET)
    book.journal._db.execute("DROP TABLE rest")
    assert why(book) is Cause.DRAW


def test_an_order_that_upbit_refused_is_a_refusal(book: Book) -> None:
    """The trade bought nothing."""
    look(book, TARGET)
    book.now = CLOSED + timedelta(seconds=2)
    begin(book, "t1", "i1", MARKET)
    book.journal.begin_attempt("i1")
    book.journal.end_attempt("i1", IntentState.REJECTED, outcome="refused")
    assert why(book) is Cause.REFUSAL


def test_what_only_the_daemon_bought_was_drawn_known_otherwise_or_adopted(book: Book) -> None:
    """By whether the candles ask for it at all, and whether it was an order of somebody else."""
    assert facts(book).bought(MARKET, CLOSED) is Cause.DRAW
    assert facts(book, wanted=False).bought(MARKET, CLOSED) is Cause.LATE_CANDLE
    buy(book, market=MARKET)
    book.journal._db.execute('UPDATE trade SET entry_reason = \'{"code":"adopted"}\'')
    assert facts(book).bought(MARKET, CLOSED) is Cause.PERSON


def a_deal(left: int | None, why: str | None) -> Deal:
    """Return a position that was sold so many candles later."""
    amounts = {name: Decimal(1) for name in ("volume", "paid_krw", "got_krw", "fees_krw")}
    end = None if left is None else CLOSED + left * UNIT
    return Deal(market=MARKET, entered=CLOSED - UNIT, left=end, why=why, **amounts)


def test_a_sale_that_was_another_has_its_cause(book: Book) -> None:
    """A person, a candle nobody saw, a halt of all orders, another candle, or a stop that lay elsewhere."""
    theirs = a_deal(0, "trend_end")
    assert facts(book).left_otherwise(a_deal(1, "sell"), theirs) is Cause.PERSON
    assert facts(book).left_otherwise(a_deal(1, "trend_end"), theirs) is Cause.RESTART
    look(book, NO_TARGET)
    assert facts(book).left_otherwise(a_deal(1, "trend_end"), theirs) is Cause.LATE_CANDLE
    assert facts(book).left_otherwise(a_deal(-1, "trend_end"), theirs) is Cause.LATE_CANDLE
    assert facts(book).left_otherwise(a_deal(-1, "stop"), theirs) is Cause.SLIPPAGE
    assert facts(book).left_otherwise(a_deal(None, None), a_deal(0, "stop")) is Cause.SLIPPAGE
    book.journal.begin_halt(Halt(code="key", level=Level.HALTED, ends=Ends.PERSON, ko="", en="", since=CLOSED), [])
    assert facts(book).left_otherwise(a_deal(1, "trend_end"), theirs) is Cause.REFUSAL
    look(book, replace(NO_TARGET, barred={MARKET: {"code": NOT_LOADED, "ko": "", "en": ""}}))
    assert facts(book).left_otherwise(a_deal(1, "trend_end"), theirs) is Cause.LATE_CANDLE


def test_deals_are_the_purchases_that_were_decided_then(book: Book) -> None:
    """With candles instead of moments; what is held is worth its last close, and without one nobody knows."""
    book.now = NOW + timedelta(minutes=5)
    buy(book, "t1", "i1", market="KRW-A")
    book.now += UNIT
    sell(book, "t1", "i2", "2", market="KRW-A")
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(0))
    buy(book, "t2", "i3", market="KRW-B", volume="3")
    begin(book, "t3", "i4", "KRW-C")
    found = deals_of(book.journal, NOW, NOW + UNIT * 2, UNIT, {"KRW-A": Decimal(1), "KRW-B": Decimal(101)}.get)
    sold, held = found
    assert (sold.entered, sold.left, sold.why) == (NOW, NOW + UNIT, "stop")
    assert (sold.paid_krw, sold.got_krw, sold.fees_krw) == (Decimal(200), Decimal(240), Decimal("0.75"))
    assert (held.left, held.why, held.paid_krw, held.got_krw) == (None, None, Decimal(300), Decimal(303))
    assert deals_of(book.journal, NOW + timedelta(days=1), NOW + timedelta(days=2), UNIT, lambda _: None) == []
    assert [one.market for one in deals_of(book.journal, NOW, NOW + UNIT * 2, UNIT, lambda _: None)] == ["KRW-A"]


def test_what_was_held_at_a_moment_is_known(book: Book) -> None:
    """Bought before it and not sold by then; a trade that never bought holds nothing."""
    buy(book, "t1", "i1", market="KRW-A")
    begin(book, "t2", "i2", "KRW-B")
    assert book.journal.held_at(NOW) == []
    assert [one.id for one in book.journal.held_at(NOW + timedelta(seconds=1))] == ["t1"]


def test_a_candle_opens_at_a_whole_number_of_units_after_midnight() -> None:
    """Of UTC, as Upbit's do."""
    assert opening_of(NOW + timedelta(minutes=239, seconds=59), UNIT) == NOW
    assert opening_of(NOW - timedelta(seconds=1), UNIT) == NOW - UNIT
    assert trade().decided_at == NOW


def test_a_day_is_not_taken_apart_without_its_looks_or_its_candles(book: Book) -> None:
    """What nobody knows any more is no restart, and what is not stored no mistake."""
    with pytest.raises(NothingThere, match="looks are kept for 14 days"):
        need_looks(book.journal, NOW)
    look(book, TARGET)
    need_looks(book.journal, NOW + timedelta(seconds=1))
    with pytest.raises(NothingThere, match="looks are kept"):
        need_looks(book.journal, NOW)
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), np.zeros(1))
    stored = {MARKET: Candles(opened_at_ms=np.array([MS]), **numbers)}
    need_candles(stored, UNIT, NOW + UNIT)
    with pytest.raises(NothingThere, match="end at 2026-11-02 16:00 UTC"):
        need_candles(stored, UNIT, NOW + UNIT + timedelta(minutes=1))
    with pytest.raises(NothingThere, match="download --unit 240m"):
        need_candles({}, UNIT, NOW)
