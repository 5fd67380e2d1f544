"""The sandbox's WebSocket side: frames, formats, replaced subscriptions, limits and silence."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.sandbox_desk import PRICE, START_MS, Desk, open_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.session import Session

PUBLIC, PRIVATE = "/websocket/v1", "/websocket/v1/private"
TICKER = {"type": "ticker", "codes": ["KRW-BTC"]}


class Line:
    """One client connection; `read` gives the next frame, which must be binary JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, *parts: dict[str, Any], ticket: Any = "t") -> None:
        """Send a request message."""
        await self.socket.send_str(json.dumps([{"ticket": ticket}, *parts]))

    async def read(self) -> Any:
        """Return the next frame."""
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        return json.loads(message.data, parse_float=Decimal)

    async def read_until(self, **wanted: Any) -> Any:
        """Return the next frame with these values."""
        while True:
            frame = await self.read()
            if all(frame.get(name) == value for name, value in wanted.items()):
                return frame

    async def nothing_more(self) -> bool:
        """Whether no frame but the answer to one more question arrives."""
        await self.ask({"method": "LIST_SUBSCRIPTIONS"}, ticket="end")
        frame = await self.read()
        answer = frame[0] if isinstance(frame, list) else frame
        return bool("end" in {answer.get("ticket"), answer.get("tckt")})

    async def ended(self) -> int | None:
        """Return the code the server closed with."""
        message = await self.socket.receive(timeout=5)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}, message
        return self.socket.close_code


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened


@asynccontextmanager
async def connect(desk: Desk, path: str = PUBLIC, *, token: bool = True) -> AsyncIterator[Line]:
    """Open a connection."""
    headers = desk.token() if path == PRIVATE and token else {}
    async with desk.session.ws_connect(desk.box.url + path, headers=headers) as socket:
        yield Line(socket)


async def only_session(desk: Desk) -> Session:
    """Return the server's end of the only connection."""
    (session,) = desk.box._stream.sessions
    return session


# -- public stream


async def test_a_snapshot_then_what_happens(desk: Desk) -> None:
    """One snapshot per code, then a ticker per change, binary and with long keys."""
    desk.pass_time(1)
    async with connect(desk) as line:
        await line.ask({"type": "ticker", "codes": ["KRW-BTC", "KRW-XRP"]})
        frames = [await line.read() for _ in range(2)]
        assert [(frame["code"], frame["stream_type"]) for frame in frames] == [
            ("KRW-BTC", "SNAPSHOT"), ("KRW-XRP", "SNAPSHOT"),
        ]  # fmt: skip
        desk.pass_time(2)
        frame = await line.read()
        assert (frame["code"], frame["stream_type"], frame["trade_price"]) == ("KRW-BTC", "REALTIME", PRICE)
        assert frame["trade_timestamp"] == START_MS + 3_000
        assert await line.nothing_more(), "several trades at once are one ticker"


async def test_only_snapshot_and_only_realtime(desk: Desk) -> None:
    """Each flag leaves out the other half, in both spellings."""
    async with connect(desk) as line:
        await line.ask(TICKER | {"is_only_snapshot": True})
        assert (await line.read())["stream_type"] == "SNAPSHOT"
        desk.pass_time(1)
        assert await line.nothing_more()
    for flag in ("is_only_realtime", "isOnlyRealtime"):
        async with connect(desk) as line:
            await line.ask(TICKER | {flag: True})
            assert await line.nothing_more()
            desk.pass_time(1)
            assert (await line.read())["stream_type"] == "REALTIME"


async def test_a_new_subscription_replaces_the_old_one(desk: Desk) -> None:
    """After the second message nothing of the first arrives; the list shows the second."""
    async with connect(desk) as line:
        await line.ask(TICKER | {"is_only_realtime": True})
        book = {"type": "orderbook", "codes": ["KRW-XRP.5"], "is_only_realtime": True}
        await line.ask(book)
        desk.pass_time(0.6)
        await line.ask({"method": "LIST_SUBSCRIPTIONS"}, ticket="q")
        listed = await line.read_until(method="LIST_SUBSCRIPTIONS")
        assert listed["result"] == [{"type": "orderbook", "codes": ["KRW-XRP.5"], "level": 0}]
        assert listed["ticket"] == "q"


