"""The REST client: one attempt per signature, and every kind of bad answer told apart."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock, call, patch
from urllib.parse import unquote

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.test_utils import unused_port

from simulation.loop import PacedLoop
from tests.helpers.wire import DROP, SECRET, Wire, asking, http, serving
from upbit import transport
from upbit.errors import (
    ExchangeError,
    InvalidKey,
    MarketUnavailable,
    NonceUsed,
    NotSent,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
)
from upbit.http import Answer, Request
from upbit.models import NewOrder, Side, from_ms
from upbit.network import is_safe
from upbit.rest import Upbit, candle_path, epoch_ms, whole_second
from upbit.transport import may_repeat, open_session, read_date

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

BUY = NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier="ub1-a")
ORDER = {
    "uuid": "u1",
    "market": "KRW-BTC",
    "side": "bid",
    "ord_type": "price",
    "state": "wait",
    "created_at": "2026-11-24T09:00:00+09:00",
    "identifier": "ub1-a",
    "executed_volume": "0",
    "paid_fee": "0",
    "trades_count": 0,
}


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """Serve on a free port of this machine."""
    async with serving() as wire:
        yield wire


@pytest.fixture
async def upbit(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Upbit]:
    """Return a client of that server, with keys, that does not pause between reads."""
    monkeypatch.setattr(transport, "PAUSE_S", 0.0)
    async with asking(wire) as upbit:
        yield upbit


async def test_a_read_on_a_dropped_connection_is_signed_afresh(wire: Wire, upbit: Upbit) -> None:
    """A kept connection that dies under a read never carries the same token twice."""
    wire.answers = [http(200, []), DROP, http(200, [])]
    await upbit.accounts()
    await upbit.accounts()
    nonces = [claims["nonce"] for claims in wire.tokens()]
    assert len(nonces) == 3
    assert len(set(nonces)) == 3


async def test_an_answer_without_end_is_none(wire: Wire, upbit: Upbit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of Upbit's is that long: it is not read on, and nothing of it is believed."""
    whole = json.dumps([{"currency": "KRW", "balance": "1", "locked": "0"}]).encode()
    wire.answers = [http(200, whole), http(200, whole + b" ")] * 3
    monkeypatch.setattr("upbit.http.LARGEST_BODY", len(whole))
    assert [account.currency for account in await upbit.accounts()] == ["KRW"]
    wire.answers = [http(200, whole + b" ")] * 3
    with pytest.raises(OutcomeUnknown, match=f"an answer larger than {len(whole)} bytes"):
        await upbit.accounts()
    assert wire.answers == []


@pytest.mark.failure("A8")
async def test_an_order_on_a_dropped_connection_is_sent_once_and_doubtful(wire: Wire, upbit: Upbit) -> None:
    """A lost answer to an order is a doubt, and nobody repeats the order."""
    wire.answers = [http(200, []), DROP, http(201, ORDER)]
    await upbit.accounts()
    with pytest.raises(OutcomeUnknown):
        await upbit.place(BUY)
    assert sum(head.startswith("POST") for head in wire.seen) == 1


async def test_a_cancellation_on_a_dropped_connection_is_sent_once(wire: Wire, upbit: Upbit) -> None:
    """DELETE is idempotent for the library, not for us."""
    wire.answers = [http(200, []), DROP, http(200, ORDER)]
    await upbit.accounts()
    with pytest.raises(OutcomeUnknown):
        await upbit.cancel(uuid="u1")
    assert sum(head.startswith("DELETE") for head in wire.seen) == 1


@pytest.mark.parametrize(
    "answer",
    [
        http(201, b"<html>hello</html>"),
        http(201, b'{"uuid":"u1",'),
        http(201, b"\xff\xfe"),
        http(200, ORDER),
        http(302, b"", "Location: /v1/orders"),
        http(502, b"<html>Bad Gateway</html>"),
        http(500, {"error": {"name": "insufficient_funds_bid", "message": ""}}),
        http(404, {"error": {"name": "not_found", "message": "no Route matched with those values"}}),
        http(400, {"error": {"name": "never_seen", "message": ""}}),
        http(201, ORDER).replace(b"Content-Length: ", b"Connection: close\r\nContent-Length: 9"),
        http(201, b"not gzip", "Content-Encoding: gzip"),
        http(201, b" " * (4 * 1024 * 1024 + 1)),
        http(201, gzip.compress(b" " * (64 * 1024 * 1024)), "Content-Encoding: gzip"),
        b"nonsense\r\n\r\n",
    ],
)
async def test_an_unusable_answer_to_an_order_is_a_doubt(wire: Wire, upbit: Upbit, answer: bytes) -> None:
    """HTML, truncation, wrong shape, redirect, 5xx, an unknown name, or too much: the order may exist."""
    wire.answers = [answer, http(201, ORDER)]
    with pytest.raises(OutcomeUnknown):
        await upbit.place(BUY)
    assert len(wire.seen) == 1


