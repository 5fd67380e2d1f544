"""Faults of requests, and how plans are changed: each does what it says, when it says so, and no more."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest

from tests.helpers.fault_desk import FaultyDesk, Rule, play

ORDERS = {"methods": ["POST"], "paths": ["/v1/orders"]}
BUY: Rule = {"side": "bid", "ord_type": "price", "price": "100000"}
REFUSALS = (aiohttp.ClientConnectionError, TimeoutError)


async def orders_of(desk: FaultyDesk) -> list[str]:
    """Return the states of all orders, oldest first, once nothing is in flight."""
    while desk.box.exchange.in_flight:  # noqa: ASYNC110  # the exchange has no event for it
        await asyncio.sleep(0.01)
    return [order.state for order in desk.box.exchange.orders.values()]


async def lost_order(desk: FaultyDesk, error: type[Exception]) -> None:
    """Send an order whose answer must not arrive."""
    with pytest.raises(error):
        await desk.post({"market": "KRW-BTC", "identifier": "i1"} | BUY)


@pytest.mark.parametrize("accepted", [True, False])
def test_a_lost_answer_is_a_reset_connection_and_the_order_exists_or_does_not(*, accepted: bool) -> None:
    """The client cannot tell the two apart; only looking the order up can."""

    async def story(desk: FaultyDesk) -> None:
        await lost_order(desk, aiohttp.ClientOSError)
        assert await orders_of(desk) == ["cancel"] * accepted

    play(story, {"fault": "lost", "accepted": accepted, "on": ORDERS})


def test_a_silent_answer_never_comes_and_the_server_does_not_keep_the_dead_connection() -> None:
    """The client's time-out ends it; the order was taken."""

    async def story(desk: FaultyDesk) -> None:
        await lost_order(desk, TimeoutError)
        assert len(await orders_of(desk)) == 1

    play(story, {"fault": "lost", "accepted": True, "how": "silence", "on": ORDERS})


def test_a_late_order_is_placed_minutes_after_the_client_gave_up() -> None:
    """Not found for a long time, and then it is there."""

    async def story(desk: FaultyDesk) -> None:
        await lost_order(desk, TimeoutError)
        assert await orders_of(desk) == []
        await asyncio.sleep(100)
        assert await orders_of(desk) == []
        await asyncio.sleep(100)
        assert await orders_of(desk) == ["cancel"]

    play(story, {"fault": "late", "after_s": 200, "on": ORDERS})


@pytest.mark.parametrize("accepted", [True, False])
def test_a_slow_answer_comes_after_the_order_or_with_it(*, accepted: bool) -> None:
    """The request is carried out before the wait, or after it."""

    async def story(desk: FaultyDesk) -> None:
        began = desk.clock()
        async with asyncio.TaskGroup() as tasks:
            sent = tasks.create_task(desk.place(**BUY))
            await asyncio.sleep(1)
            assert len(await orders_of(desk)) == accepted
        assert (desk.clock() - began).total_seconds() >= 3
        assert sent.result()["state"] == "wait"

    play(story, {"fault": "slow", "seconds": 3, "accepted": accepted, "on": ORDERS})


BODIES = [
    ("html", 502, "text/html", b"<h1>502</h1>"),
    ("portal", 200, "text/html", b"accept the terms"),
    ("plain", 429, "text/plain", b"Too many API requests."),
    ("empty", 200, "application/json", b""),
    ("json", 500, "application/json", b'"internal_server_error"'),
    ("wrong", 200, "application/json", b'{"result":"ok"'),
]


@pytest.mark.parametrize(("body", "status", "kind", "part"), BODIES)
def test_another_answer_has_the_status_and_the_body_of_the_rule(body: str, status: int, kind: str, part: bytes) -> None:
    """Whatever a gateway, a proxy or a portal may say instead of the exchange."""

    async def story(desk: FaultyDesk) -> None:
        async with desk.session.get(desk.box.url + "/v1/market/all") as answer:
            assert (answer.status, answer.content_type) == (status, kind)
            content = await answer.read()
            assert part in content if part else not content
            assert answer.headers["Remaining-Req"] == "group=market; min=600; sec=0"

    play(story, {"fault": "answered", "status": status, "body": body})


