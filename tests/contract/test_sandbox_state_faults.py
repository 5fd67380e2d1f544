"""Faults of orders, of the exchange itself, and the person beside the bot: each does what it says and no more."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.helpers.fault_desk import FaultyDesk, Rule, play

BUY: Rule = {"side": "bid", "ord_type": "price", "price": "100000"}


def test_a_stuck_order_waits_with_its_money_locked_and_is_filled_later() -> None:
    """It shows as `wait`, without fills, for as long as the rule says."""

    async def story(desk: FaultyDesk) -> None:
        order = await desk.place(**BUY)
        await asyncio.sleep(29)
        waiting = await desk.get("/v1/order", uuid=order["uuid"])
        assert (waiting["state"], waiting["trades"]) == ("wait", [])
        await asyncio.sleep(2)
        assert len((await desk.get("/v1/order", uuid=order["uuid"]))["trades"]) == 1

    play(story, {"fault": "stuck", "seconds": 30, "on": {"sides": ["bid"]}})


def test_a_partial_order_gets_its_share_and_the_rest_is_cancelled() -> None:
    """A market buy spends a quarter, a market sell gives a quarter; both end as `cancel` with their locks released."""

    async def story(desk: FaultyDesk) -> None:
        bought = await desk.settled(await desk.place(**BUY))
        spent = sum(Decimal(trade["funds"]) for trade in bought["trades"])
        assert bought["state"] == "cancel"
        assert Decimal(24_999) < spent <= Decimal(25_000)
        volume = Decimal(bought["executed_volume"])
        sold = await desk.settled(await desk.place(side="ask", ord_type="market", volume=str(volume)))
        assert sold["state"] == "cancel"
        assert abs(Decimal(sold["executed_volume"]) - volume / 4) < Decimal("1e-8")
        assert all(locked == 0 for _, locked in desk.box.balances().values())

    play(story, {"fault": "partial", "share": 0.25})


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ({"expired": True}, "expired_access_key"),
        ({"deleted": True}, "invalid_access_key"),
        ({"ips": ["203.0.113.9"]}, "no_authorization_ip"),
        ({"permissions": ["view_account"]}, "out_of_scope"),
    ],
)
def test_a_key_stops_working_for_a_while(terms: Rule, name: str) -> None:
    """Expired, deleted, bound to another address, or without a permission; afterwards it works as before."""

    async def story(desk: FaultyDesk) -> None:
        await desk.get("/v1/api_keys")
        await asyncio.sleep(61)
        status, told, _ = await desk.call("GET", "/v1/orders/open")
        assert (status, told["error"]["name"]) == (401, name)
        await asyncio.sleep(61)
        assert await desk.get("/v1/orders/open") == []

    play(story, {"fault": "key", "minutes": [1, 2]} | terms)


def test_a_halt_stops_trades_and_orders_of_its_markets_and_of_no_other() -> None:
    """`market_offline`, and the last trade stays the last."""

    async def story(desk: FaultyDesk) -> None:
        await asyncio.sleep(30)
        (before,) = await desk.get("/v1/ticker", markets="KRW-BTC")
        status, told = await desk.post({"market": "KRW-BTC"} | BUY)
        assert (status, told["error"]["name"]) == (403, "market_offline")
        assert (await desk.post({"market": "KRW-XRP"} | BUY | {"price": "6000"}))[0] == 201
        await asyncio.sleep(25)
        (after,) = await desk.get("/v1/ticker", markets="KRW-BTC")
        assert after["trade_timestamp"] == before["trade_timestamp"]
        await asyncio.sleep(10)
        await desk.place(**BUY)

    play(story, {"fault": "halted", "markets": ["KRW-BTC"], "minutes": [0.25, 1]})


def test_flags_appear_in_the_list_and_go_again() -> None:
    """Warning and caution, while the rule lasts."""

    async def story(desk: FaultyDesk) -> None:
        async def event() -> Any:
            markets = await desk.get("/v1/market/all", is_details="true")
            return next(row["market_event"] for row in markets if row["market"] == "KRW-BTC")

        calm = await event()
        await asyncio.sleep(61)
        flagged = await event()
        assert flagged["warning"] is True
        assert [name for name, on in flagged["caution"].items() if on] == ["PRICE_FLUCTUATIONS"]
        await asyncio.sleep(60)
        assert await event() == calm

    rule = {"fault": "flagged", "markets": ["KRW-BTC"], "warning": True, "caution": ["PRICE_FLUCTUATIONS"]}
    play(story, rule | {"minutes": [1, 2]})


def test_a_delisting_is_announced_then_trading_ends_then_the_market_is_gone() -> None:
    """The date stands in the ticker stream; resting orders are cancelled; in the end nobody knows the market."""

    async def story(desk: FaultyDesk) -> None:
        async def told() -> Any:
            async with desk.session.ws_connect(desk.box.url + "/websocket/v1") as socket:
                await socket.send_str('[{"ticket":"t"},{"type":"ticker","codes":["KRW-XRP"],"is_only_snapshot":true}]')
                return json.loads((await socket.receive()).data)

        bid = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "price": "900", "volume": "10"}
        status, order = await desk.post(bid)
        assert status == 201
        async with desk.session.ws_connect(desk.box.url + "/websocket/v1/private", headers=desk.token()) as private:
            await private.send_str('[{"ticket":"t"},{"type":"announcement"}]')
            notice = json.loads((await private.receive()).data)
            assert (notice["category"], notice["title"]) == ("trade", "XRP 거래지원 종료 안내 (2026-11-24)")
        await asyncio.sleep(30)
        frame = await told()
        assert (frame["market_state"], frame["delisting_date"]) == ("ACTIVE", {"year": 2026, "month": 11, "day": 24})
        await asyncio.sleep(60)
        assert (await told())["market_state"] == "DELISTED"
        assert (await desk.get("/v1/order", uuid=order["uuid"]))["state"] == "cancel"
        assert (await desk.post(bid))[1]["error"]["name"] == "market_offline"
        await asyncio.sleep(60)
        assert "KRW-XRP" not in [row["market"] for row in await desk.get("/v1/market/all")]
        assert (await desk.call("GET", "/v1/ticker", {"markets": "KRW-XRP"}))[0] == 404
        assert (await desk.post(bid))[1]["error"]["name"] == "notfoundmarket"

    play(story, {"fault": "delisted", "markets": ["KRW-XRP"], "minutes": [1, None], "ends": 2, "gone": 3})


def test_a_gap_moves_trades_books_and_new_candles_and_a_spike_only_one_trade() -> None:
    """A gap can be traded on; a wild trade is a price nobody can get."""

    async def look(desk: FaultyDesk) -> tuple[int, int, int]:
        (ticker,), (book,) = (
            await desk.get("/v1/ticker", markets="KRW-BTC"),
            await desk.get("/v1/orderbook", markets="KRW-BTC"),
        )
        unit = book["orderbook_units"][0]
        return int(ticker["trade_price"]), int(unit["ask_price"]), int(unit["bid_price"])

    async def gap(desk: FaultyDesk) -> None:
        price, ask, bid = await look(desk)
        await asyncio.sleep(31)
        lower = await look(desk)
        assert lower == (round(price * 0.9 / 1000) * 1000, round(ask * 0.9 / 1000) * 1000, lower[2])
        assert lower[2] < lower[1]
        order = await desk.settled(await desk.place(**BUY))
        assert Decimal(order["trades"][0]["price"]) == lower[1]
        await asyncio.sleep(30)
        assert await look(desk) == (price, ask, bid)

    async def spike(desk: FaultyDesk) -> None:
        desk.source.quiet = True
        price, ask, bid = await look(desk)
        await asyncio.sleep(31)
        assert await look(desk) == (round(price * 1.3 / 1000) * 1000, ask, bid)

    play(gap, {"fault": "gap", "markets": ["KRW-BTC"], "percent": -10, "minutes": [0.5, 1]})
    play(spike, {"fault": "spike", "markets": ["KRW-BTC"], "percent": 30, "minutes": [0.5, None]})


def test_thin_books_have_few_levels_and_refuse_what_they_cannot_fill() -> None:
    """One level with a thousandth of its size is too small for 1,000,000 won."""

    async def story(desk: FaultyDesk) -> None:
        (book,) = await desk.get("/v1/orderbook", markets="KRW-BTC")
        assert [unit["ask_size"] for unit in book["orderbook_units"]] == [Decimal("0.001")]
        status, told = await desk.post({"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "900000"})
        assert (status, told["error"]["name"]) == (400, "over_max_total_price_bid")

    play(story, {"fault": "thin", "levels": 1, "share": 0.001})


def test_a_skewed_clock_shows_in_the_date_and_in_every_time_the_exchange_tells() -> None:
    """Half a minute ahead, then right again."""

    async def story(desk: FaultyDesk) -> None:
        async with desk.session.get(desk.box.url + "/v1/ticker?markets=KRW-BTC") as answer:
            assert answer.headers["Date"] == "Tue, 24 Nov 2026 09:00:30 GMT"
            (ticker,) = await answer.json()
            assert ticker["timestamp"] // 1000 == int(desk.clock().timestamp()) + 30
        await asyncio.sleep(61)
        async with desk.session.get(desk.box.url + "/v1/ticker?markets=KRW-BTC") as answer:
            assert answer.headers["Date"] == "Tue, 24 Nov 2026 09:01:01 GMT"

    play(story, {"fault": "skewed", "seconds": 30, "minutes": [0, 1]})


def test_a_shut_port_refuses_new_connections_and_lets_open_ones_go_on() -> None:
    """ECONNREFUSED, and the same address again when it is over."""

    async def story(desk: FaultyDesk) -> None:
        async with desk.session.ws_connect(desk.box.url + "/websocket/v1") as socket:
            await asyncio.sleep(31)
            with pytest.raises(aiohttp.ClientConnectorError):
                await desk.session.get(desk.box.url + "/v1/market/all")
            await socket.send_str("PING")
            assert json.loads((await socket.receive()).data) == {"status": "UP"}
        await asyncio.sleep(31)
        assert len(await desk.get("/v1/market/all")) == 5

    play(story, {"fault": "refusing", "minutes": [0.5, 1]})


def test_the_person_trades_and_moves_money_and_the_sandbox_knows_what_that_did() -> None:
    """Deposit, buy, lock, unlock, sell, withdraw: the flows are the whole change of the balances."""

    async def story(desk: FaultyDesk) -> None:
        before = desk.box.balances()
        await asyncio.sleep(4 * 60)
        locked = desk.box.balances()
        assert locked["BTC"][0] == 0 < locked["BTC"][1]
        await asyncio.sleep(8 * 60)
        after, faults = desk.box.balances(), desk.box.faults
        assert faults is not None
        assert faults.person.refused == []
        changed = {name: sum(parts) - sum(before.get(name, (0, 0))) for name, parts in after.items()}
        assert {name: amount for name, amount in changed.items() if amount} == faults.flows()
        assert faults.flows()["KRW"] != 0

    def user(minute: float, act: str, **terms: object) -> Rule:
        return {"fault": "user", "minutes": [minute, None], "act": act} | terms

    play(
        story,
        user(1, "deposit", amount=500_000),
        user(2, "buy", market="KRW-BTC", amount=300_000),
        user(3, "lock", market="held", share=1),
        user(5, "unlock"),
        user(6, "lock", share=0.5),
        user(7, "sell", market="held", share=0.5),
        user(8, "withdraw", market="KRW-BTC", share=0.5),
        user(9, "deposit", market="KRW-XRP", amount=12.5),
        user(10, "withdraw", share=0.25),
    )


def test_what_the_person_may_not_do_is_told_and_changes_nothing() -> None:
    """Selling what is not there is refused like anybody's order."""

    async def story(desk: FaultyDesk) -> None:
        await asyncio.sleep(61)
        assert desk.box.faults is not None
        (told,) = desk.box.faults.person.refused
        assert told.startswith("sell KRW-BTC")
        assert desk.box.faults.flows() == {}

    play(story, {"fault": "user", "minutes": [1, None], "act": "sell", "market": "KRW-BTC", "amount": 1})
