"""How a request to Upbit is made: signing, rate limits, time-outs and the translation of errors, once for all.

A read is repeated a few times, each time with a signature of its own; a request that changes something is sent exactly
once.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from upbit.auth import body_text, encode, query_text, token
from upbit.circuit import Circuit, permission_of
from upbit.decoding import Complaints, RawRows, Rows, decode, usable
from upbit.errors import LIMITED, ExchangeError, NonceUsed, NotSent, OutcomeUnknown, RateLimited, error_from
from upbit.http import TIMEOUT, Request, Way
from upbit.limits import RateLimiter
from upbit.network import DIRECT, is_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from upbit.http import Answer
    from upbit.network import Network

log = logging.getLogger("upbit.transport")

T = TypeVar("T")
Pairs = list[tuple[str, str]]

READ_ATTEMPTS = 3
PAUSE_S = 0.2


class Answered(Protocol):
    """Who keeps answers."""

    def __call__(self, method: str, path: str, status: int, content: bytes, *, signed: bool) -> None:
        """Take an answer; `signed`: it is about the account."""


def open_session(network: Network = DIRECT, *, url: str = "") -> aiohttp.ClientSession:
    """Open a session for requests to `url`: verified TLS, time-outs on everything."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=network.tls(), keepalive_timeout=30),
        proxy=network.proxy_for(url),
        timeout=TIMEOUT,
        headers={"Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        raise_for_status=False,
    )


def may_repeat(error: ExchangeError) -> bool:
    """Return whether a read that failed so may be asked again at once: never anything but a read."""
    if isinstance(error, RateLimited):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS  # after a 418 asking again only makes it longer
    if isinstance(error, OutcomeUnknown):
        return error.status is None or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, NonceUsed)
    return isinstance(error, NotSent)


class Transport:
    """Makes requests, and remembers what their answers say about limits, permissions and the time."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        if not is_safe(base_url):
            raise ValueError(f"{base_url}: only https is allowed, plain http only to this machine")
        self._way = Way(session, base_url)
        self._root = urlsplit(base_url).path.rstrip("/")
        self._keys = (access_key, secret_key) if access_key and secret_key else None
        self._limiter = limiter or RateLimiter()
        self._complaints = Complaints()
        self.circuit = Circuit()
        self.server_date: datetime | None = None  # the Date header that tells the time, UTC, to the second
        self.server_date_at: float | None = None  # loop time at which it was heard
        self.on_answer: Answered | None = None  # who keeps every answer as it came

    def rates(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return self._limiter.free()

    def exchange_time(self) -> datetime | None:
        """Return the time it is at the exchange, by Date headers: UTC, up to a second late; None before one."""
        if self.server_date is None or self.server_date_at is None:
            return None
        return self.server_date + timedelta(seconds=asyncio.get_running_loop().time() - self.server_date_at)

    def _hear(self, date: datetime, took_s: float) -> None:
        """Take note of a Date, unless it agrees with what is known and tells less.

        It was written while the answer was awaited, and shows whole seconds: by so much it may be later there by now.
        An answer that was long on its way would make the exchange's clock look slow.
        """
        known = self.exchange_time()
        if known is None or not date <= known <= date + timedelta(seconds=1 + took_s):
            self.server_date, self.server_date_at = date, asyncio.get_running_loop().time()

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

    async def _list(
        self,
        group: str,
        path: str,
        params: Pairs,
        kind: type[T],
        *,
        name: str,
        wanted: Callable[[T], bool] = lambda _: True,
        signed: bool = False,
    ) -> Rows[T]:
        """Ask for a list, row by row: `name` is the wire's name of the field that names a row."""
        rows = usable(await self._read(group, path, params, RawRows, signed=signed), kind, name=name, wanted=wanted)
        self._complaints.tell(kind, rows.dropped)
        return rows

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
        query = encode(params) if params else ""
        target = f"{self._root}{path}{'?' if query else ''}{query}"  # sent as it is signed
        async with self._limiter.place(group, urgent=urgent):
            headers = {"Accept-Encoding": "identity" if signed else "gzip"}  # only quotation is ever compressed
            if signed:
                headers["Authorization"] = self._authorization(body_text(body) if body else query_text(query))
            if body is not None:
                headers["Content-Type"] = "application/json; charset=utf-8"
            request = Request(method, target, headers, msgspec.json.encode(body) if body is not None else None)
            if signed:
                self.circuit.check(permission_of(method, path))
            last()
            left_s = asyncio.get_running_loop().time()
            try:
                answer = await self._way.ask(request)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = OutcomeUnknown if request.begun else NotSent
                raise failure(f"{method} {path}: {type(error).__name__} {error}".rstrip()) from error
            if date := read_date(answer.headers.get("Date")):
                self._hear(date, asyncio.get_running_loop().time() - left_s)
            if self.on_answer is not None:
                self.on_answer(method, target, answer.status, answer.content, signed=signed)
            self._accept(group, method, path, answer, signed=signed, urgent=urgent)
            return decode(answer.content, kind, answer.status)

    def _authorization(self, hashed: str) -> str:
        if self._keys is None:
            raise ValueError("this request needs keys")
        return f"Bearer {token(*self._keys, hashed)}"

    def _accept(self, group: str, method: str, path: str, answer: Answer, *, signed: bool, urgent: bool) -> None:
        """Learn the limits from the headers, and raise what a failure means."""
        self._limiter.observe(group, answer.headers.get("Remaining-Req"))
        placing, permission = method == "POST", permission_of(method, path)
        if answer.status == (HTTPStatus.CREATED if placing else HTTPStatus.OK):
            if signed:
                self.circuit.observe(permission, None)
            return
        error = error_from(
            answer.status, answer.content, retry_after=answer.headers.get("Retry-After"), placing=placing
        )
        if signed:
            self.circuit.observe(permission, error)
        if answer.status in LIMITED:  # heeded whether the request itself was surely refused or not
            penalty = answer.status == HTTPStatus.IM_A_TEAPOT
            self._limiter.refused(group, getattr(error, "retry_after", None), penalty=penalty)
        if isinstance(error, RateLimited):
            error.retry_after = self._limiter.rests_s(group, urgent=urgent)
        raise error


def read_date(header: str | None) -> datetime | None:
    """Read a Date header; None when there is none that can be read."""
    try:
        date = parsedate_to_datetime(header) if header else None
        return date and (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
