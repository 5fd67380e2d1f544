"""Every endpoint: its limit group, its handler, and the permission it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.keys import MAKE_ORDERS, MANAGE_POCKETS, VIEW_ACCOUNT, VIEW_ORDERS, WITHDRAW

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.rest.call import Call
    from sandbox.rest.exchange import ExchangeRest
    from sandbox.rest.quotation import Quotation

ANY_KEY = ""  # the scope of endpoints that need a valid key and no permission
MINUTES = "/v1/candles/minutes/"  # a unit follows


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: its limit group, its handler, and the permission it needs (None: no token at all)."""

    group: str
    handler: Callable[[Call], object]
    scope: str | None = None
    status: int = 200


Routes = dict[tuple[str, str], Route]

MOVES_MONEY = (
    ("POST", "/v1/withdraws/coin"),
    ("DELETE", "/v1/withdraws/coin"),
    ("POST", "/v1/withdraws/krw"),
)
"""What a key with the right to withdraw could ask for."""
NOT_HERE = (
    ("POST", "/v1/deposits/generate_coin_address"),
    ("GET", "/v1/deposits/coin_address"),
    ("GET", "/v1/deposits/coin_addresses"),
    ("GET", "/v1/deposits/chance/coin"),
    ("GET", "/v1/deposit"),
    ("GET", "/v1/deposits"),
    ("POST", "/v1/deposits/krw"),
    ("GET", "/v1/withdraws/chance"),
    ("GET", "/v1/withdraws/coin_addresses"),
    ("GET", "/v1/withdraw"),
    ("GET", "/v1/withdraws"),
    ("GET", "/v1/travel_rule/vasps"),
    ("POST", "/v1/travel_rule/deposit/uuid"),
    ("POST", "/v1/travel_rule/deposit/txid"),
    ("POST", "/v1/pockets/universal_transfers"),
    ("GET", "/v1/pockets/universal_transfers"),
    ("POST", "/v1/pockets/transfers"),
    ("GET", "/v1/pockets/transfers"),
)
"""What exists at Upbit and has nothing behind it here: out of scope for every key."""


def quotation_routes(rest: Quotation) -> Routes:
    """Return the endpoints that need no key, but for the minute candles."""
    return {
        ("GET", "/v1/market/all"): Route("market", rest.markets),
        ("GET", "/v1/candles/seconds"): Route("candle", rest.of_pairs(rest.second_candles)),
        ("GET", "/v1/candles/days"): Route("candle", rest.of_pairs(rest.day_candles)),
        ("GET", "/v1/candles/weeks"): Route("candle", rest.of_pairs(rest.week_candles)),
        ("GET", "/v1/candles/months"): Route("candle", rest.of_pairs(rest.month_candles)),
        ("GET", "/v1/candles/years"): Route("candle", rest.of_pairs(rest.year_candles)),
        ("GET", "/v1/trades/ticks"): Route("trade", rest.of_pairs(rest.trades)),
        ("GET", "/v1/ticker"): Route("ticker", rest.of_pairs(rest.tickers)),
        ("GET", "/v1/ticker/all"): Route("ticker", rest.all_tickers),
        ("GET", "/v1/orderbook"): Route("orderbook", rest.of_pairs(rest.books)),
        ("GET", "/v1/orderbook/instruments"): Route("orderbook", rest.of_pairs(rest.instruments)),
        ("GET", "/v1/orderbook/supported_levels"): Route("orderbook", rest.of_pairs(rest.supported_levels)),
    }


def exchange_routes(rest: ExchangeRest) -> Routes:
    """Return the endpoints that need a key."""
    account, orders, cancels = rest.account, rest.orders, rest.cancels
    return {
        ("GET", "/v1/accounts"): Route("default", account.accounts, VIEW_ACCOUNT),
        ("GET", "/v1/api_keys"): Route("default", account.api_keys, ANY_KEY),
        ("GET", "/v1/status/wallet"): Route("default", account.wallets, ANY_KEY),
        ("GET", "/v1/orders/chance"): Route("default", account.chance, VIEW_ORDERS),
        ("POST", "/v1/orders"): Route("order", orders.place, MAKE_ORDERS, 201),
        ("POST", "/v1/orders/test"): Route("order-test", orders.test, MAKE_ORDERS, 201),
        ("POST", "/v1/orders/cancel_and_new"): Route("order", cancels.and_new, MAKE_ORDERS, 201),
        ("GET", "/v1/order"): Route("default", orders.order, VIEW_ORDERS),
        ("GET", "/v1/orders"): Route("default", orders.ever, VIEW_ORDERS),
        ("GET", "/v1/orders/uuids"): Route("default", orders.by_id, VIEW_ORDERS),
        ("GET", "/v1/orders/open"): Route("default", orders.open, VIEW_ORDERS),
        ("GET", "/v1/orders/closed"): Route("default", orders.closed, VIEW_ORDERS),
        ("DELETE", "/v1/order"): Route("default", cancels.one, MAKE_ORDERS),
        ("DELETE", "/v1/orders/uuids"): Route("default", cancels.by_id, MAKE_ORDERS),
        ("DELETE", "/v1/orders/open"): Route("order-cancel-all", cancels.open, MAKE_ORDERS),
        ("GET", "/v1/pockets"): Route("default", account.pockets, MANAGE_POCKETS),
        ("GET", "/v1/pockets/api_keys"): Route("default", account.pocket_keys, MANAGE_POCKETS),
        ("GET", "/v1/pockets/assets"): Route("default", account.pocket_assets, MANAGE_POCKETS),
        **{endpoint: Route("default", account.withdraw, WITHDRAW) for endpoint in MOVES_MONEY},
        **{endpoint: Route("default", account.never, ANY_KEY) for endpoint in NOT_HERE},
    }
