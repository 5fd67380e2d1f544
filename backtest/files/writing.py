"""Candles as the files other programs keep: every form that is read is written as well."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, feather, parquet

from backtest.history.candles import PRICES, VALUES, Candles
from backtest.problems import Unwritable
from backtest.units import DAY, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ISO = "%Y-%m-%dT%H:%M:%S"
SPACED = "%Y-%m-%d %H:%M:%S"
KST = timedelta(hours=9)
TIMED = (*PRICES, "volume")


def at(candles: Candles) -> pa.Array:
    """Return when the candles open, UTC."""
    return pa.array(candles.opened_at_ms).cast(pa.timestamp("ms"))


def clock(candles: Candles, form: str, zone: timedelta = timedelta()) -> pa.Array:
    """Return when the candles open, as text in a zone."""
    return pc.strftime(pc.add(at(candles), pa.scalar(zone)).cast(pa.timestamp("s")), format=form)


def values(candles: Candles, names: Sequence[str]) -> list[pa.Array]:
    """Return columns of numbers, nothing where one is not known."""
    return [pa.array(getattr(candles, name), from_pandas=True) for name in names]


def separated(header: Sequence[str], columns: Sequence[pa.Array]) -> bytes:
    """Return a CSV, numbers as short as they are exact."""
    body = io.BytesIO()
    table = pa.table(dict(zip(map(str, range(len(columns))), columns, strict=True)))
    csv.write_csv(table, body, csv.WriteOptions(include_header=False, quoting_style="none"))
    return ",".join(header).encode() + b"\n" + body.getvalue()


def newest_first(candles: Candles) -> Candles:
    """Return candles as Upbit answers them."""
    return candles.take(np.arange(len(candles))[::-1])


def coin(market: str) -> str:
    """Return what is traded for won."""
    return market.removeprefix("KRW-")


def length(unit: timedelta) -> str:
    """Return a unit as ccxt and freqtrade write it: `4h`, `1d`."""
    minutes = unit // timedelta(minutes=1)
    if unit == DAY:
        return "1d"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def to_csv(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write this program's own CSV."""
    header = ("time_utc", *TIMED, "value")
    yield f"{market}.csv", separated(header, [clock(candles, f"{ISO}Z"), *values(candles, VALUES)])


