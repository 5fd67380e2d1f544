"""What a value of a setting may be, and what it becomes; a wrong one is told what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from config.problems import LONGEST_TOLD

UNITS = (1, 3, 5, 10, 15, 30, 60, 240)
Convert = Callable[[Any], Any]


def whole(least: int, most: int) -> Convert:
    """Return a converter for whole numbers in a range."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{least} ~ {most}")
        return value

    return convert


def amount(least: str, most: str) -> Convert:
    """Return a converter for exact amounts in a range."""
    low, high = Decimal(least), Decimal(most)

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"{low:f} ~ {high:f}")  # noqa: TRY004 - reported like every other wrong value
        number = Decimal(value)
        if not number.is_finite() or not low <= number <= high:
            raise ValueError(f"{low:f} ~ {high:f}")
        return number

    return convert


def one_of(*words: str) -> Convert:
    """Return a converter for words of a list."""

    def convert(value: Any) -> str:
        if value not in words:
            raise ValueError(" | ".join(words))
        return str(value)

    return convert


def switch(value: Any) -> bool:
    """Convert a yes or no."""
    if not isinstance(value, bool):
        raise ValueError("true | false")  # noqa: TRY004 - reported like every other wrong value
    return value


def seconds(value: Any) -> float:
    """Convert a number of seconds."""
    return float(amount("1", "300")(value))


def unit(value: Any) -> timedelta:
    """Convert the length of a candle, minutes."""
    if value not in UNITS or isinstance(value, bool):
        raise ValueError(" | ".join(map(str, UNITS)))
    return timedelta(minutes=value)


def word(value: Any) -> str:
    """Convert a text."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOLD:
        raise ValueError("text")
    return value


def markets(value: Any) -> tuple[str, ...]:
    """Convert a list of markets."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one.startswith("KRW-") for one in value):
        raise ValueError('["KRW-USDT", ...]')
    return tuple(value)


def table(value: Any) -> Mapping[str, object]:
    """Convert a table that somebody else checks."""
    if not isinstance(value, dict):
        raise ValueError("a table")  # noqa: TRY004 - reported like every other wrong value
    return value