@pytest.mark.parametrize(
    ("form", "wrapped", "key"),
    [
        ("DEFAULT", False, "trade_price"),
        ("SIMPLE", False, "tp"),
        ("JSON_LIST", True, "trade_price"),
        ("SIMPLE_LIST", True, "tp"),
    ],
)  # fmt: skip
async def test_formats(desk: Desk, form: str, *, wrapped: bool, key: str) -> None:  # a table of cases
    """Short keys in the simple formats, a list around each frame in the list formats."""
    async with connect(desk) as line:
        await line.ask(TICKER, {"format": form})
        frame = await line.read()
        assert isinstance(frame, list) is wrapped
        assert (frame[0] if wrapped else frame)[key] == PRICE


async def test_every_trade_is_a_frame(desk: Desk) -> None:
    """Trades are not merged, and carry the best prices."""
    async with connect(desk) as line:
        await line.ask({"type": "trade", "codes": ["KRW-BTC"], "is_only_realtime": True}, {"format": "SIMPLE"})
        assert await line.nothing_more()
        desk.pass_time(1)
        first, second = await line.read(), await line.read()
        assert first["sid"] < second["sid"]
        assert (first["td"], first["ttm"], first["bap"]) == ("2026-11-24", "09:00:00", PRICE)


async def test_book_levels_follow_the_suffix(desk: Desk) -> None:
    """`.5` gives five levels, none or an unknown suffix thirty."""
    async with connect(desk) as line:
        await line.ask({"type": "orderbook", "codes": ["KRW-BTC.5"]}, {"type": "orderbook", "codes": ["KRW-XRP.7"]})
        assert len((await line.read())["orderbook_units"]) == 5
        assert len((await line.read())["orderbook_units"]) == 30


async def test_an_unknown_code_is_silence(desk: Desk) -> None:
    """A wrong code gives nothing, and the connection stays."""
    async with connect(desk) as line:
        await line.ask({"type": "ticker", "codes": ["KRW-NOPE", "krw-btc"]})
        desk.pass_time(1)
        assert await line.nothing_more()
        assert not desk.box.violations


async def test_candles_come_once_a_second_and_end_like_rest(desk: Desk) -> None:
    """A frame only after a trade, and the last frame of a period equals the candle of REST."""
    async with connect(desk) as line:
        await line.ask({"type": "candle.1m", "codes": ["KRW-BTC", "KRW-XRP"], "is_only_realtime": True})
        assert await line.nothing_more()
        last: dict[str, Any] = {}
        for _ in range(62):
            desk.pass_time(1)
        while last.get("candle_date_time_utc") != "2026-11-24T09:01:00":
            before, last = last, await line.read()
            assert last["code"] == "KRW-BTC"
        rest = await desk.get("/v1/candles/minutes/1", market="KRW-BTC", to="2026-11-24T09:01:00")
        assert {name: before[name] for name in rest[0] if name in before} == {
            name: value for name, value in rest[0].items() if name in before
        }


# -- mistakes and limits


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rubbish", "WRONG_FORMAT"),
        ('{"ticket":"t"}', "WRONG_FORMAT"),
        ('[{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":""},{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":"t"}]', "NO_TYPE"),
        ('[{"ticket":"t"},{"type":"ticker"}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"myOrder"}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"ticker","codes":"KRW-BTC"}]', "WRONG_FORMAT"),
        ('[{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]},{"format":"SHORT"}]', "WRONG_FORMAT"),
    ],
)
async def test_a_mistake_is_told_and_ends_the_connection(desk: Desk, text: str, name: str) -> None:
    """One error frame, then a normal close; a violation."""
    async with connect(desk) as line:
        await line.socket.send_str(text)
        assert (await line.read())["error"]["name"] == name
        assert await line.ended() == 1000
    assert desk.box.violations == {name: 1}


async def test_more_than_five_messages_a_second(desk: Desk) -> None:
    """The sixth message of a second ends the connection."""
    async with connect(desk) as line:
        for _ in range(6):
            await line.ask({"method": "LIST_SUBSCRIPTIONS"})
        frames = [await line.read() for _ in range(6)]
        assert frames[5]["error"]["name"] == "Too Many Requests"
        assert await line.ended() == 1000


async def test_more_than_a_hundred_messages_a_minute(desk: Desk) -> None:
    """The hundred and first message of a minute ends the connection."""
    async with connect(desk) as line:
        for count in range(101):
            if count % 3 == 0:
                desk.pass_time(1)
            await line.ask({"method": "LIST_SUBSCRIPTIONS"})
            frame = await line.read()
        assert frame["error"]["name"] == "Too Many Requests"


