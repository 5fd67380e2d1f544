"""Measure how many candles a second a backtest takes, beside other backtesters and a fused numba loop.

Everybody runs the same rule on the same made-up prices: hold a market while its EMA(20) is above its EMA(100), at most
five markets at a time. backtesting.py knows one market only, so it runs them one by one, and vectorbt has no such
limit: both hold every market that rises. The numba loop is no backtester: it is the least a compiled program needs for
the same rule, draw and costs, written by hand in one loop.

Each peer runs in a process of its own, three times: the first call is shown apart (what is compiled and loaded then),
the best of the others is the figure. Time is processor time of the process, so that a busy machine disturbs it less;
still compare only ratios within one run. It begins when the prices are in memory and ends with the last trade; a
peer's own way of feeding candles and its own indicators are included, imports are shown apart.

    make peers

A peer that is not installed is left out. The slow ones get a tenth of the candles (column "candles"), or all of them
with --whole.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Callable

    from strategy.base import Floats

FAST, SLOW, PLACES, FEE, KRW = 20, 100, 5, 0.0005, 1e9
UNIT = timedelta(minutes=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
CASES = {"one market": (1, 525_600), "many markets": (100, 43_200)}
SLOW_PART = 10


@dataclass(frozen=True, slots=True)
class Prices:
    """Made-up candles, arrays ``(markets, candles)``."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @property
    def count(self) -> int:
        """How many candles there are, of all markets together."""
        return self.close.size


def make_prices(markets: int, candles: int) -> Prices:
    """Return seeded prices that wander about, with trends that last some hours."""
    rng = np.random.default_rng(1)
    drift = np.repeat(rng.normal(0, 2e-5, (markets, candles // 240 + 1)), 240, axis=1)[:, :candles]
    close = 10_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, (markets, candles)) + drift, axis=1))
    open_ = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    wide = np.exp(np.abs(rng.normal(0, 3e-4, (markets, candles))))
    high, low = np.maximum(open_, close) * wide, np.minimum(open_, close) / wide
    return Prices(open_, high, low, close, np.full_like(close, 1e6))


# --- the peers: each returns how many trades it made -----------------------------------------------------------------


def ours(prices: Prices) -> int:
    """Run this project's engine, with its portfolio rules, on one clock."""
    from backtest.engine.prepare import prepare  # noqa: PLC0415 - same
    from backtest.engine.rules import Rules  # noqa: PLC0415 - same
    from backtest.engine.simulate import simulate  # noqa: PLC0415 - same
    from bench.cross import Cross, Parameters, panel_of  # noqa: PLC0415 - only in the process that needs it

    panel = panel_of(prices, START, UNIT)
    ready = prepare(panel, Cross(), Parameters(fast=FAST, slow=SLOW))
    return len(simulate(ready, Rules(krw=KRW, slots=PLACES, fee_rate=FEE), 1).trades)


def frames(prices: Prices) -> list[Any]:
    """Return one pandas frame a market, with the columns most libraries want."""
    import pandas as pd  # noqa: PLC0415 - only with the peers

    index = pd.date_range(START, periods=prices.close.shape[1], freq="min")
    names = ("open", "high", "low", "close", "volume")
    return [
        pd.DataFrame({name.title(): getattr(prices, name)[row] for name in names}, index=index)
        for row in range(len(prices.close))
    ]


def backtesting_py(prices: Prices) -> int:
    """Run backtesting.py, market by market."""
    from backtesting import Backtest, Strategy  # noqa: PLC0415 - a peer

    def ema(values: Any, length: int) -> Any:
        return values.s.ewm(span=length, adjust=False).mean()

    class Cross(Strategy):  # type: ignore[misc] # the peer has no types
        def init(self) -> None:
            self.fast = self.I(ema, self.data.Close, FAST)
            self.slow = self.I(ema, self.data.Close, SLOW)

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1]:
                if not self.position:
                    self.buy(size=0.9)
            elif self.position:
                self.position.close()

    runs = (Backtest(frame, Cross, cash=KRW, commission=FEE).run() for frame in frames(prices))
    return sum(int(run["# Trades"]) for run in runs)