async def test_an_accepted_order_is_returned_and_its_body_is_what_was_hashed(wire: Wire, upbit: Upbit) -> None:
    """The hash covers the body in its order, and the date of the answer is kept, even after a bad one."""
    wire.answers = [http(201, ORDER, "Date: Tue, 24 Nov 2026 00:00:00 GMT"), http(200, [], "Date: tomorrow")]
    order = await upbit.place(BUY)
    assert order.uuid == "u1"
    text = "market=KRW-BTC&side=bid&ord_type=price&price=6000&identifier=ub1-a&smp_type=none"
    assert "&".join(f"{k}={v}" for k, v in json.loads(wire.bodies[0]).items()) == text
    assert wire.tokens()[0]["query_hash"] == hashlib.sha512(text.encode()).hexdigest()
    await upbit.accounts()
    assert upbit.server_date == datetime(2026, 11, 24, tzinfo=UTC)


async def test_an_order_is_written_whole_with_what_it_needs_and_no_more(wire: Wire, upbit: Upbit) -> None:
    """Its head is spelled here, byte for byte but for the token; the body follows in the same piece."""
    wire.answers = [http(201, ORDER)]
    await upbit.place(BUY)
    told = [line.partition("Bearer ")[0] for line in wire.seen[0].split("\r\n")]
    assert told == [
        "POST /v1/orders HTTP/1.1",
        f"Host: 127.0.0.1:{wire.port}",
        "Accept: application/json",
        f"User-Agent: {SERVER_SOFTWARE}",
        "Accept-Encoding: identity",
        "Authorization: ",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(wire.bodies[0])}",
        "",
        "",
    ]


@pytest.mark.parametrize(("base", "path"), [("", "/v1"), ("/", "/v1"), ("/upbit/kr/", "/upbit/kr/v1")])
async def test_an_address_may_have_a_path_and_end_as_it_likes(wire: Wire, base: str, path: str) -> None:
    """Such as one of a gateway in between."""
    wire.answers = [http(200, [])]
    async with open_session() as session:
        client = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}{base}", access_key="AK", secret_key=SECRET)
        await client.accounts()
    assert wire.seen[0].startswith(f"GET {path}/accounts HTTP/1.1\r\n")


async def test_an_order_that_is_kept_back_at_the_last_moment_keeps_every_byte_back(wire: Wire) -> None:
    """The gate is asked about it, and until when it may leave, when it could leave at once."""
    asked, until = Mock(side_effect=LookupError("not now")), datetime(2026, 11, 2, 12, tzinfo=UTC)
    async with open_session() as session:
        client = Upbit(
            session, base_url=f"http://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET, gate=asked
        )
        with pytest.raises(LookupError, match="not now"):
            await client.place(BUY, until=until)
    assert asked.mock_calls == [call(BUY, until)]
    assert wire.seen == []


async def test_what_an_answer_says_is_left_of_a_group_is_believed(wire: Wire, upbit: Upbit) -> None:
    """Others behind the same address or key may have used the rest."""
    wire.answers = [http(200, [], "Remaining-Req: group=default; min=1800; sec=0"), http(200, [])]
    before = upbit.rates()
    await upbit.accounts()
    assert before["default"] > 0
    assert upbit.rates() == {**before, "default": 0}


async def test_a_question_says_nothing_of_a_body(wire: Wire, upbit: Upbit) -> None:
    """It has none: what is signed is its query, and only what anybody may hear comes packed."""
    wire.answers = [http(200, []), http(200, [])]
    await upbit.tickers(["KRW-A"])
    await upbit.accounts()
    names = [[line.partition(":")[0] for line in head.split("\r\n")[1:]] for head in wire.seen]
    every = ["Host", "Accept", "User-Agent", "Accept-Encoding"]
    assert names == [[*every, "", ""], [*every, "Authorization", "", ""]]
    assert ["Accept-Encoding: gzip" in head for head in wire.seen] == [True, False]


