"""What becomes of orders and money: locks, fills, fees and refunds to the last decimal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.market.feed import PublicTrade
from tests.helpers.sandbox_desk import PRICE, START_MS, draw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.sandbox_desk import Desk

BUY = {"side": "bid", "ord_type": "price", "price": "6000"}
FEE = Decimal("0.0005")


async def done(desk: Desk, **body: object) -> Any:
    """Place an order and return it once the sandbox matched it."""
    return await desk.settled(await desk.place(**body))


def through(desk: Desk, price: int, volume: str) -> None:
    """Let strangers trade at a price within the next second."""
    at_ms = int(desk.now.timestamp() * 1000) + 500
    desk.source.planned.append(PublicTrade("KRW-BTC", Decimal(price), Decimal(volume), at_ms, "ASK", at_ms))
    desk.pass_time(1)


def funds(order: Mapping[str, Any]) -> Decimal:
    """Return what an order's trades are worth together."""
    return sum((Decimal(trade["funds"]) for trade in order["trades"]), Decimal(0))


@pytest.mark.statement(27)
async def test_a_bid_locks_its_price_and_fee_at_once(desk: Desk) -> None:
    """Available falls and locked rises by the same amount, and an order by total does the same."""
    desk.hold_back()
    await desk.place(side="bid", ord_type="limit", price="155772000", volume="0.0001")
    assert await desk.balance("KRW") == ("984415.0114", "15584.9886")
    status, order = await desk.post({"market": "KRW-BTC", **BUY})
    assert (status, order["reserved_fee"], order["locked"], order["executed_volume"]) == (201, "3", "6003", "0")
    assert await desk.balance("KRW") == ("978412.0114", "21587.9886")


