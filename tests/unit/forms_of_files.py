"""Files of candles as people have them, each by name: what is in it, what the person says, and what must come of it.

Written with what writes such files in life (pandas, csv, json, zipfile) and never with this program's own writers, so
that the two are independent readings of each form.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from backtest.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backtest.files.times import Zone

NOW = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
H4, DAY, HOUR, MINUTE = (UNITS[name] for name in ("240m", "day", "60m", "1m"))
START = datetime(2024, 1, 1, tzinfo=UTC)
COUNT = 12
KST = timedelta(hours=9)
NAMES = ("open", "high", "low", "close", "volume", "value")

Row = tuple[datetime, float, float, float, float, float, float]


def rows(unit: timedelta = H4, start: datetime = START, count: int = COUNT) -> list[Row]:
    """Return candles as a person would write them: opening, four prices, volume, turnover."""
    made: list[Row] = []
    for index in range(count):
        opening, closing = 56_789_000 + 1000 * index, 56_790_500 + 700 * index
        volume = round(0.12345678 * (index + 1), 8)
        value = round(volume * (opening + closing) / 2, 4)
        made.append(
            (
                start + index * unit,
                opening,
                max(opening, closing) + 9000.5,
                min(opening, closing) - 4000,
                closing,
                volume,
                value,
            )
        )
    return made


ROWS = rows()


@dataclass(frozen=True, kw_only=True)
class Case:
    """Files, what is said about them, and either the form they are taken for or the words they are refused with."""

    files: Mapping[str, bytes]
    form: str = ""
    refused: str = ""
    zone: Zone | None = None
    unit: timedelta | None = None
    market: str | None = None
    holds: Sequence[Row] = field(default_factory=lambda: ROWS)
    turnover: bool = True  # whether the form carries it
    markets: Sequence[str] = ("KRW-BTC",)
    clean: bool = True  # whether nothing of the file is refused
    notes: Mapping[str, int] = field(default_factory=dict)  # what the outcome counts


def iso(moment: datetime) -> str:
    """Return `2024-01-01T00:00:00` as it stands."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def spaced(moment: datetime) -> str:
    """Return `2024-01-01 09:00:00`, in Korean time."""
    return (moment + KST).strftime("%Y-%m-%d %H:%M:%S")


def ms(moment: datetime) -> int:
    """Return epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def table(
    header: str, written: Callable[[datetime], Any], made: Sequence[Row] = ROWS, *, sep: str = ",", width: int = 6
) -> str:
    """Return a CSV: the time as it is written, then the first numbers of each row."""
    lines = [sep.join([str(written(row[0])), *(f"{value!r}" for value in row[1 : width + 1])]) for row in made]
    return "\n".join([header, *lines]) + "\n"


def frame(made: Sequence[Row] = ROWS) -> pd.DataFrame:
    """Return what `pyupbit.get_ohlcv` gives: an index in Korean time without a zone, and six columns."""
    index = pd.DatetimeIndex([(row[0] + KST).replace(tzinfo=None) for row in made])
    return pd.DataFrame([row[1:] for row in made], index=index, columns=list(NAMES))


def rest(made: Sequence[Row] = ROWS, market: str = "KRW-BTC", unit: timedelta = H4) -> list[dict[str, Any]]:
    """Return what Upbit answers, newest first."""
    answer = []
    for opened, opening, high, low, closing, volume, value in reversed(made):
        candle = {
            "market": market,
            "candle_date_time_utc": iso(opened),
            "candle_date_time_kst": iso(opened + KST),
            "opening_price": opening,
            "high_price": high,
            "low_price": low,
            "trade_price": closing,
            "timestamp": ms(opened + unit) - 167,
            "candle_acc_trade_price": value,
            "candle_acc_trade_volume": volume,
        }
        more = {"prev_closing_price": opening, "change_price": 1.0, "change_rate": 0.1}
        answer.append(candle | (more if unit == DAY else {"unit": unit // MINUTE}))
    return answer


def listed(made: Sequence[Row] = ROWS) -> list[list[float]]:
    """Return what ccxt returns."""
    return [[ms(row[0]), *row[1:6]] for row in made]


def zipped(**members: bytes) -> bytes:
    """Return a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return content.getvalue()


def saved(write: Callable[[io.BytesIO], Any]) -> bytes:
    """Return what something writes."""
    content = io.BytesIO()
    write(content)
    return content.getvalue()


OWN = "time_utc,open,high,low,close,volume,value"
PLAIN = "date,open,high,low,close,volume,value"
OWN_CSV = table(OWN, lambda at: f"{iso(at)}Z")
KOREAN = "일시,시가,고가,저가,종가,거래량,거래대금"
OFFICIAL = "date_time_utc,open,high,low,close,acc_trade_price,acc_trade_volume"


def official(made: Sequence[Row] = ROWS) -> bytes:
    """Return a file of Upbit's downloads: newest first, turnover before volume."""
    lines = [f"{iso(row[0])},{row[1]},{row[2]},{row[3]},{row[4]},{row[6]},{row[5]}" for row in reversed(made)]
    return "\n".join([OFFICIAL, *lines]).encode()


def downloaded(written: Callable[[datetime], Any], header: str, width: int = 6) -> bytes:
    """Return a file of CryptoDataDownload: a comment, newest first."""
    lines = [
        ",".join([str(written(row[0])), "BTC/KRW", *(f"{value!r}" for value in row[1 : width + 1])])
        for row in reversed(ROWS)
    ]
    return "\n".join(["https://www.CryptoDataDownload.com", header, *lines]).encode()


def freqtrade() -> pd.DataFrame:
    """Return freqtrade's columns."""
    dates = pd.DatetimeIndex([row[0] for row in ROWS]).tz_convert("UTC")
    return pd.DataFrame({"date": dates, **{name: [row[1 + at] for row in ROWS] for at, name in enumerate(NAMES[:5])}})


FORMING = NOW.replace(hour=8)
"""A candle of 240 minutes that opened two hours ago."""
