"""The sandbox's REST interface, seen by a plain HTTP client: transport, quotation, orders, balances."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from sandbox.feed import PublicTrade
from tests.contract.sandbox_desk import PRICE, START, START_MS, Desk, open_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BUY = {"side": "bid", "ord_type": "price", "price": "6000"}
RESTING = {"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.0001"}
HEADER = re.compile(r"group=([a-z\-]+); min=([0-9]+); sec=([0-9]+)")


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened


# -- transport, authentication, limits


async def test_an_unknown_path_has_no_limit_header(desk: Desk) -> None:
    """The gateway's 404 has a string name and no Remaining-Req."""
    status, body, headers = await desk.call("GET", "/v1/nothing")
    assert (status, body["error"]["name"]) == (404, "not_found")
    assert "Remaining-Req" not in headers


@pytest.mark.parametrize("path", ["/v1/market/all", "/v1/accounts", "/v1/ticker", "/v1/order"])
async def test_every_routed_answer_tells_what_is_left(desk: Desk, path: str) -> None:
    """Successes and errors alike carry the header in the shape clients parse, and the market's date."""
    _, _, headers = await desk.call("GET", path)
    assert HEADER.fullmatch(headers["Remaining-Req"])
    assert headers["Date"] == "Tue, 24 Nov 2026 09:00:00 GMT"
    assert headers["Content-Type"].startswith("application/json")


async def test_private_endpoints_need_a_token(desk: Desk) -> None:
    """Quotation answers anybody, the exchange side only key holders."""
    status, body, _ = await desk.call("GET", "/v1/accounts", headers={})
    assert (status, body["error"]["name"]) == (401, "no_authorization_token")
    assert (await desk.call("GET", "/v1/market/all", headers={}))[0] == 200


async def test_a_token_hashes_exactly_what_was_sent(desk: Desk) -> None:
    """A query that differs from the hash in order is refused."""
    wrong = desk.token("limit=10&page=1")
    status, body, _ = await desk.call("GET", "/v1/orders/open", {"page": 1, "limit": 10}, headers=wrong)
    assert (status, body["error"]["name"]) == (401, "invalid_query_payload")


async def test_a_form_body_on_get_is_read_like_a_query(desk: Desk) -> None:
    """Older clients send the parameters of a GET as a form."""
    form, url = "market=KRW-BTC", desk.box.url + "/v1/orders/chance"
    headers = desk.token(form) | {"Content-Type": "application/x-www-form-urlencoded"}
    async with desk.session.get(url, data=form, headers=headers) as response:
        assert (await response.json())["market"]["id"] == "KRW-BTC"


async def test_a_json_body_on_delete_is_read_like_a_query(desk: Desk) -> None:
    """Older clients cancel with a JSON body."""
    order = await desk.place(**RESTING)
    headers = desk.token(f"uuid={order['uuid']}")
    async with desk.session.delete(
        desk.box.url + "/v1/order", json={"uuid": order["uuid"]}, headers=headers
    ) as response:
        assert response.status == 200


async def test_a_key_without_permission_is_out_of_scope(desk: Desk) -> None:
    """A view-only key sees balances and places nothing."""
    key = desk.box.gate.keys[desk.options.access_key]
    object.__setattr__(key, "permissions", frozenset({"view_account"}))
    assert (await desk.post({"market": "KRW-BTC"} | BUY))[1]["error"]["name"] == "out_of_scope"
    assert await desk.get("/v1/accounts")


async def test_the_thirteenth_order_of_a_second_is_too_many(desk: Desk) -> None:
    """Twelve orders pass, the thirteenth is a 429 and a violation, the next second works."""
    statuses = [(await desk.post({"market": "KRW-BTC", **BUY}))[0] for _ in range(13)]
    assert statuses == [201] * 12 + [429]
    assert desk.box.violations == {"too_many_requests": 1}
    assert await desk.get("/v1/accounts"), "another group is not concerned"
    desk.pass_time(1)
    assert (await desk.post({"market": "KRW-BTC", **BUY}))[0] == 201
    assert desk.box.orders_received == 14


async def test_an_origin_header_costs_the_slow_group(desk: Desk) -> None:
    """Quotation requests with an Origin get one per ten seconds."""
    answers = [await desk.call("GET", "/v1/market/all", headers={"Origin": "http://x"}) for _ in range(2)]
    assert [status for status, _, _ in answers] == [200, 429]
    assert answers[0][2]["Remaining-Req"] == "group=origin; min=6; sec=0"


