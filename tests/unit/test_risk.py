"""The last line before an order: caps, freshness, the book; what is reduced, what is refused, what may leave."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.settings import Config
from journal.records import Intent, IntentState
from state import Balance
from strategy.portfolio import start_of_day
from tests.helpers.buying import NOW, book, chance, facts, gate, level
from tests.helpers.orders import a_trade
from trader.orders import risk
from trader.orders.protocol import request_of
from upbit.errors import Withheld
from upbit.models import (
    Account,
    Book,
    BookLevel,
    Bounds,
    Candle,
    Fill,
    NewOrder,
    Side,
    StreamTicker,
    Ticker,
)

if TYPE_CHECKING:
    from journal.journal import Journal

ONE = Decimal(1)


def told(config: Config = Config(), **fields: object) -> str:  # noqa: B008 - it is frozen
    """Return the code of a refusal, or "ok"."""
    answer = risk.judge_buy(config, facts(**fields))
    assert isinstance(answer, risk.BuyPlan) or answer.en
    return answer.code if isinstance(answer, risk.Refused) else "ok"


def old(seconds: float) -> datetime:
    """Return a moment before now."""
    return NOW - timedelta(seconds=seconds)


def exposed(*, market: int = 0, today: int = 0, trades: int = 1) -> risk.Exposure:
    """Return what is committed already."""
    return risk.Exposure(by_market={"KRW-AAA": Decimal(market)}, spent_today=Decimal(today), open_trades=trades)


def test_a_buy_on_good_facts_is_for_the_wish() -> None:
    """All of it, with the price and the slippage that the book promises."""
    plan = risk.judge_buy(Config(), facts())
    assert plan == risk.BuyPlan(total=Decimal(50_000), expected_price=Decimal(1001), slippage=Decimal("0.001"))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"price_as_of": old(11)}, "price_stale"),
        ({"price_as_of": old(10)}, "ok"),
        ({"wallet": None}, "wallet_stale"),
        ({"wallet": Balance(available=Decimal(10**6), locked=Decimal(0), as_of=old(10.5))}, "wallet_stale"),
        ({"wallet": Balance(available=Decimal(10**6), locked=Decimal(0), as_of=old(10))}, "ok"),
        ({"asked_at": old(3.1)}, "book_stale"),
        ({"asked_at": old(3)}, "ok"),
        ({"chance": chance(state="preview")}, "market_inactive"),
        ({"book": Book(market="KRW-AAA", levels=[])}, "book_empty"),
        ({"book": book(level("0", "999"))}, "book_empty"),
        ({"book": book(level("1001", "0"))}, "book_empty"),
        ({"book": book(level("999", "999"))}, "book_crossed"),
        ({"unexplained": None}, "coins_unexplained"),
        ({"unexplained": Decimal("5.001")}, "coins_unexplained"),
        ({"unexplained": Decimal(5)}, "coins_unexplained"),
        ({"unexplained": Decimal("4.999")}, "ok"),
        ({"wallet": Balance(available=Decimal(5000), locked=Decimal(0), as_of=NOW)}, "no_money"),
        ({"wallet": Balance(available=Decimal(5700), locked=Decimal(0), as_of=NOW), "stop_fraction": None}, "ok"),
        ({"wallet": Balance(available=Decimal(5700), locked=Decimal(0), as_of=NOW)}, "ok"),
        ({"wallet": Balance(available=Decimal(5600), locked=Decimal(0), as_of=NOW)}, "cannot_leave"),
        ({"stop_fraction": 0.9}, "cannot_leave"),
        ({"exposure": exposed(market=50_000)}, "ok"),
        ({"exposure": exposed(market=50_001)}, "cap_market"),
        ({"exposure": exposed(today=950_000)}, "ok"),
        ({"exposure": exposed(today=950_001)}, "cap_day"),
        ({"exposure": exposed(trades=5)}, "ok"),
        ({"exposure": exposed(trades=6)}, "cap_trades"),
    ],
)
def test_a_buy_is_refused_for_the_first_thing_that_is_wrong(changed: dict[str, Any], code: str) -> None:
    """Ages, the market, money, a way out, caps; each at its exact limit."""
    assert told(**changed) == code


def test_an_order_above_its_own_cap_is_refused() -> None:
    """Even when somebody made the wish larger than the cap by other means than the settings."""
    config = Config()
    config = replace(config, trading=replace(config.trading, order_krw=Decimal(100_001)))
    assert told(config) == "cap_order"


@pytest.mark.failure("C12")
@pytest.mark.failure("C14")
@pytest.mark.parametrize(
    ("price", "levels", "code"),
    [
        (1000, [level("1001", "999")], "ok"),
        (1030, [level("1001", "999")], "ok"),
        (1031, [level("1001", "999")], "price_gap"),
        (969, [level("1001", "999")], "price_gap"),
        (700, [level("1001", "999")], "price_gap"),
        (1000, [level("1010", "990")], "ok"),
        (1000, [level("1011", "989")], "spread"),
    ],
)
def test_an_entry_needs_trade_and_book_to_agree(price: int, levels: list[BookLevel], code: str) -> None:
    """The stream's trade and the book of REST: a fat finger is no price, and wide sides are none to buy in."""
    assert told(price=Decimal(price), book=book(*levels)) == code


