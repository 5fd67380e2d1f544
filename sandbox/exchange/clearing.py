"""The back office: what accepting, filling, preventing and ending an order does to balances, and who is told.

Whatever changes something makes a record of it, hands it over (`record`) and then carries it out.
"""

from __future__ import annotations

from functools import singledispatchmethod
from typing import TYPE_CHECKING, Protocol

from sandbox.exchange.orders import Fill, Order, Request
from sandbox.exchange.pockets import Pocket
from sandbox.exchange.records import Accepted, Cancelling, Carried, Deposited, Ended, Filled, Met, Prevented
from sandbox.keys import PocketId
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from decimal import Decimal

    from sandbox.exchange.orders import State
    from sandbox.exchange.records import AnyRecord


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
        self.record: Callable[[AnyRecord], None] = lambda _: None  # who keeps what is about to happen
        self._new_uuid = new_uuid
        self._now_ms = now_ms

    def open_pocket(self, pocket: PocketId) -> Pocket:
        """Return a pocket, a new one if it is not there yet."""
        return self.pockets.setdefault(pocket, Pocket(pocket))

    # -- what happens

    def deposit(self, pocket: PocketId, currency: str, amount: Decimal) -> None:
        """Give a pocket an amount from outside; a negative amount is withdrawn."""
        self._do(Deposited(account=pocket.account, pocket=pocket.name, currency=currency, amount=amount))
        self._settled(self.pockets[pocket], {currency})

    def accept(self, order: Order) -> None:
        """Take in an order: what it may need is locked."""
        order.uuid = order.uuid or self._new_uuid()
        self.record(accepted(order))
        self._admit(order)
        self._settled(self.pockets[order.pocket], {order.currency})

    def forget(self, order: Order) -> None:
        """Let go of an order that has ended."""
        del self.orders[order.uuid]
        self.pockets[order.pocket].forget(order)

    def meet(self, order: Order, at_ms: int) -> None:
        """Let an order meet the book."""
        self._do(Met(order=order.uuid, at_ms=at_ms))

    def fill(self, order: Order, price: Decimal, volume: Decimal, *, maker: bool) -> Fill:
        """Execute a part of an order."""
        bid = order.asked.side == "bid"
        self._do(
            Filled(
                order=order.uuid,
                uuid=self._new_uuid(),
                price=price,
                volume=volume,
                at_ms=self._now_ms(),
                maker=maker,
                trend="up" if bid != maker else "down",
            )
        )
        fill = order.fills[-1]
        self._settled(self.pockets[order.pocket], order.asked.market.split("-", 1))
        self.tell(order, "trade", fill)
        return fill

    def prevent(self, order: Order, volume: Decimal | None, price: Decimal) -> None:
        """Give up what of an order would meet one of the same account: so much at a price, or all of it."""
        self._do(Prevented(order=order.uuid, volume=volume, price=price))
        self._settled(self.pockets[order.pocket], {order.currency})
        self.tell(order, "prevented")

    def cancelling(self, order: Order) -> None:
        """Take note of a cancel that takes effect soon."""
        self._do(Cancelling(order=order.uuid))

    def end(self, order: Order, state: State) -> None:
        """End an order: what it still holds is free again."""
        held = order.held
        self._do(Ended(order=order.uuid, state=state))
        self._settled(self.pockets[order.pocket], {order.currency} if held else ())
        self.tell(order, state)

    # -- and what that does

    def _do(self, record: AnyRecord) -> None:
        self.record(record)
        self.carry_out(record)

    @singledispatchmethod
    def carry_out(self, record: AnyRecord) -> None:
        """Let a record be true, and tell nobody."""
        raise NotImplementedError(record)

    @carry_out.register
    def _(self, record: Deposited) -> None:
        pocket = self.open_pocket(PocketId(record.account, record.pocket))
        pocket.accounts.deposit(record.currency, record.amount)

    @carry_out.register
    def _(self, record: Carried) -> None:
        pocket = self.open_pocket(PocketId(record.account, record.pocket))
        pocket.accounts.carry(record.balances, record.average_prices)

    @carry_out.register
    def _(self, record: Accepted) -> None:
        self._admit(ordered(record))

    @carry_out.register
    def _(self, record: Met) -> None:
        self.orders[record.order].met_ms = record.at_ms

    @carry_out.register
    def _(self, record: Filled) -> None:
        order = self.orders[record.order]
        funds = EXACT.multiply(record.price, record.volume)
        fill = Fill(
            uuid=record.uuid,
            price=record.price,
            volume=record.volume,
            funds=funds,
            fee=EXACT.multiply(funds, order.fee_rate),
            at_ms=record.at_ms,
            maker=record.maker,
            trend=record.trend,
        )
        self.pockets[order.pocket].accounts.settle(order, fill)

    @carry_out.register
    def _(self, record: Prevented) -> None:
        order = self.orders[record.order]
        order.prevent(record.volume, record.price)
        self.pockets[order.pocket].accounts.shrink(order)

    @carry_out.register
    def _(self, record: Cancelling) -> None:
        self.orders[record.order].cancelling = True

    @carry_out.register
    def _(self, record: Ended) -> None:
        order = self.orders[record.order]
        pocket = self.pockets[order.pocket]
        order.state = record.state
        pocket.open.pop(order.uuid, None)
        pocket.accounts.release(order)

    def _admit(self, order: Order) -> None:
        pocket = self.pockets[order.pocket]
        order.number = self._accepted
        self._accepted += 1
        self.orders[order.uuid] = order
        pocket.add(order)
        pocket.accounts.lock(order)

    def tell(self, order: Order, event: str, fill: Fill | None = None) -> None:
        """Tell everybody what happened to an order."""
        for listener in self.listeners:
            listener.on_order(order, event, fill)

    def _settled(self, pocket: Pocket, currencies: Collection[str]) -> None:
        pocket.verify()
        if currencies:
            for listener in self.listeners:
                listener.on_assets(pocket, currencies)


def accepted(order: Order) -> Accepted:
    """Return the record of an order that is taken."""
    asked = order.asked
    return Accepted(
        uuid=order.uuid,
        account=order.pocket.account,
        pocket=order.pocket.name,
        created_ms=order.created_ms,
        fee_rate=order.fee_rate,
        market=asked.market,
        side=asked.side,
        ord_type=asked.ord_type,
        price=asked.price,
        volume=asked.volume,
        time_in_force=asked.time_in_force,
        smp_type=asked.smp_type,
        identifier=asked.identifier,
    )


def ordered(record: Accepted) -> Order:
    """Return the order of a record, as it was taken."""
    request = Request(
        market=record.market,
        side=record.side,
        ord_type=record.ord_type,
        price=record.price,
        volume=record.volume,
        time_in_force=record.time_in_force,
        smp_type=record.smp_type,
        identifier=record.identifier,
    )
    return Order(
        uuid=record.uuid,
        asked=request,
        pocket=PocketId(record.account, record.pocket),
        fee_rate=record.fee_rate,
        created_ms=record.created_ms,
    )
