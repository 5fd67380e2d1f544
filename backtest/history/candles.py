"""Candles of one market as columns, and what may be said about them: merged, checked, searched for gaps."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strategy.base import Floats

Times = npt.NDArray[np.int64]
PRICES = ("open", "high", "low", "close")
VALUES = (*PRICES, "volume", "turnover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """Closed candles of one market, oldest first, each array of shape ``(candles,)``.

    Prices are float64: Upbit's have at most 12 significant digits, and any number of up to 15 survives the way to
    float64 and back unchanged. Volumes and turnovers can have more; they are only ever summed and compared.
    """

    opened_at_ms: Times  # epoch milliseconds, UTC
    open: Floats  # KRW
    high: Floats  # KRW
    low: Floats  # KRW
    close: Floats  # KRW
    volume: Floats  # units of base currency
    turnover: Floats  # KRW; NaN where it was not kept

    def __len__(self) -> int:
        return len(self.opened_at_ms)

    def take(self, at: npt.NDArray[np.intp] | slice) -> Candles:
        """Return some of the candles."""
        return Candles(**{field.name: getattr(self, field.name)[at] for field in fields(self)})


NONE = Candles(opened_at_ms=np.empty(0, np.int64), **{name: np.empty(0) for name in VALUES})


def merge(old: Candles, new: Candles) -> Candles:
    """Join two stretches in order of time, each candle once; where both know one, the newer word wins."""
    times = np.concatenate([new.opened_at_ms, old.opened_at_ms])
    _, first = np.unique(times, return_index=True)
    joined = {
        field.name: np.concatenate([getattr(new, field.name), getattr(old, field.name)])[first]
        for field in fields(Candles)
    }
    return Candles(**joined)


class Fault(NamedTuple):
    """Why something cannot be used, in both languages."""

    ko: str
    en: str


NO_PRICE = Fault("0보다 크지 않은 가격", "a price that is not above 0")
BAD_RANGE = Fault("저가 <= 시가, 종가 <= 고가가 아님", "low <= open, close <= high does not hold")
NO_VOLUME = Fault("거래량이 없음", "the volume is missing")
NEGATIVE_VOLUME = Fault("0보다 작은 거래량", "a volume below 0")
INFINITE_TURNOVER = Fault("무한대인 거래대금", "an infinite turnover")
NEGATIVE_TURNOVER = Fault("0보다 작은 거래대금", "a turnover below 0")
OFF_GRID = Fault("캔들 단위의 배수 시각에 시작하지 않음", "it does not begin at a multiple of the unit")


def first_bad(candles: Candles, unit_ms: int) -> tuple[int, Fault] | None:
    """Return the index of the first candle that cannot be one, and why; None when all can."""
    lowest = np.minimum(candles.open, candles.close)
    highest = np.maximum(candles.open, candles.close)
    faults = {
        NO_PRICE: ~(candles.low > 0) | ~np.isfinite(candles.high),
        BAD_RANGE: ~((candles.low <= lowest) & (highest <= candles.high)),
        NO_VOLUME: ~np.isfinite(candles.volume),
        NEGATIVE_VOLUME: candles.volume < 0,
        INFINITE_TURNOVER: np.isposinf(candles.turnover),
        NEGATIVE_TURNOVER: candles.turnover < 0,
        OFF_GRID: candles.opened_at_ms % unit_ms != 0,
    }
    found = [(int(fault.argmax()), why) for why, fault in faults.items() if fault.any()]
    return min(found, default=None, key=lambda one: one[0])


def duplicates(candles: Candles) -> int:
    """Return how many candles stand there more than once."""
    return len(candles) - len(np.unique(candles.opened_at_ms))


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without candles. Upbit makes none without a trade, so a gap is not a fault."""

    begin_ms: int  # end of the last candle before it
    end_ms: int  # opening of the first candle after it


def gaps(candles: Candles, unit_ms: int) -> list[Gap]:
    """Return the gaps between a market's candles, oldest first."""
    times = candles.opened_at_ms
    at = np.flatnonzero(np.diff(times) > unit_ms)
    return [Gap(int(times[i]) + unit_ms, int(times[i + 1])) for i in at]


Span = tuple[int, int]
"""Begin and end of a stretch of time, epoch milliseconds; the end does not belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store knows of one market."""

    candles: Candles = NONE
    asked: tuple[Span, ...] = ()  # stretches in which every candle there is has been fetched


def add_span(spans: Iterable[Span], new: Span) -> tuple[Span, ...]:
    """Return spans in order, with one more, and those that touch joined."""
    joined: list[Span] = []
    for begin, end in sorted([*spans, new]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif begin < end:
            joined.append((begin, end))
    return tuple(joined)


def missing_spans(spans: Iterable[Span], wanted: Span) -> list[Span]:
    """Return the parts of `wanted` that no span covers, oldest first."""
    begin, end = wanted
    missing = []
    for known_begin, known_end in sorted(spans):
        if known_begin > begin:
            missing.append((begin, min(known_begin, end)))
        begin = max(begin, known_end)
        if begin >= end:
            break
    if begin < end:
        missing.append((begin, end))
    return [(a, b) for a, b in missing if a < b]
