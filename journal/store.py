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

from config.redaction import Redaction
from journal.errors import (
    NOT_NOW,
    JournalBroken,
    JournalBusy,
    JournalError,
    JournalFull,
    JournalLocked,
    JournalUnwritable,
    unopened,
    unwritten,
)
from journal.queries import Queries
from journal.rows import as_ms, canonical, chain
from journal.schema import migrate, refuse_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

log = logging.getLogger("journal")

P = ParamSpec("P")
S = TypeVar("S", bound="Store")
T = TypeVar("T")

LOCK = "lock"
RESERVE = "reserve"
RESERVE_BYTES = 4 * 1024 * 1024
"""Thousands of orders, or one checkpoint."""
OPENING_PATIENCE_S = 5.0
"""How long a start waits for a program that holds the file."""
PATIENCE_MS = 200
"""How long a write waits for it, on the loop. Once that was in vain no write waits at all, until one succeeds: a held
file must not hold up the loop again and again."""


class Store(Queries):
    """The open file of one data folder. Use it as a context manager; it holds the folder's lock."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._lock = lock
        self._path = path
        self._place = place_of(path)
        self._reserve = Reserve(path.parent)
        self._clock = clock
        self.redact: Callable[[str], str] = Redaction()
        self._waits = True
        self._transactions = 0  # that were begun
        self.broken: JournalBroken | None = None  # once it is, nothing is written any more
        self._last_hash = self._verify()
        self._reserve.fill()

    @classmethod
    def open(cls, path: Path, clock: Callable[[], datetime], redact: Callable[[str], str] | None = None) -> Self:
        """Take the folder's lock, open or make the file, and check it; `redact` hides secrets in what is written.

        On a disk that is full the reserve is given back: what is held must be sold, and every sale be written down.

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
            try:
                journal = cls._read(path, lock, clock)
            except JournalFull:
                if not Reserve(path.parent).free():
                    raise
                journal = cls._read(path, lock, clock)
            undo.pop_all()
        journal.redact = redact or journal.redact
        return journal

    @classmethod
    def _read(cls, path: Path, lock: int, clock: Callable[[], datetime]) -> Self:
        connection = connect(path)
        try:
            return cls(connection, lock, path, clock)
        except BaseException:
            connection.close()
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
        return self.check(self._path)[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of the block or nothing of it; durable when it ends.

        Raises:
            JournalBusy, JournalFull: nothing was written now.
            JournalBroken: the disk failed, now or before. It is not tried again: what an `fsync` has failed to write
                may be gone although the next one succeeds.
        """
        if self.broken is not None:
            raise self.broken
        before = self._last_hash
        self._transactions += 1
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
            self._wait(waits=True)
        except BaseException as error:
            self._last_hash = before
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
                raise self._failure(error) from error
            raise

    def _or_drop(self, what: str, write: Callable[[], object]) -> bool:
        """Do a transaction that trading does not rest on; one that cannot be written is dropped, and logged.

        Returns:
            Whether it was written.
        """
        try:
            with self._transaction():
                write()
        except (*NOT_NOW, JournalBroken) as error:
            log.warning("not written: %s (%s)", what, error)
            return False
        return True

    def _failure(self, error: sqlite3.DatabaseError) -> JournalBusy | JournalFull | JournalBroken:
        failure = unwritten(self._path, error)
        if isinstance(failure, JournalBusy):
            self._wait(waits=False)
        if isinstance(failure, JournalBroken):
            self.broken = failure
        return failure

    def _wait(self, *, waits: bool) -> None:
        """Let the next write wait a moment for another program, or not at all."""
        if waits is not self._waits:
            self._waits = waits
            self._db.execute(f"PRAGMA busy_timeout = {PATIENCE_MS if waits else 0}")

    def written(self) -> tuple[int, ...]:
        """Return how often something may have been written: nobody else does while the lock is held."""
        return (self._transactions,)

    def in_place(self) -> bool:
        """Return whether the file under the journal's name is still the one that is open."""
        return place_of(self._path) == self._place

    def can_write(self) -> bool:
        """Return whether something could be written now."""
        try:
            with self._transaction():
                pass
        except (*NOT_NOW, JournalBroken):
            return False
        return True

    def keep_reserve(self) -> bool:
        """Fill the reserve for a full disk again if it was used; return whether it is there."""
        return self._reserve.fill()

    def _event(self, kind: str, ref: str, **data: object) -> None:
        at_ms, text = self._now_ms(), self.redact(canonical(data))
        self._last_hash = chain(self._last_hash, at_ms, kind, ref, text)
        self._db.execute(
            "INSERT INTO event (at_ms, kind, ref, data, hash) VALUES (?, ?, ?, ?, ?)",
            (at_ms, kind, ref, text, self._last_hash),
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
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT, 0o600)
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
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalLocked(folder) from error
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for its one writer and bring it to the current format."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=OPENING_PATIENCE_S)
    except OSError as error:
        raise JournalUnwritable(path, error.strerror) from error
    except sqlite3.OperationalError as error:
        raise JournalUnwritable(path, error) from error
    connection.row_factory = sqlite3.Row
    try:
        refuse_foreign(connection, path)  # before the first change
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")  # only now: a migration may rebuild a table others refer to
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise unopened(path, error) from error
    except JournalError:
        connection.close()
        raise
    return connection
