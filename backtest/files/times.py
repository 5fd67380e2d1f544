"""When candles open: epochs of every size, ISO texts, Korean ones, with a zone, or with the one that was said."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backtest.files.refusal import Refused, ZoneNeeded
from backtest.files.table import plain
from backtest.units import to_ms

if TYPE_CHECKING:
    from backtest.history.candles import Times


class Zone(StrEnum):
    """A zone that times without one may be said to be in."""

    KST = "kst"
    UTC = "utc"


BEFORE_UTC_MS = {Zone.UTC: 0, Zone.KST: 9 * 3_600_000}
EPOCHS = ((1e9, 1e10, 1e3), (1e12, 1e13, 1.0), (1e15, 1e16, 1e-3), (1e18, 9e18, 1e-6))
"""From, to, and milliseconds in one: seconds, milli-, micro- and nanoseconds of the years 2001 to 2255 and later."""
PACKED = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""Digits of a day or a moment that somebody wrote without signs."""
DAY_ALONE = r"^\d{4}-\d\d-\d\d$"
WRITTEN = re.compile(
    r"(?P<year>\d{4})\s*[-./년]\s*(?P<month>\d{1,2})\s*[-./월]\s*(?P<day>\d{1,2})\s*[.일]?"
    r"(?:[T_\s]\s*(?P<before>오전|오후|[AaPp][Mm])?\s*(?P<hour>\d{1,2})\s*[:시]?\s*(?:(?P<minute>\d{1,2})\s*분?)?"
    r"(?:\s*:?\s*(?P<second>\d{1,2})(?:\.\d+)?\s*초?)?\s*-?\s*(?P<after>[AaPp][Mm])?)?"
    r"\s*(?P<zone>Z|UTC|GMT|KST|[+-]\d\d:?\d\d)?"
)
AFTERNOON = frozenset({"오후", "pm"})


def zone_named(name: str) -> Zone | None:
    """Return the zone that a column's name says."""
    known = plain(name)
    if known.endswith("utc") or known == "openedat":
        return Zone.UTC
    return Zone.KST if known.endswith(("kst", "한국시간", "한국")) else None


def read_times(column: pa.ChunkedArray | pa.Array, name: str, zone: Zone | None) -> Times:
    """Return epoch milliseconds.

    Args:
        column: what the file says, of any type, none missing.
        name: of the column: it may name the zone.
        zone: what the person said; what the file says goes first.

    Raises:
        ZoneNeeded: when neither file nor person names a zone.
        Refused: when they are no times.
    """
    told = zone_named(name) or zone
    if pa.types.is_timestamp(column.type):
        return placed(column.cast(pa.timestamp("ms"), safe=False), told, aware=column.type.tz is not None)
    if pa.types.is_date(column.type):
        return milliseconds(column.cast(pa.timestamp("ms")))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return from_numbers(column, told)
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    if pc.all(pc.match_substring_regex(text, r"^\d{8,19}(\.\d*)?$|^\d\.\d+[eE]\+?\d+$")).as_py():
        return from_numbers(
            text.cast(pa.float64() if pc.any(pc.match_substring_regex(text, "[.eE]")).as_py() else pa.int64()), told
        )
    return from_texts(text, told)


def milliseconds(column: pa.ChunkedArray | pa.Array) -> Times:
    """Return a column of milliseconds as an array."""
    array: Times = np.asarray(column.cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy(), dtype=np.int64)
    return array


def placed(column: pa.ChunkedArray | pa.Array, zone: Zone | None, *, aware: bool) -> Times:
    """Return times in UTC, of a column that has a zone or stands in the one that was told."""
    if aware:
        return milliseconds(column)
    if zone is None:
        raise ZoneNeeded
    return milliseconds(column) - BEFORE_UTC_MS[zone]