def test_a_gateway_without_a_route_says_so_without_limits() -> None:
    """404 of the gateway: a string name and no `Remaining-Req`."""

    async def story(desk: FaultyDesk) -> None:
        status, told, headers = await desk.call("GET", "/v1/order", {"uuid": "x"})
        assert (status, told["error"]["message"]) == (404, "no Route matched with those values")
        assert "Remaining-Req" not in headers

    play(story, {"fault": "answered", "body": "no_route"})


def test_a_cut_body_is_half_the_true_one_and_a_truncated_one_does_not_even_end() -> None:
    """Well framed, or with the connection ending in the middle."""

    async def cut(desk: FaultyDesk) -> None:
        async with desk.session.get(desk.box.url + "/v1/market/all") as answer:
            content = await answer.read()
        assert content.startswith(b'[{"market":"KRW-BTC"')
        with pytest.raises(ValueError, match=r"Unterminated|Expecting|unexpected end"):
            json.loads(content)

    async def truncated(desk: FaultyDesk) -> None:
        async with desk.session.get(desk.box.url + "/v1/market/all") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

    play(cut, {"fault": "answered", "status": 200, "body": "cut", "accepted": True})
    play(truncated, {"fault": "answered", "status": 200, "body": "truncated", "accepted": True})


def test_a_refusal_is_spelled_as_its_side_spells_it_and_a_block_says_for_how_long() -> None:
    """Names are integers for limits on the quotation side and strings on the other; nothing was placed."""

    async def story(desk: FaultyDesk) -> None:
        status, told, _ = await desk.call("GET", "/v1/market/all", headers={})
        assert (status, told["error"]["name"]) == (418, 418)
        assert told["error"]["message"].endswith("Try again after 60 seconds.")
        status, told = await desk.post({"market": "KRW-BTC"} | BUY)
        assert (status, told["error"]["name"]) == (418, "rate_limit_exceeded_penalty")
        assert await orders_of(desk) == []
        assert not desk.box.violations
        await asyncio.sleep(61)
        await desk.place(**BUY)

    play(story, {"fault": "refused", "error": "rate_limit_exceeded_penalty", "minutes": [0, 1]})


def test_a_refusal_may_be_the_echo_of_an_order_that_was_taken() -> None:
    """`nonce_used` tells that some copy of this very request arrived."""

    async def story(desk: FaultyDesk) -> None:
        status, told = await desk.post({"market": "KRW-BTC"} | BUY)
        assert (status, told["error"]["name"]) == (401, "nonce_used")
        assert len(await orders_of(desk)) == 1

    play(story, {"fault": "refused", "error": "nonce_used", "accepted": True, "on": ORDERS})


def test_rules_strike_only_what_fits_them_and_as_often_as_they_say() -> None:
    """Method, path, group, market and side; the nth; at most so many times."""

    async def story(desk: FaultyDesk) -> None:
        async def status_of(**body: str) -> int:
            return (await desk.post({"market": "KRW-BTC"} | body))[0]

        sell = {"side": "ask", "ord_type": "market", "volume": "0.00001"}
        assert [await status_of(**BUY), await status_of(**sell), await status_of(**BUY)] == [201, 400, 429]
        assert [await status_of(**BUY), await status_of(**BUY), await status_of(**BUY)] == [201, 429, 201]
        assert (await desk.call("GET", "/v1/orders/chance", {"market": "KRW-XRP"}))[0] == 500
        assert (await desk.call("GET", "/v1/orders/chance", {"market": "KRW-BTC"}))[0] == 200
        assert (await desk.call("GET", "/v1/candles/minutes/1", {"market": "KRW-BTC"}))[0] == 503
        assert (await desk.call("GET", "/v1/ticker", {"markets": "KRW-BTC"}))[0] == 200
        assert desk.box.faults is not None
        assert desk.box.faults.struck() == {"refused": 2, "answered": 2}

    play(
        story,
        {
            "fault": "refused",
            "error": "too_many_requests",
            "on": ORDERS | {"sides": ["bid"]},
            "nth": [2, 4, 5],
            "count": 2,
        },
        {"fault": "answered", "status": 500, "body": "json", "on": {"markets": ["KRW-XRP"]}},
        {"fault": "answered", "status": 503, "body": "json", "on": {"groups": ["candle"]}},
    )


