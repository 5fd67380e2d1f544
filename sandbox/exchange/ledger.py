"""The double-entry ledger of the sandbox: every movement is a balanced entry, and nothing is ever owed by the user."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterator

ZERO = Decimal(0)


class Holder(StrEnum):
    """Who an amount belongs to."""

    AVAILABLE = "available"  # the user's, free to use
    LOCKED = "locked"  # the user's, held by open orders
    COUNTERPARTY = "counterparty"  # everybody else on the exchange; may go negative
    FEES = "fees"  # what the exchange earned


class Move(NamedTuple):
    """One side of an entry: `amount` (may be negative) of `currency` added to what `holder` has."""

    holder: Holder
    currency: str
    amount: Decimal


class LedgerError(AssertionError):
    """A movement that would break the books: our mistake, never the client's."""


class Ledger:
    """Balances per currency and holder, changed only through balanced entries."""

    def __init__(self) -> None:
        self._books: dict[str, dict[Holder, Decimal]] = {}
        self.entries = 0

    def amount(self, holder: Holder, currency: str) -> Decimal:
        """Return what a holder has of a currency."""
        book = self._books.get(currency)
        return book[holder] if book else ZERO

    def currencies(self) -> Iterator[str]:
        """Every currency ever moved, in the order of its first movement."""
        return iter(self._books)

    def post(self, *moves: Move) -> None:
        """Apply one entry as a whole, or raise `LedgerError` and change nothing."""
        changed: dict[tuple[str, Holder], Decimal] = {}
        sums: dict[str, Decimal] = {}
        for holder, currency, amount in moves:
            key = (currency, holder)
            before = changed[key] if key in changed else self.amount(holder, currency)
            changed[key] = EXACT.add(before, amount)
            sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)
        if any(sums.values()):
            raise LedgerError(f"an entry does not balance: {moves}")
        for (currency, holder), value in changed.items():
            if value < 0 and holder is not Holder.COUNTERPARTY:
                raise LedgerError(f"{holder} {currency} would become {value}: {moves}")
        for (currency, holder), value in changed.items():
            self._books.setdefault(currency, dict.fromkeys(Holder, ZERO))[holder] = value
        self.entries += 1

    def move(self, currency: str, amount: Decimal, source: Holder, target: Holder) -> None:
        """Move an amount between two holders."""
        if amount:
            self.post(Move(source, currency, amount.copy_negate()), Move(target, currency, amount))

    def verify(self) -> None:
        """Raise `LedgerError` unless each currency sums to zero and nobody but the counterparty is negative."""
        for currency, book in self._books.items():
            total = ZERO
            for holder, value in book.items():
                total = EXACT.add(total, value)
                if value < 0 and holder is not Holder.COUNTERPARTY:
                    raise LedgerError(f"{holder} {currency} is {value}")
            if total:
                raise LedgerError(f"{currency} does not sum to zero but to {total}")