async def test_a_failure_inside_is_an_upbit_shaped_500(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours answers 500 and is counted."""
    async with open_desk() as desk:
        monkeypatch.setattr(desk.box.exchange.accounts, "of", lambda _: 1 / 0)
        status, body, headers = await desk.call("GET", "/v1/accounts")
        assert (status, body["error"]["name"]) == (500, "internal_server_error")
        assert HEADER.fullmatch(headers["Remaining-Req"])
        assert desk.box.internal_errors == 1
        monkeypatch.setattr(desk.box._api, "internal_errors", 0)


# -- quotation


async def test_markets_with_and_without_details(desk: Desk) -> None:
    """Three fields without details, five caution flags with them."""
    assert set((await desk.get("/v1/market/all"))[0]) == {"market", "korean_name", "english_name"}
    xrp = (await desk.get("/v1/market/all", is_details="true"))[1]["market_event"]
    assert xrp["warning"] is True
    assert len(xrp["caution"]) == 5
    assert xrp["caution"]["PRICE_FLUCTUATIONS"] is True


@pytest.mark.parametrize(
    "to", ["2026-11-24T08:30:00Z", "2026-11-24T17:30:00+09:00", "2026-11-24 08:30:00", "2026-11-24T08:30:00.000Z",
           "2026-11-24T08:30:00"]
)  # fmt: skip
async def test_candles_before_a_moment_in_every_spelling(desk: Desk, to: str) -> None:
    """The bound is exclusive, missing periods are missing, newest comes first."""
    candles = await desk.get("/v1/candles/minutes/1", market="KRW-BTC", to=to, count=3)
    assert [candle["candle_date_time_utc"][11:16] for candle in candles] == ["08:29", "08:28", "08:27"]
    assert candles[0]["unit"] == 1
    assert candles[0]["candle_date_time_kst"] == "2026-11-24T17:29:00"
    gap = await desk.get("/v1/candles/minutes/1", market="KRW-BTC", to="2026-11-24T08:22:00Z", count=3)
    assert [candle["candle_date_time_utc"][11:16] for candle in gap] == ["08:21", "08:19", "08:18"]


async def test_the_forming_candle_comes_first(desk: Desk) -> None:
    """After trades the newest candle is the one of now, and equals the trades so far."""
    desk.pass_time(30)
    candle = (await desk.get("/v1/candles/minutes/1", market="KRW-BTC"))[0]
    assert candle["candle_date_time_utc"] == "2026-11-24T09:00:00"
    assert candle["candle_acc_trade_volume"] == Decimal("0.6")
    assert candle["candle_acc_trade_price"] == PRICE * Decimal("0.6")
    quiet = (await desk.get("/v1/candles/minutes/1", market="KRW-XRP"))[0]
    assert quiet["candle_date_time_utc"] < "2026-11-24T09:00:00"


@pytest.mark.parametrize(
    ("path", "extra"),
    [("seconds", set()), ("minutes/240", {"unit"}), ("days", {"prev_closing_price", "change_price", "change_rate"}),
     ("weeks", {"first_day_of_period"}), ("months", {"first_day_of_period"}),
     ("years", {"first_day_of_period"})],
)  # fmt: skip
async def test_each_unit_has_its_fields(desk: Desk, path: str, extra: set[str]) -> None:
    """Minutes name their unit, days the close before, weeks and months their first day."""
    desk.pass_time(2)
    candle = (await desk.get(f"/v1/candles/{path}", market="KRW-BTC"))[0]
    common = {
        "market", "candle_date_time_utc", "candle_date_time_kst", "opening_price", "high_price", "low_price",
        "trade_price", "timestamp", "candle_acc_trade_price", "candle_acc_trade_volume",
    }  # fmt: skip
    assert set(candle) == common | extra


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/v1/candles/minutes/7", {"market": "KRW-BTC"}, 400),
        ("/v1/candles/minutes/1", {"market": "KRW-BTC", "count": "abc"}, 400),
        ("/v1/candles/minutes/1", {"market": "KRW-BTC", "count": "201"}, 400),
        ("/v1/candles/minutes/1", {"market": "KRW-BTC", "to": "yesterday"}, 400),
        ("/v1/candles/minutes/1", {}, 400),
        ("/v1/candles/minutes/1", {"market": "KRW-NONE"}, 404),
        ("/v1/ticker", {"markets": "KRW-BTC,KRW-NONE"}, 404),
        ("/v1/ticker", {}, 400),
        ("/v1/orderbook", {"markets": "KRW-BTC", "count": "x"}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "days_ago": "9"}, 400),
    ],
)
async def test_quotation_errors_have_integer_names(desk: Desk, path: str, query: dict[str, str], status: int) -> None:
    """The name of a quotation error is its status."""
    answered, body, _ = await desk.call("GET", path, query)
    assert (answered, body["error"]["name"]) == (status, status)
    assert desk.box.violations == {str(status): 1}


async def test_tickers_by_comma_by_repetition_and_all(desk: Desk) -> None:
    """Both list spellings work, and all of a quote currency."""
    both = ["KRW-BTC", "KRW-XRP"]
    for query in ({"markets": ",".join(both)}, {"markets": both}):
        assert [ticker["market"] for ticker in await desk.get("/v1/ticker", **query)] == both
    assert [ticker["market"] for ticker in await desk.get("/v1/ticker/all", quote_currencies="KRW")] == both


async def test_a_ticker_agrees_with_the_candles(desk: Desk) -> None:
    """The last price is the last minute's close, the opening price the day's open."""
    desk.pass_time(90)
    ticker = (await desk.get("/v1/ticker", markets="KRW-BTC"))[0]
    minute = (await desk.get("/v1/candles/minutes/1", market="KRW-BTC"))[0]
    day = (await desk.get("/v1/candles/days", market="KRW-BTC"))[0]
    assert ticker["trade_price"] == minute["trade_price"]
    assert ticker["opening_price"] == day["opening_price"]
    assert ticker["trade_timestamp"] == START_MS + 90_000
    assert ticker["change_price"] == abs(ticker["signed_change_price"])


async def test_trades_page_by_cursor(desk: Desk) -> None:
    """Newest first, and a cursor gives strictly older trades."""
    desk.pass_time(5)
    newest = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=3)
    ids = [trade["sequential_id"] for trade in newest]
    assert ids == sorted(set(ids), reverse=True)
    older = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=3, cursor=ids[-1])
    assert all(trade["sequential_id"] < ids[-1] for trade in older)
    assert newest[0]["ask_bid"] == "BID"


async def test_books_honour_count_and_level(desk: Desk) -> None:
    """At most thirty levels, best first; an unsupported grouping gives an empty list."""
    book = (await desk.get("/v1/orderbook", markets="KRW-BTC", count=99))[0]
    units = book["orderbook_units"]
    assert (len(units), units[0]["ask_price"], units[0]["bid_price"]) == (30, PRICE, PRICE - 1000)
    assert len((await desk.get("/v1/orderbook", markets="KRW-BTC", count=5))[0]["orderbook_units"]) == 5
    assert await desk.get("/v1/orderbook", markets="KRW-BTC", level="777") == []
    assert (await desk.get("/v1/orderbook/instruments", markets="KRW-XRP"))[0]["tick_size"] == "1"


# -- orders and balances


async def test_a_market_buy_from_order_to_balance(desk: Desk) -> None:
    """Answered waiting, filled right afterwards, refunded to the last digit."""
    order = await desk.place(**BUY, identifier="mine")
    assert (order["state"], order["executed_volume"], order["locked"]) == ("wait", "0", "6003")
    assert order["created_at"] == "2026-11-24T18:00:00+09:00"
    done = await desk.settled(order)
    assert (done["state"], done["executed_volume"], done["paid_fee"]) == ("cancel", "0.00003736", "2.99989592")
    (fill,) = done["trades"]
    assert (fill["funds"], fill["trend"], fill["side"]) == ("5999.79184", "up", "bid")
    assert fill["created_at"] == "2026-11-24T18:00:00.000000+09:00"
    assert (await desk.get("/v1/order", identifier="mine"))["uuid"] == order["uuid"]
    krw, btc = await desk.get("/v1/accounts")
    assert (krw["balance"], krw["locked"], krw["avg_buy_price"]) == ("993997.20826408", "0", "0")
    assert (btc["currency"], btc["balance"], btc["avg_buy_price"]) == ("BTC", "0.00003736", str(PRICE))
    assert not desk.box.violations


async def test_orders_beyond_the_book_are_refused(desk: Desk) -> None:
    """A market order larger than the thirty levels is not taken."""
    desk.box.exchange.deposit("BTC", Decimal(31))
    status, body = await desk.post({"market": "KRW-BTC", "side": "ask", "ord_type": "market", "volume": "30.5"})
    assert (status, isinstance(body["error"]["name"], str)) == (400, True)


async def test_a_test_order_changes_nothing(desk: Desk) -> None:
    """The same shape and checks, no money and no order; the identifier is used up, which is the harder reading."""
    status, order = await desk.post({"market": "KRW-BTC", **BUY, "identifier": "t"}, "/v1/orders/test")
    assert (status, order["state"], order["identifier"]) == (201, "wait", "t")
    assert (await desk.call("GET", "/v1/order", {"uuid": order["uuid"]}))[0] == 404
    assert (await desk.get("/v1/accounts"))[0]["balance"] == "1000000"
    status, body = await desk.post({"market": "KRW-BTC", **BUY, "identifier": "t"})
    assert (status, body["error"]["name"]) == (400, "duplicated_identifier")
    status, body = await desk.post(
        {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "1"}, "/v1/orders/test"
    )
    assert (status, body["error"]["name"]) == (400, "under_min_total_market_bid")


async def test_looking_for_an_unknown_order_is_no_violation(desk: Desk) -> None:
    """A lookup that finds nothing is an answer; cancelling nothing is a mistake."""
    assert (await desk.call("GET", "/v1/order", {"identifier": "never"}))[1]["error"]["name"] == "order_not_found"
    assert not desk.box.violations
    assert (await desk.call("DELETE", "/v1/order", {"uuid": "never"}))[0] == 404
    assert desk.box.violations == {"order_not_found": 1}
    assert (await desk.call("GET", "/v1/order"))[1]["error"]["name"] == "invalid_parameter"


async def test_the_uuid_wins_over_the_identifier(desk: Desk) -> None:
    """With both given the uuid decides."""
    first, second = await desk.place(**RESTING, identifier="a"), await desk.place(**RESTING, identifier="b")
    assert (await desk.get("/v1/order", uuid=first["uuid"], identifier="b"))["uuid"] == first["uuid"]
    found = await desk.get("/v1/orders/uuids", identifiers__=["a", "b", "c"], order_by="asc")
    assert [order["uuid"] for order in found] == [first["uuid"], second["uuid"]]


async def test_open_orders_page_until_empty(desk: Desk) -> None:
    """Newest first, page by page, and nothing past the end."""
    placed = [(await desk.place(**RESTING))["uuid"] for _ in range(5)]
    pages = [await desk.get("/v1/orders/open", page=page, limit=2) for page in (1, 2, 3, 4)]
    assert [order["uuid"] for page in pages for order in page] == placed[::-1]
    assert pages[3] == []
    assert await desk.get("/v1/orders/open", market="KRW-XRP") == []
    assert all("trades" not in order for order in pages[0])


async def test_the_older_list_pages_every_state(desk: Desk) -> None:
    """The deprecated list still answers, waiting orders by default."""
    waiting, gone = await desk.place(**RESTING), await desk.settled(await desk.place(**BUY))
    assert [order["uuid"] for order in await desk.get("/v1/orders")] == [waiting["uuid"]]
    assert [order["uuid"] for order in await desk.get("/v1/orders", state="cancel", page=1)] == [gone["uuid"]]


async def test_a_cancel_gives_the_money_back(desk: Desk) -> None:
    """The answer still shows it waiting; then the lock is gone and a second cancel finds nothing."""
    order = await desk.place(**RESTING)
    status, body, _ = await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]})
    assert (status, body["state"]) == (200, "wait")
    assert (await desk.settled(order))["state"] == "cancel"
    assert (await desk.get("/v1/accounts"))[0]["balance"] == "1000000"
    assert (await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]}))[0] == 404


async def test_closed_orders_come_in_windows_of_a_week(desk: Desk) -> None:
    """By creation time, ISO or milliseconds, at most seven days, never two spellings of the states."""
    order = await desk.settled(await desk.place(**BUY))
    at = START + timedelta(seconds=1)
    for moment in (at.isoformat(), str(int(at.timestamp() * 1000))):
        found = await desk.get("/v1/orders/closed", end_time=moment, states__=["done", "cancel"])
        assert [entry["uuid"] for entry in found] == [order["uuid"]]
    late = await desk.get("/v1/orders/closed", start_time=at.isoformat())
    assert late == []
    desk.source.quiet = True
    desk.pass_time(8 * 86_400)
    assert await desk.get("/v1/orders/closed") == []
    for query in (
        {"start_time": START_MS, "end_time": START_MS + 7 * 86_400_000 + 1},
        {"state": "done", "states[]": "cancel"}, {"limit": 1001}, {"start_time": "soon"}, {"state": "wait"},
    ):  # fmt: skip
        assert (await desk.call("GET", "/v1/orders/closed", query))[1]["error"]["name"] == "invalid_parameter"


async def test_cancelling_several_at_once(desk: Desk) -> None:
    """By id and by market, each answer says what worked and what did not."""
    first, second = [await desk.place(**RESTING) for _ in range(2)]
    status, body, _ = await desk.call("DELETE", "/v1/orders/uuids", {"uuids[]": [first["uuid"], "unknown"]})
    assert (status, body["success"]["count"], body["failed"]["count"]) == (200, 1, 1)
    _, body, _ = await desk.call("DELETE", "/v1/orders/open", {"pairs": "KRW-BTC"})
    assert second["uuid"] in [order["uuid"] for order in body["success"]["orders"]]
    desk.pass_time(2)
    status, body, _ = await desk.call("DELETE", "/v1/orders/open", {"pairs": "KRW-BTC", "quote_currencies": "KRW"})
    assert (status, body["error"]["name"]) == (400, "invalid_parameter")


async def test_a_cancel_with_a_successor(desk: Desk) -> None:
    """The old order is shown waiting; once it is cancelled the new one exists under the announced uuid."""
    old = await desk.place(**RESTING, identifier="one")
    body = {
        "prev_order_identifier": "one",
        "new_ord_type": "limit",
        "new_volume": "remain_only",
        "new_price": "90000000",
        "new_identifier": "two",
    }
    status, answer = await desk.post(body, "/v1/orders/cancel_and_new")
    assert (status, answer["uuid"], answer["state"]) == (201, old["uuid"], "wait")
    new = await desk.settled({"uuid": answer["new_order_uuid"]})
    assert (new["volume"], new["price"], new["identifier"]) == (old["volume"], "90000000", "two")
    assert (await desk.get("/v1/order", uuid=old["uuid"]))["state"] == "cancel"
    assert [order["uuid"] for order in await desk.get("/v1/orders/open")] == [new["uuid"]]


async def test_the_order_policy(desk: Desk) -> None:
    """Fees, minimum and both balances of a market."""
    policy = await desk.get("/v1/orders/chance", market="KRW-BTC")
    assert (policy["bid_fee"], policy["market"]["bid"]["min_total"]) == ("0.0005", "5000")
    assert (policy["bid_account"]["balance"], policy["ask_account"]["balance"]) == ("1000000", "0")
    assert (await desk.call("GET", "/v1/orders/chance", {"market": "KRW-NONE"}))[1]["error"]["name"] == "notfoundmarket"


async def test_the_keys_of_the_account(desk: Desk) -> None:
    """Key expiry is a Korean time."""
    assert await desk.get("/v1/api_keys") == [
        {"access_key": desk.options.access_key, "expire_at": "2027-11-24T18:00:00+09:00"}
    ]


async def test_public_trades_fill_a_resting_order(desk: Desk) -> None:
    """A trade below our bid fills it, through the whole server."""
    order = await desk.place(side="bid", ord_type="limit", price=str(PRICE - 2000), volume="0.001")
    await desk.settled(order)
    dip = PublicTrade("KRW-BTC", Decimal(PRICE - 3000), Decimal(1), START_MS + 100, "ASK", 1)
    desk.source.planned.append(dip)
    desk.pass_time(1)
    assert (await desk.get("/v1/order", uuid=order["uuid"]))["state"] == "done"


async def test_concurrent_orders_never_spend_the_same_won(desk: Desk) -> None:
    """Of ten simultaneous orders over the whole balance only one is taken."""
    body: dict[str, Any] = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "900000"}
    statuses = [status for status, _ in await asyncio.gather(*(desk.post(body) for _ in range(10)))]
    assert sorted(statuses) == [201] + [400] * 9
    assert desk.box.violations == {"insufficient_funds_bid": 9}


async def test_the_webhook_keeps_messages_in_order(desk: Desk) -> None:
    """Discord's endpoint answers 204, or the message when asked to wait, and violates nothing."""
    url = desk.box.url + "/api/webhooks/1/token"
    async with desk.session.post(url, json={"content": "first"}) as response:
        assert response.status == 204
    async with desk.session.post(url + "?wait=true", json={"embeds": [{"title": "second"}]}) as response:
        assert (response.status, (await response.json())["id"]) == (200, "2")
    async with desk.session.post(url, json={}) as response:
        assert response.status == 400
    assert desk.box.discord.messages == [{"content": "first"}, {"embeds": [{"title": "second"}]}]
    assert not desk.box.violations
