"""One candle for each moment: of several the most complete, and a word about those that said something else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from backtest.history.candles import VALUES, Candles

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from backtest.files.rows import Places
    from backtest.history.candles import Span

EQUAL = 1e-9
"""Relative: what two programs write of one number differs by less."""

OTHER = 1e-4
"""Relative: prices of one moment that differ by more are not one price written in two ways."""
ENOUGH = 20
"""Common candles from which on most of them differing is no accident of a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of some stretches, the first of which was there before."""

    candles: Candles
    repeated: Sequence[int]  # of each stretch: candles that it, or one before it, says as well
    conflicts: Sequence[int]  # of each stretch: moments of which it, or one before it, says something else
    first_conflict_ms: Sequence[int | None]
    without: Sequence[int]  # of each stretch: candles of moments for which Upbit itself was asked, and had none


def settle(stretches: Sequence[Candles], asked: Sequence[Span] = ()) -> Settled:
    """Join stretches; where two know a candle, the more complete one wins.

    A candle that was saved while it formed has less volume than the whole one. With equal volumes the one whose
    turnover is known, then the larger turnover, the wider range, and at last the later one in order. What lies in
    `asked` was fetched from Upbit itself: only the first stretch counts there, and a gap in it is a gap.
    """
    joined = Candles(**{f.name: np.concatenate([getattr(one, f.name) for one in stretches]) for f in fields(Candles)})
    origin = np.repeat(np.arange(len(stretches)), [len(one) for one in stretches])
    times = joined.opened_at_ms
    fetched = within(times, asked)
    ours = fetched & (origin == 0)
    foreign_rows = fetched & (origin > 0)
    span = joined.high - joined.low
    turnover = np.nan_to_num(joined.turnover, nan=-1.0)
    order = np.lexsort((np.arange(len(times)), span, turnover, joined.volume, ours, times))
    ordered = times[order]
    last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.empty(0, bool)
    winner = order[last]  # one a moment, in order of time
    kept = winner[~foreign_rows[winner]]
    again, differs = repetitions(joined)
    count = len(stretches)
    firsts = [times[again[differs & (origin[again] == index)]] for index in range(count)]
    return Settled(
        candles=joined.take(kept),
        repeated=np.bincount(origin[again[~differs]], minlength=count).tolist(),
        conflicts=[len(np.unique(one)) for one in firsts],
        first_conflict_ms=[int(one.min()) if len(one) else None for one in firsts],
        without=np.bincount(origin[winner[foreign_rows[winner]]], minlength=count).tolist(),
    )


def repetitions(candles: Candles) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Return the rows whose moment stood there before, and which of them say something else than the one before."""
    order = np.argsort(candles.opened_at_ms, kind="stable")
    same = candles.opened_at_ms[order[1:]] == candles.opened_at_ms[order[:-1]]
    again, before = order[1:][same], order[:-1][same]
    return again, unequal(candles, again, before)


def distinct(candles: Candles) -> int:
    """Return of how many moments there are candles."""
    return len(np.unique(candles.opened_at_ms, return_index=True)[0])


def foreign(known: Candles, new: Candles) -> bool:
    """Return whether new candles tell of another market, exchange or zone: most closes differ from those we know."""
    times, ours, theirs = np.intersect1d(known.opened_at_ms, new.opened_at_ms, return_indices=True)
    if len(times) < ENOUGH:
        return False
    differ = np.abs(known.close[ours] - new.close[theirs]) > OTHER * known.close[ours]
    return bool(2 * differ.sum() > len(times))


def within(times: npt.NDArray[np.int64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Return which times lie in any of the spans."""
    inside = np.zeros(len(times), dtype=bool)
    for begin, end in spans:
        inside |= (times >= begin) & (times < end)
    return inside


def unequal(candles: Candles, one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return where candles say different things; a turnover that only one of them knows is no difference."""
    found = np.zeros(len(one), dtype=bool)
    for name in VALUES:
        values = getattr(candles, name)
        mine, theirs = values[one], values[other]
        with np.errstate(invalid="ignore"):
            found |= np.abs(mine - theirs) > EQUAL * np.maximum(np.abs(mine), np.abs(theirs))
    return found
