"""One file of candles: from its bytes to the candles of markets, or to the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from backtest.files.columns import places_of
from backtest.files.content import refuse_foreign, text_of
from backtest.files.forms import form_of
from backtest.files.judge import first_fault, likely_unit, resting
from backtest.files.market_names import market_of_file, unit_in, unit_of, written
from backtest.files.refusal import Refused
from backtest.files.rows import Rows
from backtest.files.separated import read_separated
from backtest.files.table import plain
from backtest.files.typed import FEATHER, PARQUET, read_arrow, read_json
from backtest.history.candles import VALUES, Candles
from backtest.units import UNITS, to_ms, unit_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import numpy.typing as npt

    from backtest.files.content import Source
    from backtest.files.forms import Form
    from backtest.files.rows import Places
    from backtest.files.table import Table
    from backtest.files.times import Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person said about the files, and when it is."""

    now: datetime
    unit: timedelta | None = None  # None: as each file says
    zone: Zone | None = None
    market: str | None = None  # None: as each file says


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file holds. Of one moment there may be several candles still."""

    form: Form
    unit: timedelta
    candles: Mapping[str, Candles]  # by market, in order of the rows
    rows: int  # below the header
    empty: int  # rows without prices: a calendar that somebody filled up
    idle: int  # rows without a trade, for which Upbit has no candle
    forming: int  # candles that were not closed when the file was saved


def table_of(source: Source) -> Table:
    """Return a file as a table, by what its first bytes are.

    Raises:
        Refused: when it is none.
    """
    content = source.content
    refuse_foreign(content)
    if content.startswith((PARQUET, FEATHER)):
        return read_arrow(content)
    text = text_of(content)
    return read_json(text) if text.lstrip("\ufeff \t\r\n").startswith(("[", "{")) else read_separated(text)


def read(source: Source, wishes: Wishes) -> Reading:
    """Read one file.

    Raises:
        ZoneNeeded: when its times name no zone, and the person named none.
        Refused: when it cannot be taken, with the reason.
    """
    if "_trade_" in source.name:
        raise Refused("캔들이 아니라 체결 목록입니다", "these are single trades, not candles")
    table = table_of(source)
    if any(plain(name) == "firstdayofperiod" for name in table.names):
        raise Refused("주·월·연 캔들은 쓰지 않습니다", "candles of weeks, months and years are not used here")
    named = name_of_market(source, wishes)
    rows = Rows(table, places_of(table.names, named))
    kept, empty = rows.filled()
    if not len(kept):
        raise Refused("캔들이 하나도 없습니다", "there is no candle in it")
    times = rows.times(kept, wishes.zone)
    raw = Candles(opened_at_ms=times, **{name: rows.numbers(name, kept) for name in VALUES})
    traded = np.flatnonzero(~resting(raw))
    if not len(traded):
        raise Refused("거래가 있는 캔들이 하나도 없습니다", "not one of its candles has a trade")
    kept, raw = kept[traded], raw.take(traded)
    told = unit_told(source, rows.minutes(kept))
    unit = unit_for(told, source, wishes, raw)
    candles = {}
    for market, mine in rows_of_markets(rows.markets(kept, named), named, len(kept)).items():
        if bad := first_fault(raw.take(mine), unit, to_ms(wishes.now), wishes.zone, told=told is not None):
            raise rows.bad(int(kept[mine[bad[0]]]), *bad[1]) if bad[0] is not None else Refused(*bad[1])
        candles[market] = closed(raw.take(mine), unit, wishes.now, source.saved_at)
    taken = sum(map(len, candles.values()))
    if not taken:
        raise Refused("아직 끝나지 않은 캔들뿐입니다", "it holds nothing but a candle that is still forming")
    return Reading(
        form=form_of(table, source.name),
        unit=unit,
        candles={market: one for market, one in candles.items() if len(one)},
        rows=len(table),
        empty=empty,
        idle=len(times) - len(traded),
        forming=len(traded) - taken,
    )


def name_of_market(source: Source, wishes: Wishes) -> str | None:
    """Return the market that the person, or the file's name, says.

    Raises:
        Refused: when the name is of a market of another currency.
    """
    return wishes.market or market_of_file(source.name, source.folder)


def rows_of_markets(said: npt.NDArray[np.str_] | None, named: str | None, count: int) -> dict[str, Places]:
    """Return which rows are whose.

    Raises:
        Refused: when nobody says of which market they are.
    """
    if said is not None:
        return {str(market): np.flatnonzero(said == market) for market in np.unique(said)}
    if named is None:
        raise Refused(
            "어느 마켓인지 알 수 없습니다. --market KRW-BTC처럼 알려 주거나 파일 이름을 KRW-BTC.csv로 바꾸세요",
            "nothing says of which market it is. Say --market KRW-BTC, or call the file KRW-BTC.csv",
        )
    return {named: np.arange(count)}


def unit_told(source: Source, in_rows: float | None) -> timedelta | None:
    """Return the length of the candles that rows or name say.

    Raises:
        Refused: for a unit that is not kept.
    """
    return unit_in(source.name) if in_rows is None else unit_of(timedelta(minutes=in_rows), f"{in_rows:g}m")


def unit_for(told: timedelta | None, source: Source, wishes: Wishes, raw: Candles) -> timedelta:
    """Return the length of the candles: what the file says, or the person, or the folder, or the distances.

    Raises:
        Refused: when file and person differ, or nobody knows.
    """
    if told and wishes.unit and told != wishes.unit:
        raise Refused(
            f"{written(told)} 캔들인데 --unit은 {written(wishes.unit)}입니다",
            f"these are {written(told)} candles, but --unit says {written(wishes.unit)}",
        )
    unit = wishes.unit or told or UNITS.get(source.folder) or likely_unit(raw.opened_at_ms)
    if unit is None:
        raise Refused(
            "캔들의 단위를 알 수 없습니다. --unit 240m처럼 알려 주세요",
            "nothing says how long its candles are. Say --unit, as in --unit 240m",
        )
    return unit


def closed(candles: Candles, unit: timedelta, now: datetime, saved_at: datetime) -> Candles:
    """Return the candles that were closed when the file was saved, and are now."""
    length = unit_ms(unit)
    saved = to_ms(saved_at)
    begun_at_saving = (candles.opened_at_ms <= saved) & (saved < candles.opened_at_ms + length)
    return candles.take(np.flatnonzero((candles.opened_at_ms + length <= to_ms(now)) & ~begun_at_saving))
