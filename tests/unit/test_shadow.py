"""How wrong paper is: each order beside its paper, with an interval, and nothing where there is too little to tell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from cli.common.shadow_orders import Sent, average, put_on_paper, sent_orders
from journal.records import IntentState
from tape.form import micros
from tape.market import Book, Level
from tape.reading import files_of
from tests.helpers.journals import NOW, buy, sell
from tests.helpers.journals import Book as Journals
from tests.helpers.tapes import BEGIN, Hand
from upbit.models import Side
from views.shadow import Pair, shadow_of, student

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")


def pair(worse: str, side: Side = Side.BID, *, krw: int = 50_000, turnover: int | None = None) -> Pair:
    """Return an order that was so much dearer than its paper."""
    price = Decimal(100) * (1 + Decimal(worse) / 10_000)
    known = None if turnover is None else Decimal(turnover)
    return Pair(
        market="KRW-A",
        side=side,
        at=BEGIN,
        krw=Decimal(krw),
        real_price=price,
        paper_price=Decimal(100),
        turnover_24h=known,
    )


def test_worse_is_dearer_for_a_purchase_and_cheaper_for_a_sale() -> None:
    """In basis points of the price on paper."""
    assert pair("12").worse_bp == pytest.approx(12)
    assert pair("12", Side.ASK).worse_bp == pytest.approx(-12)


def test_too_few_orders_tell_nothing_and_say_so() -> None:
    """Nine, in both languages; ten have an interval."""
    nine = shadow_of([pair("5")] * 9)
    assert nine.everything.mean is None
    assert nine.sentence("en") == "Too little to tell: there are 9 orders to compare, 10 are needed."
    assert nine.sentence("ko").startswith("아직 말할 수 없습니다")
    ten = shadow_of([pair(str(at)) for at in range(10)])
    assert ten.sentence("en").startswith(
        "Reality is +4.5 bp worse than paper on average: 10 orders, 95 % interval +2.3"
    )


def test_an_interval_with_nothing_in_it_tells_that_paper_is_not_told_from_reality() -> None:
    """Also where the mean is not nothing."""
    found = shadow_of([pair(str(at)) for at in (-9, -5, -3, -1, 0, 1, 2, 4, 6, 9, 11)])
    assert not found.everything.tells
    assert "cannot be told from reality yet: 11 orders" in found.sentence("en")
    assert "구별할 수 없습니다" in found.sentence("ko")


def test_orders_are_told_apart_by_side_size_and_turnover() -> None:
    """An order of unknown turnover is of no class of it; every class stands there, also an empty one."""
    orders = [
        *[pair("1", krw=99_999, turnover=199_999_999)] * 11,
        *[pair("2", Side.ASK, krw=100_000, turnover=200_000_000)] * 12,
        *[pair("3", krw=1_000_000)] * 13,
    ]
    told = {group.name.en: group.estimate for group in shadow_of(orders).groups}
    assert {name: one.orders for name, one in told.items()} == {
        "buys": 24,
        "sells": 12,
        "order 0 ~ 100,000 KRW": 11,
        "order 100,000 ~ 1,000,000 KRW": 12,
        "order 1,000,000+ KRW": 13,
        "24 h turnover 0 ~ 200,000,000 KRW": 11,
        "24 h turnover 200,000,000 ~ 1,000,000,000 KRW": 12,
        "24 h turnover 1,000,000,000+ KRW": 0,
    }
    assert told["sells"].mean == pytest.approx(-2)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(9, 2.2622), (10, 2.2281), (20, 2.0860), (60, 2.0003), (1000, 1.9623)]
)
def test_the_reach_of_an_interval_is_students(freedom: int, quantile: float) -> None:
    """As tables have it."""
    assert student(0.95, freedom) == pytest.approx(quantile, abs=0.002)


def book(at_ms: int, *asks: tuple[int, str]) -> Book:
    """Return a book with these asks, and bids a won below them."""
    levels = tuple(Level(Decimal(price), Decimal(size)) for price, size in asks)
    bids = tuple(Level(level.price - 1, level.size) for level in levels[::-1])
    return Book("KRW-A", at_ms, levels, bids, at_ms * 1000)


def sent(side: Side, krw: str, volume: str, at: datetime = BEGIN) -> Sent:
    """Return an order that was filled."""
    return Sent(market="KRW-A", side=side, at=at, funds=Decimal(krw), volume=Decimal(volume))


def test_an_order_walks_the_levels_of_its_book() -> None:
    """A purchase by its won, a sale by its volume; what a thin book cannot fill has the price of what it can."""
    asks = book(0, (100, "1"), (110, "2"))
    assert average(sent(Side.BID, "210", "2"), asks) == Decimal(105)
    assert average(sent(Side.ASK, "300", "2"), asks) == Decimal(109)
    assert average(sent(Side.BID, "9999", "2"), asks) == Decimal(320) / 3
    assert average(sent(Side.BID, "9999", "2"), book(0)) is None


def test_an_order_meets_the_first_book_that_is_surely_later(tmp_path: Path) -> None:
    """By the exchange's time, the latency included, also when the clock here is late; none in a minute: no paper.

    Hours without orders are not read.
    """
    (tmp_path / "20261129T21Z-000.tape").write_bytes(b"no tape, which nobody finds out")
    hand = Hand(tmp_path)
    hand.open("KRW-A")
    for tickers in (b'[{"market":"KRW-A","acc_trade_price_24h":1.5E+9}]', b"<html>", b'{"market":"KRW-A"}', b"\xff"):
        hand.recorder.answer("GET", "/v1/ticker/all?quote_currencies=KRW", 200, tickers, signed=False)
    for seconds, ask in ((0.0, 100), (1.0, 200), (1.08, 300), (1.2, 400), (70.0, 500)):
        hand.now = BEGIN + timedelta(seconds=seconds)
        hand.book("KRW-A", ask - 1, ask, "9")  # told 30 ms later than it was so
    hand.write()
    hand.end()
    early = sent(Side.BID, "100", "1", BEGIN + timedelta(seconds=0.5))
    late = sent(Side.BID, "100", "1", BEGIN + timedelta(seconds=1.01))
    none = sent(Side.BID, "100", "1", BEGIN + timedelta(seconds=3))
    slow_clock = sent(Side.BID, "100", "1", BEGIN + timedelta(seconds=1.0001))
    slow_clock.heard_ms = micros(BEGIN + timedelta(seconds=1.1)) // 1000
    put_on_paper([early, late, none, slow_clock], files_of(tmp_path))
    assert [one.paper_price for one in (early, late, none, slow_clock)] == [200, 400, None, 400]
    assert none.pair() is None
    told = early.pair()
    assert told is not None
    assert told.turnover_24h == Decimal(1_500_000_000)


def test_orders_are_those_that_were_sent_then_and_filled(tmp_path: Path) -> None:
    """With what they turned over, from their last sending on."""
    written = Journals(tmp_path / "journal.sqlite3")
    written.now = NOW + timedelta(seconds=1)
    buy(written, "t1", "i1", market="KRW-A")
    written.now = NOW + timedelta(seconds=2)
    sell(written, "t1", "i2", "2", market="KRW-A")
    first, second = sent_orders(written.journal, NOW, NOW + timedelta(days=1))
    assert (first.side, first.at, first.funds, first.volume) == (
        Side.BID,
        NOW + timedelta(seconds=1),
        Decimal(200),
        Decimal(2),
    )
    assert (second.side, second.funds) == (Side.ASK, Decimal(240))
    assert sent_orders(written.journal, NOW + timedelta(seconds=2), NOW + timedelta(days=1)) == [second]
    assert written.journal.intent("i1").state is IntentState.FINAL
    written.journal.close()
