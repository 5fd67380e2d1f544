"""The backtester agrees, trade by trade, with a second one that was written from the documents alone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.engine.rules import Rules
from backtest.engine.simulate import simulate
from backtest.history.candles import Candles
from backtest.units import UNITS, to_ms
from strategy import registry
from tests.helpers import second_backtest as second
from tests.helpers.scripted import START

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.engine.account import Trade

RULES: Mapping[str, type[second.Rule]] = {
    "quiet_trend": second.QuietTrend,
    "quiet_breakout": second.QuietBreakout,
    "rare_dip": second.RareDip,
    "btc_only": second.BtcOnly,
    "volatility_breakout": second.VolatilityBreakout,
}
WARM_UP, CANDLES, MARKETS = 600, 1_500, 7


def history(seed: int, unit: timedelta) -> dict[str, Candles]:
    """Return markets that wander about: with candles missing, a long hole, a late listing, an end, and thin ones."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(MARKETS):
        calm = np.repeat(rng.choice([0.002, 0.006], CANDLES // 50), 50)
        drift = np.repeat(rng.normal(0.0004, 0.0012, CANDLES // 50), 50)
        close = 1_000 * np.exp(np.cumsum(drift + calm * rng.normal(0, 1, CANDLES)))
        open_ = np.concatenate([close[:1], close[:-1]]) * (1 + rng.normal(0, 0.0005, CANDLES))
        wide = 1 + np.abs(rng.normal(0, 0.6, (2, CANDLES))) * calm
        volume = rng.uniform(0.5, 1.5, CANDLES) * (5e6 if number != 3 else 2e4) / (timedelta(days=1) / unit)
        keep = rng.random(CANDLES) > 0.02
        hole = int(timedelta(days=3) / unit) + 5
        if number == 2:
            keep[900 : 900 + hole] = False
        if number == 4:
            keep[:700] = False
        if number == 5:
            keep[1_150:] = False
        at = np.flatnonzero(keep)
        unit_ms = unit // timedelta(milliseconds=1)
        turnover = close * volume
        turnover[rng.random(CANDLES) < 0.3] = np.nan
        whole = Candles(
            opened_at_ms=to_ms(START) + np.arange(CANDLES, dtype=np.int64) * unit_ms,
            open=open_, high=np.maximum(open_, close) * wide[0], low=np.minimum(open_, close) / wide[1], close=close,
            volume=volume, turnover=turnover,
        )  # fmt: skip
        found["KRW-BTC" if number == 0 else f"KRW-M{number}"] = whole.take(at)
    return found


def plain_rows(candles: Candles) -> list[second.Candle]:
    """Return candles as plain tuples."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume, candles.turnover)
    return list(zip(candles.opened_at_ms.tolist(), *(column.tolist() for column in columns), strict=True))


def told(trade: Trade) -> tuple[Any, ...]:
    """Return what a trade of ours has to be equal in, and its money."""
    return trade.market, trade.entered, trade.left, trade.inside, trade.cause


@pytest.mark.parametrize("unit", ["60m", "240m", "15m"])
@pytest.mark.parametrize("name", list(RULES))
def test_every_trade_is_the_same(name: str, unit: str) -> None:
    """Market, candle and cause of each purchase and sale, prices and money; over histories with every oddity."""
    length = UNITS[unit]
    strategy, parameters = registry.load(name, {"max_rsi": 40.0} if name == "rare_dip" else {})
    rule = RULES[name]()
    if isinstance(rule, second.RareDip):
        rule.max_rsi = 40.0
    slots, count = (1 if name == "btc_only" else 3), 0
    begin, end = START + WARM_UP * length, START + CANDLES * length
    for seed in range(2):
        books = history(100 * len(unit) + seed, length)
        panel = build_panel(books, length, begin, end, warm_up=WARM_UP)
        ready = prepare(panel, strategy, parameters)
        other = second.Second(
            {market: plain_rows(one) for market, one in books.items()},
            length // timedelta(milliseconds=1), (to_ms(begin), to_ms(end)), WARM_UP,
        )  # fmt: skip
        for draws in range(2):
            ours = simulate(ready, Rules(slots=slots), draws).trades
            theirs = other.run(rule, draws, krw=1_000_000.0, slots=slots)
            assert [told(one) for one in ours] == [
                (one.market, one.bought, one.sold, one.inside, one.cause) for one in theirs
            ]
            for mine, other_one in zip(ours, theirs, strict=True):
                money = (mine.entry_price, mine.exit_price or 0.0, mine.cost_krw, mine.proceeds_krw)
                assert money == pytest.approx(
                    (other_one.entry, other_one.exit or 0.0, other_one.cost, other_one.proceeds), rel=1e-9
                )
            count += len(ours)
    assert count >= 8, "too few trades to say anything"
