"""What happens when an order meets one of the same person."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sandbox_desk import draw

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk

BUY = {"side": "bid", "ord_type": "price", "price": "6000"}
FEE = Decimal("0.0005")
SELL = {"side": "ask", "ord_type": "limit", "price": "150000000", "volume": "0.001"}
TAKE = {"side": "bid", "ord_type": "limit", "price": "150000000", "volume": "0.002", "time_in_force": "ioc"}
APART = ({160_000_000: "1"}, {140_000_000: "1"})


async def done(desk: Desk, **body: object) -> Any:
    """Place an order and return it once the sandbox matched it."""
    return await desk.settled(await desk.place(**body))


async def meet(desk: Desk, maker: dict[str, Any], taker: dict[str, Any]) -> tuple[Any, Any]:
    """Let an order of ours meet one that rests between the best prices; return what became of both."""
    desk.source.drawn["KRW-BTC"] = draw(*APART)
    desk.box.exchange.deposit("BTC", Decimal("0.001"))
    first = await done(desk, **SELL | maker)
    second = await done(desk, **TAKE | taker)
    return await desk.get("/v1/order", uuid=first["uuid"]), second


@pytest.mark.statement(42)
@pytest.mark.parametrize(
    ("mode", "maker_gave", "taker_gave"),
    [
        (None, "0.001", "0"),  # the default since 2026-11-09
        ("cancel_maker", "0.001", "0"),
        ("cancel_taker", "0", "0.002"),
        ("reduce", "0.001", "0.001"),
    ],
)
async def test_our_own_orders_never_trade(desk: Desk, mode: str | None, maker_gave: str, taker_gave: str) -> None:
    """What is prevented is named on the side the taker's mode gives up, and is free again; nothing trades."""
    maker, taker = await meet(desk, {}, {"smp_type": mode})
    assert taker["smp_type"] == (mode or "cancel_maker")
    assert (maker["prevented_volume"], maker["prevented_locked"]) == (maker_gave, maker_gave)
    assert taker["prevented_volume"] == taker_gave
    assert Decimal(taker["prevented_locked"]) == Decimal(taker_gave) * 150_000_000 * (1 + FEE)
    assert (maker["state"], taker["state"]) == ("wait" if maker_gave == "0" else "cancel", "cancel")
    assert maker["trades"] == taker["trades"] == []
    assert await desk.balance("KRW") == ("1000000", "0")
    assert await desk.balance("BTC") == (("0", "0.001") if maker_gave == "0" else ("0.001", "0"))


@pytest.mark.statement(42)
async def test_reduce_frees_the_overlap_of_an_order_that_goes_on_waiting(desk: Desk) -> None:
    """The larger order waits for the rest, and only that stays locked."""
    desk.source.drawn["KRW-BTC"] = draw(*APART)
    desk.box.exchange.deposit("BTC", Decimal("0.003"))
    first = await done(desk, **SELL | {"volume": "0.003"})
    taker = await done(desk, **TAKE, smp_type="reduce")
    maker = await desk.get("/v1/order", uuid=first["uuid"])
    assert (maker["state"], maker["remaining_volume"], maker["locked"]) == ("wait", "0.001", "0.001")
    assert (maker["prevented_volume"], taker["prevented_volume"], taker["state"]) == ("0.002", "0.002", "cancel")
    assert await desk.balance("BTC") == ("0.002", "0.001")


@pytest.mark.statement(42)
async def test_only_none_lets_us_trade_with_ourselves(desk: Desk) -> None:
    """Both orders are filled, and only the two fees are gone."""
    maker, taker = await meet(desk, {}, {"smp_type": "none"})
    assert (maker["state"], taker["state"], taker["executed_volume"]) == ("done", "cancel", "0.001")
    assert maker["trades"][0]["trend"] == taker["trades"][0]["trend"] == "up"
    assert await desk.balance("KRW") == ("999850", "0")
    assert await desk.balance("BTC") == ("0.001", "0")


