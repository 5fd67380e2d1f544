"""Upbit's REST API: one endpoint, one method, no opinions.

Signing, rate limits, time-outs and the translation of errors live in `_request`, once. A read is repeated a few times,
each time with a signature of its own; a request that changes something is sent exactly once.
https://docs.upbit.com/kr/reference
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import certifi
import msgspec
from yarl import URL

from upbit.address import is_safe
from upbit.auth import body_text, encode, query_text, token
from upbit.circuit import Circuit, permission_of
from upbit.errors import LIMITED, ExchangeError, NonceUsed, NotSent, OutcomeUnknown, RateLimited, error_from
from upbit.limits import RateLimiter
from upbit.models import Account, ApiKey, Book, Candle, Chance, Fence, Market, Order, Side, Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import SimpleNamespace

    from upbit.models import NewOrder

log = logging.getLogger("upbit.rest")

T = TypeVar("T")
Rows = list[msgspec.Raw]
Pairs = list[tuple[str, str]]

TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0, sock_read=8.0)
LARGEST_BODY = 4 * 1024 * 1024
READ_ATTEMPTS = 3
PAUSE_S = 0.2
OPEN_PAGE = 100
CLOSED_PAGE = 1000
LONGEST_CLOSED_WINDOW = timedelta(days=7)
NO_BYTE_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""DNS, connect, TLS, or no connection in time; proof only together with the hook that never fired."""


