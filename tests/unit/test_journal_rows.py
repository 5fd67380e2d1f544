"""What is written, to the last column: what an auditor finds in the file, and what a restart begins from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.errors import Breach, JournalBreach
from journal.records import ZERO, IntentState, Note, Phase, WrittenOff
from journal.records import Fill as Written
from tests.helpers.journals import MS, NOW, Book, buy, fill, intent, sell, trade
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTE = Note(key="k", kind="bought", body={"b": "값", "a": 1})


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty one."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        yield opened


def test_an_order_is_written_before_it_is_sent_and_after_each_thing_that_is_learnt(book: Book) -> None:
    """Its intent, every attempt and fence with what came of it, every fill with its time."""
    ends = NOW + timedelta(seconds=10)
    book.at(0).begin_trade(trade(), replace(intent(), n=3, deadline=ends))
    book.at(1).begin_attempt("i1")
    book.at(2).end_attempt("i1", IntentState.UNKNOWN, outcome="OutcomeUnknown", http=502, name="bad_gateway")
    book.at(3).begin_attempt("i1", "fence", '{"price":"50"}')
    book.at(4).end_attempt("i1", IntentState.UNKNOWN, outcome="accepted", http=201)
    book.at(5).see("i1", IntentState.ACCEPTED, "u1", [NOTE])
    assert book.at(6).record_fills("i1", [fill("f1", "1E+2", "0.5"), fill("f2", "99.9", "0.25")], Decimal("0.04")) == 2
    book.at(7).finish("i1")
    assert book.rows("intent") == [
        {
            "id": "i1",
            "decision_key": "key-i1",
            "n": 3,
            "trade_id": "t1",
            "market": "KRW-BTC",
            "side": "bid",
            "request": '{"total": "10000"}',
            "total": "10000",
            "decided_ms": 0,
            "deadline_ms": 10_000,
            "state": "FINAL",
            "uuid": "u1",
            "paid_fee": "0.04",
        }
    ]
    doubt = {"id": "i1", "state": "UNKNOWN"}
    assert book.rows("attempt") == [
        doubt
        | {"k": 0, "begun_ms": 1, "ended_ms": 2, "outcome": "OutcomeUnknown", "http": 502}
        | {"name": "bad_gateway", "kind": "real"},
        doubt
        | {"k": 1, "begun_ms": 3, "ended_ms": 4, "outcome": "accepted", "http": 201}
        | {"kind": "fence", "request": '{"price":"50"}'},
    ]
    assert book.rows("fill") == [
        {"trade_uuid": "f1", "id": "i1", "price": "100", "volume": "0.5", "funds": "50", "at_ms": 6},
        {"trade_uuid": "f2", "id": "i1", "price": "99.9", "volume": "0.25", "funds": "24.975", "at_ms": 6},
    ]
    assert book.rows("outbox") == [
        {"seq": 1, "key": "k", "kind": "bought", "body": '{"a":1,"b":"값"}', "created_ms": 5, "tries": 0}
    ]
    assert book.events() == [
        ("intent", "i1", {"state": "PLANNED", "request": '{"total": "10000"}'}),
        ("trade", "t1", {"phase": "entering", "reason": {"code": "x"}}),
        ("intent", "i1", {"state": "SENT", "sending": "real", "request": None}),
        ("intent", "i1", {"state": "UNKNOWN", "outcome": "OutcomeUnknown", "http": 502, "name": "bad_gateway"}),
        ("intent", "i1", {"state": "SENT", "sending": "fence", "request": '{"price":"50"}'}),
        ("intent", "i1", {"state": "UNKNOWN", "outcome": "accepted", "http": 201, "name": None}),
        ("intent", "i1", {"state": "ACCEPTED", "uuid": "u1"}),
        (
            "fill",
            "i1",
            {
                "fills": [["f1", "i1", "100", "0.5", "50", MS + 6], ["f2", "i1", "99.9", "0.25", "24.975", MS + 6]],
                "paid_fee": "0.04",
            },
        ),
        ("intent", "i1", {"state": "FINAL"}),
    ]
    assert [row["at_ms"] for row in book.rows("event")] == [0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_an_order_is_read_as_it_was_written(book: Book) -> None:
    """What a restart sees is what the last process knew."""
    planned = replace(intent(), n=3, deadline=NOW + timedelta(seconds=10))
    book.at(0).begin_trade(trade(), planned)
    assert book.journal.intent("i1") == planned
    book.at(1).begin_attempt("i1")
    (attempt,) = book.journal.attempts("i1")
    assert (attempt.number, attempt.kind, attempt.began_at, attempt.state, attempt.outcome) == (
        0,
        "real",
        NOW + timedelta(milliseconds=1),
        None,
        None,
    )
    book.at(2).end_attempt("i1", IntentState.ACCEPTED, outcome="accepted", uuid="u1")
    (attempt,) = book.journal.attempts("i1")
    assert (attempt.state, attempt.outcome) == (IntentState.ACCEPTED, "accepted")
    book.at(3).record_fills("i1", [fill("f1", "100", "0.5")], Decimal("0.04"))
    assert book.journal.intent("i1") == replace(
        planned, state=IntentState.ACCEPTED, uuid="u1", paid_fee=Decimal("0.04")
    )
    assert book.journal.fills_of("i1") == [
        Written(
            uuid="f1",
            identifier="i1",
            price=Decimal(100),
            volume=Decimal("0.5"),
            funds=Decimal(50),
            at=NOW + timedelta(milliseconds=3),
        )
    ]


def test_a_trade_is_written_and_read_from_its_decision_to_its_end(book: Book) -> None:
    """Its columns, its events and its messages, at each step."""
    book.at(0).begin_trade(trade(), intent())
    assert book.journal.trade("t1") == trade()
    book.at(1).begin_attempt("i1")
    book.at(2).end_attempt("i1", IntentState.ACCEPTED, outcome="accepted", uuid="u1")
    book.at(3).record_fills("i1", [fill("f1", "100", "2")], Decimal("0.5"))
    book.at(4).finish("i1")
    opened = NOW + timedelta(seconds=1)
    book.at(5).enter_position(
        "t1", opened_at=opened, stop_price=Decimal("95.10"), highest_price=Decimal(100), notes=[NOTE]
    )
    held = replace(
        trade(),
        phase=Phase.HOLDING,
        opened_at=opened,
        stop_price=Decimal("95.10"),
        highest_price=Decimal(100),
        bought=Decimal(2),
        bought_krw=Decimal(200),
        cost_krw=Decimal("200.5"),
        fees_krw=Decimal("0.5"),
    )
    assert book.journal.trade("t1") == held
    before = len(book.events())
    book.at(6).set_stop("t1", Decimal(96))
    book.at(7).raise_highest("t1", Decimal("101.5"))
    book.at(8).take_out("t1", Decimal("0.5"), [replace(NOTE, key="taken")], price=Decimal(110))
    assert book.at(9).leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    book.at(10).begin_attempt("i2")
    book.at(11).end_attempt("i2", IntentState.ACCEPTED, outcome="accepted", uuid="u2")
    book.at(12).record_fills("i2", [fill("f2", "120", "1.25")], Decimal("0.25"))
    book.at(13).finish("i2")
    closed = NOW + timedelta(seconds=2)
    book.at(14).close_trade(
        "t1", closed_at=closed, dust=Decimal("0.25"), reason={"code": "late"}, notes=[replace(NOTE, key="sold")]
    )
    ended = replace(
        held,
        phase=Phase.CLOSED,
        closed_at=closed,
        exit_reason={"code": "stop"},
        stop_price=Decimal(96),
        highest_price=Decimal("101.5"),
        dust=Decimal("0.25"),
        moved=Decimal("-0.5"),
        sold=Decimal("1.25"),
        sold_krw=Decimal(150),
        proceeds_krw=Decimal("149.75"),
        fees_krw=Decimal("0.75"),
        taken_krw=Decimal(55),
    )
    assert book.journal.trade("t1") == ended
    assert ended.profit_krw == Decimal("4.25")
    assert book.rows("trade") == [
        {
            "id": "t1",
            "market": "KRW-BTC",
            "strategy": "quiet_trend",
            "unit_s": 14_400,
            "phase": "closed",
            "decided_ms": 0,
            "opened_ms": 1000,
            "closed_ms": 2000,
            "entry_reason": '{"code":"x"}',
            "exit_reason": '{"code":"stop"}',
            "stop_distance": "5",
            "stop_price": "96",
            "highest_price": "101.5",
            "dust": "0.25",
            "profit": "4.25",
        }
    ]
    assert book.rows("flow") == [
        {
            "seq": 1,
            "trade_id": "t1",
            "market": "KRW-BTC",
            "volume": "-0.5",
            "krw": "-55.0",
            "why": "taken",
            "at_ms": 8,
        }
    ]
    assert [(row["key"], row["created_ms"]) for row in book.rows("outbox")] == [("k", 5), ("taken", 8), ("sold", 14)]
    told = [event for event in book.events(before - 1) if event[0] in {"trade", "stop", "flow"}]
    assert told == [
        ("trade", "t1", {"phase": "holding", "stop_price": "95.10", "at": opened.isoformat()}),
        ("stop", "t1", {"stop_price": "96"}),
        ("flow", "t1", {"volume": "-0.5", "krw": "-55.0", "why": "taken"}),
        ("trade", "t1", {"phase": "leaving", "reason": {"code": "stop"}}),
        ("trade", "t1", {"phase": "closed", "dust": "0.25"}),
    ]


def test_a_trade_that_ends_without_a_sale_keeps_the_reason_it_is_closed_for(book: Book) -> None:
    """As dust is."""
    buy(book)
    book.journal.close_trade("t1", closed_at=NOW, dust=Decimal(2), reason={"code": "dust"})
    assert book.journal.trade("t1").exit_reason == {"code": "dust"}
    buy(book, "t2", "i2", market="KRW-ETH")
    book.journal.close_trade("t2", closed_at=NOW, dust=Decimal(2))
    assert book.journal.trade("t2").exit_reason is None
    assert "exit_reason" not in book.rows("trade")[1]  # else a reason that comes later could not be written


def test_what_was_given_up_says_why(book: Book) -> None:
    """An order that was not sent, one a person has looked for, and a trade that bought nothing."""
    book.journal.begin_trade(trade(), intent())
    book.journal.abandon("i1", "deadline")
    book.at(9).abandon_trade("t1", "ABANDONED", [NOTE])
    assert book.journal.trade("t1").phase == "abandoned"
    assert book.rows("trade")[0]["closed_ms"] == 9
    assert [row["key"] for row in book.rows("outbox")] == ["k"]
    other = trade("t2")
    book.journal.begin_trade(other, intent("i2", other))
    book.journal.begin_attempt("i2")
    book.journal.end_attempt("i2", IntentState.UNKNOWN, outcome="time-out")
    book.journal.never("i2")
    assert book.journal.intent("i2").state is IntentState.FENCED
    told = book.events(2)
    assert told[:2] == [
        ("intent", "i1", {"state": "ABANDONED", "why": "deadline"}),
        ("trade", "t1", {"phase": "abandoned", "why": "ABANDONED"}),
    ]
    assert told[-1] == ("intent", "i2", {"state": "FENCED", "by": "person"})


def test_dust_is_carried_to_the_next_trade_of_its_market_and_only_to_that(book: Book) -> None:
    """Once, whole, and told of both."""
    for name, order, market in (("t1", "i1", "KRW-BTC"), ("e1", "e1", "KRW-ETH")):
        buy(book, name, order, market=market)
        book.journal.close_trade(name, closed_at=NOW, dust=Decimal("0.25"))
    book.at(7)
    before = len(book.events())
    buy(book, "t2", "i2")
    assert book.journal.trade("t2").volume == Decimal("2.25")
    assert book.journal.trade("t1").dust == 0
    assert book.journal.trade("e1").dust == Decimal("0.25")
    assert book.rows("flow") == [
        {"seq": 1, "trade_id": "t1", "market": "KRW-BTC", "volume": "-0.25", "why": "carried", "at_ms": 7},
        {"seq": 2, "trade_id": "t2", "market": "KRW-BTC", "volume": "0.25", "why": "carried", "at_ms": 7},
    ]
    assert [event for event in book.events(before) if event[0] == "flow"] == [
        ("flow", "t1", {"volume": "-0.25", "krw": None, "why": "carried"}),
        ("flow", "t2", {"volume": "0.25", "krw": None, "why": "carried"}),
    ]


def test_dust_of_nothing_is_passed_over_and_not_what_comes_after_it(book: Book) -> None:
    """A zero may be written with decimals."""
    for name, order, dust in (("t1", "i1", "0.00"), ("t2", "i2", "0.25")):
        buy(book, name, order)
        book.journal.close_trade(name, closed_at=NOW, dust=Decimal(dust))
    buy(book, "t3", "i3")
    assert book.journal.trade("t3").volume == Decimal("2.25")
    assert [row["trade_id"] for row in book.rows("flow")] == ["t2", "t3"]


@pytest.mark.parametrize(("volume", "allowed"), [("0", False), ("-1", False), ("2", True), ("2.1", False)])
def test_no_more_leaves_a_trade_than_it_holds(volume: str, allowed: bool, book: Book) -> None:  # noqa: FBT001 - a parameter
    """Without a price they count as what they cost; other amounts are a breach, and change nothing."""
    buy(book)
    if allowed:
        book.journal.take_out("t1", Decimal(volume), price=None)
        assert book.rows("flow")[0].keys() == {"seq", "trade_id", "market", "volume", "why", "at_ms"}
        assert book.journal.trade("t1").taken_krw == Decimal("200.5")
    else:
        with pytest.raises(Breach, match="t1 holds 2, so"):
            book.journal.take_out("t1", Decimal(volume), price=None)
        assert book.rows("flow") == []


@pytest.mark.parametrize("known", [False, True])
def test_an_order_that_the_journal_did_not_know_is_adopted_with_its_trade(known: bool, book: Book) -> None:  # noqa: FBT001 - a parameter
    """The trade is written when it is new, holds what was bought, and began when the order was decided."""
    decided = trade()
    if known:
        book.journal.begin_trade(decided, intent("i0"))
        book.journal.abandon("i0", "deadline")
    found = replace(intent("i1"), state=IntentState.FINAL, uuid="u1", decided_at=NOW + timedelta(seconds=4))
    book.at(5000).adopt(decided, found, [fill("f1", "100", "3")], Decimal("0.5"), [NOTE])
    adopted = book.journal.trade("t1")
    assert (adopted.phase, adopted.volume, adopted.opened_at, adopted.dust) == (
        "holding",
        Decimal(3),
        NOW + timedelta(seconds=4),
        ZERO,
    )
    assert adopted.cost_krw == Decimal("300.5")
    assert book.journal.intent("i1") == replace(found, paid_fee=Decimal("0.5"))
    assert [row["key"] for row in book.rows("outbox")] == ["k"]
    told = [event for event in book.events() if event[0] == "trade"]
    assert told == [
        ("trade", "t1", {"phase": "entering", "reason": {"code": "x"}}),
        ("trade", "t1", {"phase": "holding", "why": "adopted"}),
    ]


def test_a_sale_that_was_found_ends_its_trade(book: Book) -> None:
    """With what is left as dust: nothing, where everything was sold."""
    buy(book)
    sale = replace(
        intent("i2", side=Side.ASK), state=IntentState.FINAL, uuid="u2", decided_at=NOW + timedelta(seconds=4)
    )
    book.at(5000).adopt(trade(), sale, [fill("f2", "110", "2")], Decimal("0.25"), [])
    ended = book.journal.trade("t1")
    assert (ended.phase, ended.volume, ended.dust) == ("closed", ZERO, ZERO)
    assert (ended.opened_at, ended.closed_at) == (NOW, NOW + timedelta(seconds=4))
    assert book.rows("flow") == []
    assert book.events()[-1] == ("trade", "t1", {"phase": "closed", "why": "adopted"})


def test_a_part_that_was_found_sold_leaves_the_trade_holding_as_it_was(book: Book) -> None:
    """It opened when it opened."""
    buy(book)
    sale = replace(
        intent("i2", side=Side.ASK), state=IntentState.FINAL, uuid="u2", decided_at=NOW + timedelta(seconds=4)
    )
    before = len(book.events())
    book.at(5000).adopt(trade(), sale, [fill("f2", "110", "0.5")], Decimal("0.25"), [])
    held = book.journal.trade("t1")
    assert (held.phase, held.volume, held.opened_at, held.closed_at) == ("holding", Decimal("1.5"), NOW, None)
    assert [event[0] for event in book.events(before)] == ["intent", "fill"]


def test_a_trade_whose_sale_is_not_over_goes_on_leaving(book: Book) -> None:
    """A part of it that was found sold changes nothing about why it is left."""
    buy(book)
    assert book.journal.leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    book.journal.abandon("i2", "deadline")
    sale = replace(intent("i3", side=Side.ASK), state=IntentState.FINAL, uuid="u3")
    before = len(book.events())
    book.journal.adopt(trade(), sale, [fill("f3", "110", "0.5")], Decimal("0.25"), [])
    assert book.journal.trade("t1").phase == "leaving"
    assert [event[0] for event in book.events(before)] == ["intent", "fill"]


def test_coins_that_were_sold_beyond_our_own_came_from_elsewhere(book: Book) -> None:
    """What they brought is not the trade's profit."""
    buy(book)
    sale = replace(intent("i2", side=Side.ASK), state=IntentState.FINAL, uuid="u2")
    book.journal.adopt(trade(), sale, [fill("f2", "110", "4")], Decimal(40), [])
    ended = book.journal.trade("t1")
    assert (ended.phase, ended.volume, ended.moved) == ("closed", ZERO, Decimal(2))
    assert ended.proceeds_krw == 400
    assert ended.taken_krw == -200
    assert ended.profit_krw == Decimal("-0.5")
    (flow,) = book.rows("flow")
    assert (flow["volume"], Decimal(flow["krw"]), flow["why"]) == ("2", Decimal(200), "taken")


