"""Values of the public market, and what a source offers. Prices in KRW, volumes in base currency, times in ms."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import date

Taker = Literal["BID", "ASK"]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One execution between strangers."""

    market: str
    price: Decimal
    volume: Decimal
    at_ms: int
    taker: Taker  # BID: a buyer took an ask
    sequential_id: int  # unique, not an order
    besides: Decimal = ZERO  # KRW a recorded candle counts in addition to price x volume


class Level(NamedTuple):
    """One price of the book. A tuple, because sixty of them are made for every look at a market."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Both sides of a market at one moment, best level first, at most 30 levels."""

    market: str
    at_ms: int
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Candle:
    """What was traded in one period; there is none for a period without a trade."""

    opened_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal  # KRW
    last_ms: int  # last trade


@dataclass(frozen=True, slots=True)
class Listing:
    """A market as it is listed."""

    market: str
    korean_name: str
    english_name: str
    warning: bool
    caution: frozenset[str]
    state: Literal["PREVIEW", "ACTIVE", "DELISTED"] = "ACTIVE"
    delisting_date: date | None = None  # last day of trading, once it is announced


class Source(Protocol):
    """Where public trades come from: the generator, or recorded candles."""

    listings: tuple[Listing, ...]
    start_ms: int
    end_ms: int | None  # None: it never ends
    takes_impact: bool  # whether fills of the user become part of the public candles

    def next_ms(self) -> int | None:
        """Return when the next public trade happens; None when there is none."""

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to and including `to_ms` that were not given yet, in time order."""

    def book(self, market: str, at_ms: int) -> Book:
        """Return the order book; the same for everybody who asks at that moment."""

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start that opened before `before_ms`, newest first."""
