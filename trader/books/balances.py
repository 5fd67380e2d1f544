"""Compare what trades hold with what the account has, and write off what somebody has taken out of it.

Only trades in which nothing moves are compared, and a difference is believed when it is seen twice, and once more by
another source (`trader/books/holdings.py`). More than ours is the user's.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Phase
from trader.books.holdings import held_of, read_accounts, surely_missing
from trader.trades.positions import end_taken, hold_again, last_fill_at, reserve

if TYPE_CHECKING:
    from datetime import datetime

    from journal.journal import Journal
    from journal.records import Trade
    from trader.app import App

APART_S = 15.0
"""Seconds between two looks at the balances, at least."""
SETTLED = timedelta(seconds=15)
"""A balance that was asked for less than this after the last fill of a trade says nothing about it."""


async def compare_balances(app: App) -> None:
    """Compare what quiet trades hold with what the account has; write off what is missing twice.

    Not so soon after the last look that the same old answer could be given twice.
    """
    now_s = asyncio.get_running_loop().time()
    if app.shortage.looked_s is not None and now_s - app.shortage.looked_s < APART_S:
        return
    before = quiet_positions(app.journal, app.clock())
    accounts = await read_accounts(app.upbit)
    after = quiet_positions(app.journal, app.clock())
    quiet = {name: volume for name, volume in before.items() if after.get(name) == volume}
    short = dict[str, Decimal]()
    for trade in [trade for trade in app.journal.open_trades() if trade.id in quiet]:
        held = held_of(accounts, trade.market)
        if held is None:
            continue
        short[trade.id] = quiet[trade.id] - held
        gone = surely_gone(short[trade.id], app.shortage.missing.get(trade.id))
        if gone:
            gone = min(gone, await surely_missing(app, trade.market, quiet[trade.id]))
        if still_quiet(app, trade, quiet[trade.id]):
            await compare_balance(app, trade, gone)
    app.shortage.missing, app.shortage.looked_s = short, now_s


def quiet_positions(journal: Journal, now: datetime) -> dict[str, Decimal]:
    """Return what each trade holds in which nothing moves: no order in hand, and the last fill a while ago."""
    busy = {intent.market for intent in journal.live_intents()}
    quiet = [
        trade
        for trade in journal.open_trades()
        if trade.market not in busy and now - last_fill_at(journal, trade) >= SETTLED
    ]
    return {trade.id: journal.position_volume(trade.id) for trade in quiet}


def still_quiet(app: App, trade: Trade, volume: Decimal) -> bool:
    """Return whether nothing moved in a trade while the second source was asked."""
    return quiet_positions(app.journal, app.clock()).get(trade.id) == volume


def surely_gone(short: Decimal, last_time: Decimal | None) -> Decimal:
    """Return how many units are gone: those that were missing at the last look, too. More than ours is the user's."""
    return max(min(short, last_time or Decimal(0)), Decimal(0))


async def compare_balance(app: App, trade: Trade, gone: Decimal) -> None:
    """Shrink a trade by what somebody has taken out of the account; it is never bought back.

    Also one whose sale waits, maybe for just these coins: whoever waits goes on with what is left.
    """
    if not gone:
        return
    price, market = await last_price(app, trade.market), trade.market
    reserved = await reserve(app, market, Phase.HOLDING, Phase.SELLING)
    if not reserved and not await waits_to_sell(app, market):
        return
    note = app.messages.taken(trade, gone, at=app.clock())
    app.journal.take_out(trade.id, gone, [note], price=price)
    app.tell("taken", level=logging.WARNING, market=market, volume=gone)
    app.wake_notifier()
    if not reserved:
        return
    if app.journal.position_volume(trade.id) > 0:
        await hold_again(app, market)
    else:
        await end_taken(app, app.journal.trade(trade.id))


async def last_price(app: App, market: str) -> Decimal | None:
    """Return the last price that was seen of a market that is traded, KRW; None before there was one."""
    price = (await app.state.trading_dict.snapshot()).get(market)
    return None if price is None else price.price


async def waits_to_sell(app: App, market: str) -> bool:
    """Return whether a sale is wanted and no order of it is in hand."""
    active = (await app.state.active_trade.snapshot()).get(market)
    if active is None or active.phase != Phase.SELLING:
        return False
    return all(intent.market != market for intent in app.journal.live_intents())
