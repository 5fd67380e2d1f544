"""The Upbit clients: what is signed, what an answer means, how fast it asks, and that nothing is sent twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from simulation.loop import PacedLoop
from upbit import errors
from upbit.auth import body_text, encode, query_text, token
from upbit.errors import error_from
from upbit.limits import LIMITS, RateLimiter
from upbit.models import NewOrder, Side
from upbit.rest import Upbit
from upbit.rules import plain, round_down_volume, tick_size
from upbit.stream import TickerStream
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from upbit.models import StreamTicker

SECRET = "0123456789abcdef0123456789abcdef01234567"
BUY = NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier="test-1")

VECTORS = (
    ("market=KRW-BTC", "b749dfc2", "c4be0738"),
    ("market=KRW-BTC&states[]=wait&states[]=watch&limit=10", "e3cfc649", "206190a3a8"),
    ("uuids[]=u1&uuids[]=u2", "721c602c", "9e7ffa7b111"),
    ("start_time=2025-06-24T13:56:53+09:00&states[]=done&states[]=cancel", "d3dab45b", "628f1b629f"),
)


@pytest.mark.parametrize(("query", "begins", "ends"), VECTORS)
def test_the_hash_of_a_query_is_that_of_the_documents(query: str, begins: str, ends: str) -> None:
    """What is sent percent-encoded is hashed decoded, in the order in which it is sent."""
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    assert query_text(encode(pairs)) == query
    hashed = jwt.decode(token("AK", SECRET, query), options={"verify_signature": False})["query_hash"]
    assert hashed.startswith(begins)
    assert hashed.endswith(ends)


def test_a_body_is_hashed_in_its_own_order() -> None:
    """The vector of a limit order."""
    body = {"market": "KRW-BTC", "side": "bid", "volume": "0.001", "price": "50000000", "ord_type": "limit"}
    hashed = hashlib.sha512(body_text(body).encode()).hexdigest()
    assert hashed.startswith("7a1eb1d7")
    assert hashed.endswith("814773499233")


def test_every_token_has_a_nonce_of_its_own_and_no_hash_without_a_query() -> None:
    """HS512, access key, nonce; nothing else when nothing is asked."""
    first, second = (jwt.decode(token("AK", SECRET), options={"verify_signature": False}) for _ in range(2))
    assert set(first) == {"access_key", "nonce"}
    assert first["nonce"] != second["nonce"]
    assert jwt.get_unverified_header(token("AK", SECRET))["alg"] == "HS512"


def body(name: object) -> bytes:
    """Return an error body of Upbit's form."""
    return json.dumps({"error": {"name": name, "message": "m"}}).encode()


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, body("insufficient_funds_bid"), errors.InsufficientFunds),
        (400, body("under_min_total_market_ask"), errors.UnderMinTotal),
        (400, body("invalid_price_bid"), errors.InvalidOrder),
        (400, body("notfoundmarket"), errors.MarketUnavailable),
        (400, body("duplicated_identifier"), errors.DuplicatedIdentifier),
        (401, body("nonce_used"), errors.NonceUsed),
        (401, body("no_authorization_i_p"), errors.IpNotAllowed),
        (401, body("out_of_scope"), errors.OutOfScope),
        (403, body("out_of_scope"), errors.OutOfScope),
        (403, body("market_offline"), errors.MarketUnavailable),
        (404, body("order_not_found"), errors.OrderNotFound),
        (404, body("not_found"), errors.OutcomeUnknown),
        (404, body(404), errors.MarketUnavailable),
        (400, body("a_word_nobody_knows"), errors.UnknownRefusal),
        (429, b"Too many API requests.", errors.RateLimited),
        (418, body("rate_limit_exceeded_penalty"), errors.RateLimited),
        (500, body("internal_server_error"), errors.OutcomeUnknown),
        (502, b"<html>bad gateway</html>", errors.OutcomeUnknown),
        (302, b"", errors.OutcomeUnknown),
        (200, b"", errors.OutcomeUnknown),
    ],
)
def test_an_answer_means_what_its_name_says(status: int, content: bytes, kind: type[errors.ExchangeError]) -> None:
    """The name decides; what is not certain to be a refusal is an unknown outcome."""
    assert type(error_from(status, content)) is kind


