"""What the user has, and what a lock, a fill or a release does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.exchange.ledger import ZERO, Holder, Ledger, LedgerError, Move
from sandbox.exchange.orders import floor_volume
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from decimal import Decimal

    from sandbox.exchange.orders import Fill, Order


class Accounts:
    """Balances of one pocket, with the average price each currency was bought at."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.average_prices: dict[str, Decimal] = {}

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Give the user an amount from outside; a negative amount is withdrawn."""
        self.ledger.move(currency, amount, Holder.COUNTERPARTY, Holder.AVAILABLE)

    def carried(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what is available of every currency, and the fees that were paid, while nothing is locked."""
        ledger = self.ledger
        return {
            name: (ledger.amount(Holder.AVAILABLE, name), ledger.amount(Holder.FEES, name))
            for name in ledger.currencies()
        }

    def carry(self, balances: Mapping[str, tuple[Decimal, Decimal]], average_prices: Mapping[str, Decimal]) -> None:
        """Begin with what others have `carried`; the counterparty owes all of it."""
        for name, (available, fees) in balances.items():
            owed = EXACT.add(available, fees).copy_negate()
            self.ledger.post(
                Move(Holder.AVAILABLE, name, available),
                Move(Holder.FEES, name, fees),
                Move(Holder.COUNTERPARTY, name, owed),
            )
        self.average_prices |= average_prices

    def of(self, currency: str) -> tuple[Decimal, Decimal]:
        """Return (available, locked)."""
        return self.ledger.amount(Holder.AVAILABLE, currency), self.ledger.amount(Holder.LOCKED, currency)

    def all(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return (available, locked) of every currency ever held."""
        return {name: self.of(name) for name in self.ledger.currencies()}

    def lock(self, order: Order) -> None:
        """Set aside what a new order may need."""
        order.held = order.locked
        self.ledger.move(order.currency, order.held, Holder.AVAILABLE, Holder.LOCKED)

    def release(self, order: Order) -> Decimal:
        """Free what an order that ended still held; return how much that was."""
        released, order.held = order.held, ZERO
        self.ledger.move(order.currency, released, Holder.LOCKED, Holder.AVAILABLE)
        return released

    def shrink(self, order: Order) -> None:
        """Free what an order needs no more after a part of it was prevented."""
        before, order.held = order.held, order.locked
        self.ledger.move(order.currency, EXACT.subtract(before, order.held), Holder.LOCKED, Holder.AVAILABLE)

    def settle(self, order: Order, fill: Fill) -> None:
        """Exchange the money of a fill."""
        quote, base = order.asked.market.split("-", 1)
        if order.asked.side == "bid":
            self._average(base, fill)
        order.add(fill)
        before, order.held = order.held, order.locked
        freed = EXACT.subtract(before, order.held)
        moves = _bought if order.asked.side == "bid" else _sold
        self.ledger.post(*moves(fill, quote, base, freed))

    def _average(self, base: str, fill: Fill) -> None:
        held = EXACT.add(*self.of(base))
        cost = EXACT.add(EXACT.multiply(self.average_prices.get(base, ZERO), held), fill.funds)
        self.average_prices[base] = floor_volume(EXACT.divide(cost, EXACT.add(held, fill.volume)))

    def verify(self, orders: Iterable[Order]) -> None:
        """Raise `LedgerError` unless the books balance and what is locked is exactly what these open orders hold."""
        self.ledger.verify()
        held: dict[str, Decimal] = {}
        for order in orders:
            held[order.currency] = EXACT.add(held.get(order.currency, ZERO), order.held)
        for currency in self.ledger.currencies():
            locked = self.ledger.amount(Holder.LOCKED, currency)
            if locked != held.get(currency, ZERO):
                raise LedgerError(f"{currency}: {locked} locked, open orders hold {held.get(currency)}")


def _bought(fill: Fill, quote: str, base: str, freed: Decimal) -> Iterator[Move]:
    """A bid's fill: what it freed pays funds and fee, and any better price goes back to the buyer."""
    yield Move(Holder.LOCKED, quote, freed.copy_negate())
    yield Move(Holder.COUNTERPARTY, quote, fill.funds)
    yield Move(Holder.FEES, quote, fill.fee)
    yield Move(Holder.AVAILABLE, quote, EXACT.subtract(EXACT.subtract(freed, fill.funds), fill.fee))
    yield Move(Holder.COUNTERPARTY, base, fill.volume.copy_negate())
    yield Move(Holder.AVAILABLE, base, fill.volume)


def _sold(fill: Fill, quote: str, base: str, freed: Decimal) -> Iterator[Move]:
    """An ask's fill: the volume leaves, the proceeds arrive without the fee."""
    yield Move(Holder.LOCKED, base, freed.copy_negate())
    yield Move(Holder.COUNTERPARTY, base, fill.volume)
    yield Move(Holder.COUNTERPARTY, quote, fill.funds.copy_negate())
    yield Move(Holder.FEES, quote, fill.fee)
    yield Move(Holder.AVAILABLE, quote, EXACT.subtract(fill.funds, fill.fee))