@pytest.mark.parametrize(
    ("changed", "total"),
    [
        (
            {
                "book": book(level("1000", "999", ask_size="10")),
                "chance": chance(bid=Bounds(min_total=Decimal(10_000))),
            },
            10_000,
        ),
        ({"book": book(level("1001", "999", ask_size="20.0006"))}, 20_020),
        ({"book": book(level("1000", "999", bid_size="50"))}, 50_000),
    ],
    ids=["exactly the least", "whole won, never more than the walk", "exactly as much as the bids take"],
)
def test_a_buy_may_be_exactly_what_its_limits_allow(changed: dict[str, Any], total: int) -> None:
    """The least notional, the won below a broken sum, and all bids there are."""
    plan = risk.judge_buy(Config(), facts(**changed))
    assert isinstance(plan, risk.BuyPlan)
    assert plan.total == total


@pytest.mark.failure("C13")
def test_a_thin_book_makes_the_order_smaller() -> None:
    """Only so much is bought that its average slips no more than allowed: 1 % above the last trade."""
    thin = book(level("1005", "999", ask_size="20"), level("1100", "998", ask_size="1000"))
    plan = risk.judge_buy(Config(), facts(book=thin))
    assert isinstance(plan, risk.BuyPlan)
    assert plan.total == 21_322  # 20 units at 1,005, and 1,222 won at 1,100
    assert plan.expected_price <= 1010
    assert plan.slippage <= Decimal("0.01")
    more = Decimal(21_323)
    assert more / (20 + (more - 20_100) / 1100) > 1010


@pytest.mark.failure("C13")
@pytest.mark.parametrize(
    ("levels", "code"),
    [
        ([level("1005", "999", ask_size="4"), level("1100", "998")], "slippage"),
        ([level("1005", "999", ask_size="5.6"), level("1100", "998")], "ok"),
        ([level("1011", "999")], "slippage"),
        ([level("1001", "999", ask_size="3")], "slippage"),
        ([level("1001", "999", ask_size="5.3")], "slippage"),  # enough to buy, too little to leave at its stop
        ([level("1001", "999", bid_size="40")], "bids_thin"),
        ([level("1001", "999", bid_size="40"), level("1002", "990", bid_size="10")], "ok"),
    ],
)
def test_a_book_that_is_too_thin_is_left_alone(levels: list[BookLevel], code: str) -> None:
    """What is left must still be an order that can leave again, and the bids must be able to take it back."""
    assert told(book=book(*levels)) == code


amounts = st.decimals(min_value=1, max_value=2000, places=2)
sides = st.lists(st.tuples(amounts, st.decimals(min_value=0, max_value=100, places=3)), min_size=1, max_size=8)


@pytest.mark.failure("C13")
@settings(max_examples=300)
@given(sides, st.integers(5000, 200_000), amounts)
def test_a_walk_takes_as_much_as_the_limit_allows_and_no_more(
    levels: list[tuple[Decimal, Decimal]], total: int, limit: Decimal
) -> None:
    """Checked in exact fractions: never above the wish or the limit, and one won more would break one of them."""
    levels = sorted(levels)
    spent, volume = risk.walk(levels, Decimal(total), limit)
    assert 0 <= spent <= total
    tolerance = Fraction(1, 10**9)
    if volume:
        assert Fraction(spent) / Fraction(volume) <= Fraction(limit) * (1 + tolerance)
    left, taken, units = Fraction(spent) + 1, Fraction(0), Fraction(0)
    for price, size in levels:  # an independent walk for one won more
        won = min(left, Fraction(price) * Fraction(size))
        left, taken, units = left - won, taken + won, units + won / Fraction(price)
    too_much = spent + 1 > total or left > 0 or taken / units > Fraction(limit)
    assert too_much


