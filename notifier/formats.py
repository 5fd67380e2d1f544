"""How a number and a time look to a person: written once, for messages, terminal and whatever else shows them.

Nothing is ever cut: a number is rounded to what it means (a price to its tick, won to whole won), never to fit a place.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, log10
from typing import TYPE_CHECKING

from upbit.rules import plain, rounded_average, tick_size

if TYPE_CHECKING:
    from datetime import datetime

KST = timedelta(hours=9)
"""Korea has no summer time."""
UP, DOWN = "▲", "▼"
WON = Decimal(1)
MOST_DECIMALS = 12
"""Of a number of an indicator: less is nothing."""
PERCENT = Decimal("0.01")


def won(amount: Decimal, language: str) -> str:
    """Return whole won: `1,234,567원`, `1,234,567 KRW`."""
    return f"{whole(amount):,}{unit(language)}"


def signed_won(amount: Decimal, language: str) -> str:
    """Return a gain or loss with its sign and direction: `▲ +12,340원`; nothing that is nothing has either."""
    rounded = whole(amount)
    return f"{arrow(rounded)}{rounded:+,}{unit(language)}" if rounded else f"0{unit(language)}"


def percent(share: Decimal) -> str:
    """Return a fraction as a gain or loss in percent: `▲ +1.23 %`."""
    rounded = (100 * share).quantize(PERCENT, ROUND_HALF_EVEN)
    return f"{arrow(rounded)}{rounded:+,} %" if rounded else "0.00 %"


def gain(amount: Decimal, basis: Decimal, language: str) -> str:
    """Return a gain or loss in won, and as a share of what was paid where anything was."""
    shown = signed_won(amount, language)
    return f"{shown} ({percent(amount / basis)})" if basis else shown


def price(amount: Decimal) -> str:
    """Return a price of a market to its tick, thousands apart: `3,215`, `0.00001234`."""
    if amount <= 0:
        return "0"
    step = tick_size(amount)
    return f"{(amount / step).quantize(WON, ROUND_HALF_EVEN) * step:,f}"


def average(amount: Decimal) -> str:
    """Return an average price, which lies between two ticks."""
    return f"{rounded_average(amount):,f}" if amount > 0 else "0"


def units(amount: Decimal) -> str:
    """Return a number of coins, exactly: thousands apart, no exponent, no needless zeros."""
    head, _, tail = plain(amount).partition(".")
    return f"{int(head):,}{'.' + tail if tail else ''}" if int(head) else plain(amount)


def kst(moment: datetime) -> str:
    """Return a time as clocks in Korea show it: `11-02 21:00 KST`."""
    return f"{moment + KST:%m-%d %H:%M} KST"


def stamp(moment: datetime | None) -> str:
    """Return a time to the minute with its year, as clocks in Korea show it; `-` for none."""
    return f"{moment + KST:%Y-%m-%d %H:%M}" if moment else "-"


def held(time: timedelta, language: str) -> str:
    """Return a duration in days, hours and minutes: `1일 2시간 5분`, `1d 2h 5m`."""
    minutes = int(time.total_seconds() // 60)
    parts = (minutes // 1440, minutes // 60 % 24, minutes % 60)
    names = ("일", "시간", "분") if language == "ko" else ("d", "h", "m")
    first = next((place for place, part in enumerate(parts) if part), 2)
    return " ".join(f"{part}{name}" for part, name in list(zip(parts, names, strict=True))[first:])


def number(value: object) -> str:
    """Return a number of an indicator in a form that can be read; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return str(value)
    amount = float(value)
    if abs(amount) >= 1000:  # noqa: PLR2004 - from here on decimals tell nothing
        return f"{amount:,.0f}"
    if abs(amount) >= 1:
        return f"{amount:.4g}"
    decimals = 3 - floor(log10(abs(amount))) if amount else 0
    return f"{amount:.{min(decimals, MOST_DECIMALS)}f}".rstrip("0").rstrip(".") if decimals else "0"


def whole(amount: Decimal) -> Decimal:
    """Return whole won; what rounds to nothing has no sign."""
    return amount.quantize(WON, ROUND_HALF_EVEN) + 0


def unit(language: str) -> str:
    """Return what stands behind an amount of won."""
    return "원" if language == "ko" else " KRW"


def arrow(amount: Decimal) -> str:
    """Return the direction of a change, and a space behind it."""
    return f"{UP if amount > 0 else DOWN} "
