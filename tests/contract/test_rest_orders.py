"""Placing orders over REST: what is taken, what is refused and by which name, and what is used up by asking."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sandbox_desk import PRICE, draw

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk

BUY = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}
BID = {"market": "KRW-BTC", "side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.0001"}
ASK = {"market": "KRW-BTC", "side": "ask", "ord_type": "limit", "price": "200000000", "volume": "0.01"}
SELL = {"market": "KRW-BTC", "side": "ask", "ord_type": "market", "volume": "0.01"}


@pytest.mark.statement(26)
async def test_a_limit_order_is_taken_and_waits(desk: Desk) -> None:
    """Every decimal is a string, what was not asked for is left out, and the time is Korean."""
    status, order = await desk.post(BID)
    assert status == 201
    del order["uuid"]
    assert order == {
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "limit",
        "price": "100000000",
        "state": "wait",
        "created_at": "2026-11-24T18:00:00+09:00",
        "volume": "0.0001",
        "remaining_volume": "0.0001",
        "executed_volume": "0",
        "reserved_fee": "5",
        "remaining_fee": "5",
        "paid_fee": "0",
        "locked": "10005",
        "prevented_volume": "0",
        "prevented_locked": "0",
        "trades_count": 0,
        "smp_type": "cancel_maker",
    }


@pytest.mark.statement(26)
async def test_what_was_asked_for_is_shown(desk: Desk) -> None:
    """Condition, identifier and self-trade mode are there when they were named."""
    order = await desk.place(**BID, time_in_force="post_only", identifier="mine")
    assert (order["time_in_force"], order["identifier"], order["smp_type"]) == ("post_only", "mine", "none")
    total = await desk.place(**BUY)
    assert not {"volume", "time_in_force", "identifier"} & set(total)
    assert (total["remaining_volume"], total["prevented_volume"]) == ("0", "0")  # which the official SDK insists on


@pytest.mark.statement(26)
async def test_an_order_shows_the_documented_numbers(desk: Desk) -> None:
    """The published waiting bid: 0.0001 at 155,772,000 reserves 7.7886 and holds 15584.9886."""
    order = await desk.settled(await desk.place(**BID | {"price": "155772000"}))
    assert (order["state"], order["trades"]) == ("wait", [])
    assert (order["reserved_fee"], order["remaining_fee"], order["locked"]) == ("7.7886", "7.7886", "15584.9886")


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("invalid_price_bid", BID | {"price": "100000500"}),
    ("invalid_price_ask", ASK | {"price": "200000001"}),
    ("invalid_price_bid", BID | {"price": "0"}),
    ("invalid_price_bid", BID | {"price": "-100000000"}),
    ("invalid_price_bid", BID | {"price": "NaN"}),
    ("invalid_price_bid", BID | {"price": "1,000"}),
    ("invalid_price_bid", BID | {"price": True}),
    ("invalid_price_bid", BUY | {"price": "6000.000000001"}),
    ("invalid_volume_bid", BID | {"volume": "0.000100001"}),
    ("invalid_volume_ask", SELL | {"volume": "much"}),
    ("invalid_volume_ask", SELL | {"volume": "0"}),
    ("under_min_total_bid", BID | {"volume": "0.00004999"}),
    ("under_min_total_ask", ASK | {"volume": "0.00002499"}),
    ("under_min_total_market_bid", BUY | {"price": "4999.99999999"}),
    ("under_min_total_market_ask", SELL | {"volume": "0.00003113"}),
    ("over_krw_funds_bid", BID | {"volume": "10.00000001"}),
    ("over_krw_funds_ask", ASK | {"volume": "5.00000001"}),
    ("over_krw_funds_bid", BUY | {"price": "1000000001"}),
    ("insufficient_funds_bid", BID | {"volume": "0.01"}),
    ("insufficient_funds_bid", BUY | {"price": "1000000"}),
    ("insufficient_funds_ask", ASK | {"volume": "1.00000001"}),
    ("insufficient_funds_ask", SELL | {"volume": "1.00000001"}),
    ("notfoundmarket", BID | {"market": "KRW-NONE"}),
    ("notfoundmarket", BID | {"market": "krw-btc"}),
    ("volume_too_large", SELL | {"volume": "6"}),
    ("over_max_total_price_bid", BUY | {"price": "963564001"}),
]


@pytest.mark.statement(28)
@pytest.mark.parametrize(("name", "body"), REFUSED)
async def test_each_wrong_order_has_its_name(desk: Desk, name: str, body: dict[str, Any]) -> None:
    """A refused order names what is wrong, moves no money and leaves no order."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    desk.source.drawn["KRW-BTC"] = draw({PRICE: "6"}, {PRICE - 1000: "5"})
    before = await desk.get("/v1/accounts")
    assert await desk.refused(body) == name
    assert await desk.get("/v1/accounts") == before
    assert await desk.get("/v1/orders", state="cancel") == await desk.get("/v1/orders/open") == []
    assert desk.box.violations == {name: 1}


