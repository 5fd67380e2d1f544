"""nautilus: its compiled engine with bars, one strategy for all markets, and a cash account."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, RiskEngineConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model import BarType, Money, Venue
from nautilus_trader.model.currencies import KRW as WON
from nautilus_trader.model.enums import AccountType, CurrencyType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

from bench.peers.prices import FAST, FEE, KRW, PLACES, SLOW, UNIT, frame_of

if TYPE_CHECKING:
    from bench.peers.prices import Prices

VENUE = Venue("SIM")


class Cross(Strategy):  # type: ignore[misc] # the peer has no types
    """The rule in nautilus' words."""

    def __init__(self, kinds: list[Any]) -> None:
        super().__init__()
        self.averages = {kind: (ExponentialMovingAverage(FAST), ExponentialMovingAverage(SLOW)) for kind in kinds}
        self.held: dict[Any, Any] = {}
        self.ended = 0

    def on_start(self) -> None:
        """Subscribe to every market."""
        for kind, averages in self.averages.items():
            for average in averages:
                self.register_indicator_for_bars(kind, average)
            self.subscribe_bars(kind)

    def on_bar(self, bar: Any) -> None:
        """Buy what rises while there is a place, sell what falls."""
        kind = bar.bar_type
        fast, slow = self.averages[kind]
        if kind in self.held:
            if fast.value < slow.value:
                self.send(kind, OrderSide.SELL, self.held.pop(kind))
                self.ended += 1
        elif fast.value > slow.value and slow.initialized and len(self.held) < PLACES:
            instrument = self.cache.instrument(kind.instrument_id)
            self.held[kind] = instrument.make_qty(KRW / PLACES / 2 / bar.close.as_double())
            self.send(kind, OrderSide.BUY, self.held[kind])

    def send(self, kind: Any, side: Any, quantity: Any) -> None:
        """Send a market order."""
        order = self.order_factory.market(instrument_id=kind.instrument_id, order_side=side, quantity=quantity)
        self.submit_order(order)


def nautilus(prices: Prices) -> int:
    """Run it without logs, checks of risk and reports."""
    quiet = BacktestEngineConfig(
        logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True), run_analysis=False
    )
    engine = BacktestEngine(quiet)
    engine.add_venue(
        VENUE, oms_type=OmsType.NETTING, account_type=AccountType.CASH, starting_balances=[Money(KRW, WON)]
    )
    kinds, bars = [], []
    for row in range(len(prices.close)):
        pair = market(f"M{row:03}")
        engine.add_instrument(pair)
        kinds.append(BarType.from_str(f"{pair.id}-1-MINUTE-LAST-EXTERNAL"))
        frame = frame_of(prices, row)
        bars += BarDataWrangler(kinds[-1], pair).process(frame.set_index(frame.index + UNIT))
    engine.add_data(bars, validate=False)
    strategy = Cross(kinds)
    engine.add_strategy(strategy)
    engine.run()
    engine.dispose()
    return strategy.ended


def market(name: str) -> Any:
    """Return a coin against won."""
    fee = Decimal(str(FEE))
    return CurrencyPair(
        InstrumentId(Symbol(f"{name}/KRW"), VENUE),
        Symbol(name),
        Currency(name, 8, 0, name, CurrencyType.CRYPTO),
        WON,
        price_precision=4,
        size_precision=8,
        price_increment=Price.from_str("0.0001"),
        size_increment=Quantity.from_str("0.00000001"),
        ts_event=0,
        ts_init=0,
        maker_fee=fee,
        taker_fee=fee,
    )
