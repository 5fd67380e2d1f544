"""How orders and balances look in REST: decimals are strings, empty fields are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.wire import Json, kst_micros, kst_zoned, plain

if TYPE_CHECKING:
    from sandbox.exchange.accounts import Accounts
    from sandbox.exchange.orders import Fill, Order


def order_json(order: Order, **overrides: object) -> Json:
    """Return an order without its fills."""
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
        "remaining_volume": "0" if remaining is None else plain(remaining),
        "executed_volume": plain(order.executed_volume),
        "reserved_fee": plain(order.reserved_fee),
        "remaining_fee": plain(order.remaining_fee),
        "paid_fee": plain(order.paid_fee),
        "locked": plain(order.locked),
        "prevented_volume": plain(order.prevented_volume),
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


def balance_json(accounts: Accounts, currency: str) -> Json:
    """Return what a pocket has of a currency."""
    available, locked = accounts.of(currency)
    average = accounts.average_prices.get(currency)
    return {
        "currency": currency,
        "balance": plain(available),
        "locked": plain(locked),
        "avg_buy_price": "0" if average is None else plain(average),
        "avg_buy_price_modified": False,
        "unit_currency": "KRW",
    }


def balances_json(accounts: Accounts) -> list[Json]:
    """Return everything a pocket has; won are always listed."""
    names = ["KRW", *(name for name in accounts.ledger.currencies() if name != "KRW" and any(accounts.of(name)))]
    return [balance_json(accounts, name) for name in names]