@settings(max_examples=200)
@given(
    asks=sides,
    available=st.integers(0, 10**6),
    wish=st.integers(6000, 100_000),
    stop=st.none() | st.floats(0, 0.99),
    spent=st.integers(0, 10**6),
)
def test_whatever_the_facts_a_plan_keeps_every_limit(
    asks: list[tuple[Decimal, Decimal]], available: int, wish: int, stop: float | None, spent: int
) -> None:
    """Balance with fee, caps, least notional, a way out, slippage: for any book and balance."""
    config = Config()
    config = replace(config, trading=replace(config.trading, order_krw=Decimal(wish)))
    levels = [
        BookLevel(ask_price=price, ask_size=size, bid_price=price * Decimal("0.99"), bid_size=size)
        for price, size in sorted(asks)
    ]
    wallet = Balance(available=Decimal(available), locked=Decimal(0), as_of=NOW)
    price = levels[0].ask_price
    given_facts = facts(
        book=book(*levels), wallet=wallet, stop_fraction=stop, price=price, exposure=exposed(today=spent)
    )
    plan = risk.judge_buy(config, given_facts)
    if isinstance(plan, risk.BuyPlan):
        assert 5000 <= plan.total <= min(wish, 100_000)
        assert plan.total * Decimal("1.0005") <= available
        assert plan.total + spent <= config.risk.max_day_krw
        assert plan.slippage <= config.risk.max_slippage
        assert plan.total * (1 - Decimal(repr(stop or 0.0))) >= 5100


@pytest.mark.failure("C15")
def test_the_minimum_is_what_upbit_says_now() -> None:
    """A minimum that was raised is heeded at the next order, without a new version of this program."""
    raised = chance(bid=Bounds(min_total=Decimal(60_000)))
    assert told(chance=raised) == "no_money"
    raised = chance(ask=Bounds(min_total=Decimal(60_000)))
    assert told(chance=raised) == "cannot_leave"


@pytest.mark.failure("F14")
@pytest.mark.parametrize(
    ("now", "begin"),
    [
        ("2026-11-02T14:59:59", "2026-11-01T15:00:00"),
        ("2026-11-02T15:00:00", "2026-11-02T15:00:00"),
        ("2026-03-29T01:30:00", "2026-03-28T15:00:00"),  # a night on which European clocks jump
    ],
)
def test_a_day_begins_at_midnight_in_korea_wherever_the_machine_stands(
    now: str, begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Korea has no summer time; the zone of the host plays no part."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert start_of_day(moment) == datetime.fromisoformat(begin).replace(tzinfo=UTC)


def test_a_sale_expects_what_the_bids_pay() -> None:
    """Level by level; what they do not cover counts at the last one."""
    levels = (level("1001", "1000", bid_size="1"), level("1002", "990", bid_size="1"))
    assert risk.exit_price(book(*levels), Decimal("0.5")) == 1000
    assert risk.exit_price(book(*levels), Decimal(2)) == 995
    assert risk.exit_price(book(*levels), Decimal(4)) == Decimal("992.5")


@pytest.mark.parametrize(
    ("wallet", "volume"),
    [
        (None, "5"),
        (Balance(available=Decimal(3), locked=Decimal(2), as_of=NOW), "5"),
        (Balance(available=Decimal(0), locked=Decimal(0), as_of=NOW + timedelta(seconds=10)), "5"),
        (Balance(available=Decimal(3), locked=Decimal(2), as_of=NOW + timedelta(seconds=11)), "3"),
        (Balance(available=Decimal(9), locked=Decimal(0), as_of=NOW + timedelta(seconds=11)), "5"),
    ],
)
def test_never_more_is_sold_than_is_ours_and_free(wallet: Balance | None, volume: str) -> None:
    """A wallet that may not show the last fill yet says nothing: Upbit's lags by seconds."""
    assert risk.sellable(Decimal(5), wallet, NOW) == Decimal(volume)


# --- at the edge ----------------------------------------------------------------------------------------------------

ODD = st.sampled_from(["NaN", "Infinity", "-Infinity", "-1", "sNaN"])
CANDLE = (
    '{"market":"KRW-A","candle_date_time_utc":"2026-11-02T00:00:00","opening_price":%s,"high_price":%s,'
    '"low_price":%s,"trade_price":%s,"candle_acc_trade_volume":%s,"candle_acc_trade_price":%s}'
)
PRICES: dict[Any, tuple[str, list[str]]] = {
    Ticker: (
        '{"market":"KRW-A","trade_price":%s,"trade_timestamp":1,"acc_trade_price_24h":%s}',
        ["trade_price", "turnover"],
    ),
    StreamTicker: ('{"code":"KRW-A","trade_price":%s,"trade_timestamp":1,"timestamp":1}', ["trade_price"]),
    BookLevel: (
        '{"ask_price":%s,"bid_price":%s,"ask_size":%s,"bid_size":%s}',
        ["ask_price", "bid_price", "ask_size", "bid_size"],
    ),
    Candle: (
        CANDLE,
        ["open", "high", "low", "close", "volume", "turnover"],
    ),
    Account: ('{"currency":"KRW","balance":%s,"locked":%s}', ["balance", "locked"]),
    Fill: ('{"uuid":"u","price":%s,"volume":%s,"funds":%s}', ["price", "volume", "funds"]),
}


@pytest.mark.failure("C10")
@pytest.mark.parametrize("kind", PRICES)
@given(odd=ODD, data=st.data())
def test_a_number_that_is_none_stops_at_the_edge(kind: type[Any], odd: str, data: st.DataObject) -> None:
    """NaN, infinity and amounts below nothing never become a value, in whichever field; sound ones do."""
    form, fields = PRICES[kind]
    sound = ['"1.5"'] * len(fields)
    assert msgspec.json.decode(form % tuple(sound), type=kind)
    at = data.draw(st.integers(0, len(fields) - 1))
    sound[at] = f'"{odd}"'
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(form % tuple(sound), type=kind)


# --- at the wire ----------------------------------------------------------------------------------------------------


def planned(journal: Journal, market: str, total: int) -> NewOrder:
    """Write a buy down and take it to the moment before its first byte."""
    order = NewOrder(market=market, side=Side.BID, total=Decimal(total), identifier=f"ub1-{market}-{total}")
    trade = replace(a_trade(), id=f"t-{market}-{total}", market=market)
    intent = Intent(
        identifier=order.identifier,
        decision_key=order.identifier,
        n=0,
        trade_id=trade.id,
        market=market,
        side=Side.BID,
        request=request_of(order),
        decided_at=NOW,
        deadline=None,
    )
    assert journal.begin_trade(trade, intent)
    journal.begin_attempt(order.identifier)
    return order


def test_the_gate_lets_a_buy_within_its_caps_pass(journal: Journal) -> None:
    """It is in the journal already and is not counted twice."""
    gate(journal)(planned(journal, "KRW-A", 100_000), None)


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        (("risk.max_order_krw=50000", "trading.order_krw=50000"), "cap_order"),
        (("risk.max_market_krw=50000", "trading.order_krw=50000"), "cap_market"),
        (("risk.max_day_krw=250000",), "cap_day"),
        (("trading.max_open_trades=2",), "cap_trades"),
    ],
)
def test_the_gate_keeps_a_buy_back_that_breaks_a_cap(journal: Journal, overrides: tuple[str, ...], code: str) -> None:
    """Whoever planned it, and whatever was lowered since: doubtful buys count as spent."""
    for market in ("KRW-A", "KRW-B"):
        doubtful = planned(journal, market, 100_000)
        journal.end_attempt(doubtful.identifier, IntentState.UNKNOWN, outcome="time-out")
    order = planned(journal, "KRW-C", 100_000)
    with pytest.raises(Withheld) as caught:
        gate(journal, *overrides)(order, None)
    assert caught.value.name == code


