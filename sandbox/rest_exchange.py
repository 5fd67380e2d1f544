"""The exchange side of REST: balances, orders, cancels. Decimals are strings, empty fields are left out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox.call import read_count
from sandbox.errors import ApiError, refuse
from sandbox.exchange import FEE_RATE
from sandbox.rules import MAX_TOTAL, MIN_TOTAL
from sandbox.wire import KST, kst_micros, kst_zoned, plain, read_moment, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.auth import Gate
    from sandbox.call import Call
    from sandbox.exchange import Exchange
    from sandbox.orders import Fill, Order

Json = dict[str, object]

BID_TYPES = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "price"]
ASK_TYPES = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "market"]
MOST_LOOKED_UP = 100
MOST_CANCELLED = 20
WEEK_MS = timedelta(days=7) // timedelta(milliseconds=1)


def order_json(order: Order, **overrides: object) -> Json:
    """Return an order as REST shows it (without its fills)."""
    asked, remaining = order.asked, order.remaining_volume
    shown: dict[str, object] = {
        "market": asked.market,
        "uuid": order.uuid,
        "side": asked.side,
        "ord_type": asked.ord_type,
        "price": None if asked.price is None else plain(asked.price),
        "state": order.state,
        "created_at": kst_zoned(order.created_ms),
        "volume": None if asked.volume is None else plain(asked.volume),
        "remaining_volume": None if remaining is None else plain(remaining),
        "executed_volume": plain(order.executed_volume),
        "reserved_fee": plain(order.reserved_fee),
        "remaining_fee": plain(order.remaining_fee),
        "paid_fee": plain(order.paid_fee),
        "locked": plain(order.locked),
        "prevented_volume": None if remaining is None else plain(order.prevented_volume),
        "prevented_locked": plain(order.prevented_locked),
        "trades_count": len(order.fills),
        "time_in_force": asked.time_in_force,
        "smp_type": asked.smp_type,
        "identifier": asked.identifier,
    }
    shown.update(overrides)
    return {name: value for name, value in shown.items() if value is not None}


def fill_json(order: Order, fill: Fill) -> Json:
    """Return a fill as `GET /v1/order` lists it."""
    return {
        "market": order.asked.market,
        "uuid": fill.uuid,
        "price": plain(fill.price),
        "volume": plain(fill.volume),
        "funds": plain(fill.funds),
        "trend": fill.trend,
        "created_at": kst_micros(fill.at_ms),
        "side": order.asked.side,
    }


class ExchangeRest:
    """Handlers of the exchange endpoints: a call in, a JSON value out, `ApiError` for a refusal."""

    def __init__(self, exchange: Exchange, gate: Gate, now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._gate = gate
        self._now_ms = now_ms

    # -- account

    def accounts(self, _call: Call) -> list[Json]:
        """`GET /v1/accounts`."""
        names = self._exchange.accounts.ledger.currencies()
        return [self._account(name) for name in names if any(self._exchange.accounts.of(name)) or name == "KRW"]

    def _account(self, currency: str) -> Json:
        available, locked = self._exchange.accounts.of(currency)
        average = self._exchange.accounts.average_prices.get(currency)
        return {
            "currency": currency,
            "balance": plain(available),
            "locked": plain(locked),
            "avg_buy_price": "0" if average is None else plain(average),
            "avg_buy_price_modified": False,
            "unit_currency": "KRW",
        }

    def chance(self, call: Call) -> Json:
        """`GET /v1/orders/chance`."""
        market = call.one("market")
        if not market:
            raise refuse("invalid_parameter", "market")
        if market not in self._exchange.markets:
            raise refuse("notfoundmarket", market)
        quote, base = market.split("-", 1)
        fees = ("bid_fee", "ask_fee", "maker_bid_fee", "maker_ask_fee")
        return {
            **dict.fromkeys(fees, plain(FEE_RATE)),
            "market": {
                "id": market,
                "name": f"{base}/{quote}",
                "order_types": ["limit"],
                "order_sides": ["ask", "bid"],
                "bid_types": BID_TYPES,
                "ask_types": ASK_TYPES,
                "bid": {"currency": quote, "min_total": plain(MIN_TOTAL)},
                "ask": {"currency": base, "min_total": plain(MIN_TOTAL)},
                "max_total": plain(MAX_TOTAL),
                "state": "active",
            },
            "bid_account": self._account(quote),
            "ask_account": self._account(base),
        }

    def api_keys(self, _call: Call) -> list[Json]:
        """`GET /v1/api_keys`."""
        return [
            {"access_key": key.access_key, "expire_at": key.expires_at.astimezone(KST).isoformat(timespec="seconds")}
            for key in self._gate.keys.values()
        ]

    def wallets(self, _call: Call) -> list[Json]:
        """`GET /v1/status/wallet`: every wallet works, trading does not depend on it anyway."""
        names = dict.fromkeys(["KRW", *(market.split("-", 1)[1] for market in self._exchange.markets)])
        return [
            {
                "currency": name,
                "wallet_state": "working",
                "block_state": "normal",
                "net_type": name,
                "network_name": name,
            }
            for name in names
        ]

    # -- orders

    def place(self, call: Call) -> Json:
        """`POST /v1/orders`."""
        return order_json(self._exchange.place(call.json))

    def test(self, call: Call) -> Json:
        """`POST /v1/orders/test`: the same checks and answer, and no order."""
        order = self._exchange.draft(call.json)
        order.uuid = self._exchange.new_uuid()
        return order_json(order)

    def order(self, call: Call) -> Json:
        """`GET /v1/order`."""
        order = self._find(call)
        return {**order_json(order), "trades": [fill_json(order, fill) for fill in order.fills]}

    def cancel(self, call: Call) -> Json:
        """`DELETE /v1/order`: answered while the order still waits."""
        order = self._find(call)
        self._exchange.cancel(order)
        return order_json(order)

    def cancel_and_new(self, call: Call) -> Json:
        """`POST /v1/orders/cancel_and_new`: shows the old order, and the uuid of the one that follows its cancel."""
        asked = call.json
        identity = [asked.get(f"prev_order_{name}") for name in ("uuid", "identifier")]
        order = self._identified(*(name if isinstance(name, str) else None for name in identity))
        body = {name.removeprefix("new_"): value for name, value in asked.items() if name.startswith("new_")}
        if order.asked.identifier is not None and body.get("identifier") == order.asked.identifier:
            raise refuse("invalid_parameter", "new_identifier")
        successor = self._exchange.replace(order, {"market": order.asked.market, "side": order.asked.side, **body})
        named = {"new_order_uuid": successor.uuid, "new_order_identifier": successor.asked.identifier}
        return order_json(order, **named)

    def _find(self, call: Call) -> Order:
        return self._identified(call.one("uuid"), call.one("identifier"))

    def _identified(self, order_uuid: str | None, identifier: str | None) -> Order:
        if not order_uuid and not identifier:
            raise refuse("invalid_parameter", "uuid, identifier")
        return self._exchange.find(order_uuid or None, identifier)

    def orders_by_id(self, call: Call) -> list[Json]:
        """`GET /v1/orders/uuids`: unknown ids are left out."""
        market = call.one("market")
        found = [order for _, order in self._named(call, MOST_LOOKED_UP) if order is not None]
        return [order_json(order) for order in _ordered(call, found) if market in {None, order.asked.market}]

    def _named(self, call: Call, most: int) -> list[tuple[str, Order | None]]:
        uuids, identifiers = call.many("uuids"), call.many("identifiers")
        if bool(uuids) == bool(identifiers) or len(uuids) + len(identifiers) > most:
            raise refuse("invalid_parameter", "uuids[], identifiers[]")
        return [(name, self._known(name, by_uuid=bool(uuids))) for name in dict.fromkeys(uuids or identifiers)]

    def _known(self, name: str, *, by_uuid: bool) -> Order | None:
        try:
            return self._exchange.find(name if by_uuid else None, name)
        except ApiError:
            return None

    def open_orders(self, call: Call) -> list[Json]:
        """`GET /v1/orders/open`: pages, empty past the end."""
        return self._page(call, _states(call, ("wait", "watch"), ("wait",)), self._exchange.open_orders())

    def orders(self, call: Call) -> list[Json]:
        """`GET /v1/orders`, deprecated since 2024 and still in use: orders of every state in pages."""
        states = _states(call, ("wait", "watch", "done", "cancel"), ("wait",))
        return self._page(call, states, self._exchange.orders.values())

    def _page(self, call: Call, states: tuple[str, ...], orders: Iterable[Order]) -> list[Json]:
        page = read_count(call.one("page"), default=1, least=1, most=10**8, name="page")
        limit = read_count(call.one("limit"), default=100, least=1, most=100, name="limit")
        chosen = _ordered(call, self._in_market(call, [order for order in orders if order.state in states]))
        return [order_json(order) for order in chosen[(page - 1) * limit : page * limit]]

    def closed_orders(self, call: Call) -> list[Json]:
        """`GET /v1/orders/closed`: by creation time, at most seven days at once."""
        states = _states(call, ("done", "cancel"), ("done", "cancel"))
        start, end = self._window(call)
        limit = read_count(call.one("limit"), default=100, least=1, most=1000, name="limit")
        chosen = [o for o in self._exchange.orders.values() if o.state in states and start <= o.created_ms <= end]
        return [order_json(order) for order in _ordered(call, self._in_market(call, chosen))[:limit]]

    def _in_market(self, call: Call, orders: list[Order]) -> list[Order]:
        market = call.one("market")
        if market is not None and market not in self._exchange.markets:
            raise refuse("notfoundmarket", market)
        return [order for order in orders if market in {None, order.asked.market}]

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

    # -- cancelling several

    def cancel_by_id(self, call: Call) -> Json:
        """`DELETE /v1/orders/uuids`."""
        named = self._named(call, MOST_CANCELLED)
        by_uuid = bool(call.many("uuids"))
        unknown = [{"uuid" if by_uuid else "identifier": name} for name, order in named if order is None]
        return self._cancel_all([order for _, order in named if order is not None], unknown)

    def cancel_open(self, call: Call) -> Json:
        """`DELETE /v1/orders/open`."""
        pairs, quotes, excluded = (_listed(call, name) for name in ("pairs", "quote_currencies", "excluded_pairs"))
        side = call.one("cancel_side") or "all"
        if (pairs and quotes) or side not in {"all", "ask", "bid"} or max(len(pairs), len(excluded)) > MOST_CANCELLED:
            raise refuse("invalid_parameter")
        count = read_count(call.one("count"), default=20, least=1, most=300, name="count")
        chosen = [
            order
            for order in self._exchange.open_orders()
            if side in {"all", order.asked.side}
            and order.asked.market not in excluded
            and (not pairs or order.asked.market in pairs)
            and (not quotes or order.asked.market.split("-", 1)[0] in quotes)
        ]
        return self._cancel_all(_ordered(call, chosen)[:count], [])

    def _cancel_all(self, orders: Iterable[Order], unknown: list[dict[str, str]]) -> Json:
        success: list[Json] = []
        failed: list[Json] = [dict(item) for item in unknown]
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


def _ordered(call: Call, orders: list[Order]) -> list[Order]:
    direction = call.one("order_by") or "desc"
    if direction not in {"asc", "desc"}:
        raise refuse("invalid_parameter", "order_by")
    return sorted(orders, key=lambda order: order.number, reverse=direction == "desc")


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
    if text.isascii() and text.isdigit():
        return int(text)
    moment = read_moment(text)
    if moment is None:
        raise refuse("invalid_parameter", name)
    return to_ms(moment)


def _listed(call: Call, name: str) -> list[str]:
    text = call.one(name)
    return text.split(",") if text else []
