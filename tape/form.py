"""How a tape is written: records as lines, half a second of them in a block, blocks in a file an hour.

A file is a run of zstd frames, so `zstdcat FILE` shows the records. Before each frame of records stands one that zstd
skips: it says when the block begins, how long it is, and the check sums of both. So a byte that was changed costs one
block, and its second can be named; and what follows the last whole block is a torn end.

A record is a line `ARRIVED KIND CHANNEL LENGTH` (microseconds since 1970, UTC), LENGTH bytes exactly as they came, and
a line feed. docs/tape.md lists the kinds.
"""

from __future__ import annotations

import struct
import zlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tape.problems import ZstandardMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = 1
SUFFIX = ".tape"
FILE_MAGIC, BLOCK_MAGIC = 0x184D2A5A, 0x184D2A5B
"""Two of the sixteen numbers with which a frame begins that zstd skips (RFC 8878, 3.1.2)."""
SKIPPABLE = struct.Struct("<II")  # magic, bytes that follow
BLOCK = struct.Struct("<qIII")  # first arrival in us, records, bytes of the zstd frame, their CRC-32
CHECK = struct.Struct("<I")
LEVEL = 3
LARGEST_BLOCK = 64 * 1024 * 1024
"""Bytes a block unpacks to at most: a damaged length must not ask for more."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class RecordKind(StrEnum):
    """What a record tells."""

    FRAME = "frame"  # what a socket told, as it came
    OPEN = "open"  # a connection was made
    CLOSED = "closed"  # it ended
    GAP = "gap"  # why, from and until when nothing, or not all, was heard or kept (JSON)
    ANSWER = "answer"  # to a request: a line `STATUS METHOD PATH`, then the body
    END = "end"  # the file is whole; "next" when another one follows, "stop" when recording ended


class Record(NamedTuple):
    """One thing that happened, with the moment it arrived here in microseconds since 1970, UTC."""

    at_us: int
    kind: str
    channel: str
    content: bytes


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A time of which the tape does not hold everything."""

    from_us: int
    to_us: int
    why: str  # "closed": no connection; "slow": more came than could be written; "disk": it could not be written
    records: int = 0  # how many were lost, where that is known


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is: its first frame."""

    format: int
    source: str  # the address of the exchange
    begun_us: int
    follows: str = ""  # the file of the same folder before it; empty for the first one


def micros(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(at_us: int) -> datetime:
    """Return a moment, UTC."""
    return EPOCH + at_us * MICROSECOND


def line(record: Record) -> bytes:
    """Return a record as it stands in a block."""
    head = f"{record.at_us} {record.kind} {record.channel} {len(record.content)}\n"
    return head.encode() + record.content + b"\n"


def lines(block: bytes) -> Iterator[Record]:
    """Yield the records of an unpacked block."""
    at = 0
    while at < len(block):
        end = block.index(b"\n", at)
        arrived, kind, channel, length = block[at:end].decode().split(" ")
        begin, at = end + 1, end + 2 + int(length)
        yield Record(int(arrived), kind, channel, block[begin : at - 1])


def pack_about(about: About) -> bytes:
    """Return the first frame of a file."""
    content = msgspec.json.encode(about)
    return SKIPPABLE.pack(FILE_MAGIC, CHECK.size + len(content)) + CHECK.pack(zlib.crc32(content)) + content


def pack_block(first_us: int, records: int, content: bytes) -> bytes:
    """Return records, joined, as one block."""
    data: bytes = zstandard().ZstdCompressor(level=LEVEL).compress(content)
    head = BLOCK.pack(first_us, records, len(data), zlib.crc32(data))
    size = BLOCK.size + CHECK.size
    return SKIPPABLE.pack(BLOCK_MAGIC, size) + head + CHECK.pack(zlib.crc32(head)) + data


def pack(records: Iterable[Record]) -> bytes:
    """Return some records as one block."""
    every = list(records)
    return pack_block(every[0].at_us, len(every), b"".join(line(record) for record in every))


def unpack(data: bytes) -> bytes:
    """Return what a zstd frame holds; the check sum has been compared."""
    content: bytes = zstandard().ZstdDecompressor().decompress(data, max_output_size=LARGEST_BLOCK)
    return content


def zstandard() -> Any:
    """Return the library that packs; it is an extra, loaded when a tape is touched.

    Raises:
        ZstandardMissing: when it is not installed.
    """
    try:
        import zstandard as library  # noqa: PLC0415 - trading does without
    except ImportError:
        raise ZstandardMissing from None
    return library
