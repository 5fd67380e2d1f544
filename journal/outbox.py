"""Messages on their way to a person: written with what they tell, and marked when they were delivered.

What cannot be written now is kept in memory and delivered from there: that the disk is full is told although, and
because, nothing can be written. It is written down as soon as something can be.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from journal.errors import NOT_NOW, JournalBroken
from journal.rows import canonical
from journal.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from journal.records import Note

log = logging.getLogger("journal")

MOST_HELD = 200
"""Messages that wait in memory; the oldest go first, and stand in the log."""


class Outbox(Store):
    """Writes messages and what became of them."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection, lock, path, clock)
        self._held: dict[str, Note] = {}  # not written down
        self._told: set[str] = set()  # of those that were held: delivered before they could be written down

    def add_notes(self, notes: Iterable[Note]) -> None:
        """Queue messages; one whose key is known is not queued again. What it tells is in the log, too."""
        fresh = list(notes)
        try:
            with self._transaction():
                self._insert_notes([*self._held.values(), *fresh])
        except (*NOT_NOW, JournalBroken) as error:
            log.warning("not written: %s (%s)", "messages", error)
            self._hold(fresh)
        else:
            self._held.clear()

    def _hold(self, notes: Iterable[Note]) -> None:
        """Keep messages in memory that could not be written down."""
        for note in notes:
            if note.key not in self._told:
                hidden = replace(note, body=json.loads(self.redact(canonical(note.body))))
                self._held.setdefault(note.key, hidden)
        while len(self._held) > MOST_HELD:
            log.error("too many messages wait, one is given up key=%s", oldest := next(iter(self._held)))
            del self._held[oldest]

    def _insert_notes(self, notes: Iterable[Note]) -> None:
        """Write messages within the transaction that writes what they tell."""
        now, rows = self._now_ms(), list(notes)
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, kind, body, created_ms, card) VALUES (?, ?, ?, ?, ?)",
            [(note.key, note.kind, self.redact(canonical(note.body)), now, note.card) for note in rows],
        )
        told = [(now, note.key) for note in rows if note.key in self._told]
        if told:
            self._db.executemany("UPDATE outbox SET sent_ms = ? WHERE key = ?", told)

    def pending_notes(self, limit: int) -> list[Note]:
        """Return the oldest messages that are not delivered, in their order; those that only memory has at the end."""
        written = super().pending_notes(limit)
        known = {note.key for note in written}
        return [*written, *(note for key, note in self._held.items() if key not in known)][:limit]

    def mark_sent(self, keys: Iterable[str], cards: Mapping[str, str] | None = None) -> None:
        """Write that messages have been delivered, and of cards under which id the webhook keeps them."""
        written, ids = self._only_written(keys), cards or {}
        if not written and not ids:
            return
        with self._transaction():
            update, now = "UPDATE outbox SET sent_ms = ? WHERE key = ?", self._now_ms()
            self._db.executemany(update, [(now, key) for key in written])
            self._db.executemany("INSERT OR REPLACE INTO card VALUES (?, ?)", list(ids.items()))

    def mark_failed(self, keys: Iterable[str], why: str) -> None:
        """Write that messages can never be delivered, so that they do not stop those behind them."""
        written, told = self._only_written(keys), self.redact(why)
        if written:
            with self._transaction():
                self._db.executemany("UPDATE outbox SET failed = ? WHERE key = ?", [(told, key) for key in written])

    def _only_written(self, keys: Iterable[str]) -> list[str]:
        """Return the keys that stand in the file, and forget the messages that only memory has: they are over."""
        there = list(keys)
        held = [key for key in there if self._held.pop(key, None) is not None]
        self._told.update(held)
        return [key for key in there if key not in held]

    def keep_fact(self, key: str, value: str) -> None:
        """Keep one fact for a person to read: it is no event, and no trade rests on it."""
        insert = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._or_drop(key, lambda: self._db.execute(insert, (key, value)))
