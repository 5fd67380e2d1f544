"""What can go wrong with history and backtests, said to a person in one sentence of each language."""

from __future__ import annotations

import errno


class BacktestError(Exception):
    """Something a person can mend; `ko` and `en` say what, where, and what to do. Finished work is kept."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(ko, en)  # both, so that it comes whole out of another process
        self.ko = ko
        self.en = en

    def __str__(self) -> str:
        return self.en


class UsageProblem(BacktestError):
    """What was asked for does not exist, or makes no sense."""


class NothingThere(BacktestError):
    """There is no history, or too little of it."""


class Damaged(BacktestError):
    """A file is not what it should be."""


class Unwritable(BacktestError):
    """A file cannot be written."""


def unwritable(path: object, error: OSError) -> Unwritable:
    """Return what a failed write means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unwritable(
            f"디스크 공간이 부족해 {path}에 쓸 수 없습니다. 공간을 비우고 다시 실행하면 이어서 합니다.",
            f"There is no space left to write {path}. Free some and run again: it goes on where it was.",
        )
    return Unwritable(
        f"{path}에 쓸 수 없습니다 ({error.strerror}). BOT_DATA_DIR의 권한을 확인하세요.",
        f"{path} cannot be written ({error.strerror}). Check the permissions of BOT_DATA_DIR.",
    )
