"""Reading the journal of a daemon that may be running: cannot write, cannot checkpoint, takes no lock."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from journal.errors import JournalError, JournalUnwritable, unopened
from journal.queries import Queries
from journal.schema import refuse_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PATIENCE_S = 5.0
"""How long a question waits for a program that holds the file."""
NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""How a disk says that it cannot give a file a second name: FAT, some network and FUSE file systems."""


class NoJournal(JournalError):
    """There is no journal in the data folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"아직 거래 기록이 없습니다: {path}. 데몬을 먼저 실행하거나 BOT_DATA_DIR를 확인하세요.",
            f"There is no journal yet: {path}. Run the daemon first, or check BOT_DATA_DIR.",
        )


@contextlib.contextmanager
def open_reader(path: Path) -> Iterator[Queries]:
    """Lend the journal for questions only.

    A connection opened with `mode=ro` can neither write nor checkpoint, which also keeps clear of a fault of SQLite
    before 3.51.3 that needs two connections writing or checkpointing.

    Raises:
        NoJournal: when there is none.
        JournalError: when it cannot be read, or is none of ours.
    """
    if not path.exists():
        raise NoJournal(path)
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE_S)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA query_only = ON")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            raise NoJournal(path)  # it is being made at this moment
        refuse_foreign(connection, path)
        yield Queries(connection)
    except sqlite3.DatabaseError as error:
        raise unopened(path, error) from error
    finally:
        connection.close()


def copy_to(path: Path, target: Path) -> None:
    """Write a whole copy of the journal as it is at one moment, also while a daemon writes to it, and check the copy.

    Half a copy, of a process that was killed, never bears the name of a whole one; it is begun anew.

    Raises:
        NoJournal: when there is none.
        JournalUnwritable: when `target` is there already or cannot be written.
    """
    draft = target.with_name(f"{target.name}.draft")
    with open_reader(path) as journal:
        try:
            refuse_existing(target)
            draft.unlink(missing_ok=True)
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with contextlib.closing(sqlite3.connect(draft)) as copy:
                journal.copy_into(copy)
                copy.row_factory = sqlite3.Row
                Queries(copy).check(path)
            give_name(draft, target)
        except (JournalError, sqlite3.DatabaseError):  # `open_reader` says what SQLite's mean
            draft.unlink(missing_ok=True)
            raise
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise JournalUnwritable(target, error.strerror) from error


def give_name(draft: Path, target: Path) -> None:
    """Let a finished copy bear its name, and never take it from a file that got there meanwhile.

    A link is refused when the name is taken, in one step; on a disk without links a moment is left in which it may be.
    """
    try:
        target.hardlink_to(draft)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        refuse_existing(target)
        draft.rename(target)
    else:
        draft.unlink()


def refuse_existing(target: Path) -> None:
    """Raise the error of a file that is there already."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
