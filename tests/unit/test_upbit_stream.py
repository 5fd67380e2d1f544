"""The streams, against a small WebSocket server that plays a script."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import socket
import ssl
import struct
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, call

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve

from simulation.loop import PacedLoop
from tests.helpers.patience import PATIENCE_S
from upbit import stream
from upbit.models import StreamCandle, StreamTicker, Ticker
from upbit.network import DIRECT, Network
from upbit.sockets import choice
from upbit.sockets.common import BUNDLED_S, CLOSE_S, LARGEST_MESSAGE, PING_S, Flood, Parts, Way
from upbit.sockets.plain import open_plain
from upbit.stream import CandleStream, Heard, MarketStream, Stream, TickerStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from upbit.sockets.common import OnMessage

SECRET = "0123456789abcdef0123456789abcdef01234567"


def ticker(market: str = "KRW-BTC", price: str = "1.16539E8") -> str:
    """Spell a ticker frame, with a field we do not know."""
    return f'{{"code":"{market}","trade_price":{price},"trade_timestamp":1,"timestamp":1,"new_field":[]}}'


class Script:
    """A server that runs one act for each connection, the last one again and again, and notes what it is told."""

    def __init__(self) -> None:
        self.acts: list[Callable[[ServerConnection], Awaitable[None]]] = []
        self.told: list[list[dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def play(self, connection: ServerConnection) -> None:
        """Note the handshake and the subscription, then act."""
        assert connection.request is not None
        self.headers.append({name.lower(): value for name, value in connection.request.headers.raw_items()})
        await self.hear(connection)
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        await act(connection)

    async def hear(self, connection: ServerConnection) -> None:
        """Wait for a message of the client's."""
        self.told.append(json.loads(await connection.recv()))


@pytest.fixture
async def script(monkeypatch: pytest.MonkeyPatch, sockets: str) -> AsyncIterator[Script]:
    """Serve on a free port, for a client with sockets of each kind, and let it hurry."""
    del sockets
    for name in ("SHORTEST_PAUSE_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S", "BETWEEN_SUBSCRIPTIONS_S"):
        monkeypatch.setattr(stream, name, 0.0)
    script = Script()
    async with serve(script.play, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        script.url = f"ws://127.0.0.1:{port}/websocket/v1"
        yield script


async def until(box: asyncio.Queue[StreamTicker], client: TickerStream, frames: int) -> list[StreamTicker]:
    """Run a stream until so many frames came."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run(box.put_nowait))
        found = [await box.get() for _ in range(frames)]
        running.cancel()
    return found


def following(url: str, *markets: str) -> TickerStream:
    """Return a stream of some markets."""
    client = TickerStream(url, rng=random.Random(1))
    client.wanted(frozenset(markets))
    return client


@pytest.mark.failure("C4")
async def test_a_clean_close_is_not_the_end(script: Script) -> None:
    """Upbit closes with 1000 after its own errors: the stream connects and subscribes again."""

    async def once(connection: ServerConnection) -> None:
        await connection.send(ticker().encode())
        await connection.close(1000)

    script.acts = [once]
    found = await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 3)
    assert [str(frame.price) for frame in found] == ["1.16539E+8"] * 3
    assert [message[1] for message in script.told[:3]] == [{"type": "ticker", "codes": ["KRW-BTC"]}] * 3
    assert len({message[0]["ticket"] for message in script.told[:3]}) == 3
    assert "origin" not in script.headers[0]
    assert "sec-websocket-extensions" not in script.headers[0]
    assert "authorization" not in script.headers[0]


@pytest.mark.failure("D4")
async def test_an_abrupt_end_and_an_error_frame_are_survived(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    """A reset and Upbit's own error lead to a new connection; the error is in the log."""

    async def fall(connection: ServerConnection) -> None:
        connection.transport.abort()

    async def refuse(connection: ServerConnection) -> None:
        await connection.send(b'{"error":{"name":"WRONG_FORMAT","message":"x"}}')
        await connection.wait_closed()

    async def tell(connection: ServerConnection) -> None:
        await connection.send(ticker())
        await connection.wait_closed()

    script.acts = [fall, refuse, tell]
    with caplog.at_level(logging.WARNING, "upbit.stream"):
        await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 1)
    assert len(script.told) == 3
    assert "WRONG_FORMAT" in caplog.text


