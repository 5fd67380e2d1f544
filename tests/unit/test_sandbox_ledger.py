"""The ledger of the sandbox: balanced entries only, nothing negative, exact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sandbox.exchange.accounts import Accounts
from sandbox.exchange.ledger import Holder, Ledger, LedgerError, Move

FREE, HELD, WORLD = Holder.AVAILABLE, Holder.LOCKED, Holder.COUNTERPARTY


def test_a_movement_has_two_sides() -> None:
    """What one holder gets another gives."""
    ledger = Ledger()
    ledger.move("KRW", Decimal("10.5"), WORLD, FREE)
    ledger.move("KRW", Decimal("0.5"), FREE, HELD)
    assert ledger.amount(FREE, "KRW") == 10
    assert ledger.amount(HELD, "KRW") == Decimal("0.5")
    assert ledger.amount(WORLD, "KRW") == Decimal("-10.5")
    ledger.verify()


def test_an_entry_that_does_not_balance_is_refused() -> None:
    """One-sided money does not exist."""
    with pytest.raises(LedgerError, match="does not balance"):
        Ledger().post(Move(FREE, "KRW", Decimal(1)))


def test_balancing_in_another_currency_is_no_balance() -> None:
    """Each currency balances on its own."""
    with pytest.raises(LedgerError):
        Ledger().post(Move(FREE, "KRW", Decimal(1)), Move(WORLD, "BTC", Decimal(-1)))


def test_a_refused_entry_changes_nothing() -> None:
    """An entry that would overdraw is refused as a whole."""
    ledger = Ledger()
    ledger.move("KRW", Decimal(5), WORLD, FREE)
    with pytest.raises(LedgerError, match="would become"):
        ledger.post(
            Move(WORLD, "BTC", Decimal(-1)),
            Move(FREE, "BTC", Decimal(1)),
            Move(FREE, "KRW", Decimal(-6)),
            Move(WORLD, "KRW", Decimal(6)),
        )
    assert ledger.amount(FREE, "BTC") == 0
    assert ledger.amount(FREE, "KRW") == 5


def test_thirty_digits_are_exact() -> None:
    """Amounts beyond the 28 digits of ordinary decimals lose nothing."""
    amount = Decimal("1234567890.12345678901234567891")
    ledger = Ledger()
    ledger.move("KRW", amount, WORLD, FREE)
    ledger.move("KRW", Decimal("0.00000000000000000001"), FREE, HELD)
    assert ledger.amount(FREE, "KRW") == Decimal("1234567890.12345678901234567890")
    assert ledger.amount(WORLD, "KRW") == amount.copy_negate()


def test_books_that_were_tampered_with_are_noticed() -> None:
    """A sum that is not zero, somebody who owes, and locks that no order holds are told apart."""
    accounts = Accounts()
    accounts.deposit("KRW", Decimal(100))
    accounts.verify(())
    book = accounts.ledger._books["KRW"]
    book[Holder.AVAILABLE] += 1
    with pytest.raises(LedgerError, match="KRW does not sum to zero but to 1"):
        accounts.verify(())
    book[Holder.AVAILABLE] -= 1
    accounts.ledger.move("KRW", Decimal(30), Holder.AVAILABLE, Holder.LOCKED)
    with pytest.raises(LedgerError, match="KRW: 30 locked, open orders hold None"):
        accounts.verify(())
    book[Holder.AVAILABLE], book[Holder.LOCKED] = Decimal(-20), Decimal(120)
    with pytest.raises(LedgerError, match="available KRW is -20"):
        accounts.verify(())
