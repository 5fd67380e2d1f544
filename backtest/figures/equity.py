"""Equity curves: of what an account did, and of the plain things it has to be compared with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from backtest.engine.prepare import prepare
from backtest.engine.simulate import simulate
from backtest.figures.metrics import Curve
from strategy.btc_only import BtcOnly
from strategy.gates import LEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtest.engine.account import AccountOutcome
    from backtest.engine.panel import Panel
    from backtest.engine.rules import Rules
    from strategy.base import Bools, Floats

LEAST_TURNOVER_KRW = 2e8
"""24 h turnover from which a market belongs to "all markets": the shipped strategies trade nothing below it."""


def start_of(panel: Panel) -> int:
    """Return the first column at whose open something may be bought."""
    return max(1, panel.first)


def curve_of(panel: Panel, outcome: AccountOutcome) -> Curve:
    """Return the worth of an account, marked at each candle's close."""
    count = panel.real.shape[1]
    flows, held = np.zeros(count), np.zeros(count)
    for trade in outcome.trades:
        end = count if trade.left is None else trade.left
        flows[trade.entered] -= trade.cost_krw
        if trade.left is not None:
            flows[trade.left] += trade.proceeds_krw
        life = held[trade.entered : end]
        life += trade.volume * panel.window.close[trade.row, trade.entered : end]
    return marked(panel, outcome.rules.krw + np.cumsum(flows), held, outcome.rules.krw)


def marked(panel: Panel, cash: Floats, held: Floats, krw: float) -> Curve:
    """Put money and positions, arrays ``(columns,)``, behind the beginning of the period."""
    start = start_of(panel)
    columns = np.arange(start, panel.real.shape[1] + 1, dtype=np.int64)
    return Curve(
        at_ms=panel.first_ms + columns * panel.unit_ms,
        equity=np.concatenate([[krw], (cash + held)[start:]]),
        invested=np.concatenate([[0.0], held[start:]]),
    )


def baselines(panel: Panel, rules: Rules) -> dict[str, Curve]:
    """Return what the same money would have become without a strategy; without bitcoin's history less of it."""
    curves = {"equal_weight_monthly": equal_weight(panel, rules)}
    if LEADER in panel.window.markets:
        curves["btc_hold"] = btc_hold(panel, rules)
        strategy = BtcOnly()
        ready = prepare(panel, strategy, strategy.parameter_class(), check=False)
        curves["btc_only"] = curve_of(panel, simulate(ready, replace(rules, slots=1, exclude=()), 0))
    return curves


def btc_hold(panel: Panel, rules: Rules) -> Curve:
    """Buy bitcoin at the first candle there is and hold it; after a hole in its history, go on behind it."""
    rows = [row for row, market in enumerate(panel.window.markets) if market == LEADER]
    real = panel.real[rows, start_of(panel) :]
    begins = sorted(start_of(panel) + begin for begin in real[real.any(axis=1)].argmax(axis=1).tolist())
    return rebalanced(panel, rules, rows, begins, least_turnover=0.0)


def equal_weight(panel: Panel, rules: Rules) -> Curve:
    """Hold the same worth of every market that is traded enough, made even where each month's first candle trades."""
    start = start_of(panel)
    allowed = [row for row, market in enumerate(panel.window.markets) if market not in rules.exclude]
    opened = (panel.first_ms + np.arange(panel.real.shape[1]) * panel.unit_ms).astype("datetime64[ms]")
    trading = start + np.flatnonzero(panel.real[allowed, start:].any(axis=0))
    _, first = np.unique(opened[trading].astype("datetime64[M]"), return_index=True)
    return rebalanced(panel, rules, allowed, trading[first].tolist())


def rebalanced(
    panel: Panel, rules: Rules, rows: Sequence[int], begins: Sequence[int], least_turnover: float = LEAST_TURNOVER_KRW
) -> Curve:
    """Spread all money evenly over the rows that trade, at the opens of the columns `begins`, costs included.

    What does not trade in such a candle is neither bought nor sold; a series that has ended was sold at its last close.
    """
    window, count = panel.window, panel.real.shape[1]
    held, cash_of = np.zeros(count), np.full(count, rules.krw)
    cash, volumes = rules.krw, np.zeros(len(rows))
    close, open_ = carried(window.close[rows]), window.open[rows]
    for begin, end in zip(begins, [*begins, count][1:], strict=True):
        turnover = window.turnover_24h[rows, begin - 1]
        trades, over = panel.real[rows, begin], panel.ends[rows] <= begin
        can = trades & (np.nan_to_num(turnover) >= least_turnover)
        if can.any():
            price: Floats = np.where(trades, open_[:, begin], close[:, begin - 1])
            cost_rate = np.array([rules.fee_rate + rules.slippage_of(float(one)) for one in turnover])
            cash, volumes = spread_evenly(
                cash, volumes, np.nan_to_num(price), can=can, free=trades | over, cost_rate=cost_rate
            )
        held[begin:end] = np.nan_to_num(close[:, begin:end] * volumes[:, None]).sum(axis=0)
        cash_of[begin:end] = cash
    return marked(panel, cash_of, held, rules.krw)


def spread_evenly(
    cash: float, volumes: Floats, price: Floats, *, can: Bools, free: Bools, cost_rate: Floats
) -> tuple[float, Floats]:
    """Return money and volumes after all that is `free` was put in equal parts into the rows that `can` be bought."""
    worth = np.where(free, volumes * price, 0.0)
    total = cash + float(worth.sum())
    if total <= 0:
        return cash, volumes
    target = np.where(can, total / can.sum(), 0.0)
    costs = float((np.abs(target - worth) * cost_rate)[free].sum())
    target *= max(0.0, 1 - costs / total)  # the costs come out of every part alike
    bought = np.divide(target, price, out=np.zeros_like(target), where=price > 0)
    return 0.0, np.where(free, bought, volumes)


def carried(close: Floats) -> Floats:
    """Return closes with the last known one where a series has ended."""
    known = np.isfinite(close)
    last = np.maximum.accumulate(np.where(known, np.arange(close.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(close, last, axis=1))
