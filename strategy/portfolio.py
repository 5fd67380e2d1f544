"""Rules of the whole account, the same for the daemon and the backtester: who is drawn, and for how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

One = TypeVar("One")

WON = Decimal(1)
MIN_TOTAL = Decimal(5000)
"""Least notional Upbit takes in a KRW market, for buys and for sells."""
KST = timedelta(hours=9)
EXIT_MARGIN = Decimal("1.02")
"""How much more than Upbit's least notional a stopped position must be worth: fee, slippage, a tick."""


def draw(
    rng: random.Random,
    targets: Iterable[str],
    taken: Collection[str],
    exits: Mapping[str, datetime],
    now: datetime,
    *,
    cooldown: timedelta,
    slots: int,
) -> list[str]:
    """Draw at most `slots` different targets at random.

    Args:
        rng: seeded; the same seed and candidates give the same draw.
        targets: markets that pass the strategy.
        taken: markets that are already being traded.
        exits: when the last trade of each market ended, UTC.
        now: UTC.
        cooldown: how long a market rests after an exit.
        slots: free places.
    """
    barred = {market for market, ended in exits.items() if is_resting(ended, now, cooldown)}.union(taken)
    return pick(rng, sorted(market for market in targets if market not in barred), slots)


def pick(rng: random.Random, candidates: Sequence[One], slots: int) -> list[One]:
    """Return at most `slots` different candidates, drawn at random; they stand in the order of their markets' names."""
    if slots == 1 and candidates:
        return [rng.choice(candidates)]  # the same draw as `sample` makes, for a third of its time
    return rng.sample(candidates, min(max(slots, 0), len(candidates)))


def is_resting(ended: datetime | None, now: datetime, cooldown: timedelta) -> bool:
    """Return whether a market whose last trade ended at `ended` must not be bought yet."""
    return ended is not None and now - ended < cooldown


def order_total(wished: Decimal, available: Decimal, fee_rate: Decimal, minimum: Decimal) -> Decimal | None:
    """Return the won of a market buy: the wish, or what the balance allows with the fee on top; None below the minimum.

    Args:
        wished: order size, KRW.
        available: free balance, KRW.
        fee_rate: fraction of the notional, 0.0005.
        minimum: least notional, KRW.
    """
    total = min(wished, available / (1 + fee_rate)).quantize(WON, rounding=ROUND_FLOOR)
    return total if total >= minimum else None


def exact(number: float | Decimal) -> Decimal:
    """Return the shortest decimal that stands for a number."""
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def can_leave(total: Decimal, stop_fraction: float | Decimal, minimum: Decimal) -> bool:
    """Return whether a buy of `total` won could still be sold when its price has fallen to the stop."""
    return total * (1 - exact(stop_fraction)) >= minimum * EXIT_MARGIN


def stop_price(average: Decimal, distance: float | Decimal | None) -> Decimal | None:
    """Return where the protective stop of a position lies, KRW; None without one.

    Args:
        average: average fill price of the entry, KRW.
        distance: how far below it the stop lies, KRW per unit.
    """
    if not distance:
        return None
    return max(average - exact(distance), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Hard limits in won; None: no limit."""

    order_krw: Decimal | None
    market_krw: Decimal | None
    day_krw: Decimal | None


def broken_cap(caps: Caps, total: Decimal, *, in_market: Decimal, spent_today: Decimal) -> str | None:
    """Return the code of the first cap that a buy of `total` won would break, None when it breaks none.

    Args:
        caps: the limits.
        total: won of the buy.
        in_market: won that are in its market already.
        spent_today: won of all buys of this day in Korea so far, with their fees.
    """
    if caps.order_krw is not None and total > caps.order_krw:
        return "cap_order"
    if caps.market_krw is not None and in_market + total > caps.market_krw:
        return "cap_market"
    if caps.day_krw is not None and spent_today + total > caps.day_krw:
        return "cap_day"
    return None


def start_of_day(now: datetime) -> datetime:
    """Return when the day in Korea began, UTC."""
    korean = now + KST
    return korean.replace(hour=0, minute=0, second=0, microsecond=0) - KST
