"""The streams, against a small WebSocket server that plays a script."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from websockets.asyncio.server import ServerConnection, serve

from simulation.loop import PacedLoop
from tests.helpers.patience import PATIENCE_S
from upbit import stream
from upbit.models import StreamCandle, StreamTicker, Ticker
from upbit.sockets import choice
from upbit.sockets.common import BUNDLED_S, LARGEST_MESSAGE, Bundle
from upbit.stream import CandleStream, TickerStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

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
    assert await told_of(stream, (hour, hour), (hour - 1, hour + 1), (0, 0), (hour, hour), (hour + 1, hour)) == [
        0,
        3,
        4,
    ]
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


def test_what_comes_after_a_while_is_handed_over_at_once_and_a_flood_now_and_then() -> None:
    """Nothing waits longer than others are waited for."""

    async def story() -> None:
        loop, told = asyncio.get_running_loop(), list[tuple[int, float]]()
        bundle = Bundle[int](lambda number: told.append((number, loop.time())), lambda: BUNDLED_S)
        for number in range(5):
            bundle.add(number)
            await asyncio.sleep(BUNDLED_S * 0.4)
        await asyncio.sleep(1)
        bundle.add(5)
        bundle.add(6)
        bundle.empty()
        assert [number for number, _ in told] == list(range(7))
        rests = [round(at / BUNDLED_S, 1) for _, at in told]
        assert rests[:5] == [0, 1, 1, 2, 2]
        assert told[5][1] == told[6][1] >= 1

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


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
