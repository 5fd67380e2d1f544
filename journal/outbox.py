"""Messages on their way to a person: written with what they tell, and marked when they were delivered.

What cannot be written now is kept in memory and delivered from there: that the disk is full is told although, and
because, nothing can be written. It is written down as soon as something can be.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from journal.errors import NOT_NOW, JournalBroken
from journal.rows import canonical
from journal.store import Store

if TYPE_CHECKING:
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
        self._told: dict[str, Note] = {}  # of those that were held: delivered before they could be written down

    def add_notes(self, notes: Iterable[Note]) -> None:
        """Queue messages; one whose key is known is not queued again. What it tells is in the log, too."""
        fresh = list(notes)
        try:
            with self._transaction():
                self._insert_notes([*self._told.values(), *self._held.values(), *fresh])
        except (*NOT_NOW, JournalBroken) as error:
            log.warning("not written: %s (%s)", "messages", error)
            self._hold(fresh)
        else:
            self._held.clear()
            self._told.clear()

    def _hold(self, notes: Iterable[Note]) -> None:
        """Keep messages in memory that could not be written down."""
        for note in notes:
            if note.key not in self._told and not self._is_written(note.key):
                hidden = replace(note, body=json.loads(self.redact(canonical(note.body))))
                self._held.setdefault(note.key, hidden)
        while len(self._held) > MOST_HELD:
            log.error("too many messages wait, one is given up key=%s", oldest := next(iter(self._held)))
            del self._held[oldest]

    def _is_written(self, key: str) -> bool:
        """Return whether a message stands in the file; one that cannot be read is told twice rather than never."""
        with contextlib.suppress(sqlite3.DatabaseError):
            return self._db.execute("SELECT 1 FROM outbox WHERE key = ?", (key,)).fetchone() is not None
        return False

    def _insert_notes(self, notes: Iterable[Note]) -> None:
        """Write messages within the transaction that writes what they tell; one that was delivered, as it was then."""
        now, rows = self._now_ms(), [self._told.get(note.key, note) for note in notes]
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, kind, body, created_ms, sent_ms, card) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (note.key, note.kind, self.redact(canonical(note.body)), now, sent, note.card)
                for note in rows
                for sent in [now if note.key in self._told else None]
            ],
        )

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
        """Return the keys that stand in the file; the messages that only memory has wait no more.

        What memory has may stand in the file, too: it was written by another try since.
        """
        written = list[str]()
        for key in keys:
            held = self._held.pop(key, None)
            if held is None or self._is_written(key):
                written.append(key)
            else:
                self._told[key] = held
        return written

    def keep_fact(self, key: str, value: str) -> None:
        """Keep one fact for a person to read: it is no event, and no trade rests on it."""
        insert = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        self._or_drop(key, lambda: self._db.execute(insert, (key, value)))
