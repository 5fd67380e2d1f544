"""From a call to an answer: routing, limits, authentication, scope, handler, in the order the exchange checks them."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.auth import MAKE_ORDERS, VIEW_ACCOUNT, VIEW_ORDERS, read_token
from sandbox.errors import ApiError, refuse
from sandbox.wire import http_date, to_json, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sandbox.auth import Gate, Token
    from sandbox.call import Call
    from sandbox.limits import Limits
    from sandbox.rest_exchange import ExchangeRest
    from sandbox.rest_quotation import Quotation

logger = logging.getLogger(__name__)

QUOTATION_HEADERS = {
    "Cache-Control": "no-cache, no-store, max-age=0, must-revalidate",
    "Limit-By-Ip": "Yes",
}
JSON = "application/json"
ANY_KEY = ""  # the scope of endpoints that need a valid key and no permission


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of a response."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its limit group, its handler, and the permission it needs (None: no token at all)."""

    group: str
    handler: Callable[[Call], object]
    scope: str | None = None
    status: int = 200


class Api:
    """The REST interface. Counts what clients do wrong in `violations`, and our own failures in `internal_errors`."""

    def __init__(
        self, quotation: Quotation, exchange: ExchangeRest, gate: Gate, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self.violations: Counter[str] = Counter()
        self.internal_errors = 0
        self.orders_received = 0
        self._gate = gate
        self._limits = limits
        self._clock = clock
        self._minutes = Route("candle", quotation.minute_candles)
        self._routes = {**_quotation_routes(quotation), **_exchange_routes(exchange)}

    def answer(self, call: Call) -> Answer:
        """Answer one request; never raises."""
        now = self._clock()
        route = self._route(call)
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
            self._authorize(call, route, token, now)
            return Answer(route.status, to_json(route.handler(call)), headers)
        except ApiError as error:
            headers["Remaining-Req"] = self._limits.header(group, caller, to_ms(now))
            return self._refused(call, error, headers)
        except Exception:
            logger.exception("A handler of the sandbox failed method=%s path=%s", call.method, call.path)
            self.internal_errors += 1
            return Answer(500, to_json(refuse("internal_server_error").body()), headers)

    def _route(self, call: Call) -> Route | None:
        if call.method == "GET" and call.path.startswith("/v1/candles/minutes/"):
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
        return f"pocket {key.pocket}" if key else call.ip

    def _authorize(self, call: Call, route: Route, token: Token | ApiError | None, now: datetime) -> None:
        if isinstance(token, ApiError):
            raise token
        if token is None:
            return
        key = self._gate.check(token, call.hashed(), ip=call.ip, now=now)
        if route.scope and route.scope not in key.permissions:
            raise refuse("out_of_scope")

    def _refused(self, call: Call, error: ApiError, headers: Mapping[str, str]) -> Answer:
        looked_up = call.method == "GET" and error.name == "order_not_found"
        if not looked_up:
            self.violations[str(error.name)] += 1
        return Answer(error.status, to_json(error.body()), headers)


def _token(call: Call) -> Token | ApiError:
    """Read the token of a private endpoint; what is wrong with it is told after the limits."""
    try:
        return read_token(call.headers.get("Authorization"))
    except ApiError as error:
        return error


def _quotation_routes(rest: Quotation) -> dict[tuple[str, str], Route]:
    return {
        ("GET", "/v1/market/all"): Route("market", rest.markets),
        ("GET", "/v1/candles/seconds"): Route("candle", rest.second_candles),
        ("GET", "/v1/candles/days"): Route("candle", rest.day_candles),
        ("GET", "/v1/candles/weeks"): Route("candle", rest.week_candles),
        ("GET", "/v1/candles/months"): Route("candle", rest.month_candles),
        ("GET", "/v1/candles/years"): Route("candle", rest.year_candles),
        ("GET", "/v1/trades/ticks"): Route("trade", rest.trades),
        ("GET", "/v1/ticker"): Route("ticker", rest.tickers),
        ("GET", "/v1/ticker/all"): Route("ticker", rest.all_tickers),
        ("GET", "/v1/orderbook"): Route("orderbook", rest.books),
        ("GET", "/v1/orderbook/instruments"): Route("orderbook", rest.instruments),
    }


def _exchange_routes(rest: ExchangeRest) -> dict[tuple[str, str], Route]:
    return {
        ("GET", "/v1/accounts"): Route("default", rest.accounts, VIEW_ACCOUNT),
        ("GET", "/v1/api_keys"): Route("default", rest.api_keys, ANY_KEY),
        ("GET", "/v1/status/wallet"): Route("default", rest.wallets, ANY_KEY),
        ("GET", "/v1/orders/chance"): Route("default", rest.chance, VIEW_ORDERS),
        ("POST", "/v1/orders"): Route("order", rest.place, MAKE_ORDERS, 201),
        ("POST", "/v1/orders/test"): Route("order-test", rest.test, MAKE_ORDERS, 201),
        ("POST", "/v1/orders/cancel_and_new"): Route("order", rest.cancel_and_new, MAKE_ORDERS, 201),
        ("GET", "/v1/order"): Route("default", rest.order, VIEW_ORDERS),
        ("GET", "/v1/orders"): Route("default", rest.orders, VIEW_ORDERS),
        ("GET", "/v1/orders/uuids"): Route("default", rest.orders_by_id, VIEW_ORDERS),
        ("GET", "/v1/orders/open"): Route("default", rest.open_orders, VIEW_ORDERS),
        ("GET", "/v1/orders/closed"): Route("default", rest.closed_orders, VIEW_ORDERS),
        ("DELETE", "/v1/order"): Route("default", rest.cancel, MAKE_ORDERS),
        ("DELETE", "/v1/orders/uuids"): Route("default", rest.cancel_by_id, MAKE_ORDERS),
        ("DELETE", "/v1/orders/open"): Route("order-cancel-all", rest.cancel_open, MAKE_ORDERS),
    }
