"""Rare dip: buy a market that fell very hard while bitcoin still rises, sell into the rebound. Offered, not proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from strategy import indicators
from strategy.base import Cause, Gate
from strategy.gates import (
    BTC_GATE,
    HISTORY,
    SETTLED,
    STOP,
    TURNOVER,
    leader_numbers,
    stopped,
)
from strategy.parameters import Count, Multiple, Percent, Won
from strategy.scaffold import Scaffold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from strategy.base import Condition, Moments, Numbers, Position, Window

OVERSOLD = Gate(code="oversold", ko="과매도 아님", en="not oversold")
BELOW_BAND = Gate(code="below_band", ko="하단 밴드 위", en="above the lower band")
REBOUND = Cause(
    code="rebound", ko="평균 회복", en="back at its average", shown=("close", "band_middle"), of_market=True
)
OVERDUE = Cause(code="time", ko="보유 시간 종료", en="holding time is over")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Lengths are candles of the strategy's unit."""

    rsi_period: Count = 14  # length of the relative strength index
    max_rsi: Percent = 20.0  # the index must be below this
    band_period: Count = 20  # length of the Bollinger bands
    band_width: Percent = 2.0  # standard deviations of the lower band below the average
    hold_candles: Count = 12  # candles after which the trade ends in any case
    btc_ema: Count = 200  # length of bitcoin's average
    atr_period: Count = 14  # length of the average range
    stop_atr: Multiple = 5.0  # distance of the stop below the entry, in average ranges; 0: no stop
    min_turnover_krw: Won = 2e8  # least 24 h turnover, KRW
    min_candles: Count = 200  # least candles a market must have had
    cooldown_candles: Count = 6  # candles a market rests after an exit


class RareDip(Scaffold):
    """Mean reversion after a rare fall."""

    name: ClassVar[str] = "rare_dip"
    ko: ClassVar[str] = "급락 반등"
    en: ClassVar[str] = "rare dip"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (HISTORY, BTC_GATE, TURNOVER, OVERSOLD, BELOW_BAND)
    exits: ClassVar[tuple[Cause, ...]] = (STOP, REBOUND, OVERDUE)
    why: ClassVar[tuple[str, str]] = ("드문 급락", "a rare dip")
    shown: ClassVar[tuple[str, ...]] = ("close", "rsi", "band_lower", "btc_close", "btc_ema", "turnover_24h")

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many closed candles the window should hold."""
        del unit  # all lengths are candles
        return max(SETTLED * parameters.btc_ema, parameters.band_period, parameters.min_candles)

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute strength, bands, ranges and bitcoin's trend for all markets and candles at once."""
        lower, middle, _ = indicators.bollinger(window.close, parameters.band_period, parameters.band_width)
        return {
            "close": window.close,
            "rsi": indicators.rsi(window.close, parameters.rsi_period),
            "band_lower": lower,
            "band_middle": middle,
            "atr": indicators.atr(window.high, window.low, window.close, parameters.atr_period),
            "turnover_24h": window.turnover_24h,
            "candles": indicators.age(window.close),
            "unit_s": window.close * 0 + window.unit.total_seconds(),
            **leader_numbers(window, parameters.btc_ema),
        }

    def tests(self, now: Mapping[str, Any], parameters: Parameters) -> tuple[Condition, ...]:
        """Say what each gate asks, in the order of `gates`."""
        return (
            HISTORY.asks(now["candles"], ">=", parameters.min_candles),
            BTC_GATE.asks(now["btc_close"], ">", now["btc_ema"]),
            TURNOVER.asks(now["turnover_24h"], ">=", parameters.min_turnover_krw),
            OVERSOLD.asks(now["rsi"], "<", parameters.max_rsi),
            BELOW_BAND.asks(now["close"], "<", now["band_lower"]),
        )

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell at the stop, back at the average, or when the time is over."""
        now = moments.numbers
        held_s = moments.at_s - position.opened_at.timestamp()
        overdue = held_s >= now["unit_s"] * parameters.hold_candles
        return stopped(position, moments), now["close"] > now["band_middle"], overdue
