"""The volatility breakout, against days computed by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import nan
from typing import Any

import numpy as np
import pytest

from strategy.base import PASSED, Moments, Position, Snapshot, Window
from strategy.registry import load

UNIT = timedelta(hours=4)
MIDNIGHT = datetime(2026, 11, 4, tzinfo=UTC)
"""09:00 in Korea."""


def days(last: list[float], *, closed_at: datetime) -> Window:
    """Return three days that move between 90 and 110 and close at 100, and then the closes of `last`."""
    whole = [100.0, 110.0, 100.0, 90.0, 100.0, 100.0]
    close = np.array([whole * 3 + last])
    return Window(
        markets=("KRW-AAA",),
        unit=UNIT,
        closed_at=closed_at,
        open=np.concatenate([[[100.0]], close[:, :-1]], axis=1),
        high=close,
        low=close,
        close=close,
        volume=np.ones_like(close),
        turnover_24h=np.full_like(close, 1e9),
    )


def judged(window: Window, **parameters: object) -> tuple[str | None, dict[str, float]]:
    """Return the gate at which the market fails now, None for a target, and its numbers."""
    strategy, checked = load("volatility_breakout", {"min_candles": 1, "ma_days": 2, **parameters})
    selection = strategy.select(window, strategy.compute(window, checked), -1, checked)
    failed = int(selection.gate[0])
    numbers = {name: float(values[0]) for name, values in selection.numbers.items()}
    return (None if failed == PASSED else strategy.gates[failed].code), numbers


def test_the_trigger_is_the_opening_and_a_fraction_of_the_range_before() -> None:
    """The day opened at 100, the day before ranged 20, so half of it makes 110; two closes of 100 average 100."""
    gate, numbers = judged(days([104.0, 111.0], closed_at=MIDNIGHT + 2 * UNIT))
    assert gate is None
    assert (numbers["day_open"], numbers["trigger"], numbers["days_average"]) == (100.0, 110.0, 100.0)


@pytest.mark.parametrize(
    ("last", "parameters", "gate"),
    [
        ([104.0, 110.0], {}, "breakout"),
        ([104.0, 111.0], {"k": 0.6}, "breakout"),
        ([99.0], {}, "above_days"),
        ([104.0, 111.0], {"ma_days": 4}, "above_days"),
        ([111.0] * 6, {}, "day_open"),
    ],
    ids=["at the trigger", "a larger fraction", "below the average", "days unknown", "last candle of the day"],
)
def test_what_is_no_breakout(last: list[float], parameters: dict[str, object], gate: str) -> None:
    """Each gate is named."""
    assert judged(days(last, closed_at=MIDNIGHT + len(last) * UNIT), **parameters)[0] == gate


def test_without_the_filter_the_average_does_not_matter() -> None:
    """`ma_days = 0` needs no known days but the one before."""
    assert judged(days([104.0, 111.0], closed_at=MIDNIGHT + 2 * UNIT), ma_days=0)[0] is None


def test_a_window_that_begins_within_a_day_does_not_know_that_day() -> None:
    """Its range is not used: the day after it has no trigger."""
    whole = days([], closed_at=MIDNIGHT)
    part = replace(
        whole,
        closed_at=MIDNIGHT - timedelta(days=1) - 4 * UNIT,
        **{name: getattr(whole, name)[:, 2:8] for name in ("open", "high", "low", "close", "volume", "turnover_24h")},
    )
    gate, numbers = judged(part, ma_days=0)
    assert gate == "breakout"
    assert np.isnan(numbers["trigger"])


def snapshot(at: datetime, day: float) -> Snapshot:
    """Return a target seen at a moment, with numbers of a day."""
    numbers = dict.fromkeys(("close", "day_open", "trigger", "days_average", "turnover_24h"), nan)
    return Snapshot(
        market="KRW-AAA",
        candle_closed_at=at,
        numbers={**numbers, "day": day},
        failed_gate=None,
        price=Decimal(111),
        price_as_of=at,
    )


def test_yesterdays_breakout_is_not_bought_today() -> None:
    """A target that waited for a free place past 09:00 has lost its reason."""
    strategy, parameters = load("volatility_breakout", {})
    today = MIDNIGHT.timestamp() // 86_400
    assert strategy.enter(snapshot(MIDNIGHT - timedelta(seconds=1), today - 1), parameters).buy
    assert not strategy.enter(snapshot(MIDNIGHT, today - 1), parameters).buy


def test_it_is_sold_when_the_next_day_begins() -> None:
    """Not a second before 09:00 in Korea, whatever the price does."""
    strategy, parameters = load("volatility_breakout", {})
    position = Position(
        market="KRW-AAA",
        entry_price=Decimal(111),
        volume=Decimal(1),
        opened_at=MIDNIGHT + timedelta(hours=9),
        stop_price=None,
        highest_price=Decimal(111),
    )
    end = MIDNIGHT + timedelta(days=1)
    moments: list[Any] = [end - timedelta(seconds=1), end]
    answers = [strategy.exit(position, snapshot(moment, 0), parameters) for moment in moments]
    assert [answer.sell for answer in answers] == [False, True]
    assert answers[1].reason.code == "day_end"
    assert strategy.sells(position, Moments(numbers={}, price=1.0, highest=1.0, at_s=end.timestamp()), parameters)[0]
