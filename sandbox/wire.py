"""How values look on the wire: exact decimals, Upbit's time formats, JSON bytes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, InvalidOperation
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, object]

KST = timezone(timedelta(hours=9))
KST_MS = 9 * 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
MOST_DIGITS = 18
# Price x volume x fee rate has up to 20 decimals; with 60 digits every sum of them is exact.
EXACT = Context(prec=60)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?", re.ASCII)

# Prices and volumes leave as JSON numbers with exactly the digits they have: no float in between.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
to_json = _ENCODER.encode


def read_json(text: str | bytes, **hooks: Callable[[str], object]) -> Any:
    """Decode JSON of a client; raise `ValueError` for what is none, also when it is nested too deeply to be read."""
    try:
        return json.loads(text, **hooks)  # type: ignore[arg-type]  # hooks are those of json.loads
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def plain(value: Decimal) -> str:
    """Return the number without exponent and without trailing zeros, as the exchange side writes decimals."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def trim(value: Decimal) -> Decimal:
    """Return the same number without trailing zeros, for JSON numbers."""
    return Decimal(plain(value))


def read_decimal(text: object) -> Decimal | None:
    """Read a decimal a client sent (scientific notation included); None when it is not a finite number."""
    if not isinstance(text, str) or not text.isascii() or "_" in text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def read_natural(text: str) -> int | None:
    """Read digits; None when there is something else, or more of them than any of our numbers has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def to_ms(moment: datetime) -> int:
    """Return epoch milliseconds of an aware moment, exactly."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(at_ms: int) -> datetime:
    """Return the UTC moment of epoch milliseconds, exactly."""
    return EPOCH + timedelta(milliseconds=at_ms)


def utc_text(at_ms: int) -> str:
    """`2025-07-01T12:00:00`, UTC without a zone."""
    return from_ms(at_ms).isoformat()[:19]


def kst_text(at_ms: int) -> str:
    """`2025-07-01T21:00:00`, KST without a zone."""
    return utc_text(at_ms + KST_MS)


def kst_zoned(at_ms: int) -> str:
    """`2025-07-01T21:00:00+09:00`, as order times are written."""
    return kst_text(at_ms) + "+09:00"


def kst_micros(at_ms: int) -> str:
    """`2025-07-01T21:00:00.123000+09:00`, as fill times are written."""
    return from_ms(at_ms).astimezone(KST).isoformat(timespec="microseconds")


def http_date(moment: datetime) -> str:
    """Return the value of an HTTP `Date` header, independent of the process locale."""
    return format_datetime(moment, usegmt=True)


def read_moment(text: str) -> datetime | None:
    """Read `2025-06-24T04:56:53` with or without `Z` or an offset, UTC without; None when it is not one."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