def from_numbers(column: pa.ChunkedArray | pa.Array, zone: Zone | None) -> Times:
    """Return times that are epochs, or days and moments packed into digits.

    Raises:
        Refused: when they are neither, or of several sizes.
    """
    values = column.to_numpy()
    least, most = float(values.min()), float(values.max())
    for begin, end, factor in EPOCHS:
        if begin <= least and most < end:
            exact = values if np.issubdtype(values.dtype, np.integer) else np.round(values)
            scaled: Times = (
                exact.astype(np.int64) * int(factor) if factor >= 1 else exact.astype(np.int64) // round(1 / factor)
            )
            return scaled
    if not np.isfinite(values).all():
        raise no_time("inf")
    texts = [str(int(value)) for value in values]
    form = PACKED.get(len(texts[0]))
    if form is None:
        raise no_time(texts[0])
    try:
        moments = [datetime.strptime(text, form).replace(tzinfo=UTC) for text in texts]
    except ValueError as error:
        raise no_time(texts[0]) from error
    if form != PACKED[8] and zone is None:
        raise ZoneNeeded
    back = BEFORE_UTC_MS[zone] if zone and form != PACKED[8] else 0
    return np.array([to_ms(moment) - back for moment in moments], dtype=np.int64)


def from_texts(text: pa.ChunkedArray | pa.Array, zone: Zone | None) -> Times:
    """Return times that are written out. A day alone is Upbit's day, which has one name in both zones.

    Raises:
        Refused: when they are no times, or only some name a zone.
    """
    if pc.all(pc.match_substring_regex(text, DAY_ALONE)).as_py():
        return milliseconds(cast(text, pa.timestamp("ms")))
    for aware, kind in ((True, pa.timestamp("ns", tz="UTC")), (False, pa.timestamp("ns"))):
        try:
            return placed(text.cast(kind).cast(pa.timestamp("ms", tz=kind.tz), safe=False), zone, aware=aware)
        except pa.ArrowInvalid:
            continue
    moments = [from_text(one) for one in text.to_pylist()]
    bare = [moment.tzinfo is None for moment, alone in moments if not alone]
    if any(bare) and not all(bare):
        raise Refused("시간대가 있는 시각과 없는 시각이 섞여 있습니다", "some times name a zone, and some do not")
    if any(bare) and zone is None:
        raise ZoneNeeded
    told = timezone(timedelta(milliseconds=BEFORE_UTC_MS[zone])) if zone else UTC
    aware_ones = (moment.replace(tzinfo=UTC if alone else moment.tzinfo or told) for moment, alone in moments)
    return np.array([to_ms(moment) for moment in aware_ones], dtype=np.int64)


def cast(text: pa.ChunkedArray | pa.Array, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    """Return texts as times; one that is none is named."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid as error:
        raise no_time(str(text[0].as_py())) from error


def from_text(text: str) -> tuple[datetime, bool]:
    """Return one written time, without zone where it has none, and whether it is a day alone.

    Raises:
        Refused: when it is none.
    """
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise no_time(text)
    half = (found["before"] or found["after"] or "").casefold()
    hour = int(found["hour"] or 0)
    if half:
        hour = hour % 12 + (12 if half in AFTERNOON else 0)
    try:
        moment = datetime(  # noqa: DTZ001 - its zone is settled by whoever knows it
            int(found["year"]),
            int(found["month"]),
            int(found["day"]),
            hour,
            int(found["minute"] or 0),
            int(found["second"] or 0),
        )
    except ValueError as error:
        raise no_time(text) from error
    return moment.replace(tzinfo=offset(found["zone"])), found["hour"] is None


def offset(name: str | None) -> timezone | None:
    """Return the zone that a time names."""
    if name is None:
        return None
    if name in {"Z", "UTC", "GMT"}:
        return UTC
    if name == "KST":
        return timezone(timedelta(hours=9))
    sign = -1 if name.startswith("-") else 1
    return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[-2:])))


def no_time(text: str) -> Refused:
    """Return what a cell that is no time means."""
    return Refused(
        f"'{text}'은 시각이 아닙니다. 2024-01-31 09:00 같은 꼴이나 epoch여야 합니다",
        f"'{text}' is no time. It must look like 2024-01-31 09:00, or be an epoch",
    )