@pytest.mark.statement(42)
@pytest.mark.parametrize(("maker_mode", "taker_mode", "traded"), [("none", "cancel_taker", 0), ("reduce", "none", 1)])
async def test_the_takers_mode_counts(desk: Desk, maker_mode: str, taker_mode: str, traded: int) -> None:
    """What the waiting order chose does not matter."""
    maker, taker = await meet(desk, {"smp_type": maker_mode}, {"smp_type": taker_mode})
    assert maker["trades_count"] == taker["trades_count"] == traded
    assert maker["state"] == ("done" if traded else "wait")


@pytest.mark.statement(42)
@pytest.mark.parametrize(
    ("mode", "state", "maker"),
    [("cancel_maker", "done", "cancel"), ("cancel_taker", "cancel", "wait"), ("reduce", "cancel", "wait")],
)
async def test_a_fok_that_would_be_prevented_is_not_filled(desk: Desk, mode: str, state: str, maker: str) -> None:
    """All or nothing stays so: a mode that takes something from the taker cancels it untouched."""
    desk.source.drawn["KRW-BTC"] = draw({150_001_000: "1"}, {140_000_000: "1"})
    desk.box.exchange.deposit("BTC", Decimal("0.001"))
    waiting = await done(desk, **SELL)
    taker = await done(desk, **TAKE | {"time_in_force": "fok", "price": "150001000", "smp_type": mode})
    assert (taker["state"], taker["prevented_volume"]) == (state, "0")
    assert (await desk.get("/v1/order", uuid=waiting["uuid"]))["state"] == maker


@pytest.mark.statement(42)
async def test_a_total_that_meets_our_own_order_gives_up_that_much(desk: Desk) -> None:
    """`reduce` on an order by total frees what the overlap was worth, with its fee, and buys with the rest."""
    desk.source.drawn["KRW-BTC"] = draw({150_001_000: "1"}, {140_000_000: "1"})
    desk.box.exchange.deposit("BTC", Decimal("0.001"))
    await done(desk, **SELL)
    taker = await done(desk, **BUY | {"price": "300001"}, smp_type="reduce")
    assert Decimal(taker["prevented_locked"]) == 150_000 * (1 + FEE)
    assert taker["prevented_volume"] == "0"
    assert (taker["state"], taker["executed_volume"]) == ("done", "0.001")
    assert Decimal((await desk.balance("KRW"))[0]) == 1_000_000 - 150_001 * (1 + FEE)


@pytest.mark.statement(42)
async def test_every_answer_about_an_order_names_its_mode(desk: Desk) -> None:
    """Placed, looked up, listed or cancelled: the field is always there."""
    resting = {"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.001"}
    order = await desk.place(**resting)
    answers = [
        order,
        await desk.get("/v1/order", uuid=order["uuid"]),
        (await desk.get("/v1/orders/open"))[0],
        (await desk.get("/v1/orders"))[0],
        (await desk.get("/v1/orders/uuids", uuids__=[order["uuid"]]))[0],
        (await desk.post({"market": "KRW-BTC", **resting}, "/v1/orders/test"))[1],
        (await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]}))[1],
    ]
    await desk.settled(order)
    answers.append((await desk.get("/v1/orders/closed"))[0])
    assert {answer["smp_type"] for answer in answers} == {"cancel_maker"}


async def test_an_order_beside_the_public_waits_its_turn(desk: Desk) -> None:
    """At one price the public is served first: a taker that finds enough there does not touch our own order."""
    desk.source.drawn["KRW-BTC"] = draw({150_000_000: "1"}, {140_000_000: "1"})
    desk.box.exchange.deposit("BTC", Decimal("0.001"))
    maker = await done(desk, **SELL)
    assert (await done(desk, **TAKE))["state"] == "done"
    assert (await desk.get("/v1/order", uuid=maker["uuid"]))["state"] == "wait"