def backtrader(prices: Prices) -> int:
    """Run backtrader with one feed a market."""
    import backtrader as bt  # noqa: PLC0415 - a peer

    class Cross(bt.Strategy):  # type: ignore[misc] # the peer has no types
        def __init__(self) -> None:
            self.rises = {one: bt.ind.EMA(one, period=FAST) - bt.ind.EMA(one, period=SLOW) for one in self.datas}
            self.held: set[Any] = set()
            self.ended = 0

        def next(self) -> None:
            for one, rises in self.rises.items():
                if one in self.held:
                    if rises[0] < 0:
                        self.close(data=one)
                        self.held.discard(one)
                        self.ended += 1
                elif rises[0] > 0 and len(self.held) < PLACES:
                    self.buy(data=one, size=KRW / PLACES / 2 / one.close[0])
                    self.held.add(one)

    engine = bt.Cerebro(stdstats=False)
    engine.broker.setcash(KRW)
    engine.broker.setcommission(commission=FEE)
    engine.addstrategy(Cross)
    for frame in frames(prices):
        engine.adddata(bt.feeds.PandasData(dataname=frame))
    (strategy,) = engine.run()
    return int(strategy.ended)


def basana(prices: Prices) -> int:  # noqa: C901 - a whole strategy of theirs, in one place
    """Run basana with one source of bars for all markets, prices as the decimals it wants."""
    import asyncio  # noqa: PLC0415 - only here

    import basana as bs  # noqa: PLC0415 - a peer
    from basana.backtesting import exchange as box  # noqa: PLC0415 - same
    from basana.backtesting import fees, liquidity  # noqa: PLC0415 - same

    markets, count = prices.close.shape
    pairs = [bs.Pair(f"M{row}", "KRW") for row in range(markets)]

    class Bars(bs.FifoQueueEventSource):  # type: ignore[misc] # the peer's classes are not typed for us
        def __init__(self) -> None:
            super().__init__()
            self.all = self.bars()

        def bars(self) -> Any:
            for at in range(count):
                begin = START + at * UNIT
                for row, pair in enumerate(pairs):
                    five = (getattr(prices, name)[row, at] for name in ("open", "high", "low", "close", "volume"))
                    bar = bs.Bar(begin, pair, *(Decimal(f"{float(one):.4f}") for one in five), UNIT)
                    yield bs.BarEvent(begin + UNIT, bar)

        def pop(self) -> Any:
            return next(self.all, None)

    async def run() -> int:
        dispatcher = bs.backtesting_dispatcher()
        exchange = box.Exchange(
            dispatcher,
            {"KRW": Decimal(int(KRW))},
            liquidity_strategy_factory=liquidity.InfiniteLiquidity,
            fee_strategy=fees.Percentage(Decimal(str(100 * FEE))),
            default_pair_info=bs.PairInfo(8, 0),
        )
        exchange.add_bar_source(Bars())
        state: dict[Any, tuple[float, float]] = {}
        held: dict[Any, Decimal] = {}
        ended = 0

        async def on_bar(event: Any) -> None:
            nonlocal ended
            pair, close = event.bar.pair, float(event.bar.close)
            fast, slow = state.get(pair, (close, close))
            fast, slow = fast + 2 / (FAST + 1) * (close - fast), slow + 2 / (SLOW + 1) * (close - slow)
            state[pair] = (fast, slow)
            if pair in held:
                if fast < slow:
                    await exchange.create_market_order(bs.OrderOperation.SELL, pair, held.pop(pair))
                    ended += 1
            elif fast > slow and len(held) < PLACES:
                held[pair] = round(Decimal(KRW / PLACES / 2 / close), 8)
                await exchange.create_market_order(bs.OrderOperation.BUY, pair, held[pair])

        for pair in pairs:
            exchange.subscribe_to_bar_events(pair, on_bar)
        await dispatcher.run()
        return ended

    return asyncio.run(run())


