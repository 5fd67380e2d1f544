"""What `tape check` finds: each fault of a file in one sentence, with the second it concerns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tape.form import SUFFIX, Gap, Record, RecordKind, moment_of, zstandard
from tape.problems import TapeError
from tape.reading import about, is_being_recorded, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tape.reading import Damage


class Fault(NamedTuple):
    """What is wrong, in two languages."""

    ko: str
    en: str


@dataclass(slots=True)
class Findings:
    """What a file holds, and what is wrong with it."""

    path: Path
    first_us: int = 0  # of the first and the last record
    last_us: int = 0
    records: Counter[str] = field(default_factory=Counter)  # by kind
    gaps: list[Gap] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    recording: bool = False

    def heard(self, record: Record) -> None:
        """Count a record."""
        self.first_us = self.first_us or record.at_us
        self.last_us = record.at_us
        self.records[record.kind] += 1
        if record.kind == RecordKind.GAP:
            self.gaps.append(msgspec.json.decode(record.content, type=Gap))


def examine(paths: Sequence[Path]) -> list[Findings]:
    """Read every file to its end, in the order of their hours.

    Raises:
        ZstandardMissing: without the library that unpacks them, which is no fault of a file.
    """
    zstandard()
    found = [examine_file(path) for path in paths]
    for one in found:
        one.faults += missing_before(one.path)
    return found


def examine_file(path: Path) -> Findings:
    """Read one file to its end."""
    found, torn = Findings(path), False
    try:
        for one in read(path):
            if isinstance(one, Record):
                found.heard(one)
            elif one.torn:
                torn = True
            else:
                found.faults.append(changed(one))
        found.recording, begun_us = is_being_recorded(path), about(path).begun_us
    except TapeError as error:
        found.faults.append(Fault(error.ko, error.en))
        return found
    if not found.recording and (torn or not found.records[RecordKind.END]):
        found.faults.append(torn_at(found.last_us or begun_us))
    return found


def changed(damage: Damage) -> Fault:
    """Name the second of bytes that are not those that were written."""
    second = clock(damage.at_us or damage.after_us)
    if damage.at_us:
        return Fault(
            f"{second} UTC에 시작하는 0.5초 분량의 바이트가 바뀌어 읽을 수 없습니다. 나머지는 읽을 수 있습니다.",
            f"Bytes of the half second from {second} UTC were changed and cannot be read; the rest can.",
        )
    return Fault(
        f"{second} UTC 바로 뒤의 바이트가 바뀌어 읽을 수 없습니다. 나머지는 읽을 수 있습니다.",
        f"Bytes right after {second} UTC were changed and cannot be read; the rest can.",
    )


def torn_at(last_us: int) -> Fault:
    """Say until when a file without an end is whole."""
    second = clock(last_us)
    return Fault(
        f"끝이 잘렸습니다: {second} UTC까지 온전합니다. 기록하던 프로세스가 죽으면 마지막 1초까지 잃습니다.",
        f"The end is torn: it is whole until {second} UTC. A recorder that dies loses its last second at most.",
    )


def missing_before(path: Path) -> list[Fault]:
    """Say which file should stand before one and does not, while older ones do: the oldest may be deleted."""
    try:
        follows = about(path).follows
    except (TapeError, OSError):
        return []  # told already
    older = any(other.name < follows for other in path.parent.glob(f"*{SUFFIX}"))
    if not older or (path.parent / follows).exists():
        return []
    return [
        Fault(
            f"앞의 파일 {follows}이(가) 없습니다: 그 시간의 기록이 빠져 있습니다.",
            f"The file before it, {follows}, is missing: what was recorded then is not here.",
        )
    ]


def clock(at_us: int) -> str:
    """Return a moment to the millisecond, as a person reads it."""
    return f"{moment_of(at_us):%Y-%m-%d %H:%M:%S.%f}"[:-3]
