"""BTC only: hold bitcoin while it is above its long average. The honest yardstick for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from strategy import indicators
from strategy.base import Cause, Gate
from strategy.gates import (
    BTC_FELL,
    BTC_GATE,
    HISTORY,
    LEADER,
    SETTLED,
    leader_fell,
    leader_numbers,
)
from strategy.parameters import Count
from strategy.scaffold import Scaffold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from strategy.base import Condition, Moments, Numbers, Position, Window

NOT_BTC = Gate(code="not_btc", ko="비트코인이 아님", en="not bitcoin")


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Lengths are candles of the strategy's unit."""

    btc_ema: Count = 200  # length of bitcoin's average
    min_candles: Count = 200  # least candles bitcoin must have had
    cooldown_candles: Count = 1  # candles it rests after an exit


class BtcOnly(Scaffold):
    """One market, one rule."""

    name: ClassVar[str] = "btc_only"
    ko: ClassVar[str] = "비트코인만"
    en: ClassVar[str] = "BTC only"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (NOT_BTC, HISTORY, BTC_GATE)
    exits: ClassVar[tuple[Cause, ...]] = (BTC_FELL,)
    why: ClassVar[tuple[str, str]] = ("비트코인 상승 추세", "bitcoin rises")
    shown: ClassVar[tuple[str, ...]] = ("btc_close", "btc_ema")

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many closed candles the window should hold."""
        del unit  # all lengths are candles
        return max(SETTLED * parameters.btc_ema, parameters.min_candles)

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute bitcoin's average, and mark which market is bitcoin."""
        is_btc = np.array([[market == LEADER] for market in window.markets], dtype=np.float64)
        return {
            "close": window.close,
            "is_btc": np.broadcast_to(is_btc.reshape(-1, 1), window.close.shape),
            "candles": indicators.age(window.close),
            **leader_numbers(window, parameters.btc_ema),
        }

    def tests(self, now: Mapping[str, Any], parameters: Parameters) -> tuple[Condition, ...]:
        """Say what each gate asks, in the order of `gates`."""
        return (
            NOT_BTC.asks(now["is_btc"], ">", 0),
            HISTORY.asks(now["candles"], ">=", parameters.min_candles),
            BTC_GATE.asks(now["btc_close"], ">", now["btc_ema"]),
        )

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell when bitcoin's trend is over."""
        del position, parameters
        return (leader_fell(moments),)
