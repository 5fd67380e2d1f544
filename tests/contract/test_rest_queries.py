"""Looking orders up over REST: one, several, open ones in pages, closed ones in windows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.sandbox_desk import START, START_MS

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk

BUY = {"side": "bid", "ord_type": "price", "price": "6000"}
RESTING = {"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.0001"}
DAY = 86_400
WEEK_MS = 7 * DAY * 1000


def ids(orders: list[dict[str, Any]]) -> list[str]:
    """Return the uuids of orders."""
    return [order["uuid"] for order in orders]


async def error(desk: Desk, path: str, query: dict[str, Any]) -> tuple[int, str]:
    """Return status and name of a refused look-up."""
    status, body, _ = await desk.call("GET", path, query)
    return status, body["error"]["name"]


@pytest.mark.statement(36)
async def test_an_order_is_found_by_uuid_or_identifier(desk: Desk) -> None:
    """With both the uuid wins, with neither the request is wrong, and what nobody placed is not found."""
    first, second = await desk.place(**RESTING, identifier="a"), await desk.place(**RESTING, identifier="b")
    assert (await desk.get("/v1/order", identifier="b"))["uuid"] == second["uuid"]
    assert (await desk.get("/v1/order", uuid=first["uuid"], identifier="b"))["uuid"] == first["uuid"]
    assert (await desk.get("/v1/order", uuid=first["uuid"], identifier="never"))["uuid"] == first["uuid"]
    assert await error(desk, "/v1/order", {"uuid": "never", "identifier": "a"}) == (404, "order_not_found")
    assert await error(desk, "/v1/order", {"identifier": "never"}) == (404, "order_not_found")
    assert await error(desk, "/v1/order", {}) == (400, "invalid_parameter")
    assert await error(desk, "/v1/order", {"uuid": ""}) == (400, "invalid_parameter")


@pytest.mark.statement(36)
async def test_trades_are_listed_only_with_a_single_order(desk: Desk) -> None:
    """Lists count them, the order itself shows them; one without trades has an empty list."""
    filled = await desk.settled(await desk.place(**BUY))
    waiting = await desk.settled(await desk.place(**RESTING))
    assert (len(filled["trades"]), waiting["trades"]) == (1, [])
    for path, query in (
        ("/v1/orders/closed", {}), ("/v1/orders/open", {}), ("/v1/orders", {}),
        ("/v1/orders/uuids", {"uuids__": [filled["uuid"]]}),
    ):  # fmt: skip
        (entry,) = await desk.get(path, **query)
        assert "trades" not in entry
        assert entry["trades_count"] == int(entry["uuid"] == filled["uuid"])


async def test_looking_for_an_unknown_order_is_no_violation(desk: Desk) -> None:
    """A look-up that finds nothing is an answer; cancelling nothing is a mistake."""
    assert (await error(desk, "/v1/order", {"identifier": "never"}))[0] == 404
    assert not desk.box.violations
    assert (await desk.call("DELETE", "/v1/order", {"uuid": "never"}))[0] == 404
    assert desk.box.violations == {"order_not_found": 1}


async def test_several_orders_by_their_names(desk: Desk) -> None:
    """By uuids or identifiers, a hundred at most, in the order asked for; unknown ones are left out."""
    first, second = await desk.place(**RESTING, identifier="a"), await desk.place(**RESTING, identifier="b")
    assert ids(await desk.get("/v1/orders/uuids", identifiers__=["a", "b", "c"], order_by="asc")) == ids(
        [first, second]
    )
    assert ids(await desk.get("/v1/orders/uuids", uuids__=ids([first, second]))) == ids([second, first])
    assert await desk.get("/v1/orders/uuids", uuids__=ids([first]), market="KRW-XRP") == []
    names = [f"n{number}" for number in range(101)]
    assert await desk.get("/v1/orders/uuids", uuids__=names[:100]) == []
    for query in ({}, {"uuids[]": names}, {"uuids[]": "a", "identifiers[]": "b"}, {"uuids[]": "a", "order_by": "up"}):
        assert await error(desk, "/v1/orders/uuids", query) == (400, "invalid_parameter")


@pytest.mark.statement(37)
async def test_open_orders_page_until_empty(desk: Desk) -> None:
    """Newest first, page by page, and nothing past the end, so that whoever pages on stops."""
    placed = [(await desk.place(**RESTING))["uuid"] for _ in range(5)]
    pages = [await desk.get("/v1/orders/open", page=page, limit=2) for page in (1, 2, 3, 4, 10**8)]
    assert [ids(page) for page in pages] == [placed[:2:-1], placed[2:0:-1], placed[:1], [], []]
    assert ids(await desk.get("/v1/orders/open", order_by="asc")) == placed
    assert ids(await desk.get("/v1/orders/open", page=2, limit=2, order_by="asc")) == placed[2:4]
    assert await desk.get("/v1/orders/open", market="KRW-XRP") == []


@pytest.mark.statement(37)
async def test_open_orders_are_waiting_ones_by_default(desk: Desk) -> None:
    """Both spellings of the state work; nobody can place orders that watch a price, so there are none."""
    await desk.settled(await desk.place(**BUY))
    waiting = await desk.settled(await desk.place(**RESTING))
    for query in ({}, {"state": "wait"}, {"states__": ["wait"]}, {"states__": ["wait", "watch"]}):
        assert ids(await desk.get("/v1/orders/open", **query)) == [waiting["uuid"]]
    assert await desk.get("/v1/orders/open", state="watch") == []


@pytest.mark.statement(37)
@pytest.mark.parametrize(
    "query",
    [{"page": 0}, {"page": "x"}, {"page": "9" * 5000}, {"limit": 0}, {"limit": 101}, {"limit": "-1"},
     {"state": "done"}, {"state": "wait", "states[]": "wait"}, {"order_by": "newest"}],
)  # fmt: skip
async def test_wrong_pages_are_refused(desk: Desk, query: dict[str, Any]) -> None:
    """A page begins at one, holds a hundred at most, and only open states are open."""
    assert await error(desk, "/v1/orders/open", query) == (400, "invalid_parameter")


async def test_an_unknown_market_is_told_so(desk: Desk) -> None:
    """Every list that can be narrowed to a market knows which there are."""
    for path in ("/v1/orders/open", "/v1/orders/closed", "/v1/orders"):
        assert await error(desk, path, {"market": "KRW-NONE"}) == (400, "notfoundmarket")


async def test_the_older_list_pages_every_state(desk: Desk) -> None:
    """The deprecated list still answers, waiting orders by default."""
    waiting, gone = await desk.place(**RESTING), await desk.settled(await desk.place(**BUY))
    assert ids(await desk.get("/v1/orders")) == [waiting["uuid"]]
    assert ids(await desk.get("/v1/orders", state="cancel", page=1)) == [gone["uuid"]]
    assert ids(await desk.get("/v1/orders", states__=["wait", "cancel"])) == ids([gone, waiting])


@pytest.mark.statement(38)
async def test_closed_orders_come_by_their_creation(desk: Desk) -> None:
    """Whenever they ended, they stand where they began; bounds are included, as ISO or milliseconds."""
    early = await desk.place(**RESTING)
    desk.source.quiet = True
    desk.pass_time(3 * DAY)
    late = await desk.settled(await desk.place(**BUY))
    await desk.call("DELETE", "/v1/order", {"uuid": early["uuid"]})
    await desk.settled(early)
    assert ids(await desk.get("/v1/orders/closed")) == ids([late, early])
    assert ids(await desk.get("/v1/orders/closed", order_by="asc")) == ids([early, late])
    for moment in (START.isoformat(), "2026-11-24T18:00:00+09:00", "2026-11-24T09:00:00Z", str(START_MS)):
        assert ids(await desk.get("/v1/orders/closed", end_time=moment)) == [early["uuid"]]
        assert ids(await desk.get("/v1/orders/closed", start_time=moment)) == ids([late, early])
    after = (START + timedelta(seconds=1)).isoformat()
    assert ids(await desk.get("/v1/orders/closed", start_time=after)) == [late["uuid"]]


@pytest.mark.statement(38)
async def test_a_window_is_seven_days(desk: Desk) -> None:
    """After a start, before an end, or the last seven days; longer is refused, exactly seven is not."""
    order = await desk.settled(await desk.place(**BUY))
    desk.source.quiet = True
    desk.pass_time(7 * DAY)
    assert ids(await desk.get("/v1/orders/closed")) == [order["uuid"]]
    desk.pass_time(1)
    assert await desk.get("/v1/orders/closed") == []
    assert ids(await desk.get("/v1/orders/closed", start_time=START_MS - WEEK_MS)) == [order["uuid"]]
    assert await desk.get("/v1/orders/closed", start_time=START_MS - WEEK_MS - 1) == []
    week = {"start_time": START_MS, "end_time": START_MS + WEEK_MS}
    assert ids(await desk.get("/v1/orders/closed", **week)) == [order["uuid"]]
    longer = week | {"end_time": START_MS + WEEK_MS + 1}
    assert await error(desk, "/v1/orders/closed", longer) == (400, "invalid_parameter")


@pytest.mark.statement(38)
@pytest.mark.parametrize(
    "query",
    [{"state": "done", "states[]": "cancel"}, {"limit": 1001}, {"limit": 0}, {"start_time": "soon"}, {"state": "wait"},
     {"start_time": START_MS + 1, "end_time": START_MS}, {"end_time": "2026-11-24"}, {"start_time": "9" * 5000}],
)  # fmt: skip
async def test_wrong_windows_are_refused(desk: Desk, query: dict[str, Any]) -> None:
    """One spelling of the states, a thousand at most, and times that are times in the right order."""
    assert await error(desk, "/v1/orders/closed", query) == (400, "invalid_parameter")


@pytest.mark.statement(38)
async def test_closed_orders_of_a_state_and_as_many_as_asked_for(desk: Desk) -> None:
    """Done and cancelled by default, or one of them; a limit keeps the newest."""
    desk.box.exchange.deposit("BTC", desk.box.exchange.accounts.of("KRW")[0])
    bought = [await desk.settled(await desk.place(**BUY)) for _ in range(2)]
    sold = await desk.settled(await desk.place(side="ask", ord_type="market", volume="0.01"))
    assert ids(await desk.get("/v1/orders/closed", states__=["done", "cancel"])) == ids([sold, *bought[::-1]])
    assert ids(await desk.get("/v1/orders/closed", state="done")) == [sold["uuid"]]
    assert ids(await desk.get("/v1/orders/closed", state="cancel", limit=1)) == [bought[1]["uuid"]]
    assert len(await desk.get("/v1/orders/closed", limit=1000)) == 3
