"""Cancelling over REST: one order, several, all that fit, and one with a successor."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.market.feed import PublicTrade

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk

BUY = {"side": "bid", "ord_type": "price", "price": "6000"}
RESTING = {"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.0001"}
REPLACE = "/v1/orders/cancel_and_new"


def ids(orders: list[dict[str, Any]]) -> list[str]:
    """Return the uuids of orders."""
    return [order["uuid"] for order in orders]


async def cancel_open(desk: Desk, **query: object) -> tuple[int, Any]:
    """Cancel what fits; the next batch is two seconds away."""
    status, body, _ = await desk.call("DELETE", "/v1/orders/open", query)
    desk.pass_time(2)
    return status, body


@pytest.mark.statement(39)
async def test_a_cancel_is_answered_before_it_is_done(desk: Desk) -> None:
    """The answer shows the order waiting; then it ends, its money is free, and a second cancel finds nothing."""
    order = await desk.settled(await desk.place(**RESTING, identifier="mine"))
    status, body, _ = await desk.call("DELETE", "/v1/order", {"identifier": "mine"})
    assert (status, body["uuid"], body["state"]) == (200, order["uuid"], "wait")
    assert "trades" not in body
    ended = await desk.settled(order)
    assert (ended["state"], ended["executed_volume"], ended["locked"]) == ("cancel", "0", "10005")
    assert await desk.balance("KRW") == ("1000000", "0")
    status, body, _ = await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]})
    assert (status, body["error"]["name"]) == (404, "order_not_found")


@pytest.mark.statement(39)
async def test_a_second_cancel_finds_nothing_even_at_once(desk: Desk) -> None:
    """While the first one has not taken effect yet there is nothing left to cancel either."""
    effects = desk.hold_back()
    order = await desk.place(**RESTING)
    statuses = [(await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]}))[0] for _ in range(2)]
    assert (statuses, len(effects)) == ([200, 404], 2)
    assert await desk.balance("KRW") == ("989995", "10005")
    for effect in effects:
        effect()
    assert await desk.balance("KRW") == ("1000000", "0")


@pytest.mark.statement(39)
async def test_a_partly_filled_order_is_cancelled_for_the_rest(desk: Desk) -> None:
    """What was bought stays bought, the rest of the money comes back."""
    order = await desk.settled(await desk.place(side="bid", ord_type="limit", price="160000000", volume="0.005"))
    at_ms = int(desk.now.timestamp() * 1000) + 500
    desk.source.planned.append(PublicTrade("KRW-BTC", Decimal(159_999_000), Decimal("0.002"), at_ms, "ASK", at_ms))
    desk.pass_time(1)
    assert (await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]}))[1]["executed_volume"] == "0.002"
    ended = await desk.settled(order)
    assert (ended["state"], ended["remaining_volume"], ended["paid_fee"]) == ("cancel", "0.003", "160")
    assert await desk.balance("KRW") == ("679840", "0")
    assert await desk.balance("BTC") == ("0.002", "0")


@pytest.mark.statement(39)
@pytest.mark.parametrize(
    ("query", "answer"),
    [({}, (400, "invalid_parameter")), ({"uuid": ""}, (400, "invalid_parameter")),
     ({"uuid": "x"}, (404, "order_not_found"))],
)  # fmt: skip
async def test_a_cancel_names_its_order(desk: Desk, query: dict[str, str], answer: tuple[int, str]) -> None:
    """Without a name the request is wrong, with an unknown one there is nothing to cancel."""
    status, body, _ = await desk.call("DELETE", "/v1/order", query)
    assert (status, body["error"]["name"]) == answer


@pytest.mark.statement(40)
async def test_cancelling_several_by_name(desk: Desk) -> None:
    """The answer says which cancels were accepted and which not, with market and identifier where there are any."""
    first, second = await desk.place(**RESTING, identifier="a"), await desk.place(**RESTING)
    gone = await desk.settled(await desk.place(**BUY))
    names = [first["uuid"], gone["uuid"], "unknown", second["uuid"]]
    status, body, _ = await desk.call("DELETE", "/v1/orders/uuids", {"uuids[]": names})
    assert status == 200
    assert body == {
        "success": {
            "count": 2,
            "orders": [
                {"uuid": first["uuid"], "market": "KRW-BTC", "identifier": "a"},
                {"uuid": second["uuid"], "market": "KRW-BTC"},
            ],
        },
        "failed": {"count": 2, "orders": [{"uuid": "unknown"}, {"uuid": gone["uuid"], "market": "KRW-BTC"}]},
    }
    assert (await desk.settled(first))["state"] == (await desk.settled(second))["state"] == "cancel"


@pytest.mark.statement(40)
@pytest.mark.parametrize("kind", ["uuids[]", "identifiers[]"])
async def test_twenty_names_are_the_most(desk: Desk, kind: str) -> None:
    """Twenty are looked for, twenty-one are refused, and so are none or both kinds at once."""
    names = [f"n{number}" for number in range(21)]
    status, body, _ = await desk.call("DELETE", "/v1/orders/uuids", {kind: names[:20]})
    assert (status, body["success"]["count"], body["failed"]["count"]) == (200, 0, 20)
    for query in ({kind: names}, {}, {"uuids[]": "a", "identifiers[]": "b"}):
        status, body, _ = await desk.call("DELETE", "/v1/orders/uuids", query)
        assert (status, body["error"]["name"]) == (400, "invalid_parameter")


async def place_everywhere(desk: Desk) -> dict[str, str]:
    """Place a bid and an ask in both markets; return their uuids by side and coin."""
    for coin in ("BTC", "XRP"):
        desk.box.exchange.deposit(coin, Decimal(100))
    bodies = {
        "bid BTC": {"market": "KRW-BTC"} | RESTING,
        "ask BTC": {"market": "KRW-BTC", "side": "ask", "ord_type": "limit", "price": "200000000", "volume": "1"},
        "bid XRP": {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "price": "500", "volume": "20"},
        "ask XRP": {"market": "KRW-XRP", "side": "ask", "ord_type": "limit", "price": "2000", "volume": "20"},
    }
    return {(await desk.post(body))[1]["uuid"]: name for name, body in bodies.items()}


@pytest.mark.statement(40)
@pytest.mark.parametrize(
    ("query", "cancelled"),
    [
        ({}, ["ask XRP", "bid XRP", "ask BTC", "bid BTC"]),
        ({"order_by": "asc"}, ["bid BTC", "ask BTC", "bid XRP", "ask XRP"]),
        ({"count": "1"}, ["ask XRP"]),
        ({"count": "2", "order_by": "asc"}, ["bid BTC", "ask BTC"]),
        ({"cancel_side": "bid"}, ["bid XRP", "bid BTC"]),
        ({"cancel_side": "ask"}, ["ask XRP", "ask BTC"]),
        ({"cancel_side": "all", "pairs": "KRW-XRP"}, ["ask XRP", "bid XRP"]),
        ({"pairs": "KRW-XRP,KRW-BTC", "excluded_pairs": "KRW-BTC"}, ["ask XRP", "bid XRP"]),
        ({"quote_currencies": "KRW,BTC"}, ["ask XRP", "bid XRP", "ask BTC", "bid BTC"]),
        ({"quote_currencies": "KRW", "exclude_pairs": "KRW-XRP"}, ["ask BTC", "bid BTC"]),
        ({"quote_currencies": "USDT"}, []),
    ],
)
async def test_a_batch_cancels_what_fits(desk: Desk, query: dict[str, str], cancelled: list[str]) -> None:
    """By market or quote currency, less what is left out, of a side, so many, the newest first by default."""
    names = await place_everywhere(desk)
    status, body = await cancel_open(desk, **query)
    assert (status, body["success"]["count"], body["failed"]) == (200, len(cancelled), {"count": 0, "orders": []})
    assert [names[uuid] for uuid in ids(body["success"]["orders"])] == cancelled
    await desk.settled({"uuid": next(iter(names))})
    assert sorted(names[uuid] for uuid in ids(await desk.get("/v1/orders/open"))) == sorted(
        set(names.values()) - set(cancelled)
    )


@pytest.mark.statement(40)
async def test_a_batch_is_twenty_unless_asked_otherwise(desk: Desk) -> None:
    """The newest twenty; three hundred are the most."""
    placed = []
    for _ in range(21):
        placed.append((await desk.place(**RESTING))["uuid"])
        desk.pass_time(0.1)
    _, body = await cancel_open(desk)
    assert ids(body["success"]["orders"]) == placed[:0:-1]


@pytest.mark.statement(40)
@pytest.mark.parametrize(
    "query",
    [{"pairs": "KRW-BTC", "quote_currencies": "KRW"}, {"count": "301"}, {"count": "0"}, {"cancel_side": "both"},
     {"order_by": "x"}, {"quote_currencies": "EUR"}, {"pairs": ",".join(f"KRW-{n}" for n in range(21))},
     {"excluded_pairs": ",".join(f"KRW-{n}" for n in range(21))}],
)  # fmt: skip
async def test_a_wrong_batch_cancels_nothing(desk: Desk, query: dict[str, str]) -> None:
    """Two ways to choose at once, too many names, and values nobody knows are refused as a whole."""
    await desk.place(**RESTING)
    status, body = await cancel_open(desk, **query)
    assert (status, body["error"]["name"]) == (400, "invalid_parameter")
    assert len(await desk.get("/v1/orders/open")) == 1


@pytest.mark.statement(40)
@pytest.mark.parametrize("name", ["pairs", "excluded_pairs"])
async def test_a_batch_knows_its_markets(desk: Desk, name: str) -> None:
    """A market nobody lists is a mistake, rather than a reason to cancel less, or more."""
    await desk.place(**RESTING)
    status, body = await cancel_open(desk, **{name: "KRW-BTC,KRW-NONE"})
    assert (status, body["error"]["name"]) == (400, "notfoundmarket")


# -- with a successor


@pytest.mark.statement(41)
async def test_a_cancel_with_a_successor(desk: Desk) -> None:
    """The old order is shown waiting; once it is cancelled the new one exists under the announced names."""
    old = await desk.settled(await desk.place(**RESTING, identifier="one"))
    body = {
        "prev_order_identifier": "one",
        "new_ord_type": "limit",
        "new_volume": "0.0002",
        "new_price": "90000000",
        "new_identifier": "two",
        "new_time_in_force": "post_only",
    }
    status, answer = await desk.post(body, REPLACE)
    assert (status, answer["uuid"], answer["state"], answer["identifier"]) == (201, old["uuid"], "wait", "one")
    assert answer["new_order_identifier"] == "two"
    new = await desk.settled({"uuid": answer["new_order_uuid"]})
    expected = {
        "volume": "0.0002",
        "price": "90000000",
        "identifier": "two",
        "time_in_force": "post_only",
        "side": "bid",
    }
    assert expected.items() <= new.items()
    assert (await desk.get("/v1/order", uuid=old["uuid"]))["state"] == "cancel"
    assert ids(await desk.get("/v1/orders/open")) == [new["uuid"]]
    assert await desk.balance("KRW") == ("981991", "18009")


@pytest.mark.statement(41)
@pytest.mark.parametrize(
    "kind",
    [{"new_ord_type": "limit", "new_price": "150000000"},
     {"new_ord_type": "limit", "new_price": "150000000", "new_time_in_force": "ioc"},
     {"new_ord_type": "limit", "new_price": "150000000", "new_time_in_force": "fok"},
     {"new_ord_type": "market"}, {"new_ord_type": "best", "new_time_in_force": "ioc"}],
)  # fmt: skip
async def test_a_successor_may_take_over_what_remains(desk: Desk, kind: dict[str, str]) -> None:
    """`remain_only` is the volume the old order has left when it is cancelled, for every kind that has a volume."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    old = await desk.settled(await desk.place(side="ask", ord_type="limit", price="161000000", volume="0.5"))
    at_ms = int(desk.now.timestamp() * 1000) + 500
    desk.source.planned.append(PublicTrade("KRW-BTC", Decimal(161_001_000), Decimal("0.2"), at_ms, "BID", at_ms))
    desk.pass_time(1)
    status, answer = await desk.post({"prev_order_uuid": old["uuid"], "new_volume": "remain_only", **kind}, REPLACE)
    assert (status, answer["remaining_volume"]) == (201, "0.3")
    new = await desk.settled({"uuid": answer["new_order_uuid"]})
    assert (new["volume"], new["side"], new["state"], new["executed_volume"]) == ("0.3", "ask", "done", "0.3")


