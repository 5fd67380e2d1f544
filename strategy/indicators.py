"""Indicators over arrays ``(markets, candles)``, oldest candle first, on tulipy where tulipy is right.

Every function returns arrays of the shape it was given, NaN while it warms up, and looks only backwards. NaN before a
market's first candle delays its warm-up; a NaN after it makes the rest of that market's row NaN, because no recursive
average can go on from an unknown value. Where tulipy 0.4 is wrong the function says so and does better:
MACD with periods 12 and 26, Bollinger bands on flat prices, RSI of a market that stands still, ADX, short input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tulipy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from strategy.base import Floats

FLAT_RSI = 50.0


def rows(function: Callable[..., npt.NDArray[np.float64]], *series: npt.ArrayLike, recursive: bool = False) -> Floats:
    """Apply `function` to each market's stretch of finite candles and put its shorter answer at the right end.

    What is `recursive` is known at its end only if every candle was known, so then nobody has to look at the candles.
    """
    arrays = [np.ascontiguousarray(np.atleast_2d(np.asarray(one, dtype=np.float64))) for one in series]
    result = np.empty(arrays[0].shape)
    for row, answer in enumerate(result):
        parts = [array[row] for array in arrays]
        end = len(answer)
        values = _ask(function, parts) if recursive else answer[:0]
        if not np.isfinite(values[-1:]).any():
            begin, end = finite_stretch(parts)
            values = _ask(function, [part[begin:end] for part in parts])
        answer[: end - len(values)] = answer[end:] = np.nan
        answer[end - len(values) : end] = values
    return result


def _ask(
    function: Callable[..., npt.NDArray[np.float64]], parts: Sequence[npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Return what `function` says; nothing for input that is too short, on which tulipy raises."""
    try:
        return function(*parts)
    except tulipy.InvalidOptionError:
        return np.empty(0)


def finite_stretch(parts: Sequence[npt.NDArray[np.float64]]) -> tuple[int, int]:
    """Return begin and end of the first unbroken stretch in which all values are known."""
    known = np.isfinite(parts[0])
    for part in parts[1:]:
        known &= np.isfinite(part)
    if known.all():
        return 0, len(known)
    begin = int(known.argmax())
    if not known[begin]:
        return 0, 0
    gap = int((~known[begin:]).argmax())
    return begin, begin + gap if gap else len(known)


def check_period(period: int, least: int = 1) -> None:
    """Refuse a period that means nothing."""
    if period < least:
        raise ValueError(f"a period must be at least {least}, not {period}")


def sma(close: npt.ArrayLike, period: int) -> Floats:
    """Simple moving average.

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        period: candles to average, at least 1.

    Returns:
        KRW, same shape; the first `period` - 1 of a market are NaN.

    Raises:
        ValueError: if `period` is below 1.
    """
    check_period(period)
    return rows(lambda row: _average(row, period), close)


def _average(row: npt.NDArray[np.float64], period: int) -> npt.NDArray[np.float64]:
    if len(row) < period:
        return row[:0]
    windows = np.lib.stride_tricks.sliding_window_view(row, period)
    return np.asarray(windows.mean(axis=-1))


def ema(close: npt.ArrayLike, period: int) -> Floats:
    """Exponential moving average with weight 2 / (period + 1).

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        period: smoothing length in candles, at least 1.

    Returns:
        KRW, same shape. It starts at a market's first price and is NaN for `period` - 1 candles, while that start
        still weighs most.

    Raises:
        ValueError: if `period` is below 1.
    """
    check_period(period)
    return rows(lambda row: tulipy.ema(row, period)[period - 1 :] if len(row) else row, close, recursive=True)


def rsi(close: npt.ArrayLike, period: int = 14) -> Floats:
    """Relative strength index with Wilder's smoothing.

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        period: smoothing length in candles, at least 1.

    Returns:
        Values in [0, 100], same shape; the first `period` of a market are NaN. A market that does not move reads 50.

    Raises:
        ValueError: if `period` is below 1.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    check_period(period)
    return rows(lambda row: np.nan_to_num(tulipy.rsi(row, period), nan=FLAT_RSI), close)


def atr(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14) -> Floats:
    """Average true range with Wilder's smoothing.

    Args:
        high: highest prices in KRW, shape ``(markets, candles)``.
        low: lowest prices, same shape.
        close: closing prices, same shape.
        period: smoothing length in candles, at least 1.

    Returns:
        KRW, same shape; the first `period` - 1 of a market are NaN.

    Raises:
        ValueError: if `period` is below 1.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    check_period(period)
    return rows(lambda h, low_, c: tulipy.atr(h, low_, c, period), high, low, close)