def strikes(seed: int, plan_seed: int) -> str:
    """Return which of forty requests a rule of chance strikes."""
    found: list[str] = []

    async def story(desk: FaultyDesk) -> None:
        for _ in range(40):
            status, _, _ = await desk.call("GET", "/v1/market/all", headers={})
            found.append("x" if status == 503 else ".")
            await asyncio.sleep(0.2)

    rule = {"fault": "answered", "status": 503, "body": "json", "probability": 0.3}
    play(story, rule, seed=seed, plan_seed=plan_seed)
    return "".join(found)


def test_chance_is_a_function_of_the_seeds() -> None:
    """The same seeds strike the same requests; another seed of the market or of the plan strikes others."""
    assert strikes(1, 1) == strikes(1, 1)
    assert len({strikes(1, 1), strikes(2, 1), strikes(1, 2)}) == 3
    assert 4 <= strikes(1, 1).count("x") <= 22


def test_balances_lag_behind_a_fill_and_arrive_in_the_end() -> None:
    """For some seconds after a fill the account shows what it showed before."""

    async def story(desk: FaultyDesk) -> None:
        before = await desk.get("/v1/accounts")
        await orders_of(desk)
        await desk.place(**BUY)
        await orders_of(desk)
        await asyncio.sleep(1)
        assert await desk.get("/v1/accounts") == before
        await asyncio.sleep(5)
        after = {row["currency"]: row for row in await desk.get("/v1/accounts")}
        assert set(after) == {"KRW", "BTC"}

    play(story, {"fault": "stale", "seconds": 5})


def test_a_new_order_is_not_found_for_a_while_and_stands_in_no_list() -> None:
    """By uuid, by identifier, and in the list of closed orders."""

    async def story(desk: FaultyDesk) -> None:
        order = await desk.place(**BUY, identifier="mine")
        await orders_of(desk)
        for name in ({"uuid": order["uuid"]}, {"identifier": "mine"}):
            status, told, _ = await desk.call("GET", "/v1/order", name)
            assert (status, told["error"]["name"]) == (404, "order_not_found")
        assert await desk.get("/v1/orders/closed") == []
        await asyncio.sleep(10)
        assert (await desk.get("/v1/order", identifier="mine"))["uuid"] == order["uuid"]
        assert len(await desk.get("/v1/orders/closed")) == 1

    play(story, {"fault": "unseen", "seconds": [5, 9]})


def test_a_webhook_fails_in_the_words_of_discord() -> None:
    """429 with `retry_after`, 404 for one that is gone, and otherwise a delivery."""

    async def story(desk: FaultyDesk) -> None:
        async def deliver() -> tuple[int, Any]:
            url = desk.box.url + "/api/webhooks/1/token?wait=true"
            async with desk.session.post(url, json={"content": "hello"}) as answer:
                return answer.status, await answer.json()

        status, told = await deliver()
        assert (status, told["retry_after"]) == (429, 7.5)
        status, told = await deliver()
        assert (status, told["code"]) == (404, 10015)
        assert (await deliver())[0] == 200
        assert desk.box.discord.received == 1

    webhook = {"groups": ["webhook"]}
    play(
        story,
        {"fault": "refused", "error": "too_many_requests", "retry_after_s": 7.5, "on": webhook, "nth": [1]},
        {"fault": "refused", "error": "not_found", "on": webhook, "nth": [1]},
    )


