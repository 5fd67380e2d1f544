"""Gates that several strategies share, and how a row of gates becomes a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strategy import indicators
from strategy.base import PASSED, Exit, Gate, Reason, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strategy.base import Bools, Floats, Numbers, Position, Snapshot, Window

LEADER = "KRW-BTC"
"""The market whose trend opens and closes the gate for all others."""

SETTLED = 3
"""Lengths of an average after which its start weighs less than 0.3 percent."""

HISTORY = Gate(code="history", ko="캔들이 부족함", en="too few candles")
BTC_GATE = Gate(code="btc_gate", ko="비트코인이 장기 평균 아래", en="bitcoin is below its long average")
TURNOVER = Gate(code="turnover", ko="24시간 거래대금 부족", en="24 h turnover is too low")
QUIET = Gate(code="quiet", ko="변동성이 큼", en="it swings too much")


def leader_numbers(window: Window, period: int) -> dict[str, Floats]:
    """Return the close of bitcoin and its EMA(`period`) for every market; NaN everywhere when bitcoin is missing."""
    shape = window.close.shape
    if LEADER not in window.markets:
        return {"btc_close": np.full(shape, np.nan), "btc_ema": np.full(shape, np.nan)}
    close = window.close[window.markets.index(LEADER)]
    average = indicators.ema(close, period)[0]
    return {"btc_close": np.broadcast_to(close, shape), "btc_ema": np.broadcast_to(average, shape)}


def choose(numbers: Numbers, at: int, shown: Sequence[str], tests: Sequence[Bools]) -> Selection:
    """Return which gate each market fails first. A comparison with NaN is False, so an unknown number never passes.

    Args:
        numbers: arrays ``(markets, candles)``.
        at: index of the candle.
        shown: names of the numbers the verdict shows.
        tests: one array ``(markets,)`` a gate, in the order of the strategy's gates.
    """
    failed = ~np.stack(tests)
    gate = np.where(failed.any(axis=0), failed.argmax(axis=0), PASSED).astype(np.int8)
    return Selection(gate=gate, numbers={name: numbers[name][:, at] for name in shown})


def shown_numbers(numbers: Mapping[str, float], *names: str) -> dict[str, float]:
    """Return the numbers a reason quotes."""
    return {name: numbers[name] for name in names}


def stopped(position: Position, snapshot: Snapshot) -> Reason | None:
    """Return the reason of a sale at the protective stop; None while the price is above it."""
    if position.stop_price is None or snapshot.price > position.stop_price:
        return None
    numbers = {"stop": float(position.stop_price), "price": float(snapshot.price)}
    return Reason(code="stop", ko="손절", en="protective stop", numbers=numbers)


def leader_fell(snapshot: Snapshot) -> Reason | None:
    """Return the reason of a sale because bitcoin's trend is over; None while it is not, or not known."""
    now = snapshot.numbers
    if not now["btc_close"] <= now["btc_ema"]:
        return None
    numbers = shown_numbers(now, "btc_close", "btc_ema")
    return Reason(code="gate_closed", ko="비트코인 추세 종료", en="bitcoin's trend is over", numbers=numbers)


HOLD = Reason(code="hold", ko="보유 유지", en="nothing says sell")


def sell_if(*reasons: Reason | None) -> Exit:
    """Return a sale for the first reason there is, and keep holding when there is none."""
    reason = next((one for one in reasons if one is not None), None)
    return Exit(sell=reason is not None, reason=reason or HOLD)
