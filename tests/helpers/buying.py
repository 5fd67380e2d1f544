"""What a buy is judged by in tests: a book, the rules of a market, and facts by which it is fine."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from config.reading import load
from notifier.messages import Messages
from state import Balance
from tests.helpers.values import changed
from trader.control import Control
from trader.orders import risk
from trader.orders.gate import Gate
from upbit.models import (
    Book,
    BookLevel,
    Bounds,
    Chance,
    ChanceMarket,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.journal import Journal

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def level(ask: str, bid: str, ask_size: str = "1000", bid_size: str = "1000") -> BookLevel:
    """Return one level of a book."""
    return BookLevel(
        ask_price=Decimal(ask), bid_price=Decimal(bid), ask_size=Decimal(ask_size), bid_size=Decimal(bid_size)
    )


def book(*levels: BookLevel) -> Book:
    """Return a book; a deep one around 1,000 without levels."""
    return Book(market="KRW-AAA", levels=list(levels or [level("1001", "999")]))


def chance(**market: object) -> Chance:
    """Return what an open market allows."""
    least = Bounds(min_total=Decimal(5000))
    rules = msgspec.structs.replace(ChanceMarket(market="KRW-AAA", bid=least, ask=least), **market)
    return Chance(bid_fee=Decimal("0.0005"), ask_fee=Decimal("0.0005"), market=rules)


def facts(**fields: object) -> risk.Facts:
    """Return facts by which a buy is fine."""
    good = risk.Facts(
        market="KRW-AAA",
        now=NOW,
        price=Decimal(1000),
        price_as_of=NOW,
        asked_at=NOW,
        chance=chance(),
        book=book(),
        wallet=Balance(available=Decimal(1_000_000), locked=Decimal(0), as_of=NOW),
        exposure=risk.Exposure(by_market={}, spent_today=Decimal(0), open_trades=1),
        unexplained=Decimal(0),
        stop_fraction=0.1,
    )
    return changed(good, **fields)


def gate(journal: Journal, *overrides: str, clock: Callable[[], datetime] = lambda: NOW) -> Gate:
    """Return the gate of a journal."""
    control = Control(journal, Messages(language="en", mode="live"), clock)
    return Gate(load({}, overrides=overrides), control, journal, clock)
