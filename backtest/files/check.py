"""What is known about the history on disk: how far it reaches, how whole it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.files.judge import first_fault, resting
from backtest.files.market_names import is_market
from backtest.history.candles import Fault, duplicates, gaps
from backtest.problems import Damaged
from backtest.units import from_ms, to_ms, unit_ms

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from backtest.history.candles import Candles
    from backtest.history.store import Store

NO_MARKET = Fault("원화 마켓의 이름이 아님", "this is not the name of a won market")
DISORDER = Fault("캔들이 시간 순서가 아님", "the candles are not in order of time")
NOT_CLOSED = Fault("아직 끝나지 않은 캔들", "a candle that is still forming")
NO_TRADES = Fault("거래가 없는 캔들 (업비트는 만들지 않음)", "a candle without a trade, which Upbit makes none of")


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
    fault: Fault | None = None  # why the file cannot be used; None: it can


def examine_one(store: Store, unit: timedelta, market: str, now: datetime) -> Findings:
    """Look at every candle of a market; a file that cannot be read is a finding, not an error."""
    if not is_market(market):
        return Findings(market=market, fault=NO_MARKET)
    try:
        candles = store.read(unit, market).candles
    except Damaged as error:
        return Findings(market=market, fault=Fault(error.ko, error.en))
    return findings_of(market, candles, unit, now)


def findings_of(market: str, candles: Candles, unit: timedelta, now: datetime) -> Findings:
    """Say what is true of some candles."""
    if not len(candles):
        return Findings(market=market)
    length_ms = unit_ms(unit)
    holes = gaps(candles, length_ms)
    times = candles.opened_at_ms
    return Findings(
        market=market,
        first=from_ms(int(times[0])),
        last=from_ms(int(times[-1])),
        rows=len(candles),
        gaps=len(holes),
        missing=sum((hole.end_ms - hole.begin_ms) // length_ms for hole in holes),
        longest_gap_hours=max((hole.end_ms - hole.begin_ms for hole in holes), default=0) / 3_600_000,
        duplicates=duplicates(candles),
        fault=fault_of(candles, unit, now),
    )


def fault_of(candles: Candles, unit: timedelta, now: datetime) -> Fault | None:
    """Return why candles cannot be used: everything an import refuses, and what it would leave out."""
    times = candles.opened_at_ms
    if bad := first_fault(candles, unit, to_ms(now), told=True):
        index, why = bad
        return why if index is None else at(int(times[index]), why)
    if (times[1:] < times[:-1]).any():
        return DISORDER
    late, idle = times + unit_ms(unit) > to_ms(now), resting(candles)
    for found, why in ((late, NOT_CLOSED), (idle, NO_TRADES)):
        if found.any():
            return at(int(times[found][0]), why)
    return None


def at(opened_at_ms: int, why: Fault) -> Fault:
    """Return a fault with the candle it is of."""
    moment = f"{from_ms(opened_at_ms):%Y-%m-%dT%H:%M:%SZ}"
    return Fault(f"{moment}: {why.ko}", f"{moment}: {why.en}")
