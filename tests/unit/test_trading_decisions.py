"""Small decisions around an order, each by itself: what can be sold, what is missing, what a name says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from journal.journal import Journal
from journal.records import IntentState
from state import Balance
from strategy.base import Entry, Exit, Reason
from tests.helpers.orders import (
    a_trade,
    intent,
    shown,
)
from tests.helpers.parts import Parts, make_app, only
from trader.books import owner
from trader.books.adoption import adopted_intent, created_at, request_of
from trader.books.balances import surely_gone
from trader.books.discovery import OrderVerdict as Found
from trader.books.discovery import judge_volume
from trader.orders import names, plans
from trader.orders.protocol import Kind, affordable
from trader.orders.sale import Sale, SaleVerdict, judge_sale
from upbit.models import NewOrder, Order, Side
from upbit.rest import Upbit

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAME = "ub1-S7f3a-KRWBTC-2611222100-b-1-3"


@pytest.mark.parametrize(
    ("ours", "free", "bid", "sale"),
    [
        ("5", None, "1000", Sale(SaleVerdict.SELL, Decimal(5))),
        ("4.999", None, "1000", Sale(SaleVerdict.DUST, Decimal("4.999"))),
        ("10", "5", "1000", Sale(SaleVerdict.SELL, Decimal(5))),
        ("10", "4.999", "1000", Sale(SaleVerdict.WAIT, Decimal("4.999"))),
        ("10", "0", "1000", Sale(SaleVerdict.WAIT, Decimal(0))),
        ("5", "4", "1000", Sale(SaleVerdict.WAIT, Decimal(4))),
        ("5", "9", "1000", Sale(SaleVerdict.SELL, Decimal(5))),
        ("5.123456789", None, "1000", Sale(SaleVerdict.SELL, Decimal("5.12345678"))),
        ("1.000000009", None, "5000", Sale(SaleVerdict.SELL, Decimal(1))),
        ("0.999999999", "0.5", "5000", Sale(SaleVerdict.DUST, Decimal("0.5"))),
        ("10", None, "0", Sale(SaleVerdict.DUST, Decimal(10))),
    ],
)
def test_what_is_ours_and_free_is_sold_when_upbit_takes_it(ours: str, free: str | None, bid: str, sale: Sale) -> None:
    """Five thousand won is enough; too little of all is dust, too little because of a lock waits."""
    wallet = None if free is None else Balance(available=Decimal(free), locked=Decimal(0), as_of=NOW)
    assert judge_sale(Decimal(ours), wallet, NOW - timedelta(seconds=11), Decimal(bid)) == sale


@pytest.mark.parametrize(
    ("state", "known", "found"),
    [
        ("wait", None, Found.WAIT),
        ("cancel", IntentState.UNKNOWN, Found.WAIT),
        ("cancel", IntentState.ACCEPTED, Found.WAIT),
        ("done", None, Found.UNKNOWN),
        ("done", IntentState.FINAL, Found.DIFFERENT),
        ("done", IntentState.REJECTED, Found.AFTER_ALL),
        ("done", IntentState.FENCED, Found.AFTER_ALL),
        ("done", IntentState.ABANDONED, Found.AFTER_ALL),
    ],
)
def test_what_an_order_at_the_exchange_is_to_the_journal(state: str, known: IntentState | None, found: Found) -> None:
    """Nothing is said of one that is going on; one that is over executed without the journal, or otherwise."""
    order = shown(state=state, executed_volume=Decimal(5))
    ours = None if known is None else replace(intent(), state=known)
    assert judge_volume(order, ours) is found


@pytest.mark.parametrize(
    ("short", "last", "gone"), [("2", "1", 1), ("1", "2", 1), ("2", None, 0), ("-1", "2", 0), ("2", "-1", 0)]
)
def test_what_is_missing_twice_is_gone(short: str, last: str | None, gone: int) -> None:
    """The lesser of both looks; what is there beyond ours belongs to the user."""
    assert surely_gone(Decimal(short), None if last is None else Decimal(last)) == gone


def test_a_name_is_read_as_it_was_given() -> None:
    """Mode, account, market, candle, side, leg and number; what is not of this form is nobody's of ours."""
    app = make_app(mode="sandbox", account="7f3a")
    closed = datetime(2026, 11, 22, 21, tzinfo=UTC)
    assert names.prefix_of(app.bot) == "ub1-S7f3a-"
    assert names.trade_name("KRW-BTC", closed) == "KRWBTC-2611222100"
    assert names.trade_id_of(app.bot, "KRWBTC-2611222100") == "S7f3a-KRWBTC-2611222100"
    assert names.name_in("S7f3a-KRWBTC-2611222100") == "KRWBTC-2611222100"
    assert names.decision_key_of("KRWBTC-2611222100", Side.BID, 1) == "KRWBTC-2611222100-b-1"
    assert names.decision_key_of("KRWBTC-2611222100", Side.ASK, 12) == "KRWBTC-2611222100-s-12"
    assert names.leg_of("KRWBTC-2611222100-s-12") == 12
    assert names.identifier_of(app.bot, "KRWBTC-2611222100-b-1", 3) == NAME
    assert names.read_name(NAME, names.prefix_of(app.bot)) == names.Name(
        identifier=NAME,
        trade="KRWBTC-2611222100",
        decision_key="KRWBTC-2611222100-b-1",
        number=3,
        side=Side.BID,
        candle_closed_at=closed,
    )
    sale = names.read_name(NAME.replace("-b-", "-s-"), "ub1-S7f3a-")
    assert sale is not None
    assert sale.side == "ask"
    assert names.bot_in(NAME, "sandbox") == "7f3a"


