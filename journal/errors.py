"""Why a journal cannot be used, each in one sentence a person can act on.

* JournalError
  - JournalLocked      another daemon works on this data folder
  - JournalUnwritable  the folder or file cannot be written
  - JournalCorrupt     the file is damaged, or somebody edited it
  - JournalForeign     a database, and not a journal
  - JournalNewer       written by a newer version of this program
  - JournalBusy        another program holds the file: nothing was written now, and it passes by itself
  - JournalFull        the disk is full: nothing was written now, and it passes when there is room
  - JournalBroken      the disk failed: nothing is written any more
* Breach               a rule of our own is broken: an assertion, never survived quietly
  - JournalBreach      of the journal
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

from failure import SECOND_DAEMON, Failure

if TYPE_CHECKING:
    from pathlib import Path


class Breach(AssertionError):
    """A rule of our own is broken. Nobody survives it quietly: trading halts, and the evidence is kept."""


class JournalBreach(Breach):
    """Something the journal's rules exclude was asked of it."""


def require(holds: object, rule: str) -> None:
    """Insist on a rule of ours, with or without `python -O`.

    Raises:
        Breach: when it does not hold.
    """
    if not holds:
        raise Breach(rule)


class JournalError(Failure):
    """The journal cannot be used."""


class JournalLocked(JournalError):
    """Another daemon works on this data folder."""

    exit_code = SECOND_DAEMON

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"다른 데몬이 이미 {folder} 폴더로 거래하고 있습니다. "
            "그 데몬을 끝내거나 BOT_DATA_DIR로 다른 폴더를 지정하세요.",
            f"Another daemon is already trading with {folder}. Stop it, or name another folder with BOT_DATA_DIR.",
        )


class JournalUnwritable(JournalError):
    """The folder or file cannot be written."""

    def __init__(self, path: Path, cause: object) -> None:
        user = os.getuid()
        super().__init__(
            f"{path}에 쓸 수 없습니다 ({cause}). 사용자 {user}의 폴더인지(chown -R {user} 폴더) 남은 공간이 있는지 "
            "확인하거나 BOT_DATA_DIR를 바꾸세요.",
            f"{path} cannot be written ({cause}). See that the folder belongs to user {user} (chown -R {user} FOLDER) "
            "and has free space, or change BOT_DATA_DIR.",
        )


RESTORE = (
    "백업이 있으면 `python main.py restore 파일`, 없으면 `python main.py recover`로 되살리세요. 파일을 지우지 마세요.",
    "With a backup: `python main.py restore FILE`; without one: `python main.py recover`. Do not delete the file.",
)
"""What to do about a journal that cannot be read any more; each keeps the old file."""


class JournalCorrupt(JournalError):
    """The file is damaged, or somebody edited it."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"거래 기록 {path}이(가) 손상되어 거래하지 않습니다 ({cause}). {RESTORE[0]}",
            f"The journal {path} is damaged, so nothing is traded ({cause}). {RESTORE[1]}",
        )


class JournalForeign(JournalError):
    """The file is a database of another program."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}은(는) 이 프로그램의 거래 기록이 아닌 다른 데이터베이스입니다. 아무것도 바꾸지 않았습니다. "
            "BOT_DATA_DIR를 확인하거나 그 파일을 다른 곳으로 옮기세요.",
            f"{path} is a database of another program and not a journal. Nothing in it was changed. "
            "Check BOT_DATA_DIR, or move that file elsewhere.",
        )


class JournalNewer(JournalError):
    """Written by a newer version of this program."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"거래 기록 {path}은(는) 더 새로운 버전의 것입니다 (형식 {version}, 지원 {known}). "
            "프로그램을 업데이트하세요.",
            f"The journal {path} was written by a newer version (format {version}, known {known}). Update the program.",
        )


class JournalBusy(JournalError, sqlite3.OperationalError):
    """Another program holds the file: nothing was written, and it works again when that lets go."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"다른 프로그램이 거래 기록 {path}을(를) 잡고 있어 지금은 기록할 수 없습니다. 데이터베이스 브라우저나 "
            "백업 프로그램을 닫으면 자동으로 이어집니다.",
            f"Another program holds the journal {path}, so nothing can be written now ({cause}). Close the database "
            "browser or backup program that has it open; trading continues by itself once it is closed.",
        )


class JournalFull(JournalError, sqlite3.OperationalError):
    """The disk is full: nothing was written, and it works again when there is room."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"디스크가 가득 차 {path}에 기록할 수 없습니다. 공간을 비우세요. 기록 없이는 매수하지 않습니다.",
            f"{path} could not be written ({cause}). Free some disk space. Nothing is bought while it cannot be "
            "recorded.",
        )


class JournalBroken(JournalError, sqlite3.OperationalError):
    """The disk failed while it was written: what is on it is not known, so nothing is written any more."""

    def __init__(self, path: Path, cause: object, *, damaged: bool = False) -> None:
        ko, en = RESTORE if damaged else ("디스크를 확인하고 다시 시작하세요.", "Check the disk, then restart.")
        super().__init__(
            f"{path}을(를) 쓰다가 디스크 오류가 났습니다 ({cause}). 주문을 내지 않습니다. {ko}",
            f"The disk failed while writing {path} ({cause}). No orders are sent. {en}",
        )


NOT_NOW = (JournalBusy, JournalFull)
"""Nothing was written, and the same may work later."""

PRIMARY_CODE = 0xFF
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL})
DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
BARRED = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary code of an error; 0 where it gave none."""
    return getattr(error, "sqlite_errorcode", 0) & PRIMARY_CODE


def unopened(path: Path, error: sqlite3.DatabaseError) -> JournalError:
    """Return why a file could not be opened or read: only what SQLite itself calls damage, or cannot name, is that."""
    code = code_of(error)
    if code in BUSY:
        return JournalBusy(path, error)
    if code == sqlite3.SQLITE_FULL:
        return JournalFull(path, error)
    if code in BARRED:
        return JournalUnwritable(path, error)
    return JournalCorrupt(path, error)


def unwritten(path: Path, error: sqlite3.DatabaseError) -> JournalBusy | JournalFull | JournalBroken:
    """Return why a transaction was not written: what passes by itself, what passes with room, and everything else."""
    code = code_of(error)
    if code in BUSY:
        return JournalBusy(path, error)
    if code == sqlite3.SQLITE_FULL:
        return JournalFull(path, error)
    return JournalBroken(path, error, damaged=code in DAMAGED)