def natr(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14) -> Floats:
    """Average true range as a percentage of the close: 100 * ATR / close. Arguments and shape as `atr`."""
    prices = np.atleast_2d(np.asarray(close, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(prices > 0, 100 * atr(high, low, close, period) / prices, np.nan))


def adx(high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike, period: int = 14) -> Floats:
    """Average directional index: how strongly a market trends, whichever way.

    Args:
        high: highest prices in KRW, shape ``(markets, candles)``.
        low: lowest prices, same shape.
        close: closing prices, same shape.
        period: smoothing length in candles, at least 2.

    Returns:
        Values in [0, 100], same shape; the first 2 * `period` - 1 of a market are NaN. No movement reads 0. Of a candle
        that reaches as far above the one before as below it, neither side counts; tulipy counts such ties for the fall.

    Raises:
        ValueError: if `period` is below 2.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    check_period(period, least=2)
    return rows(lambda h, low_, c: _adx(h, low_, c, period), high, low, close)


NOTHING = 1e-14
"""Sums of movements below this are rounding errors: there was no movement, and the index stays as it is."""


def _adx(
    high: npt.NDArray[np.float64], low: npt.NDArray[np.float64], close: npt.NDArray[np.float64], period: int
) -> npt.NDArray[np.float64]:
    if len(close) < 2 * period:
        return close[:0]
    up, down = np.diff(high), -np.diff(low)
    rose, fell = np.where((up > down) & (up > 0), up, 0.0), np.where((down > up) & (down > 0), down, 0.0)
    reach = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    plus, minus, ranges = (_wilder_sum(one, period) for one in (rose, fell, reach))
    moved = plus + minus
    known = (ranges > NOTHING) & (moved > NOTHING * ranges / 100)
    directional = np.divide(100 * np.abs(plus - minus), moved, out=np.zeros_like(moved), where=known)
    later = known[period:]
    smooth = _wilder(directional[:period].sum() / period, directional[period:][later], period)
    return np.asarray(smooth[np.concatenate([[0], np.cumsum(later)])])


def _wilder(start: float, values: npt.NDArray[np.float64], period: int) -> npt.NDArray[np.float64]:
    """Return Wilder's average, which moves by 1 / period of the way to each value, from a start that comes first."""
    return np.asarray(tulipy.ema(np.concatenate([[start], values]), 2 * period - 1))


def _wilder_sum(values: npt.NDArray[np.float64], period: int) -> npt.NDArray[np.float64]:
    """Return Wilder's sum of `period` values; it starts as the plain sum of one fewer."""
    start = values[: period - 1].sum() / period
    return period * _wilder(start, values[period - 1 :], period)[1:]


def apo(close: npt.ArrayLike, fast: int = 12, slow: int = 26) -> Floats:
    """Absolute price oscillator: EMA(fast) - EMA(slow), for little more than the time of one of them.

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        fast: shorter smoothing length in candles, at least 1.
        slow: longer smoothing length, above `fast`.

    Returns:
        KRW, same shape; NaN for `slow` - 1 candles. To the last bit what the two averages differ by.

    Raises:
        ValueError: if `fast` is below 1, or `slow` is not above it.
    """
    check_period(fast)
    check_period(slow, least=fast + 1)
    return rows(lambda row: tulipy.apo(row, fast, slow)[slow - 2 :] if len(row) else row, close, recursive=True)


def macd(close: npt.ArrayLike, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[Floats, Floats, Floats]:
    """Moving average convergence divergence: EMA(fast) - EMA(slow), its EMA(signal), and their difference.

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        fast: shorter smoothing length in candles, at least 1.
        slow: longer smoothing length, above `fast`.
        signal: smoothing length of the signal line.

    Returns:
        MACD, signal and histogram in KRW, same shape. NaN for `slow` - 1 candles, and `signal` - 1 more for the last
        two. Made of `apo` and `ema`, because tulipy's own replaces the weights of 12 and 26 by 0.15 and 0.075.

    Raises:
        ValueError: if a period is below 1, or `slow` is not above `fast`.

    Source: Gerald Appel, *The Moving Average Convergence-Divergence Trading Method*, 1979.
    """
    check_period(signal)
    line = apo(close, fast, slow)
    smooth = ema(line, signal)
    return line, smooth, line - smooth


def bollinger(close: npt.ArrayLike, period: int = 20, width: float = 2.0) -> tuple[Floats, Floats, Floats]:
    """Bollinger bands: the average, and `width` population standard deviations below and above it.

    Args:
        close: closing prices in KRW, shape ``(markets, candles)``.
        period: candles to average, at least 1.
        width: standard deviations, above 0.

    Returns:
        Lower, middle and upper band in KRW, same shape; the first `period` - 1 of a market are NaN. Flat prices give
        three equal bands: the deviation is measured from the mean of each window, where tulipy subtracts two large
        sums and takes the root of a negative rounding error.

    Raises:
        ValueError: if `period` is below 1 or `width` is not above 0.

    Source: John Bollinger, *Bollinger on Bollinger Bands*, 2001.
    """
    check_period(period)
    if not width > 0:
        raise ValueError(f"a width must be above 0, not {width}")
    middle = sma(close, period)
    deviation = rows(lambda row: _deviation(row, period), close)
    return middle - width * deviation, middle, middle + width * deviation


def _deviation(row: npt.NDArray[np.float64], period: int) -> npt.NDArray[np.float64]:
    if len(row) < period:
        return row[:0]
    return np.asarray(np.lib.stride_tricks.sliding_window_view(row, period).std(axis=-1))


def highest(high: npt.ArrayLike, period: int) -> Floats:
    """Return the highest value of the `period` candles *before* each candle; NaN for the first `period`."""
    check_period(period)
    return rows(lambda row: _extreme(row, period, np.max), high)


def lowest(low: npt.ArrayLike, period: int) -> Floats:
    """Return the lowest value of the `period` candles *before* each candle; NaN for the first `period`."""
    check_period(period)
    return rows(lambda row: _extreme(row, period, np.min), low)


def _extreme(
    row: npt.NDArray[np.float64], period: int, choose: Callable[..., npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    if len(row) <= period:
        return row[:0]
    return np.asarray(choose(np.lib.stride_tricks.sliding_window_view(row[:-1], period), axis=-1))


def age(close: npt.ArrayLike) -> Floats:
    """Return how many candles a market has had up to and including each candle; 0 before its first."""
    prices = np.atleast_2d(np.asarray(close, dtype=np.float64))
    return np.cumsum(np.isfinite(prices), axis=1).astype(np.float64)
