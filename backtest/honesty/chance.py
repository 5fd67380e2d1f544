"""How much of a result is chance: trades drawn again, and accounts that bought at random.

All of it uses one simple arithmetic, so that like is compared with like: each trade is given the same share of the
account, `1 / slots`, and an account is the product of its trades, in the order of their sales.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtest.engine.account import Trade
    from backtest.engine.panel import Panel
    from backtest.figures.results import Report
    from strategy.base import Floats

    Whole = npt.NDArray[np.intp]

DRAWS = 2_000
LEAST_TURNOVER_KRW = 2e8
"""24 h turnover from which a random account may buy a market, as the shipped strategies."""
ROUNDING = 1e-9
DEEP = (0.2, 0.3, 0.5)
"""Drawdowns whose probability is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A figure over many draws."""

    p05: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChanceResult:
    """What chance alone would have given. Returns and drawdowns are fractions of the account."""

    trades: int
    measured: float  # return of the median seed, by the arithmetic of this module
    again: Spread  # returns of as many trades drawn from its own, with replacement
    again_drawdown: Spread
    loses: float  # probability of a loss among them
    deep: dict[float, float]  # probability of a drawdown as deep as this
    same_moments: Spread  # random markets at the moments of its own trades: what its timing gives alone
    any_moments: Spread  # the same, with all moments moved together by a random time: no skill at all
    better_market: float  # share of `same_moments` that did at least as well: is choosing the market worth anything?
    better_moment: float  # share of `any_moments` that did at least as well: is any of it?


def measure(report: Report, seed: int = 1, draws: int = DRAWS) -> ChanceResult | None:
    """Return what chance would have given the median seed of a report; None without a trade that ended."""
    panel, rules = report.ready.panel, report.rules
    ended = [one for one in report.typical.outcome.trades if one.left is not None]
    trades = sorted(ended, key=lambda one: one.left or 0)
    if not trades:
        return None
    rng = np.random.default_rng(seed)
    results = np.array([trade.profit_krw / trade.cost_krw for trade in trades])
    own = float(growth(results[None, :], rules.slots)[0])
    drawn = results[rng.integers(0, len(results), (draws, len(results)))]
    grown, fallen = growth(drawn, rules.slots), deepest(drawn, rules.slots)
    market = RandomMarkets(report, trades, rng)
    same = growth(np.stack([market.results(0) for _ in range(draws)]), rules.slots)
    length = panel.real.shape[1] - panel.first
    anywhere = growth(np.stack([market.results(int(rng.integers(1, length))) for _ in range(draws)]), rules.slots)
    return ChanceResult(
        trades=len(trades),
        measured=own,
        again=spread(grown),
        again_drawdown=spread(fallen),
        loses=float((grown < 0).mean()),
        deep={one: float((fallen >= one).mean()) for one in DEEP},
        same_moments=spread(same),
        any_moments=spread(anywhere),
        better_market=float((same >= own - ROUNDING).mean()),
        better_moment=float((anywhere >= own - ROUNDING).mean()),
    )


def spread(values: Floats) -> Spread:
    """Return median and 5-95 % of draws."""
    low, middle, high = np.percentile(values, (5, 50, 95)).tolist()
    return Spread(p05=low, median=middle, p95=high)


def growth(results: Floats, slots: int) -> Floats:
    """Return what accounts earned, fractions.

    Args:
        results: results of trades as fractions of their cost, ``(accounts, trades)``.
        slots: each trade gets one part in so many of the account.
    """
    return np.asarray(np.expm1(np.log1p(results / slots).sum(axis=1)))


def deepest(results: Floats, slots: int) -> Floats:
    """Return the deepest drawdown of each account, from trade to trade."""
    equity = np.exp(np.cumsum(np.log1p(results / slots), axis=1))
    highest = np.maximum.accumulate(np.maximum(equity, 1.0), axis=1)
    return np.asarray((1 - equity / highest).max(axis=1))


class RandomMarkets:
    """Buys as often, as long and at as many places as an account did, but markets at random."""

    def __init__(self, report: Report, trades: Sequence[Trade], rng: np.random.Generator) -> None:
        self._panel: Panel = report.ready.panel
        self._rules, self._rng = report.rules, rng
        self._first, self._count = self._panel.first, self._panel.real.shape[1]
        self._entered: Whole = np.array([trade.entered for trade in trades])
        self._held: Whole = np.array([max(1, (trade.left or 0) - trade.entered) for trade in trades])
        allowed = np.array([market not in self._rules.exclude for market in self._panel.window.markets])
        turnover = np.nan_to_num(self._panel.window.turnover_24h)
        self._may = allowed[:, None] & self._panel.real
        self._may[:, 1:] &= turnover[:, :-1] >= LEAST_TURNOVER_KRW
        self._ranks = np.cumsum(self._may, axis=0)

    def results(self, shift: int) -> Floats:
        """Return the results of one random account, all its moments moved on by `shift` candles around the period."""
        length = self._count - self._first
        begin = self._first + (self._entered - self._first + shift) % length
        end = np.minimum(begin + self._held, self._count - 1)
        rows = self._choose(begin)
        known = rows >= 0
        return np.where(known, self._result(np.maximum(rows, 0), begin, end), 0.0)

    def _choose(self, columns: Whole) -> Whole:
        """Return a random market that trades at each candle; -1 where none does."""
        ranks = self._ranks[:, columns]
        there = ranks[-1]
        wanted = 1 + np.floor(self._rng.random(len(columns)) * there).astype(np.int64)
        rows = (ranks >= wanted).argmax(axis=0)
        return np.where(there > 0, rows, -1)

    def _result(self, rows: Whole, begin: Whole, end: Whole) -> Floats:
        """Return what holding each market from open to open earned after costs; to its last close, where it ended."""
        window, rules = self._panel.window, self._rules
        last = self._panel.ends[rows] - 1
        ended = end > last
        at_close = window.close[rows, np.minimum(last, self._count - 1)]
        sold = np.where(ended, at_close, window.open[rows, np.minimum(end, last)])
        costs = np.array([rules.slippage_of(float(one)) for one in window.turnover_24h[rows, np.maximum(begin - 1, 0)]])
        bought = window.open[rows, begin] * (1 + costs) * (1 + rules.fee_rate)
        return np.asarray(sold * (1 - costs) * (1 - rules.fee_rate) / bought - 1)
