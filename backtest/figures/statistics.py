"""The less common figures of an account, by the names and definitions other backtesters give them.

Daily returns are those of `backtest/figures/metrics.py`; trades are the ended ones. What cannot be computed is NaN.
"""

from __future__ import annotations

from math import nan, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from backtest.figures.metrics import DAY_MS, DAYS_A_YEAR, falls, monthly, of_days, returns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtest.engine.account import Trade
    from backtest.figures.metrics import Curve
    from strategy.base import Floats

TAIL = 5
"""Percent of the days that are called the tail."""
LEAST_RETURNS = 3
"""Returns from which a skew is one."""


def account_statistics(curve: Curve) -> dict[str, float]:
    """Return figures of a curve: its days, months, falls and tails."""
    daily, months, under = returns(of_days(curve)), np.array(list(monthly(curve).values())), falls(curve)
    highest = np.maximum.accumulate(curve.equity)
    below = 1 - curve.equity / highest
    deepest = float(below.max())
    total = float(curve.equity[-1] / curve.equity[0]) - 1
    depths, days = [one.depth for one in under], [one.days for one in under]
    return {
        "equity_peak": float(highest[-1]),
        "equity_lowest": float(curve.equity.min()),
        **day_statistics(daily),
        "best_month": float(months.max(initial=-1.0)) if len(months) else nan,
        "worst_month": float(months.min(initial=np.inf)) if len(months) else nan,
        "winning_months": share(months > 0),
        "mean_up_month": mean(months[months > 0]),
        "mean_down_month": mean(months[months < 0]),
        "mean_drawdown": mean(np.array(depths)),
        "mean_drawdown_days": mean(np.array(days)),
        "ulcer_index": sqrt(float(np.mean(below**2))),
        "recovery_factor": total / deepest if deepest > 0 else nan,
        "time_in_market": float(np.mean(curve.invested[1:] > 0)) if len(curve.invested) > 1 else 0.0,
    }


def day_statistics(daily: Floats) -> dict[str, float]:
    """Return figures of daily returns."""
    if not len(daily):
        return dict.fromkeys(DAY_NAMES, nan)
    gains, losses = float(daily[daily > 0].sum()), -float(daily[daily < 0].sum())
    low, high = (float(np.percentile(daily, at)) for at in (TAIL, 100 - TAIL))
    tail = daily[daily <= low]
    values = (
        float(daily.max()),
        float(daily.min()),
        share(daily > 0),
        float(daily.mean()),
        low,
        mean(tail),
        high / -low if low < 0 else nan,
        gains / losses if losses > 0 else nan,
        (gains - losses) / losses if losses > 0 else nan,
        moment(daily, 3),
        moment(daily, 4) - 3,
        probability_above_nothing(daily),
    )
    return dict(zip(DAY_NAMES, values, strict=True))


DAY_NAMES = (
    "best_day", "worst_day", "winning_days", "mean_day", "var_95", "cvar_95", "tail_ratio", "omega", "gain_to_pain",
    "skew", "kurtosis", "sharpe_above_0",
)  # fmt: skip
"""Value at risk and the mean beyond it, omega at 0, Schwager's gain to pain, excess kurtosis, probabilistic Sharpe."""


def mean(values: Floats) -> float:
    """Return the mean; NaN of nothing."""
    return float(values.mean()) if len(values) else nan


def share(true: np.typing.NDArray[np.bool_]) -> float:
    """Return which part is true; NaN of nothing."""
    return float(true.mean()) if len(true) else nan


def moment(values: Floats, order: int) -> float:
    """Return a standardised moment: 3 is the skew, 4 the kurtosis."""
    spread = float(values.std())
    if len(values) < LEAST_RETURNS or spread == 0:
        return nan
    return float(np.mean(((values - values.mean()) / spread) ** order))


def probability_above_nothing(daily: Floats) -> float:
    """Return the probability that the true Sharpe ratio is above 0.

    Source: D. Bailey, M. Lopez de Prado, *The Sharpe Ratio Efficient Frontier*, Journal of Risk 15 (2), 2012.
    """
    spread = float(daily.std(ddof=1)) if len(daily) > 1 else 0.0
    if len(daily) < LEAST_RETURNS or spread == 0:
        return nan
    ratio = float(daily.mean()) / spread
    error = 1 - moment(daily, 3) * ratio + (moment(daily, 4) - 1) / 4 * ratio**2
    return NormalDist().cdf(ratio * sqrt(len(daily) - 1) / sqrt(error)) if error > 0 else nan


def trade_statistics(trades: Sequence[Trade], unit_ms: int) -> dict[str, float]:
    """Return figures of the trades that have ended."""
    ended = [trade for trade in trades if trade.left is not None]
    shares = np.array([trade.profit_krw / trade.cost_krw for trade in ended])
    days = np.array([(trade.left - trade.entered) * unit_ms / DAY_MS for trade in ended if trade.left is not None])
    wins, losses = shares > 0, shares < 0
    paid = mean(shares[wins]) / -mean(shares[losses]) if wins.any() and losses.any() else nan
    return {
        "mean_win": mean(shares[wins]),
        "mean_loss": mean(shares[losses]),
        "median_trade": float(np.median(shares)) if len(shares) else nan,
        "kelly": share(wins) - share(losses) / paid if paid > 0 else nan,
        "winning_streak": float(longest(wins)),
        "longest_held_days": float(days.max()) if len(days) else nan,
        "shortest_held_days": float(days.min()) if len(days) else nan,
        "mean_winner_days": mean(days[wins]),
        "mean_loser_days": mean(days[losses]),
        "mean_cost_krw": mean(np.array([trade.cost_krw for trade in ended])),
    }


def longest(true: np.typing.NDArray[np.bool_]) -> int:
    """Return the length of the longest run of what is true."""
    best = run = 0
    for one in true.tolist():
        run = run + 1 if one else 0
        best = max(best, run)
    return best


def against(curve: Curve, other: Curve) -> dict[str, float]:
    """Return how a curve moves with another one of the same days: beta, alpha a year, correlation."""
    mine, theirs = returns(of_days(curve)), returns(of_days(other))
    if len(mine) < LEAST_RETURNS or float(mine.std()) == 0 or float(theirs.std()) == 0:
        return {"beta": nan, "alpha": nan, "correlation": nan}
    beta = float(np.cov(mine, theirs)[0, 1] / theirs.var(ddof=1))
    return {
        "beta": beta,
        "alpha": float(mine.mean() - beta * theirs.mean()) * DAYS_A_YEAR,
        "correlation": float(np.corrcoef(mine, theirs)[0, 1]),
    }
