"""The disk under a simulated daemon: it can be full, and it can fail. SQLite answers as it does on such a disk."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any
from unittest import mock

from journal.store import RESERVE

if TYPE_CHECKING:
    import random
    from pathlib import Path

ROOM = 400
"""Changes that the space of the reserve has room for."""
CHANGES = ("INSERT", "UPDATE", "DELETE")


class Disk:
    """One disk. `full` and `failing` may be set at any time."""

    def __init__(self, rng: random.Random) -> None:
        self.full = self.failing = False
        self.refused = 0
        self._rng = rng
        self._room = 0
        self._fallocate = os.posix_fallocate
        mock.patch("os.posix_fallocate", self._allocate).start()  # until the process of this world ends

    def _allocate(self, descriptor: int, offset: int, length: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fallocate(descriptor, offset, length)

    def heal(self) -> None:
        """Be as good as new."""
        self.full = self.failing = False
        self._room = 0

    def check(self, statement: str, reserve: Path) -> None:
        """Refuse a change, or its commit, when the disk does."""
        commits = statement == "COMMIT"
        if not (self.full or self.failing) or not (commits or statement.startswith(CHANGES)):
            return
        if not commits and self._rng.random() < 0.5:  # noqa: PLR2004 - either is as likely
            return  # this page is in memory still
        if self.failing:
            raise self._refusal("disk I/O error", sqlite3.SQLITE_IOERR_FSYNC)
        if reserve.exists():
            self._room = ROOM
        elif self._room:
            self._room -= 1
            return
        raise self._refusal("database or disk is full", sqlite3.SQLITE_FULL)

    def _refusal(self, text: str, code: int) -> sqlite3.OperationalError:
        self.refused += 1
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return error


class OnDisk:
    """A connection to SQLite whose file is on a disk that may refuse."""

    def __init__(self, connection: sqlite3.Connection, disk: Disk, folder: Path) -> None:
        self._connection = connection
        self._disk = disk
        self._reserve = folder / RESERVE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Execute one statement."""
        self._disk.check(statement, self._reserve)
        return self._connection.execute(statement, *values)

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        """Execute one statement for many rows."""
        self._disk.check(statement, self._reserve)
        return self._connection.executemany(statement, rows)