def test_a_buy_that_was_found_beside_another_trade_goes_out_with_that_one(book: Book) -> None:
    """It is over at once, and what it holds is dust that the open trade carries."""
    old = trade("t0")
    book.journal.begin_trade(old, intent("i0", old))
    book.journal.abandon("i0", "deadline")
    book.journal.abandon_trade("t0", "ABANDONED")
    buy(book)
    late = replace(intent("i9", old), state=IntentState.FINAL, uuid="u9", decided_at=NOW + timedelta(seconds=4))
    book.journal.adopt(old, late, [fill("f9", "100", "3")], Decimal(0), [])
    over = book.journal.trade("t0")
    assert (over.phase, over.volume, over.dust) == ("closed", ZERO, ZERO)
    assert over.closed_at == NOW + timedelta(seconds=4)
    assert book.journal.trade("t1").volume == 5


def test_a_buy_that_was_found_beside_one_in_hand_waits_for_it(book: Book) -> None:
    """The other trade holds nothing yet: the dust is carried when it does."""
    old = trade("t0")
    book.journal.begin_trade(old, intent("i0", old))
    book.journal.abandon("i0", "deadline")
    book.journal.abandon_trade("t0", "ABANDONED")
    book.journal.begin_trade(trade(), intent())
    late = replace(intent("i9", old), state=IntentState.FINAL, uuid="u9")
    book.journal.adopt(old, late, [fill("f9", "100", "3")], Decimal(0), [])
    assert book.journal.trade("t0").dust == 3
    assert book.journal.trade("t1").volume == 0
    assert book.rows("flow") == []


