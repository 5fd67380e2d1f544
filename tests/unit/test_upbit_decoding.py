"""Reading answers: as little as is needed, row by row; an odd one is named and hides nothing."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.wire import Wire, asking, http, serving
from upbit.decoding import COMPLAINTS_KEPT, NAMELESS, Complaints, RawRows, Rows, decode, decode_order, ours, usable
from upbit.errors import OutcomeUnknown, error_from
from upbit.models import (
    LEAST_PRICE,
    MOST,
    Account,
    Candle,
    Chance,
    Fill,
    Order,
    StreamCandle,
    StreamTicker,
    Ticker,
    ToldFill,
    from_ms,
    need_amounts,
    need_few_digits,
    need_price,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from upbit.rest import Upbit

KRW = {"currency": "KRW", "balance": "1000000", "locked": "0"}
ODD_WALLET_ROWS = [
    {"currency": "XYZ", "balance": "12.5", "locked": "", "avg_buy_price": None},
    {"currency": "XYZ", "balance": "-0.00000001", "locked": "0"},
    {"currency": "XYZ", "balance": None, "locked": "0"},
    {"currency": "XYZ", "balance": "1e999999999", "locked": "0"},
    {"currency": "XYZ", "balance": "0." + "1" * 60, "locked": "0"},
    {"currency": "XYZ", "balance": [[]], "locked": "0"},
    {"currency": "XYZ", "balance": "0", "locked": "-1"},
    {"currency": "XYZ", "balance": "0", "locked": "0." + "1" * 60},
    {"currency": "XYZ", "locked": "0"},
]
ORDER = {
    "uuid": "u1",
    "market": "KRW-BTC",
    "side": "ask",
    "ord_type": "market",
    "state": "done",
    "created_at": "2026-11-30T12:42:00+09:00",
    "identifier": "ub1-Sabcd-KRWBTC-2611300340-s-0-0",
    "executed_volume": "3",
    "paid_fee": "0.15",
    "trades_count": 2,
}
FIRST, SECOND = "3b67e543-0000-4000-8000-000000000001", "3b67e543-0000-4000-8000-000000000002"
FILLS: list[dict[str, object]] = [
    {"uuid": FIRST, "price": "100", "volume": "1", "funds": "100"},
    {"uuid": SECOND, "price": "100", "volume": "2", "funds": "200"},
]
A_STRANGER = {
    "uuid": "11111111-2222-3333-4444-555555555555",
    "market": "KRW-XRP",
    "state": "watch",
    "remaining_volume": None,
    "executed_volume": None,
    "trades_count": None,
    "identifier": None,
}
CANDLE = {
    "market": "KRW-BTC",
    "candle_date_time_utc": "2026-11-24T00:00:00",
    "opening_price": 2,
    "high_price": 2,
    "low_price": 2,
    "trade_price": 2,
    "candle_acc_trade_price": 1,
    "candle_acc_trade_volume": 1,
}
TICKER = {"market": "KRW-BTC", "trade_price": 5, "trade_timestamp": 1_795_000_000_000, "acc_trade_price_24h": 1}
LEVEL = {"ask_price": 11, "bid_price": 10, "ask_size": 1, "bid_size": 1}
DEEP = b"[" * 100_000 + b"]" * 100_000
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Serve on a free port of this machine."""
    async with serving() as wire:
        yield wire


@pytest.fixture
async def upbit(wire: Wire) -> AsyncIterator[Upbit]:
    """Return a client of that server."""
    async with asking(wire) as upbit:
        yield upbit


def rows(*values: object) -> RawRows:
    """Return rows as they come."""
    return [msgspec.Raw(json.dumps(value).encode()) for value in values]


# --- wallets ---------------------------------------------------------------------------------------------------------


