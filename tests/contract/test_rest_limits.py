"""How much may be asked: groups, windows, penalties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.limits import CALM_MS, FIRST_BLOCK_MS, STRIKES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.helpers.sandbox_desk import Desk

BUY = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}
TICKER = ("GET", "/v1/ticker", {"markets": "KRW-BTC"})


async def left(desk: Desk, method: str, path: str, query: Mapping[str, str] | None = None) -> str:
    """Return how many requests a group still has after this one."""
    _, _, headers = await desk.call(method, path, query)
    return headers["Remaining-Req"].rsplit("=", 1)[1]


@pytest.mark.statement(12)
async def test_groups_are_counted_apart(desk: Desk) -> None:
    """Spending all orders leaves every other group whole."""
    assert [(await desk.post(BUY))[0] for _ in range(13)] == [201] * 12 + [429]
    assert await left(desk, "GET", "/v1/accounts") == "29"
    assert (await desk.post(BUY, "/v1/orders/test"))[0] == 201
    assert await left(desk, *TICKER) == "9"


@pytest.mark.statement(12)
@pytest.mark.parametrize(
    "paths",
    [
        ["/v1/candles/seconds", "/v1/candles/minutes/1", "/v1/candles/minutes/240", "/v1/candles/days",
         "/v1/candles/weeks", "/v1/candles/months", "/v1/candles/years"],
        ["/v1/ticker", "/v1/ticker/all"],
        ["/v1/orderbook", "/v1/orderbook/instruments", "/v1/orderbook/supported_levels"],
    ],
)  # fmt: skip
async def test_endpoints_of_a_group_share_its_counter(desk: Desk, paths: list[str]) -> None:
    """Candles of all units are one group, tickers are one, books and their steps are one."""
    query = {"market": "KRW-BTC", "markets": "KRW-BTC", "quote_currencies": "KRW"}
    counted = [await left(desk, "GET", path, query) for path in paths]
    assert counted == [str(9 - number) for number in range(len(paths))]


@pytest.mark.statement(12)
async def test_an_order_and_a_replacement_are_one_group(desk: Desk) -> None:
    """Placing and replacing orders share twelve a second."""
    await desk.post(BUY)
    assert await left(desk, "POST", "/v1/orders/cancel_and_new") == "10"


@pytest.mark.statement(13)
@pytest.mark.parametrize(
    ("method", "path", "most", "window"),
    [
        ("POST", "/v1/orders", 12, 1),
        ("POST", "/v1/orders/test", 8, 1),
        ("GET", "/v1/accounts", 30, 1),
        ("DELETE", "/v1/order", 30, 1),
        ("DELETE", "/v1/orders/open", 1, 2),
        ("GET", "/v1/market/all", 10, 1),
        ("GET", "/v1/candles/days", 10, 1),
        ("GET", "/v1/trades/ticks", 10, 1),
        ("GET", "/v1/ticker", 10, 1),
        ("GET", "/v1/orderbook", 10, 1),
    ],
)
async def test_one_more_than_the_group_allows_is_a_429(
    desk: Desk, method: str, path: str, most: int, window: int
) -> None:
    """The last one of the window passes, the next is a 429 with a JSON body, the next window works again."""
    answers = [await desk.call(method, path) for _ in range(most + 1)]
    assert 429 not in [status for status, _, _ in answers[:-1]]
    status, body, headers = answers[-1]
    name = (
        429
        if path in {"/v1/market/all", "/v1/candles/days", "/v1/trades/ticks", "/v1/ticker", "/v1/orderbook"}
        else ("too_many_requests")
    )
    assert (status, body) == (429, {"error": {"name": name, "message": "Too many API requests."}})
    assert headers["Remaining-Req"].endswith("sec=0")
    desk.pass_time(window - 0.001)
    assert (await desk.call(method, path))[0] == 429
    desk.pass_time(0.001)
    assert (await desk.call(method, path))[0] != 429


@pytest.mark.statement(13)
async def test_the_thirteenth_order_of_a_second_is_not_taken(desk: Desk) -> None:
    """A refused request has no effect: twelve orders exist, and the violation is counted."""
    for _ in range(13):
        await desk.post(BUY)
    assert len(desk.box.exchange.orders) == 12
    assert desk.box.orders_received == 13
    assert desk.box.violations == {"too_many_requests": 1}


@pytest.mark.statement(15)
@pytest.mark.parametrize(
    ("method", "path", "most", "names"),
    [("GET", "/v1/market/all", 10, (429, 418)), ("POST", "/v1/orders", 12, ("too_many_requests",
      "rate_limit_exceeded_penalty"))],
)  # fmt: skip
async def test_who_ignores_429_is_blocked(
    desk: Desk, method: str, path: str, most: int, names: tuple[object, object]
) -> None:
    """So many 429s in a row become a 418 that says for how long, and outlasts the second."""
    answers = [await desk.call(method, path) for _ in range(most + STRIKES + 1)]
    assert [body["error"]["name"] for status, body, _ in answers[most:]] == [names[0]] * STRIKES + [names[1]]
    assert answers[-1][0] == 418
    seconds = FIRST_BLOCK_MS // 1000
    assert f"after {seconds} seconds" in answers[-1][1]["error"]["message"]
    desk.pass_time(seconds - 1)
    status, body, _ = await desk.call(method, path)
    assert (status, body["error"]["name"]) == (418, names[1])
    desk.pass_time(1)
    assert (await desk.call(method, path))[0] not in {418, 429}


@pytest.mark.statement(15)
async def test_the_second_block_is_longer(desk: Desk) -> None:
    """Whoever goes on after a block is blocked for twice as long."""
    for _ in range(10 + STRIKES + 1):
        await desk.call(*TICKER)
    desk.pass_time(FIRST_BLOCK_MS / 1000)
    for _ in range(10 + STRIKES):
        await desk.call(*TICKER)
    _, body, _ = await desk.call(*TICKER)
    assert f"after {2 * FIRST_BLOCK_MS // 1000} seconds" in body["error"]["message"]
    desk.pass_time(2 * FIRST_BLOCK_MS / 1000 - 1)
    assert (await desk.call(*TICKER))[0] == 418


@pytest.mark.statement(15)
async def test_a_block_is_about_one_side_only(desk: Desk) -> None:
    """An address blocked from market data still trades with its key, as the two sides count different things."""
    for _ in range(10 + STRIKES + 1):
        await desk.call(*TICKER)
    assert (await desk.call("GET", "/v1/market/all"))[0] == 418
    assert (await desk.call("GET", "/v1/accounts"))[0] == 200


@pytest.mark.statement(15)
async def test_a_429_now_and_then_is_forgiven(desk: Desk) -> None:
    """With calm in between it never becomes a block."""
    for _ in range(2 * STRIKES):
        assert [(await desk.call(*TICKER))[0] for _ in range(11)] == [200] * 10 + [429]
        desk.pass_time(CALM_MS / 1000)


@pytest.mark.statement(16)
async def test_an_origin_costs_the_slow_group(desk: Desk) -> None:
    """All kinds of market data with an `Origin` share one request in ten seconds; without one nothing is slow."""
    origin = {"Origin": "https://example.org"}
    first = await desk.call("GET", "/v1/market/all", headers=origin)
    second = await desk.call("GET", "/v1/ticker", {"markets": "KRW-BTC"}, headers=origin)
    assert (first[0], second[0]) == (200, 429)
    assert first[2]["Remaining-Req"] == second[2]["Remaining-Req"] == "group=origin; min=6; sec=0"
    assert (await desk.call(*TICKER))[0] == 200
    desk.pass_time(9.999)
    assert (await desk.call("GET", "/v1/market/all", headers=origin))[0] == 429
    desk.pass_time(0.001)
    assert (await desk.call("GET", "/v1/market/all", headers=origin))[0] == 200


@pytest.mark.statement(16)
async def test_an_origin_does_not_slow_the_exchange_side(desk: Desk) -> None:
    """The rule is about market data and sockets."""
    for _ in range(2):
        headers = desk.token() | {"Origin": "https://example.org"}
        assert (await desk.call("GET", "/v1/accounts", headers=headers))[0] == 200
