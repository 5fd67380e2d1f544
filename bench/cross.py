"""The rule of the benchmarks as a strategy of ours: whether one average is above another, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from backtest.engine.panel import Panel
from backtest.units import to_ms, unit_ms
from strategy import indicators
from strategy.base import Cause, Entry, Gate, Reason, Strategy, Window
from strategy.gates import choose
from strategy.parameters import Count

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from strategy.base import Moments, Numbers, Position, Selection, Snapshot

PLENTY_KRW = 1e10
"""24 h turnover of every made-up market: each is in the best class of slippage."""

RISES = Gate(code="below", ko="아래", en="below")
REASON = Reason(code="cross", ko="교차", en="the averages crossed")


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of the averages, candles."""

    fast: Count
    slow: Count


class Cross(Strategy):
    """Held while the short average is above the long one."""

    name: ClassVar[str] = "cross"
    ko: ClassVar[str] = "교차"
    en: ClassVar[str] = "cross"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (RISES,)
    exits: ClassVar[tuple[Cause, ...]] = (Cause(code="cross", ko="교차", en="the averages crossed", of_market=True),)

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many candles the long average needs."""
        del unit
        return parameters.slow

    def cooldown(self, parameters: Parameters) -> int:
        """Return that a market does not rest."""
        del parameters
        return 0

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute by how much the short average is above the long one."""
        return {"rise": indicators.apo(window.close, parameters.fast, parameters.slow)}

    def select(self, window: Window, numbers: Numbers, at: int | slice, parameters: Parameters) -> Selection:
        """Say which markets rise."""
        del window, parameters
        return choose(numbers, at, tuple(numbers), (RISES.asks(numbers["rise"][:, at], ">", 0.0),))

    def enter(self, snapshot: Snapshot, parameters: Parameters) -> Entry:
        """Buy at once."""
        del snapshot, parameters
        return Entry(buy=True, reason=REASON)

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell when the averages have crossed."""
        del position, parameters
        return (moments.numbers["rise"] < 0.0,)


def panel_of(prices: Any, start: datetime, unit: timedelta) -> Panel:
    """Return made-up prices, arrays ``(markets, candles)``, as the panel a backtest wants."""
    markets, count = prices.close.shape
    window = Window(
        markets=tuple(f"KRW-{row:03}" for row in range(markets)),
        unit=unit,
        closed_at=start + count * unit,
        open=prices.open,
        high=prices.high,
        low=prices.low,
        close=prices.close,
        volume=prices.volume,
        turnover_24h=np.broadcast_to(PLENTY_KRW, prices.close.shape),
    )
    return Panel(
        window=window,
        real=np.ones(prices.close.shape, dtype=np.bool_),
        begins=np.zeros(markets, dtype=np.intp),
        ends=np.full(markets, count, dtype=np.intp),
        unit_ms=unit_ms(unit),
        first_ms=to_ms(start),
        first=0,
    )
