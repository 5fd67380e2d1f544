"""A journal in tests: trades, orders and executions to write into one, and one whose time is set by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from journal.journal import Journal
from journal.records import Intent, IntentState, Trade
from upbit.models import Fill, Side

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def trade(name: str = "t1", market: str = "KRW-BTC") -> Trade:
    """Return a trade that was just decided."""
    return Trade(
        id=name,
        market=market,
        strategy="quiet_trend",
        unit=timedelta(minutes=240),
        decided_at=NOW,
        entry_reason={"code": "x"},
        stop_distance=Decimal(5),
    )


def intent(name: str = "i1", of: Trade | None = None, side: str = "bid") -> Intent:
    """Return an order of a trade."""
    owner = of or trade()
    return Intent(
        identifier=name,
        decision_key=f"key-{name}",
        n=0,
        trade_id=owner.id,
        market=owner.market,
        side=Side(side),
        request=json.dumps({"total": "10000"}),
        decided_at=NOW,
        deadline=None,
    )


def fill(name: str, price: str, volume: str) -> Fill:
    """Return one execution as Upbit tells it."""
    return Fill(uuid=name, price=Decimal(price), volume=Decimal(volume), notional=Decimal(price) * Decimal(volume))


def accepted(journal: Journal, name: str, uuid: str) -> None:
    """Take an order to ACCEPTED."""
    journal.begin_attempt(name)
    journal.end_attempt(name, IntentState.ACCEPTED, outcome="accepted", uuid=uuid)


MS = 1_793_620_800_000
"""The same moment, in milliseconds since 1970."""


class Book:
    """A journal whose clock is set by hand, and a look into its tables."""

    def __init__(self, path: Path, clock: Callable[[], datetime] | None = None) -> None:
        self.now = NOW
        self.journal = Journal.open(path, clock or (lambda: self.now))

    def at(self, milliseconds: int) -> Journal:
        """Let it be so long after the beginning."""
        self.now = NOW + timedelta(milliseconds=milliseconds)
        return self.journal

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table in the order of its writing, times counted from the beginning, without empty columns."""
        found = self.journal._db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()  # noqa: S608 - ours
        return [
            {key: row[key] - MS if key.endswith("_ms") else row[key] for key in row.keys() if row[key] is not None}  # noqa: SIM118 - a row is no mapping
            for row in found
        ]

    def events(self, skip: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
        """Return what happened: kind, whom it is about, and what it says."""
        return [(row["kind"], row["ref"], json.loads(row["data"])) for row in self.rows("event")[skip:]]


def buy(book: Book, name: str = "t1", order: str = "i1", *, volume: str = "2", market: str = "KRW-BTC") -> None:
    """Write a trade that bought `volume` units at 100 won, for a fee of half a won, and holds them."""
    decided = trade(name, market)
    assert book.journal.begin_trade(decided, intent(order, decided))
    book.journal.begin_attempt(order)
    book.journal.end_attempt(order, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{order}")
    book.journal.record_fills(order, [fill(f"f-{order}", "100", volume)], Decimal("0.5"))
    book.journal.finish(order)
    book.journal.enter_position(name, opened_at=book.now, stop_price=None, highest_price=Decimal(100))


def begin(book: Book, name: str, order: str, market: str) -> None:
    """Write a trade that was decided now, with a buy of 10,000 won."""
    decided = replace(trade(name, market), decided_at=book.now)
    assert book.journal.begin_trade(decided, replace(intent(order, decided), decided_at=book.now))


def sell(book: Book, name: str, order: str, volume: str, *, market: str = "KRW-BTC") -> None:
    """Write a sale at 120 won, for a fee of a quarter."""
    assert book.journal.leave(name, {"code": "stop"}, intent(order, trade(name, market), side=Side.ASK))
    book.journal.begin_attempt(order)
    book.journal.end_attempt(order, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{order}")
    book.journal.record_fills(order, [fill(f"f-{order}", "120", volume)], Decimal("0.25"))
    book.journal.finish(order)