@pytest.mark.case("L4")
@pytest.mark.parametrize("odd", ODD_WALLET_ROWS)
async def test_one_odd_wallet_row_is_left_out_and_named(
    wire: Wire, upbit: Upbit, odd: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Null, nothing, below nothing, absurd or absent: the other rows are known, and of this one nobody is sure."""
    wire.answers = [http(200, [KRW, odd])] * 2
    with caplog.at_level(logging.WARNING, "upbit.decoding"):
        told = await upbit.accounts()
        await upbit.accounts()
    assert [account.currency for account in told] == ["KRW"]
    assert list(told.dropped) == ["XYZ"]
    assert told.is_unclear("XYZ")
    assert not told.is_unclear("BTC")
    assert caplog.text.count("name=XYZ") == 1


@pytest.mark.case("L4")
async def test_an_average_price_that_is_null_matters_to_nobody(wire: Wire, upbit: Upbit) -> None:
    """What is not used is not read."""
    wire.answers = [http(200, [{**KRW, "avg_buy_price": None, "unit_currency": 7}])]
    (krw,) = await upbit.accounts()
    assert krw.available == 1_000_000


def test_a_row_without_a_name_makes_every_absence_unclear() -> None:
    """It may be any of those that are missing."""
    told = usable(rows(KRW, {"balance": "1", "locked": "0"}, 7), Account, name="currency")
    assert [account.currency for account in told] == ["KRW"]
    assert list(told.dropped) == [NAMELESS]
    assert told.is_unclear("BTC")


def test_absence_is_unclear_where_a_row_of_that_name_could_not_be_read() -> None:
    """Of the others it is absence."""
    told = Rows[Account]([], {"A": "odd"})
    assert [told.is_unclear(name) for name in ("A", "B")] == [True, False]
    assert [Rows[Account]([], {NAMELESS: "odd"}).is_unclear("A"), Rows[Account]().is_unclear("A")] == [True, False]


def test_a_row_told_twice_counts_once_and_one_told_differently_counts_for_nothing() -> None:
    """Of two that contradict each other nobody knows which is true."""
    other = {"currency": "BTC", "balance": "1", "locked": "0"}
    told = usable(rows(KRW, KRW, other, {**other, "balance": "2"}), Account, name="currency")
    assert [account.currency for account in told] == ["KRW"]
    assert told.dropped == {"BTC": "told twice, and differently"}
    assert told.is_unclear("BTC")


def test_an_odd_row_is_logged_once_and_the_oldest_of_very_many_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    """It stands in every answer; of another kind it is another."""
    complaints, odd = Complaints(), {"KRW-A": "odd", NAMELESS: "nameless"}
    with caplog.at_level(logging.WARNING, "upbit.decoding"):
        for kind in (Ticker, Ticker, Candle):
            complaints.tell(kind, odd)
        assert caplog.messages == [
            f"row left out kind={kind} name={name} why={why}"
            for kind in ("Ticker", "Candle")
            for name, why in (("KRW-A", "odd"), ("?", "nameless"))
        ]
        caplog.clear()
        complaints.tell(Ticker, {f"x{number}": "odd" for number in range(COMPLAINTS_KEPT - 4)})
        complaints.tell(Ticker, odd)
        assert len(caplog.messages) == COMPLAINTS_KEPT - 4
        complaints.tell(Ticker, {"one more": "odd"})
        caplog.clear()
        complaints.tell(Ticker, odd)
        assert caplog.messages == ["row left out kind=Ticker name=KRW-A why=odd"]


def test_nothing_is_a_list_of_nothing() -> None:
    """An empty list is told as one; what it means is for others to judge."""
    assert usable([], Account, name="currency") == []


# --- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.case("L5")
async def test_of_orders_that_are_not_ours_only_the_identifier_is_read(wire: Wire, upbit: Upbit) -> None:
    """Null fields in an order of the user's, or no order at all in its place, hide none of ours."""
    wire.answers = [http(200, [A_STRANGER, {"identifier": "mine"}, {"identifier": 7}, ["odd"], ORDER])] * 2
    assert [order.uuid for order in await upbit.open_orders(prefix="ub1-Sabcd-")] == ["u1"]
    now = datetime(2026, 11, 30, 4, tzinfo=UTC)
    told = await upbit.closed_orders(start=now - MINUTE, end=now, prefix="ub1-Sabcd-")
    assert [order.uuid for order in told] == ["u1"]
    assert not told.dropped


def test_an_order_without_a_name_is_nobodys() -> None:
    """Also where every order that has one is asked for."""
    stranger = {name: value for name, value in ORDER.items() if name != "identifier"}
    found = ours(rows(stranger, {**stranger, "identifier": None}, {**stranger, "identifier": 7}, ORDER), "")
    assert ([order.identifier for order in found], found.dropped) == ([ORDER["identifier"]], {})


async def test_an_answer_of_another_shape_is_asked_for_once(wire: Wire, upbit: Upbit) -> None:
    """It came, so nothing is the matter with the line; and it says with which status it came."""
    wire.answers = [http(200, {}), http(200, {}), http(200, ORDER)]
    for ask in (upbit.markets, lambda: upbit.order(uuid="u1")):
        with pytest.raises(OutcomeUnknown, match=r"^200: an answer of another shape: ") as caught:
            await ask()
        assert caught.value.status == 200
    assert len(wire.seen) == 2
    with pytest.raises(OutcomeUnknown) as caught:
        decode(b"{}", Order, 207)
    assert caught.value.status == 207


@pytest.mark.parametrize(
    "odd",
    [{"executed_volume": None}, {"side": "both"}, {"trades_count": -1.5}, {"uuid": ""}, {"paid_fee": "-1"}],
)
def test_an_odd_order_of_ours_is_named_by_its_identifier(odd: dict[str, object]) -> None:
    """The others are known, and the name says which one is not."""
    second = {**ORDER, "uuid": "u2", "identifier": "ub1-other"}
    told = ours(rows({**ORDER, **odd}, second), "ub1-")
    assert [order.uuid for order in told] == ["u2"]
    assert list(told.dropped) == [ORDER["identifier"]]


def test_an_order_on_two_pages_is_there_once_as_the_page_told_it_that_knows_more() -> None:
    """It was filled between the pages."""
    (told,) = ours(rows({**ORDER, "executed_volume": "1"}, ORDER, {**ORDER, "executed_volume": "2"}), "ub1-")
    assert told.executed_volume == 3


def order(*fills: object, **changed: object) -> Order:
    """Read an order with these fills."""
    return decode_order(json.dumps({**ORDER, **changed, "trades": list(fills)}).encode())


@pytest.mark.case("L7")
def test_a_fill_listed_twice_counts_once() -> None:
    """By its uuid: nothing is bought or sold twice because it is told twice."""
    told = order(FILLS[0], FILLS[0], FILLS[1])
    assert [fill.uuid for fill in told.fills] == [FIRST, SECOND]
    assert told.is_final


@pytest.mark.parametrize(
    "odd",
    [
        {**FILLS[1], "volume": "0"},
        {**FILLS[1], "funds": "0"},
        {**FILLS[1], "uuid": ""},
        {**FILLS[1], "price": None},
        {"uuid": SECOND},
        {**FILLS[1], "uuid": "a word"},
        {**FILLS[1], "price": "101"},
        None,
        [],
    ],
)
def test_an_odd_fill_hides_no_other_and_keeps_the_order_from_being_final(odd: object) -> None:
    """What is known to be executed is known; that more is not known keeps it open."""
    told = order(FILLS[0], odd)
    assert [fill.uuid for fill in told.fills] == [FIRST]
    assert not told.is_final


def test_an_order_without_a_list_of_fills_has_none() -> None:
    """Null or absent."""
    assert decode_order(json.dumps({**ORDER, "trades": None}).encode()).fills == []
    assert decode_order(json.dumps(ORDER).encode()).fills == []


@pytest.mark.parametrize("name", ["executed_volume", "paid_fee", "trades_count"])
def test_an_order_that_does_not_say_how_much_of_it_is_executed_is_no_answer(name: str) -> None:
    """Absent is not zero: a fee of nothing would stand in the books for ever."""
    odd = {key: value for key, value in ORDER.items() if key != name}
    with pytest.raises(OutcomeUnknown, match=name):
        decode_order(json.dumps(odd).encode())
    assert list(ours(rows(odd), "ub1-").dropped) == [ORDER["identifier"]]


@pytest.mark.parametrize(
    ("price", "volume", "funds"),
    [
        ("1375", "5.377594", "7394.19175"),
        ("160594000", "0.00003736", "5999.79184"),
        ("0.00001234", "405186385.73743922", "4999.99999999"),
    ],
)
def test_fills_as_upbit_writes_them_are_taken(price: str, volume: str, funds: str) -> None:
    """Two of its documents, and one whose product is cut off after eight decimals."""
    told = order({"uuid": FIRST, "price": price, "volume": volume, "funds": funds})
    assert [fill.notional for fill in told.fills] == [Decimal(funds)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"price": Decimal(0)}, "not a price"),
        ({"volume": Decimal("-0.1")}, "not an amount"),
        ({"notional": Decimal("-0.1")}, "not an amount"),
        ({"price": Decimal(f"1.{'1' * 40}")}, "more digits than money has"),
        ({"volume": Decimal(f"1.{'1' * 40}")}, "more digits than money has"),
        ({"notional": Decimal(f"1.{'1' * 40}")}, "more digits than money has"),
        ({"volume": Decimal("1E-41")}, "more digits than money has"),
        ({"volume": Decimal(0)}, "a fill of nothing"),
        ({"notional": Decimal(0)}, "a fill of nothing"),
        ({"uuid": ""}, "a fill of nothing"),
    ],
)
def test_a_fill_has_a_name_a_price_and_amounts_that_can_be(changed: dict[str, Any], words: str) -> None:
    """Each by itself: what poisons one sum poisons all that is added to it."""
    whole: dict[str, Any] = {
        "uuid": FIRST,
        "price": Decimal(f"1.{'1' * 39}"),
        "volume": Decimal(1),
        "notional": Decimal(1),
    }
    assert Fill(**whole).uuid == FIRST
    with pytest.raises(ValueError, match=words):
        Fill(**whole | changed)


