"""What is known about the history on disk: how far it reaches, how whole it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.candles import duplicates, first_bad, gaps
from backtest.errors import Damaged
from backtest.units import from_ms, unit_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from backtest.candles import Candles
    from backtest.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a file holds. A gap is a stretch without trades, or one that was never fetched: no fault of the file."""

    market: str
    first: datetime | None = None  # opening of the first candle, UTC
    last: datetime | None = None  # opening of the last one
    rows: int = 0
    gaps: int = 0
    missing: int = 0  # candles that fit into the gaps
    longest_gap_hours: float = 0.0
    duplicates: int = 0
    fault: str | None = None  # why the file cannot be used; None: it can


def examine(store: Store, unit: timedelta, markets: Sequence[str]) -> list[Findings]:
    """Look at every candle of some markets."""
    return [examine_one(store, unit, market) for market in markets]


def examine_one(store: Store, unit: timedelta, market: str) -> Findings:
    """Look at every candle of a market; a file that cannot be read is a finding, not an error."""
    try:
        candles = store.read(unit, market).candles
    except Damaged as error:
        return Findings(market=market, fault=error.en)
    return findings_of(market, candles, unit_ms(unit))


def findings_of(market: str, candles: Candles, length_ms: int) -> Findings:
    """Say what is true of some candles."""
    if not len(candles):
        return Findings(market=market)
    holes = gaps(candles, length_ms)
    bad = first_bad(candles, length_ms)
    times = candles.opened_at_ms
    backwards = bool((times[1:] < times[:-1]).any())
    fault = f"{from_ms(int(times[bad[0]])):%Y-%m-%dT%H:%M:%SZ}: {bad[1]}" if bad else None
    return Findings(
        market=market,
        first=from_ms(int(times[0])),
        last=from_ms(int(times[-1])),
        rows=len(candles),
        gaps=len(holes),
        missing=sum((hole.end_ms - hole.begin_ms) // length_ms for hole in holes),
        longest_gap_hours=max((hole.end_ms - hole.begin_ms for hole in holes), default=0) / 3_600_000,
        duplicates=duplicates(candles),
        fault=fault or ("the candles are not in order of time" if backwards else None),
    )
