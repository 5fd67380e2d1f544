"""What a pocket has: balances, and the orders made from it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from sandbox.exchange.accounts import Accounts
from sandbox.keys import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.exchange.orders import Order
    from sandbox.keys import PocketId


class Pocket:
    """One pocket."""

    def __init__(self, pocket: PocketId) -> None:
        self.id = pocket
        self.uuid = str(uuid5(NAMESPACE_URL, str(pocket)))
        self.accounts = Accounts()
        self.open: dict[str, Order] = {}  # by uuid, oldest first
        self._orders: dict[str | None, list[Order]] = {None: []}  # by market and of all, by time of creation

    @property
    def main(self) -> bool:
        """Whether it is the first pocket of its account."""
        return self.id.name == MAIN

    def add(self, order: Order) -> None:
        """Take in a new order."""
        self.open[order.uuid] = order
        for orders in (self._orders[None], self._orders.setdefault(order.asked.market, [])):
            insort(orders, order, key=_created)

    def forget(self, order: Order) -> None:
        """Let go of an order that has ended."""
        for orders in (self._orders[None], self._orders[order.asked.market]):
            del orders[bisect_left(orders, _created(order), key=_created)]

    def created(self, start_ms: int, end_ms: int, market: str | None, *, newest_first: bool) -> Iterator[Order]:
        """Yield the orders created between two moments, both included, in a market or (None) in all."""
        orders = self._orders.get(market, [])
        first = bisect_left(orders, start_ms, key=lambda order: order.created_ms)
        last = bisect_right(orders, end_ms, key=lambda order: order.created_ms)
        indices = range(first, last)
        return (orders[index] for index in (reversed(indices) if newest_first else indices))

    def ever(self, market: str | None, *, newest_first: bool) -> Iterator[Order]:
        """Yield every order."""
        orders = self._orders.get(market, [])
        return iter(reversed(orders) if newest_first else orders)

    def waiting(self, *, newest_first: bool) -> Iterator[Order]:
        """Yield the orders that may still trade."""
        return iter(reversed(self.open.values()) if newest_first else self.open.values())

    def verify(self) -> None:
        """Raise `LedgerError` unless the books balance and locked money is exactly what open orders hold."""
        self.accounts.verify(self.open.values())


def _created(order: Order) -> tuple[int, int]:
    return order.created_ms, order.number
