"""Those who go from candle to candle: backtesting.py, backtrader, basana, freqtrade and nautilus."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bench.peers.prices import COLUMNS, FAST, FEE, KRW, PLACES, SLOW, START, UNIT, frame_of

if TYPE_CHECKING:
    from bench.peers.prices import Prices


def backtesting_py(prices: Prices) -> int:
    """Run backtesting.py, market by market."""
    from backtesting import Backtest, Strategy

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

    titled = (frame_of(prices, row).rename(columns=str.title) for row in range(len(prices.close)))
    runs = (Backtest(frame, Cross, cash=KRW, commission=FEE).run() for frame in titled)
    return sum(int(run["# Trades"]) for run in runs)


def backtrader(prices: Prices) -> int:
    """Run backtrader with one feed a market."""
    import backtrader as bt

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
    for row in range(len(prices.close)):
        engine.adddata(bt.feeds.PandasData(dataname=frame_of(prices, row)))
    (strategy,) = engine.run()
    return int(strategy.ended)


def basana(prices: Prices) -> int:  # noqa: C901 - a whole strategy of theirs, in one place
    """Run basana with one source of bars for all markets, prices as the decimals it wants."""
    import asyncio

    import basana as bs
    from basana.backtesting import exchange as box
    from basana.backtesting import fees, liquidity

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
                    five = (getattr(prices, name)[row, at] for name in COLUMNS)
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
