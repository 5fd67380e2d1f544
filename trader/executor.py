"""`execute_trades`: start a trade in each market of `trading_dict`, and take each to its end.

Reads `trading_dict`, `snapshot_dict` and `wallet_dict`; writes `active_trade`; removes ended trades from the shared
dicts. A step takes one view, lets `trader/decisions.py` decide, and starts the order flows of
`trader/trades/lifecycle.py`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Phase
from state import ActiveTrade
from trader.books.breach import guard
from trader.control import SELL_ALL
from trader.decisions import Begin, Buy, Drop, Failed, Raise, Sell, View, decide
from trader.loops import every, keep_going
from trader.trades.lifecycle import buy, carry_on, sell
from trader.trades.positions import leave_alone, let_go, reserve

if TYPE_CHECKING:
    from journal.journal import Journal
    from state import State
    from trader.app import App

log = logging.getLogger("trader.executor")

PERIOD_S = 1.0
CANDLES_LATE = timedelta(minutes=3)
"""How long after its close a candle may still be on its way to us before indicators count as stale."""
CLOSING_RESTS = timedelta(hours=1)
WORTH_WRITING = Decimal("1.001")
"""A new highest price is written down when it is this much above the one written before."""


async def execute_trades(app: App) -> None:
    """Trade until the daemon stops; then let the orders in hand finish."""
    async with asyncio.TaskGroup() as orders:
        for trade in (await app.state.active_trade.snapshot()).values():
            if trade.phase in {
                Phase.BUYING,
                Phase.SELLING,
            }:  # as `restore` found it
                orders.create_task(
                    guard(app, trade.market, carry_on(app, trade.market)), name=f"carry on {trade.market}"
                )
        ticks = every(PERIOD_S, app.stop, wake=app.prices_changed)
        await keep_going("execute_trades", ticks, lambda: step(app, orders), health=app.health, stop=app.stop)


async def look(app: App) -> View:
    """Return the shared dicts as they are at this moment."""
    closing = await app.state.closing.snapshot()
    return View(
        now=app.clock(),
        trading=await app.state.trading_dict.snapshot(),
        active=await app.state.active_trade.snapshot(),
        snapshots=await app.state.snapshot_dict.snapshot(),
        price_max_age=timedelta(seconds=app.config.risk.price_max_age_s),
        candle_max_age=app.candles.unit + CANDLES_LATE,
        may_buy=app.control.may_buy() and app.comparison.is_fresh(asyncio.get_running_loop().time()),
        may_sell=app.control.may_sell(),
        sell_all=app.control.stands(SELL_ALL),
        sold_alone=app.journal.ordered_sales(),
        closing=closing,
        ending=[market for market, told in closing.items() if told.is_sure],
    )


async def step(app: App, orders: asyncio.TaskGroup) -> None:
    """Do what the view of this moment asks for."""
    for action in decide(await look(app), app.strategy, app.parameters):
        match action:
            case Begin(market):
                await begin(app, market)
            case Drop(market):
                await drop(app, market)
            case Raise(market, price):
                await raise_highest(app.state, app.journal, market, price.price)
            case Buy(market, snapshot, entry):
                if await reserve(app.state, market, Phase.ENTERING, Phase.BUYING):
                    orders.create_task(guard(app, market, buy(app, snapshot, entry)), name=f"buy {market}")
            case Sell(market, answer):
                if await reserve(app.state, market, Phase.HOLDING, Phase.SELLING):
                    orders.create_task(guard(app, market, sell(app, market, answer)), name=f"sell {market}")
            case Failed(market, error):
                tell_failed_strategy(app, market, error)


async def drop(app: App, market: str) -> None:
    """Let go of a market that is no target; one that opens or closes would be drawn again at once, so it rests."""
    if market in await app.state.closing.snapshot():
        await leave_alone(app, market, CLOSING_RESTS, "closing")
    await let_go(app, market)


def tell_failed_strategy(app: App, market: str, error: Exception) -> None:
    """Tell once what the strategy failed with in a market, and a person once an hour: nothing is decided there."""
    told = f"{market} {type(error).__name__}: {error}"
    if app.news.is_new(f"strategy:{market}", told):
        log.error("strategy failed market=%s", market, exc_info=error)
    app.inform(app.messages.strategy_failed(market, at=app.clock()))


async def begin(app: App, market: str) -> None:
    """Start a trade: from now on nobody else trades this market."""
    trade = ActiveTrade(market=market, started_at=app.clock(), phase=Phase.ENTERING)
    async with app.state.active_trade.locked() as active:
        active.setdefault(market, trade)


async def raise_highest(state: State, journal: Journal, market: str, price: Decimal) -> None:
    """Remember the highest price since the entry; write it down when it has risen enough to matter."""
    async with state.active_trade.locked() as active:
        trade = active[market]
        if trade.position is None:
            return
        written = trade.position.highest_price
        if price >= written * WORTH_WRITING:
            active[market] = replace(trade, position=replace(trade.position, highest_price=price))
            journal.raise_highest(trade.trade_id, price)
