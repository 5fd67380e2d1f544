"""Who is let in: one host, tokens, nonces, hashes of queries and bodies, permissions."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jwt
import pytest
from yarl import URL

from sandbox.keys import VIEW_ACCOUNT, KeyOptions, PocketOptions
from sandbox.stream.stream import PATHS
from tests.helpers.sandbox_desk import Desk, open_desk

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = re.compile(r"group=([a-z\-]+); min=([0-9]+); sec=([0-9]+)")
RESTING = {"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.0001"}
CHANCE = "/v1/orders/chance"


def signed(
    desk: Desk, hashed: str = "", *, algorithm: str = "HS256", secret: str = "", **claims: object
) -> dict[str, str]:
    """Return the headers of a request, with whatever is to be wrong about them."""
    payload: dict[str, object] = {"access_key": desk.key.access_key, "nonce": claims.pop("nonce", "n-1")}
    if hashed:
        payload["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # HS512 with a secret of 40 characters is what Upbit itself recommends
        text = jwt.encode(payload | claims, secret or desk.key.secret_key, algorithm=algorithm)
    return {"Authorization": f"Bearer {text}"}


async def raw(desk: Desk, method: str, target: str, headers: Mapping[str, str], body: str = "") -> tuple[int, Any]:
    """Send a target exactly as it is spelled; return status and body."""
    url = URL(desk.box.url + target, encoded=True)
    async with desk.session.request(method, url, headers=headers, data=body or None) as response:
        return response.status, await response.json()


def name_of(answer: tuple[int, Any]) -> tuple[int, str]:
    """Return status and error name."""
    return answer[0], answer[1]["error"]["name"]


@pytest.mark.statement(1)
async def test_one_host_serves_rest_and_all_sockets(desk: Desk) -> None:
    """The same host and port answer REST and open each of the three sockets, with nothing but plain HTTP."""
    assert await desk.get("/v1/market/all")
    assert set(PATHS) == {"/websocket/v1", "/websocket/v1/private", "/websocket/v1/info"}
    for path in PATHS:
        async with desk.session.ws_connect(desk.box.url + path, headers=desk.token()) as socket:
            assert not socket.closed


@pytest.mark.statement(2)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/nothing"), ("GET", "/"), ("GET", "/v2/ticker"), ("POST", "/v1/ticker"), ("PUT", "/v1/orders"),
     ("GET", "/v1/orders/"), ("GET", "/v1/candles/minutes")],
)  # fmt: skip
async def test_a_path_nobody_serves_is_the_gateways_404(desk: Desk, method: str, path: str) -> None:
    """No limit is counted for it, and its error has the gateway's string name and words."""
    status, body, headers = await desk.call(method, path)
    assert status == 404
    assert body == {"error": {"name": "not_found", "message": "no Route matched with those values"}}
    assert "Remaining-Req" not in headers


@pytest.mark.statement(3)
@pytest.mark.parametrize(
    ("method", "path", "group"),
    [
        ("GET", "/v1/market/all", "group=market; min=600; sec=9"),
        ("GET", "/v1/candles/days", "group=candle; min=600; sec=9"),
        ("GET", "/v1/candles/minutes/7", "group=candle; min=600; sec=9"),
        ("GET", "/v1/trades/ticks", "group=trade; min=600; sec=9"),
        ("GET", "/v1/ticker", "group=ticker; min=600; sec=9"),
        ("GET", "/v1/orderbook", "group=orderbook; min=600; sec=9"),
        ("GET", "/v1/accounts", "group=default; min=1800; sec=29"),
        ("GET", "/v1/order", "group=default; min=1800; sec=29"),
        ("DELETE", "/v1/order", "group=default; min=1800; sec=29"),
        ("POST", "/v1/orders", "group=order; min=720; sec=11"),
        ("POST", "/v1/orders/test", "group=order-test; min=480; sec=7"),
        ("POST", "/v1/orders/cancel_and_new", "group=order; min=720; sec=11"),
        ("DELETE", "/v1/orders/open", "group=order-cancel-all; min=30; sec=0"),
    ],
)
async def test_every_routed_answer_tells_what_is_left(desk: Desk, method: str, path: str, group: str) -> None:
    """Successes and errors alike carry the header in the shape clients parse, and the market's date."""
    _, _, headers = await desk.call(method, path)
    assert headers["Remaining-Req"] == group
    assert HEADER.fullmatch(group)
    assert headers["Date"] == "Tue, 24 Nov 2026 09:00:00 GMT"
    assert headers["Content-Type"].startswith("application/json")


@pytest.mark.statement(3)
async def test_even_an_unauthorized_answer_tells_what_is_left(desk: Desk) -> None:
    """A refusal for its token is counted like any other answer."""
    _, _, headers = await desk.call("GET", "/v1/accounts", headers={})
    assert headers["Remaining-Req"] == "group=default; min=1800; sec=29"


