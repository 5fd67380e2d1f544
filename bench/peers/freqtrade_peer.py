"""freqtrade's backtester, fed from memory: its exchange is told of the markets instead of asking for them."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freqtrade.configuration import TimeRange
from freqtrade.enums import RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.strategy import IStrategy

from bench.peers.prices import COLUMNS, FAST, FEE, KRW, PLACES, SLOW, frame_of

if TYPE_CHECKING:
    from bench.peers.prices import Prices

RULE = "EmaCross"
NO_LIMITS = {name: {"min": None, "max": None} for name in ("amount", "cost", "price", "leverage")}
STEP = {"amount": 1e-8, "price": 1e-8}


class EmaCross(IStrategy):  # type: ignore[misc] # the peer has no types
    """The rule in freqtrade's words; freqtrade finds it by its name in this folder."""

    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi: dict[str, float] = {}  # noqa: RUF012 - as freqtrade reads it: no target
    stoploss = -0.99
    startup_candle_count = SLOW

    def populate_indicators(self, dataframe: Any, metadata: Any) -> Any:
        """Compute both averages."""
        del metadata
        for name, length in (("fast", FAST), ("slow", SLOW)):
            dataframe[name] = dataframe["close"].ewm(span=length, adjust=False).mean()
        return dataframe

    def populate_entry_trend(self, dataframe: Any, metadata: Any) -> Any:
        """Say where the short average is above the long one."""
        del metadata
        dataframe.loc[dataframe["fast"] > dataframe["slow"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: Any, metadata: Any) -> Any:
        """Say where it is below."""
        del metadata
        dataframe.loc[dataframe["fast"] < dataframe["slow"], "exit_long"] = 1
        return dataframe


def freqtrade(prices: Prices) -> int:
    """Run it over all markets, at most `PLACES` at a time."""
    logging.disable(logging.WARNING)
    frames = {f"M{row:03}/KRW": frame_of(prices, row) for row in range(len(prices.close))}
    data = {pair: frame.rename_axis("date").reset_index()[["date", *COLUMNS]] for pair, frame in frames.items()}
    with tempfile.TemporaryDirectory() as folder:
        config = settings(list(data), Path(folder))
        exchange = Exchange(config, validate=False)
        exchange._markets = {pair: market(pair) for pair in data}  # noqa: SLF001 - it would ask the network for them
        engine = Backtesting(config, exchange=exchange)
        engine.backtest_one_strategy(engine.strategylist[0], data, TimeRange())
        engine.cleanup()
    return len(engine.all_bt_content[RULE]["results"])


def settings(pairs: list[str], folder: Path) -> dict[str, Any]:
    """Return what a configuration file of it would say."""
    price = {"price_side": "other", "use_order_book": False}
    return {
        "stake_currency": "KRW", "stake_amount": KRW / PLACES / 2, "dry_run": True, "dry_run_wallet": KRW, "fee": FEE,
        "max_open_trades": PLACES, "tradable_balance_ratio": 1.0, "timeframe": "1m",
        "trading_mode": "spot", "margin_mode": "",
        "strategy": RULE, "strategy_path": str(Path(__file__).parent), "recursive_strategy_search": False,
        "disableparamexport": True, "export": "none", "runmode": RunMode.OTHER,
        "datadir": folder, "user_data_dir": folder,
        "dataformat_ohlcv": "feather", "dataformat_trades": "feather", "original_config": {}, "internals": {},
        "exchange": {"name": "upbit", "key": "", "secret": "", "pair_whitelist": pairs, "enable_ws": False},
        "pairlists": [{"method": "StaticPairList"}], "entry_pricing": price, "exit_pricing": price,
    }  # fmt: skip


def market(pair: str) -> dict[str, Any]:
    """Return a market as ccxt lists it."""
    base, quote = pair.split("/")
    return {
        "id": pair, "symbol": pair, "base": base, "quote": quote, "active": True, "type": "spot", "spot": True,
        "margin": False, "swap": False, "future": False, "linear": None, "contractSize": None,
        "precision": STEP, "limits": NO_LIMITS, "info": {},
    }  # fmt: skip
