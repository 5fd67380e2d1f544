"""The lengths of a candle that Upbit has, and how they are written: 1m ... 240m, day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)
UNITS: dict[str, timedelta] = {
    **{f"{minutes}m": timedelta(minutes=minutes) for minutes in (1, 3, 5, 10, 15, 30, 60, 240)},
    "day": DAY,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def name_of(unit: timedelta) -> str:
    """Return how a unit is written."""
    return next(name for name, length in UNITS.items() if length == unit)


def to_ms(moment: datetime) -> int:
    """Return epoch milliseconds of an aware time."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the aware UTC time of epoch milliseconds."""
    return EPOCH + int(milliseconds) * MILLISECOND


def unit_ms(unit: timedelta) -> int:
    """Return the length of a candle in milliseconds."""
    return unit // MILLISECOND
