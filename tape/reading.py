"""A tape read again: its records in the order they arrived, and every place where it is damaged."""

from __future__ import annotations

import fcntl
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from tape.form import (
    BLOCK,
    BLOCK_MAGIC,
    CHECK,
    FILE_MAGIC,
    FORMAT,
    SKIPPABLE,
    SUFFIX,
    About,
    Record,
    lines,
    unpack,
    zstandard,
)
from tape.problems import TapeError, no_tape, other_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEAD_BYTES = SKIPPABLE.size + BLOCK.size + CHECK.size
CHUNK = 1024 * 1024
MARK = SKIPPABLE.pack(BLOCK_MAGIC, BLOCK.size + CHECK.size)


class Damage(NamedTuple):
    """Bytes that are not what was written. Times in microseconds since 1970, UTC; 0 where nothing tells them."""

    after_us: int  # the last whole record before it, or when the file was begun
    at_us: int  # when the block began, where its head says so
    torn: bool  # nothing whole follows: it was being written when the recorder died


@dataclass(frozen=True, slots=True)
class Head:
    """What is said of a block before it."""

    first_us: int
    records: int
    length: int
    crc: int


def files_of(path: Path) -> list[Path]:
    """Return the files of a tape in the order of their hours: of a folder all, else the one.

    Raises:
        TapeError: when there is none.
    """
    found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise no_tape(path)
    return found


def is_tape(path: Path) -> bool:
    """Return whether a path is a tape: a file of one, or a folder with some."""
    return path.suffix == SUFFIX if not path.is_dir() else any(path.glob(f"*{SUFFIX}"))


def records(paths: Iterable[Path]) -> Iterator[Record]:
    """Yield every whole record of some files; what is damaged is left out (`tape check` names it)."""
    for path in paths:
        for found in read(path):
            if isinstance(found, Record):
                yield found


def read(path: Path) -> Iterator[Record | Damage]:
    """Yield the records of a file, and where it is damaged.

    Raises:
        TapeError: when it is no tape, of another format, or cannot be read.
    """
    zstandard()
    try:
        with path.open("rb") as file:
            yield from _blocks(file, read_about(path, file).begun_us)
    except OSError as error:
        raise TapeError(
            f"{path}: 읽을 수 없습니다: {error.strerror or error}.",
            f"{path} cannot be read: {error.strerror or error}.",
        ) from error


def about(path: Path) -> About:
    """Return what a file says of itself."""
    with path.open("rb") as file:
        return read_about(path, file)


def read_about(path: Path, file: BinaryIO) -> About:
    """Read the first frame of a file."""
    start = file.read(SKIPPABLE.size)
    magic, size = SKIPPABLE.unpack(start) if len(start) == SKIPPABLE.size else (0, 0)
    if magic != FILE_MAGIC or size > CHUNK:
        raise no_tape(path)
    content = file.read(size)
    body = content[CHECK.size :]
    try:
        found = msgspec.json.decode(body)["format"]
        if found != FORMAT:
            raise other_format(path, found, FORMAT)
        if CHECK.pack(zlib.crc32(body)) != content[: CHECK.size]:
            raise no_tape(path)
        return msgspec.json.decode(body, type=About)
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        raise no_tape(path) from None


def _blocks(file: BinaryIO, last_us: int) -> Iterator[Record | Damage]:
    damaged_us = -1  # -1: nothing is damaged since the last whole block
    while start := file.read(HEAD_BYTES):
        head = read_head(start)
        data = file.read(head.length) if head else b""
        whole = head is not None and zlib.crc32(data) == head.crc
        if head is not None and whole:
            if damaged_us >= 0:
                yield Damage(last_us, damaged_us, torn=False)
                damaged_us = -1
            for record in lines(unpack(data)):
                last_us = record.at_us
                yield record
            continue
        if damaged_us < 0:
            damaged_us = head.first_us if head else 0
        if head is None or len(data) < head.length:
            _find_next(file, back=len(data) + len(start) - 1)
    if damaged_us >= 0:
        yield Damage(last_us, damaged_us, torn=True)


def read_head(start: bytes) -> Head | None:
    """Return what the head of a block says; None when it is none, or was changed."""
    if len(start) < HEAD_BYTES or not start.startswith(MARK):
        return None
    fields = start[SKIPPABLE.size : -CHECK.size]
    if CHECK.pack(zlib.crc32(fields)) != start[-CHECK.size :]:
        return None
    return Head(*BLOCK.unpack(fields))


def _find_next(file: BinaryIO, back: int) -> None:
    """Go to the next place, from `back` bytes before on, that looks like the head of a block, or to the end."""
    file.seek(-back, 1)
    kept = b""
    while chunk := file.read(CHUNK):
        at = (kept + chunk).find(MARK)
        if at >= 0:
            file.seek(at - len(kept) - len(chunk), 1)
            return
        kept = chunk[-len(MARK) + 1 :]


def is_being_recorded(path: Path) -> bool:
    """Return whether a living recorder holds a file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