def test_an_order_that_was_executed_after_all_is_written_with_what_it_did(book: Book) -> None:
    """From an end that should have been one, and never from another."""
    book.journal.begin_trade(trade(), intent())
    book.journal.begin_attempt("i1")
    book.journal.end_attempt("i1", IntentState.REJECTED, outcome="no")
    before = len(book.events())
    refused = book.journal.intent("i1")
    book.journal.see_after_all(refused, "u1", [fill("f1", "100", "1")], Decimal("0.5"), [NOTE])
    assert book.journal.intent("i1") == replace(refused, state=IntentState.FINAL, uuid="u1", paid_fee=Decimal("0.5"))
    assert book.journal.trade("t1").phase == "holding"
    assert book.events(before)[0] == ("intent", "i1", {"state": "FINAL", "uuid": "u1", "after_all": True})
    assert [row["key"] for row in book.rows("outbox")] == ["k"]
    with pytest.raises(JournalBreach, match="i1 cannot go from FINAL to FINAL"):
        book.journal.see_after_all(refused, "u1", [], Decimal(0), [])


def test_a_fill_of_an_order_is_told_once_and_a_fee_only_when_it_grows(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    """What says nothing new is no event, and no line in the log."""
    buy(book)
    before = len(book.events())
    assert book.journal.record_fills("i1", [fill("f-i1", "100", "2")], Decimal("0.5")) == 0
    assert book.journal.record_fills("i1", [fill("f-i1", "100", "2")], Decimal("0.4")) == 0
    assert book.events(before) == []
    assert caplog.messages == []
    assert book.journal.record_fills("i1", [], Decimal("0.6")) == 0
    assert book.events(before) == [("fill", "i1", {"fills": [], "paid_fee": "0.6"})]
    assert book.journal.record_fills("i1", [fill("f9", "100", "1")], Decimal("0.6")) == 1
    before = len(book.events())
    assert book.journal.record_fills("i1", [fill("f9", "101", "1")], Decimal("0.6")) == 0
    assert book.events(before) == []


def test_what_an_order_did_besides_what_was_final_is_taken_in(book: Book) -> None:
    """A buy grows the position of its trade, a sale ends it; fills are never taken back."""
    buy(book)
    more = [fill("f-i1", "100", "2"), fill("f-late", "110", "1")]
    book.journal.take_in_difference(book.journal.intent("i1"), more, Decimal("0.8"))
    grown = book.journal.trade("t1")
    assert (grown.phase, grown.volume, grown.fees_krw) == (Phase.HOLDING, Decimal(3), Decimal("0.8"))
    assert book.journal.leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    book.journal.begin_attempt("i2")
    book.journal.end_attempt("i2", IntentState.ACCEPTED, outcome="accepted", uuid="u-i2")
    book.journal.record_fills("i2", [fill("f-i2", "100", "1")], Decimal("0.5"))
    book.journal.finish("i2")
    sold = [fill("f-i2", "100", "1"), fill("f-i2-part", "100", "1.5")]
    book.at(8).take_in_difference(book.journal.intent("i2"), sold, Decimal("0.5"))
    left = book.journal.trade("t1")
    assert (left.phase, left.volume, left.closed_at) == (Phase.LEAVING, Decimal("0.5"), None)
    sold.append(fill("f-i2-late", "100", "0.5"))
    book.at(9).take_in_difference(book.journal.intent("i2"), sold, Decimal(1))
    over = book.journal.trade("t1")
    assert (over.phase, over.volume, over.closed_at) == (Phase.CLOSED, Decimal(0), book.now)


def test_a_trade_that_was_over_holds_again_what_its_buy_did_besides(book: Book) -> None:
    """Unless another one stands in its market, or an order of it is under way: then it is what it left behind."""
    buy(book)
    assert book.journal.leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    book.journal.begin_attempt("i2")
    book.journal.end_attempt("i2", IntentState.ACCEPTED, outcome="accepted", uuid="u-i2")
    book.journal.record_fills("i2", [fill("f-i2", "100", "2")], Decimal("0.5"))
    book.journal.finish("i2")
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(0))
    book.journal.take_in_difference(book.journal.intent("i1"), [fill("f-late", "100", "1")], Decimal("0.5"))
    again = book.journal.trade("t1")
    assert (again.phase, again.volume, again.closed_at) == (Phase.HOLDING, Decimal(1), None)
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(1))
    buy(book, "t2", "i3")
    book.journal.take_in_difference(book.journal.intent("i1"), [fill("f-later", "100", "1")], Decimal("0.5"))
    assert book.journal.trade("t1").phase is Phase.CLOSED
    assert book.journal.trade("t1").dust == book.journal.trade("t1").volume


