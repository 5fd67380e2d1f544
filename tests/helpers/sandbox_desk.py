"""A sandbox over a market we write ourselves, with a clock that only moves when told, and a plain HTTP client."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

import aiohttp
import jwt
from yarl import URL

from sandbox.keys import KeyOptions, PocketOptions
from sandbox.market.feed import Book, Candle, Level, Listing, PublicTrade
from sandbox.server import Opened, Sandbox, SandboxOptions
from sandbox.wire import from_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)
STEP_MS = 500  # KRW-BTC trades every half second, KRW-XRP never
PRICE = 160_594_000


@dataclass
class FakeSource:
    """Two markets: one trades at a fixed rhythm, the other has only history."""

    listings: tuple[Listing, ...] = (
        Listing("KRW-BTC", "비트코인", "Bitcoin", warning=False, caution=frozenset()),
        Listing("KRW-XRP", "엑스알피", "XRP", warning=True, caution=frozenset({"PRICE_FLUCTUATIONS"})),
    )
    start_ms: int = START_MS
    end_ms: int | None = None
    takes_impact: bool = True
    planned: list[PublicTrade] = field(default_factory=list)  # trades besides the rhythm
    given: int = 0
    quiet: bool = False  # no rhythm any more
    spread: int = 1  # ticks between the best prices
    drawn: dict[str, Book] = field(default_factory=dict)  # instead of the usual books
    price: int = PRICE  # of the next trades of the rhythm, and the best ask

    def raise_price(self, krw: int) -> None:
        """Let the rhythm go on at another price."""
        self.price += krw

    def next_ms(self) -> int | None:
        """Return when the next trade of the rhythm happens."""
        if self.quiet:
            return None
        return self.start_ms + (self.given + 1) * STEP_MS

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to a moment."""
        trades = [trade for trade in self.planned if trade.at_ms <= to_ms]
        self.planned = [trade for trade in self.planned if trade.at_ms > to_ms]
        while not self.quiet and (at_ms := self.start_ms + (self.given + 1) * STEP_MS) <= to_ms:
            self.given += 1
            trades.append(
                PublicTrade("KRW-BTC", Decimal(self.price), Decimal("0.01"), at_ms, "BID", at_ms * 10_000 + self.given)
            )
        return sorted(trades, key=lambda trade: trade.at_ms)

    def book(self, market: str, at_ms: int) -> Book:
        """Return 30 levels of 1 on each side."""
        if market in self.drawn:
            return self.drawn[market]
        top, tick = (self.price, 1000) if market == "KRW-BTC" else (1000, 1)
        asks = tuple(Level(Decimal(top + tick * n), Decimal(1)) for n in range(30))
        bids = tuple(Level(Decimal(top - tick * (n + self.spread)), Decimal(1)) for n in range(30))
        return Book(market, at_ms // 1000 * 1000, asks, bids)

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of one price for every period before the start, except each tenth minute."""
        price = Decimal(PRICE if market == "KRW-BTC" else 1000)
        unit_ms = unit_s * 1000
        opened = (min(before_ms, self.start_ms) - 1) // unit_ms * unit_ms
        candles: list[Candle] = []
        while len(candles) < count and opened > self.start_ms - 400 * 86_400_000:
            if unit_s != 60 or opened // unit_ms % 10:
                candles.append(Candle(opened, price, price, price, price, Decimal(1), price, opened + unit_ms - 1))
            opened -= unit_ms
        return candles


def draw(asks: Mapping[int, str], bids: Mapping[int, str], market: str = "KRW-BTC") -> Book:
    """Return a book of sizes by price, best first."""
    sides = (tuple(Level(Decimal(price), Decimal(size)) for price, size in side.items()) for side in (asks, bids))
    return Book(market, START_MS, *sides)


def spelled(name: str, value: object) -> list[str]:
    """Return a field of a body as it is hashed."""
    if isinstance(value, list):
        return [f"{name}[]={item}" for item in value]
    return [] if value is None else [f"{name}={str(value).lower() if isinstance(value, bool) else value}"]


class Desk:
    """A client at a sandbox. `pass_time` moves the market; requests carry tokens unless told otherwise."""

    held: KeyOptions | None = None

    def __init__(self, session: aiohttp.ClientSession, pockets: tuple[PocketOptions, ...] = ()) -> None:
        self.session = session
        self.now = START
        self.source = FakeSource()
        self.options = SandboxOptions(speed=1000.0, pockets=pockets)  # what is accepted takes effect at once
        self.box = Sandbox(self.options, lambda: self.now, Opened(self.source, from_ms(self.source.start_ms)))

    @property
    def key(self) -> KeyOptions:
        """Return the key that requests are signed with: the sandbox's first one, unless another is held."""
        return self.held or KeyOptions(access_key=self.options.access_key, secret_key=self.options.secret_key)

    def holding(self, key: KeyOptions) -> Desk:
        """Return a client of the same sandbox with another key; time passes at the first one."""
        other = copy(self)
        other.held = key
        return other

    def pass_time(self, seconds: float) -> None:
        """Move the market clock and let the sandbox notice."""
        self.now += timedelta(seconds=seconds)
        self.box.catch_up()

    def token(self, hashed: str = "", **claims: object) -> dict[str, str]:
        """Return the headers of a signed request."""
        payload = {"access_key": self.key.access_key, "nonce": str(uuid.uuid4())} | claims
        if hashed:
            payload |= {"query_hash": hashlib.sha512(hashed.encode()).hexdigest(), "query_hash_alg": "SHA512"}
        return {"Authorization": "Bearer " + jwt.encode(payload, self.key.secret_key, algorithm="HS256")}

    async def call(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send a request with a query; return status, decoded body and headers."""
        text = urlencode(query or {}, doseq=True)
        signed = self.token(unquote(text)) if headers is None else headers
        url = f"{self.box.url}{path}" + (f"?{text}" if text else "")
        async with self.session.request(method, URL(url, encoded=True), headers=signed) as response:
            return response.status, json.loads(await response.read(), parse_float=Decimal), response.headers

    async def get(self, path: str, **query: object) -> Any:
        """GET what must succeed."""
        status, body, _ = await self.call("GET", path, {name.replace("__", "[]"): v for name, v in query.items()})
        assert status == 200, body
        return body

    async def post(self, body: dict[str, Any], path: str = "/v1/orders") -> tuple[int, Any]:
        """POST a signed JSON body."""
        hashed = "&".join(pair for name, value in body.items() for pair in spelled(name, value))
        async with self.session.post(self.box.url + path, json=body, headers=self.token(hashed)) as response:
            return response.status, await response.json()

    async def place(self, **body: object) -> Any:
        """Place an order on KRW-BTC that must be taken."""
        status, order = await self.post({"market": "KRW-BTC"} | body)
        assert status == 201, order
        return order

    def hold_back(self) -> list[Callable[[], None]]:
        """Let nothing take effect that is accepted from now on; return the list it is put on instead."""
        effects: list[Callable[[], None]] = []
        self.box.exchange._later = lambda _, effect: effects.append(effect)
        return effects

    async def refused(self, body: dict[str, Any], path: str = "/v1/orders") -> str:
        """Return the name a body is refused with as a 400."""
        status, answer = await self.post(body, path)
        assert (status, type(answer["error"]["name"])) == (400, str), answer
        return str(answer["error"]["name"])

    async def balance(self, currency: str) -> tuple[str, str]:
        """Return balance and locked of a currency as the accounts list them."""
        rows = {row["currency"]: (row["balance"], row["locked"]) for row in await self.get("/v1/accounts")}
        return rows.get(currency, ("0", "0"))

    async def settled(self, order: Mapping[str, Any]) -> Any:
        """Return an order once the sandbox matched what it had accepted."""
        while self.box.exchange.in_flight:  # noqa: ASYNC110  # the exchange has no event for it, and it is near
            await asyncio.sleep(0)
        return await self.get("/v1/order", uuid=order["uuid"])


@asynccontextmanager
async def open_desk(*pockets: PocketOptions) -> AsyncIterator[Desk]:
    """Run a sandbox and a client, and insist that the sandbox never failed inside and that its books balance."""
    async with aiohttp.ClientSession() as session:
        desk = Desk(session, pockets)
        async with desk.box:
            yield desk
        assert desk.box.internal_errors == 0
        desk.box.exchange.verify()
