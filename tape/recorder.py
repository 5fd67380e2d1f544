"""What is heard, until it is written: called for every frame of the loop that trades, so it only appends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tape.form import Gap, Record, RecordKind, line, micros
from tape.redaction import redact, redact_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

MOST_WAITING = 32 * 1024 * 1024
"""Bytes that wait to be written, at most: some ten seconds of 289 markets. What comes then is a gap."""


class Batch(NamedTuple):
    """What waits to be written, already as lines."""

    first_us: int
    last_us: int
    records: int
    content: bytes


class Recorder:
    """Takes what every connection tells, with the time it arrived, and hands it to whoever writes."""

    def __init__(self, clock: Callable[[], datetime], most: int = MOST_WAITING) -> None:
        """`clock` returns the time of day, UTC."""
        self._clock = clock
        self._most = most
        self._lines: list[bytes] = []
        self._bytes = self._first_us = self._last_us = 0
        self._heard: dict[str, int] = {}  # channel: when its last frame came
        self._dropped: Gap | None = None  # not told yet
        self._telling: Gap | None = None  # told by the batch that was taken last
        self.records = self.lost = 0

    def frame(self, channel: str, content: str | bytes) -> None:
        """Take a frame as it came."""
        now = self._take(RecordKind.FRAME, channel, content.encode() if isinstance(content, str) else content)
        self._heard[channel] = now

    def state(self, channel: str, state: str, content: bytes = b"") -> None:
        """Take note that a connection was made, and for what, or that it ended; between the two there is a gap."""
        if state == RecordKind.OPEN:
            now = self._take(RecordKind.OPEN, channel, content)
            if heard := self._heard.pop(channel, None):
                self._gap(channel, Gap(from_us=heard, to_us=now, why="closed"))
        elif state == RecordKind.CLOSED:
            self._take(RecordKind.CLOSED, channel, b"")

    def answer(self, method: str, path: str, status: int, content: bytes, *, signed: bool) -> None:
        """Take an answer; one to a signed request is about the account, and only its shape is kept."""
        if signed:
            path, content = redact_path(path), redact(content)
        self._take(RecordKind.ANSWER, "rest", f"{status} {method} {path}\n".encode() + content)

    def failed(self, batch: Batch) -> None:
        """Take note that the batch that was taken last could not be written, nor what it told of a gap before."""
        told = self._telling is not None
        self._drop(Gap(from_us=batch.first_us, to_us=batch.last_us, why="disk", records=batch.records - told))
        if self._telling is not None:
            self._note(self._telling)

    def take(self) -> Batch | None:
        """Return and forget what waits; None when nothing does."""
        self._telling, self._dropped = self._dropped, None
        if self._telling is not None:
            self._append(Record(micros(self._clock()), RecordKind.GAP, "tape", msgspec.json.encode(self._telling)))
        if not self._lines:
            return None
        batch = Batch(self._first_us, self._last_us, len(self._lines), b"".join(self._lines))
        self._lines, self._bytes = [], 0
        return batch

    def _take(self, kind: RecordKind, channel: str, content: bytes) -> int:
        now = micros(self._clock())
        if self._bytes + len(content) > self._most:
            self._drop(Gap(from_us=now, to_us=now, why="slow", records=1))
        else:
            self._append(Record(now, kind, channel, content))
        return now

    def _gap(self, channel: str, gap: Gap) -> None:
        self._append(Record(gap.to_us, RecordKind.GAP, channel, msgspec.json.encode(gap)))

    def _append(self, record: Record) -> None:
        if not self._lines:
            self._first_us = record.at_us
        text = line(record)
        self._lines.append(text)
        self._bytes += len(text)
        self._last_us = record.at_us
        self.records += 1

    def _drop(self, gap: Gap) -> None:
        self.lost += gap.records
        self._note(gap)

    def _note(self, gap: Gap) -> None:
        """Add a gap to the one that is to be told."""
        known = self._dropped
        self._dropped = (
            gap
            if known is None
            else Gap(
                from_us=min(known.from_us, gap.from_us),
                to_us=max(known.to_us, gap.to_us),
                why=known.why,
                records=known.records + gap.records,
            )
        )
