"""Candles as arrays, and the times between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strategy.grid import CandleArrays

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from upbit.models import CandleFields

FIELDS = ("open", "high", "low", "close", "volume")


def last_close(now: datetime, unit: timedelta) -> datetime:
    """Return when the last candle of `unit` before `now` closed. Upbit aligns minute candles to 00:00 UTC."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // unit * unit


def to_ms(moment: datetime) -> int:
    """Return epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def to_arrays(candles: Iterable[CandleFields]) -> CandleArrays:
    """Turn candles of one market, oldest first, into arrays."""
    rows = list(candles)
    columns = {name: np.array([float(getattr(row, name)) for row in rows], dtype=np.float64) for name in FIELDS}
    return CandleArrays(opened_at_ms=np.array([to_ms(row.opened_at) for row in rows], dtype=np.int64), **columns)


def merge(old: CandleArrays, new: CandleArrays, *, keep: int) -> CandleArrays:
    """Join two stretches of candles; where both know a candle the newer word wins, and the last `keep` stay."""
    times = np.concatenate([old.opened_at_ms, new.opened_at_ms])
    if np.all(times[1:] > times[:-1]):  # as nearly always: the new ones follow
        chosen: slice | np.ndarray = slice(-keep, None)
    else:
        # The first of equal times is taken, so the new stretch stands first.
        _, first = np.unique(times[::-1], return_index=True)
        chosen = (len(times) - 1 - first)[-keep:]
    columns = {name: np.concatenate([getattr(old, name), getattr(new, name)])[chosen] for name in FIELDS}
    return CandleArrays(opened_at_ms=times[chosen], **columns)


def part_of(arrays: CandleArrays, part: slice) -> CandleArrays:
    """Return some of the candles."""
    columns = {name: getattr(arrays, name)[part] for name in FIELDS}
    return CandleArrays(opened_at_ms=arrays.opened_at_ms[part], **columns)


def begin_of(page: CandleArrays, arrays: CandleArrays) -> int:
    """Return how many of the candles opened before the first of a page, which has one."""
    return int(np.searchsorted(arrays.opened_at_ms, page.opened_at_ms[0]))


def differences(arrays: CandleArrays, page: CandleArrays) -> int:
    """Return how many candles only one has, or has otherwise, where both reach; with an empty page, all there are."""
    if not len(page.close):
        return len(arrays.close)
    if not len(arrays.close):
        return len(page.close)
    ours = part_of(arrays, slice(begin_of(page, arrays), None))
    theirs = part_of(page, slice(begin_of(arrays, page), None))
    _, mine, their = np.intersect1d(ours.opened_at_ms, theirs.opened_at_ms, assume_unique=True, return_indices=True)
    equal = np.ones(len(mine), dtype=np.bool_)
    for name in FIELDS:
        equal &= getattr(ours, name)[mine] == getattr(theirs, name)[their]
    return len(ours.close) + len(theirs.close) - len(mine) - int(equal.sum())


def replaced(arrays: CandleArrays, page: CandleArrays, *, keep: int) -> CandleArrays:
    """Return the candles with what a page says in place of all from its first on."""
    return merge(part_of(arrays, slice(0, begin_of(page, arrays))), page, keep=keep)
