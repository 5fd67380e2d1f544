"""The market of a running sandbox: the same for everybody, whoever watches or trades, and served exactly."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest

from sandbox.market.markets import IDS_A_MS, OWN_IDS
from sandbox.server import Sandbox, SandboxOptions, open_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2026, 11, 2, tzinfo=UTC)
RECORDED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles" / "1m"
FIELDS = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-DOGE")


class Watch:
    """A sandbox whose clock a test moves, and one client."""

    def __init__(self, session: aiohttp.ClientSession, options: SandboxOptions) -> None:
        self.session = session
        self.options = options
        opened = open_source(options, START)
        self.now = opened.start
        self.box = Sandbox(options, lambda: self.now, opened)

    def pass_seconds(self, seconds: float) -> None:
        """Let market time pass."""
        self.now += timedelta(seconds=seconds)
        self.box.catch_up()

    async def get(self, path: str, **query: str | int) -> Any:
        """GET what must succeed, decimals exact."""
        async with self.session.get(self.box.url + path, params=query) as response:
            assert response.status == 200, await response.text()
            return json.loads(await response.read(), parse_float=Decimal)

    async def buy(self, market: str, krw: str) -> None:
        """Place a market buy that must be taken, and see it filled."""
        body = {"market": market, "side": "bid", "ord_type": "price", "price": krw}
        text = "&".join(f"{name}={value}" for name, value in body.items())
        claims = {
            "access_key": self.options.access_key,
            "nonce": str(uuid.uuid4()),
            "query_hash": hashlib.sha512(text.encode()).hexdigest(),
            "query_hash_alg": "SHA512",
        }
        headers = {"Authorization": "Bearer " + jwt.encode(claims, self.options.secret_key, algorithm="HS256")}
        async with self.session.post(self.box.url + "/v1/orders", json=body, headers=headers) as response:
            assert response.status == 201, await response.text()


@asynccontextmanager
async def watch(options: SandboxOptions) -> AsyncIterator[Watch]:
    """Run a sandbox, and insist that it never failed inside."""
    async with aiohttp.ClientSession() as session:
        made = Watch(session, options)
        async with made.box:
            yield made
        assert made.box.internal_errors == 0


async def public_tape(seen: Watch) -> dict[str, list[dict[str, Any]]]:
    """Return the newest trades of some markets without fills of the user."""
    tape = {}
    for market in MARKETS:
        trades = await seen.get("/v1/trades/ticks", market=market, count=500)
        kept = (trade for trade in trades if trade["sequential_id"] % IDS_A_MS < OWN_IDS)
        names = ("sequential_id", "timestamp", "trade_price", "trade_volume", "ask_bid")
        tape[market] = [{name: trade[name] for name in names} for trade in kept]
    return tape


async def test_the_market_does_not_know_who_watches_or_trades() -> None:
    """One exchange is left alone, in the other a client streams, polls and buys: the same strangers trade the same."""
    options = SandboxOptions(seed=9, markets=12, krw=Decimal(10**9), speed=1000.0)
    async with watch(options) as alone:
        alone.pass_seconds(480)
        wanted = await public_tape(alone)
    async with watch(options) as crowded:
        socket = await crowded.session.ws_connect(crowded.box.url + "/websocket/v1")
        codes = [*MARKETS]
        await socket.send_json([{"ticket": "t"}, *({"type": kind, "codes": codes} for kind in ("ticker", "orderbook"))])
        for step in range(48):
            crowded.pass_seconds(10)
            market = MARKETS[step % len(MARKETS)]
            await crowded.get("/v1/orderbook", markets=market)
            if step % 6 == 0:
                await crowded.buy(market, "5000000")
        found = await public_tape(crowded)
        own = sum(len(trades) for trades in found.values())
        assert crowded.box.exchange.accounts.of("BTC")[0] > 0
        await socket.close()
    assert own > 0
    for market in MARKETS:
        assert len(found[market]) > 10
        assert found[market] == wanted[market][: len(found[market])]


def recorded_day(market: str, day: str) -> list[list[str]]:
    """Return the recorded minutes of a day, newest first: time and numbers as they are written."""
    with gzip.open(RECORDED / f"{market}.csv.gz", "rt", encoding="utf-8") as lines:
        return [line.split(",")[:6] for line in lines if line.startswith(day)][::-1]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded candles are not at {RECORDED}")
async def test_minutes_served_are_the_recorded_ones() -> None:
    """A day of four markets over REST: every price and volume to the last decimal, and the missing minutes."""
    async with watch(SandboxOptions(replay=RECORDED, speed=1000.0)) as seen:
        day = seen.now.strftime("%Y-%m-%d")
        served: dict[tuple[str, str], dict[str, Any]] = {}
        for _ in range(8):
            seen.pass_seconds(3 * 3600)
            for market in ("KRW-BTC", "KRW-ETH", "KRW-SOL", "KRW-XRP"):
                candles = await seen.get("/v1/candles/minutes/1", market=market, count=185)
                served |= {(market, candle["candle_date_time_utc"]): candle for candle in candles}
    for market in ("KRW-BTC", "KRW-ETH", "KRW-SOL", "KRW-XRP"):
        wanted = recorded_day(market, day)
        assert len(wanted) > 1400
        assert sum(name == market and at.startswith(day) for name, at in served) == len(wanted)
        for at, *numbers in wanted:
            candle = served[market, at.removesuffix("Z")]
            assert [candle[name] for name in FIELDS] == [Decimal(number) for number in numbers]
