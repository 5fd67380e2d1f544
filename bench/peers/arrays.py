"""Those who look at whole arrays: vectorbt, fast-trade, and a loop that numba compiles from the bare rule."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.peers.prices import COLUMNS, FAST, FEE, KRW, PLACES, SLOW, START, UNIT

if TYPE_CHECKING:
    from bench.peers.prices import Prices


def vectorbt(prices: Prices) -> int:
    """Run vectorbt on whole arrays; its first call compiles."""
    import pandas as pd
    import vectorbt as vbt

    index = pd.date_range(START, periods=prices.close.shape[1], freq="min")
    close, open_ = (pd.DataFrame(values.T, index=index) for values in (prices.close, prices.open))
    fast = close.ewm(span=FAST, adjust=False).mean()
    slow = close.ewm(span=SLOW, adjust=False).mean()
    late = [signal.shift(1, fill_value=False) for signal in (fast > slow, fast < slow)]
    portfolio = vbt.Portfolio.from_signals(close, *late, price=open_, fees=FEE, freq="1min", init_cash=KRW)
    return int(portfolio.trades.count().sum())


def fast_trade(prices: Prices) -> int:
    """Run fast-trade, market by market: it knows one at a time."""
    import polars as pl
    from fast_trade import run_backtest

    begin = START.replace(tzinfo=None)
    at = pl.datetime_range(begin, begin + (prices.close.shape[1] - 1) * UNIT, interval="1m", eager=True)
    averages = (("fast", FAST), ("slow", SLOW))
    plan = {
        "base_balance": KRW, "freq": "1Min", "comission": 100 * FEE, "start": "", "stop": "", "symbol": "M",
        "datapoints": [{"name": name, "transformer": "ema", "args": [length]} for name, length in averages],
        "enter": [["fast", ">", "slow"]], "exit": [["fast", "<", "slow"]], "exchange": "-", "trailing_stop_loss": 0,
    }  # fmt: skip
    orders = 0
    for row in range(len(prices.close)):
        candles = pl.DataFrame({"date": at, **{name: getattr(prices, name)[row] for name in COLUMNS}})
        orders += int(run_backtest(plan, df=candles)["summary"]["num_trades"])
    return orders // 2  # it counts purchases and sales


def numba_loop(prices: Prices) -> int:
    """Run the rule as one compiled loop over all candles of all markets."""
    return int(fused()(prices.open, prices.close, FAST, SLOW, PLACES, FEE, KRW)[0])


@cache
def fused() -> Any:  # noqa: C901 - one loop, by hand, as fast as it goes
    """Return the compiled loop."""
    import numba

    @numba.njit  # type: ignore[untyped-decorator] # the peer has no types
    def run(  # noqa: C901, PLR0917 - one loop, by hand, as fast as it goes
        open_: Any, close: Any, fast: int, slow: int, places: int, fee: float, krw: float
    ) -> Any:
        markets, count = close.shape
        np.random.seed(1)  # noqa: NPY002 - the only one numba compiles
        quick, late, last = close[:, 0].copy(), close[:, 0].copy(), close[:, 0].copy()
        rises, volume = np.zeros(markets, np.int8), np.zeros(markets)
        free, cash, held, ended = np.empty(markets, np.int64), krw, 0, 0
        for at in range(1, count):
            if at > slow:
                for row in range(markets):
                    if volume[row] > 0 and rises[row] < 0:
                        cash += volume[row] * open_[row, at] * 0.999 * (1 - fee)
                        volume[row], held, ended = 0.0, held - 1, ended + 1
                found = 0
                if held < places:
                    for row in range(markets):
                        if volume[row] == 0 and rises[row] > 0:
                            free[found] = row
                            found += 1
                if found:
                    worth = cash + (volume * last).sum()
                    while held < places and found:
                        drawn = np.random.randint(found)  # noqa: NPY002 - same
                        row, found = free[drawn], found - 1
                        free[drawn] = free[found]
                        total = min(worth / places, cash / (1 + fee))
                        volume[row], cash, held = total / (open_[row, at] * 1.001), cash - total * (1 + fee), held + 1
            for row in range(markets):
                now = close[row, at]
                quick[row] += 2 / (fast + 1) * (now - quick[row])
                late[row] += 2 / (slow + 1) * (now - late[row])
                rises[row] = 1 if quick[row] > late[row] else -1 if quick[row] < late[row] else 0
                last[row] = now
        return ended, cash

    return run