@pytest.mark.statement(28)
@pytest.mark.parametrize(
    "body",
    [
        BID | {"volume": "0.00005"},  # exactly 5,000 KRW
        ASK | {"volume": "0.000025"},
        BUY | {"price": "5000"},
        SELL | {"volume": "0.00003114"},  # 5,000.8 KRW at the best bid
        BID | {"price": "999500", "volume": "1"},  # with its fee 999,999.75 of 1,000,000 KRW
        BUY | {"price": "999500"},
        ASK | {"volume": "1"},
    ],
)
async def test_what_is_just_right_is_taken(desk: Desk, body: dict[str, Any]) -> None:
    """The least total, the whole balance with its fee: on the border an order is taken."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    assert (await desk.post(body))[0] == 201


@pytest.mark.statement(28)
@pytest.mark.parametrize(
    ("price", "step"),
    [(2_000_000, 1000), (999_500, 500), (499_900, 100), (99_950, 50), (49_990, 10), (9_995, 5), (4_999, 1), (999, 1)],
)
async def test_the_step_is_that_of_the_orders_own_price(desk: Desk, price: int, step: int) -> None:
    """Not of the price the market has now: each band has its step, and half of it is off."""
    bid = BID | {"price": str(price), "volume": str(Decimal(10_000) / price // Decimal("1e-8") * Decimal("1e-8"))}
    assert (await desk.post(bid))[0] == 201
    assert await desk.refused(bid | {"price": str(price - Decimal(step) / 2)}) == "invalid_price_bid"


WRONG_KIND: list[tuple[str, dict[str, Any]]] = [
    ("create_bid_error", {"side": "bid", "ord_type": "price"}),
    ("create_bid_error", {"side": "bid", "ord_type": "price", "price": "6000", "volume": "1"}),
    ("create_ask_error", {"side": "ask", "ord_type": "price", "price": "6000"}),
    ("create_ask_error", {"side": "ask", "ord_type": "market", "volume": "1", "price": "1000"}),
    ("create_ask_error", {"side": "ask", "ord_type": "market"}),
    ("create_bid_error", {"side": "bid", "ord_type": "market", "volume": "1"}),
    ("create_bid_error", {"side": "bid", "ord_type": "limit", "price": "100000000"}),
    ("create_ask_error", {"side": "ask", "ord_type": "limit", "volume": "1"}),
    ("create_bid_error", {"side": "bid", "ord_type": "best", "volume": "1", "time_in_force": "ioc"}),
    ("create_ask_error", {"side": "ask", "ord_type": "best", "price": "6000", "time_in_force": "ioc"}),
    ("invalid_time_in_force", {"side": "bid", "ord_type": "best", "price": "6000"}),
    ("invalid_time_in_force", {"side": "ask", "ord_type": "best", "volume": "1", "time_in_force": "post_only"}),
    ("invalid_time_in_force", {"side": "bid", "ord_type": "price", "price": "6000", "time_in_force": "ioc"}),
    ("invalid_time_in_force", {"side": "ask", "ord_type": "market", "volume": "1", "time_in_force": "fok"}),
    ("invalid_time_in_force", BID | {"time_in_force": "gtc"}),
    ("invalid_time_in_force", BID | {"time_in_force": ["ioc"]}),
    ("invalid_post_only", BID | {"time_in_force": "post_only", "smp_type": "cancel_maker"}),
    ("invalid_post_only", BID | {"time_in_force": "post_only", "smp_type": "reduce"}),
    ("invalid_parameter", BID | {"smp_type": "sometimes"}),
    ("invalid_parameter", BID | {"smp_type": ["none"]}),
    ("validation_error", {"ord_type": "price", "price": "6000"}),
    ("validation_error", {"side": "buy", "ord_type": "price", "price": "6000"}),
    ("validation_error", {"side": "bid", "price": "6000"}),
    ("validation_error", {"side": "bid", "ord_type": "stop", "price": "6000"}),
    ("validation_error", BID | {"market": None}),
    ("validation_error", BID | {"market": ["KRW-BTC"]}),
]


@pytest.mark.statement(29)
@pytest.mark.parametrize(("name", "body"), WRONG_KIND)
async def test_what_does_not_belong_together_is_refused(desk: Desk, name: str, body: dict[str, Any]) -> None:
    """Missing or needless parameters of a kind of order are a 400 whose name is a text."""
    assert await desk.refused({"market": "KRW-BTC"} | body) == name


@pytest.mark.statement(29)
@pytest.mark.parametrize(
    "body",
    [BUY | {"volume": None, "time_in_force": None, "smp_type": None, "identifier": None}, SELL | {"price": None},
     BID | {"time_in_force": None}, BID | {"time_in_force": "post_only", "smp_type": "none"}],
)  # fmt: skip
async def test_an_explicit_null_is_as_good_as_nothing(desk: Desk, body: dict[str, Any]) -> None:
    """Fields an order does not use may be sent as null."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    assert (await desk.post(body))[0] == 201


