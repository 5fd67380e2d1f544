"""How much of a position can be sold now, decided purely: ours, free, and worth at least what Upbit takes."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from strategy.portfolio import MIN_TOTAL
from trader.orders import risk
from upbit.rules import round_down_volume

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from state import Balance


class SaleVerdict(Enum):
    """What to do with a position that shall be sold."""

    SELL = auto()
    DUST = auto()  # all of it is worth less than Upbit takes
    WAIT = auto()  # what is free is worth too little, what is ours is not: something locks it, or has taken it


class Sale(NamedTuple):
    """What to do, and for SELL how much."""

    verdict: SaleVerdict
    volume: Decimal


def judge_sale(ours: Decimal, wallet: Balance | None, last_fill_at: datetime, best_bid: Decimal) -> Sale:
    """Return what can be sold of `ours` units at `best_bid` KRW: never more than is ours, never more than is free."""
    volume = round_down_volume(risk.sellable(ours, wallet, last_fill_at))
    if volume * best_bid >= MIN_TOTAL:
        return Sale(SaleVerdict.SELL, volume)
    unsellable = round_down_volume(ours) * best_bid < MIN_TOTAL
    return Sale(SaleVerdict.DUST if unsellable else SaleVerdict.WAIT, volume)