@given(st.integers(200, 599), st.binary(max_size=200))
def test_no_answer_whatever_breaks_the_reader(status: int, content: bytes) -> None:
    """Any bytes are some error of ours, and rubbish is never a certain refusal."""
    error = error_from(status, content)
    assert isinstance(error, errors.OutcomeUnknown | errors.RateLimited)


def paced(story: Coroutine[Any, Any, None]) -> None:
    """Tell a story on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story)


@pytest.mark.failure("D8")
@pytest.mark.parametrize("group", sorted(LIMITS))
def test_no_second_ever_holds_more_requests_than_its_group_allows(group: str) -> None:
    """In every window of one second, wherever it begins."""

    async def story() -> None:
        limiter, loop = RateLimiter(), asyncio.get_running_loop()
        times: list[float] = []

        async def ask() -> None:
            await limiter.acquire(group)
            times.append(loop.time())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(40):
                tasks.create_task(ask())
        limit, window = LIMITS[group]
        for first, last in zip(times, times[limit:], strict=False):
            assert last - first >= window - 1e-9

    paced(story())


@pytest.mark.failure("D8")
def test_an_order_goes_before_the_questions_that_wait() -> None:
    """Within a group the urgent are first; groups do not touch each other."""

    async def story() -> None:
        limiter, order = RateLimiter(), []

        async def ask(name: str, *, urgent: bool = False) -> None:
            await limiter.acquire("default", urgent=urgent)
            order.append(name)

        async with asyncio.TaskGroup() as tasks:
            for number in range(35):
                tasks.create_task(ask(f"read {number}"))
            tasks.create_task(ask("cancel", urgent=True))
        assert order.index("cancel") == 30

    paced(story())


def test_a_penalty_is_waited_out() -> None:
    """Nothing leaves before Upbit's time is over."""

    async def story() -> None:
        limiter = RateLimiter()
        limiter.refused("order", 17.0, penalty=True)
        await limiter.acquire("order")
        assert asyncio.get_running_loop().time() == pytest.approx(17.0)

    paced(story())


