"""`Chart`: a market's candles, its strategy's own lines among them, what the gates said at each, and what was traded.

Candles are those that the daemon keeps in memory, as many as its strategy looks at, and the strategy itself computes
the lines of them. What the gates looked at is read from the journal, which keeps it for 14 days: older candles have
none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from notifier.words import Words
from strategy.gates import LEADER
from strategy.grid import build_window
from views.why import NothingKnown, known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from journal.queries import Queries
    from journal.records import Trade
    from journal.scans import Look
    from journal.verdicts import Scan
    from strategy.base import Floats, Strategy, Window
    from strategy.grid import CandleArrays

SHOWN = 240
"""Candles of a chart at most."""
TARGET = Words("매수 대상", "target")
SINGLE = 1e-5
"""The journal keeps numbers in single precision: what differs by less is the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a daemon knows beside its journal: candles, and who computes what of them."""

    unit: timedelta
    history: int  # candles its strategy looks at
    series: Mapping[str, CandleArrays]
    strategy: Strategy
    parameters: Any  # of the strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """What was paid within a candle, KRW."""

    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the gates said at the close of a candle."""

    code: str  # of the gate that stopped the market; "" for a target
    name: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one gate looked at, candle by candle; None where nobody looked, or it was not known."""

    name: Words
    relation: str
    values: tuple[float | None, ...]
    thresholds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A trade among the candles, by their places; the place behind the last one is the candle that is still open."""

    id: str
    begin: int  # below 0: it began before the first
    end: int | None  # None: it is held
    entry: Decimal  # average price, KRW
    exit: Decimal | None  # None: nothing was sold
    stop: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A market's newest closed candles. All tuples but `stays` and `asked` have one entry for each of them."""

    market: str
    unit: timedelta
    begin: datetime  # when the first candle opened, UTC
    candles: tuple[Candle | None, ...]  # None: nothing was traded
    lines: Mapping[str, tuple[float | None, ...]]  # the strategy's numbers that are prices of this market, by name
    said: tuple[Said | None, ...]  # None: nobody looked, or it is not kept any more
    asked: tuple[Asked, ...]  # the gates that look at something else than prices of this market
    stays: tuple[Stay, ...]

    def opened(self, place: int) -> datetime:
        """Return when the candle at a place opened, UTC."""
        return self.begin + place * self.unit


def chart(journal: Queries, kept: Kept, market: str) -> Chart:
    """Return the chart of a market.

    Raises:
        NothingKnown: no candle of it is in memory.
    """
    arrays = kept.series.get(market)
    if arrays is None:
        raise NothingKnown(
            f"{market}의 캔들이 메모리에 없습니다. 이름을 확인하세요 (예: KRW-BTC). 데몬은 시작한 뒤 캔들을 받습니다.",
            f"No candles of {market} are in memory. Check its name, e.g. KRW-BTC. A daemon fetches them at its start.",
        )
    window = window_of(kept, market)
    count = min(SHOWN, kept.history)
    begin = window.closed_at - count * kept.unit
    closes = {begin + (at + 1) * kept.unit: at for at in range(count)}
    told = journal.looks_at(market, begin + kept.unit, kept.unit)
    looks = {closes[look.closed_at]: look for look in told if look.closed_at in closes}
    lines = {name: shown(values, count) for name, values in levels(kept, window, market).items()}
    prices = [*lines.values(), shown(window.close[window.markets.index(market)], count)]
    return Chart(
        market=market,
        unit=kept.unit,
        begin=begin,
        candles=tuple(traded(arrays, begin, kept.unit, count)),
        lines=lines,
        said=tuple(said_of(looks[at].scan, market) if at in looks else None for at in range(count)),
        asked=tuple(asked_of(looks, count, prices)),
        stays=tuple(stay_of(trade, begin, kept.unit, count) for trade in journal.trades_in(market, begin)),
    )


def window_of(kept: Kept, market: str) -> Window:
    """Return the candles of a market and of the leader as their strategy sees them, up to the newest of any market."""
    newest_ms = max(int(arrays.opened_at_ms[-1]) for arrays in kept.series.values())
    closed_at = datetime.fromtimestamp(newest_ms / 1000, UTC) + kept.unit
    series = {name: kept.series[name] for name in (market, LEADER) if name in kept.series}
    return build_window(kept.unit, closed_at, kept.history, series, {})