async def test_an_answer_that_is_only_announced_is_waited_for(wire: Wire, upbit: Upbit) -> None:
    """103 Early Hints, as a network in between may send it, is no answer."""
    wire.answers = [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(201, ORDER)]
    assert (await upbit.place(BUY)).uuid == "u1"


@pytest.mark.parametrize(("pause_s", "waited_s"), [(None, 8.0), (3.0, 10.0)])
def test_an_exchange_that_falls_silent_or_never_ends_is_not_waited_for(pause_s: float | None, waited_s: float) -> None:
    """Eight seconds for its next byte, ten for all of them; then nobody knows what became of the order."""

    async def story() -> float:
        loop, given_up = asyncio.get_running_loop(), asyncio.Event()

        async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 201 X\r\nContent-Length: 999\r\n\r\n")
            while not reader.at_eof():
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await reader.read()
                writer.write(b" ")
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            given_up.set()

        async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server, open_session() as session:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client, began = Upbit(session, base_url=url, access_key="AK", secret_key=SECRET), loop.time()
            with pytest.raises(OutcomeUnknown, match="TimeoutError"):
                await client.place(BUY)
            waited = loop.time() - began
            await given_up.wait()
        return waited

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        assert runner.run(story()) == pytest.approx(waited_s, abs=0.5)


async def test_what_is_no_answer_at_all_is_told_as_such(wire: Wire, upbit: Upbit) -> None:
    """With what the parser says of it."""
    wire.answers = [b"nonsense\r\n\r\n"]
    with pytest.raises(OutcomeUnknown, match=r"^POST /v1/orders: ClientPayloadError no answer: 400, message"):
        await upbit.place(BUY)


async def test_an_answer_without_a_length_is_read_until_its_end(wire: Wire, upbit: Upbit) -> None:
    """As a gateway may send it."""
    wire.answers = [b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + json.dumps([]).encode()]
    assert await upbit.markets() == []


