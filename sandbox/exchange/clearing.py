"""The back office: what accepting, filling, preventing and ending an order does to balances, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sandbox.exchange.orders import Fill
from sandbox.exchange.pockets import Pocket
from sandbox.keys import PocketId
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from decimal import Decimal

    from sandbox.exchange.orders import Order, State


class OrderListener(Protocol):
    """Who wants to know what happens to orders and balances."""

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """An order rests (`wait`), was filled (`trade`), was prevented (`prevented`), or ended (`done`, `cancel`)."""

    def on_assets(self, pocket: Pocket, currencies: Collection[str]) -> None:
        """Balances of these currencies changed in a pocket."""


class Clearing:
    """Keeps orders and balances of all pockets; the books are verified after every change."""

    def __init__(self, *, new_uuid: Callable[[], str], now_ms: Callable[[], int]) -> None:
        self.pockets: dict[PocketId, Pocket] = {PocketId(): Pocket(PocketId())}
        self.orders: dict[str, Order] = {}  # by uuid, in order of creation
        self._accepted = 0
        self.listeners: list[OrderListener] = []
        self._new_uuid = new_uuid
        self._now_ms = now_ms

    def open_pocket(self, pocket: PocketId) -> Pocket:
        """Return a pocket, a new one if it is not there yet."""
        return self.pockets.setdefault(pocket, Pocket(pocket))

    def deposit(self, pocket: PocketId, currency: str, amount: Decimal) -> None:
        """Give a pocket an amount from outside; a negative amount is withdrawn."""
        self.pockets[pocket].accounts.deposit(currency, amount)
        self._settled(self.pockets[pocket], {currency})

    def accept(self, order: Order) -> None:
        """Take in an order: what it may need is locked."""
        pocket = self.pockets[order.pocket]
        order.uuid = order.uuid or self._new_uuid()
        order.number = self._accepted
        self._accepted += 1
        self.orders[order.uuid] = order
        pocket.add(order)
        pocket.accounts.lock(order)
        self._settled(pocket, {order.currency})

    def forget(self, order: Order) -> None:
        """Let go of an order that has ended."""
        del self.orders[order.uuid]
        self.pockets[order.pocket].forget(order)

    def fill(self, order: Order, price: Decimal, volume: Decimal, *, maker: bool) -> Fill:
        """Execute a part of an order."""
        bid = order.asked.side == "bid"
        funds = EXACT.multiply(price, volume)
        fill = Fill(
            uuid=self._new_uuid(),
            price=price,
            volume=volume,
            funds=funds,
            fee=EXACT.multiply(funds, order.fee_rate),
            at_ms=self._now_ms(),
            maker=maker,
            trend="up" if bid != maker else "down",
        )
        pocket = self.pockets[order.pocket]
        pocket.accounts.settle(order, fill)
        self._settled(pocket, order.asked.market.split("-", 1))
        self.tell(order, "trade", fill)
        return fill

    def prevent(self, order: Order, volume: Decimal | None, price: Decimal) -> None:
        """Give up what of an order would meet one of the same account: so much at a price, or all of it."""
        pocket = self.pockets[order.pocket]
        order.prevent(volume, price)
        pocket.accounts.shrink(order)
        self._settled(pocket, {order.currency})
        self.tell(order, "prevented")

    def end(self, order: Order, state: State) -> None:
        """End an order: what it still holds is free again."""
        pocket = self.pockets[order.pocket]
        order.state = state
        pocket.open.pop(order.uuid, None)
        released = pocket.accounts.release(order)
        self._settled(pocket, {order.currency} if released else ())
        self.tell(order, state)

    def tell(self, order: Order, event: str, fill: Fill | None = None) -> None:
        """Tell everybody what happened to an order."""
        for listener in self.listeners:
            listener.on_order(order, event, fill)

    def _settled(self, pocket: Pocket, currencies: Collection[str]) -> None:
        pocket.verify()
        if currencies:
            for listener in self.listeners:
                listener.on_assets(pocket, currencies)
