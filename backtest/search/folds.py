"""Anchored folds: parameters are chosen on everything before a moment and judged on what comes after it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from backtest.problems import UsageProblem
from backtest.units import DAY

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Choose on `begin`..`middle`, judge on `middle`..`end`; all UTC."""

    begin: datetime
    middle: datetime
    end: datetime


def anchored(begin: datetime, end: datetime, *, count: int, training: float) -> tuple[Fold, ...]:
    """Cut a period into folds whose training always begins at its beginning and whose tests follow each other.

    The cuts lie on midnights UTC, where daily returns begin and end.

    Args:
        begin: UTC.
        end: UTC.
        count: folds.
        training: fraction of the period that the first fold is trained on.

    Raises:
        UsageProblem: when a test would be shorter than a day.
    """
    length = (end - begin) * (1 - training) / count // DAY * DAY
    first = midnight(end - count * length)
    if length < DAY or first <= begin:
        raise UsageProblem(
            f"기간이 너무 짧아 검증 구간 {count}개로 나눌 수 없습니다. --folds를 줄이거나 기간을 늘리세요.",
            f"The period is too short for {count} tests. Lower --folds or choose a longer period.",
        )
    cuts = [*(first + number * length for number in range(count)), end]
    return tuple(Fold(begin=begin, middle=middle, end=last) for middle, last in pairwise(cuts))


def midnight(moment: datetime) -> datetime:
    """Return the beginning of a day, UTC."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
