"""What is wrong with a tape, and what a person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from failure import Failure

if TYPE_CHECKING:
    from pathlib import Path


class TapeError(Failure):
    """A tape that cannot be used as it was asked for."""


class ZstandardMissing(TapeError):
    """The library that packs tapes is not installed: trading alone does without."""

    def __init__(self) -> None:
        command = "pip install --require-hashes -r requirements/tape.txt"
        super().__init__(
            f"테이프에는 추가 라이브러리(zstandard)가 필요합니다. 설치하세요: {command}",
            f"A tape needs a library that trading does not (zstandard). Install it: {command}",
        )


def no_tape(path: Path) -> TapeError:
    """Return the error of a place where nothing was recorded."""
    return TapeError(
        f"{path}: 테이프가 없습니다. python main.py record 가 만든 파일이나 폴더를 지정하세요.",
        f"{path}: there is no tape. Name a file or a folder that python main.py record has made.",
    )


def other_format(path: Path, found: int, known: int) -> TapeError:
    """Return the error of a tape that was recorded by an older or a newer program."""
    return TapeError(
        f"{path}: 형식 {found}의 테이프이고 이 프로그램은 형식 {known}을 읽습니다. 그것을 기록한 버전으로 여세요.",
        f"{path}: this tape is of format {found}, and format {known} is read here. "
        "Open it with the version that recorded it.",
    )


def unwritable(folder: Path, error: OSError) -> TapeError:
    """Return the error of a folder that takes no files."""
    return TapeError(
        f"{folder}: 여기에 쓸 수 없습니다: {error.strerror or error}. 다른 폴더를 지정하세요.",
        f"{folder}: nothing can be written there: {error.strerror or error}. Name another folder.",
    )