def vectorbt(prices: Prices) -> int:
    """Run vectorbt on whole arrays; its first call compiles."""
    import pandas as pd  # noqa: PLC0415 - only with the peers
    import vectorbt as vbt  # noqa: PLC0415 - a peer

    index = pd.date_range(START, periods=prices.close.shape[1], freq="min")
    close, open_ = (pd.DataFrame(values.T, index=index) for values in (prices.close, prices.open))
    fast = close.ewm(span=FAST, adjust=False).mean()
    slow = close.ewm(span=SLOW, adjust=False).mean()
    late = [signal.shift(1, fill_value=False) for signal in (fast > slow, fast < slow)]
    portfolio = vbt.Portfolio.from_signals(close, *late, price=open_, fees=FEE, freq="1min", init_cash=KRW)
    return int(portfolio.trades.count().sum())


def numba_loop(prices: Prices) -> int:
    """Run the rule as one compiled loop over all candles of all markets."""
    return int(fused()(prices.open, prices.close, FAST, SLOW, PLACES, FEE, KRW)[0])


@cache
def fused() -> Any:  # noqa: C901 - one loop, by hand, as fast as it goes
    """Return the compiled loop."""
    import numba  # noqa: PLC0415 - a peer

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


PEERS: dict[str, tuple[str | None, Callable[[Prices], int], bool]] = {
    "this project": (None, ours, False),
    "numba loop": ("numba", numba_loop, False),
    "vectorbt": ("vectorbt", vectorbt, False),
    "backtesting.py": ("backtesting", backtesting_py, True),
    "backtrader": ("backtrader", backtrader, True),
    "basana": ("basana", basana, True),
}
"""Name: the module it needs, what runs it, and whether it goes candle by candle."""

RUNS, WIDTHS = 3, (11, 10, 9, 9, 13, 8, 9, 11)


def measure_here(name: str, markets: int, candles: int) -> dict[str, float]:
    """Run one peer in this process, first cold, then warm."""
    prices = make_prices(markets, candles)
    random.seed(1)
    module, run, slow = PEERS[name]
    began = time.process_time()
    importlib.import_module(module or "backtest.engine.simulate")
    taken = [time.process_time() - began]
    for _ in range(1 if slow else RUNS):
        began = time.process_time()
        trades = run(prices)
        taken.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "candles": prices.count, "import": taken[0], "first": taken[1], "seconds": min(taken[1:]), "trades": trades,
        "peak_mb": peak,
    }  # fmt: skip


def measure(name: str, markets: int, candles: int) -> dict[str, float]:
    """Run one peer in a process of its own."""
    command = [sys.executable, __file__, "--one", name, str(markets), str(candles)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(  # noqa: S603 - our own program
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def compare(case: str, *, whole: bool) -> None:
    """Print one table."""
    markets, candles = CASES[case]
    print(f"\n{case}: {markets} x {candles:,} one-minute candles, EMA {FAST}/{SLOW}, at most {PLACES} positions")
    heads = ("candles", "import s", "first s", "warm s", "candles/s", "trades", "peak MB", "ours is")
    print(" " * 16 + "".join(f"{name:>{width}}" for name, width in zip(heads, WIDTHS, strict=True)))
    first = 0.0
    for name, (module, _, slow) in PEERS.items():
        if module is not None and importlib.util.find_spec(module) is None:
            print(f"{name:16}not installed: make peers")
            continue
        one = measure(name, markets, candles // SLOW_PART if slow and not whole else candles)
        rate = one["candles"] / one["seconds"]
        first = first or rate
        print(
            f"{name:16}{one['candles']:>11,}{one['import']:>10.2f}{one['first']:>9.2f}{one['seconds']:>9.3f}{rate:>13,.0f}"
            f"{one['trades']:>8,}{one['peak_mb']:>9,.0f}{first / rate:>9.2f} x",
            flush=True,
        )


def main() -> None:
    """Measure every peer on every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true", help="give the slow ones all candles too (half an hour)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, markets, candles = options.one
        print(json.dumps(measure_here(name, int(markets), int(candles))))
        return
    for case in CASES:
        compare(case, whole=options.whole)


if __name__ == "__main__":
    main()
