"""What a client of a paper exchange asks and hears of the market is Upbit's own word, and Upbit is asked little."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from paper.upstream import Quotation
from tests.helpers.daemon_desk import told
from tests.helpers.paper_desk import PaperDesk, paper_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    Fields = Sequence[tuple[str, str]]

BLOCKED = {"fault": "refused", "error": "rate_limit_exceeded_penalty", "minutes": [1, 3]}
AWAY = {"fault": "answered", "status": 503, "minutes": [1, 3]}


@asynccontextmanager
async def client(*faults: Mapping[str, Any]) -> AsyncIterator[tuple[PaperDesk, aiohttp.ClientSession]]:
    """Open a paper exchange and a plain client of it."""
    async with paper_desk(markets=3, faults=faults) as desk, aiohttp.ClientSession(desk.box.url) as session:
        yield desk, session


@pytest.mark.parametrize(
    "path",
    [
        "/v1/market/all?is_details=true",
        "/v1/candles/minutes/1?market=KRW-BTC&count=3&to=2026-11-01T23:00:00Z",
        "/v1/candles/days?market=KRW-BTC&count=2&to=2026-11-01T00:00:00%2B09:00",
        "/v1/orderbook/instruments?markets=KRW-ETH",
        "/v1/candles/minutes/7?market=KRW-BTC",
        "/v1/candles/minutes/1?market=KRW-NONE",
    ],
)
def test_what_is_asked_of_the_market_is_answered_by_upbit(path: str) -> None:
    """The same bytes where it answers, and the same refusal where it refuses."""

    async def story() -> None:
        async with (
            client() as (desk, session),
            session.get(path) as ours,
            session.get(desk.upbit.url + path) as theirs,
        ):
            assert ours.status == theirs.status
            said, wanted = await ours.read(), await theirs.read()
            assert said == wanted if theirs.status == 200 else json.loads(said) == json.loads(wanted)

    told(story)


def test_equal_questions_of_one_moment_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten clients ask for all tickers; and what was answered a moment ago is not asked again."""
    asked: list[str] = []
    fetch = Quotation.fetch

    async def counting(self: Quotation, group: str, path: str, fields: Fields) -> bytes:
        asked.append(path)
        return await fetch(self, group, path, fields)

    async def story() -> None:
        async with client() as (_, session), asyncio.TaskGroup() as tasks:
            monkeypatch.setattr(Quotation, "fetch", counting)
            for _ in range(10):
                tasks.create_task(read(session, "/v1/ticker/all?quote_currencies=KRW"))
            await asyncio.sleep(0.4)
            await read(session, "/v1/ticker/all?quote_currencies=KRW")
            assert asked == ["/v1/ticker/all"]
            await asyncio.sleep(1)
            await read(session, "/v1/ticker/all?quote_currencies=KRW")
            assert asked == ["/v1/ticker/all"] * 2

    told(story)


async def read(session: aiohttp.ClientSession, path: str) -> tuple[int, Mapping[str, str], Any]:
    """Return status, headers and body of an answer."""
    async with session.get(path) as answer:
        return answer.status, answer.headers, json.loads(await answer.read())


@pytest.mark.failure("I4")
@pytest.mark.parametrize(("fault", "status", "name"), [(BLOCKED, 418, 418), (AWAY, 503, "upstream_unavailable")])
def test_what_upbit_refuses_is_told_as_it_is(fault: Mapping[str, Any], status: int, name: str | int) -> None:
    """A block says for how long; a block or a maintenance of the market stops nobody from looking at his account."""

    async def story() -> None:
        async with client(fault) as (desk, session):
            await asyncio.sleep(70)
            answered, headers, body = await read(session, "/v1/ticker?markets=KRW-BTC")
            assert (answered, body["error"]["name"]) == (status, name)
            assert ("Retry-After" in headers) is (status == 418)
            assert desk.box.balances()["KRW"][0] == Decimal(1_000_000)
            await asyncio.sleep(180)
            assert (await read(session, "/v1/ticker?markets=KRW-BTC"))[0] == 200

    told(story)


