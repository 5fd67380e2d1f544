"""What can go wrong with history and backtests, said to a person in one sentence of each language."""

from __future__ import annotations

import errno

from failure import USAGE, Failure


class BacktestError(Failure):
    """Something a person can mend; finished work is kept."""


class UsageProblem(BacktestError):
    """What was asked for does not exist, or makes no sense."""

    exit_code = USAGE


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
