"""From a call to an answer: routing, limits, authentication, scope, handler, in the order the exchange checks them."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox.auth import read_token
from sandbox.refusals import ApiError, out_of_scope, refuse
from sandbox.rest.routes import MINUTES, Route, exchange_routes, quotation_routes
from sandbox.wire import http_date, to_json, to_ms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from sandbox.auth import ApiKey, Token, TokenCheck
    from sandbox.limits import Limits
    from sandbox.market.sources.live import UpstreamAnswer
    from sandbox.rest.call import Call
    from sandbox.rest.exchange import ExchangeRest
    from sandbox.rest.quotation import Quotation

    Ask = Callable[[str, str, Sequence[tuple[str, str]]], Awaitable[UpstreamAnswer]]

logger = logging.getLogger(__name__)

QUOTATION_HEADERS = {
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Limit-By-Ip": "Yes",
}
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Response:
    """Status, body and headers of a response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


class Api:
    """The REST interface. Counts what clients do wrong in `violations`, and our own failures in `internal_errors`."""

    def __init__(
        self,
        quotation: Quotation,
        exchange: ExchangeRest,
        gate: TokenCheck,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self.violations: Counter[str] = Counter()
        self.internal_errors = 0
        self.orders_received = 0
        self._gate = gate
        self._limits = limits
        self._clock = clock
        self._minutes = Route("candle", quotation.of_pairs(quotation.minute_candles))
        self._routes = {**quotation_routes(quotation), **exchange_routes(exchange)}

    def answer(self, call: Call) -> Response:
        """Answer one request; never raises."""
        now, route = self._clock(), self._route(call)
        if call.method == "POST" and call.path == "/v1/orders":
            self.orders_received += 1
        if route is None:
            return self._refused(call, refuse("not_found"), {"Date": http_date(now)})
        token = _token(call) if route.scope is not None else None
        group, caller = self._group(call, route), self._caller(call, token)
        headers = {"Date": http_date(now), **(QUOTATION_HEADERS if route.scope is None else {})}
        try:
            self._limits.spend(group, caller, to_ms(now))
            headers["Remaining-Req"] = self._limits.header(group, caller, to_ms(now))
            key = self._authorize(call, route, token, now)
            return Response(route.status, to_json(route.handler(replace(call, key=key))), headers)
        except ApiError as error:
            headers["Remaining-Req"] = self._limits.header(group, caller, to_ms(now))
            return self._refused(call, error, headers)
        except Exception:
            logger.exception("A handler of the sandbox failed method=%s path=%s", call.method, call.path)
            self.internal_errors += 1
            return Response(500, to_json(refuse("internal_server_error").body()), headers)

    async def relay(self, call: Call, ask: Ask) -> Response:
        """Let another exchange answer what everybody may ask, within the limits of this one; never raises."""
        now, route = self._clock(), self._route(call)
        assert route is not None
        group = self._group(call, route)
        headers = {"Date": http_date(now), **QUOTATION_HEADERS}
        try:
            self._limits.spend(group, call.ip, to_ms(now))
            headers["Remaining-Req"] = self._limits.header(group, call.ip, to_ms(now))
        except ApiError as error:
            headers["Remaining-Req"] = self._limits.header(group, call.ip, to_ms(now))
            return self._refused(call, error, headers)
        told = await ask(route.group, call.path, call.fields)
        if told.retry_after is not None:
            headers["Retry-After"] = f"{told.retry_after:.0f}"
        return Response(told.status, told.body, headers)

    def is_public(self, call: Call) -> bool:
        """Whether a call asks for what everybody may know."""
        route = self._route(call)
        return route is not None and route.scope is None

    def _route(self, call: Call) -> Route | None:
        if call.method == "GET" and call.path.startswith(MINUTES):
            return self._minutes
        return self._routes.get((call.method, call.path))

    def group(self, call: Call) -> str:
        """Return the limit group of a call; empty when it leads nowhere."""
        route = self._route(call)
        return self._group(call, route) if route else ""

    def _group(self, call: Call, route: Route) -> str:
        return "origin" if route.scope is None and "Origin" in call.headers else route.group

    def _caller(self, call: Call, token: Token | ApiError | None) -> str:
        """Quotation limits count per address, the others per pocket once the key is one we know."""
        if token is None or isinstance(token, ApiError):
            return call.ip
        key = self._gate.keys.get(token.access_key)
        return str(key.pocket) if key else call.ip

    def _authorize(self, call: Call, route: Route, token: Token | ApiError | None, now: datetime) -> ApiKey | None:
        if isinstance(token, ApiError):
            raise token
        if token is None:
            return None
        key = self._gate.check(token, call.hashed(), ip=call.ip, now=now)
        if route.scope and route.scope not in key.permissions:
            raise out_of_scope(call.path)
        return key

    def _refused(self, call: Call, error: ApiError, headers: Mapping[str, str]) -> Response:
        looked_up = call.method == "GET" and error.name == "order_not_found"
        asked_for_rights = call.path == "/v1/withdraws/coin"  # a careful client asks, hoping for a refusal
        if not looked_up and not asked_for_rights:
            self.violations[str(error.name)] += 1
        return Response(error.status, to_json(error.body()), headers)


def _token(call: Call) -> Token | ApiError:
    """Read the token of a private endpoint; what is wrong with it is told after the limits."""
    try:
        return read_token(call.headers.get("Authorization"))
    except ApiError as error:
        return error
