"""What lies in a file: opened archives, and text in whatever encoding it was saved."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from backtest.files.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGEST = 2 << 30
"""Bytes one file may have once it is opened: a year of one market in seconds is a tenth of it."""
ZIP = b"PK\x03\x04"
BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
FOREIGN = (
    (
        b"\xd0\xcf\x11\xe0",
        "엑셀 파일입니다. 'CSV UTF-8'로 저장하세요",
        "this is an Excel workbook. Save it as CSV UTF-8",
    ),
    (b"\x89HDF", "HDF5 파일입니다. CSV나 parquet으로 저장하세요", "this is an HDF5 file. Save it as CSV or parquet"),
    (
        b"SQLite format 3",
        "SQLite 데이터베이스입니다. 표를 CSV로 저장하세요",
        "this is an SQLite database. Save the table as CSV",
    ),
    (b"\x80\x04\x95", "pickle 파일은 읽지 않습니다. CSV로 저장하세요", "pickle files are not read. Save it as CSV"),
    (b"\x80\x05\x95", "pickle 파일은 읽지 않습니다. CSV로 저장하세요", "pickle files are not read. Save it as CSV"),
    (
        b"FEA1",
        "옛 feather 형식(v1)입니다. v2로 다시 저장하세요",
        "this is the old feather format (v1). Save it again as v2",
    ),
)


class Readable(Protocol):
    """Something that can be read."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of candles, or one member of an archive."""

    label: str  # what a person calls it: path, and member of an archive
    name: str  # of the file alone
    folder: str  # the name of the folder it lies in
    content: bytes
    saved_at: datetime  # UTC


def sources_of(path: Path) -> Iterator[Source]:
    """Yield what a file holds: itself, unpacked, or every member of a zip.

    Raises:
        Refused: when it cannot be read or opened.
    """
    if not path.is_file():
        raise Refused("그런 파일이 없습니다", "there is no such file")
    try:
        if path.stat().st_size > LARGEST:
            raise too_large()
        content = path.read_bytes()
        saved_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise Refused(f"읽을 수 없습니다 ({error.strerror})", f"it cannot be read ({error.strerror})") from error
    source = Source(
        label=str(path), name=path.name, folder=path.absolute().parent.name, content=content, saved_at=saved_at
    )
    if not content.startswith(ZIP):
        yield unpacked(source)
        return
    yield from members(source)


def members(source: Source) -> Iterator[Source]:
    """Yield the files of a zip.

    Raises:
        Refused: when it is broken, locked, an Excel workbook, or holds nothing.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.content)) as archive:
            names = [one for one in archive.namelist() if wanted(one)]
            if "xl/workbook.xml" in names:
                raise Refused(
                    "엑셀 파일입니다. 'CSV UTF-8'로 저장하세요", "this is an Excel workbook. Save it as CSV UTF-8"
                )
            if not names:
                raise Refused("압축 파일이 비어 있습니다", "the archive holds no file")
            for name in names:
                with archive.open(name) as member:
                    inside = replace(source, name=name.rsplit("/", 1)[-1], content=limited(member))
                yield unpacked(replace(inside, label=f"{source.label}:{name}" if len(names) > 1 else source.label))
    except BROKEN_ZIP as error:
        raise broken(error) from error


BROKEN_ZIP = (
    *(zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, struct.error),  # of its directory, or locked
    *(EOFError, OSError, zlib.error, lzma.LZMAError),  # of a member
)
"""What Python says of archives that are broken, as trying many of them shows."""


def wanted(name: str) -> bool:
    """Return whether a member of an archive may be a file of candles."""
    return not name.endswith(("/", ".checksum")) and not name.startswith("__MACOSX") and "/." not in f"/{name}"


OPENERS: dict[bytes, Callable[[io.BytesIO], Readable]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


def unpacked(source: Source) -> Source:
    """Return a source without gzip, bzip2 or xz around it.

    Raises:
        Refused: when the archive is broken.
    """
    opener = next((opener for magic, opener in OPENERS.items() if source.content.startswith(magic)), None)
    if opener is None:
        return source
    try:
        return replace(source, content=limited(opener(io.BytesIO(source.content))))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise broken(error) from error


def limited(stream: Readable) -> bytes:
    """Read a stream to its end, unless that is far away."""
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise too_large()
    return content


def too_large() -> Refused:
    """Return what a file that may not fit into memory means."""
    return Refused("2 GiB를 넘습니다. 나누어 주세요", "it is more than 2 GiB. Split it")


def broken(error: Exception) -> Refused:
    """Return what a broken archive means."""
    return Refused(f"압축 파일이 깨졌습니다 ({error})", f"the archive is broken ({error})")


def refuse_foreign(content: bytes) -> None:
    """Refuse by name what is no table of candles.

    Raises:
        Refused: for what people mistake for one.
    """
    if not content.strip(b"\x00\r\n\t "):
        raise Refused("빈 파일입니다", "the file is empty")
    for magic, ko, en in FOREIGN:
        if content.startswith(magic):
            raise Refused(ko, en)
    if content[:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise Refused("웹 페이지입니다. 다시 내려받으세요", "this is a web page. Download the file again")


def text_of(content: bytes) -> str:
    """Return the text of a file: by its byte order mark, else UTF-8, UTF-16 or CP949, whichever it is.

    Raises:
        Refused: when it is none of them.
    """
    for encoding in encodings(content):
        try:
            return content.decode(encoding)
        except UnicodeError:
            continue
    raise Refused("글자를 읽을 수 없습니다. UTF-8로 저장하세요", "its text cannot be read. Save it as UTF-8")


def encodings(content: bytes) -> tuple[str, ...]:
    """Return what the text may be saved in, the likeliest first; only UTF-16 has zeros between its digits."""
    for mark, encoding in BOMS:
        if content.startswith(mark):
            return (encoding,)
    sample = content[:2000]
    if sample.count(0) > len(sample) // 4:
        return ("utf-16-le",) if sample[1::2].count(0) > sample[::2].count(0) else ("utf-16-be",)
    return ("utf-8", "cp949")
