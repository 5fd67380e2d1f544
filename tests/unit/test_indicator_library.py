"""Both builds of the indicator library tell what tulipy 0.4.0 told, and what the formulas say.

`tulipy` and `octobot-tulipy` share their import name, so no Python can hold both side by side: what the first one
answered is recorded in `tulipy_values.json`, and whichever is installed is held to it. Run as a program, this file
prints the record of the library that is installed.
"""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tulipy
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from strategy.base import Floats

RECORD = Path(__file__).with_name("tulipy_values.json")
EXACT = platform.machine() in {"x86_64", "AMD64"}
"""Elsewhere a compiler may join a multiplication and an addition, which rounds once instead of twice."""


def prices(count: int = 120) -> tuple[Floats, Floats, Floats]:
    """Return high, low and close of candles that any machine makes alike: whole numbers and one division."""
    state = 12345
    close: list[int] = []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        close.append((close[-1] if close else 100_000) + state % 2001 - 1000)
    middle = np.array(close, dtype=np.float64)
    steps = np.arange(count) % 7
    return (middle + steps * 100) / 8, (middle - (6 - steps) * 50) / 8, middle / 8


def answers() -> dict[str, list[float]]:
    """Return what the installed library says to each function we use."""
    high, low, close = prices()
    return {
        "ema": tulipy.ema(close, 10).tolist(),
        "apo": tulipy.apo(close, 10, 30).tolist(),
        "rsi": tulipy.rsi(close, 14).tolist(),
        "atr": tulipy.atr(high, low, close, 14).tolist(),
    }


@pytest.mark.parametrize("name", ["ema", "apo", "rsi", "atr"])
def test_the_installed_library_answers_as_tulipy_did(name: str) -> None:
    """To the last digit where the arithmetic is the same, and to the twelfth elsewhere."""
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))[name]
    if EXACT:
        np.testing.assert_array_equal(answers()[name], recorded)
    np.testing.assert_allclose(answers()[name], recorded, rtol=1e-12)


def test_the_record_is_of_every_function_that_is_used() -> None:
    """A function of the library that `strategy` begins to use is compared, too."""
    source = "".join(path.read_text(encoding="utf-8") for path in (RECORD.parents[2] / "strategy").rglob("*.py"))
    assert set(re.findall(r"tulipy\.([a-z]+)\(", source)) == set(json.loads(RECORD.read_text(encoding="utf-8")))


CANDLES = st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 0.05), st.floats(0, 0.05)), min_size=3, max_size=60)


@given(CANDLES, st.integers(1, 20))
def test_the_installed_library_answers_as_the_formulas_say(
    candles: list[tuple[float, float, float]], period: int
) -> None:
    """EMA from the first price; Wilder's averages from the mean of the first `period` values.

    A sum that was large and gets small keeps the rounding of what was large: that much may differ.
    """
    close = np.array([price for price, _, _ in candles])
    high = np.array([price * (1 + up) for price, up, _ in candles])
    low = np.array([price * (1 - down) for price, _, down in candles])
    average = [close[0]]
    for price in close[1:]:
        average.append(average[-1] + (price - average[-1]) * 2 / (period + 1))
    np.testing.assert_allclose(tulipy.ema(close, period), average, rtol=1e-9)
    before = np.concatenate([close[:1], close[:-1]])
    ranges = np.maximum(high, before) - np.minimum(low, before)
    if len(close) > period:
        expected = wilder(np.concatenate([[high[0] - low[0]], ranges[1:]]), period)
        rounding = 1e-14 * len(close) * high.max()
        np.testing.assert_allclose(tulipy.atr(high, low, close, period), expected, rtol=1e-9, atol=rounding)
        moves = np.diff(close)
        up, down = wilder(np.maximum(moves, 0), period), wilder(np.maximum(-moves, 0), period)
        told = up + down > rounding * 1e6  # of less than that, the rounding is a part that counts
        answered = tulipy.rsi(close, period)[told]
        np.testing.assert_allclose(answered, 100 * up[told] / (up + down)[told], rtol=1e-4, atol=1e-4)


def wilder(values: Floats, period: int) -> Floats:
    """Return the mean of the first `period` values, smoothed by each that follows."""
    result = [values[:period].mean()]
    for value in values[period:]:
        result.append((result[-1] * (period - 1) + value) / period)
    return np.array(result)


if __name__ == "__main__":
    print(json.dumps(answers(), indent=1))  # noqa: T201 - the record, for the file
