"""Quiet breakout: buy a calm market that closes above everything of its last days, hold until it closes below."""

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

BREAKOUT = Gate(code="breakout", ko="전고점 아래", en="below the earlier high")
CHANNEL_BROKEN = Cause(
    code="channel_broken", ko="지지선 이탈", en="below the earlier low", shown=("close", "channel_low"), of_market=True
)


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Lengths are candles of the strategy's unit."""

    entry_channel: Count = 40  # candles whose highest high must be broken
    exit_channel: Count = 20  # candles whose lowest low ends the trade
    btc_ema: Count = 200  # length of bitcoin's average
    atr_period: Count = 14  # length of the average range
    max_natr: Percent = 2.5  # largest average range, percent of the price
    stop_atr: Multiple = 5.0  # distance of the stop below the entry, in average ranges; 0: no stop
    min_turnover_krw: Won = 2e8  # least 24 h turnover, KRW
    min_candles: Count = 200  # least candles a market must have had
    cooldown_candles: Count = 6  # candles a market rests after an exit


class QuietBreakout(Scaffold):
    """Donchian channels, with the same care as the default."""

    name: ClassVar[str] = "quiet_breakout"
    ko: ClassVar[str] = "조용한 돌파"
    en: ClassVar[str] = "quiet breakout"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (HISTORY, BTC_GATE, TURNOVER, BREAKOUT, QUIET)
    exits: ClassVar[tuple[Cause, ...]] = (STOP, CHANNEL_BROKEN, BTC_FELL)
    why: ClassVar[tuple[str, str]] = ("조용한 전고점 돌파", "a calm break of the earlier high")
    shown: ClassVar[tuple[str, ...]] = ("close", "channel_high", "natr", "btc_close", "btc_ema", "turnover_24h")

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many closed candles the window should hold."""
        del unit  # all lengths are candles
        return max(SETTLED * parameters.btc_ema, parameters.entry_channel + 1, parameters.min_candles)

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute channels, ranges and bitcoin's trend for all markets and candles at once."""
        average_range = indicators.atr(window.high, window.low, window.close, parameters.atr_period)
        return {
            "close": window.close,
            "channel_high": indicators.highest(window.high, parameters.entry_channel),
            "channel_low": indicators.lowest(window.low, parameters.exit_channel),
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
            BREAKOUT.asks(now["close"], ">", now["channel_high"]),
            QUIET.asks(now["natr"], "<", parameters.max_natr),
        )

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell at the stop, below the exit channel, or when bitcoin's trend is over."""
        del parameters
        now = moments.numbers
        return stopped(position, moments), now["close"] < now["channel_low"], leader_fell(moments)