async def test_an_order_does_not_queue_behind_what_has_not_left(
    wire: Wire, upbit: Upbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose buffers are full takes nothing, and nothing of the order has left."""
    monkeypatch.setattr(BaseProtocol, "writing_paused", property(lambda _: True))
    with pytest.raises(
        NotSent, match=r"^POST /v1/orders: ClientConnectionError what was written before has not left yet$"
    ):
        await upbit.place(BUY)
    assert wire.seen == []


@pytest.mark.parametrize("transport", [None, Mock(**{"is_closing.return_value": True})], ids=["lost", "closing"])
def test_a_connection_that_ended_just_now_takes_nothing(transport: Mock | None) -> None:
    """Whoever accepts and hangs up at once has heard of no order, and nobody needs to look for it."""
    request = Request("POST", "/v1/orders", {}, b"{}")
    with pytest.raises(aiohttp.ClientConnectionError, match=r"^the connection ended before anything was written$"):
        request.leave(Mock(transport=transport), "")
    assert not request.begun
    assert transport is None or not transport.write.called


async def test_the_exchanges_clock_goes_on_after_its_last_word(upbit: Upbit) -> None:
    """Its answers say it to the second; until the next it is counted on, and before the first it is unknown."""
    assert upbit.exchange_time() is None
    upbit.server_date = datetime(2026, 11, 24, tzinfo=UTC)
    assert upbit.exchange_time() is None
    upbit.server_date_at = asyncio.get_running_loop().time() - 90
    told = upbit.exchange_time()
    assert told is not None
    assert timedelta(seconds=90) <= told - upbit.server_date < timedelta(seconds=100)


@pytest.mark.parametrize(
    ("ahead_s", "took_s", "taken"),
    [(0.5, 0.0, False), (1.5, 0.0, True), (4.0, 3.5, False), (5.0, 3.5, True), (0.0, 9.0, False), (-0.5, 9.0, True)],
    ids=["quick, same second", "quick, ahead", "slow, as late", "slow, too far", "equal", "behind"],
)
async def test_an_answer_that_was_long_on_its_way_does_not_turn_the_exchanges_clock_back(
    upbit: Upbit, ahead_s: float, took_s: float, *, taken: bool
) -> None:
    """Its Date was written while it was awaited, and shows whole seconds: what is known stays while it agrees.

    Args:
        upbit: knows the exchange's time.
        ahead_s: how far that is ahead of the Date that is heard now.
        took_s: how long the answer took.
        taken: whether the Date is believed instead.
    """
    date, now = datetime(2026, 11, 24, tzinfo=UTC), asyncio.get_running_loop().time()
    with patch.object(asyncio.get_running_loop(), "time", return_value=now):
        upbit.server_date, upbit.server_date_at = date + timedelta(seconds=ahead_s), now
        upbit._hear(date, took_s)
        assert upbit.exchange_time() == date + timedelta(seconds=0 if taken else ahead_s)


async def test_how_long_an_answer_was_on_its_way_is_seen(upbit: Upbit, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that took four seconds agrees with a clock four seconds ahead of it; one that came at once does not."""
    date, now = datetime(2026, 11, 24, tzinfo=UTC), asyncio.get_running_loop().time()
    seconds = iter((4.0, 0.0))

    async def ask(_: Request) -> Answer:
        nonlocal now
        now += next(seconds)
        return Answer(status=200, headers={"Date": "Tue, 24 Nov 2026 00:00:00 GMT"}, content=b"[]")

    monkeypatch.setattr(upbit._way, "ask", ask)
    with patch.object(asyncio.get_running_loop(), "time", side_effect=lambda: now):
        upbit.server_date, upbit.server_date_at = date, now
        await upbit.accounts()
        assert upbit.exchange_time() == date + timedelta(seconds=4)
        await upbit.accounts()
        assert upbit.exchange_time() == date


async def test_a_query_is_hashed_as_it_is_sent(wire: Wire, upbit: Upbit) -> None:
    """The bytes on the wire, percent-decoded, are what the token vouches for."""
    wire.answers = [http(200, [])]
    await upbit.open_orders("KRW-BTC")
    query = wire.seen[0].split(" ")[1].partition("?")[2]
    assert query == "market=KRW-BTC&states[]=wait&states[]=watch&page=1&limit=100"
    assert wire.tokens()[0]["query_hash"] == hashlib.sha512(unquote(query).encode()).hexdigest()
    assert "origin:" not in wire.seen[0].lower()


async def test_a_refused_connection_sent_nothing(upbit: Upbit) -> None:
    """Nobody listens: no byte left, and the order may be sent again."""
    async with open_session() as session:
        client = Upbit(session, base_url=f"http://127.0.0.1:{unused_port()}", access_key="AK", secret_key=SECRET)
        with pytest.raises(NotSent):
            await client.place(BUY)


@pytest.mark.failure("D2")
async def test_a_failed_tls_handshake_sent_nothing(wire: Wire, upbit: Upbit) -> None:
    """A server without a certificate never sees a request, and is never trusted."""
    async with open_session() as session:
        client = Upbit(session, base_url=f"https://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET)
        wire.answers = [b"plain text\r\n\r\n"]
        task = asyncio.ensure_future(client.place(BUY))
        while not wire.writers:  # noqa: ASYNC110 - waits for a connection, not for time
            await asyncio.sleep(0)
        wire.writers[0].write(b"HTTP/1.1 400 no tls here\r\n\r\n")
        with pytest.raises(NotSent):
            await task
    assert wire.seen == []


async def test_a_cancelled_order_stays_cancelled(wire: Wire, upbit: Upbit) -> None:
    """Cancellation passes through: it is the caller's, not an answer of Upbit's."""
    wire.answers = [b"HTTP/1.1 "]
    task = asyncio.ensure_future(upbit.place(BUY))
    while not wire.seen:  # noqa: ASYNC110 - waits for the request, not for time
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.failure("A13")
async def test_only_upbits_own_404_says_that_an_order_is_not_there(wire: Wire, upbit: Upbit) -> None:
    """A gateway without a route is no evidence; Upbit's `order_not_found` is weak evidence."""
    gone = {"error": {"name": "order_not_found", "message": "주문을 찾지 못했습니다."}}
    route = {"error": {"name": "not_found", "message": "no Route matched with those values"}}
    wire.answers = [http(404, gone), http(404, route)]
    with pytest.raises(OrderNotFound):
        await upbit.order(identifier="ub1-a")
    with pytest.raises(OutcomeUnknown):
        await upbit.order(identifier="ub1-a")
    assert len(wire.seen) == 2


async def test_reads_survive_a_bad_gateway_but_not_for_ever(wire: Wire, upbit: Upbit) -> None:
    """Three attempts, then the caller decides; what was refused is not asked again."""
    wire.answers = [http(502, b"x"), http(502, b"x"), http(200, [])]
    assert await upbit.markets() == []
    wire.answers = [http(502, b"x")] * 4
    with pytest.raises(OutcomeUnknown):
        await upbit.markets()
    assert [head.split()[0] for head in wire.seen] == ["GET"] * 6
    wire.answers = [http(404, {"error": {"name": 404, "message": "Code not found"}})]
    with pytest.raises(MarketUnavailable):
        await upbit.tickers(["KRW-NONE"])
    assert len(wire.seen) == 7


def test_a_read_is_asked_again_after_ever_longer_pauses() -> None:
    """A fifth of a second, then two."""

    async def story() -> float:
        async with serving() as wire, asking(wire) as upbit:
            wire.answers = [http(502, b"x")] * 3
            began = asyncio.get_running_loop().time()
            with pytest.raises(OutcomeUnknown):
                await upbit.markets()
            return asyncio.get_running_loop().time() - began

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        assert runner.run(story()) == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (RateLimited("x", status=429), True),
        (RateLimited("x", status=418), False),
        (OutcomeUnknown("x"), True),
        (OutcomeUnknown("x", status=500), True),
        (OutcomeUnknown("x", status=200), False),
        (OutcomeUnknown("x", status=404), False),
        (NonceUsed("x", status=401), True),
        (NotSent("x"), True),
        (OrderNotFound("x", status=404), False),
    ],
)
def test_a_read_is_asked_again_at_once_where_that_can_help(error: ExchangeError, again: bool) -> None:  # noqa: FBT001 - a column
    """What was refused, or answered in another shape, would be so again; a ban would only grow longer."""
    assert may_repeat(error) is again


