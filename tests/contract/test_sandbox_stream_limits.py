"""Mistakes, limits, silence and the end of connections to the sandbox's streams."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import aiohttp
import aiohttp.web
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stream.session import FAREWELL_SECONDS, IDLE_SECONDS, STATUS_SECONDS
from sandbox.stream.subscription import PRIVATE_TYPES, PUBLIC_TYPES, StreamError, read_message
from sandbox.wire import to_json
from simulation.loop import PacedLoop
from tests.helpers.patience import PATIENCE_S
from tests.helpers.sandbox_desk import Desk, open_desk
from tests.helpers.stream_line import FORMATS, PRIVATE, PUBLIC, TICKER, Line, connect, only_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened


# -- mistakes and limits


@pytest.mark.statement(49)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rubbish", "WRONG_FORMAT"),
        ("[" * 100_000, "WRONG_FORMAT"),
        ('{"ticket":"t"}', "WRONG_FORMAT"),
        ('[{"ticket":"t"},"ticker"]', "WRONG_FORMAT"),
        ('[{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":""},{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":7},{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":"t"}]', "NO_TYPE"),
        ('[{"ticket":"t"},{"type":"ticker"}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"candle.1m","codes":[]}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"Ticker","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"candle.2m","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"myOrder"}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"ticker","codes":"KRW-BTC"}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"ticker","codes":[1]}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":["ticker"],"codes":["KRW-BTC"]}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"],"level":[0]}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"orderbook","codes":["KRW-BTC"],"level":NaN}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"],"is_only_realtime":"yes"}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"format":"SHORT"}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"method":"LIST"}]', "WRONG_FORMAT"),
    ],
)
async def test_a_mistake_is_told_and_ends_the_connection(desk: Desk, text: str, name: str) -> None:
    """One error frame, then a normal close; a violation."""
    async with connect(desk) as line:
        await line.socket.send_str(text)
        assert await line.error() == name
    assert desk.box.violations == {name: 1}
    assert 0.1 <= FAREWELL_SECONDS <= 0.2


TEXT = st.text("K-.비 \x00", max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just("KRW-BTC.5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["ticket", "type", "codes", "level", "format", "method", "is_only_realtime", "categories", "include_body"]
)
VALUES = JSON | st.sampled_from(sorted(PUBLIC_TYPES | PRIVATE_TYPES)) | st.sampled_from(FORMATS)


@given(parts=st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_any_request_is_read_or_refused(parts: list[dict[str, Any]]) -> None:
    """Whatever JSON a client sends ends as a message or as one of the documented errors."""
    name = ""
    try:
        message = read_message(json.dumps([{"ticket": "t"}, *parts]), PUBLIC_TYPES | PRIVATE_TYPES)
    except StreamError as error:
        name = error.name
    else:
        to_json([wanted.listed() for wanted in message.subscriptions or ()])
    assert name in {"", "WRONG_FORMAT", "NO_TICKET", "NO_TYPE", "NO_CODES", "INVALID_PARAM"}


async def test_more_than_five_messages_a_second(desk: Desk) -> None:
    """The sixth message of a second ends the connection; questions and PING count like subscriptions."""
    async with connect(desk) as line:
        await line.socket.send_str("PING")
        for _ in range(5):
            await line.ask({"method": "LIST_SUBSCRIPTIONS"})
        for _ in range(5):
            await line.read()
        assert await line.error() == "Too Many Requests"


async def test_more_than_a_hundred_messages_a_minute(desk: Desk) -> None:
    """The hundred and first message of a minute ends the connection."""
    async with connect(desk) as line:
        for count in range(101):
            if count % 3 == 0:
                desk.pass_time(1)
            await line.ask({"method": "LIST_SUBSCRIPTIONS"})
            frame = await line.read()
        assert frame["error"]["name"] == "Too Many Requests"


@pytest.mark.statement(14)
async def test_messages_are_counted_per_connection(desk: Desk) -> None:
    """What one connection said does not count against another."""
    async with connect(desk) as first, connect(desk) as second:
        for _ in range(5):
            for line in (first, second):
                await line.ask({"method": "LIST_SUBSCRIPTIONS"})
                assert (await line.read())["result"] == []


async def test_six_connections_a_second_are_too_many(desk: Desk) -> None:
    """The sixth handshake of a second is refused with 429, and the upgrade tells what is left."""
    sockets = [await desk.session.ws_connect(desk.box.url + PUBLIC) for _ in range(5)]
    assert sockets[1]._response.headers["Remaining-Req"] == "group=websocket; min=300; sec=3"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await desk.session.ws_connect(desk.box.url + PUBLIC)
    assert refusal.value.status == 429
    assert refusal.value.headers is not None
    assert refusal.value.headers["Remaining-Req"] == "group=websocket; min=300; sec=0"
    desk.pass_time(1)
    sockets.append(await desk.session.ws_connect(desk.box.url + PUBLIC))
    for socket in sockets:
        await socket.close()


@pytest.mark.statement(14)
async def test_connections_with_a_token_count_for_its_pocket(desk: Desk) -> None:
    """Five of the address and five of the pocket fit into one second, public and private counted together."""
    sockets = [await desk.session.ws_connect(desk.box.url + PUBLIC) for _ in range(5)]
    sockets += [
        await desk.session.ws_connect(desk.box.url + path, headers=desk.token())
        for path in (PUBLIC, PUBLIC, PUBLIC, PRIVATE, PRIVATE)
    ]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await desk.session.ws_connect(desk.box.url + PRIVATE, headers=desk.token())
    for socket in sockets:
        await socket.close()


@pytest.mark.statement(16)
async def test_a_handshake_with_an_origin_counts_as_origin(desk: Desk) -> None:
    """One in ten seconds, counted together with REST; the upgrade says so."""
    origin = {"Origin": "https://example.com"}
    async with connect(desk, headers=origin) as line:
        assert line.socket._response.headers["Remaining-Req"] == "group=origin; min=6; sec=0"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await desk.session.ws_connect(desk.box.url + PUBLIC, headers=origin)
    assert refusal.value.status == 429
    assert (await desk.call("GET", "/v1/market/all", headers=origin))[0] == 429
    desk.pass_time(10)
    async with connect(desk, headers=origin) as line:
        assert await line.nothing_more()


async def test_compression_is_negotiated_when_offered(desk: Desk) -> None:
    """permessage-deflate is agreed on if the client offers it, and frames read the same; otherwise not."""
    async with connect(desk, compress=15) as packed, connect(desk) as plain:
        assert packed.socket.compress
        assert not plain.socket.compress
        for line in (packed, plain):
            await line.ask({"type": "orderbook", "codes": ["KRW-BTC"]})
        assert await packed.read() == await plain.read()


# -- silence and the end


@pytest.mark.statement(52)
async def test_ping_as_a_frame(desk: Desk) -> None:
    """A protocol ping is answered with its pong, and is no message."""
    async with desk.session.ws_connect(desk.box.url + PUBLIC, autoping=False) as socket:
        for _ in range(8):
            await socket.ping(b"hello")
            message = await socket.receive(timeout=PATIENCE_S)
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")


@pytest.mark.statement(52)
def test_the_text_ping_is_answered_every_ten_seconds_for_ever() -> None:
    """`{"status":"UP"}` comes at once and then every ten seconds, which also keeps the connection from falling idle."""

    async def listen() -> list[float]:
        loop, moments = asyncio.get_running_loop(), []
        async with open_desk() as desk, connect(desk) as line:
            await line.socket.send_str("PING")
            for _ in range(15):
                message = await line.socket.receive()
                assert message.data == b'{"status":"UP"}'
                moments.append(loop.time())
        return [moment - moments[0] for moment in moments]

    assert STATUS_SECONDS == 10
    with asyncio.Runner(loop_factory=lambda: PacedLoop(math.inf)) as runner:
        assert runner.run(listen()) == pytest.approx([10 * count for count in range(15)], abs=0.5)


@pytest.mark.statement(52)
@pytest.mark.parametrize("keeps_pinging", [False, True])
def test_a_silent_connection_is_dropped(*, keeps_pinging: bool) -> None:
    """Without a byte in either direction the connection ends abnormally after a minute; a ping saves it."""

    async def listen() -> float:
        loop = asyncio.get_running_loop()
        async with open_desk() as desk, connect(desk) as line:
            began = loop.time()
            if keeps_pinging:
                for _ in range(10):
                    await asyncio.sleep(30)
                    await line.socket.ping()
            message = await line.socket.receive()
            assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
            assert line.socket.close_code == 1006
            return loop.time() - began

    assert 60 <= IDLE_SECONDS <= 120
    with asyncio.Runner(loop_factory=lambda: PacedLoop(math.inf)) as runner:
        assert runner.run(listen()) == pytest.approx(IDLE_SECONDS + 300 * keeps_pinging, abs=1)


async def test_a_client_that_does_not_read_is_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue has an end."""
    monkeypatch.setattr("sandbox.stream.session.MOST_QUEUED", 3)
    async with connect(desk) as line:
        assert await line.nothing_more()
        session = only_session(desk)
        for _ in range(4):
            session.send(b"{}")
        while desk.box._stream.audience.sessions:  # noqa: ASYNC110  # the server tells nobody about it
            await asyncio.sleep(0)