def test_dust_of_which_a_sale_is_seen_late_does_not_open_its_trade_again(book: Book) -> None:
    """It holds nothing: it stays over, and left nothing behind."""
    buy(book)
    sell(book, "t1", "i2", "1.5")
    book.journal.close_trade("t1", closed_at=NOW, dust=Decimal("0.5"))
    sold = [fill("f-i2", "120", "1.5"), fill("f-late", "120", "0.5")]
    book.at(9).take_in_difference(book.journal.intent("i2"), sold, Decimal("0.25"))
    over = book.journal.trade("t1")
    assert (over.phase, over.volume, over.dust, over.closed_at) == (Phase.CLOSED, ZERO, ZERO, NOW)


def test_what_was_written_off_is_given_back_at_what_it_was_written_off_for(book: Book) -> None:
    """The trade is as it was before, to the last won: phase, stop, profit; and nothing is known to be away any more."""
    buy(book)
    before = book.journal.trade("t1")
    book.journal.take_out("t1", Decimal("0.5"), price=Decimal(110), beside=Decimal(3))
    book.journal.take_out("t1", Decimal("1.5"), price=None, beside=Decimal(3))
    assert book.journal.written_off() == {"t1": WrittenOff(volume=Decimal(2), beside=Decimal(3), at=book.now)}
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(0), reason={"code": "taken"})
    assert book.journal.realised() != 0
    book.journal.give_back("t1", [NOTE])
    assert book.journal.trade("t1") == before
    assert not book.journal.written_off()
    assert book.journal.realised() == 0
    assert [note.key for note in book.journal.pending_notes(9)] == ["k"]


