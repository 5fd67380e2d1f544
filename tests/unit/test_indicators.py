"""Indicators against TA-Lib, against values worked out by hand, and against tulipy's known defects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from strategy import indicators

if TYPE_CHECKING:
    from strategy.base import Floats

OF_EMAS = 1
"""The kind of average TA-Lib is told to use."""
RNG = np.random.default_rng(5)
CLOSE = np.exp(np.cumsum(RNG.normal(0, 0.01, 300))) * 1000
HIGH, LOW = CLOSE * (1 + RNG.random(300) * 0.01), CLOSE * (1 - RNG.random(300) * 0.01)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (indicators.sma(CLOSE, 20), talib.SMA(CLOSE, 20)),
        (indicators.rsi(CLOSE, 14), talib.RSI(CLOSE, 14)),
        (indicators.adx(HIGH, LOW, CLOSE, 14), talib.ADX(HIGH, LOW, CLOSE, 14)),
        (indicators.bollinger(CLOSE, 20, 2.0)[1], talib.BBANDS(CLOSE, 20, 2, 2)[1]),
        (indicators.highest(HIGH, 20), np.concatenate([[np.nan], talib.MAX(HIGH, 20)[:-1]])),
        (indicators.lowest(LOW, 20), np.concatenate([[np.nan], talib.MIN(LOW, 20)[:-1]])),
        (indicators.bollinger(CLOSE, 20, 2.0)[0], talib.BBANDS(CLOSE, 20, 2, 2)[2]),
        (indicators.bollinger(CLOSE, 20, 2.0)[2], talib.BBANDS(CLOSE, 20, 2, 2)[0]),
    ],
    ids=["sma", "rsi", "adx", "middle band", "highest", "lowest", "lower band", "upper band"],
)
def test_it_equals_talib(ours: Floats, theirs: Floats) -> None:
    """Same values, same warm-up."""
    np.testing.assert_allclose(ours[0], theirs, rtol=1e-10)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (indicators.ema(CLOSE, 10), talib.EMA(CLOSE, 10)),
        (indicators.atr(HIGH, LOW, CLOSE, 14), talib.ATR(HIGH, LOW, CLOSE, 14)),
        (indicators.natr(HIGH, LOW, CLOSE, 14), talib.NATR(HIGH, LOW, CLOSE, 14)),
        (indicators.apo(CLOSE, 12, 26), talib.APO(CLOSE, 12, 26, OF_EMAS)),  # type: ignore[arg-type] # a class nobody exports
        (indicators.macd(CLOSE)[0], talib.MACD(CLOSE)[0]),
        (indicators.macd(CLOSE)[1], talib.MACD(CLOSE)[1]),
        (indicators.macd(CLOSE)[2], talib.MACD(CLOSE)[2]),
    ],
    ids=["ema", "atr", "natr", "apo", "macd", "macd signal", "macd histogram"],
)
def test_it_settles_on_talib(ours: Floats, theirs: Floats) -> None:
    """The start value differs (TA-Lib starts from an average); after 200 candles nothing of it is left."""
    np.testing.assert_allclose(ours[0][-100:], theirs[-100:], rtol=1e-5)


def test_a_tie_of_both_directions_counts_for_neither() -> None:
    """Two candles that reach as far above as below, then a rise: 50, 75, 87.5 from the fourth on, as Wilder counts."""
    high, low, close = [10.0, 12, 14, 15, 16, 17], [8.0, 6, 4, 5, 6, 7], [9.0, 9, 9, 12, 13, 14]
    assert indicators.adx(high, low, close, 2)[0].tolist()[3:] == pytest.approx([50.0, 75.0, 87.5])
    assert np.isnan(indicators.adx(high, low, close, 2)[0, :3]).all()


@given(st.integers(0, 10_000), st.integers(2, 30), st.sampled_from([1.0, 5.0, 20.0]))
def test_the_directional_index_equals_talib_where_ties_are_common(seed: int, period: int, tick: float) -> None:
    """Prices on coarse ticks, as those of a cheap coin: the same values and warm-up, also while it stands still."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-2, 3, 200) * (rng.random(200) > 0.3)
    close = (700.0 + tick * np.cumsum(steps)).astype(np.float64)
    high, low = (close + sign * tick * rng.integers(0, 3, 200).astype(np.float64) for sign in (1, -1))
    np.testing.assert_allclose(
        indicators.adx(high, low, close, period)[0], talib.ADX(high, low, close, period), rtol=1e-9, atol=1e-9
    )


def test_macd_uses_the_weights_of_its_periods() -> None:
    """Tulipy replaces the weights of 12 and 26 by 0.15 and 0.075; ours are 2/13 and 2/27."""
    line = indicators.macd(CLOSE, 12, 26, 9)[0]
    np.testing.assert_array_equal(line, indicators.ema(CLOSE, 12) - indicators.ema(CLOSE, 26))


