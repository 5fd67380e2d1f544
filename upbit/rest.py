"""Upbit's REST API: one endpoint, one method, no opinions.

Signing, rate limits, time-outs and the translation of errors live in `_request`, once. A read is repeated a few times,
each time with a signature of its own; a request that changes something is sent exactly once.
https://docs.upbit.com/kr/reference
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import certifi
import msgspec
from yarl import URL

from upbit.auth import body_text, encode, query_text, token
from upbit.errors import ExchangeError, NotSent, OutcomeUnknown, RateLimited, error_from
from upbit.limits import RateLimiter
from upbit.models import Account, ApiKey, Book, Candle, Chance, Market, Order, Ticker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import SimpleNamespace

    from upbit.models import NewOrder

T = TypeVar("T")
Pairs = list[tuple[str, str]]

TOTAL_S, CONNECT_S, READ_S = 10.0, 5.0, 8.0
LARGEST_BODY = 4 * 1024 * 1024
READ_ATTEMPTS = 3
OPEN_PAGE = 100
CLOSED_PAGE = 1000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def open_session() -> aiohttp.ClientSession:
    """Open a session for `Upbit`: verified TLS, time-outs on everything, and no repetition behind our back."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_that_bytes_left)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certifi.where()), keepalive_timeout=30),
        timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S, sock_read=READ_S),
        trace_configs=[trace],
        headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
        raise_for_status=False,
    )
    # aiohttp repeats GET and DELETE when a kept connection turns out dead. The repetition would carry the same token,
    # which Upbit answers with nonce_used; we repeat reads ourselves, signed afresh. There is no public switch.
    session._retry_connection = False  # noqa: SLF001
    return session