@pytest.mark.statement(41)
@pytest.mark.parametrize(
    ("kind", "volume"),
    [({"new_ord_type": "price", "new_price": "7000"}, None),
     ({"new_ord_type": "best", "new_price": "7000", "new_time_in_force": "fok"}, None),
     ({"new_ord_type": "limit", "new_price": "90000000", "new_volume": "0.0001", "new_smp_type": "reduce"}, "0.0001")],
)  # fmt: skip
async def test_a_bid_may_be_followed_by_any_kind(desk: Desk, kind: dict[str, str], volume: str | None) -> None:
    """A total, the best price, or another limit order with its own mode."""
    old = await desk.place(**RESTING)
    _, answer = await desk.post({"prev_order_uuid": old["uuid"], **kind}, REPLACE)
    new = await desk.settled({"uuid": answer["new_order_uuid"]})
    assert (new["ord_type"], new.get("volume")) == (kind["new_ord_type"], volume)
    assert new["smp_type"] == kind.get("new_smp_type", "cancel_maker")


@pytest.mark.statement(41)
async def test_no_successor_when_the_old_order_filled_first(desk: Desk) -> None:
    """The call succeeds and names a uuid that never comes to be."""
    effects = desk.hold_back()
    old = await desk.place(**BUY)
    body = {"prev_order_uuid": old["uuid"], "new_ord_type": "price", "new_price": "7000", "new_identifier": "next"}
    status, answer = await desk.post(body, REPLACE)
    assert (status, answer["state"], answer["new_order_identifier"]) == (201, "wait", "next")
    for effect in effects:  # it is matched, and then there is nothing left to cancel
        effect()
    assert (await desk.settled(old))["trades_count"] == 1
    for query in ({"uuid": answer["new_order_uuid"]}, {"identifier": "next"}):
        assert (await desk.call("GET", "/v1/order", query))[1]["error"]["name"] == "order_not_found"
    assert await desk.get("/v1/orders/open") == []


