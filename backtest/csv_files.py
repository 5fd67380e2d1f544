"""Candles from CSV files, plain or gzipped: `KRW-BTC.csv.gz` with `time_utc,open,high,low,close,volume[,value]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv

from backtest.candles import Candles, Stored, first_bad, merge
from backtest.errors import Damaged, NothingThere
from backtest.units import unit_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from pathlib import Path

    from backtest.store import Store

NEEDED = ("time_utc", "open", "high", "low", "close", "volume")
SUFFIXES = (".csv", ".csv.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What one file brought."""

    market: str
    rows: int  # of the file
    repeated: int  # rows of the file whose time stood there before
    total: int  # candles the store now holds


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the candle files that some paths name, folders opened.

    Raises:
        NothingThere: when a path does not exist or names none.
    """
    found = []
    for path in paths:
        inside = sorted(path.glob("KRW-*")) if path.is_dir() else [path]
        files = [one for one in inside if one.is_file() and one.name.endswith(SUFFIXES) and one.name.startswith("KRW-")]
        if not files:
            raise NothingThere(
                f"{path}에 가져올 파일이 없습니다. KRW-BTC.csv.gz 같은 파일이나 그런 파일이 있는 폴더를 지정하세요.",
                f"There is nothing to import at {path}. Name a file such as KRW-BTC.csv.gz, or a folder of them.",
            )
        found += files
    return found


def import_files(
    store: Store, unit: timedelta, paths: Sequence[Path], done: Callable[[Imported], None]
) -> list[Imported]:
    """Bring CSV files into the store, file by file; what is there already is replaced candle by candle.

    Args:
        store: where to.
        unit: length of a candle, which a file does not say.
        paths: files or folders.
        done: called after each file.

    Raises:
        NothingThere: for a path without candle files.
        Damaged: for a file that cannot be read. The files before it are kept.
        Unwritable: as `Store.write`.
    """
    results = []
    for path in files_of(paths):
        candles, repeated = read_csv(path, unit_ms(unit))
        market = path.name.split(".")[0]
        before = store.read(unit, market)
        joined = merge(before.candles, candles)
        store.write(unit, market, Stored(candles=joined, asked=before.asked))
        results.append(
            Imported(market=market, rows=len(candles) + repeated, repeated=repeated, total=len(joined)),
        )
        done(results[-1])
    return results


def read_csv(path: Path, length_ms: int) -> tuple[Candles, int]:
    """Return the candles of a file in order of time, and how many of its rows were repetitions."""
    types = {name: pa.float64() for name in (*NEEDED[1:], "value")} | {"time_utc": pa.timestamp("ms", tz="UTC")}
    options = csv.ConvertOptions(column_types=types, null_values=[""])
    try:
        table = csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        raise bad_file(path, str(error).splitlines()[0]) from error
    lacking = [name for name in NEEDED if name not in table.column_names]
    if lacking:
        raise bad_file(path, f"no column {', '.join(lacking)}")
    times = table["time_utc"].cast(pa.int64()).to_numpy()
    columns = {name: table[name].to_numpy() for name in NEEDED[1:]}
    turnover = table["value"].to_numpy() if "value" in table.column_names else np.full(len(times), np.nan)
    raw = Candles(opened_at_ms=times, turnover=turnover.astype(np.float64), **columns)
    if table["time_utc"].null_count:
        raise bad_file(path, "a row without a time")
    if bad := first_bad(raw, length_ms):
        raise bad_file(path, f"row {bad[0] + 2}: {bad[1]}")
    _, first = np.unique(times, return_index=True)
    return raw.take(first), len(times) - len(first)


def bad_file(path: Path, why: str) -> Damaged:
    """Return the error of a file that holds no candles."""
    return Damaged(
        f"{path} 파일을 읽을 수 없습니다: {why}. 열은 {','.join(NEEDED)}[,value]이어야 하고 --unit이 맞아야 합니다.",
        f"{path} cannot be read: {why}. The columns must be {','.join(NEEDED)}[,value], and --unit must fit.",
    )
