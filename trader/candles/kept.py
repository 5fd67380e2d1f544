"""The candles on disk, so that a restart asks for nothing but what is new: one file, written to its end each minute.

A file that is damaged, of another format, exchange or unit, or too short is no error: what of it is good is taken, the
rest is fetched again. It is a copy of what the exchange tells, so it is never waited for (no fsync).

The file is a line of JSON that says what it is about, and blocks: their length and check sum, and in them for each
market that changed its name, until when its candles are known, from when on the block says all of them, and those.
"""

from __future__ import annotations

import logging
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from strategy.grid import CandleArrays
from trader.candles.series import FIELDS, part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

log = logging.getLogger("trader.candles")

CANDLES_FILE = "candles.bin"
FORMAT = 1
ROW = np.dtype([("opened_at_ms", "<i8"), *((name, "<f8") for name in FIELDS)])
BLOCK = struct.Struct("<II")  # length, CRC-32
HEAD = struct.Struct("<HqqI")  # length of the name, known until, all from, candles; times in epoch milliseconds
NO_TIME = 2**62
"""Milliseconds later than all."""
APPENDED_MOST = 8 * 1024 * 1024
"""Bytes behind the first block before everything is written anew: some hours of 289 markets on minute candles."""


@dataclass(frozen=True, slots=True)
class Part:
    """The candles of a market from a moment on; what was known from then on is replaced."""

    market: str
    known_until_ms: int
    from_ms: int
    arrays: CandleArrays


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a file is about: its first line."""

    format: int
    source: str  # the address of the exchange
    unit_s: int
    history: int  # candles a market has at most


class KeptCandles:
    """The file of one exchange and unit. Everything here may take long: it is called from a thread."""

    def __init__(self, path: Path, *, source: str, unit: timedelta, history: int) -> None:
        self._path = path
        self._about = About(format=FORMAT, source=source, unit_s=int(unit.total_seconds()), history=history)
        self._appended: int | None = None  # bytes behind the first block; None: the file must be written anew
        self._fails = False

    def read(self) -> dict[str, Part]:
        """Return what is kept of every market; nothing when there is no file, or none that can be used."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("kept candles cannot be read error=%s", error)
            return {}
        first, _, body = content.partition(b"\n")
        if not self._is_ours(first):
            log.warning("kept candles of another kind: fetched again file=%s", self._path.name)
            return {}
        parts: dict[str, list[Part]] = {}
        good = 0
        for block in blocks(body):
            good += BLOCK.size + len(block)
            for part in read_parts(block):
                parts.setdefault(part.market, []).append(part)
        if good < len(body):
            log.warning("kept candles damaged: %d of %d bytes are good", good, len(body))
        return {market: joined(several, self._about.history) for market, several in parts.items()}

    def _is_ours(self, line: bytes) -> bool:
        try:
            about = msgspec.json.decode(line, type=About)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False
        return about.history >= self._about.history and msgspec.structs.replace(about, history=self._about.history) == (
            self._about
        )

    def write(self, changed: Iterable[Part], everything: Mapping[str, Part]) -> None:
        """Append what changed, or write everything anew when the file has grown, is not there or cannot be used."""
        try:
            if self._appended is None or self._appended > APPENDED_MOST:
                self._rewrite(everything.values())
            else:
                block = packed(changed)
                with self._path.open("ab") as file:
                    file.write(block)
                self._appended += len(block)
        except OSError as error:
            self._appended = None
            log.log(logging.DEBUG if self._fails else logging.WARNING, "candles cannot be kept error=%s", error)
            self._fails = True
        else:
            self._fails = False

    def _rewrite(self, parts: Iterable[Part]) -> None:
        draft = self._path.with_suffix(".tmp")
        try:
            draft.write_bytes(msgspec.json.encode(self._about) + b"\n" + packed(parts))
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)  # half of it must not fill a full disk
        self._appended = 0


def packed(parts: Iterable[Part]) -> bytes:
    """Return a block of some parts."""
    content = b"".join(piece for part in parts for piece in pieces(part))
    return BLOCK.pack(len(content), zlib.crc32(content)) + content


def pieces(part: Part) -> Iterator[bytes]:
    """Yield a part as bytes."""
    name, rows = part.market.encode(), np.empty(len(part.arrays.close), dtype=ROW)
    for column in ROW.names or ():
        rows[column] = getattr(part.arrays, column)
    yield HEAD.pack(len(name), part.known_until_ms, part.from_ms, len(rows))
    yield name
    yield rows.tobytes()


def blocks(body: bytes) -> Iterator[memoryview]:
    """Yield the blocks up to the first that is torn or damaged."""
    at, view = 0, memoryview(body)
    while at + BLOCK.size <= len(body):
        length, expected = BLOCK.unpack_from(body, at)
        block = view[at + BLOCK.size : at + BLOCK.size + length]
        if len(block) < length or zlib.crc32(block) != expected:
            return
        yield block
        at += BLOCK.size + length


def read_parts(block: memoryview) -> Iterator[Part]:
    """Yield the parts of a block."""
    at = 0
    while at < len(block):
        length, known_until_ms, from_ms, count = HEAD.unpack_from(block, at)
        at += HEAD.size
        market = bytes(block[at : at + length]).decode()
        rows = np.frombuffer(block, dtype=ROW, count=count, offset=at + length)
        at += length + rows.nbytes
        columns = {name: rows[name] for name in FIELDS}
        yield Part(market, known_until_ms, from_ms, CandleArrays(opened_at_ms=rows["opened_at_ms"], **columns))


def joined(parts: Sequence[Part], history: int) -> Part:
    """Return the last `history` candles of a market, of which each part replaces what those before say of its time."""
    stretches: list[CandleArrays] = []
    until_ms = NO_TIME
    for part in reversed(parts):
        end = int(np.searchsorted(part.arrays.opened_at_ms, until_ms))
        stretches.append(part_of(part.arrays, slice(0, end)))
        until_ms = min(until_ms, part.from_ms)
    columns = {
        name: np.concatenate([getattr(one, name) for one in reversed(stretches)])[-history:]
        for name in ("opened_at_ms", *FIELDS)
    }
    return Part(parts[-1].market, parts[-1].known_until_ms, until_ms, CandleArrays(**columns))