@pytest.mark.failure("A24")
async def test_unknown_frames_are_skipped_and_mentioned_once(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    """Another shape, broken text and a price of zero neither end the stream nor fill the log."""

    async def babble(connection: ServerConnection) -> None:
        for frame in (b'{"status":"UP"}', b"\xff", b"[]", ticker(price="0").encode(), ticker().encode()):
            await connection.send(frame)
        await connection.wait_closed()

    script.acts = [babble]
    with caplog.at_level(logging.WARNING, "upbit.stream"):
        await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 1)
    assert len(script.told) == 1
    assert caplog.text.count("another shape") == 1


async def test_a_new_subscription_replaces_the_old_on_the_same_connection(script: Script) -> None:
    """Markets that change between two messages are sent once, as they are then."""

    async def follow(connection: ServerConnection) -> None:
        await connection.send(ticker().encode())
        await script.hear(connection)
        await connection.send(ticker("KRW-ETH").encode())
        await connection.wait_closed()

    script.acts = [follow]
    client, box = following(script.url, "KRW-BTC"), asyncio.Queue["StreamTicker"]()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run(box.put_nowait))
        await box.get()
        client.wanted(frozenset({"KRW-XRP"}))
        client.wanted(frozenset({"KRW-ETH", "KRW-ADA"}))
        assert (await box.get()).market == "KRW-ETH"
        running.cancel()
    assert [message[1]["codes"] for message in script.told] == [["KRW-BTC"], ["KRW-ADA", "KRW-ETH"]]
    assert len(script.headers) == 1


async def test_states_are_told_and_a_listener_that_fails_ends_nothing(script: Script) -> None:
    """Who listens may be wrong; the next frame comes nevertheless, and dropping the connection makes a new one."""

    async def tell(connection: ServerConnection) -> None:
        await connection.send(ticker().encode())
        await connection.send(ticker("KRW-ETH").encode())
        await connection.wait_closed()

    script.acts = [tell]
    client, states, second = following(script.url, "KRW-BTC"), list[str](), asyncio.Event()

    def listen(frame: StreamTicker) -> None:
        if frame.market == "KRW-BTC":
            raise KeyError(frame.market)
        if len(script.headers) == 2:
            second.set()
        client.reconnect()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run(listen, states.append))
        await second.wait()
        running.cancel()
    assert states[:5] == ["connecting", "open", "closed", "connecting", "open"]
    assert client.last_frame is not None


async def told_of(stream: TickerStream, *frames: tuple[int, int]) -> list[int]:
    """Let a stream hear frames, each with when it was traded and told, and return at which places one was passed on."""
    passed: list[int] = []
    heard: list[StreamTicker] = []
    for place, (traded, told) in enumerate(frames):
        content = {"code": "KRW-BTC", "trade_price": 1, "trade_timestamp": traded, "timestamp": told}
        before = len(heard)
        stream._take(json.dumps(content).encode(), heard.append)
        passed += [place] * (len(heard) - before)
    return passed


async def test_a_price_never_goes_back_in_exchange_time() -> None:
    """Out of order, an hour old, or of before a reconnection: what is older than what was told is left out."""
    stream = following("ws://127.0.0.1:9", "KRW-BTC")
    hour = 3_600_000
    heard = [(hour, hour), (hour - 1, hour + 1), (0, 0), (hour, hour), (hour + 1, hour), (hour + 1, hour - 1)]
    assert await told_of(stream, *heard) == [0, 3, 4]
    stream.wanted(frozenset({"KRW-BTC", "KRW-ETH"}))
    assert await told_of(stream, (0, 2 * hour)) == []
    stream.wanted(frozenset())
    stream.wanted(frozenset({"KRW-BTC"}))
    assert await told_of(stream, (0, 0)) == [0]


