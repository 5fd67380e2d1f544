"""The file under the journal: one connection, one writer, synchronous, durable before it returns.

Every change of an order or a trade is one transaction that also holds its event and its messages, so a process that is
killed at any instruction leaves either all of it or nothing. Events are chained by their hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from journal.errors import (
    JournalBroken,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalUnwritable,
)
from journal.queries import Queries
from journal.rows import as_ms, canonical, chain
from journal.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from journal.records import Note

log = logging.getLogger("journal")

P = ParamSpec("P")
S = TypeVar("S", bound="Store")
T = TypeVar("T")

LOCK = "lock"
GENESIS = b"\0" * 32
RESERVE = "reserve"
RESERVE_BYTES = 4 * 1024 * 1024
"""Thousands of orders, or one checkpoint."""
PRIMARY_CODE = 0xFF
MAY_PASS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT})


class Store(Queries):
    """The open file of one data folder. Use it as a context manager; it holds the folder's lock."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._lock = lock
        self._path = path
        self._place = place_of(path)
        self._reserve = Reserve(path.parent)
        self._clock = clock
        self.broken: JournalBroken | None = None  # once it is, nothing is written any more
        self._last_hash = self._verify()
        self._reserve.fill()

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
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, lock)
            connection = connect(path)
            undo.callback(connection.close)  # before the lock
            journal = cls(connection, lock, path, clock)
            undo.pop_all()
            return journal

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
        """Do all of the block or nothing of it; durable when it ends.

        Raises:
            JournalFull: nothing was written now.
            JournalBroken: the disk failed, now or before. It is not tried again: what an `fsync` has failed to write
                may be gone although the next one succeeds.
        """
        if self.broken is not None:
            raise self.broken
        before = self._last_hash
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            self._last_hash = before
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
                raise self._failure(error) from error
            raise

    def _or_drop(self, what: str, write: Callable[[], object]) -> None:
        """Do a transaction that trading does not rest on: one that cannot be written is dropped, and logged."""
        try:
            with self._transaction():
                write()
        except (JournalFull, JournalBroken) as error:
            log.warning("not written: %s (%s)", what, error)

    def _failure(self, error: sqlite3.DatabaseError) -> JournalFull | JournalBroken:
        if getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE in MAY_PASS:
            return JournalFull(self._path, error)
        self.broken = JournalBroken(self._path, error)
        return self.broken

    def in_place(self) -> bool:
        """Return whether the file under the journal's name is still the one that is open."""
        return place_of(self._path) == self._place

    def keep_reserve(self) -> bool:
        """Fill the reserve for a full disk again if it was used; return whether it is there."""
        return self._reserve.fill()

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


def urgent(write: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Let what is written about an order in hand or an exit use the reserve when the disk is full."""

    @functools.wraps(write)
    def with_reserve(store: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return write(store, *args, **kwargs)
        except JournalFull:
            if not store._reserve.free():  # noqa: SLF001 - its own
                raise
            return write(store, *args, **kwargs)

    return with_reserve


class Reserve:
    """A file that only holds space, which is given back when the disk is full, so that exits can be written down."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RESERVE

    def fill(self) -> bool:
        """Make it if it is not there; return whether it is. It must hold real blocks, not a hole."""
        if self._path.exists():
            return True
        draft = self._path.with_suffix(".tmp")
        try:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
            draft.replace(self._path)
        except OSError:
            draft.unlink(missing_ok=True)
            return False
        return True

    def free(self) -> bool:
        """Give its space back; return whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def place_of(path: Path) -> tuple[int, int] | None:
    """Return what names a file on the disk, whatever it is called; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
