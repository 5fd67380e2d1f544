"""What a setting may be, what it becomes, and how both are written: the README and every refusal take it from here."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from config.problems import LONGEST_TOLD

UNITS = (1, 3, 5, 10, 15, 30, 60, 240)
SNOWFLAKE_FORM = re.compile(r"[1-9]\d{16,19}", re.ASCII)
HOST = re.compile(r"[a-z0-9.-]{1,253}(:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes."""

    allowed: str  # as the README and a refusal say it
    read: Callable[[Any], Any]  # a value of TOML; raises whatever it likes for one that is not allowed

    def convert(self, value: Any) -> Any:
        """Return what a value becomes.

        Raises:
            ValueError: with what is allowed.
        """
        try:
            return self.read(value)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ValueError(self.allowed) from error


def need(*conditions: bool) -> None:
    """Refuse a value for which something does not hold."""
    if not all(conditions):
        raise ValueError


def whole(least: int, most: int) -> Kind:
    """Return what takes whole numbers of a range."""

    def read(value: Any) -> int:
        need(isinstance(value, int), not isinstance(value, bool), least <= value <= most)
        return int(value)

    return Kind(f"{least} ~ {most}", read)


def amount(least: str, most: str) -> Kind:
    """Return what takes exact amounts of a range."""
    low, high = Decimal(least), Decimal(most)

    def read(value: Any) -> Decimal:
        need(isinstance(value, int | Decimal), not isinstance(value, bool))
        number = Decimal(value)
        need(low <= number <= high)  # what is no number cannot be compared, which is refused as well
        return number

    return Kind(f"{low:f} ~ {high:f}", read)


def seconds(least: int, most: int) -> Kind:
    """Return what takes numbers of seconds, of a range."""
    exact = amount(str(least), str(most))
    return Kind(exact.allowed, lambda value: float(exact.read(value)))


def one_of(*words: str) -> Kind:
    """Return what takes words of a list."""

    def read(value: Any) -> str:
        need(value in words)
        return str(value)

    return Kind(", ".join(words), read)


def _switch(value: Any) -> bool:
    need(isinstance(value, bool))
    return bool(value)


def _minutes(value: Any) -> timedelta:
    need(not isinstance(value, bool), value in UNITS)
    return timedelta(minutes=value)


def _word(value: Any) -> str:
    need(isinstance(value, str), 0 < len(value) <= LONGEST_TOLD)
    return str(value)


def _markets(value: Any) -> tuple[str, ...]:
    need(isinstance(value, list), all(isinstance(one, str) and one.startswith("KRW-") for one in value))
    return tuple(value)


def _address(value: Any) -> str:
    need(isinstance(value, str))
    return str(ipaddress.ip_address(value))


def _hosts(value: Any) -> tuple[str, ...]:
    need(isinstance(value, list), all(isinstance(one, str) and HOST.fullmatch(one) for one in value))
    return tuple(value)


def _snowflake(value: Any) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    need(SNOWFLAKE_FORM.fullmatch(text) is not None)
    return int(text)


def _table(value: Any) -> Mapping[str, object]:
    need(isinstance(value, dict))
    return dict(value)


SWITCH = Kind("true, false", _switch)
MINUTES = Kind(", ".join(map(str, UNITS)), _minutes)
"""Lengths of candles, minutes."""
MARKETS = Kind('["KRW-...", ...]', _markets)

ADDRESS = Kind("127.0.0.1, 0.0.0.0, ::1 ...", _address)
SNOWFLAKE = Kind("123456789012345678 ...", _snowflake)
"""Ids of Discord."""
HOSTS = Kind('["bot.example.com", ...]', _hosts)


def word(allowed: str) -> Kind:
    """Return what takes any short text; `allowed` says what it means."""
    return Kind(allowed, _word)


def table(allowed: str) -> Kind:
    """Return what takes a table that somebody else checks; `allowed` says who."""
    return Kind(allowed, _table)


def toml(value: Any) -> str:
    """Write the value of a setting as it stands in config.toml; empty for one that stands nowhere."""
    match value:
        case None:
            return ""
        case bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case timedelta():
            return str(value // timedelta(minutes=1))
        case tuple():
            return f"[{', '.join(map(toml, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{key} = {toml(inner)}' for key, inner in value.items())}}}"
        case _:
            return f"{Decimal(str(value)).normalize():f}"