async def _note_that_bytes_left(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    if context.trace_request_ctx is not None:  # None: a request that is not one of Upbit's
        context.trace_request_ctx["left"] = True


def may_repeat(error: ExchangeError) -> bool:
    """Return whether a read that failed so may be asked again at once."""
    if isinstance(error, RateLimited):
        return error.status == 429  # noqa: PLR2004 - a 418 is a penalty: asking again makes it longer
    return isinstance(error, NotSent | OutcomeUnknown)


class Upbit:
    """Typed methods for the endpoints the daemon needs."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ValueError(f"{base_url}: only https is allowed, plain http only to this machine")
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._keys = (access_key, secret_key) if access_key and secret_key else None
        self._limiter = limiter or RateLimiter()
        self.server_date: datetime | None = None  # the last Date header, UTC, to the second

    def rates(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return self._limiter.free()

    # --- quotation ----------------------------------------------------------------------------------------------

    async def markets(self) -> list[Market]:
        """List every market with its protection flags."""
        return await self._read("market", "/v1/market/all", [("is_details", "true")], list[Market])

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to 200 candles that opened before `to`, newest first; the newest may still be forming.

        https://docs.upbit.com/kr/reference/list-candles-minutes
        """
        params = [("market", market), ("count", str(count))]
        if to is not None:
            params.append(("to", to.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
        return await self._read("candle", f"/v1/candles/{candle_path(unit)}", params, list[Candle])

    async def tickers(self, markets: Iterable[str]) -> list[Ticker]:
        """Return the last trade and day figures of some markets."""
        return await self._read("ticker", "/v1/ticker", [("markets", ",".join(markets))], list[Ticker])

    async def all_tickers(self, quote: str = "KRW") -> list[Ticker]:
        """Return the last trade and day figures of every market of a quote currency."""
        return await self._read("ticker", "/v1/ticker/all", [("quote_currencies", quote)], list[Ticker])

    async def books(self, markets: Iterable[str], *, count: int = 30) -> list[Book]:
        """Return order books, best level first."""
        params = [("markets", ",".join(markets)), ("count", str(count))]
        return await self._read("orderbook", "/v1/orderbook", params, list[Book])

    # --- exchange -----------------------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """Return the balance of every currency the account holds."""
        return await self._read("default", "/v1/accounts", [], list[Account], signed=True)

    async def chance(self, market: str) -> Chance:
        """Return fees, least totals and balances for orders in a market."""
        return await self._read("default", "/v1/orders/chance", [("market", market)], Chance, signed=True)

    async def place(self, order: NewOrder) -> Order:
        """Send a market order, once. Never repeated here.

        After `OutcomeUnknown` the order may exist: look it up by its identifier, which Upbit will not take twice.
        https://docs.upbit.com/kr/reference/new-order
        """
        return await self._send("order", "POST", "/v1/orders", body=order.to_wire(), kind=Order)

    async def test_order(self, order: NewOrder) -> Order:
        """Ask whether an order would be taken, without placing it."""
        return await self._send("order-test", "POST", "/v1/orders/test", body=order.to_wire(), kind=Order)

    async def order(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Return one order with its fills.

        Raises:
            OrderNotFound: when none of that name is known now; it may still be on its way.
        """
        name = ("uuid", uuid) if uuid is not None else ("identifier", identifier or "")
        return await self._read("default", "/v1/order", [name], Order, signed=True)

    async def open_orders(self, market: str | None = None) -> list[Order]:
        """Return every resting order, newest first."""
        orders: list[Order] = []
        only = [("market", market)] if market else []
        for number in range(1, 1000):
            params = [
                *only,
                ("states[]", "wait"),
                ("states[]", "watch"),
                ("page", str(number)),
                ("limit", str(OPEN_PAGE)),
            ]
            page = await self._read("default", "/v1/orders/open", params, list[Order], signed=True)
            orders += page
            if len(page) < OPEN_PAGE:
                break
        return orders

    async def closed_orders(self, *, start: datetime, end: datetime, market: str | None = None) -> list[Order]:
        """Return the ended orders created in `start`..`end`, at most 7 days, newest first.

        A window with more orders than one answer holds is cut in halves.
        """
        params = [("market", market)] if market else []
        params += [("start_time", start.isoformat()), ("end_time", end.isoformat()), ("limit", str(CLOSED_PAGE))]
        page = await self._read("default", "/v1/orders/closed", params, list[Order], signed=True)
        if len(page) < CLOSED_PAGE or end - start <= timedelta(seconds=1):
            return page
        middle = start + (end - start) / 2
        later = await self.closed_orders(start=middle, end=end, market=market)
        earlier = await self.closed_orders(start=start, end=middle, market=market)
        return later + [order for order in earlier if order not in later]

    async def cancel(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Ask for a cancellation; the answer only says that it was accepted."""
        name = ("uuid", uuid) if uuid is not None else ("identifier", identifier or "")
        return await self._send("default", "DELETE", "/v1/order", params=[name], kind=Order)

    async def api_keys(self) -> list[ApiKey]:
        """Return the account's keys and when they expire."""
        return await self._read("default", "/v1/api_keys", [], list[ApiKey], signed=True)

    # --- how a request is made ------------------------------------------------------------------------------------

    async def _read(self, group: str, path: str, params: Pairs, kind: type[T], *, signed: bool = False) -> T:
        """Ask, and ask again a few times when nothing usable came back; every time with a signature of its own."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return decode(await self._request(group, "GET", path, params=params, signed=signed), kind)
            except ExchangeError as error:
                if attempt == READ_ATTEMPTS or not may_repeat(error):
                    raise
                await asyncio.sleep(0.2 * attempt)
        raise AssertionError("unreachable")

    async def _send(
        self, group: str, method: str, path: str, *, kind: type[T], params: Pairs | None = None, body: Any = None
    ) -> T:
        """Change something, with one attempt."""
        return decode(await self._request(group, method, path, params=params or [], body=body, signed=True), kind)

    async def _request(
        self,
        group: str,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]],
        body: Mapping[str, str] | None = None,
        signed: bool = False,
    ) -> bytes:
        """Make one attempt and return the body of a success."""
        await self._limiter.acquire(group, urgent=method != "GET")
        query = encode(params)
        headers = self._authorization(body_text(body) if body else query_text(query)) if signed else {}
        if body is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        url = URL(f"{self._base_url}{path}{'?' + query if query else ''}", encoded=True)
        context: dict[str, bool] = {}
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=msgspec.json.encode(body) if body is not None else None,
                allow_redirects=False,
                trace_request_ctx=context,
            ) as answer:
                content = await read_whole(answer)
                return self._accept(group, answer, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            kind = OutcomeUnknown if context.get("left") else NotSent
            raise kind(f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error

    def _authorization(self, hashed: str) -> dict[str, str]:
        if self._keys is None:
            raise ValueError("this request needs keys")
        return {"Authorization": f"Bearer {token(*self._keys, hashed)}"}

    def _accept(self, group: str, answer: aiohttp.ClientResponse, content: bytes) -> bytes:
        """Return the body of a success, learn the limits from the headers, and raise what a failure means."""
        self._limiter.observe(answer.headers.get("Remaining-Req"))
        if "Date" in answer.headers:
            self.server_date = parsedate_to_datetime(answer.headers["Date"])
        if answer.status in {200, 201}:
            return content
        error = error_from(answer.status, content, answer.headers.get("Retry-After"))
        if isinstance(error, RateLimited):
            self._limiter.refused(group, error.retry_after, penalty=answer.status == 418)  # noqa: PLR2004 - the teapot
        raise error


async def read_whole(answer: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, but never more than is sane."""
    content = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        content += chunk
        if len(content) > LARGEST_BODY:
            answer.close()
            raise aiohttp.ClientPayloadError(f"an answer larger than {LARGEST_BODY} bytes")
    return bytes(content)


def decode(content: bytes, kind: type[T]) -> T:
    """Turn a body into its type; one of another shape is no answer at all."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(f"an answer of another shape: {error}") from error


def candle_path(unit: timedelta) -> str:
    """Return the path of a candle unit: seconds, minutes, days."""
    if unit == timedelta(seconds=1):
        return "seconds"
    if unit == timedelta(days=1):
        return "days"
    return f"minutes/{unit // timedelta(minutes=1)}"