def levels(kept: Kept, window: Window, market: str) -> dict[str, Floats]:
    """Return the numbers of a strategy that are prices of a market: those that rise by what all its prices rise by.

    So nobody has to say which they are, not even of one's own strategy. An average or a band is one; a range, a
    strength or another market's price is none.
    """
    at = window.markets.index(market)
    step = float(np.nanmedian(window.close[at]))
    raised = {}
    for name in ("open", "high", "low", "close"):
        prices = getattr(window, name).copy()
        prices[at] += step
        raised[name] = prices
    numbers = kept.strategy.compute(window, kept.parameters)
    moved = kept.strategy.compute(replace(window, **raised), kept.parameters)
    found = {}
    for name, values in numbers.items():
        here, there = values[at], moved[name][at]
        both = np.isfinite(here) & np.isfinite(there)
        is_close = np.array_equal(here, window.close[at], equal_nan=True)
        if both.any() and not is_close and np.allclose(there[both] - here[both], step, rtol=1e-6, atol=0):
            found[name] = here
    return found


def shown(values: Floats, count: int) -> tuple[float | None, ...]:
    """Return the last of some numbers; None for those that are not known."""
    return tuple(known(value) for value in values[-count:].tolist())


def traded(arrays: CandleArrays, begin: datetime, unit: timedelta, count: int) -> list[Candle | None]:
    """Return the candles at their places; None where nothing was traded."""
    places = ((arrays.opened_at_ms - round(begin.timestamp() * 1000)) // round(unit.total_seconds() * 1000)).tolist()
    columns = zip(arrays.open.tolist(), arrays.high.tolist(), arrays.low.tolist(), arrays.close.tolist(), strict=True)
    found: list[Candle | None] = [None] * count
    for place, (opened, high, low, close) in zip(places, columns, strict=True):
        if 0 <= place < count:
            found[place] = Candle(open=opened, high=high, low=low, close=close)
    return found


def said_of(scan: Scan | None, market: str) -> Said | None:
    """Return which gate stopped a market at a look; None where the look does not know the market."""
    if scan is None or market not in scan.everywhere():
        return None
    code = scan.failed(market)
    if code is None:
        return Said(code="", name=TARGET)
    names = {gate.code: Words(gate.ko, gate.en) for gate in scan.gates}
    names |= {gate["code"]: Words(gate["ko"], gate["en"]) for gate in scan.barred.values()}
    return Said(code=code, name=names[code])


def asked_of(looks: Mapping[int, Look], count: int, prices: Sequence[Sequence[float | None]]) -> Iterator[Asked]:
    """Yield what the gates of the newest look asked over time, without those that compare prices of the market."""
    seen = {at: look.scan for at, look in looks.items() if look.scan is not None and look.scan.markets}
    if not seen:
        return
    newest = max(seen)
    for gate in seen[newest].gates:
        if all(is_price(side, [line[newest] for line in prices]) for side in (gate.values[0], gate.thresholds[0])):
            continue
        rows = {at: one for at, scan in seen.items() for one in scan.gates if one.code == gate.code}
        yield Asked(
            name=Words(gate.ko, gate.en),
            relation=gate.relation,
            values=tuple(known(rows[at].values[0]) if at in rows else None for at in range(count)),
            thresholds=tuple(known(rows[at].thresholds[0]) if at in rows else None for at in range(count)),
        )


def is_price(value: float, lines: Sequence[float | None]) -> bool:
    """Return whether a number stands on one of the lines."""
    return isfinite(value) and any(line is not None and isclose(value, line, rel_tol=SINGLE) for line in lines)


def stay_of(trade: Trade, begin: datetime, unit: timedelta, count: int) -> Stay:
    """Return where a trade stands among the candles."""

    def place(moment: datetime) -> int:
        return min((moment - begin) // unit, count)

    return Stay(
        id=trade.id,
        begin=place(trade.opened_at or trade.decided_at),
        end=None if trade.closed_at is None else place(trade.closed_at),
        entry=trade.entry_price,
        exit=trade.exit_price if trade.sold else None,
        stop=trade.stop_price,
    )