async def test_six_connections_a_second_are_too_many(desk: Desk) -> None:
    """The sixth handshake of a second is refused with 429, and the upgrade tells what is left."""
    sockets = [await desk.session.ws_connect(desk.box.url + PUBLIC) for _ in range(5)]
    assert sockets[1]._response.headers["Remaining-Req"] == "group=websocket; min=300; sec=3"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await desk.session.ws_connect(desk.box.url + PUBLIC)
    assert refusal.value.status == 429
    for socket in sockets:
        await socket.close()


async def test_ping_as_text_and_as_a_frame(desk: Desk) -> None:
    """The text PING is answered with a status, a protocol ping with a pong."""
    async with connect(desk) as line:
        await line.socket.send_str("PING")
        assert await line.read() == {"status": "UP"}
        await line.socket.ping(b"hello")
        assert await line.nothing_more()


async def test_a_silent_connection_is_dropped(desk: Desk) -> None:
    """Without a byte in either direction the connection ends without a close frame."""
    async with connect(desk) as line:
        assert await line.nothing_more()
        session = await only_session(desk)
        session._active_at -= 61
        session._check_idle()
        message = await line.socket.receive(timeout=5)
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert line.socket.close_code == 1006


async def test_a_client_that_does_not_read_is_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue has an end."""
    monkeypatch.setattr("sandbox.session.MOST_QUEUED", 3)
    async with connect(desk) as line:
        assert await line.nothing_more()
        session = await only_session(desk)
        for _ in range(4):
            session.send(b"{}")
        while desk.box._stream.sessions:  # noqa: ASYNC110  # the server tells nobody about it
            await asyncio.sleep(0)


# -- private stream


async def test_the_private_stream_needs_a_token(desk: Desk) -> None:
    """Without a token the error is told in band, then the connection closes."""
    async with connect(desk, PRIVATE, token=False) as line:
        assert (await line.read())["error"]["name"] == "INVALID_AUTH"
        assert await line.ended() == 1000


async def test_my_asset_takes_no_codes(desk: Desk) -> None:
    """Codes with myAsset are a format error."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myAsset", "codes": []})
        assert (await line.read())["error"]["name"] == "WRONG_FORMAT"


async def test_my_order_tells_a_market_buy(desk: Desk) -> None:
    """A fill, then the cancel of the remainder, as numbers, with nulls for what is empty."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myOrder", "codes": []})
        assert await line.nothing_more(), "there is no snapshot"
        order = await desk.place(side="bid", ord_type="price", price="6000", identifier="mine", smp_type="none")
        fill, end = await line.read(), await line.read()
    assert (fill["state"], fill["price"], fill["volume"]) == ("trade", PRICE, Decimal("0.00003736"))
    assert (fill["trade_fee"], fill["is_maker"], fill["ask_bid"]) == (Decimal("2.99989592"), False, "BID")
    assert (end["state"], end["price"], end["volume"], end["trade_uuid"]) == ("cancel", 6000, None, None)
    assert (end["executed_funds"], end["identifier"], end["smp_type"]) == (Decimal("5999.79184"), "mine", "none")
    assert end["uuid"] == order["uuid"]


async def test_my_order_tells_a_resting_order(desk: Desk) -> None:
    """`wait` when it rests, `cancel` when it is cancelled; other markets stay silent."""
    async with connect(desk, PRIVATE) as line, connect(desk, PRIVATE) as other:
        await line.ask({"type": "myOrder"})
        await other.ask({"type": "myOrder", "codes": ["KRW-XRP"]})
        assert await line.nothing_more()
        assert await other.nothing_more()
        order = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001")
        assert (await line.read())["state"] == "wait"
        await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]})
        assert (await line.read())["state"] == "cancel"
        assert await other.nothing_more()


async def test_my_asset_agrees_with_the_accounts(desk: Desk) -> None:
    """Each change of a balance is told, and the last one is what REST says."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myAsset"})
        assert await line.nothing_more()
        await desk.place(side="bid", ord_type="price", price="6000")
        locked, _, refunded = [(await line.read())["assets"] for _ in range(3)]
    assert locked == [{"currency": "KRW", "balance": 993_997, "locked": 6003}]
    account = (await desk.get("/v1/accounts"))[0]
    assert refunded == [{"currency": "KRW", "balance": Decimal(account["balance"]), "locked": 0}]


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