@pytest.mark.failure("A21")
async def test_a_penalty_blocks_its_side_at_once_and_only_its_side(wire: Wire, upbit: Upbit) -> None:
    """After a 418 nothing of that pocket is sent, orders included, while quotation goes on."""
    told = {"error": {"name": "rate_limit_exceeded_penalty", "message": "blocked for 30 seconds"}}
    wire.answers = [http(418, told), http(200, [])]
    with pytest.raises(RateLimited) as first:
        await upbit.accounts()
    assert first.value.retry_after == pytest.approx(30, abs=1)
    with pytest.raises(RateLimited) as second:
        await upbit.place(BUY)
    assert 29 < (second.value.retry_after or 0) <= 30
    assert await upbit.markets() == []
    assert len(wire.seen) == 2


async def test_a_limit_is_waited_out_for_as_long_as_its_header_says(wire: Wire, upbit: Upbit) -> None:
    """An order is told so, and is not sent again by whoever sends it."""
    wire.answers = [http(429, {"error": {"name": "too_many_requests", "message": "too many"}}, "Retry-After: 4")]
    with pytest.raises(RateLimited) as refused:
        await upbit.place(BUY)
    assert 3 < (refused.value.retry_after or 0) <= 4.5
    assert len(wire.seen) == 1


async def test_a_limit_that_nobody_at_upbit_speaks_of_leaves_a_doubt_and_is_waited_out(
    wire: Wire, upbit: Upbit
) -> None:
    """A page of a network in between says nothing of the order; asked again at once it would say the same."""
    wire.answers = [http(429, b"<html>slow down</html>")]
    before = upbit.rates()
    with pytest.raises(OutcomeUnknown):
        await upbit.place(BUY)
    assert (before["order"] > 0, upbit.rates()["order"]) == (True, 0)


async def test_a_key_that_is_refused_asks_nothing_more_of_the_account(wire: Wire, upbit: Upbit) -> None:
    """And prices go on."""
    wire.answers = [http(401, {"error": {"name": "invalid_access_key", "message": "no"}}), http(200, [])]
    for _ in range(2):
        with pytest.raises(InvalidKey):
            await upbit.accounts()
    assert len(wire.seen) == 1
    assert await upbit.tickers(["KRW-A"]) == []