@pytest.mark.parametrize(("funds", "fits"), [("100.01", True), ("99.99", True), ("100.02", False), ("99.98", False)])
def test_what_a_fill_cost_is_its_price_times_its_volume_to_the_hundredth_of_a_won(
    funds: str,
    fits: bool,  # noqa: FBT001 - a column
) -> None:
    """Upbit cuts the product off; what is further away is no fill, and of none the order says so."""
    told = order({"uuid": FIRST, "price": "100", "volume": "1", "funds": funds})
    assert bool(told.fills) is fits


@pytest.mark.parametrize("name", ["price", "volume", "executed_volume", "paid_fee"])
@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("-1", "not an amount"),
        ("NaN", "not an amount"),
        ("1E+18", "not an amount"),
        ("1E-41", "more digits than money"),
    ],
)
def test_each_amount_of_an_order_is_one_that_can_be(name: str, amount: str, words: str) -> None:
    """What poisons one sum poisons all that is added to it; an order has a name, too."""
    whole = msgspec.json.decode(json.dumps({**ORDER, "price": "1", "volume": "2"}), type=Order)
    with pytest.raises(ValueError, match=words):
        msgspec.structs.replace(whole, **{name: Decimal(amount)})
    with pytest.raises(ValueError, match=r"^an order without a uuid$"):
        msgspec.structs.replace(whole, uuid="")