@pytest.mark.statement(29)
@pytest.mark.parametrize("volume", ["1e-04", "0.0001", "1.0E-4", 0.0001])
async def test_a_number_may_be_spelled_in_many_ways(desk: Desk, volume: object) -> None:
    """Scientific notation and bare JSON numbers are understood, as older clients send them."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    assert (await desk.place(**SELL | {"volume": volume}))["volume"] == "0.0001"


@pytest.mark.statement(34)
async def test_an_identifier_works_once_for_ever(desk: Desk) -> None:
    """It is used up by an order that waits, that ended, that was cancelled, and that was refused."""
    for identifier, first in (("wait", BID), ("end", BUY), ("cancel", BID)):
        order = await desk.settled(await desk.place(**first, identifier=identifier))
        if identifier == "cancel":
            await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]})
            await desk.settled(order)
        assert await desk.refused(BUY | {"identifier": identifier}) == "duplicated_identifier"
    assert await desk.refused(BUY | {"price": "1", "identifier": "never"}) == "under_min_total_market_bid"
    assert await desk.refused(BUY | {"identifier": "never"}) == "duplicated_identifier"
    assert (await desk.call("GET", "/v1/order", {"identifier": "never"}))[0] == 404


@pytest.mark.statement(34)
@pytest.mark.parametrize("identifier", ["", "x" * 65, ["a"], {}])
async def test_an_identifier_has_one_to_sixty_four_characters(desk: Desk, identifier: object) -> None:
    """Anything longer, empty or not a text is refused; exactly 64 are taken."""
    assert await desk.refused(BUY | {"identifier": identifier}) == "invalid_parameter"
    assert (await desk.place(**BUY, identifier="x" * 64))["identifier"] == "x" * 64


@pytest.mark.statement(34)
async def test_money_is_looked_at_before_the_identifier(desk: Desk) -> None:
    """A repeated order that spent the money is refused for its money: the reading that is harder on clients."""
    await desk.place(**BUY | {"price": "990000"}, identifier="a")
    assert await desk.refused(BUY | {"price": "990000", "identifier": "a"}) == "insufficient_funds_bid"


@pytest.mark.statement(35)
async def test_a_test_order_changes_nothing(desk: Desk) -> None:
    """The same answer as a real one, and no order, no money, nothing to find or to cancel afterwards."""
    before = await desk.get("/v1/accounts")
    status, tested = await desk.post(BID | {"identifier": "t"}, "/v1/orders/test")
    assert status == 201
    for method in ("GET", "DELETE"):
        for query in ({"uuid": tested["uuid"]}, {"identifier": "t"}):
            assert (await desk.call(method, "/v1/order", query))[1]["error"]["name"] == "order_not_found"
    assert await desk.get("/v1/orders/open") == []
    assert await desk.get("/v1/accounts") == before
    real = await desk.place(**BID, identifier="r")
    assert {**tested, "uuid": real["uuid"], "identifier": "r"} == real


@pytest.mark.statement(35)
@pytest.mark.parametrize(("name", "body"), REFUSED[::3] + WRONG_KIND[::3])
async def test_a_test_order_is_checked_like_a_real_one(desk: Desk, name: str, body: dict[str, Any]) -> None:
    """Form, step, size and money, under the same names."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    desk.source.drawn["KRW-BTC"] = draw({PRICE: "6"}, {PRICE - 1000: "5"})
    assert await desk.refused({"market": "KRW-BTC"} | body, "/v1/orders/test") == name