def test_the_gate_knows_each_order_that_was_written_down_since(journal: Journal) -> None:
    """Three of two thirds of the cap: the second is one too many, and what never left makes room for the third."""
    ask = gate(journal, "risk.max_day_krw=150000")
    ask(planned(journal, "KRW-A", 100_000), None)
    second = planned(journal, "KRW-B", 100_000)
    with pytest.raises(Withheld) as caught:
        ask(second, None)
    assert caught.value.name == "cap_day"
    journal.end_attempt(second.identifier, IntentState.PLANNED, outcome="Withheld")
    journal.abandon(second.identifier, "cap_day")
    ask(planned(journal, "KRW-C", 50_000), None)


@pytest.mark.parametrize("later", [timedelta(hours=2), timedelta(hours=3)], ids=["today", "tomorrow"])
def test_a_new_day_in_korea_begins_with_nothing_spent(journal: Journal, later: timedelta) -> None:
    """Although nothing was written since: it is nine in the evening there at first."""
    now, order = [NOW], planned(journal, "KRW-A", 100_000)
    ask = gate(journal, "risk.max_day_krw=60000", clock=lambda: now[0])
    with pytest.raises(Withheld, match="per day"):
        ask(order, None)
    now[0] += later
    with pytest.raises(Withheld, match="per day") if later < timedelta(hours=3) else nullcontext():
        ask(order, None)


def test_the_gate_lets_every_sale_pass(journal: Journal) -> None:
    """Caps are about buying; leaving is never capped."""
    gate(journal, "risk.max_order_krw=6000", "trading.order_krw=6000")(
        NewOrder(market="KRW-A", side=Side.ASK, volume=Decimal(10**6), identifier="ub1-s"), None
    )