def to_pyupbit(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write what `pyupbit.get_ohlcv(...).to_csv()` does: an index without a name, in Korean time."""
    header = ("", *TIMED, "value")
    yield f"{market}.csv", separated(header, [clock(candles, SPACED, KST), *values(candles, VALUES)])


def to_korean(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write a CSV that a Korean Excel opens as it is."""
    header = ("일시(KST)", "시가", "고가", "저가", "종가", "거래량", "거래대금")
    body = separated(header, [clock(candles, SPACED, KST), *values(candles, VALUES)])
    yield f"{market}.csv", b"\xef\xbb\xbf" + body


REST = (
    "market", "candle_date_time_utc", "candle_date_time_kst", "opening_price", "high_price", "low_price",
    "trade_price", "candle_acc_trade_price", "candle_acc_trade_volume",
)  # fmt: skip


def rest_columns(market: str, unit: timedelta, candles: Candles) -> tuple[Sequence[str], list[pa.Array]]:
    """Return Upbit's names and columns; the time of the last trade is not known, and left out."""
    columns = [
        pa.array([market] * len(candles)),
        clock(candles, ISO),
        clock(candles, ISO, KST),
        *values(candles, (*PRICES, "turnover", "volume")),
    ]
    if unit == DAY:
        return REST, columns
    return (*REST, "unit"), [*columns, pa.array([unit // timedelta(minutes=1)] * len(candles))]


def to_upbit_json(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write what `GET /v1/candles/...` answers, newest first."""
    names, columns = rest_columns(market, unit, newest_first(candles))
    yield f"{market}.json", listed(names, columns)


def to_upbit_csv(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write the same as a CSV."""
    names, columns = rest_columns(market, unit, newest_first(candles))
    yield f"{market}.csv", separated(names, columns)


def listed(names: Sequence[str], columns: Sequence[pa.Array]) -> bytes:
    """Return rows as JSON objects."""
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return json.dumps([dict(zip(names, row, strict=True)) for row in rows]).encode()


def to_upbit_download(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write Upbit's own archives: a zip a month (UTC), newest first."""
    months = np.array(clock(candles, "%Y%m").to_pylist())
    for month in np.unique(months):
        mine = newest_first(candles.take(np.flatnonzero(months == month)))
        name = f"{market}_candle-{name_of(unit)}_{month}"
        header = ("date_time_utc", *PRICES, "acc_trade_price", "acc_trade_volume")
        body = separated(header, [clock(mine, ISO), *values(mine, (*PRICES, "turnover", "volume"))])
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(zipfile.ZipInfo(f"{name}.csv"), body, zipfile.ZIP_DEFLATED)
        yield f"{name}.zip", archive.getvalue()


def numbers(candles: Candles) -> bytes:
    """Return rows as six numbers, epoch milliseconds first."""
    columns: list[list[Any]] = [candles.opened_at_ms.tolist(), *(getattr(candles, name).tolist() for name in TIMED)]
    return json.dumps(list(zip(*columns, strict=True))).encode()


def to_ccxt_json(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write what ccxt's `fetch_ohlcv` returns."""
    yield f"{market}.json", numbers(candles)


def to_ccxt_csv(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write the same as a CSV."""
    columns = [pa.array(candles.opened_at_ms), *values(candles, TIMED)]
    yield f"{market}.csv", separated(("timestamp", *TIMED), columns)


def to_freqtrade_json(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write what freqtrade keeps with `--data-format-ohlcv json`."""
    yield f"{coin(market)}_KRW-{length(unit)}.json", numbers(candles)


def to_freqtrade_feather(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write what freqtrade keeps by default."""
    date = at(candles).cast(pa.timestamp("ms", tz="UTC"))
    body = io.BytesIO()
    table = pa.table([date, *values(candles, TIMED)], names=["date", *TIMED])
    feather.write_feather(table, body, compression="lz4")
    yield f"{coin(market)}_KRW-{length(unit)}.feather", body.getvalue()


def to_cryptodatadownload(market: str, unit: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write CryptoDataDownload's CSV: a comment, then newest first."""
    mine = newest_first(candles)
    name = coin(market)
    header = ("unix", "date", "symbol", *PRICES, f"Volume {name}", "Volume KRW")
    columns = [
        pa.array(mine.opened_at_ms),
        clock(mine, SPACED),
        pa.array([f"{name}/KRW"] * len(mine)),
        *values(mine, VALUES),
    ]
    body = b"https://www.CryptoDataDownload.com\n" + separated(header, columns)
    yield f"Upbit_{name}KRW_{length(unit)}.csv", body


def to_parquet(market: str, _: timedelta, candles: Candles) -> Iterator[tuple[str, bytes]]:
    """Write the columns of this program's store."""
    table = pa.table(
        [at(candles).cast(pa.timestamp("ms", tz="UTC")), *values(candles, VALUES)], names=["opened_at", *VALUES]
    )
    body = io.BytesIO()
    parquet.write_table(table, body, compression="zstd")
    yield f"{market}.parquet", body.getvalue()


WRITERS = {
    "csv": to_csv,
    "pyupbit": to_pyupbit,
    "upbit-json": to_upbit_json,
    "upbit-csv": to_upbit_csv,
    "upbit-download": to_upbit_download,
    "ccxt-json": to_ccxt_json,
    "ccxt-csv": to_ccxt_csv,
    "cryptodatadownload": to_cryptodatadownload,
    "freqtrade-feather": to_freqtrade_feather,
    "freqtrade-json": to_freqtrade_json,
    "korean": to_korean,
    "parquet": to_parquet,
}
"""By the code of the form (backtest/files/forms.py)."""


def save(folder: Path, name: str, content: bytes, *, replace: bool) -> Path:
    """Write one file as a whole.

    Raises:
        Unwritable: when it is there already and may not be replaced, or there is no space or permission.
    """
    path = folder / name
    if path.exists() and not replace:
        raise Unwritable(
            f"{path} 파일이 이미 있습니다. 덮어쓰려면 --force를 붙이세요.",
            f"{path} is there already. Add --force to replace it.",
        )
    aside = path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise Unwritable(
            f"{path}에 쓸 수 없습니다 ({error.strerror}). 공간과 권한을 확인하세요.",
            f"{path} cannot be written ({error.strerror}). Look at space and permissions.",
        ) from error
    return path
