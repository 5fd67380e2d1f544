"""Files into the store: one after the other, a bad one never in the way of the others, and a word about each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from backtest.files.content import sources_of
from backtest.files.reading import read
from backtest.files.refusal import Refused, ZoneNeeded
from backtest.files.settle import distinct, foreign, settle
from backtest.history.candles import NONE, Fault, Stored
from backtest.problems import Damaged, NothingThere
from backtest.units import from_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from backtest.files.content import Source
    from backtest.files.reading import Reading, Wishes
    from backtest.history.candles import Candles
    from backtest.history.store import Store

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".feather", ".parquet", ".zip", ".gz", ".bz2", ".xz"),
    *(".xls", ".xlsx", ".h5", ".hdf5"),  # refused by name: whoever keeps candles there would miss them
)
"""What is looked at in a folder; a file that is named is looked at whatever it is called."""
HELD = 2_000_000
"""Candles of one market kept in memory before they are written: 110 MB, and a few times that while they are settled."""


FOREIGN = Fault(
    "저장된 캔들 대부분과 가격이 다릅니다. 시간대(--zone), 마켓, 거래소를 확인하세요",
    "its prices differ from most of the candles that are there. Look at --zone, the market and the exchange",
)
Found = dict[tuple["timedelta", str], "Candles"]
"""Candles by unit and market."""


@dataclass(slots=True, kw_only=True)
class FileOutcome:
    """What became of one file."""

    path: Path
    file: str  # what a person calls it: the path, and the member of an archive
    refused: Fault | None = None  # nothing of it came
    needs_zone: bool = False
    reading: Reading | None = None  # what was read, without the candles themselves
    markets: tuple[str, ...] = ()
    came: int = 0  # moments of which the file has a candle that the store has too, now
    repeated: int = 0  # candles that stood there before, or in a file before, or twice in the file
    conflicts: int = 0  # moments of which the file says something else than the store, or than itself
    first_conflict: datetime | None = None
    without: int = 0  # candles where Upbit itself, when it was asked, had none

    @property
    def clean(self) -> bool:
        """Return whether nothing of the file was refused."""
        return self.refused is None and not self.without and not (self.reading and self.reading.forming)


@dataclass(slots=True)
class Pending:
    """What files brought of one market and is not in the store yet."""

    unit: timedelta
    market: str
    stretches: list[Candles] = field(default_factory=list)
    outcomes: list[FileOutcome] = field(default_factory=list)

    @property
    def held(self) -> int:
        """Return how many candles wait."""
        return sum(map(len, self.stretches))

    def add(self, candles: Candles, outcome: FileOutcome) -> None:
        """Take the candles of one file."""
        self.stretches.append(candles)
        self.outcomes.append(outcome)


def import_files(
    store: Store,
    paths: Sequence[Path],
    wishes: Wishes,
    passing: Callable[[Sequence[Path]], Iterable[Path]] = iter,
    *,
    keep: bool = True,
) -> list[FileOutcome]:
    """Bring files into the store.

    Args:
        store: where to; nobody else writes there meanwhile.
        paths: files, or folders that hold some at any depth.
        wishes: what the person said.
        passing: shows how many files are done while it hands them on.
        keep: False only says what would become of them.

    Raises:
        NothingThere: when there is no file at all.
        Unwritable: as `Store.write`; what was written stays.
    """
    outcomes = []
    pending: Pending | None = None
    for outcome, candles_of in looked_through(passing(files_of(paths, store)), wishes):
        outcomes.append(outcome)
        for (unit, market), candles in candles_of.items():
            if pending and ((pending.unit, pending.market) != (unit, market) or pending.held > HELD):
                finish(store, pending, keep=keep)
                pending = None
            pending = pending or Pending(unit, market)
            pending.add(candles, outcome)
    if pending:
        finish(store, pending, keep=keep)
    return outcomes


def files_of(paths: Sequence[Path], store: Store) -> list[Path]:
    """Return the files that some paths name, folders opened; a path that is not there stays, to be refused by name.

    Raises:
        NothingThere: when none of them leads to a file.
    """
    found: list[Path] = []
    for path in paths:
        found += sorted(below(path, store.folder)) if path.is_dir() else [path]
    if not any(path.exists() for path in found):
        shown = ", ".join(map(str, paths))
        raise NothingThere(
            f"{shown}에 가져올 파일이 없습니다. 캔들 파일이나 그런 파일이 있는 폴더를 지정하세요.",
            f"There is nothing to import at {shown}. Name a file of candles, or a folder that holds some.",
        )
    return list(dict.fromkeys(found))


def below(folder: Path, ours: Path) -> Iterator[Path]:
    """Yield what may be candles at any depth of a folder, except the store itself and what is hidden."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts)
        if path.name.lower().endswith(ENDINGS) and not hidden and path.is_file() and not path.is_relative_to(ours):
            yield path


def looked_through(files: Iterable[Path], wishes: Wishes) -> Iterator[tuple[FileOutcome, Found]]:
    """Yield what each file, or each member of an archive, holds, or why it cannot be taken."""
    for path in files:
        try:
            for source in sources_of(path):
                yield looked_at(path, source, wishes)
        except Refused as error:
            yield FileOutcome(path=path, file=str(path), refused=error.why), {}


def looked_at(path: Path, source: Source, wishes: Wishes) -> tuple[FileOutcome, Found]:
    """Return what one file holds, or why it cannot be taken."""
    outcome = FileOutcome(path=path, file=source.label)
    try:
        reading = read(source, wishes)
    except Refused as error:
        outcome.refused, outcome.needs_zone = error.why, isinstance(error, ZoneNeeded)
        return outcome, {}
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        outcome.refused = Fault(f"읽을 수 없습니다 ({why})", f"it cannot be read ({why})")
        return outcome, {}
    outcome.reading, outcome.markets = replace(reading, candles={}), tuple(reading.candles)
    return outcome, {(reading.unit, market): candles for market, candles in reading.candles.items()}


def finish(store: Store, pending: Pending, *, keep: bool) -> None:
    """Settle what files brought of one market with what the store has, tell the files' outcomes, and keep it.

    Raises:
        Unwritable: as `Store.write`.
    """
    try:
        before = store.read(pending.unit, pending.market)
    except Damaged as error:
        for outcome in pending.outcomes:
            outcome.refused = Fault(error.ko, error.en)
        return
    for index, outcome in enumerate(pending.outcomes):
        if foreign(before.candles, pending.stretches[index]):
            outcome.refused = FOREIGN
            pending.stretches[index] = NONE
    settled = settle([before.candles, *pending.stretches], before.asked)
    if keep:
        store.write(pending.unit, pending.market, Stored(candles=settled.candles, asked=before.asked))
    for index, outcome in enumerate(pending.outcomes, start=1):
        outcome.came += distinct(pending.stretches[index - 1]) - settled.without[index]
        outcome.repeated += settled.repeated[index]
        outcome.conflicts += settled.conflicts[index]
        outcome.without += settled.without[index]
        first = settled.first_conflict_ms[index]
        if first is not None and outcome.first_conflict is None:
            outcome.first_conflict = from_ms(first)
