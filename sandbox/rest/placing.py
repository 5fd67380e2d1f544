"""Orders over REST: placing them and looking them up."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sandbox.exchange.views import fill_json, order_json
from sandbox.refusals import ApiError, refuse
from sandbox.rest.call import read_count
from sandbox.wire import read_moment, read_natural, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Order
    from sandbox.keys import PocketId
    from sandbox.rest.call import Call
    from sandbox.wire import Json

MOST_LOOKED_UP = 100
WEEK_MS = timedelta(days=7) // timedelta(milliseconds=1)


class OrderRest:
    """Handlers: a call in, a JSON value out, `ApiError` for a refusal."""

    def __init__(self, exchange: Exchange, now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._now_ms = now_ms

    def place(self, call: Call) -> Json:
        """`POST /v1/orders`."""
        return order_json(self._exchange.place(call.json, call.pocket))

    def test(self, call: Call) -> Json:
        """`POST /v1/orders/test`: the same checks and answer, and no order."""
        order = self._exchange.draft(call.json, call.pocket)
        order.uuid = self._exchange.new_uuid()
        return order_json(order)

    def order(self, call: Call) -> Json:
        """`GET /v1/order`."""
        order = named_order(self._exchange, call.pocket, call.one("uuid"), call.one("identifier"))
        return {**order_json(order), "trades": [fill_json(order, fill) for fill in order.fills]}

    def by_id(self, call: Call) -> list[Json]:
        """`GET /v1/orders/uuids`: unknown ids are left out."""
        named = named_orders(self._exchange, call, MOST_LOOKED_UP)
        found = sorted((order for _, order in named if order is not None), key=lambda order: order.number)
        market = _market(self._exchange, call)
        return [
            order_json(o) for o in (found[::-1] if newest_first(call) else found) if market in {None, o.asked.market}
        ]

    def open(self, call: Call) -> list[Json]:
        """`GET /v1/orders/open`: pages, empty past the end."""
        waiting = self._exchange.pockets[call.pocket].waiting(newest_first=newest_first(call))
        return self._page(call, waiting, _states(call, ("wait", "watch"), ("wait",)))

    def ever(self, call: Call) -> list[Json]:
        """`GET /v1/orders`, deprecated since 2024 and still in use: orders of every state in pages."""
        orders = self._exchange.pockets[call.pocket].ever(
            _market(self._exchange, call), newest_first=newest_first(call)
        )
        return self._page(call, orders, _states(call, ("wait", "watch", "done", "cancel"), ("wait",)))

    def _page(self, call: Call, orders: Iterator[Order], states: tuple[str, ...]) -> list[Json]:
        page = read_count(call.one("page"), default=1, least=1, most=10**8, name="page")
        limit = read_count(call.one("limit"), default=100, least=1, most=100, name="limit")
        return self._shown(call, orders, states, range((page - 1) * limit, page * limit))

    def closed(self, call: Call) -> list[Json]:
        """`GET /v1/orders/closed`: by creation time, at most seven days at once."""
        states = _states(call, ("done", "cancel"), ("done", "cancel"))
        start, end = self._window(call)
        limit = read_count(call.one("limit"), default=100, least=1, most=1000, name="limit")
        market = _market(self._exchange, call)
        orders = self._exchange.pockets[call.pocket].created(start, end, market, newest_first=newest_first(call))
        return self._shown(call, orders, states, range(limit))

    def _shown(self, call: Call, orders: Iterator[Order], states: tuple[str, ...], places: range) -> list[Json]:
        market = _market(self._exchange, call)
        chosen = (o for o in orders if o.state in states and market in {None, o.asked.market})
        return [order_json(order) for order in islice(chosen, places.start, places.stop)]

    def _window(self, call: Call) -> tuple[int, int]:
        start, end = _moment(call, "start_time"), _moment(call, "end_time")
        if start is None:
            end = self._now_ms() if end is None else end
            return end - WEEK_MS, end
        if end is None:
            return start, start + WEEK_MS
        if not 0 <= end - start <= WEEK_MS:
            raise refuse("invalid_parameter", "start_time, end_time")
        return start, end


def named_order(exchange: Exchange, pocket: PocketId, order_uuid: object, identifier: object) -> Order:
    """Return the order a request names by uuid, which wins, or identifier."""
    by_uuid, by_name = (name if isinstance(name, str) and name else None for name in (order_uuid, identifier))
    if by_uuid is None and by_name is None:
        raise refuse("invalid_parameter", "uuid, identifier")
    return exchange.find(by_uuid, by_name, pocket)


def named_orders(exchange: Exchange, call: Call, most: int) -> list[tuple[str, Order | None]]:
    """Return the orders a request names by `uuids[]` or `identifiers[]`, each once, None for those not there."""
    uuids, identifiers = call.many("uuids"), call.many("identifiers")
    if bool(uuids) == bool(identifiers) or len(uuids) + len(identifiers) > most:
        raise refuse("invalid_parameter", "uuids[], identifiers[]")

    def known(name: str) -> Order | None:
        try:
            return exchange.find(name if uuids else None, name, call.pocket)
        except ApiError:
            return None

    return [(name, known(name)) for name in dict.fromkeys(uuids or identifiers)]


def newest_first(call: Call) -> bool:
    """Whether a request wants the newest orders first, as is usual."""
    direction = call.one("order_by") or "desc"
    if direction not in {"asc", "desc"}:
        raise refuse("invalid_parameter", "order_by")
    return direction == "desc"


def _market(exchange: Exchange, call: Call) -> str | None:
    market = call.one("market")
    if market is not None and market not in exchange.markets:
        raise refuse("notfoundmarket", market)
    return market


def _states(call: Call, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
    single, several = call.one("state"), call.many("states")
    if single is not None and several:
        raise refuse("invalid_parameter", "state, states[]")
    states = tuple(several) if several else default if single is None else (single,)
    if not set(states) <= set(allowed):
        raise refuse("invalid_parameter", "state")
    return states


def _moment(call: Call, name: str) -> int | None:
    text = call.one(name)
    if text is None:
        return None
    if (epoch_ms := read_natural(text)) is not None:
        return epoch_ms
    moment = read_moment(text)
    if moment is None:
        raise refuse("invalid_parameter", name)
    return to_ms(moment)