@pytest.mark.parametrize(
    ("header", "hour"),
    [
        ("Tue, 24 Nov 2026 09:30:00 GMT", 9),
        ("Tue, 24 Nov 2026 09:30:00 +0900", 0),
        ("Tue, 24 Nov 2026 09:30:00 -0000", 9),
    ],
)
def test_the_date_of_an_answer_is_read_in_utc(header: str, hour: int) -> None:
    """Whatever zone it names, and without one as well."""
    read = read_date(header)
    assert read == datetime(2026, 11, 24, hour, 30, tzinfo=UTC)
    assert read.tzinfo is UTC


@pytest.mark.parametrize(("placing", "error"), [(True, OutcomeUnknown), (False, OrderNotFound)])
async def test_an_order_that_is_not_found_while_it_is_placed_may_exist(
    placing: bool,  # noqa: FBT001 - a column
    error: type[ExchangeError],
    wire: Wire,
    upbit: Upbit,
) -> None:
    """Whoever looks for one hears that there is none."""
    wire.answers = [http(404, {"error": {"name": "order_not_found", "message": "none"}})]
    with pytest.raises(error) as told:
        await (upbit.place(BUY) if placing else upbit.order(identifier="i"))
    assert type(told.value) is error


async def test_closed_orders_cut_a_window_that_is_too_long_or_too_full(wire: Wire, upbit: Upbit) -> None:
    """Eight days are two questions, and an order told twice is returned once."""
    wire.answers = [http(200, [ORDER]), http(200, [ORDER])]
    end = datetime(2026, 11, 24, tzinfo=UTC)
    assert len(await upbit.closed_orders(start=end - timedelta(days=8), end=end)) == 1
    assert len(wire.seen) == 2
    full = [{**ORDER, "uuid": str(n)} for n in range(1000)]
    wire.answers = [http(200, full), http(200, full[:500]), http(200, full[500:])]
    assert len(await upbit.closed_orders(start=end - timedelta(days=1), end=end)) == 1000


async def test_numbers_are_exact_and_candles_ask_in_utc(wire: Wire, upbit: Upbit) -> None:
    """Digits survive from the wire to the value, which a float would lose."""
    candle = b"""[{"market":"KRW-BTC","candle_date_time_utc":"2026-11-24T00:00:00","opening_price":1.16539E8,
        "high_price":2,"low_price":0.1234567890123456789,"trade_price":2,
        "candle_acc_trade_price":1,"candle_acc_trade_volume":1}]"""
    wire.answers = [http(200, gzip.compress(candle), "Content-Encoding: gzip")]
    to = datetime.fromisoformat("2026-11-24T09:05:00+09:00")
    (told,) = await upbit.candles("KRW-BTC", timedelta(minutes=1), to=to)
    assert (told.open, told.low) == (Decimal(116539000), Decimal("0.1234567890123456789"))
    assert "to=2026-11-24T00%3A05%3A00Z " in wire.seen[0]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://api.upbit.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://api.upbit.com", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://localhost.evil.example", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_plain_http_never_leaves_this_machine(url: str, safe: bool) -> None:  # noqa: FBT001 - a column of the table
    """Keys travel encrypted or not at all."""
    assert is_safe(url) is safe


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: candle_path(timedelta(minutes=7)), "Upbit has no candles of 0:07:00"),
        (lambda: whole_second(datetime(2026, 1, 1)), "a time without a zone: 2026-01-01 00:00:00"),  # noqa: DTZ001
        (lambda: epoch_ms(datetime(2026, 1, 1)), "a time without a zone: 2026-01-01 00:00:00"),  # noqa: DTZ001
    ],
)
def test_our_own_mistakes_are_told_before_anything_is_sent(call: Callable[[], str], words: str) -> None:
    """A unit Upbit does not have and a time without a zone are errors of the caller."""
    with pytest.raises(ValueError, match=f"^{words}$"):
        call()


def test_times_are_asked_for_in_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most stand in Korea."""
    monkeypatch.setenv("TZ", "Asia/Seoul")
    try:
        time.tzset()
        assert whole_second(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
        assert epoch_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == "1000"
        assert from_ms(1000) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_moment_is_rounded_up_to_the_second() -> None:
    """Exactly on the second it stays; a fraction later it includes that second's candle."""
    assert whole_second(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    assert whole_second(datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == "2026-01-01T00:00:01Z"
