"""What a backtest says: figures of every seed, their median and 5-95 % band, and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.engine.offers import Offers
from backtest.engine.simulate import simulate
from backtest.figures.equity import baselines, curve_of, start_of
from backtest.figures.metrics import DAY_MS, curve_figures, drawdown, monthly, yearly
from backtest.figures.statistics import account_statistics, against, trade_statistics
from backtest.units import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from backtest.engine.account import AccountOutcome, Trade
    from backtest.engine.prepare import Prepared
    from backtest.engine.rules import Rules
    from backtest.figures.metrics import Curve, Drawdown
    from strategy.base import Floats

LOW, MIDDLE, HIGH = 5, 50, 95
"""Percentiles of a band over seeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One seed: its trades, its curve, its figures by name."""

    outcome: AccountOutcome
    curve: Curve
    figures: Mapping[str, float]

    @property
    def seed(self) -> int:
        """The seed of the draws."""
        return self.outcome.seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure over many seeds: median, and the middle 90 percent."""

    p05: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a backtest says. `to_json` of `backtest/report/as_json.py` writes it, and the terminal shows it."""

    ready: Prepared
    rules: Rules
    runs: tuple[Run, ...]
    bands: Mapping[str, Band]
    monthly: Mapping[str, Band]  # return of each month, by "2024-01"
    baselines: Mapping[str, Curve]

    @property
    def begin(self) -> datetime:
        """When the account began, UTC."""
        return self.ready.panel.opened_at(start_of(self.ready.panel))

    @property
    def end(self) -> datetime:
        """Until when it was followed, UTC."""
        return self.ready.panel.window.closed_at

    @property
    def unit(self) -> str:
        """Length of the candles, as it is written."""
        return name_of(self.ready.panel.window.unit)

    @property
    def markets(self) -> int:
        """How many markets might have been bought."""
        return len(set(self.ready.panel.window.markets) - set(self.rules.exclude))

    @property
    def typical(self) -> Run:
        """The run whose end is the median one: what one user may see."""
        order = sorted(self.runs, key=lambda run: run.figures["equity_final"])
        return order[(len(order) - 1) // 2]

    @property
    def yearly(self) -> dict[str, Band]:
        """Return of each year, by "2024"; the first and the last may be parts of one."""
        by_year = [yearly(run.curve) for run in self.runs]
        return {year: band([one[year] for one in by_year]) for year in by_year[0]}

    def baseline_figures(self) -> dict[str, dict[str, float]]:
        """Return the figures of every baseline."""
        return {name: curve_figures(curve) | account_statistics(curve) for name, curve in self.baselines.items()}

    def drawdowns(self) -> dict[str, Drawdown]:
        """Return the deepest falls, of the typical run and of every baseline."""
        return {"typical": drawdown(self.typical.curve)} | {
            name: drawdown(curve) for name, curve in self.baselines.items()
        }


def run_seeds(
    ready: Prepared, rules: Rules, seeds: Iterable[int], done: Callable[[Run], Any] = lambda _: None
) -> Report:
    """Run one account for each seed and put together what they say."""
    compared = baselines(ready.panel, rules)
    runs = []
    for run in each_run(ready, rules, seeds):
        runs.append(with_statistics(run, ready.panel.unit_ms, compared.get("btc_hold")))
        done(runs[-1])
    by_month = [monthly(run.curve) for run in runs]
    return Report(
        ready=ready,
        rules=rules,
        runs=tuple(runs),
        bands={name: band([run.figures[name] for run in runs]) for name in runs[0].figures},
        monthly={month: band([one[month] for one in by_month]) for month in by_month[0]},
        baselines=compared,
    )


def with_statistics(run: Run, unit_ms: int, bitcoin: Curve | None) -> Run:
    """Return a run with every figure there is: a search does without the less common ones."""
    more = account_statistics(run.curve) | trade_statistics(run.outcome.trades, unit_ms)
    beside = against(run.curve, bitcoin) if bitcoin is not None else {}
    return replace(run, figures={**run.figures, **more, **beside})


def each_run(ready: Prepared, rules: Rules, seeds: Iterable[int]) -> Iterator[Run]:
    """Run one account for each seed; what does not rest on the draws is asked for once."""
    offers = Offers(ready, rules)
    return (run_one(ready, rules, seed, offers) for seed in seeds)


def run_one(ready: Prepared, rules: Rules, seed: int, offers: Offers | None = None) -> Run:
    """Run one account."""
    outcome = simulate(ready, rules, seed, offers=offers)
    curve = curve_of(ready.panel, outcome)
    figures = curve_figures(curve) | trade_figures(outcome.trades, ready.panel.unit_ms)
    return Run(outcome=outcome, curve=curve, figures=figures)


def trade_figures(trades: Sequence[Trade], unit_ms: int) -> dict[str, float]:
    """Return the figures of the trades that have ended; costs count those that are still held too."""
    ended = [trade for trade in trades if trade.left is not None]
    costs = np.array([trade.cost_krw for trade in ended])
    profits = np.array([trade.proceeds_krw for trade in ended]) - costs
    shares = profits / costs
    wins, losses = profits[profits > 0], -profits[profits < 0]
    held_days = [(trade.left - trade.entered) * unit_ms / DAY_MS for trade in ended if trade.left is not None]
    return {
        "trades": float(len(ended)),
        "open_trades": float(len(trades) - len(ended)),
        "win_rate": float((profits > 0).mean()) if ended else nan,
        "profit_factor": float(wins.sum() / losses.sum()) if len(losses) else nan,
        "payoff": float(wins.mean() / losses.mean()) if len(wins) and len(losses) else nan,
        "expectancy_krw": float(profits.mean()) if ended else nan,
        "sqn": sqn(shares),
        "mean_trade": float(shares.mean()) if ended else nan,
        "best_trade": float(shares.max()) if ended else nan,
        "worst_trade": float(shares.min()) if ended else nan,
        "holding_days": float(np.mean(held_days)) if held_days else nan,
        "losing_streak": float(longest_losing_streak(profits.tolist())),
        "fees_krw": sum(trade.fees_krw for trade in trades),
        "slippage_krw": sum(trade.slippage_krw for trade in trades),
        "turnover_krw": sum(trade.cost_krw + trade.proceeds_krw for trade in trades),
    }


def sqn(shares: Floats) -> float:
    """Return Van Tharp's system quality number: root of the count times mean over deviation of the trades' results."""
    spread = float(shares.std(ddof=1)) if len(shares) > 1 else 0.0
    return float(np.sqrt(len(shares)) * shares.mean()) / spread if spread > 0 else nan


def longest_losing_streak(profits: Sequence[float]) -> int:
    """Return how many trades in a row lost, at most."""
    longest = streak = 0
    for profit in profits:
        streak = streak + 1 if profit < 0 else 0
        longest = max(longest, streak)
    return longest


def band(values: Sequence[float]) -> Band:
    """Return median and 5-95 % band; values that do not exist (NaN) are left out."""
    known = np.array(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return Band(p05=nan, median=nan, p95=nan)
    return Band(**dict(zip(("p05", "median", "p95"), np.percentile(known, (LOW, MIDDLE, HIGH)).tolist(), strict=True)))