async def test_a_frame_from_the_future_silences_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Further ahead than clocks differ it is nonsense: it is left out, and the next true one is news."""
    now = datetime(2026, 11, 2, tzinfo=UTC)
    stream = TickerStream("ws://127.0.0.1:9", rng=random.Random(1), latest=lambda: now)
    ms = int(now.timestamp() * 1000)
    with caplog.at_level(logging.WARNING, "upbit.stream"):
        assert await told_of(stream, (ms + 61_000, ms), (ms, ms + 61_000), (ms, ms), (ms + 59_000, ms)) == [2, 3]
    assert "from the future" in caplog.text


async def test_rest_and_socket_tell_one_story() -> None:
    """A ticker of REST that is older than what the socket told is old, and the other way round."""
    stream = following("ws://127.0.0.1:9", "KRW-BTC")

    def rest(traded: int) -> bool:
        return stream.heard(Ticker(market="KRW-BTC", price=Decimal(1), traded_at_ms=traded, turnover_24h=Decimal(1)))

    assert rest(50)
    assert await told_of(stream, (40, 60), (50, 60)) == [1]
    assert not rest(49)
    assert rest(50)
    assert rest(70)
    assert await told_of(stream, (60, 99), (70, 71)) == [1]


def test_a_frame_knows_until_when_it_was_true() -> None:
    """Its age counts from then, not from when it came."""
    frame = StreamTicker(market="KRW-BTC", price=Decimal(1), traded_at_ms=1_000, sent_at_ms=3_000)
    assert frame.told_at == datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)


async def test_a_frame_nested_without_end_is_skipped() -> None:
    """It is of another shape, like any other."""
    stream, passed = following("ws://127.0.0.1:9", "KRW-BTC"), list[object]()
    deep = "[" * 100_000 + "]" * 100_000
    for frame in (deep, '{"code":"KRW-BTC","x":' + deep + "}", '{"error":' + deep + "}"):
        stream._take(frame.encode(), passed.append)
    assert passed == []


async def test_silence_counts_only_while_somebody_asks_for_frames() -> None:
    """An hour without a subscription is no silence: it counts from the subscription on, and over a change of it."""
    stream = TickerStream("ws://127.0.0.1:9", rng=random.Random(1))
    now = asyncio.get_running_loop().time()
    stream.last_frame = now - 3600
    stream.wanted(frozenset({"KRW-BTC"}))
    assert stream.last_frame >= now
    stream.last_frame = now - 20
    stream.wanted(frozenset({"KRW-BTC", "KRW-ETH"}))
    assert stream.last_frame == now - 20


def test_plain_sockets_never_leave_this_machine() -> None:
    """A token travels encrypted or not at all."""
    with pytest.raises(ValueError, match="only wss"):
        TickerStream("ws://api.upbit.com/websocket/v1", rng=random.Random(1))


def candle(**changes: object) -> bytes:
    """Spell a candle frame."""
    told = {
        "type": "candle.3m",
        "code": "KRW-BTC",
        "candle_date_time_utc": "2026-11-02T00:03:00",
        "candle_date_time_kst": "2026-11-02T09:03:00",
        "opening_price": 2.0,
        "high_price": 3.0,
        "low_price": 1.0,
        "trade_price": 2.0,
        "candle_acc_trade_volume": 5.0,
        "candle_acc_trade_price": 9.0,
        "timestamp": 1,
        "stream_type": "REALTIME",
    }
    return json.dumps(told | changes).encode()


@pytest.mark.failure("C17")
async def test_a_candle_that_cannot_be_one_is_left_out(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    """Of another unit, between two candles, of the future, of a market nobody asked for, or beside its own range."""
    lies: list[dict[str, Any]] = [
        {"type": "candle.1m"},
        {"candle_date_time_utc": "2026-11-02T00:04:00"},
        {"candle_date_time_utc": "2026-11-02T00:03:01"},
        {"candle_date_time_utc": "2026-11-02T00:09:00"},
        {"code": "KRW-ETH"},
        {"high_price": 1.5},
        {"low_price": 2.5},
        {"trade_price": -2.0},
        {"candle_acc_trade_volume": -1.0},
        {"candle_date_time_utc": "2026-11-02T00:03"},
    ]

    async def tell(connection: ServerConnection) -> None:
        for lie in lies:
            await connection.send(candle(**lie))
        await connection.send(candle(trade_price=3.0))
        await connection.wait_closed()

    script.acts = [tell]
    client = CandleStream(
        script.url,
        timedelta(minutes=3),
        rng=random.Random(1),
        latest=lambda: datetime(2026, 11, 2, 0, 5, 50, tzinfo=UTC),
    )
    client.wanted(frozenset({"KRW-BTC"}))
    box: asyncio.Queue[StreamCandle] = asyncio.Queue()
    with caplog.at_level(logging.WARNING, "upbit.stream"):
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(client.run(box.put_nowait))
            found = await box.get()
            running.cancel()
    assert found.close == 3
    assert found.opened_at == datetime(2026, 11, 2, 0, 3, tzinfo=UTC)
    assert script.told[0][1:] == [{"type": "candle.3m", "codes": ["KRW-BTC"]}]
    assert "of another unit: KRW-BTC candle.1m" in caplog.text


async def test_a_message_in_pieces_is_one_and_one_without_end_is_none(script: Script) -> None:
    """Whole frames stand between; what grows beyond any message ends its connection."""

    async def pieces(connection: ServerConnection) -> None:
        text = ticker().encode()
        await connection.send([text[:10], b"", text[10:]])
        await connection.send(ticker("KRW-ETH").encode())
        await connection.send([b" " * LARGEST_MESSAGE, b" " * 9, ticker("KRW-XRP").encode()])
        await connection.wait_closed()

    script.acts = [pieces]
    found = await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 4)
    assert [frame.market for frame in found] == ["KRW-BTC", "KRW-ETH"] * 2


@pytest.mark.failure("C9")
async def test_of_a_flood_nothing_is_lost_and_nothing_overtakes(script: Script) -> None:
    """Frames are looked at together: all of them, in their order, also the last ones before an abrupt end."""

    async def flood(connection: ServerConnection) -> None:
        for number in range(1, 301):
            await connection.send(ticker(price=str(number)).encode())
        await connection.close()

    script.acts = [flood]
    found = await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 600)
    assert [int(frame.price) for frame in found] == [*range(1, 301)] * 2


async def test_a_frame_against_the_rules_ends_its_connection_and_the_next_is_made(script: Script) -> None:
    """One that claims to be larger than any message, before it came, and one of a kind there is not."""

    def speak(*words: bytes) -> Callable[[ServerConnection], Awaitable[None]]:
        async def act(connection: ServerConnection) -> None:
            connection.transport.writelines(words)
            await connection.wait_closed()

        return act

    large = struct.pack("!BBQ", 0x82, 127, LARGEST_MESSAGE + 1)
    short = ticker().encode()[:125]
    script.acts = [speak(large), speak(b"\x83\x00"), speak(b"\x82", bytes([len(short)]), short)]
    await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 1)
    assert len(script.told) == 3


async def test_whoever_asks_whether_we_live_is_told(script: Script) -> None:
    """The answer comes on its own, and neither the question nor an answer to none is taken for a frame."""

    async def ask(connection: ServerConnection) -> None:
        await connection.pong(b"unasked")
        await (await connection.ping(b"alive?"))
        await connection.send(ticker().encode())
        await connection.wait_closed()

    script.acts = [ask]
    await until(asyncio.Queue(), following(script.url, "KRW-BTC"), 1)
    assert len(script.told) == 1


async def test_whoever_never_says_goodbye_is_not_waited_for(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads nothing any more: once nothing is followed, its connection ends all the same."""
    for module in filter(None, map(sys.modules.get, ("upbit.sockets.plain", "upbit.sockets.fast"))):
        monkeypatch.setattr(module, "CLOSE_S", 0.0)
    left, states = asyncio.Event(), asyncio.Queue[str]()

    async def be_deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.send(ticker())
        await left.wait()
        connection.transport.abort()

    script.acts = [be_deaf]
    client = following(script.url, "KRW-BTC")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run(lambda _: client.wanted(frozenset()), states.put_nowait))
        assert [await states.get() for _ in range(3)] == ["connecting", "open", "closed"]
        left.set()
        running.cancel()