@given(st.integers(1, 30), st.integers(1, 90), st.integers(0, 120))
def test_the_oscillator_is_the_difference_of_two_averages_to_the_last_bit(fast: int, more: int, listed: int) -> None:
    """Both averages in one pass: the same values and warm-up, also where a market is listed late or hardly there."""
    close = np.concatenate([np.full(listed, np.nan), CLOSE])[:120]
    two = indicators.ema(close, fast) - indicators.ema(close, fast + more)
    np.testing.assert_array_equal(indicators.apo(close, fast, fast + more), two)


def test_the_average_is_what_the_hand_works_out() -> None:
    """EMA(3) of 1, 2, 3, 4: weight one half, starting at 1."""
    np.testing.assert_array_equal(indicators.ema([1.0, 2.0, 3.0, 4.0], 3), [[np.nan, np.nan, 2.25, 3.125]])


def test_bands_of_flat_prices_after_a_moving_market_are_flat() -> None:
    """Tulipy takes the root of a negative rounding error here and gives NaN."""
    prices = np.concatenate([np.arange(30.0) * 1e6, np.full(30, 3e7 + 0.1)])
    lower, middle, upper = indicators.bollinger(prices, 20)
    for band in (lower, middle, upper):
        np.testing.assert_allclose(band[0, -5:], 3e7 + 0.1, rtol=1e-14)


def test_a_market_that_does_not_move_reads_neutral() -> None:
    """RSI 50, ADX 0, no range; tulipy gives NaN."""
    flat = np.full(60, 100.0)
    assert indicators.rsi(flat)[0, -1] == 50.0
    assert indicators.adx(flat, flat, flat)[0, -1] == 0.0
    assert indicators.natr(flat, flat, flat)[0, -1] == 0.0


@pytest.mark.failure("C11")
def test_too_little_history_reads_nan_instead_of_raising() -> None:
    """Every indicator keeps its shape and says that it does not know."""
    short = np.array([[1.0, 2.0]])
    for values in (
        indicators.sma(short, 5),
        indicators.ema(short, 5),
        indicators.rsi(short),
        indicators.adx(short, short, short),
        indicators.atr(short, short, short),
        indicators.highest(short, 5),
        *indicators.bollinger(short, 5),
        indicators.apo(short, 5, 10),
        *indicators.macd(short),
    ):
        assert values.shape == (1, 2)
        assert np.isnan(values).all()


def test_a_market_listed_later_warms_up_from_its_first_candle() -> None:
    """Leading NaN delays the warm-up of that market alone."""
    late = np.concatenate([np.full(100, np.nan), CLOSE[:200]])
    both = indicators.ema(np.stack([np.concatenate([CLOSE[:100], CLOSE[:200]]), late]), 10)
    np.testing.assert_array_equal(both[1, 100:], indicators.ema(CLOSE[:200], 10)[0])
    assert np.isnan(both[1, :109]).all()


def test_an_average_ends_where_a_price_is_not_known() -> None:
    """What comes before the gap is as without it; nothing is known behind it, at its first candle or its last."""
    for gap in (3, 150, 199):
        close = CLOSE[:200].copy()
        close[gap] = np.nan
        found = indicators.ema(close, 10)[0]
        np.testing.assert_array_equal(found[:gap], indicators.ema(CLOSE[:200], 10)[0, :gap])
        assert np.isnan(found[gap:]).all()


def test_float32_and_strided_input_are_taken() -> None:
    """Tulipy wants contiguous float64."""
    single = CLOSE.astype(np.float32)
    np.testing.assert_allclose(indicators.ema(single, 10)[0], indicators.ema(single.astype(np.float64), 10)[0])
    wide = np.stack([CLOSE, CLOSE], axis=1)
    np.testing.assert_array_equal(indicators.rsi(wide.T)[0], indicators.rsi(CLOSE)[0])


def test_the_channel_does_not_know_its_own_candle() -> None:
    """Highest of the two candles before each one."""
    np.testing.assert_array_equal(indicators.highest([1.0, 5.0, 3.0, 2.0], 2), [[np.nan, np.nan, 5.0, 5.0]])
    np.testing.assert_array_equal(indicators.lowest([1.0, 5.0, 3.0, 2.0], 2), [[np.nan, np.nan, 1.0, 3.0]])


@pytest.mark.parametrize("period", [0, -1])
def test_a_period_that_means_nothing_is_refused(period: int) -> None:
    """A ValueError that names the period."""
    with pytest.raises(ValueError, match=str(period)):
        indicators.ema(CLOSE, period)


@pytest.mark.failure("C8")
@given(st.lists(st.floats(1, 1e6), min_size=40, max_size=80), st.integers(1, 39), st.floats(1, 1e6))
def test_the_future_changes_no_past_value(prices: list[float], changed: int, other: float) -> None:
    """Indicators look only backwards: a later price leaves every earlier value as it was."""
    future = prices.copy()
    future[-changed] = other
    before = len(prices) - changed
    for earlier, later in zip(several(prices), several(future), strict=True):
        np.testing.assert_array_equal(earlier[0, :before], later[0, :before])


def several(prices: list[float]) -> list[Floats]:
    """Return one indicator of each kind."""
    return [
        indicators.ema(prices, 5),
        indicators.rsi(prices, 5),
        indicators.atr(prices, prices, prices, 5),
        indicators.bollinger(prices, 5)[0],
    ]
