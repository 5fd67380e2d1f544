"""A day as the backtester trades it, beside that of the daemon: the same strategy, sizes, places and candles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.engine.rules import ORDER, Rules
from backtest.engine.simulate import Place, simulate
from backtest.units import to_ms
from views.divergence import STEP, Deal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from backtest.engine.account import Trade
    from backtest.engine.prepare import Prepared
    from backtest.history.candles import Candles
    from config.settings import Config
    from strategy.base import Strategy

MORE = 100
"""Candles before the day besides those the strategy needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What the strategy says about every candle of a day, and what an account may do in it."""

    ready: Prepared
    rules: Rules
    seed: int
    end: datetime  # UTC: nothing is bought from then on

    def column(self, moment: datetime) -> int:
        """Return the column of the candle that opens at a moment."""
        return (to_ms(moment) - self.ready.panel.first_ms) // self.ready.panel.unit_ms

    def row(self, market: str, column: int) -> int | None:
        """Return the row in which a market has a candle then; None when it has none."""
        markets = self.ready.panel.window.markets
        rows = [row for row, name in enumerate(markets) if name == market]
        there = [row for row in rows if np.isfinite(self.ready.panel.window.close[row, column - 1])]
        return there[0] if there else None

    def wants(self, market: str, entered: datetime) -> bool:
        """Return whether a market is a target at the opening of a candle."""
        column = self.column(entered)
        inside = 0 < column < self.ready.passed.shape[1]
        row = self.row(market, column) if inside else None
        return row is not None and self.ready.is_target(row, column - 1)

    def close_of(self, market: str) -> Decimal | None:
        """Return the last close of a market, KRW; None when it has none."""
        row = self.row(market, self.ready.passed.shape[1])
        return None if row is None else Decimal(repr(float(self.ready.panel.window.close[row, -1])))

    def deals(self, places: Sequence[tuple[str, datetime | None]]) -> list[Deal]:
        """Return what the backtester buys; `places` are markets held since before the day, and until when."""
        markets = set(self.ready.panel.window.markets)
        held = [
            Place(market, None if until is None else self.column(until))
            for market, until in places
            if market in markets
        ]
        passed = self.ready.passed.copy()
        passed[:, max(0, self.column(self.end) - 1) :] = False
        outcome = simulate(replace(self.ready, passed=passed), self.rules, self.seed, places=held)
        return [self._deal(trade) for trade in outcome.trades]

    def alone(self, ours: Deal) -> Deal | None:
        """Return what the candles would have given for a purchase of the daemon; None when they give none."""
        column = self.column(ours.entered)
        row = self.row(ours.market, column) if 0 < column < self.ready.passed.shape[1] else None
        if row is None:
            return None
        only = np.zeros_like(self.ready.passed)
        only[row, column - 1] = True
        trades = simulate(replace(self.ready, passed=only), replace(self.rules, slots=1), self.seed).trades
        return self._deal(trades[0]) if trades and trades[0].entered == column else None

    def _deal(self, trade: Trade) -> Deal:
        held = trade.left is None
        close = float(self.ready.panel.window.close[trade.row, -1])
        price = close if trade.exit_price is None else trade.exit_price
        return Deal(
            market=trade.market,
            entered=self.ready.panel.opened_at(trade.entered),
            left=None if trade.left is None else self.ready.panel.opened_at(trade.left),
            why=None if held else trade.cause,
            volume=Decimal(repr(trade.volume)),
            paid_krw=exact(trade.entry_price * trade.volume),
            got_krw=exact(price * trade.volume),
            fees_krw=exact(trade.fees_krw),
        )


def exact(krw: float) -> Decimal:
    """Return won to the step in which they are told."""
    return Decimal(repr(krw)).quantize(STEP)


def day_of(
    config: Config,
    loaded: tuple[Strategy, Any],
    history: Mapping[str, Candles],
    period: tuple[datetime, datetime],
    until: datetime,
    *,
    fee_rate: Decimal,
) -> Day:
    """Ask the strategy about a day, with the sizes and caps of the settings and no slippage.

    Args:
        config: the settings of the daemon.
        loaded: the strategy and its parameters.
        history: candles by market.
        period: begin and end of the day, UTC.
        until: UTC; candles that open from then on are not known.
        fee_rate: fraction of the notional.

    Raises:
        NothingThere: when there are too few candles.
    """
    strategy, parameters = loaded
    unit, (begin, end) = config.strategy.unit, period
    warm_up = strategy.history(parameters, unit) + MORE
    panel = build_panel(history, unit, begin, until, warm_up=warm_up)
    rules = Rules(
        krw=1e15,  # what the wallet lacked is a refusal of the daemon
        slots=config.trading.max_open_trades,
        sizing=ORDER,
        order_krw=config.trading.order_krw,
        max_order_krw=config.risk.max_order_krw,
        max_market_krw=config.risk.max_market_krw,
        max_day_krw=config.risk.max_day_krw,
        fee_rate=float(fee_rate),
        slippage_scale=0.0,
        exclude=config.risk.exclude,
    )
    ready = prepare(panel, strategy, parameters, exclude=rules.exclude)
    return Day(ready=ready, rules=rules, seed=config.trading.seed or 0, end=end)