CHANCE: dict[str, Any] = {
    "bid_fee": "0.0005",
    "ask_fee": "0.0006",
    "market": {"id": "KRW-BTC", "bid": {"min_total": "5000"}, "ask": {"min_total": "6000"}},
    "ask_account": {"currency": "BTC", "balance": "1.5", "locked": "0.5"},
}


def test_what_orders_cost_and_may_be_is_read_with_what_can_be_sold() -> None:
    """Fees of both sides, least totals of both; a balance that cannot be read is unknown, and hides nothing else."""
    told = decode(json.dumps(CHANCE).encode(), Chance)
    assert (told.bid_fee, told.ask_fee) == (Decimal("0.0005"), Decimal("0.0006"))
    assert (told.market.bid.min_total, told.market.ask.min_total) == (Decimal(5000), Decimal(6000))
    assert (told.market.market, told.market.state, told.coins) == ("KRW-BTC", "active", Decimal(2))
    odds: list[object] = [None, [], {"currency": "BTC"}, {"currency": "BTC", "balance": "-1", "locked": "0"}]
    for odd in odds:
        assert decode(json.dumps({**CHANCE, "ask_account": odd}).encode(), Chance).coins is None


@pytest.mark.parametrize(
    "changed",
    [
        {"bid_fee": "-0.1"},
        {"ask_fee": "-0.1"},
        *[{"market": {**CHANCE["market"], side: {"min_total": "-1"}}} for side in ("bid", "ask")],
    ],
)
def test_a_fee_or_a_least_total_below_nothing_is_no_answer(changed: dict[str, object]) -> None:
    """Each by itself."""
    with pytest.raises(OutcomeUnknown, match="not an amount"):
        decode(json.dumps(CHANCE | changed).encode(), Chance)


