"""What the digest knows, and what it says that it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from state import Balance, Price
from tests.helpers.journals import Book
from tests.helpers.orders import a_trade
from tests.helpers.scans import a_scan
from trader.guards.digest import bitcoin_between, days_until, equity_of, open_profit

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, tzinfo=UTC)
TRADE = replace(a_trade(), id="t1", market="KRW-XRP", decided_at=NOW, bought=Decimal(10), cost_krw=Decimal(30015))
PRICE = Price(price=Decimal(3100), as_of=NOW)
KRW = Balance(available=Decimal(900_000), locked=Decimal(70_000), as_of=NOW)


def test_equity_is_won_and_what_the_bot_holds_at_the_prices_of_now() -> None:
    """Coins of the account's owner are not the bot's; won in orders is still there."""
    wallet = {"KRW": KRW, "BTC": Balance(available=Decimal(1), locked=Decimal(0), as_of=NOW)}
    assert equity_of(wallet, [TRADE], {"KRW-XRP": PRICE}) == 970_000 + 31_000
    assert open_profit([TRADE], {"KRW-XRP": PRICE}) == 31_000 - 30_015
    assert equity_of(wallet, [], {}) == 970_000
    assert open_profit([], {}) == 0


@pytest.mark.parametrize("prices", [{}, {"KRW-XRP": None}, {"KRW-ETH": PRICE}])
def test_without_every_price_no_number_is_made_up(prices: dict[str, Price | None]) -> None:
    """A position that counts as nothing would look like a loss."""
    both = [TRADE, replace(TRADE, id="t2")]
    assert equity_of({"KRW": KRW}, both, prices) is None
    assert open_profit(both, prices) is None


def test_without_a_wallet_there_is_no_equity() -> None:
    """At a start, and after the clock jumped."""
    assert equity_of({}, [], {}) is None


def test_the_days_of_the_key_are_whole_ones_and_never_below_zero() -> None:
    """And unknown while nobody has said when it ends."""
    assert days_until(None, NOW) is None
    assert days_until((NOW + timedelta(days=2, hours=23)).isoformat(), NOW) == 2
    assert days_until((NOW - timedelta(days=1)).isoformat(), NOW) == 0


def test_bitcoin_stands_beside_the_day_as_the_journal_saw_it(tmp_path: Path) -> None:
    """From the price at its begin to that at its end; where nobody looked, or saw no bitcoin, nothing is made up."""

    def look(at: datetime, market: str, price: Decimal | None) -> None:
        scan = replace(a_scan(2.0), markets=[market], prices=[price])
        book.journal.record_scan(at, "s", at, scan)

    book, begin, end = Book(tmp_path / "journal.sqlite3"), NOW, NOW + timedelta(days=1)
    with book.journal as journal:
        assert bitcoin_between(journal, begin, end) is None
        look(begin - timedelta(minutes=1), "KRW-BTC", Decimal(100))
        assert bitcoin_between(journal, begin, end) is None
        look(end - timedelta(minutes=11), "KRW-BTC", Decimal(200))
        assert bitcoin_between(journal, begin, end) is None
        look(end - timedelta(minutes=2), "KRW-BTC", Decimal(90))
        assert bitcoin_between(journal, begin, end) == Decimal("-0.1")
        look(end - timedelta(minutes=1), "KRW-BTC", None)
        assert bitcoin_between(journal, begin, end) is None
        look(end, "KRW-XRP", Decimal(1))
        assert bitcoin_between(journal, begin, end) is None
