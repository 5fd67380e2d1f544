"""What a chart is made of: candles of a walk with gaps, kept in memory, and the looks a daemon took at them."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from strategy.grid import CandleArrays, build_window
from strategy.quiet_trend import Parameters, QuietTrend
from trader.candles.series import last_close, to_ms
from trader.indicators import scan_of
from views.chart import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from journal.journal import Journal

UNIT = timedelta(minutes=240)
STRATEGY, PARAMETERS = QuietTrend(), Parameters()
HISTORY = STRATEGY.history(PARAMETERS, UNIT)


def walk(seed: int, end: datetime, *, start: float = 1000.0, gaps: float = 0.05, count: int = HISTORY) -> CandleArrays:
    """Return candles of a random walk up to a close; some of them had no trade, never the last."""
    rng = random.Random(seed)
    rows, price = [], start
    for at in range(count):
        opened, price = price, price * (1 + rng.gauss(0.0006, 0.008))
        high, low = max(opened, price) * (1 + rng.random() / 300), min(opened, price) * (1 - rng.random() / 300)
        if rng.random() > gaps or at == count - 1:
            rows.append((to_ms(end - (count - at) * UNIT), opened, high, low, price, rng.random() * 100))
    times, *columns = zip(*rows, strict=True)
    names = ("open", "high", "low", "close", "volume")
    return CandleArrays(
        opened_at_ms=np.array(times, dtype=np.int64),
        **{name: np.array(column) for name, column in zip(names, columns, strict=True)},
    )


def kept(now: datetime, starts: Mapping[str, float]) -> Kept:
    """Return what a daemon keeps of some markets: a walk each, from a first price on."""
    end = last_close(now, UNIT)
    series = {market: walk(seed, end, start=start) for seed, (market, start) in enumerate(starts.items())}
    return Kept(unit=UNIT, history=HISTORY, series=series, strategy=STRATEGY, parameters=PARAMETERS)


def look_back(journal: Journal, known: Kept, now: datetime, looks: int) -> None:
    """Write what the strategy said at the close of each of the last candles, as a daemon does a second later."""
    end = last_close(now, known.unit)
    for back in range(looks - 1, -1, -1):
        closed_at = end - back * known.unit
        turnover = {market: 1e8 * (1 + (back + at) % 4) for at, market in enumerate(known.series)}
        window = build_window(known.unit, closed_at, known.history, known.series, turnover)
        numbers = known.strategy.compute(window, known.parameters)
        selection = known.strategy.select(window, numbers, -1, known.parameters)
        seen = scan_of(window, selection, known.strategy.gates, {}, {})
        prices = [Decimal(repr(round(price, 1))) for price in window.close[:, -1].tolist()]
        journal.record_scan(closed_at, known.strategy.name, closed_at, replace(seen, prices=prices))
