"""What trades that have ended have earned: kept with each of them, and as a sum that needs no memory of its own.

A trade may earn something after its end, or go on again: an order of it turned up late. So what was counted for a trade
stands in its row, and whatever changes an ended trade, or ends one, settles it in the same transaction.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

from journal.outbox import Outbox
from journal.queries import REALISED
from journal.rows import money, to_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

EXACT = Context(prec=100)
"""A sum of years must not depend on the order in which it was made."""


class Profits(Outbox):
    """Writes what ended trades have earned."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection, lock, path, clock)
        if self.meta(REALISED) is None:
            self._settle_all()

    def _settle_all(self) -> None:
        """Count every trade that ended before the sum was kept."""
        with self._transaction():
            self._keep_realised(Decimal(0))
            for row in self._db.execute("SELECT id FROM trade WHERE phase = 'closed'").fetchall():
                self._settle(row["id"])

    def _settle(self, trade_id: str) -> None:
        """Count what a trade has earned if it has ended, and no longer what was counted for it before."""
        row = self._db.execute("SELECT phase, profit FROM trade WHERE id = ?", (trade_id,)).fetchone()
        before, after = money(row["profit"]), None
        if row["phase"] == "closed":
            after = self.trade(trade_id).profit_krw
        if after == before:
            return
        self._db.execute("UPDATE trade SET profit = ? WHERE id = ?", (to_text(after), trade_id))
        gained = EXACT.subtract(after or Decimal(0), before or Decimal(0))
        self._keep_realised(EXACT.add(self.realised(), gained))

    def _keep_realised(self, krw: Decimal) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (REALISED, to_text(krw)))