def test_a_part_that_is_given_back_changes_nothing_else_of_a_trade_that_goes_on(book: Book) -> None:
    """It may be about to be sold."""
    buy(book)
    book.journal.take_out("t1", Decimal(1), price=Decimal(110))
    book.journal.give_back("t1")
    trade = book.journal.trade("t1")
    assert (trade.phase, trade.volume, trade.taken_krw) == (Phase.HOLDING, Decimal(2), Decimal(0))


def test_what_is_given_back_goes_to_the_trade_that_is_open_in_its_place(book: Book) -> None:
    """A market has one open trade."""
    buy(book)
    book.journal.take_out("t1", Decimal(2), price=Decimal(110))
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(0), reason={"code": "taken"})
    buy(book, "t2", "i2", volume="3")
    book.journal.give_back("t1")
    assert [book.journal.trade(name).volume for name in ("t1", "t2")] == [0, 5]
    assert [book.journal.trade(name).phase for name in ("t1", "t2")] == ["closed", "holding"]
    assert book.journal.dust() == {}
    assert (book.journal.trade("t1").exit_reason or {})["code"] == "taken"


def test_dust_that_is_gone_is_no_dust_any_more_the_oldest_first(book: Book) -> None:
    """In one market; what is left of it is still carried to the next trade."""
    buy(book, "t1", "i1", volume="1")
    book.journal.take_out("t1", Decimal(1), price=None)
    book.journal.close_trade("t1", closed_at=book.now, dust=Decimal(0))
    buy(book, "t2", "i2", volume="0.2")
    late = [fill("f-i1", "100", "1"), fill("f-late", "100", "0.3")]
    book.journal.take_in_difference(book.journal.intent("i1"), late, Decimal("0.5"))
    book.journal.close_trade("t2", closed_at=book.now + timedelta(seconds=1), dust=Decimal("0.2"))
    buy(book, "t3", "i3", volume="0.4", market="KRW-ETH")
    book.journal.close_trade("t3", closed_at=book.now, dust=Decimal("0.4"))
    assert book.journal.dust() == {"KRW-BTC": Decimal("0.5"), "KRW-ETH": Decimal("0.4")}
    for gone, left in ((Decimal("0.1"), ("0.2", "0.2")), (Decimal("0.3"), ("0.0", "0.1"))):
        book.journal.lose_dust("KRW-BTC", gone)
        assert [book.journal.trade(name).dust for name in ("t1", "t2")] == [Decimal(one) for one in left]
    book.journal.lose_dust("KRW-BTC", Decimal("0.1"))
    assert book.journal.dust() == {"KRW-ETH": Decimal("0.4")}
    assert [book.journal.trade(name).volume for name in ("t1", "t2")] == [0, 0]
    assert all(flow.volume for _, _, flow in book.journal.moved_coins()), "nothing that moved is no event"
    buy(book, "t4", "i4", volume="1", market="KRW-BTC")
    assert book.journal.trade("t4").volume == 1
