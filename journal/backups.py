"""A folder of copies of the journal: each named after its moment, each checked, and only the newest of them kept."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from journal.errors import JournalUnwritable, require
from journal.reader import copy_to

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("backup")

LAST = "last-backup"
NAME = re.compile(r"journal-\d{8}T\d{6}Z\.sqlite3")


def add_copy(path: Path, folder: Path, *, keep: int, now: datetime) -> tuple[Path, list[Path]]:
    """Copy the journal into a folder, and then remove the oldest copies beyond `keep`; nothing else there is touched.

    Args:
        path: the journal.
        folder: where the copies are; it is made, for its owner alone.
        keep: how many are left, the new one included; at least 1.
        now: UTC.

    Returns:
        The new copy, and what was removed.

    Raises:
        JournalError: there is no whole copy; then nothing was removed.
    """
    require(keep >= 1, "a folder of copies keeps at least the newest")
    target = folder / f"journal-{now:%Y%m%dT%H%M%SZ}.sqlite3"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_to(path, target)
        copies = sorted(place for place in folder.iterdir() if NAME.fullmatch(place.name))
        surplus = [place for place in copies if place != target][: max(0, len(copies) - keep)]
        for place in surplus:
            place.unlink()
    except OSError as error:
        raise JournalUnwritable(folder, error.strerror) from error
    return target, surplus


def note_backup(path: Path, now: datetime) -> None:
    """Write beside the journal when it was copied last, for whoever looks after it; a copy is one without that, too."""
    try:
        path.with_name(LAST).write_text(now.astimezone(UTC).isoformat(), encoding="ascii")
    except OSError as error:
        log.warning("backup_not_noted why=%s", error.strerror)


def last_backup(path: Path) -> datetime | None:
    """Return when a journal was copied last, UTC; None when it never was, or nobody can tell."""
    try:
        found = datetime.fromisoformat(path.with_name(LAST).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return found.astimezone(UTC) if found.tzinfo else None
