"""What happened, event by event: each that a person should know in one sentence of both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.reader import open_reader
from journal.records import Command, Halt, IntentState, Level, Order
from journal.records import Ends as EndsBy
from tests.helpers.journals import NOW, Book, buy, fill, intent, trade
from trader.commands import DONE, NOTHING
from views.events import told, what_came_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Lend an empty journal."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        yield opened


def sentences(book: Book, language: str, after: int = 0) -> list[str]:
    """Return what a person is told of everything behind an event."""
    found = (told(book.journal, event) for event in book.journal.happened(after, 1000))
    return [words.say(language) for words in found if words is not None]


def test_a_trade_is_told_by_its_turns_its_fills_and_its_stop(book: Book) -> None:
    """The market first; what only a machine needs, such as an attempt, has no sentence."""
    buy(book)
    book.journal.set_stop("t1", Decimal(90))
    assert sentences(book, "en") == [
        "KRW-BTC the buy was decided",
        "KRW-BTC bought 2 × 100",
        "KRW-BTC holding",
        "KRW-BTC stop 90.0",
    ]
    assert sentences(book, "ko")[1:] == ["KRW-BTC 매수 체결 2 × 100", "KRW-BTC 보유 시작", "KRW-BTC 손절가 90.0"]


def test_a_doubt_and_a_refusal_are_told(book: Book) -> None:
    """And that a doubt was settled; a fee that grew without a fill is no news."""
    decided = replace(trade(), entry_reason={"ko": "추세", "en": "a trend"})
    book.journal.begin_trade(decided, intent("i1", decided))
    book.journal.begin_attempt("i1")
    book.journal.end_attempt("i1", IntentState.UNKNOWN, outcome="timeout")
    book.journal.see("i1", IntentState.ACCEPTED, "u1")
    assert sentences(book, "en") == [
        "KRW-BTC the buy was decided: a trend",
        "KRW-BTC it is being found out what became of the order",
    ]
    book.journal.record_fills("i1", [fill("f1", "100", "1")], Decimal("0.1"))
    seen = book.journal.last_event()
    book.journal.record_fills("i1", [fill("f1", "100", "1")], Decimal("0.2"))
    assert book.journal.last_event() == seen + 1
    assert sentences(book, "ko", seen) == []


def test_halts_are_told_in_the_language_they_were_kept_in(book: Book) -> None:
    """The event itself keeps one language; each halt of a code has its own words."""
    for minute in (0, 5):
        book.now = NOW + timedelta(minutes=minute)
        halt = Halt(
            code="breach", level=Level.HALTED, ends=EndsBy.PERSON, ko=f"까닭 {minute}", en=f"{minute}", since=book.now
        )
        book.journal.begin_halt(halt, [])
        book.journal.end_halt("breach", "person", [])
    assert sentences(book, "ko")[0::2] == ["전체 주문 중단: 까닭 0", "전체 주문 중단: 까닭 5"]
    assert sentences(book, "en")[1::2] == ["a reason to stand still is over: breach"] * 2
    assert book.journal.halt_words("breach", NOW - timedelta(minutes=1)) is None


def test_commands_and_moved_coins_are_told(book: Book) -> None:
    """What was ordered, from where, and what came of it; a fact about the journal is nobody's news."""
    ordered = Command(id="c1", name=Order.SELL_ALL, by="page", asked_at=NOW)
    book.journal.begin_command(ordered)
    book.journal.end_command(ordered, DONE)
    book.journal.set_meta("a", "b")
    assert sentences(book, "en") == [
        "a command was taken (page): sell all",
        "command 'sell all': taken, it is being sold",
    ]
    assert sentences(book, "ko") == ["명령을 받음 (페이지): 모두 매도", "명령 '모두 매도': 접수됨, 파는 중"]
    buy(book)
    alone = Command(id="c2", name=Order.SELL, by="discord", asked_at=NOW, codes=("t1",))
    seen = book.journal.last_event()
    book.journal.begin_command(alone)
    book.journal.end_command(alone, NOTHING)
    assert sentences(book, "ko", seen) == [
        "명령을 받음 (디스코드): KRW-BTC 매도",
        "명령 'KRW-BTC 매도': 바뀐 것이 없음",
    ]
    assert what_came_of(book.journal, replace(alone, outcome=DONE)).ko == "KRW-BTC 매도: 접수됨, 파는 중"
    halt = Halt(code="breach", level=Level.HALTED, ends=EndsBy.PERSON, ko="까닭", en="reason", since=NOW)
    book.journal.begin_halt(halt, [])
    assert what_came_of(book.journal, replace(alone, outcome=DONE)).en == (
        "sell KRW-BTC: taken, it is sold once trading is not halted any more"
    )
    book.journal.end_halt("breach", "person", [])
    nobodys = Command(id="c3", name=Order.SELL, by="a script", asked_at=NOW, codes=("no trade",))
    assert what_came_of(book.journal, nobodys).en == "sell: under way"
    seen = book.journal.last_event()
    book.journal.take_out("t1", Decimal(1), price=Decimal(100))
    assert sentences(book, "ko", seen)[0] == "KRW-BTC 주문 없이 옮겨진 코인 1"


def test_events_are_read_from_where_one_stopped_and_all_questions_at_one_moment(book: Book, tmp_path: Path) -> None:
    """Numbers have no gaps; what is written while somebody reads is not seen before the next look."""
    assert book.journal.last_event() == 0
    before = book.journal.written()
    buy(book)
    assert book.journal.written() != before
    last = book.journal.last_event()
    numbers = [event.seq for event in book.journal.happened(0, 1000)]
    assert numbers == list(range(1, last + 1))
    assert [event.seq for event in book.journal.happened(2, 3)] == [3, 4, 5]
    with open_reader(tmp_path / "journal.sqlite3") as reader:
        with reader.at_one_moment():
            assert reader.last_event() == last
            book.journal.set_stop("t1", Decimal(1))
            assert (reader.last_event(), reader.trade("t1").stop_price) == (last, None)
        assert (reader.last_event(), reader.trade("t1").stop_price) == (last + 1, Decimal(1))