def heard(**changed: object) -> StreamCandle:
    """Return a candle that is told with changes."""
    frame = {**CANDLE, "type": "candle.1m", "code": "KRW-BTC", "high_price": 3, "low_price": 1, **changed}
    return msgspec.json.decode(json.dumps(frame), type=StreamCandle)


@pytest.mark.parametrize(
    "changed", [{}, {"opening_price": 1, "trade_price": 3}, {"opening_price": 3, "trade_price": 1}]
)
def test_a_candle_that_is_heard_may_begin_and_end_at_its_edges(changed: dict[str, int]) -> None:
    """They are in its range."""
    assert heard(**changed).opened_at == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "changed",
    [{"low_price": 2.5}, *[{name: price} for name in ("opening_price", "trade_price") for price in (0.5, 3.5, -1)]],
)
def test_a_candle_beside_its_own_range_is_none(changed: dict[str, float]) -> None:
    """Nor is one of no price."""
    with pytest.raises(msgspec.ValidationError, match=r"not a (candle: [0-9. ]+|price: -1)"):
        heard(**changed)


def test_a_moment_in_milliseconds_is_that_of_utc() -> None:
    """Whatever the machine's zone; parts of a second are kept."""
    found = from_ms(1_795_000_000_123)
    assert (found.isoformat(), found.tzinfo) == ("2026-11-18T11:06:40.123000+00:00", UTC)


def test_a_fill_that_is_told_says_why_it_is_none() -> None:
    """By its name, or its sum."""
    whole: dict[str, Any] = {"uuid": FIRST, "price": Decimal(100), "volume": Decimal(1), "notional": Decimal(100)}
    assert ToldFill(**whole).uuid == FIRST
    with pytest.raises(ValueError, match=r"^not a uuid: u1$"):
        ToldFill(**whole | {"uuid": "u1"})
    with pytest.raises(ValueError, match=r"^100 x 1 is not 101$"):
        ToldFill(**whole | {"notional": Decimal(101)})


def test_the_least_price_and_the_largest_amount_are_where_they_are() -> None:
    """The one may be, what is as large as the other is nobody's."""
    need_price(LEAST_PRICE)
    need_price(MOST - 1)
    need_amounts(Decimal(0), MOST - 1)
    for price in (LEAST_PRICE / 2, MOST):
        with pytest.raises(ValueError, match="not a price"):
            need_price(price)
    with pytest.raises(ValueError, match=r"^not an amount: 1\.0*e\+18$"):
        need_amounts(Decimal(0), MOST)
    need_few_digits(Decimal("1E+40"), Decimal("1E-40"), Decimal("1" * 40))
    for amount in ("1E+41", "1E-41", "1" * 41):
        with pytest.raises(ValueError, match="more digits than money has"):
            need_few_digits(Decimal(0), Decimal(amount))


async def test_the_price_step_is_that_of_the_market_asked_for(wire: Wire, upbit: Upbit) -> None:
    """Another market's, none, or none that can be is no answer."""
    told = {"market": "KRW-BTC", "quote_currency": "KRW", "tick_size": "1000", "supported_levels": ["0"]}
    wire.answers = [
        http(200, [{**told, "market": "KRW-A", "tick_size": "1"}, told]),
        http(200, [{**told, "market": "KRW-A"}]),
        http(200, [{**told, "tick_size": "0"}]),
    ]
    assert await upbit.price_step("KRW-BTC") == 1000
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="no price step of KRW-BTC") as caught:
            await upbit.price_step("KRW-BTC")
        assert caught.value.status == 200


async def test_another_order_than_the_one_asked_for_is_no_answer(wire: Wire, upbit: Upbit) -> None:
    """Whoever asks for one by name is told of that one, or of nothing."""
    wire.answers = [http(200, ORDER)] * 3
    assert (await upbit.order(identifier=str(ORDER["identifier"]))).uuid == "u1"
    with pytest.raises(OutcomeUnknown, match="told of u1"):
        await upbit.order(uuid="u2")
    with pytest.raises(OutcomeUnknown, match="told of u1"):
        await upbit.order(identifier="ub1-other")