@pytest.mark.parametrize(
    "name",
    [None, "", "x", NAME + "x", NAME.removeprefix("ub1-S7f3a-"), NAME.replace("-b-", "-x-"), NAME.replace("S7", "L7")],
)
def test_another_name_says_nothing(name: str | None) -> None:
    """An order of the user, who gives none, of another mode, or of another program."""
    assert names.read_name(name, "ub1-S7f3a-") is None
    assert name is None or names.bot_in(name, "sandbox") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-02T21:00:00+09:00", NOW),
        ("2026-11-02T12:00:00+00:00", NOW),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_of_an_order_is_utc_or_unknown(text: str, moment: datetime | None) -> None:
    """Upbit tells it in Korean time."""
    found = created_at(shown(created_at=text))
    assert found == moment
    assert found is None or found.tzinfo is UTC


def test_an_adopted_order_is_the_request_it_came_of() -> None:
    """A buy by its total, a sale by its volume; over, and sent by nobody again."""
    name = names.Name(identifier=NAME, trade="t", decision_key="t-s-1", number=2, side=Side.ASK, candle_closed_at=NOW)
    buy = shown(price=Decimal(6000), volume=None)
    assert request_of(buy, NAME) == NewOrder(market="KRW-A", side=Side.BID, identifier=NAME, total=Decimal(6000))
    sale = shown(side=Side.ASK, price=None, volume=Decimal(5), created_at="2026-11-02T21:00:00+09:00")
    assert request_of(sale, NAME) == NewOrder(market="KRW-A", side=Side.ASK, identifier=NAME, volume=Decimal(5))
    app = make_app(clock=lambda: NOW + timedelta(days=1))
    record = adopted_intent(app.clock, a_trade(), sale, name)
    assert msgspec.json.decode(record.request, type=NewOrder) == request_of(sale, NAME)
    assert (record.identifier, record.decision_key, record.n, record.trade_id) == (NAME, "t-s-1", 2, "t")
    assert (record.market, record.side, record.decided_at, record.deadline) == ("KRW-A", "ask", NOW, None)
    assert (record.state, record.uuid) == (IntentState.FINAL, "u")


@pytest.mark.parametrize(("krw", "coins", "enough"), [(0, "60", True), (0, "60.1", True), (10**9, "59.9", False)])
def test_a_sale_is_sent_again_only_with_its_coins(krw: int, coins: str, enough: bool) -> None:  # noqa: FBT001 - a parameter
    """Won do not pay for it."""
    sale = msgspec.json.decode(intent(Side.ASK).request, type=NewOrder)
    assert affordable(sale, krw=Decimal(krw), coins=Decimal(coins), bid=Decimal(1000)) is enough


@pytest.mark.parametrize(("bid", "enough"), [("100", True), ("99.9", False), ("0", False)])
def test_a_sale_is_sent_again_only_while_upbit_takes_it(bid: str, enough: bool) -> None:  # noqa: FBT001 - a parameter
    """Five thousand won, at the best bid."""
    sale = NewOrder(market="KRW-A", side=Side.ASK, identifier="x", volume=Decimal(50))
    assert affordable(sale, krw=Decimal(0), coins=Decimal(50), bid=Decimal(bid)) is enough


def test_what_was_expected_and_why_is_kept_in_words() -> None:
    """The price without needless zeros, the slippage to a millionth."""
    assert plans.expected(Decimal("1000.10"), Decimal("0.00123456789")) == {
        "expected_price": "1000.1",
        "expected_slippage": "0.001235",
    }
    why = Reason(code="c", ko="가", en="a", numbers={"x": 1.5})
    told = {"code": "c", "ko": "가", "en": "a", "numbers": {"x": 1.5}}
    assert plans.words(Exit(sell=True, reason=why)) == told
    assert plans.words(Entry(buy=True, reason=why, stop_distance=None)) == told


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_newest_order_that_upbit_shows_under_another_name_is_not_our_account(kind: Kind) -> None:
    """Only the very name that was asked for proves it."""
    order = shown(kind)

    async def look(*, identifier: str) -> Order:
        assert identifier.startswith("ub1-")
        return order

    def app(newest: str | None) -> Parts:
        journal = only(Journal, newest_shown=lambda: newest)
        return make_app(journal=journal, upbit=only(Upbit, order=look))

    assert await owner.knows_our_orders(app("ub1-x-0"))
    assert not await owner.knows_our_orders(app("ub1-y-0"))
    assert not await owner.knows_our_orders(app(None))
