"""What the journal is told about trades: begun, held, left, ended, and what moved without us."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from journal.errors import JournalBreach
from journal.orders import Orders
from journal.rows import canonical, to_ms, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from journal.records import Intent, Note, Trade


class Trades(Orders):
    """Writes trades."""

    def begin_trade(self, trade: Trade, intent: Intent) -> bool:
        """Write a new trade and its buy; False, and nothing written, when that decision or market is taken."""
        try:
            with self._transaction():
                self._insert_trade(trade)
                self._insert_intent(intent)
                self._event("trade", trade.id, phase=trade.phase, reason=trade.entry_reason)
        except sqlite3.IntegrityError:
            return False
        return True

    def _insert_trade(self, trade: Trade) -> None:
        self._db.execute(
            "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason, stop_distance) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                trade.id,
                trade.market,
                trade.strategy,
                int(trade.unit.total_seconds()),
                trade.phase,
                to_ms(trade.decided_at),
                canonical(trade.entry_reason),
                to_text(trade.stop_distance),
            ),
        )

    def enter_position(
        self,
        trade_id: str,
        *,
        opened_at: datetime,
        stop_price: Decimal | None,
        highest_price: Decimal,
        notes: Sequence[Note] = (),
    ) -> None:
        """Write that a trade holds what it bought, with its stop and its message."""
        with self._transaction():
            self._phase(trade_id, "holding", stop_price=to_text(stop_price), at=opened_at.isoformat())
            self._db.execute(
                "UPDATE trade SET opened_ms = ?, stop_price = ?, highest_price = ? WHERE id = ?",
                (to_ms(opened_at), to_text(stop_price), to_text(highest_price), trade_id),
            )
            self._insert_notes(notes)

    def raise_highest(self, trade_id: str, price: Decimal) -> None:
        """Write the highest price since the entry."""
        with self._transaction():
            self._db.execute("UPDATE trade SET highest_price = ? WHERE id = ?", (to_text(price), trade_id))

    def leave(self, trade_id: str, reason: Mapping[str, object], intent: Intent) -> bool:
        """Write why a trade is sold, and its sell; False, and nothing written, when its market has a live order."""
        try:
            with self._transaction():
                self._phase(trade_id, "leaving", reason=dict(reason))
                self._db.execute("UPDATE trade SET exit_reason = ? WHERE id = ?", (canonical(reason), trade_id))
                self._insert_intent(intent)
        except sqlite3.IntegrityError:
            return False
        return True

    def close_trade(
        self,
        trade_id: str,
        *,
        closed_at: datetime,
        dust: Decimal,
        reason: Mapping[str, object] | None = None,
        notes: Sequence[Note] = (),
    ) -> None:
        """Write that a trade has ended, what it left behind, and its message."""
        with self._transaction():
            self._phase(trade_id, "closed", dust=dust)
            self._db.execute(
                "UPDATE trade SET closed_ms = ?, dust = ?, exit_reason = coalesce(exit_reason, ?) WHERE id = ?",
                (to_ms(closed_at), to_text(dust), canonical(reason) if reason else None, trade_id),
            )
            self._insert_notes(notes)

    def abandon_trade(self, trade_id: str, why: str, notes: Sequence[Note] = ()) -> None:
        """Write that a trade ended before it bought anything."""
        with self._transaction():
            self._phase(trade_id, "abandoned", why=why)
            self._db.execute("UPDATE trade SET closed_ms = ? WHERE id = ?", (self._now_ms(), trade_id))
            self._insert_notes(notes)

    def _phase(self, trade_id: str, phase: str, **data: object) -> None:
        changed = self._db.execute("UPDATE trade SET phase = ? WHERE id = ?", (phase, trade_id)).rowcount
        if changed != 1:
            raise JournalBreach(f"there is no trade {trade_id}")
        self._event("trade", trade_id, phase=phase, **data)