@pytest.mark.statement(27)
async def test_an_ask_locks_its_volume_and_no_fee(desk: Desk) -> None:
    """The coins are held, the won are not touched, and no fee is reserved."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    order = await desk.place(side="ask", ord_type="limit", price="200000000", volume="0.25")
    assert (order["reserved_fee"], order["remaining_fee"], order["locked"]) == ("0", "0", "0.25")
    assert await desk.balance("BTC") == ("0.75", "0.25")
    assert await desk.balance("KRW") == ("1000000", "0")


@pytest.mark.statement(30)
async def test_a_market_buy_follows_the_documented_vector(desk: Desk) -> None:
    """6,000 won at 160,594,000: every figure of the published order, and the balance falls by exactly what it cost."""
    order = await done(desk, **BUY, identifier="mine")
    shown = {name: order[name] for name in order if name not in {"uuid", "trades"}}
    assert shown == {
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "price",
        "price": "6000",
        "state": "cancel",
        "created_at": "2026-11-24T18:00:00+09:00",
        "executed_volume": "0.00003736",
        "reserved_fee": "3",
        "remaining_fee": "0.00010408",
        "paid_fee": "2.99989592",
        "locked": "0.20826408",
        "remaining_volume": "0",
        "prevented_volume": "0",
        "prevented_locked": "0",
        "trades_count": 1,
        "smp_type": "cancel_maker",
        "identifier": "mine",
    }
    (trade,) = order["trades"]
    assert {name: trade[name] for name in trade if name != "uuid"} == {
        "market": "KRW-BTC",
        "price": "160594000",
        "volume": "0.00003736",
        "funds": "5999.79184",
        "trend": "up",
        "created_at": "2026-11-24T18:00:00.000000+09:00",
        "side": "bid",
    }
    assert await desk.balance("KRW") == (str(Decimal(1_000_000) - Decimal("6002.79173592")), "0")
    assert await desk.balance("BTC") == ("0.00003736", "0")


@pytest.mark.statement(30)
async def test_each_level_is_rounded_down_on_its_own(desk: Desk) -> None:
    """A total walks the levels, and at each one buys eight decimals of volume, rounded down."""
    desk.source.drawn["KRW-BTC"] = draw(
        {100_000_000: "0.0001", 100_001_000: "0.0001", 100_003_000: "1"}, {99_000_000: "1"}
    )
    order = await done(desk, **BUY | {"price": "30000"})
    assert [(trade["price"], trade["volume"]) for trade in order["trades"]] == [
        ("100000000", "0.0001"), ("100001000", "0.0001"), ("100003000", "0.00009999"),
    ]  # fmt: skip
    spent = funds(order)
    assert spent == 10_000 + Decimal("10000.1") + Decimal("9999.29997")
    assert Decimal(order["paid_fee"]) == spent * FEE
    assert Decimal(order["locked"]) == 30_000 - spent + Decimal(order["remaining_fee"])
    assert Decimal((await desk.balance("KRW"))[0]) == 1_000_000 - spent * (1 + FEE)


@pytest.mark.statement(31)
async def test_a_market_buy_that_fits_exactly_is_done(desk: Desk) -> None:
    """When the total is used to the last won nothing is left to cancel."""
    desk.source.drawn["KRW-BTC"] = draw({100_000_000: "1"}, {99_999_000: "1"})
    order = await done(desk, **BUY | {"price": "10000"})
    assert (order["state"], order["locked"], order["remaining_fee"]) == ("done", "0", "0")
    assert await desk.balance("KRW") == ("989995", "0")


@pytest.mark.statement(31)
async def test_a_market_sell_follows_the_documented_vector(desk: Desk) -> None:
    """5.377594 at 1,375 is done, pays 7394.19175 and costs 3.697095875."""
    desk.box.exchange.deposit("XRP", Decimal("5.377594"))
    desk.source.drawn["KRW-XRP"] = draw({1_376: "100"}, {1_375: "100"}, "KRW-XRP")
    status, placed = await desk.post(
        {"market": "KRW-XRP", "side": "ask", "ord_type": "market", "volume": "5.377594", "price": None}
    )
    order = await desk.settled(placed)
    assert (status, order["state"]) == (201, "done")
    assert "price" not in order
    assert {name: order[name] for name in ("remaining_volume", "executed_volume", "paid_fee", "locked")} == {
        "remaining_volume": "0", "executed_volume": "5.377594", "paid_fee": "3.697095875", "locked": "0",
    }  # fmt: skip
    assert (order["trades"][0]["funds"], order["trades"][0]["trend"]) == ("7394.19175", "down")
    assert await desk.balance("KRW") == ("1007390.494654125", "0")
    assert await desk.balance("XRP") == ("0", "0")


@pytest.mark.statement(31)
async def test_a_limit_order_filled_in_parts_is_done_in_the_end(desk: Desk) -> None:
    """Trades of others go through its price: first a part, then the rest, each at its own price."""
    order = await done(desk, side="bid", ord_type="limit", price="160000000", volume="0.005")
    through(desk, 160_000_000, "1")
    assert (await desk.get("/v1/order", uuid=order["uuid"]))["trades"] == []  # at the price others may come first
    through(desk, 159_999_000, "0.003")
    part = await desk.get("/v1/order", uuid=order["uuid"])
    assert (part["state"], part["executed_volume"], part["remaining_volume"]) == ("wait", "0.003", "0.002")
    assert (part["paid_fee"], part["remaining_fee"], part["locked"]) == ("240", "160", "320160")
    assert await desk.balance("KRW") == ("199600", "320160")
    through(desk, 159_999_000, "1")
    whole = await desk.get("/v1/order", uuid=order["uuid"])
    assert (whole["state"], whole["remaining_volume"], whole["locked"], whole["remaining_fee"]) == (
        "done",
        "0",
        "0",
        "0",
    )
    assert [trade["price"] for trade in whole["trades"]] == ["160000000", "160000000"]
    assert {trade["trend"] for trade in whole["trades"]} == {"down"}
    assert await desk.balance("KRW") == ("199600", "0")


@pytest.mark.statement(31)
async def test_a_better_price_goes_back_to_the_buyer(desk: Desk) -> None:
    """A bid above the book pays the book's price; nothing of the difference stays locked."""
    order = await done(desk, side="bid", ord_type="limit", price="161000000", volume="0.001")
    assert (order["state"], order["paid_fee"]) == ("done", "80.297")
    assert await desk.balance("KRW") == ("839325.703", "0")