def test_a_message_in_parts_is_put_together_up_to_the_largest_there_is() -> None:
    """Each anew: what came before counts for none."""
    whole: list[bytes | bytearray] = []
    parts = Parts(lambda message: whole.append(message) is None)  # type: ignore[func-returns-value] # as listeners do
    half = b"x" * (LARGEST_MESSAGE // 2)
    for _ in range(2):
        assert [parts.take(half, last=False), parts.take(half, last=True)] == [True, True]
    assert whole == [half + half] * 2
    assert parts.take(half + half, last=False)
    assert not parts.take(b"x", last=False)
    assert not parts.take(b"", last=True)
    assert Parts(lambda _: False).take(b"", last=True) is False
    ends = Parts(lambda message: message != b"ab")
    assert [ends.take(b"a", last=False), ends.take(b"b", last=True)] == [True, False]
    assert len(whole) == 2


def test_a_fast_socket_hands_over_whole_messages_and_ends_when_no_more_are_wanted() -> None:
    """At once, without a word; a goodbye of the other side is answered with its own code; a ping is nothing to us."""
    picows, fast = pytest.importorskip("picows"), pytest.importorskip("upbit.sockets.fast")
    kinds, hear, transport = picows.WSMsgType, Mock(side_effect=[True, False, True]), Mock()
    socket = fast._Listening(Way(url="ws://127.0.0.1:9"), hear)
    socket._transport, socket._flood = transport, Mock()

    def comes(kind: object, content: bytes, *, fin: bool = True) -> list[object]:
        transport.reset_mock()
        frame = Mock(msg_type=kind, fin=fin, **{"get_payload_as_bytes.return_value": content})
        frame.get_close_code.return_value = 1001
        socket.on_ws_frame(transport, frame)
        return list(transport.mock_calls)

    end = call.disconnect(graceful=False)
    assert [comes(kinds.TEXT, b"a", fin=False), comes(kinds.PING, b"x"), comes(kinds.CONTINUATION, b"b")] == [[]] * 3
    assert comes(kinds.BINARY, b"c") == [end]
    assert comes(kinds.TEXT, b"d") == []
    assert hear.mock_calls == [call(b"ab"), call(b"c"), call(b"d")]
    assert comes(kinds.BINARY, b"x" * (LARGEST_MESSAGE + 1), fin=False) == [end]
    assert comes(kinds.CLOSE, b"") == [call.send_close(1001), call.disconnect()]
    assert len(socket._flood.came.mock_calls) == 7
    socket.on_ws_disconnected(transport)
    assert socket._flood.end.mock_calls == [call()]


async def test_a_plain_socket_asks_whether_the_other_side_lives_and_does_not_wait_long_for_its_end() -> None:
    """As often as the fast one."""

    async def idle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(idle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with open_plain(Way(url=f"ws://127.0.0.1:{port}"), lambda _: True) as found:
            assert isinstance(found, ClientConnection)
            assert (found.ping_interval, found.ping_timeout, found.close_timeout) == (PING_S, PING_S, CLOSE_S)


class Reader(asyncio.Protocol):
    """Notes what was read, and when in loop time; an end is nothing."""

    def __init__(self, patience: Callable[[], float]) -> None:
        self.read: list[tuple[bytes, float]] = []
        self._patience = patience

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.flood = Flood(transport, self._patience)

    def data_received(self, data: bytes) -> None:
        """Note it."""
        self.flood.came()
        self.read.append((data, asyncio.get_running_loop().time()))

    def eof_received(self) -> None:
        """Note it, too."""
        self.data_received(b"")

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self.flood.end()


FLOOD = [(b"0", 0), (b"1", 7), (b"2345", 37), (b"67", 67), (b"8", 1000), (b"9", 1001), (b"", 1002)]
"""What is read of digits that come every 7 ms, and after a while in another haste, with when: milliseconds."""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is waited for")
@pytest.mark.parametrize("patient", [True, False])
def test_what_comes_after_a_while_is_read_at_once_and_a_flood_now_and_then(*, patient: bool) -> None:
    """Nothing waits longer than others are waited for, and an end not at all; who has no patience reads each."""

    async def story() -> list[tuple[bytes, float]]:
        loop, reader = asyncio.get_running_loop(), Reader(lambda: BUNDLED_S if patient else 0.0)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await loop.create_connection(lambda: reader, *listening.getsockname())
            server, _ = listening.accept()
        with server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = loop.time()
            for number in range(10):
                await asyncio.sleep(began + (0.007 * number if number < 8 else 0.992 + number / 1000) - loop.time())
                server.send(b"%d" % number)
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        for _ in range(2):  # what was read before the end is looked at
            reader.flood.came()
        return [(data, round(1000 * (at - began))) for data, at in reader.read]

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        told = runner.run(story())
    assert b"".join(data for data, _ in told) == b"0123456789"
    assert told == FLOOD if patient else [len(data) for data, _ in told] == [1] * 10 + [0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing gathers")
async def test_a_kernel_that_lets_nothing_gather_is_asked_once_and_each_frame_is_read() -> None:
    """A sandbox of containers may know no SO_RCVLOWAT: the feed lives on without it."""
    refusing = Mock(**{"setsockopt.side_effect": OSError("Protocol not available")})
    transport = Mock(**{"get_extra_info.return_value": refusing, "is_closing.return_value": False})
    flood = Flood(transport, lambda: BUNDLED_S)
    for _ in range(5):
        flood.came()
    flood._read()  # as when the time is over
    flood.came()
    flood.end()
    assert len(refusing.setsockopt.mock_calls) == 1


@pytest.mark.parametrize("installed", [True, False])
def test_picows_is_used_where_it_is_installed_and_only_on_uvloop(
    monkeypatch: pytest.MonkeyPatch, *, installed: bool
) -> None:
    """Loops that are none, as the simulated one, have the sockets that go through any loop."""

    async def used() -> str:
        return choice.opener().__name__

    fast = ModuleType("fast")
    monkeypatch.setattr(fast, "open_fast", open_nothing, raising=False)
    monkeypatch.setitem(sys.modules, "upbit.sockets.fast", fast)
    monkeypatch.setattr(choice, "find_spec", lambda name: object() if installed and name == "picows" else None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(used()) == ("open_nothing" if installed else "open_plain")
    with asyncio.Runner() as runner:
        assert runner.run(used()) == "open_plain"


def open_nothing() -> None:
    """Stand for what opens sockets of an extra that need not be installed."""


# --- made-up connections, on a clock that skips -----------------------------------------------------------------------


class Line:
    """Connections that fail (None) or live for some seconds, and what each was opened with and told."""

    def __init__(self, *lives: float | None) -> None:
        self.lives = list(lives)
        self.ways: list[Way] = []
        self.opened: list[float] = []
        self.sent: list[tuple[float, list[dict[str, Any]]]] = []
        self.closed: list[float] = []

    @asynccontextmanager
    async def open(self, way: Way, _: OnMessage) -> AsyncIterator[Line]:
        """Open the next one; the last lives for ever."""
        self.ways.append(way)
        self.opened.append(now())
        self.left, self.ended = self.lives.pop(0) if self.lives else inf, asyncio.Event()
        if self.left is None:
            raise OSError("no way")
        yield self

    async def wait_closed(self) -> None:
        """Live."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if self.left in {inf, None} else self.left):
                await self.ended.wait()

    async def send(self, message: str) -> None:
        """Note it."""
        self.sent.append((now(), json.loads(message)))

    async def close(self) -> None:
        """End."""
        self.closed.append(now())
        self.ended.set()

    def abort(self) -> None:
        """End at once."""
        self.ended.set()


class Dice(random.Random):
    """Throws the lowest or the highest number, and notes between which."""

    def __init__(self, *, high: bool) -> None:
        super().__init__(1)
        self.high = high
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        """Throw."""
        self.asked.append((a, b))
        return b if self.high else a


def now() -> float:
    """Return the time of the loop."""
    return asyncio.get_running_loop().time()


def lived(
    monkeypatch: pytest.MonkeyPatch,
    line: Line,
    seconds: float,
    *,
    rng: random.Random | None = None,
    story: Callable[[TickerStream], Awaitable[None]] | None = None,
) -> list[tuple[float, str]]:
    """Let a stream live on such a line for some seconds; return its states, each with when it was told."""
    monkeypatch.setattr(stream, "opener", lambda: line.open)
    states: list[tuple[float, str]] = []

    async def live() -> None:
        client = TickerStream("ws://127.0.0.1:9/x", rng=rng or random.Random(1))
        if story is None:
            client.wanted(frozenset({"KRW-BTC"}))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(client.run(lambda _: None, lambda state: states.append((now(), state))))
            if story is not None:
                await story(client)
            await asyncio.sleep(seconds - now())
            running.cancel()

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(live())
    return states


def test_whoever_fails_waits_ever_longer_and_after_a_good_connection_hardly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to half a minute, at random; good is one that lived for ten seconds, however long its opening took."""
    line, rng = Line(*[None] * 7, 20.0, None, 19.9, 20.0), Dice(high=True)
    states = lived(monkeypatch, line, 400.0, rng=rng)
    waited = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 0.5, 1.0, 2.0, 0.5]
    assert rng.asked == [(0.0, most) for most in waited]
    expected, at = [0.0], 0.0
    for pause, life in zip(waited, [0.0] * 7 + [20.0, 0.0, 19.9, 20.0], strict=True):
        at += life + pause
        expected.append(at)
    assert line.opened == pytest.approx(expected)
    assert states[:2] == [(0.0, "connecting"), (0.0, "closed")]
    assert [state for _, state in states[-6:]] == ["connecting", "open", "closed", "connecting", "open", "closed"]


def test_no_pause_is_shorter_than_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upbit counts connections, too."""
    line = Line(*[None] * 3)
    lived(monkeypatch, line, 2.0, rng=Dice(high=False))
    assert line.opened == [0.0, 0.25, 0.5, 0.75]


def test_what_is_subscribed_is_told_at_most_once_a_second_as_it_is_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told twice; without a market the line is let go, and taken again for the next one."""
    line = Line()

    async def story(client: TickerStream) -> None:
        for at, markets in ((1.0, "A"), (1.2, "BC"), (1.4, "CB"), (1.6, "ABC"), (5.0, "CAB"), (6.0, ""), (9.0, "A")):
            await asyncio.sleep(at - now())
            client.wanted(frozenset(markets))

    lived(monkeypatch, line, 20.0, story=story, rng=Dice(high=False))
    assert line.opened == [1.0, 9.0]
    assert line.closed == [6.0]
    assert [(at, message[1:]) for at, message in line.sent] == [
        (1.0, [{"type": "ticker", "codes": ["A"]}]),
        (2.0, [{"type": "ticker", "codes": ["A", "B", "C"]}]),
        (9.0, [{"type": "ticker", "codes": ["A"]}]),
    ]
    tickets = [message[0]["ticket"] for _, message in line.sent]
    assert len(set(tickets)) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", ticket) for ticket in tickets)


def test_a_connection_that_is_dropped_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is subscribed anew; without one there is nothing to drop."""
    line = Line()

    async def story(client: TickerStream) -> None:
        client.reconnect()
        client.wanted(frozenset("A"))
        await asyncio.sleep(3.0)
        assert client.last_frame == 0.0
        client.reconnect()
        await asyncio.sleep(0.1)
        client.reconnect()

    lived(monkeypatch, line, 5.0, story=story, rng=Dice(high=False))
    assert line.opened == [0.0, 3.25]
    assert [message[1]["codes"] for _, message in line.sent] == [["A"], ["A"]]


def test_who_keeps_frames_gets_each_at_once_and_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for a bundle; what cannot be read is kept, too."""
    line, kept = Line(1.0, inf), list[bytes]()

    async def story(client: TickerStream) -> None:
        client.wanted(frozenset({"KRW-BTC"}))
        await asyncio.sleep(0.5)
        assert line.ways[0].patience() == BUNDLED_S
        client.on_raw = kept.append
        assert line.ways[0].patience() == 0.0
        for frame in (bytearray(b"\xff"), ticker().encode()):
            client._take(frame, lambda _: None)

    lived(monkeypatch, line, 5.0, story=story)
    assert kept == [b"\xff", ticker().encode()]
    assert type(kept[0]) is bytes
    assert [(way.url, way.tls, way.proxy) for way in line.ways] == [("ws://127.0.0.1:9/x", None, None)] * 2


def test_what_is_odd_is_mentioned_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Shortened: a frame may be a megabyte."""

    async def story(client: TickerStream) -> None:
        for at in (0.0, 59.9, 60.0, 119.9, 120.0):
            await asyncio.sleep(at - now())
            assert client._take(b"x" * 500, lambda _: None)

    with caplog.at_level(logging.WARNING, "upbit.stream"):
        lived(monkeypatch, Line(), 121.0, story=story)
    assert caplog.messages == [f"frame of another shape: {b'x' * 200!r} url=ws://127.0.0.1:9/x"] * 3


async def test_an_error_frame_ends_the_conversation_and_counts_as_none() -> None:
    """Whatever else is not understood does not end it; only what is understood says that frames come."""
    client = following("ws://127.0.0.1:9", "KRW-BTC")
    assert not client._take(b'{"error":{"name":"x"}}', lambda _: None)
    assert client._take(b"{}", lambda _: None)
    assert client.last_frame is None
    assert client._take(ticker().encode(), lambda _: None)
    assert client.last_frame is not None


def test_the_time_at_the_exchange_is_looked_up_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is a minute ahead may be true, and one beyond it is not."""
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    looked: list[float] = []

    def latest() -> datetime:
        looked.append(now())
        return midnight + timedelta(seconds=now())

    async def live() -> None:
        horizon, ms = stream.Horizon(latest), int(midnight.timestamp() * 1000)
        answers = []
        for at in (0.0, 0.5, 1.0, 1.9):
            await asyncio.sleep(at - now())
            answers += [(at, horizon.is_beyond(ms + 60_000, now())), (at, horizon.is_beyond(ms + 60_001, now()))]
        assert answers == [
            (0.0, False),
            (0.0, True),
            (0.5, False),
            (0.5, True),
            *[(at, False) for at in (1.0, 1.0, 1.9, 1.9)],
        ]
        assert horizon.is_beyond(ms + 61_001, now())
        assert not stream.Horizon(None).is_beyond(ms * 2, now())

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(live())
    assert looked == [0.0, 1.0]


@pytest.mark.parametrize(("second", "beyond"), [(5, False), (6, True)])
async def test_a_candle_may_be_five_seconds_ahead(second: int, beyond: bool) -> None:  # noqa: FBT001 - a column
    """What is known of the exchange's time may be late by that."""
    moment = datetime(2026, 11, 2, 0, 3, tzinfo=UTC) - timedelta(seconds=second)
    client = CandleStream("ws://127.0.0.1:9", timedelta(minutes=3), rng=random.Random(1), latest=lambda: moment)
    client.wanted(frozenset({"KRW-BTC"}))
    heard: list[StreamCandle] = []
    client._take(candle(), heard.append)
    assert len(heard) == (0 if beyond else 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "candle.1m"}, "of another unit: KRW-BTC candle.1m 2026-11-02T00:03:00"),
        ({"code": "KRW-ETH"}, "of a market nobody asked for: KRW-ETH candle.3m 2026-11-02T00:03:00"),
        (
            {"candle_date_time_utc": "2026-11-02T00:06:00", "code": "KRW-BTC"},
            "from the future: KRW-BTC candle.3m 2026-11-02T00:06:00",
        ),
    ],
)
async def test_what_is_odd_about_a_candle_is_said(
    changes: dict[str, str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its market and its time; of no markets nothing is subscribed."""
    moment = datetime(2026, 11, 2, 0, 5, tzinfo=UTC)
    client = CandleStream("ws://127.0.0.1:9", timedelta(minutes=3), rng=random.Random(1), latest=lambda: moment)
    client.wanted(frozenset({"KRW-BTC"}))
    with caplog.at_level(logging.WARNING, "upbit.stream"):
        client._take(candle(**changes), lambda _: pytest.fail("it was told"))
    assert caplog.messages == [f"frame {words} url=ws://127.0.0.1:9"]
    client.wanted(frozenset())
    assert client._subscription is None


async def test_a_stream_of_everything_asks_for_trades_and_books() -> None:
    """For who keeps them as they came: what tells a frame from an error is all that is read of it."""
    client, heard = MarketStream("ws://127.0.0.1:9", rng=random.Random(1)), list[Heard]()
    client.wanted(frozenset({"KRW-B", "KRW-A"}))
    codes = ["KRW-A", "KRW-B"]
    assert client._subscription == [{"type": "trade", "codes": codes}, {"type": "orderbook", "codes": codes}]
    assert client._take(b'{"type":"trade","code":"KRW-A","x":1}', heard.append)
    assert heard == [Heard(type="trade", code="KRW-A")]
    client.wanted(frozenset())
    assert client._subscription is None


def test_every_stream_goes_the_way_that_is_named() -> None:
    """Through the proxy, with verified certificates, or not at all."""
    url, rng, way = "wss://upbit.example/websocket/v1", random.Random(1), Network(proxy="http://proxy:3128")

    def streams(url: str, network: Network) -> list[Stream[Any]]:
        return [
            TickerStream(url, rng=rng, network=network),
            CandleStream(url, timedelta(minutes=1), rng=rng, network=network),
            MarketStream(url, rng=rng, network=network),
        ]

    async def look() -> None:
        for one in streams(url, way):
            assert (one._url, one._rng, one._proxy) == (url, rng, "http://proxy:3128")
            assert one._tls is not None
            assert (one._tls.check_hostname, one._tls.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert [one._proxy for one in streams(url, DIRECT)] == [None] * 3
        with pytest.raises(
            ValueError, match=r"^ws://upbit.example: only wss is allowed, plain ws only to this machine$"
        ):
            streams("ws://upbit.example", way)

    asyncio.run(look())
