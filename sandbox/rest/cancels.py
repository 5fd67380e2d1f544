"""Cancels over REST: of one order, of several, and with a successor."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sandbox.exchange.views import order_json
from sandbox.refusals import ApiError, refuse
from sandbox.rest.call import read_count
from sandbox.rest.placing import named_order, named_orders, newest_first

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Order
    from sandbox.rest.call import Call
    from sandbox.wire import Json

MOST_NAMED = 20
USUAL_COUNT, MOST_AT_ONCE = 20, 300
QUOTES = frozenset({"KRW", "BTC", "USDT"})
SUCCESSOR = ("ord_type", "volume", "price", "identifier", "smp_type", "time_in_force")


class CancelRest:
    """Handlers: a call in, a JSON value out, `ApiError` for a refusal."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def one(self, call: Call) -> Json:
        """`DELETE /v1/order`: answered while the order still waits."""
        order = named_order(self._exchange, call.pocket, call.one("uuid"), call.one("identifier"))
        self._exchange.cancel(order)
        return order_json(order)

    def and_new(self, call: Call) -> Json:
        """`POST /v1/orders/cancel_and_new`: shows the old order, and the uuid of the one that follows its cancel."""
        asked = call.json
        order = named_order(
            self._exchange, call.pocket, asked.get("prev_order_uuid"), asked.get("prev_order_identifier")
        )
        body = {name: asked[f"new_{name}"] for name in SUCCESSOR if f"new_{name}" in asked}
        if order.asked.identifier is not None and body.get("identifier") == order.asked.identifier:
            raise refuse("invalid_parameter", "new_identifier")
        successor = self._exchange.replace(order, {"market": order.asked.market, "side": order.asked.side, **body})
        named = {"new_order_uuid": successor.uuid, "new_order_identifier": successor.asked.identifier}
        return order_json(order, **named)

    def by_id(self, call: Call) -> Json:
        """`DELETE /v1/orders/uuids`."""
        named = named_orders(self._exchange, call, MOST_NAMED)
        kind = "uuid" if call.many("uuids") else "identifier"
        unknown: list[Json] = [{kind: name} for name, order in named if order is None]
        return self._cancel((order for _, order in named if order is not None), unknown)

    def open(self, call: Call) -> Json:
        """`DELETE /v1/orders/open`: the newest ones, or the oldest, of those that fit."""
        fits = self._chosen(call)
        count = read_count(call.one("count"), default=USUAL_COUNT, least=1, most=MOST_AT_ONCE, name="count")
        waiting = self._exchange.pockets[call.pocket].waiting(newest_first=newest_first(call))
        return self._cancel(list(islice(filter(fits, waiting), count)), [])

    def _chosen(self, call: Call) -> Callable[[Order], bool]:
        """Return which orders a batch cancel is about: of some markets or quotes, less those left out, of a side."""
        pairs, quotes = _listed(call, "pairs"), _listed(call, "quote_currencies")
        excluded = _listed(call, "excluded_pairs") | _listed(call, "exclude_pairs")  # one schema spells it so
        side = call.one("cancel_side") or "all"
        if (pairs and quotes) or max(len(pairs), len(excluded)) > MOST_NAMED:
            raise refuse("invalid_parameter", "pairs, quote_currencies, excluded_pairs")
        if side not in {"all", "ask", "bid"}:
            raise refuse("invalid_parameter", "cancel_side")
        if not quotes <= QUOTES:
            raise refuse("invalid_parameter", "quote_currencies")
        if unknown := (pairs | excluded) - set(self._exchange.markets):
            raise refuse("notfoundmarket", min(unknown))

        def fits(order: Order) -> bool:
            market = order.asked.market
            return (
                side in {"all", order.asked.side}
                and market not in excluded
                and (not pairs or market in pairs)
                and (not quotes or market.split("-", 1)[0] in quotes)
            )

        return fits

    def _cancel(self, orders: Iterable[Order], unknown: list[Json]) -> Json:
        success: list[Json] = []
        failed = list(unknown)
        for order in orders:
            shown: Json = {"uuid": order.uuid, "market": order.asked.market}
            if order.asked.identifier is not None:
                shown["identifier"] = order.asked.identifier
            try:
                self._exchange.cancel(order)
            except ApiError:
                failed.append(shown)
            else:
                success.append(shown)
        return {
            "success": {"count": len(success), "orders": success},
            "failed": {"count": len(failed), "orders": failed},
        }


def _listed(call: Call, name: str) -> set[str]:
    text = call.one(name)
    return set(text.split(",")) if text else set()