THIN = ({100_000_000: "0.001", 100_001_000: "1"}, {99_999_000: "1"})


@pytest.mark.statement(32)
async def test_ioc_keeps_what_it_got(desk: Desk) -> None:
    """The part that crosses is bought, the rest is cancelled and its money free."""
    desk.source.drawn["KRW-BTC"] = draw(*THIN)
    order = await done(
        desk, side="bid", ord_type="limit", price="100000000", volume="0.003", time_in_force="ioc"
    )  # fmt: skip
    assert (order["state"], order["executed_volume"], order["remaining_volume"]) == ("cancel", "0.001", "0.002")
    assert (order["time_in_force"], order["trades_count"]) == ("ioc", 1)
    assert await desk.balance("KRW") == ("899950", "0")


@pytest.mark.statement(32)
@pytest.mark.parametrize(("volume", "filled"), [("0.001", True), ("0.00100001", False)])
async def test_fok_is_all_or_nothing(desk: Desk, volume: str, filled: bool) -> None:  # noqa: FBT001 - a case
    """It is filled completely or cancelled without a trade and without a fee."""
    desk.source.drawn["KRW-BTC"] = draw(*THIN)
    order = await done(
        desk, side="bid", ord_type="limit", price="100000000", volume=volume, time_in_force="fok"
    )  # fmt: skip
    assert order["state"] == ("done" if filled else "cancel")
    assert (order["trades_count"], order["paid_fee"]) == ((1, "50") if filled else (0, "0"))
    assert await desk.balance("KRW") == ("899950" if filled else "1000000", "0")


@pytest.mark.statement(32)
@pytest.mark.parametrize(("price", "state"), [("160594000", "cancel"), ("160600000", "cancel"), ("160593000", "wait")])
async def test_post_only_never_takes(desk: Desk, price: str, state: str) -> None:
    """One that would cross is cancelled without a trade or a fee, any other waits."""
    order = await done(
        desk, side="bid", ord_type="limit", price=price, volume="0.001", time_in_force="post_only"
    )  # fmt: skip
    assert (order["state"], order["trades"], order["paid_fee"], order["smp_type"]) == (state, [], "0", "none")
    assert (await desk.balance("KRW"))[1] == ("0" if state == "cancel" else "160673.2965")


@pytest.mark.statement(32)
async def test_best_takes_the_best_price_only(desk: Desk) -> None:
    """A best order is a limit at the best opposite price: `ioc` keeps what is there, `fok` wants all of it there."""
    desk.source.drawn["KRW-BTC"] = draw(*THIN)
    best = {"side": "bid", "ord_type": "best", "price": "200000"}
    none = await done(desk, **best, time_in_force="fok")
    assert (none["state"], none["trades"]) == ("cancel", [])
    part = await done(desk, **best, time_in_force="ioc")
    assert (part["state"], part["executed_volume"], part["paid_fee"]) == ("cancel", "0.001", "50")
    assert "volume" not in part
    desk.box.exchange.deposit("BTC", Decimal(1))
    sold = await done(desk, side="ask", ord_type="best", volume="0.5", time_in_force="fok")
    assert (sold["state"], sold["executed_volume"], sold["trades"][0]["price"]) == ("done", "0.5", "99999000")


@pytest.mark.statement(33)
async def test_a_sale_pays_its_funds_less_its_fee(desk: Desk) -> None:
    """Over several levels, to the last decimal: no fee is rounded to a whole won."""
    desk.box.exchange.deposit("BTC", Decimal("0.12345678"))
    desk.source.drawn["KRW-BTC"] = draw({PRICE: "1"}, {160_593_000: "0.1", 160_592_000: "0.02", 160_591_000: "1"})
    order = await done(desk, side="ask", ord_type="market", volume="0.12345678")
    proceeds = funds(order)
    assert [trade["volume"] for trade in order["trades"]] == ["0.1", "0.02", "0.00345678"]
    assert Decimal(order["paid_fee"]) == proceeds * FEE
    assert Decimal(order["paid_fee"]) % 1 != 0
    assert Decimal((await desk.balance("KRW"))[0]) == 1_000_000 + proceeds * (1 - FEE)
    assert await desk.balance("BTC") == ("0", "0")