async def test_a_client_that_leaves_during_the_handshake_is_forgotten(desk: Desk) -> None:
    """Nobody is left to tell: no session, no failure of the sandbox."""

    class Gone(AbstractStreamWriter):
        """The writer of a connection that is closed."""

        def send_headers(self) -> None:
            """Find nobody."""
            raise aiohttp.ClientConnectionResetError("gone")

        async def write(self, chunk: object) -> None:
            """Never come so far."""

        async def write_eof(self, chunk: bytes = b"") -> None:
            """Never come so far."""

        async def drain(self) -> None:
            """Never come so far."""

        def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
            """Never come so far."""

        def enable_chunking(self) -> None:
            """Never come so far."""

        async def write_headers(self, status_line: str, headers: object) -> None:
            """Wait for the body, like the real one."""

    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    request = make_mocked_request("GET", PUBLIC, headers=upgrade, writer=Gone())
    assert not isinstance(await desk.box._stream.serve(request, PUBLIC), aiohttp.web.WebSocketResponse)
    assert not desk.box._stream.audience.sessions


async def test_stopping_closes_connections() -> None:
    """A sandbox that ends takes its connections with it, and leaves no task behind."""
    async with aiohttp.ClientSession() as session:
        desk = Desk(session)
        async with desk.box:
            socket = await session.ws_connect(desk.box.url + PUBLIC)
            line = Line(socket)
            await line.ask(TICKER)
            await line.read()
            reading = asyncio.create_task(socket.receive())
            await asyncio.sleep(0)
        assert (await reading).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        await socket.close()
    assert len(asyncio.all_tasks()) == 1
