"""The file under the journal: one connection, one writer, synchronous, durable before it returns.

Every change of an order or a trade is one transaction that also holds its event and its messages, so a process that is
killed at any instruction leaves either all of it or nothing. Events are chained by their hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from typing import TYPE_CHECKING, Self

from journal.errors import JournalCorrupt, JournalError, JournalLocked, JournalUnwritable
from journal.queries import Queries
from journal.rows import as_ms, canonical, chain
from journal.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from journal.records import Note

LOCK = "lock"
GENESIS = b"\0" * 32


class Store(Queries):
    """The open file of one data folder. Use it as a context manager; it holds the folder's lock."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._lock = lock
        self._path = path
        self._clock = clock
        self._last_hash = self._verify()

    @classmethod
    def open(cls, path: Path, clock: Callable[[], datetime]) -> Self:
        """Take the folder's lock, open or make the file, and check it.

        Raises:
            JournalError: one of its kinds, with a sentence that says what to do.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = take_lock(path.parent)
        except OSError as error:
            raise JournalUnwritable(path.parent, error.strerror) from error
        try:
            return cls(connect(path), lock, path, clock)
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the folder's lock back."""
        self._db.close()
        os.close(self._lock)

    def _verify(self) -> bytes:
        """Check the file and the chain of events; return the hash of the last one."""
        try:
            (answer,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise JournalCorrupt(self._path, answer)
            last = GENESIS
            for row in self._db.execute("SELECT * FROM event ORDER BY seq"):
                last = chain(last, row["at_ms"], row["kind"], row["ref"], row["data"])
                if last != row["hash"]:
                    raise JournalCorrupt(self._path, f"event {row['seq']} was changed")
        except sqlite3.DatabaseError as error:
            raise JournalCorrupt(self._path, error) from error
        return last

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of the block or nothing of it; durable when it ends."""
        before = self._last_hash
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._last_hash = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _event(self, kind: str, ref: str, **data: object) -> None:
        at_ms, text = self._now_ms(), canonical(data)
        self._last_hash = chain(self._last_hash, at_ms, kind, ref, text)
        self._db.execute(
            "INSERT INTO event (at_ms, kind, ref, data, hash) VALUES (?, ?, ?, ?, ?)",
            (at_ms, kind, ref, text, self._last_hash),
        )

    def _insert_notes(self, notes: Iterable[Note]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, kind, body, created_ms) VALUES (?, ?, ?, ?)",
            [(note.key, note.kind, canonical(note.body), self._now_ms()) for note in notes],
        )

    def _now_ms(self) -> int:
        return as_ms(self._clock())


def take_lock(folder: Path) -> int:
    """Return a file descriptor that holds the folder's lock until it is closed or the process ends."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalLocked(folder) from error
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for its one writer and bring it to the current format."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    except OSError as error:
        raise JournalUnwritable(path, error.strerror) from error
    except sqlite3.OperationalError as error:
        raise JournalUnwritable(path, error) from error
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")  # only now: a migration may rebuild a table others refer to
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalCorrupt(path, error) from error
    except JournalError:
        connection.close()
        raise
    return connection