async def test_nothing_is_read_of_the_answers_that_nobody_reads(wire: Wire, upbit: Upbit) -> None:
    """That a cancellation was accepted says nothing about the order."""
    wire.answers = [http(200, {"uuid": None})]
    await upbit.cancel(uuid="u1")


# --- market data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [[], [{"market": "KRW-BTC", "orderbook_units": []}], [{"market": "KRW-BTC"}]])
async def test_an_empty_order_book_is_an_answer_of_another_shape(wire: Wire, upbit: Upbit, answer: object) -> None:
    """An error of the exchange like any other: that market waits, and nothing ends."""
    wire.answers = [http(200, answer)]
    with pytest.raises(OutcomeUnknown, match="no order book of KRW-BTC"):
        await upbit.books(["KRW-BTC"])


async def test_the_book_of_another_market_is_no_answer(wire: Wire, upbit: Upbit) -> None:
    """Books come in the order in which they were asked for, and only those."""
    both = [{"market": market, "orderbook_units": [LEVEL]} for market in ("KRW-ETH", "KRW-BTC")]
    wire.answers = [http(200, both), http(200, both[:1])]
    assert [book.market for book in await upbit.books(["KRW-BTC", "KRW-ETH"])] == ["KRW-BTC", "KRW-ETH"]
    with pytest.raises(OutcomeUnknown, match="no order book of KRW-BTC"):
        await upbit.books(["KRW-BTC"])


async def test_a_ticker_nobody_asked_for_is_not_listened_to(wire: Wire, upbit: Upbit) -> None:
    """Of the markets asked for the odd one is missing and named, the others are there."""
    odd = {**TICKER, "market": "KRW-A", "trade_timestamp": 99_999_999_999_999_999}
    wire.answers = [http(200, [TICKER, odd, {**TICKER, "market": "KRW-ZZZ"}])]
    told = await upbit.tickers(["KRW-BTC", "KRW-A"])
    assert [ticker.market for ticker in told] == ["KRW-BTC"]
    assert list(told.dropped) == ["KRW-A"]


async def test_tickers_of_another_currency_are_not_listened_to(wire: Wire, upbit: Upbit) -> None:
    """All of KRW is all of KRW."""
    wire.answers = [http(200, [TICKER, {**TICKER, "market": "BTC-ETH"}])]
    assert [ticker.market for ticker in await upbit.all_tickers("KRW")] == ["KRW-BTC"]


@pytest.mark.parametrize(
    "answer",
    [
        [CANDLE, CANDLE],
        [{**CANDLE, "market": "KRW-ETH"}],
        [CANDLE, {**CANDLE, "candle_date_time_utc": "2026-11-24T00:01:00"}],
        [{**CANDLE, "candle_date_time_utc": f"2026-11-23T23:0{n}:00"} for n in range(4, 0, -1)],
        [{**CANDLE, "high_price": None}],
    ],
    ids=["doubled", "another market", "oldest first", "too many", "null"],
)
async def test_candles_that_are_not_those_asked_for_are_no_answer(wire: Wire, upbit: Upbit, answer: object) -> None:
    """A series with a hole or a stranger in it decides wrongly; that market waits for a better answer."""
    wire.answers = [http(200, answer)]
    to = datetime(2026, 11, 24, 0, 5, tzinfo=UTC)
    with pytest.raises(OutcomeUnknown):
        await upbit.candles("KRW-BTC", MINUTE, count=3, to=to)


