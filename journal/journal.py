"""The daemon's own hand on the journal: everything that is ever written passes through this class."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from journal.errors import (
    NOT_NOW,
    JournalBreach,
    JournalBroken,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalUnwritable,
)
from journal.rows import canonical, to_ms
from journal.store import urgent
from journal.trades import Trades

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from journal.records import Halt, Note

__all__ = ["Journal", "JournalBreach", "JournalCorrupt", "JournalError", "JournalLocked", "JournalUnwritable"]

SCANS_PRUNED_AT_ONCE = 10


class Journal(Trades):
    """The open journal: trades and orders, and beside them messages, halts, verdicts and facts about itself."""

    def begin_halt(self, halt: Halt, notes: Iterable[Note]) -> None:
        """Write that trading is halted from now on, and its message, which is told also if neither can be written."""
        messages = list(notes)
        try:
            self._write_halt(halt, messages)
        except (*NOT_NOW, JournalBroken):
            self._hold(messages)
            raise

    @urgent
    def _write_halt(self, halt: Halt, notes: Iterable[Note]) -> None:
        hide = self.redact
        row = (halt.code, halt.level, halt.ends, hide(halt.ko), hide(halt.en), hide(canonical(halt.evidence)))
        with self._transaction():
            self._db.execute(
                "INSERT INTO halt (code, level, ends, ko, en, evidence, since_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, to_ms(halt.since)),
            )
            self._event("halt", halt.code, level=halt.level, ends=halt.ends, en=halt.en, evidence=halt.evidence)
            self._insert_notes(notes)

    @urgent
    def end_halt(self, code: str, by: str, notes: Iterable[Note]) -> None:
        """Write that a reason to stand still is over, by itself or by a person, and its message."""
        with self._transaction():
            changed = self._db.execute(
                "UPDATE halt SET ended_ms = ?, ended_by = ? WHERE code = ? AND ended_ms IS NULL",
                (self._now_ms(), by, code),
            ).rowcount
            if changed != 1:
                raise JournalBreach(f"nothing stands still because of {code}")
            self._event("halt_ended", code, by=by)
            self._insert_notes(notes)

    def record_scan(
        self, minute: datetime, strategy: str, closed_at: datetime, verdicts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Write one verdict with its numbers for every market; a minute that is told twice keeps the later word."""
        packed = zlib.compress(canonical(verdicts).encode())
        row = (to_ms(minute), strategy, to_ms(closed_at), packed)
        self._or_drop("verdicts", lambda: self._db.execute("INSERT OR REPLACE INTO scan VALUES (?, ?, ?, ?)", row))

    def prune_scans(self, before: datetime) -> None:
        """Forget some verdicts that are older than `before`; called often, so that no call takes long."""
        old = "DELETE FROM scan WHERE minute_ms IN (SELECT minute_ms FROM scan WHERE minute_ms < ? LIMIT ?)"
        row = (to_ms(before), SCANS_PRUNED_AT_ONCE)
        self._or_drop("the end of old verdicts", lambda: self._db.execute(old, row))

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact about the journal itself."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            self._event("meta", key, value=value)

    def note_import(self, moment: datetime) -> None:
        """Keep until when the exchange's orders were compared with the journal; too frequent to be an event."""
        told = "INSERT OR REPLACE INTO meta VALUES ('imported_ms', ?)"
        self._or_drop("the time of the last comparison", lambda: self._db.execute(told, (str(to_ms(moment)),)))
