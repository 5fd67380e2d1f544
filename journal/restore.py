"""Put another file in the journal's place: a backup that is restored, or a journal that was rebuilt.

SQLite keeps the newest transactions in a second file, `-wal`. A copy that is laid by hand beside the `-wal` of the old
journal takes those transactions for its own: it undoes itself, or is damaged. So the old files go together, and first.

The order makes every death harmless: the new journal is whole, checked and on the disk before anything else; the old
files have second names in a folder of their own before they lose their first; the old `-wal` is gone before the new
journal bears the name. Whoever dies between runs the same command again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journal.errors import JournalCorrupt, JournalError, JournalUnwritable
from journal.queries import Queries
from journal.reader import NO_LINKS, NoJournal, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database, newest transactions included."""
DRAFT = "restoring"


class NoCopy(JournalError):
    """There is no copy to restore."""

    def __init__(self, path: Path, ko: str, en: str) -> None:
        super().__init__(f"{path}: {ko}", f"{path}: {en}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put in place, and where the old files are."""

    orders: int
    open_trades: int
    newest: datetime | None  # when its newest event was written; None: it has none
    aside: Path | None  # the folder that holds the old files; None: there were none


def restore(copy: Path, path: Path, clock: Callable[[], datetime]) -> Restored:
    """Put a copy of a journal in the place of the journal `path`, whose folder's lock is held.

    The copy stays as it is. The old files are moved into a folder beside them.

    Raises:
        NoCopy: there is none, or it is the journal itself.
        JournalError: the copy is damaged, foreign or of a newer version: nothing was changed.
    """
    refuse_what_is_no_copy(copy, path)
    draft = path.with_name(f"{path.name}.{DRAFT}")
    try:
        remove(draft)
        orders, trades, newest = copy_checked(copy, draft)
        aside = set_aside(path, clock())
        put_in_place(draft, path)
    except OSError as error:
        raise JournalUnwritable(path, error.strerror) from error
    return Restored(orders=orders, open_trades=trades, newest=newest, aside=aside)


def refuse_what_is_no_copy(copy: Path, path: Path) -> None:
    """Say of a name why nothing can be restored from it.

    Raises:
        NoCopy: with the reason.
    """
    if not copy.is_file():
        raise NoCopy(copy, "그런 파일이 없습니다. 백업 파일의 경로를 확인하세요.", "no such file; check its path.")
    if path.exists() and copy.samefile(path):
        raise NoCopy(
            copy, "지금의 거래 기록 자신입니다. 백업 파일을 지정하세요.", "it is the journal itself; name a backup."
        )


def copy_checked(copy: Path, draft: Path) -> tuple[int, int, datetime | None]:
    """Copy a journal, with what stands in a `-wal` beside it, and check the copy; return what is in it.

    Raises:
        JournalError: it is no whole journal of ours.
    """
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with open_reader(copy) as reader, contextlib.closing(sqlite3.connect(draft)) as target:
            reader.copy_into(target)
            target.row_factory = sqlite3.Row
            _, newest = Queries(target).check(copy)
            (orders,) = target.execute("SELECT count(*) FROM intent").fetchone()
            trades = len(reader.open_trades())
    except JournalError:
        remove(draft)
        raise
    flush(draft)
    return orders, trades, newest


def is_whole(path: Path) -> bool:
    """Return whether there is a journal that can be read; one that is damaged may be rebuilt.

    Raises:
        JournalError: nobody can tell, or the file is not ours.
    """
    try:
        with open_reader(path) as journal:
            journal.check(path)
    except (NoJournal, JournalCorrupt):
        return False
    return True


def set_aside(path: Path, now: datetime) -> Path | None:
    """Move a journal and what SQLite keeps beside it into a folder of their own; return it, None when there was none.

    Each file has its second name before any loses its first; the journal's own goes when the new one takes it.
    """
    there = [file for file in (path, *beside(path)) if file.exists()]
    if not there:
        return None
    folder = fresh_folder(path.with_name(f"{path.name}.replaced-{now:%Y%m%dT%H%M%SZ}"))
    for file in there:
        name_again(file, folder / file.name)
    flush(folder)
    for file in beside(path):
        file.unlink(missing_ok=True)
    flush(path.parent)
    return folder


def put_in_place(whole: Path, path: Path) -> None:
    """Give a whole journal the name of the one before, in one step."""
    whole.replace(path)
    flush(path.parent)


def beside(path: Path) -> list[Path]:
    """Return the names of what SQLite keeps beside a database."""
    return [path.with_name(path.name + suffix) for suffix in BESIDE]


def fresh_folder(wanted: Path) -> Path:
    """Make a folder of that name, or with a number behind it when there is one already."""
    for number in range(1000):
        folder = wanted if number == 0 else wanted.with_name(f"{wanted.name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(wanted)


def name_again(file: Path, second: Path) -> None:
    """Give a file a second name; on a disk without links, a copy."""
    try:
        second.hardlink_to(file)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(file, second)
        flush(second)


def remove(draft: Path) -> None:
    """Remove half a copy, of a process that was killed."""
    for file in (draft, *beside(draft), draft.with_name(f"{draft.name}-journal")):
        file.unlink(missing_ok=True)


def flush(place: Path) -> None:
    """Have what was written to a file, or the names in a folder, on the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
