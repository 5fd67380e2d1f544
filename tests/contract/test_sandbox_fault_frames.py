"""Faults of WebSocket frames and connections."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.helpers.fault_desk import FaultyDesk, Rule, play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Socket = aiohttp.ClientWebSocketResponse

TICKERS = '[{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC","KRW-XRP"]}]'
TRADES = '[{"ticket":"t"},{"type":"trade","codes":["KRW-BTC"],"is_only_realtime":true}]'


def listen(
    story: Callable[[FaultyDesk, Socket], Awaitable[None]],
    *rules: Rule,
    path: str = "/websocket/v1",
    ask: str = TICKERS,
) -> FaultyDesk:
    """Let a story happen on one connection that has subscribed."""

    async def whole(desk: FaultyDesk) -> None:
        headers = desk.token() if path.endswith("private") else {}
        async with desk.session.ws_connect(desk.box.url + path, headers=headers) as socket:
            await socket.send_str(ask)
            await story(desk, socket)

    return play(whole, *rules)


async def frames(socket: Socket, seconds: float) -> list[Any]:
    """Return what arrives within some seconds."""
    found = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                found.append(json.loads(message.data))
    except TimeoutError:
        pass
    return found


def test_a_silent_socket_stays_open_and_says_nothing() -> None:
    """No frame for a minute, and then they come again on the same connection."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        assert await frames(socket, 59) == []
        assert await frames(socket, 5)

    listen(story, {"fault": "dropped", "minutes": [0, 1]})


def test_an_altered_frame_is_well_formed_and_not_true() -> None:
    """One field of it, and the rest is as it was."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        told = {frame["code"]: frame for frame in await frames(socket, 3)}
        assert told["KRW-XRP"]["timestamp"] - told["KRW-XRP"]["trade_timestamp"] > 3_500_000
        assert told["KRW-BTC"]["timestamp"] - told["KRW-BTC"]["trade_timestamp"] < 3_500_000
        assert told["KRW-XRP"].keys() == told["KRW-BTC"].keys()

    listen(
        story,
        {
            "fault": "altered_frame",
            "where": ["trade_timestamp"],
            "say": "an hour old",
            "on": {"markets": ["KRW-XRP"]},
            "count": 1,
        },
    )


def test_some_codes_are_silent_and_others_are_not() -> None:
    """Only the named market's frames are lost, and only of the named type."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        assert {frame["code"] for frame in await frames(socket, 3)} == {"KRW-XRP"}

    listen(story, {"fault": "dropped", "on": {"markets": ["KRW-BTC"], "types": ["ticker"]}})


def test_frames_come_twice() -> None:
    """Each trade is told two times in a row."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        told = [frame["sequential_id"] for frame in await frames(socket, 3)]
        assert len(told) >= 8
        assert told[0::2] == told[1::2]

    listen(story, {"fault": "doubled"}, ask=TRADES)


def test_frames_come_out_of_order() -> None:
    """The first comes after the second, the third in its place; none is lost."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        times = [frame["trade_timestamp"] for frame in await frames(socket, 3)]
        assert times[0] > times[1] < times[2]
        assert sorted(times[:2]) + times[2:] == sorted(times)

    listen(story, {"fault": "swapped", "nth": [1]}, ask=TRADES)


def test_a_spoiled_frame_is_no_json() -> None:
    """Bytes that are not even text."""

    async def story(_: FaultyDesk, socket: Socket) -> None:
        data = (await socket.receive()).data
        with pytest.raises(UnicodeDecodeError):
            data.decode()
        assert json.loads((await socket.receive()).data)["type"] == "trade"

    listen(story, {"fault": "spoiled", "count": 1}, ask=TRADES)


@pytest.mark.parametrize(("close", "seen"), [(None, 1006), (1000, 1000), (1012, 1012)])
def test_a_connection_ends_with_or_without_a_close_frame(close: int | None, seen: int) -> None:
    """Abruptly, cleanly, or with the code of a restart; a new connection works."""

    async def story(desk: FaultyDesk, socket: Socket) -> None:
        assert len(await frames(socket, 5)) == 1
        assert socket.close_code == seen
        async with desk.session.ws_connect(desk.box.url + "/websocket/v1") as another:
            await another.send_str(TRADES)
            assert await frames(another, 2)

    listen(story, {"fault": "hung_up", "nth": [2], "close": close}, ask=TRADES)


def test_faults_of_the_private_socket_leave_the_public_one_alone() -> None:
    """An order's events are lost, the market's are not."""

    async def story(desk: FaultyDesk, private: Socket) -> None:
        async with desk.session.ws_connect(desk.box.url + "/websocket/v1") as public:
            await public.send_str(TRADES)
            await desk.place(side="bid", ord_type="price", price="6000")
            assert await frames(private, 3) == []
            assert await frames(public, 1)

    ask = '[{"ticket":"t"},{"type":"myOrder"}]'
    listen(story, {"fault": "dropped", "on": {"sockets": ["private"]}}, path="/websocket/v1/private", ask=ask)


def test_a_handshake_can_fail_like_any_request() -> None:
    """A gateway's 503 instead of the upgrade, then a reset, then it works."""

    async def story(desk: FaultyDesk) -> None:
        url = desk.box.url + "/websocket/v1"
        with pytest.raises(aiohttp.WSServerHandshakeError) as failed:
            await desk.session.ws_connect(url)
        assert failed.value.status == 503
        with pytest.raises(aiohttp.ClientError):
            await desk.session.ws_connect(url)
        async with desk.session.ws_connect(url) as socket:
            await socket.send_str(TRADES)
            assert await frames(socket, 2)

    handshakes = {"groups": ["websocket"]}
    play(
        story,
        {"fault": "answered", "status": 503, "on": handshakes, "nth": [1]},
        {"fault": "lost", "accepted": True, "on": handshakes, "nth": [1]},
    )
