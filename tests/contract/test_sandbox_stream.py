"""The sandbox's public WebSocket side: frames, formats, replaced subscriptions, limits and silence."""

from __future__ import annotations

import asyncio
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import aiohttp.web
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractStreamWriter
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from sandbox.feed import PublicTrade
from sandbox.session import FAREWELL_SECONDS, IDLE_SECONDS, STATUS_SECONDS
from sandbox.subscription import PRIVATE_TYPES, PUBLIC_TYPES, StreamError, read_message
from sandbox.wire import to_json
from simulation.loop import PacedLoop
from tests.contract.sandbox_desk import PRICE, START_MS, Desk, open_desk
from tests.contract.stream_line import (
    BOOK_KEYS,
    CANDLE_KEYS,
    FORMATS,
    LIST_KEYS,
    LISTED_KEYS,
    PRIVATE,
    PUBLIC,
    TICKER,
    TICKER_KEYS,
    TRADE_KEYS,
    UNIT_KEYS,
    Line,
    connect,
    only_session,
    spelled,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUBLIC_FRAMES = [
    ("ticker", TICKER_KEYS),
    ("trade", TRADE_KEYS),
    ("orderbook", BOOK_KEYS),
    *((f"candle.{unit}", CANDLE_KEYS) for unit in ("1s", "1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m")),
]


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened


# -- what a subscription brings


@pytest.mark.statement(43)
async def test_frames_are_binary_whatever_the_client_sends(desk: Desk) -> None:
    """A request as text or as bytes is answered in binary frames of UTF-8 JSON."""
    async with connect(desk) as line:
        request = json.dumps([{"ticket": "한글"}, TICKER]).encode()
        await line.socket.send_bytes(request)
        message = await line.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.BINARY
        assert json.loads(message.data.decode("utf-8"))["code"] == "KRW-BTC"


@pytest.mark.statement(45)
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


@pytest.mark.statement(45)
async def test_snapshots_come_first_and_nothing_is_lost_between(desk: Desk) -> None:
    """While snapshots of a large request go out, others are served; then every trade follows its snapshot, once."""
    async with connect(desk) as line, connect(desk) as other:
        kinds = ("ticker", "orderbook", "candle.1m", "trade")
        await line.ask(*({"type": kind, "codes": ["KRW-XRP", "KRW-BTC"]} for kind in kinds))
        for _ in range(40):
            desk.pass_time(0.5)
            await asyncio.sleep(0)
        assert await other.nothing_more()
        frames = await line.waiting()
    seen: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for frame in frames:
        seen.setdefault((frame["type"], frame["code"]), []).append(frame)
    for told in seen.values():
        assert [frame["stream_type"] for frame in told] == ["SNAPSHOT"] + ["REALTIME"] * (len(told) - 1)
    ids = [frame["sequential_id"] for frame in seen["trade", "KRW-BTC"]]
    traded = [trade["sequential_id"] for trade in await desk.get("/v1/trades/ticks", market="KRW-BTC", count=len(ids))]
    assert ids == traded[::-1]
    assert len(ids) > 20


@pytest.mark.statement(45)
@pytest.mark.parametrize("kind", [name for name, _ in PUBLIC_FRAMES])
async def test_only_snapshot_and_only_realtime(desk: Desk, kind: str) -> None:
    """Each flag leaves out the other half, in both spellings, for every public type."""
    subscription = {"type": kind, "codes": ["KRW-BTC"]}
    desk.pass_time(1)
    for flag in ("is_only_snapshot", "isOnlySnapshot"):
        async with connect(desk) as line:
            await line.ask(subscription | {flag: True})
            assert (await line.read())["stream_type"] == "SNAPSHOT"
            desk.pass_time(1)
            assert await line.nothing_more()
    for flag in ("is_only_realtime", "isOnlyRealtime"):
        async with connect(desk) as line:
            await line.ask(subscription | {flag: True})
            assert await line.nothing_more()
            desk.source.raise_price(1000)
            desk.pass_time(1)
            assert {frame["stream_type"] for frame in await line.waiting()} == {"REALTIME"}


@pytest.mark.statement(46)
async def test_a_new_subscription_replaces_the_old_one(desk: Desk) -> None:
    """After the second message nothing of the first arrives; the list shows the second, and asking changes nothing."""
    async with connect(desk) as line:
        await line.ask(TICKER | {"is_only_realtime": True})
        await line.ask({"type": "trade", "codes": ["KRW-BTC"], "is_only_realtime": True}, {"format": "JSON_LIST"})
        for ticket in ("q", "r"):
            await line.ask({"method": "LIST_SUBSCRIPTIONS"}, ticket=ticket)
            (listed,) = await line.read()
            assert listed == {
                "method": "LIST_SUBSCRIPTIONS",
                "result": [{"type": "trade", "codes": ["KRW-BTC"]}],
                "ticket": ticket,
            }
        desk.pass_time(1)
        assert [frame["type"] for frames in await line.waiting() for frame in frames] == ["trade", "trade"]


@pytest.mark.statement(46)
async def test_the_list_shows_every_type_and_its_format_becomes_that_of_the_stream(desk: Desk) -> None:
    """Types, codes as they were sent and book levels; a format in the question holds from then on."""
    book = {"type": "orderbook", "codes": ["KRW-BTC.5", "KRW-XRP"], "is_only_realtime": True}
    async with connect(desk) as line:
        await line.ask({"method": "LIST_SUBSCRIPTIONS"})
        assert (await line.read())["result"] == []
        await line.ask(TICKER | {"is_only_realtime": True}, book)
        await line.ask({"method": "LIST_SUBSCRIPTIONS"}, {"format": "SIMPLE"})
        listed = await line.read()
        assert set(listed) == spelled(LIST_KEYS, "SIMPLE")
        assert listed["rslt"] == [
            {"ty": "ticker", "cds": ["KRW-BTC"]},
            {"ty": "orderbook", "cds": ["KRW-BTC.5", "KRW-XRP"], "lv": 0},
        ]
        assert set(listed["rslt"][1]) == spelled(LISTED_KEYS, "SIMPLE")
        desk.pass_time(1)
        assert (await line.read())["ty"] == "ticker"


@pytest.mark.statement(44)
@pytest.mark.parametrize("form", [None, *FORMATS])
@pytest.mark.parametrize(("kind", "keys"), PUBLIC_FRAMES)
async def test_the_four_formats_of_public_frames(desk: Desk, kind: str, keys: dict[str, str], form: str | None) -> None:
    """Exactly the documented names, long or short; a list around each frame in the list formats; DEFAULT if unsaid."""
    desk.pass_time(1)
    async with connect(desk) as line:
        await line.ask({"type": kind, "codes": ["KRW-BTC"]}, *([{"format": form}] if form else []))
        snapshot = unwrapped(await line.read(), form or "DEFAULT")
        assert set(snapshot) == spelled(keys, form or "DEFAULT")
        desk.source.raise_price(1000)
        desk.pass_time(1)
        assert set(unwrapped(await line.read(), form or "DEFAULT")) == set(snapshot)
    units = snapshot.get("orderbook_units") or snapshot.get("obu") or []
    assert all(set(unit) == spelled(UNIT_KEYS, form or "DEFAULT") for unit in units)
    assert bool(units) is (kind == "orderbook")


@pytest.mark.statement(44)
@pytest.mark.parametrize(("form", "price"), [("DEFAULT", b"1.6E+8"), ("SIMPLE", b"160000000")])
async def test_round_numbers_have_exponents_where_upbit_writes_them(desk: Desk, form: str, price: bytes) -> None:
    """Long names come with numbers like 1.6E+8, short ones with plain prices: a client must read both."""
    desk.source.raise_price(160_000_000 - PRICE)
    desk.pass_time(1)
    async with connect(desk) as line:
        await line.ask(*({"type": kind, "codes": ["KRW-BTC"]} for kind in ("ticker", "orderbook")), {"format": form})
        for name in (b"trade_price" if form == "DEFAULT" else b"tp", b"ask_price" if form == "DEFAULT" else b"ap"):
            message = await line.socket.receive(timeout=5)
            assert b'"' + name + b'":' + price + b"," in message.data


async def test_every_trade_is_a_frame(desk: Desk) -> None:
    """Trades are not merged, and carry the best prices; the snapshot is the last one."""
    async with connect(desk) as line:
        await line.ask({"type": "trade", "codes": ["KRW-BTC"], "is_only_realtime": True}, {"format": "SIMPLE"})
        assert await line.nothing_more()
        desk.pass_time(1)
        first, second = await line.read(), await line.read()
        assert first["sid"] < second["sid"]
        assert (first["td"], first["ttm"], first["bap"]) == ("2026-11-24", "09:00:00", PRICE)
        await line.ask({"type": "trade", "codes": ["KRW-BTC"]}, {"format": "SIMPLE"})
        snapshot = await line.read()
        assert (snapshot["st"], snapshot["sid"]) == ("SNAPSHOT", second["sid"])


@pytest.mark.statement(47)
@pytest.mark.parametrize(
    ("suffix", "levels"),
    [("", 30), (".1", 1), (".5", 5), (".15", 15), (".30", 30), (".7", 30), (".x", 30)],
)
async def test_book_levels_follow_the_suffix(desk: Desk, suffix: str, levels: int) -> None:
    """1, 5, 15 or 30 levels; no suffix or an unknown one gives thirty; the code comes back without it."""
    async with connect(desk) as line:
        await line.ask({"type": "orderbook", "codes": [f"KRW-BTC{suffix}"]})
        snapshot = await line.read()
        assert (snapshot["code"], len(snapshot["orderbook_units"])) == ("KRW-BTC", levels)
        desk.source.raise_price(1000)
        desk.pass_time(0.1)
        assert len((await line.read())["orderbook_units"]) == levels


async def test_asking_twice_for_a_market_is_asking_once(desk: Desk) -> None:
    """Of two wishes for the same type and market the last one is served."""
    async with connect(desk) as line:
        await line.ask(*({"type": "orderbook", "codes": [f"KRW-BTC.{levels}"]} for levels in (1, 5)))
        assert len((await line.read())["orderbook_units"]) == 5
        desk.source.raise_price(1000)
        desk.pass_time(1)
        (frame,) = await line.waiting()
        assert len(frame["orderbook_units"]) == 5


@pytest.mark.statement(47)
async def test_an_unknown_code_is_silence(desk: Desk) -> None:
    """A wrong code, a code in small letters, a suffix where none belongs: nothing comes, and the connection stays."""
    async with connect(desk) as line:
        await line.ask(
            {"type": "ticker", "codes": ["KRW-NOPE", "krw-btc", "KRW-BTC.5"]},
            {"type": "orderbook", "codes": ["KRW-NOPE.5"]},
            {"type": "candle.1m", "codes": ["KRW-NOPE"]},
            {"type": "orderbook", "codes": ["KRW-XRP"], "level": 7},
        )
        desk.pass_time(1)
        assert await line.nothing_more()
        assert not desk.box.violations


async def test_books_with_coarser_prices(desk: Desk) -> None:
    """A supported grouping gives what REST gives, live too; one the market does not offer gives nothing."""
    async with connect(desk) as line:
        await line.ask(
            {"type": "orderbook", "codes": ["KRW-BTC.15"], "level": 10000},
            {"type": "orderbook", "codes": ["KRW-XRP"], "level": 7},
        )
        snapshot = await line.read()
        (rest,) = await desk.get("/v1/orderbook", markets="KRW-BTC", level="10000", count="15")
        assert snapshot["level"] == rest["level"] == 10000
        assert snapshot["orderbook_units"] == rest["orderbook_units"]
        assert all(unit["ask_price"] % 10000 == 0 for unit in snapshot["orderbook_units"])
        await line.ask({"method": "LIST_SUBSCRIPTIONS"})
        assert [listed["level"] for listed in (await line.read())["result"]] == [10000, 7]
        desk.source.raise_price(50_000)
        desk.pass_time(1)
        (frame,) = await line.waiting()
        assert frame["orderbook_units"][0]["ask_price"] == snapshot["orderbook_units"][0]["ask_price"] + 50_000


async def test_books_come_only_when_they_change_and_on_a_grid_of_100_ms(desk: Desk) -> None:
    """Two changes within a tenth of a second are one frame; none without a change."""
    async with connect(desk) as line:
        await line.ask({"type": "orderbook", "codes": ["KRW-BTC.1"], "is_only_realtime": True})
        desk.pass_time(0.1)
        await line.waiting()
        for _ in range(2):
            desk.source.raise_price(1000)
            desk.pass_time(0.04)
        assert await line.nothing_more()
        desk.pass_time(0.04)
        assert [frame["orderbook_units"][0]["ask_price"] for frame in await line.waiting()] == [PRICE + 2000]
        desk.pass_time(0.5)
        assert await line.nothing_more()


# -- candles


@pytest.mark.statement(48)
async def test_candles_come_once_a_second_and_end_like_rest(desk: Desk) -> None:
    """At most a frame a second and only after a trade; the last frame of each period equals the candle of REST."""
    frames: list[dict[str, Any]] = []
    async with connect(desk) as line:
        await line.ask({"type": "candle.1m", "codes": ["KRW-BTC", "KRW-XRP"], "is_only_realtime": True})
        assert await line.nothing_more()
        for second in range(125):
            desk.source.raise_price(1000 if second % 7 else -5000)
            desk.pass_time(0.5)
            desk.pass_time(0.5)
        frames = await line.waiting()
    assert {frame["code"] for frame in frames} == {"KRW-BTC"}
    assert len(frames) <= 125 + 2, "a second that ends a period may finish it beside the next one"
    last = {frame["candle_date_time_utc"]: frame for frame in frames}
    assert len(last) == 3
    rest = await desk.get("/v1/candles/minutes/1", market="KRW-BTC", count=3)
    for candle in rest:
        frame = last[candle["candle_date_time_utc"]]
        shared = {name: value for name, value in candle.items() if name not in {"market", "unit"}}
        assert {name: frame[name] for name in shared} == shared


@pytest.mark.statement(48)
@pytest.mark.parametrize("unit", [1, 3, 5, 10, 15, 30, 60, 240])
async def test_the_forming_candle_of_every_unit_equals_rest(desk: Desk, unit: int) -> None:
    """After trades, frame and REST show the same candle to the last digit, history before the start included."""
    desk.pass_time(30)
    async with connect(desk) as line:
        await line.ask({"type": f"candle.{unit}m", "codes": ["KRW-BTC"], "is_only_realtime": True})
        assert await line.nothing_more()
        for _ in range(3):
            desk.source.raise_price(1000)
            desk.pass_time(1)
        frame = (await line.waiting())[-1]
    (candle,) = await desk.get(f"/v1/candles/minutes/{unit}", market="KRW-BTC")
    shared = {name: value for name, value in candle.items() if name not in {"market", "unit"}}
    assert {name: frame[name] for name in shared} == shared


@pytest.mark.statement(48)
async def test_no_trade_no_candle_frame_and_the_snapshot_may_be_of_an_older_period(desk: Desk) -> None:
    """In a quiet market the snapshot is the latest candle there is, nothing follows, and the next trade brings one."""
    desk.pass_time(180)
    async with connect(desk) as line:
        await line.ask({"type": "candle.1m", "codes": ["KRW-XRP"]})
        snapshot = await line.read()
        assert snapshot["candle_date_time_utc"] < "2026-11-24T09:00:00"
        for _ in range(5):
            desk.pass_time(1)
        assert await line.nothing_more()
        at_ms = START_MS + 185_500
        desk.source.planned.append(PublicTrade("KRW-XRP", Decimal(1001), Decimal(2), at_ms, "BID", at_ms))
        desk.pass_time(1)
        (frame,) = await line.waiting()
        assert (frame["candle_date_time_utc"], frame["opening_price"]) == ("2026-11-24T09:03:00", 1001)


async def test_a_purchase_is_a_public_trade_too(desk: Desk) -> None:
    """What a client takes is a trade and a ticker for everybody, once, and the one REST lists."""
    desk.source.quiet = True
    async with connect(desk) as line:
        kinds = ("trade", "ticker")
        await line.ask(*({"type": kind, "codes": ["KRW-BTC"], "is_only_realtime": True} for kind in kinds))
        assert await line.nothing_more()
        await desk.settled(await desk.place(side="bid", ord_type="price", price="6000"))
        desk.pass_time(1)
        frames = {frame["type"]: frame for frame in await line.waiting()}
        (listed,) = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=1)
    assert set(frames) == {"trade", "ticker"}
    assert frames["trade"]["sequential_id"] == listed["sequential_id"]
    assert (frames["trade"]["trade_volume"], frames["trade"]["ask_bid"]) == (Decimal("0.00003736"), "BID")
    assert (frames["ticker"]["trade_price"], frames["ticker"]["trade_volume"]) == (PRICE, Decimal("0.00003736"))


@pytest.mark.statement(48)
async def test_a_purchase_shows_in_the_forming_candle(desk: Desk) -> None:
    """A trade of the user is a trade: the next candle frame holds its volume, like REST."""
    desk.source.quiet = True
    async with connect(desk) as line:
        await line.ask({"type": "candle.1m", "codes": ["KRW-BTC"], "is_only_realtime": True})
        assert await line.nothing_more()
        desk.box.exchange.deposit("KRW", Decimal(20_000_000))
        await desk.settled(await desk.place(side="bid", ord_type="price", price="16059400"))
        desk.pass_time(1)
        (frame,) = await line.waiting()
    assert (frame["candle_acc_trade_volume"], frame["candle_acc_trade_price"]) == (Decimal("0.1"), 16_059_400)


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
            message = await socket.receive(timeout=5)
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
    monkeypatch.setattr("sandbox.session.MOST_QUEUED", 3)
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
