"""Quiet trend: buy markets that rise calmly while bitcoin rises, and hold them until the trend is over.

A target is a market whose short average is above its long one and whose price is above both, that swings little, and
that is traded enough; and nothing is a target while bitcoin is below its long average. There is no take-profit and no
trailing stop: a few long winners pay for many small losers. The protective stop is insurance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from strategy import indicators
from strategy.base import Cause, Gate
from strategy.gates import (
    BTC_FELL,
    BTC_GATE,
    HISTORY,
    QUIET,
    SETTLED,
    STOP,
    TURNOVER,
    leader_fell,
    leader_numbers,
    stopped,
)
from strategy.parameters import Count, Multiple, Percent, Won
from strategy.scaffold import Scaffold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from strategy.base import Condition, Moments, Numbers, Position, Window

TREND = Gate(code="trend", ko="단기 평균이 장기 평균 아래", en="the short average is below the long one")
ABOVE_FAST = Gate(code="above_fast", ko="가격이 단기 평균 아래", en="the price is below the short average")
TREND_END = Cause(
    code="trend_end", ko="추세 종료", en="the trend is over", shown=("ema_fast", "ema_slow"), of_market=True
)


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Lengths are candles of the strategy's unit."""

    fast: Count = 10  # length of the short average
    slow: Count = 50  # length of the long average
    btc_ema: Count = 200  # length of bitcoin's average
    atr_period: Count = 14  # length of the average range
    max_natr: Percent = 2.5  # largest average range, percent of the price
    stop_atr: Multiple = 5.0  # distance of the stop below the entry, in average ranges; 0: no stop
    min_turnover_krw: Won = 2e8  # least 24 h turnover, KRW
    min_candles: Count = 200  # least candles a market must have had
    cooldown_candles: Count = 6  # candles a market rests after an exit

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")


class QuietTrend(Scaffold):
    """The default strategy."""

    name: ClassVar[str] = "quiet_trend"
    ko: ClassVar[str] = "조용한 추세"
    en: ClassVar[str] = "quiet trend"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (HISTORY, BTC_GATE, TURNOVER, TREND, ABOVE_FAST, QUIET)
    exits: ClassVar[tuple[Cause, ...]] = (STOP, TREND_END, BTC_FELL)
    why: ClassVar[tuple[str, str]] = ("비트코인 상승 추세 속의 조용한 상승", "a calm rise while bitcoin rises")
    shown: ClassVar[tuple[str, ...]] = ("close", "ema_fast", "ema_slow", "natr", "btc_close", "btc_ema", "turnover_24h")

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many closed candles the window should hold."""
        del unit  # all lengths are candles
        return max(SETTLED * parameters.btc_ema, SETTLED * parameters.slow, parameters.min_candles)

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute averages, ranges and bitcoin's trend for all markets and candles at once."""
        average_range = indicators.atr(window.high, window.low, window.close, parameters.atr_period)
        return {
            "close": window.close,
            "ema_fast": indicators.ema(window.close, parameters.fast),
            "ema_slow": indicators.ema(window.close, parameters.slow),
            "atr": average_range,
            "natr": 100 * average_range / window.close,
            "turnover_24h": window.turnover_24h,
            "candles": indicators.age(window.close),
            **leader_numbers(window, parameters.btc_ema),
        }

    def tests(self, now: Mapping[str, Any], parameters: Parameters) -> tuple[Condition, ...]:
        """Say what each gate asks, in the order of `gates`."""
        return (
            HISTORY.asks(now["candles"], ">=", parameters.min_candles),
            BTC_GATE.asks(now["btc_close"], ">", now["btc_ema"]),
            TURNOVER.asks(now["turnover_24h"], ">=", parameters.min_turnover_krw),
            TREND.asks(now["ema_fast"], ">", now["ema_slow"]),
            ABOVE_FAST.asks(now["close"], ">", now["ema_fast"]),
            QUIET.asks(now["natr"], "<", parameters.max_natr),
        )

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell at the stop, when the trend of the market is over, or when bitcoin's is."""
        del parameters
        now = moments.numbers
        return stopped(position, moments), now["ema_fast"] < now["ema_slow"], leader_fell(moments)
