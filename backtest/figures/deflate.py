"""How much of a Sharpe ratio is left when one remembers how many variants were tried.

Source: D. Bailey, M. Lopez de Prado, *The Deflated Sharpe Ratio*, Journal of Portfolio Management 40 (5), 2014.
"""

from __future__ import annotations

from math import e, nan, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strategy.base import Floats

EULER = 0.5772156649015329
NORMAL = NormalDist()


def best_by_luck(spread: float, count: int) -> float:
    """Return the Sharpe ratio the best of `count` worthless variants is expected to have.

    Args:
        spread: standard deviation of the ratios of the variants, of one period's returns (not annualised).
        count: variants tried.
    """
    if count == 1:
        return 0.0
    return spread * ((1 - EULER) * NORMAL.inv_cdf(1 - 1 / count) + EULER * NORMAL.inv_cdf(1 - 1 / (count * e)))


def better_than(luck: float, ratio: float, count: int, *, skew: float, kurtosis: float) -> float:
    """Return the probability that a ratio measured on `count` returns of such a shape is above `luck`."""
    error = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return NORMAL.cdf((ratio - luck) * sqrt(count - 1) / sqrt(error))


def deflated(returns: Floats, ratios: Sequence[float]) -> float:
    """Return the probability that returns have a better ratio than luck would give the best of the variants tried.

    Args:
        returns: returns of equal periods, fractions.
        ratios: the ratio of every variant tried, of the same kind of period.

    Returns:
        A probability; above 0.95 is usually asked for. NaN for returns that never change.
    """
    spread = float(np.std(returns)) if len(returns) > 1 else 0.0
    if spread == 0:
        return nan
    standard = (returns - np.mean(returns)) / spread
    luck = best_by_luck(float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0, len(ratios))
    ratio = float(np.mean(returns)) / float(np.std(returns, ddof=1))
    skew, kurtosis = float(np.mean(standard**3)), float(np.mean(standard**4))
    return better_than(luck, ratio, len(returns), skew=skew, kurtosis=kurtosis)
