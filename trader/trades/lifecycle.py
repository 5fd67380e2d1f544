"""One trade from its first order to its end: buy, hold, sell, be told, be forgotten.

Every flow here ends in `carry_on`, which reads from the journal what a trade needs next. A restart calls the same
function, so there is no second path for recovering.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.orders import drive
from trader.trades.buying import after_buy, begin_buy
from trader.trades.selling import after_sell, begin_sale
from upbit.models import Side

if TYPE_CHECKING:
    from strategy.base import Entry, Exit, Snapshot
    from trader.app import App


async def buy(app: App, snapshot: Snapshot, entry: Entry) -> None:
    """Buy a target, and carry the trade on."""
    if await begin_buy(app, snapshot, entry):
        await carry_on(app, snapshot.market)


async def sell(app: App, market: str, answer: Exit) -> None:
    """Sell what the trade of `market` holds, and carry the trade on."""
    if await begin_sale(app, market, answer):
        await carry_on(app, market)


async def carry_on(app: App, market: str) -> None:
    """Take the order in hand of a trade to its end, and write down what that makes of the trade."""
    trade_id = (await app.state.active_trade.snapshot())[market].trade_id
    intent = await drive.drive(app, app.journal.order_in_hand(trade_id).identifier)
    if intent.side is Side.BID:
        await after_buy(app, trade_id, intent)
    else:
        await after_sell(app, trade_id, intent)
    app.wake_notifier()
