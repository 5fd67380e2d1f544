"""Gates that several strategies share, and how a row of gates becomes a selection."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from strategy import indicators
from strategy.base import PASSED, Cause, Condition, Gate, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strategy.base import Bools, Floats, Moments, Numbers, Position, Window

LEADER = "KRW-BTC"
"""The market whose trend opens and closes the gate for all others."""

SETTLED = 3
"""Lengths of an average after which its start weighs less than 0.3 percent."""

HISTORY = Gate(code="history", ko="캔들이 부족함", en="too few candles")
BTC_GATE = Gate(code="btc_gate", ko="비트코인이 장기 평균 아래", en="bitcoin is below its long average")
TURNOVER = Gate(code="turnover", ko="24시간 거래대금 부족", en="24 h turnover is too low")
QUIET = Gate(code="quiet", ko="변동성이 큼", en="it swings too much")


def leader_numbers(window: Window, period: int) -> dict[str, Floats]:
    """Return the close of bitcoin and its EMA(`period`) for every market; NaN everywhere when bitcoin is missing.

    Bitcoin may have several rows, one for each unbroken stretch of its history; no average reaches over a break.
    """
    shape = window.close.shape
    rows = [row for row, market in enumerate(window.markets) if market == LEADER]
    if not rows:
        return {"btc_close": np.full(shape, np.nan), "btc_ema": np.full(shape, np.nan)}
    close = window.close[rows]
    found = {"btc_close": close, "btc_ema": indicators.ema(close, period)}
    return {name: np.broadcast_to(np.fmax.reduce(values), shape) for name, values in found.items()}


def choose(numbers: Numbers, at: int | slice, shown: Sequence[str], tests: Sequence[Condition | Bools]) -> Selection:
    """Return which gate each market fails first. A comparison with NaN is False, so an unknown number never passes.

    Args:
        numbers: arrays ``(markets, candles)``.
        at: index of the candle, or a slice of candles.
        shown: names of the numbers the verdict shows.
        tests: what each gate asks, in their order: `Gate.asks` of arrays ``(markets,)``, for a slice ``(markets,
            candles)``. A bare array of answers will do, but then nobody can say how far a gate is from opening.

    Raises:
        ValueError: when nothing is asked.
    """
    if not tests:
        raise ValueError("a strategy asks at least one thing before a market is a target")
    asked = tuple(test if isinstance(test, Condition) else bare(test) for test in tests)
    answers = [condition.holds() for condition in asked]
    gate: Any = PASSED
    for index, answer in reversed(list(enumerate(answers))):  # an earlier gate overwrites a later one
        failed = np.subtract(answer, 1, dtype=np.int8)  # all bits where it is closed, none where it is open
        gate = gate ^ ((gate ^ index) & failed)
    return Selection(gate=gate, numbers={name: numbers[name][:, at] for name in shown}, tests=asked)


def bare(answer: Bools) -> Condition:
    """Return an answer without a number behind it, as a condition."""
    return Condition(gate=None, value=answer, relation="==", threshold=True)


def shown_numbers(numbers: Mapping[str, float], *names: str) -> dict[str, float]:
    """Return the numbers a reason quotes."""
    return {name: numbers[name] for name in names}


STOP = Cause(code="stop", ko="손절", en="protective stop", shown=("stop", "price"), at_once=True, at_stop=True)
BTC_FELL = Cause(
    code="gate_closed",
    ko="비트코인 추세 종료",
    en="bitcoin's trend is over",
    shown=("btc_close", "btc_ema"),
    of_market=True,
)


def stopped(position: Position, moments: Moments) -> Any:
    """Say whether the price is at the protective stop or below."""
    stop = -inf if position.stop_price is None else float(position.stop_price)
    return moments.price <= stop


def leader_fell(moments: Moments) -> Any:
    """Say whether bitcoin's trend is over; False where that is not known."""
    return moments.numbers["btc_close"] <= moments.numbers["btc_ema"]