@pytest.mark.statement(41)
async def test_no_successor_without_its_money(desk: Desk) -> None:
    """What the cancel frees may be used; a successor beyond that is announced, and never placed."""
    old = await desk.place(**RESTING | {"volume": "0.009"})
    within = {"prev_order_uuid": old["uuid"], "new_ord_type": "price", "new_price": "990000"}
    _, answer = await desk.post(within, REPLACE)
    assert (await desk.settled({"uuid": answer["new_order_uuid"]}))["trades_count"] == 1
    last = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.00006")
    _, answer = await desk.post(within | {"prev_order_uuid": last["uuid"]}, REPLACE)
    await desk.settled(last)
    assert (await desk.call("GET", "/v1/order", {"uuid": answer["new_order_uuid"]}))[0] == 404
    assert (await desk.balance("KRW"))[1] == "0"


@pytest.mark.statement(41)
@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"new_identifier": "one"}, (400, "invalid_parameter")),
        ({"new_identifier": "used"}, (400, "duplicated_identifier")),
        ({"new_identifier": "x" * 65}, (400, "invalid_parameter")),
        ({"new_ord_type": None}, (400, "validation_error")),
        ({"new_price": "90000500"}, (400, "invalid_price_bid")),
        ({"new_volume": "0.00000001"}, (400, "under_min_total_bid")),
        ({"new_ord_type": "price", "new_volume": "remain_only"}, (400, "create_bid_error")),
        ({"new_time_in_force": "post_only", "new_smp_type": "reduce"}, (400, "invalid_post_only")),
        ({"prev_order_identifier": None}, (400, "invalid_parameter")),
        ({"prev_order_identifier": "never"}, (404, "order_not_found")),
        ({"prev_order_identifier": "filled"}, (404, "order_not_found")),
    ],
)
async def test_a_wrong_replacement_leaves_the_old_order(
    desk: Desk, change: dict[str, Any], answer: tuple[int, str]
) -> None:
    """What can be seen to be wrong is refused at once, by name, and nothing is cancelled."""
    old = await desk.place(**RESTING, identifier="one")
    await desk.settled(await desk.place(**BUY, identifier="filled"))
    await desk.place(**RESTING, identifier="used")
    body = {"prev_order_identifier": "one", "new_ord_type": "limit", "new_volume": "0.0001", "new_price": "90000000"}
    status, refused = await desk.post(body | change, REPLACE)
    assert (status, refused["error"]["name"]) == answer
    assert (await desk.settled(old))["state"] == "wait"


@pytest.mark.statement(41)
async def test_a_successor_stays_in_its_market_and_on_its_side(desk: Desk) -> None:
    """There is no way to name another market or side: such fields mean nothing."""
    old = await desk.place(**RESTING)
    body = {
        "prev_order_uuid": old["uuid"], "new_ord_type": "limit", "new_volume": "0.0001", "new_price": "90000000",
        "new_side": "ask", "new_market": "KRW-XRP",
    }  # fmt: skip
    _, answer = await desk.post(body, REPLACE)
    new = await desk.settled({"uuid": answer["new_order_uuid"]})
    assert (new["market"], new["side"]) == ("KRW-BTC", "bid")