def test_frames_come_in_the_depth_and_form_that_were_asked_for() -> None:
    """A snapshot first, though it was told to somebody else before; then what follows, with exact numbers."""

    async def story() -> None:
        async with client() as (desk, session), session.ws_connect("/websocket/v1") as socket:
            await asyncio.sleep(5)
            wanted = [{"ticket": "t"}, {"type": "orderbook", "codes": ["KRW-BTC.5"]}, {"format": "SIMPLE"}]
            await socket.send_str(json.dumps(wanted))
            first, second = [json.loads((await socket.receive()).data, parse_float=Decimal) for _ in range(2)]
            assert [(frame["cd"], frame["st"], len(frame["obu"])) for frame in (first, second)] == [
                ("KRW-BTC", "SNAPSHOT", 5),
                ("KRW-BTC", "REALTIME", 5),
            ]
            book = desk.live.known_book("KRW-BTC")
            assert book is not None
            assert [Decimal(unit["ap"]) for unit in second["obu"]] == [level.price for level in book.asks[:5]]
            await socket.send_str(json.dumps([{"ticket": "t"}, {"type": "candle.1m", "codes": ["KRW-ETH"]}]))
            candle = json.loads((await socket.receive()).data)
            while candle.get("type") != "candle.1m":
                candle = json.loads((await socket.receive()).data)
            assert (candle["code"], candle["stream_type"]) == ("KRW-ETH", "SNAPSHOT")
            assert desk.upbit.violations == Counter()

    told(story)


def test_a_feed_that_breaks_ends_the_sockets_that_hear_it_and_no_others() -> None:
    """Who listens comes back, and knows that it missed something."""

    async def story() -> None:
        async with (
            client() as (desk, session),
            session.ws_connect("/websocket/v1") as hears,
            session.ws_connect("/websocket/v1") as other,
        ):
            await hears.send_str(json.dumps([{"ticket": "t"}, {"type": "ticker", "codes": ["KRW-BTC"]}]))
            await other.send_str(json.dumps([{"ticket": "t"}, {"type": "candle.1m", "codes": ["KRW-BTC"]}]))
            await hears.receive()
            await other.receive()
            desk.live.upstream.reconnect("ticker")
            while (await hears.receive()).type is not aiohttp.WSMsgType.CLOSED:
                pass
            assert (await other.receive()).type is aiohttp.WSMsgType.BINARY
            assert desk.live.flowing

    told(story)


def test_a_client_that_comes_back_at_once_is_not_dropped() -> None:
    """Nobody listens for a moment; that ends no feed, so the next one misses nothing."""

    async def story() -> None:
        async with client() as (desk, session):
            sockets = [await session.ws_connect("/websocket/v1") for _ in range(5)]
            for socket in sockets:
                await socket.send_str(json.dumps([{"ticket": "t"}, {"type": "ticker", "codes": ["KRW-BTC"]}]))
                for _ in range(3):
                    assert (await socket.receive()).type is aiohttp.WSMsgType.BINARY
                await socket.close()
            assert desk.upbit.violations == Counter()
            await asyncio.sleep(120)
            assert desk.live.last("ticker", "KRW-BTC") is None, "in the end it ends all the same"

    told(story)


def test_a_client_that_wants_everything_at_once_breaks_no_rule_of_upbit() -> None:
    """Twelve kinds of frames are twelve connections, one after another."""
    kinds = ["ticker", "trade", "orderbook", "candle.1s", *(f"candle.{n}m" for n in (1, 3, 5, 10, 15, 30, 60, 240))]

    async def story() -> None:
        async with client() as (desk, session), session.ws_connect("/websocket/v1") as socket:
            wanted = [{"ticket": "t"}, *({"type": kind, "codes": ["KRW-BTC"]} for kind in kinds)]
            await socket.send_str(json.dumps(wanted))
            missing = set(kinds)
            while missing:
                missing.discard(json.loads((await socket.receive()).data)["type"])
            assert desk.upbit.violations == Counter()

    told(story)


@pytest.mark.failure("I1")
def test_a_silent_trade_feed_is_begun_anew() -> None:
    """Tickers know of trades of which nobody told: half a minute later that is a gap."""

    async def story() -> None:
        silent = {"fault": "dropped", "minutes": [1, 3], "on": {"types": ["trade"]}}
        async with client(silent) as (desk, _):
            await asyncio.sleep(60)
            assert desk.live.gaps == []
            await asyncio.sleep(60)
            begin, end = desk.live.gaps[0]
            assert end is not None
            assert end - begin >= 30_000, "it began with the last word"

    told(story)


def test_new_listings_can_be_traded_within_two_minutes() -> None:
    """And what is not listed any more is not."""

    async def story() -> None:
        async with client() as (desk, _):
            listed = dict(desk.upbit.markets.listed)
            desk.upbit.markets.unlist("KRW-XRP")
            await asyncio.sleep(120)
            assert list(desk.box.markets.listed) == [name for name in listed if name != "KRW-XRP"]
            desk.upbit.markets.relist(listed["KRW-XRP"])
            await asyncio.sleep(120)
            assert set(desk.box.markets.listed) == set(listed)

    told(story)