@pytest.mark.statement(35)
async def test_a_test_order_uses_up_its_identifier(desk: Desk) -> None:
    """No document says so and none denies it: the harder reading, under which one name never means two things."""
    await desk.post(BID | {"identifier": "t"}, "/v1/orders/test")
    assert await desk.refused(BID | {"identifier": "t"}) == "duplicated_identifier"
    assert await desk.refused(BID | {"identifier": "t"}, "/v1/orders/test") == "duplicated_identifier"


@pytest.mark.statement(35)
async def test_a_halted_market_tells_a_test_order_so(desk: Desk) -> None:
    """That is how one learns that trading goes on again."""
    desk.box.exchange.halted.add("KRW-BTC")
    for path in ("/v1/orders", "/v1/orders/test"):
        status, body = await desk.post(BID, path)
        assert (status, body["error"]["name"]) == (403, "market_offline")
    desk.box.exchange.halted.clear()
    assert (await desk.post(BID, "/v1/orders/test"))[0] == 201


async def test_concurrent_orders_never_spend_the_same_won(desk: Desk) -> None:
    """Of ten simultaneous orders over the whole balance only one is taken."""
    body = BUY | {"price": "900000"}
    statuses = [status for status, _ in await asyncio.gather(*(desk.post(body) for _ in range(10)))]
    assert sorted(statuses) == [201] + [400] * 9
    assert desk.box.violations == {"insufficient_funds_bid": 9}


async def test_the_order_policy(desk: Desk) -> None:
    """Fees, minimum, kinds and both balances of a market."""
    policy = await desk.get("/v1/orders/chance", market="KRW-BTC")
    assert (policy["bid_fee"], policy["ask_fee"], policy["maker_bid_fee"], policy["maker_ask_fee"]) == ("0.0005",) * 4
    market = policy["market"]
    assert (market["id"], market["name"], market["max_total"], market["state"]) == (
        "KRW-BTC", "BTC/KRW", "1000000000", "active",
    )  # fmt: skip
    assert market["bid"] == {"currency": "KRW", "min_total": "5000"}
    assert market["ask"] == {"currency": "BTC", "min_total": "5000"}
    assert market["bid_types"] == ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "price"]
    assert market["ask_types"] == ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "market"]
    assert (policy["bid_account"]["balance"], policy["ask_account"]["balance"]) == ("1000000", "0")
    assert (await desk.call("GET", "/v1/orders/chance", {"market": "KRW-NONE"}))[1]["error"]["name"] == "notfoundmarket"
    assert (await desk.call("GET", "/v1/orders/chance"))[1]["error"]["name"] == "invalid_parameter"


async def test_every_wallet_works(desk: Desk) -> None:
    """The state of wallets is told for won and each coin."""
    wallets = await desk.get("/v1/status/wallet")
    assert [(wallet["currency"], wallet["wallet_state"]) for wallet in wallets] == [
        ("KRW", "working"), ("BTC", "working"), ("XRP", "working"),
    ]  # fmt: skip
