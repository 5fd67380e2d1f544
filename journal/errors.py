"""Why a journal cannot be used, each in one sentence a person can act on.

* JournalError
  - JournalLocked      another daemon works on this data folder
  - JournalUnwritable  the folder or file cannot be written
  - JournalCorrupt     the file is damaged, or somebody edited it
  - JournalNewer       written by a newer version of this program
  - JournalFull        nothing could be written now; it may be possible later
  - JournalBroken      the disk failed: nothing is written any more
* Breach               a rule of our own is broken: an assertion, never survived quietly
  - JournalBreach      of the journal
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

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


class JournalError(Exception):
    """The journal cannot be used; `ko` and `en` say why and what to do."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.ko = ko
        self.en = en


class JournalLocked(JournalError):
    """Another daemon works on this data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"다른 데몬이 이미 {folder} 폴더로 거래하고 있습니다. "
            "그 데몬을 끝내거나 BOT_DATA_DIR로 다른 폴더를 지정하세요.",
            f"Another daemon is already trading with {folder}. Stop it, or name another folder with BOT_DATA_DIR.",
        )


class JournalUnwritable(JournalError):
    """The folder or file cannot be written."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"{path}에 쓸 수 없습니다 ({cause}). 폴더 권한과 남은 공간을 확인하거나 BOT_DATA_DIR를 바꾸세요.",
            f"{path} cannot be written ({cause}). "
            "Check the folder's permissions and free space, or change BOT_DATA_DIR.",
        )


class JournalCorrupt(JournalError):
    """The file is damaged, or somebody edited it."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"거래 기록 {path}이(가) 손상되었습니다 ({cause}). "
            "거래를 시작하지 않습니다. 백업을 되돌리세요. 파일을 지우지 마세요.",
            f"The journal {path} is damaged ({cause}). Nothing is traded. Restore a backup; do not delete the file.",
        )


class JournalNewer(JournalError):
    """Written by a newer version of this program."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(
            f"거래 기록 {path}은(는) 더 새로운 버전의 것입니다 (형식 {version}, 지원 {known}). "
            "프로그램을 업데이트하세요.",
            f"The journal {path} was written by a newer version (format {version}, known {known}). Update the program.",
        )


class JournalFull(JournalError, sqlite3.OperationalError):
    """The disk is full, or somebody holds the file: nothing was written, and it may work later."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"{path}에 기록할 수 없습니다 ({cause}). 디스크 공간을 비우세요. 기록 없이는 매수하지 않습니다.",
            f"{path} could not be written ({cause}). Free some disk space. Nothing is bought that is not written down.",
        )


class JournalBroken(JournalError, sqlite3.OperationalError):
    """The disk failed while it was written: what is on it is not known, so nothing is written any more."""

    def __init__(self, path: Path, cause: object) -> None:
        super().__init__(
            f"{path}을(를) 쓰다가 디스크 오류가 났습니다 ({cause}). 주문을 내지 않습니다. "
            "디스크를 확인하고 다시 시작하세요.",
            f"The disk failed while {path} was written ({cause}). No order is sent. "
            "Look at the disk, then start again.",
        )
