"""The sandbox's public WebSocket side: what a subscription brings, in which format, and candles."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import aiohttp.web
import pytest
import pytest_asyncio

from sandbox.market.feed import PublicTrade
from tests.helpers.patience import PATIENCE_S
from tests.helpers.sandbox_desk import PRICE, START_MS, Desk, open_desk
from tests.helpers.stream_line import (
    BOOK_KEYS,
    CANDLE_KEYS,
    FORMATS,
    LIST_KEYS,
    LISTED_KEYS,
    TICKER,
    TICKER_KEYS,
    TRADE_KEYS,
    UNIT_KEYS,
    connect,
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
        message = await line.socket.receive(timeout=PATIENCE_S)
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
            message = await line.socket.receive(timeout=PATIENCE_S)
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