@pytest.mark.statement(36)
async def test_the_trades_of_an_order_add_up_to_it(desk: Desk) -> None:
    """Volumes to what was executed, funds times the rate to the fee, and there are as many as are counted."""
    desk.source.drawn["KRW-BTC"] = draw({100_000_000: "0.0003", 100_001_000: "0.0004", 100_002_000: "1"}, {})
    for body in (
        BUY | {"price": "123456.78"},
        {"side": "bid", "ord_type": "limit", "price": "100002000", "volume": "0.002"},
    ):
        order = await done(desk, **body)
        assert sum(Decimal(trade["volume"]) for trade in order["trades"]) == Decimal(order["executed_volume"])
        assert funds(order) * FEE == Decimal(order["paid_fee"])
        assert len(order["trades"]) == order["trades_count"]
        assert len({trade["uuid"] for trade in order["trades"]}) == len(order["trades"])


async def test_orders_that_wait_stand_in_the_public_book(desk: Desk) -> None:
    """Between the best prices as the best, at a price together with what is there; what was taken is missing."""
    desk.source.drawn["KRW-BTC"] = draw({150_000_000: "1", 150_001_000: "1"}, {140_000_000: "1"})
    await desk.settled(await desk.place(side="bid", ord_type="limit", price="140001000", volume="0.002"))
    await desk.settled(await desk.place(side="bid", ord_type="limit", price="140000000", volume="0.003"))
    await desk.settled(await desk.place(side="bid", ord_type="limit", price="150000000", volume="0.001"))
    (book,) = await desk.get("/v1/orderbook", markets="KRW-BTC")
    assert [(unit["bid_price"], unit["bid_size"]) for unit in book["orderbook_units"]] == [
        (140_001_000, Decimal("0.002")), (140_000_000, Decimal("1.003")),
    ]  # fmt: skip
    assert [(unit["ask_price"], unit["ask_size"]) for unit in book["orderbook_units"]] == [
        (150_000_000, Decimal("0.999")), (150_001_000, Decimal(1)),
    ]  # fmt: skip
    assert (book["total_bid_size"], book["total_ask_size"]) == (Decimal("1.005"), Decimal("1.999"))
    desk.source.drawn["KRW-BTC"] = draw({140_001_000: "2"}, {130_000_000: "1"})  # the public passed one of them
    (book,) = await desk.get("/v1/orderbook", markets="KRW-BTC")
    assert [unit["bid_price"] for unit in book["orderbook_units"]] == [140_000_000, 130_000_000]


async def test_what_we_took_is_gone_and_everybody_sees_the_trade(desk: Desk) -> None:
    """The level is smaller for the next order, and candles, ticker and trades have what we traded."""
    desk.source.quiet = True
    desk.source.drawn["KRW-BTC"] = draw({PRICE: "0.00005", PRICE + 1000: "1"}, {PRICE - 1000: "1"})
    await done(desk, **BUY)
    second = await done(desk, **BUY)
    assert [trade["price"] for trade in second["trades"]] == [str(PRICE), str(PRICE + 1000)]
    newest = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=9)
    assert [trade["ask_bid"] for trade in newest] == ["BID"] * 3
    ticker = (await desk.get("/v1/ticker", markets="KRW-BTC"))[0]
    minute = (await desk.get("/v1/candles/minutes/1", market="KRW-BTC"))[0]
    assert ticker["trade_price"] == minute["trade_price"] == PRICE + 1000
    assert minute["candle_acc_trade_volume"] == sum(trade["trade_volume"] for trade in newest)
    assert ticker["trade_timestamp"] == START_MS