def open_session() -> aiohttp.ClientSession:
    """Open a session for `Upbit`: verified TLS, time-outs on everything, and no repetition behind our back."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_that_bytes_left)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certifi.where()), keepalive_timeout=30),
        timeout=TIMEOUT,
        trace_configs=[trace],
        headers={"Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        raise_for_status=False,
    )
    # aiohttp repeats GET and DELETE when a kept connection turns out dead. The repetition would carry the same token,
    # which Upbit answers with nonce_used; we repeat reads ourselves, signed afresh. There is no public switch.
    session._retry_connection = False  # noqa: SLF001
    return session


async def _note_that_bytes_left(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    if isinstance(context.trace_request_ctx, dict):  # others may use the session too
        context.trace_request_ctx["left"] = True


def may_repeat(error: ExchangeError) -> bool:
    """Return whether a read that failed so may be asked again at once: never anything but a read."""
    if isinstance(error, RateLimited):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS  # after a 418 asking again only makes it longer
    if isinstance(error, OutcomeUnknown):
        return error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, NonceUsed)
    return isinstance(error, NotSent)


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
        gate: Callable[[NewOrder | Fence], None] = lambda _: None,
    ) -> None:
        """`gate` is asked about every order when it could leave at once, and raises `Withheld` to keep it back."""
        if not is_safe(base_url):
            raise ValueError(f"{base_url}: only https is allowed, plain http only to this machine")
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._keys = (access_key, secret_key) if access_key and secret_key else None
        self._limiter = limiter or RateLimiter()
        self._gate = gate
        self.circuit = Circuit()
        self.server_date: datetime | None = None  # the last Date header, UTC, to the second
        self.server_date_at: float | None = None  # loop time at which it was heard

    def rates(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return self._limiter.free()

    # --- quotation ----------------------------------------------------------------------------------------------

    async def markets(self) -> list[Market]:
        """List every market with its protection flags."""
        return usable(await self._read("market", "/v1/market/all", [("is_details", "true")], Rows), Market)

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to 200 candles that opened before `to`, newest first; the newest may still be forming.

        https://docs.upbit.com/kr/reference/list-candles-minutes
        """
        params = [("market", market), ("count", str(count))]
        if to is not None:
            params.append(("to", whole_second(to)))
        return await self._read("candle", f"/v1/candles/{candle_path(unit)}", params, list[Candle])

    async def tickers(self, markets: Iterable[str]) -> list[Ticker]:
        """Return the last trade and day figures of some markets."""
        names = ",".join(markets)
        return await self._read("ticker", "/v1/ticker", [("markets", names)], list[Ticker]) if names else []

    async def all_tickers(self, quote: str = "KRW") -> list[Ticker]:
        """Return the last trade and day figures of every market of a quote currency."""
        return usable(await self._read("ticker", "/v1/ticker/all", [("quote_currencies", quote)], Rows), Ticker)

    async def books(self, markets: Iterable[str], *, count: int = 30) -> list[Book]:
        """Return order books, best level first."""
        params = [("markets", ",".join(markets)), ("count", str(count))]
        return await self._read("orderbook", "/v1/orderbook", params, list[Book]) if params[0][1] else []

    # --- exchange -----------------------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """Return the balance of every currency the account holds."""
        return await self._read("default", "/v1/accounts", [], list[Account], signed=True)

    async def chance(self, market: str) -> Chance:
        """Return fees, least totals and balances for orders in a market."""
        return await self._read("default", "/v1/orders/chance", [("market", market)], Chance, signed=True)

    async def place(self, order: NewOrder | Fence) -> Order:
        """Send an order, once. Never repeated here.

        After `OutcomeUnknown` the order may exist: look it up by its identifier, which Upbit will not take twice.
        https://docs.upbit.com/kr/reference/new-order
        """
        leaving = order.side is Side.ASK or isinstance(order, Fence)  # an exit never waits behind an entry
        return await self._send(
            "order",
            "POST",
            "/v1/orders",
            body=order.to_wire(),
            kind=Order,
            urgent=leaving,
            last=lambda: self._gate(order),
        )

    async def test_order(self, order: NewOrder) -> Order:
        """Ask whether an order would be taken, without placing it."""
        return await self._send("order-test", "POST", "/v1/orders/test", body=order.to_wire(), kind=Order)

    async def order(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Return one order with its fills.

        Raises:
            OrderNotFound: when none of that name is known now; it may still be on its way.
        """
        return await self._read("default", "/v1/order", [one_name(uuid, identifier)], Order, signed=True, urgent=True)

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
        return once_each(orders)

    async def closed_orders(self, *, start: datetime, end: datetime, market: str | None = None) -> list[Order]:
        """Return the ended orders created in `start`..`end`, newest first.

        A window longer than Upbit takes, or with more orders than one answer holds, is cut in halves. The halves share
        a second: whether Upbit counts the ends of a window in is not documented.
        """
        if end - start <= LONGEST_CLOSED_WINDOW:
            params = [("market", market)] if market else []
            params += [("start_time", epoch_ms(start)), ("end_time", epoch_ms(end)), ("limit", str(CLOSED_PAGE))]
            page = await self._read("default", "/v1/orders/closed", params, list[Order], signed=True)
            if len(page) < CLOSED_PAGE or end - start <= timedelta(seconds=2):
                return page
        middle = start + (end - start) / 2
        later = await self.closed_orders(start=middle, end=end, market=market)
        earlier = await self.closed_orders(start=start, end=middle + timedelta(seconds=0.5), market=market)
        return once_each(later + earlier)

    async def cancel(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Ask for a cancellation; the answer only says that it was accepted."""
        name = one_name(uuid, identifier)
        return await self._send("default", "DELETE", "/v1/order", params=[name], kind=Order, urgent=True)

    async def api_keys(self) -> list[ApiKey]:
        """Return the account's keys and when they expire."""
        return await self._read("default", "/v1/api_keys", [], list[ApiKey], signed=True)

    async def cancel_withdrawal(self, uuid: str) -> None:
        """Ask for the cancellation of a withdrawal. With a uuid that nobody has, its refusal tells the key's rights.

        https://docs.upbit.com/kr/reference/cancel-withdrawal
        """
        params = [("uuid", uuid)]
        await self._send("default", "DELETE", "/v1/withdraws/coin", params=params, kind=msgspec.Raw)

    # --- how a request is made ------------------------------------------------------------------------------------

    async def _read(
        self, group: str, path: str, params: Pairs, kind: type[T], *, signed: bool = False, urgent: bool = False
    ) -> T:
        """Ask, and ask again a few times when nothing usable came back; every time with a signature of its own."""
        for attempt in range(1, READ_ATTEMPTS):
            try:
                return await self._request(group, "GET", path, kind, params=params, signed=signed, urgent=urgent)
            except ExchangeError as error:
                if not may_repeat(error):
                    raise
            await asyncio.sleep(PAUSE_S * attempt)
        return await self._request(group, "GET", path, kind, params=params, signed=signed, urgent=urgent)

    async def _send(
        self,
        group: str,
        method: str,
        path: str,
        *,
        kind: type[T],
        params: Pairs | None = None,
        body: Mapping[str, str] | None = None,
        urgent: bool = False,
        last: Callable[[], None] = lambda: None,
    ) -> T:
        """Change something, with one attempt; `last` is called right before its first byte could leave."""
        return await self._request(
            group, method, path, kind, params=params or [], body=body, signed=True, urgent=urgent, last=last
        )

    async def _request(
        self,
        group: str,
        method: str,
        path: str,
        kind: type[T],
        *,
        params: Pairs,
        body: Mapping[str, str] | None = None,
        signed: bool,
        urgent: bool,
        last: Callable[[], None] = lambda: None,
    ) -> T:
        """Make one attempt, as soon as the limits allow it."""
        query = encode(params)
        url = URL(f"{self._base_url}{path}{'?' + query if query else ''}", encoded=True)  # sent as it is signed
        left: dict[str, bool] = {}
        async with self._limiter.place(group, urgent=urgent):
            headers = self._authorization(body_text(body) if body else query_text(query)) if signed else {}
            headers["Accept-Encoding"] = "identity" if signed else "gzip"  # only quotation is ever compressed
            if body is not None:
                headers["Content-Type"] = "application/json; charset=utf-8"
            data = msgspec.json.encode(body) if body is not None else None
            if signed:
                self.circuit.check(permission_of(method, path))
            last()
            try:
                async with self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    timeout=TIMEOUT,
                    trace_request_ctx=left,
                ) as answer:
                    return decode(
                        self._accept(group, answer, await read_whole(answer), signed=signed), kind, answer.status
                    )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                nothing_happened = isinstance(error, NO_BYTE_LEFT) and not left
                failure = NotSent if nothing_happened else OutcomeUnknown
                raise failure(f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error

    def _authorization(self, hashed: str) -> dict[str, str]:
        if self._keys is None:
            raise ValueError("this request needs keys")
        return {"Authorization": f"Bearer {token(*self._keys, hashed)}"}

    def _accept(self, group: str, answer: aiohttp.ClientResponse, content: bytes, *, signed: bool) -> bytes:
        """Return the body of a success, learn the limits from the headers, and raise what a failure means."""
        self._limiter.observe(group, answer.headers.get("Remaining-Req"))
        if date := read_date(answer.headers.get("Date")):
            self.server_date, self.server_date_at = date, asyncio.get_running_loop().time()
        placing, permission = answer.method == "POST", permission_of(answer.method, answer.url.path)
        if answer.status == (HTTPStatus.CREATED if placing else HTTPStatus.OK):
            if signed:
                self.circuit.observe(permission, None)
            return content
        error = error_from(answer.status, content, retry_after=answer.headers.get("Retry-After"), placing=placing)
        if signed:
            self.circuit.observe(permission, error)
        if answer.status in LIMITED:  # heeded whether the request itself was surely refused or not
            penalty = answer.status == HTTPStatus.IM_A_TEAPOT
            self._limiter.refused(group, getattr(error, "retry_after", None), penalty=penalty)
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


def decode(content: bytes, kind: type[T], status: int) -> T:
    """Turn a body into its type; one of another shape is no answer at all."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown(f"an answer of another shape: {error}", status=status) from error


def usable(rows: Rows, kind: type[T]) -> list[T]:
    """Turn the rows of a list about the whole market into their type; one nonsensical market does not hide the rest."""
    found, broken = [], []
    for row in rows:
        try:
            found.append(msgspec.json.decode(row, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            broken.append(f"{error}: {bytes(row)[:80]!r}")
    if broken and not found:
        raise OutcomeUnknown(f"no usable row: {broken[0]}", status=HTTPStatus.OK)
    if broken:
        log.warning("rows left out kind=%s count=%d of=%d first=%s", kind.__name__, len(broken), len(rows), broken[0])
    return found


def read_date(header: str | None) -> datetime | None:
    """Read a Date header; None when there is none that can be read."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC) if header else None
    except ValueError:
        return None


def one_name(uuid: str | None, identifier: str | None) -> tuple[str, str]:
    """Return the parameter that names an order."""
    if bool(uuid) == bool(identifier):
        raise ValueError("an order is named by its uuid or by its identifier")
    return ("uuid", uuid) if uuid else ("identifier", identifier or "")


def once_each(orders: list[Order]) -> list[Order]:
    """Drop orders that stand in two answers; the list may have moved between them."""
    return list({order.uuid: order for order in orders}.values())


def epoch_ms(moment: datetime) -> str:
    """Write an aware time as Upbit's milliseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def whole_second(moment: datetime) -> str:
    """Write an aware time in UTC, rounded up: what opened a fraction before it is still before it."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    up = moment.astimezone(UTC) + timedelta(seconds=1, microseconds=-1)
    return up.strftime("%Y-%m-%dT%H:%M:%SZ")


MINUTE_UNITS = frozenset({1, 3, 5, 10, 15, 30, 60, 240})
OTHER_UNITS = {timedelta(seconds=1): "seconds", timedelta(days=1): "days", timedelta(weeks=1): "weeks"}


def candle_path(unit: timedelta) -> str:
    """Return the path of a candle unit: seconds, minutes, days, weeks."""
    minutes, rest = divmod(unit, timedelta(minutes=1))
    if minutes in MINUTE_UNITS and not rest:
        return f"minutes/{minutes}"
    if unit not in OTHER_UNITS:
        raise ValueError(f"Upbit has no candles of {unit}")
    return OTHER_UNITS[unit]
