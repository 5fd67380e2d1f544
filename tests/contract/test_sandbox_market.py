"""The market of a running sandbox: the same for everybody, whoever watches or trades, and served exactly."""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt

from sandbox.market import IDS_A_MS, OWN_IDS
from sandbox.server import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2026, 11, 2, tzinfo=UTC)
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-DOGE")


class Watch:
    """A sandbox whose clock a test moves, and one client."""

    def __init__(self, session: aiohttp.ClientSession, options: SandboxOptions) -> None:
        self.session = session
        self.options = options
        self.now = START
        self.box = Sandbox(options, lambda: self.now)

    def pass_seconds(self, seconds: float) -> None:
        """Let market time pass."""
        self.now += timedelta(seconds=seconds)
        self.box.catch_up()

    async def get(self, path: str, **query: Any) -> Any:
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