@asynccontextmanager
async def server(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve everything with one function."""
    runner = web.ServerRunner(web.Server(handle))  # type: ignore[arg-type]  # a plain request is enough for these stories
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Upbit]:
    """Return a client of that address."""
    async with open_session() as session:
        yield Upbit(session, base_url=url, access_key="AK", secret_key=SECRET)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b'{"uuid":', b'{"uuid":"u"}'], ids=["empty", "html", "truncated", "another shape"]
)
async def test_a_useless_answer_to_an_order_is_an_unknown_outcome_and_is_asked_once(answer: bytes) -> None:
    """The order may exist: somebody must look. It is never sent again by itself."""
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.path)
        return web.Response(body=answer, status=201)

    async with server(handle) as url, client(url) as upbit:
        with pytest.raises(errors.OutcomeUnknown):
            await upbit.place(BUY)
    assert seen == ["/v1/orders"]


@pytest.mark.failure("A2")
async def test_a_connection_that_dies_after_the_order_left_is_an_unknown_outcome() -> None:
    """Bytes left this machine, so nobody knows."""

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with server(handle) as url, client(url) as upbit:
        with pytest.raises(errors.OutcomeUnknown):
            await upbit.place(BUY)


@pytest.mark.failure("D2")
async def test_a_refused_connection_is_certain_to_have_sent_nothing() -> None:
    """No byte left: sending again is safe."""
    async with client("http://127.0.0.1:9") as upbit:
        with pytest.raises(errors.NotSent):
            await upbit.place(BUY)


async def test_a_read_is_asked_again_with_a_signature_of_its_own() -> None:
    """The same token twice would be refused as nonce_used."""
    tokens: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        tokens.append(request.headers["Authorization"])
        if len(tokens) == 1:
            return web.Response(status=502, body=b"<html>")
        return web.json_response([{"currency": "KRW", "balance": "1.50", "locked": "0"}])

    async with server(handle) as url, client(url) as upbit:
        (krw,) = await upbit.accounts()
    assert krw.available == Decimal("1.50")
    assert len(set(tokens)) == 2


async def test_a_dead_kept_connection_repeats_no_token() -> None:
    """Aiohttp would send the same request again on its own; switched off, each attempt is signed afresh."""
    tokens: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        tokens.append(request.headers["Authorization"])
        if len(tokens) == 2:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response([])

    async with server(handle) as url, client(url) as upbit:
        await upbit.accounts()
        await upbit.accounts()
    assert len(tokens) == 3
    assert len(set(tokens)) == 3


@pytest.mark.failure("D4")
async def test_an_endless_answer_is_cut_off() -> None:
    """More than 4 MiB is no answer."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b"[" + b" " * 5_000_000 + b"]")

    async with server(handle) as url, client(url) as upbit:
        with pytest.raises(errors.ExchangeError):
            await upbit.place(BUY)


def test_plain_http_goes_only_to_this_machine() -> None:
    """A secret never travels in the clear."""

    async def story() -> None:
        async with aiohttp.ClientSession() as session:
            Upbit(session, base_url="http://127.0.0.1:1")
            with pytest.raises(ValueError, match="only https"):
                Upbit(session, base_url="http://api.upbit.com")

    asyncio.run(story())


def test_the_body_of_an_order_is_plain() -> None:
    """No exponent, no needless zeros, at most the fields Upbit wants, self-trades of the user left alone."""
    sell = NewOrder(market="KRW-BTC", side=Side.ASK, volume=Decimal("1E-7"), identifier="s")
    assert sell.to_wire() == {
        "market": "KRW-BTC",
        "side": "ask",
        "ord_type": "market",
        "volume": "0.0000001",
        "identifier": "s",
        "smp_type": "none",
    }
    assert BUY.to_wire()["price"] == "6000"
    with pytest.raises(ValueError, match="positive"):
        NewOrder(market="KRW-BTC", side=Side.BID, volume=Decimal(1), identifier="x")


@given(st.decimals("0.00000001", "1000000000", places=12))
def test_numbers_are_written_exactly_and_volumes_never_rounded_up(number: Decimal) -> None:
    """What is written reads back as the same number; a volume loses at most its ninth decimal."""
    assert Decimal(plain(number)) == number
    assert "E" not in plain(number)
    assert 0 <= number - round_down_volume(number) < Decimal("0.00000001")


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("2000000", "1000"),
        ("999999", "500"),
        ("100000", "100"),
        ("5000", "5"),
        ("999", "1"),
        ("99", "0.1"),
        ("0.5", "0.001"),
    ],
)
def test_ticks_are_those_of_the_table(price: str, tick: str) -> None:
    """The table of 2025-07-31."""
    assert tick_size(Decimal(price)) == Decimal(tick)


async def test_a_stream_comes_back_after_a_clean_close_and_subscribes_again() -> None:
    """Upbit closes with 1000 after its own errors; that is no end."""
    asked: list[Any] = []
    told: list[StreamTicker] = []
    enough = asyncio.Event()
    frame = b'{"code":"KRW-BTC","trade_price":1.5E8,"trade_timestamp":1,"timestamp":2}'

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked.append(json.loads((await socket.receive()).data))
        await socket.send_bytes(b'{"status":"UP"}')
        await socket.send_bytes(frame)
        await socket.close(code=1000)
        return socket

    def take(ticker: StreamTicker) -> None:
        told.append(ticker)
        if len(told) == 2:
            enough.set()

    async with server(handle) as url:
        stream = TickerStream(url.replace("http", "ws"), rng=random.Random(1))
        stream.wanted(frozenset({"KRW-BTC"}))
        task = asyncio.get_running_loop().create_task(stream.run(take))
        async with asyncio.timeout(20):
            await enough.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [message[1] for message in asked[:2]] == [{"type": "ticker", "codes": ["KRW-BTC"]}] * 2
    assert told[0].price == Decimal("1.5E8")


async def test_candles_are_asked_with_an_exclusive_end_in_utc() -> None:
    """`to` carries its zone, percent-encoded; the path names the unit."""
    seen: list[str] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.json_response([])

    async with server(handle) as url, client(url) as upbit:
        to = datetime(2026, 11, 2, 9, tzinfo=UTC)
        assert await upbit.candles("KRW-BTC", timedelta(minutes=240), count=3, to=to) == []
    assert seen == ["/v1/candles/minutes/240?market=KRW-BTC&count=3&to=2026-11-02T09%3A00%3A00Z"]
