"""The exchange side of REST, which needs a key: account, orders, cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.rest.accounts import AccountRest
from sandbox.rest.cancels import CancelRest
from sandbox.rest.placing import OrderRest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.auth import TokenCheck
    from sandbox.exchange.desk import Exchange


class ExchangeRest:
    """Everything one may ask the exchange with a key."""

    def __init__(self, exchange: Exchange, gate: TokenCheck, now_ms: Callable[[], int]) -> None:
        self.account = AccountRest(exchange, gate, now_ms)
        self.orders = OrderRest(exchange, now_ms)
        self.cancels = CancelRest(exchange)