@pytest.mark.statement(4)
@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic eDp5"}])
async def test_only_the_exchange_side_needs_a_token(desk: Desk, headers: dict[str, str]) -> None:
    """Market data answers anybody, the rest only who shows a token."""
    status, body, _ = await desk.call("GET", "/v1/accounts", headers=headers)
    assert (status, body["error"]["name"]) == (401, "no_authorization_token")
    assert (await desk.call("GET", "/v1/market/all", headers=headers))[0] == 200


@pytest.mark.statement(5)
@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
async def test_both_algorithms_verify(desk: Desk, algorithm: str) -> None:
    """The secret is used as the bytes it is written with, under either algorithm."""
    answer = await raw(desk, "GET", "/v1/accounts", signed(desk, algorithm=algorithm))
    assert answer[0] == 200


@pytest.mark.statement(5)
async def test_wrong_keys_and_tokens_have_their_names(desk: Desk) -> None:
    """A wrong secret, a third algorithm and no token at all do not verify; an unknown key is told apart."""
    wrong = [
        signed(desk, secret="another secret of more than 32 bytes"),
        signed(desk, algorithm="HS384"),
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer " + "A" * 6_000},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    ]
    answers = [name_of(await raw(desk, "GET", "/v1/accounts", headers)) for headers in wrong]
    assert answers[:3] == [(401, "jwt_verification")] * 3
    assert answers[3:] == [(401, "jwt_verification"), (401, "invalid_access_key")]
    unknown = signed(desk, access_key="nobody")
    assert name_of(await raw(desk, "GET", "/v1/accounts", unknown)) == (401, "invalid_access_key")


@pytest.mark.statement(6)
@pytest.mark.parametrize("nonce", ["6f2d6f0e-1d6c-4b7f-9c3e-6b1b6c1d2e3f", "1732438800000", "a", "한글", "x" * 500])
async def test_a_nonce_works_once(desk: Desk, nonce: str) -> None:
    """Any text is a nonce, and none works twice, not even with another request."""
    headers = signed(desk, nonce=nonce)
    assert (await raw(desk, "GET", "/v1/accounts", headers))[0] == 200
    assert name_of(await raw(desk, "GET", "/v1/accounts", headers)) == (401, "nonce_used")
    assert name_of(await raw(desk, "GET", "/v1/api_keys", headers)) == (401, "nonce_used")


@pytest.mark.statement(6)
@pytest.mark.parametrize("nonce", ["", 7, None])
async def test_a_token_without_a_nonce_does_not_verify(desk: Desk, nonce: object) -> None:
    """A nonce is a text that says something."""
    assert name_of(await raw(desk, "GET", "/v1/accounts", signed(desk, nonce=nonce))) == (401, "jwt_verification")


QUERIES = [
    ("market=KRW-BTC&states[]=wait&states[]=watch&limit=10", "%5B%5D"),
    ("market=KRW-BTC&states[]=wait&states[]=watch&limit=10", "[]"),
]


@pytest.mark.statement(7)
@pytest.mark.parametrize(("text", "brackets"), QUERIES)
async def test_a_query_is_hashed_decoded_and_as_sent(desk: Desk, text: str, brackets: str) -> None:
    """Brackets may be percent-encoded or not: the hash is that of the decoded text."""
    target = "/v1/orders/open?" + text.replace("[]", brackets)
    assert (await raw(desk, "GET", target, signed(desk, text)))[0] == 200


@pytest.mark.statement(7)
async def test_every_kind_of_encoding_is_decoded_before_it_is_hashed(desk: Desk) -> None:
    """Colons, offsets and array names hash as what they stand for."""
    text = "start_time=2026-11-24T13:56:53+09:00&states[]=done&states[]=cancel"
    assert (await raw(desk, "GET", "/v1/orders/closed?" + quote(text, safe="=&"), signed(desk, text)))[0] == 200


@pytest.mark.statement(7)
@pytest.mark.parametrize(
    "hashed",
    ["limit=10&page=1", "page=1", "page=1&limit=10&", "page=1&limit=010", "limit%3D10", ""],
)
async def test_a_hash_of_anything_else_is_refused(desk: Desk, hashed: str) -> None:
    """Another order, another value, a part, or no hash at all."""
    answer = await raw(desk, "GET", "/v1/orders/open?page=1&limit=10", signed(desk, hashed))
    assert name_of(answer) == (401, "invalid_query_payload")


@pytest.mark.statement(7)
async def test_a_hash_needs_something_to_be_the_hash_of(desk: Desk) -> None:
    """A request without parameters takes no hash of some."""
    answer = await raw(desk, "GET", "/v1/accounts", signed(desk, "market=KRW-BTC"))
    assert name_of(answer) == (401, "invalid_query_payload")


BODY = {"market": "KRW-BTC", "side": "bid", "volume": "0.0001", "price": "100000000", "ord_type": "limit"}
BODY_TEXT = "market=KRW-BTC&side=bid&volume=0.0001&price=100000000&ord_type=limit"


@pytest.mark.statement(8)
@pytest.mark.parametrize("style", [{"separators": (",", ":")}, {}, {"indent": 4}])
async def test_a_body_is_hashed_in_its_own_order(desk: Desk, style: dict[str, Any]) -> None:
    """Spaces in the JSON do not matter, the order of the fields does."""
    headers = signed(desk, BODY_TEXT) | {"Content-Type": "application/json"}
    assert (await raw(desk, "POST", "/v1/orders", headers, json.dumps(BODY, **style)))[0] == 201
    turned = json.dumps(dict(reversed(BODY.items())), **style)
    again = signed(desk, BODY_TEXT, nonce="n-2")
    assert name_of(await raw(desk, "POST", "/v1/orders", again, turned)) == (401, "invalid_query_payload")


@pytest.mark.statement(8)
async def test_a_body_without_its_hash_is_refused(desk: Desk) -> None:
    """Nothing is placed for a token that says nothing about what it is for, or only speaks of the query."""
    for target, hashed in (("/v1/orders", ""), ("/v1/orders?page=1", "page=1")):
        answer = await raw(desk, "POST", target, signed(desk, hashed, nonce=target), json.dumps(BODY))
        assert name_of(answer) == (401, "invalid_query_payload")
    assert await desk.get("/v1/orders/open") == []


@pytest.mark.statement(8)
@pytest.mark.parametrize("body", ["{", "[1]", '"text"', '{"identifier":"\\ud800"}', "[" * 100_000])
async def test_a_body_that_is_no_object_is_refused_once_its_token_is_good(desk: Desk, body: str) -> None:
    """Whoever may come in is told that the parameters are wrong, everybody else only that the token is."""
    answer = await raw(desk, "POST", "/v1/orders", signed(desk, body), body)
    assert name_of(answer) == (400, "invalid_parameter")
    assert name_of(await raw(desk, "POST", "/v1/orders", {}, body)) == (401, "no_authorization_token")


@pytest.mark.statement(9)
async def test_a_hash_without_an_algorithm_is_sha512(desk: Desk) -> None:
    """Saying SHA512 is the same as saying nothing; another name makes it another hash."""
    target, text = f"{CHANCE}?market=KRW-BTC", "market=KRW-BTC"
    assert "query_hash_alg" not in jwt.decode(
        signed(desk, text)["Authorization"][7:], options={"verify_signature": False}
    )
    assert (await raw(desk, "GET", target, signed(desk, text)))[0] == 200
    for number, (algorithm, status) in enumerate({"SHA512": 200, "SHA256": 401, "MD5": 401, "": 401}.items()):
        headers = signed(desk, text, nonce=str(number), query_hash_alg=algorithm)
        assert (await raw(desk, "GET", target, headers))[0] == status


@pytest.mark.statement(10)
async def test_a_form_body_on_get_is_read_like_a_query(desk: Desk) -> None:
    """Older clients send the parameters of a GET as a form."""
    headers = signed(desk, "market=KRW-BTC") | {"Content-Type": "application/x-www-form-urlencoded"}
    status, policy = await raw(desk, "GET", CHANCE, headers, "market=KRW-BTC")
    assert (status, policy["market"]["id"]) == (200, "KRW-BTC")


@pytest.mark.statement(10)
async def test_a_json_body_on_delete_is_read_like_a_query(desk: Desk) -> None:
    """Older clients cancel with a JSON body, which the documents no longer allow; it is read all the same."""
    order = await desk.place(**RESTING)
    headers = signed(desk, f"uuid={order['uuid']}") | {"Content-Type": "application/json"}
    status, answer = await raw(desk, "DELETE", "/v1/order", headers, json.dumps({"uuid": order["uuid"]}))
    assert (status, answer["uuid"]) == (200, order["uuid"])


@pytest.mark.statement(11)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", CHANCE), ("GET", "/v1/order"), ("GET", "/v1/orders/open"), ("POST", "/v1/orders"),
     ("POST", "/v1/orders/test"), ("POST", "/v1/orders/cancel_and_new"), ("DELETE", "/v1/order"),
     ("DELETE", "/v1/orders/uuids"), ("DELETE", "/v1/orders/open")],
)  # fmt: skip
async def test_a_key_without_the_permission_is_out_of_scope(method: str, path: str) -> None:
    """A key that may only look at balances does nothing else, whatever is wrong with the rest of its request."""
    viewer = KeyOptions(access_key="viewer", secret_key="v" * 40, permissions=frozenset({VIEW_ACCOUNT}))
    async with open_desk(PocketOptions(keys=(viewer,))) as desk:
        held = desk.holding(viewer)
        status, body, _ = await held.call(method, path)
        assert (status, body["error"]["name"]) == (401, "out_of_scope")
        for allowed in ("/v1/accounts", "/v1/api_keys", "/v1/status/wallet"):
            assert await held.get(allowed)


async def test_a_failure_inside_is_an_upbit_shaped_500(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours answers 500 and is counted."""
    async with open_desk() as desk:
        monkeypatch.setattr(desk.box.exchange.accounts, "of", lambda _: 1 / 0)
        status, body, headers = await desk.call("GET", "/v1/accounts")
        assert (status, body["error"]["name"]) == (500, "internal_server_error")
        assert HEADER.fullmatch(headers["Remaining-Req"])
        assert desk.box.internal_errors == 1
        monkeypatch.undo()
        monkeypatch.setattr(desk.box._api, "internal_errors", 0)