async def test_a_candle_that_opened_too_late_is_left_out(wire: Wire, upbit: Upbit) -> None:
    """`to` is exclusive, whatever the answer thinks of it."""
    late = {**CANDLE, "candle_date_time_utc": "2026-11-24T00:05:00"}
    wire.answers = [http(200, [late, CANDLE])]
    to = datetime(2026, 11, 24, 0, 5, tzinfo=UTC)
    (only,) = await upbit.candles("KRW-BTC", MINUTE, count=3, to=to)
    assert only.opened_at == datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "0001-01-01T00:00:00",
        "1999-12-31T23:59:59",
        "2100-01-01T00:00:00",
        "9999-01-01T00:00:00",
        "2026-13-24T00:00:00",
        "2026-11-24T25:00:00",
        "2026-11-24T00:00:00+09:00",
    ],
)
def test_a_candle_of_no_time_is_no_candle(time: str) -> None:
    """Neither an absurd year nor a zone that would move it by hours."""
    with pytest.raises(OutcomeUnknown, match="another shape: ") as told_of:
        decode(json.dumps({**CANDLE, "candle_date_time_utc": time}).encode(), Candle)
    assert "None" not in str(told_of.value)
    for edge in ("2000-01-01T00:00:00", "2099-12-31T23:59:59"):
        told = decode(json.dumps({**CANDLE, "candle_date_time_utc": edge}).encode(), Candle)
        assert told.opened_at.isoformat() == f"{edge}+00:00"


@pytest.mark.parametrize("name", ["candle_acc_trade_volume", "candle_acc_trade_price"])
def test_a_candle_of_less_than_nothing_is_none(name: str) -> None:
    """Neither in units nor in won."""
    with pytest.raises(OutcomeUnknown):
        decode(json.dumps({**CANDLE, name: -1}).encode(), Candle)


# --- any answer ------------------------------------------------------------------------------------------------------


async def test_an_answer_nested_without_end_is_an_answer_of_another_shape(wire: Wire, upbit: Upbit) -> None:
    """As a body, as a row, as a field nobody reads, and as an error."""
    row = b'[{"currency":"KRW","balance":"1","locked":"0","new":' + DEEP + b"}]"
    wire.answers = [http(200, DEEP), http(200, row)]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await upbit.accounts()
    assert type(error_from(400, DEEP)) is OutcomeUnknown
    assert type(error_from(400, b'{"error":' + DEEP + b"}")) is OutcomeUnknown


@pytest.mark.parametrize("number", ['"1e18"', '"1e999999999"', '"NaN"', '"sNaN"', '"-1"', "9" * 5000, '"1e-13"'])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (Ticker, '{"market":"KRW-A","trade_price":%s,"trade_timestamp":1,"acc_trade_price_24h":1}'),
        (StreamTicker, '{"code":"KRW-A","trade_price":%s,"trade_timestamp":1,"timestamp":1}'),
        (Fill, '{"uuid":"u","price":%s,"volume":"1","funds":"1"}'),
    ],
)
def test_a_price_beyond_all_bounds_stops_at_the_edge(kind: type[Any], form: str, number: str) -> None:
    """No sum over it would be exact, no step would fit it, and no person would believe it."""
    with pytest.raises(OutcomeUnknown):
        decode((form % number).encode(), kind)
    assert decode((form % '"1e17"').encode(), kind)


@pytest.mark.parametrize("moment", [-1, 4_102_444_800_000, 10**30])
def test_a_time_beyond_all_bounds_stops_at_the_edge(moment: int) -> None:
    """It would be no date."""
    frame = {"code": "KRW-A", "trade_price": 1, "trade_timestamp": moment, "timestamp": 1}
    with pytest.raises(OutcomeUnknown):
        decode(json.dumps(frame).encode(), StreamTicker)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["1", "KRW-BTC"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(ORDER) + sorted(KRW)), inner),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=4))
def test_whatever_rows_come_the_sound_one_is_found(odd: list[Any]) -> None:
    """No row of any shape hides another or ends in anything but its being left out."""
    strangers = [row for row in odd if not (isinstance(row, dict) and row.get("currency") == "KRW")]
    told = usable(rows(*strangers, KRW), Account, name="currency")
    assert "KRW" in {account.currency for account in told}
    assert "u1" in {order.uuid for order in ours(rows(*odd, ORDER), "ub1-Sabcd-")}


@given(JSON)
def test_whatever_an_order_says_it_is_an_order_or_no_answer(odd: object) -> None:
    """Each field, whatever it holds, ends in a value or in `OutcomeUnknown`."""
    for name in (*ORDER, "trades"):
        try:
            told = decode_order(json.dumps({**ORDER, "trades": FILLS, name: odd}).encode())
        except OutcomeUnknown:
            continue
        assert isinstance(told.executed_volume, Decimal)