def test_an_altered_answer_is_well_formed_and_not_true_and_the_request_was_carried_out() -> None:
    """A field, a row or the whole answer is another; the next answer is true again."""

    async def story(desk: FaultyDesk) -> None:
        placed = await desk.settled(await desk.place(**BUY))
        assert (placed["state"], placed["executed_volume"], placed["trades"]) == ("cancel", "0", [])
        true = await desk.get("/v1/order", uuid=placed["uuid"])
        assert float(true["executed_volume"]) > 0
        assert await desk.get("/v1/accounts") == []
        assert len(await desk.get("/v1/accounts")) == 2
        async with desk.session.get(desk.box.url + "/v1/ticker?markets=KRW-BTC") as answer:
            assert (answer.status, (await answer.json())["error"]["name"]) == (400, "something_new")

    play(
        story,
        {"fault": "altered", "say": "cancelled with nothing", "on": {"paths": ["/v1/order"]}, "count": 1},
        {"fault": "altered", "say": "empty", "on": {"paths": ["/v1/accounts"]}, "count": 1},
        {"fault": "altered", "say": "400 unknown name", "on": {"paths": ["/v1/ticker"]}, "count": 1},
    )


def test_a_plan_without_rules_changes_not_a_byte() -> None:
    """The same seed gives the same answers with the machinery in place and without."""

    async def answers(desk: FaultyDesk) -> str:
        seen = hashlib.sha256()
        for _ in range(20):
            order = await desk.settled(await desk.place(**BUY | {"price": "6000"}))
            seen.update(json.dumps(order, default=str).encode())
            seen.update(json.dumps(await desk.get("/v1/ticker", markets="KRW-BTC"), default=str).encode())
            await asyncio.sleep(1)
        return seen.hexdigest()

    found = []

    async def story(desk: FaultyDesk) -> None:
        found.append(await answers(desk))

    async def bare(desk: FaultyDesk) -> None:
        assert desk.box.faults is not None
        desk.box.faults.stop()
        found.append(await answers(desk))

    play(story)
    play(bare, {"fault": "stuck"})
    assert found[0] == found[1]


def test_plans_can_be_changed_over_http_where_that_was_asked_for() -> None:
    """Put in force, looked at, taken back; with the rules clients broke beside it."""

    async def story(desk: FaultyDesk) -> None:
        plan = {"description": "down", "rules": [{"fault": "answered", "status": 503, "body": "json"}]}
        url = desk.box.url + "/admin/"
        async with desk.session.post(url + "faults", json=plan) as answer:
            assert answer.status == 200
        assert (await desk.call("GET", "/v1/market/all", headers={}))[0] == 503
        async with desk.session.get(url + "faults") as answer:
            report = await answer.json()
        assert (report["description"], report["rules"][0]["struck"]) == ("down", 1)
        async with desk.session.delete(url + "faults") as answer:
            assert (await answer.json())["description"] is None
        assert (await desk.call("GET", "/v1/market/nothing", headers={}))[0] == 404
        async with desk.session.get(url + "violations") as answer:
            assert await answer.json() == {"not_found": 1}

    play(story, admin=True)


def test_the_admin_endpoint_refuses_web_pages_wrong_plans_and_unknown_paths() -> None:
    """A browser sends an Origin; a wrong plan is named by its place, and the one in force stays."""

    async def story(desk: FaultyDesk) -> None:
        url = desk.box.url + "/admin/faults"
        async with desk.session.get(url, headers={"Origin": "https://example.com"}) as answer:
            assert answer.status == 403
        wrong = {"description": "x", "rules": [{"fault": "lost", "probability": 2}]}
        async with desk.session.post(url, json=wrong) as answer:
            assert answer.status == 400
            assert "$.rules[0].probability" in (await answer.json())["error"]["message"]
        async with desk.session.put(url) as answer:
            assert answer.status == 404

    play(story, admin=True)


def test_without_being_asked_for_there_is_no_admin_endpoint() -> None:
    """The path leads nowhere, like any other."""

    async def story(desk: FaultyDesk) -> None:
        status, told, _ = await desk.call("GET", "/admin/faults", headers={})
        assert (status, told["error"]["name"]) == (404, "not_found")

    play(story)
