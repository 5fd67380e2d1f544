"""Compare what trades hold with what the account has, and write off what somebody has taken out of it.

Only trades in which nothing moves are compared, and a difference is believed when it is seen twice, and once more by
another source (`trader/books/holdings.py`). More than ours is the user's; only when all that was there is there again
within minutes, to the last digit, nobody had taken it, and it is held again.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Phase
from trader.books.holdings import held_by_another_source, held_of, read_accounts, surely_missing
from trader.restore import put_back
from trader.trades.positions import end_taken, hold_again, last_fill_at, reserve

if TYPE_CHECKING:
    from datetime import datetime

    from journal.journal import Journal
    from journal.records import Trade
    from state import State
    from trader.app import App
    from upbit.decoding import Rows
    from upbit.models import Account

BACK_WITHIN = timedelta(minutes=15)
"""Coins that come later are the owner's, whatever their number: he may have brought or bought as many as he took."""
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
    names = {trade.id for trade in app.journal.open_trades()}
    app.shortage.beside = {name: units for name, units in app.shortage.beside.items() if name in names}
    for trade in [trade for trade in app.journal.open_trades() if trade.id in quiet]:
        held = held_of(accounts, trade.market)
        if held is None:
            continue
        short[trade.id] = quiet[trade.id] - held
        if short[trade.id] <= 0:
            app.shortage.beside[trade.id] = held - ours_in(app.journal, trade.market)
        gone = surely_gone(short[trade.id], app.shortage.missing.get(trade.id))
        if gone:
            gone = min(gone, await surely_missing(app, trade.market, quiet[trade.id]))
        if still_quiet(app, trade, quiet[trade.id]):
            await compare_balance(app, trade, gone)
    short |= await compare_dust(app, accounts)
    await see_what_is_there_again(app, accounts)
    app.shortage.missing, app.shortage.looked_s = short, now_s


def quiet_positions(journal: Journal, now: datetime) -> dict[str, Decimal]:
    """Return what each trade holds in which nothing moves: no order in hand, and the last fill a while ago."""
    quiet = [
        trade
        for trade in journal.open_trades()
        if not is_busy(journal, trade.market) and now - last_fill_at(journal, trade) >= SETTLED
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
    price, market = await last_price(app.state, trade.market), trade.market
    reserved = await reserve(app.state, market, Phase.HOLDING, Phase.SELLING)
    if not reserved and not await waits_to_sell(app.journal, app.state, market):
        return
    note = app.messages.taken(trade, gone, at=app.clock())
    app.journal.take_out(trade.id, gone, [note], price=price, beside=app.shortage.beside.get(trade.id, Decimal(0)))
    app.tell("taken", level=logging.WARNING, market=market, volume=gone)
    app.wake_notifier()
    if not reserved:
        return
    if app.journal.position_volume(trade.id) > 0:
        await hold_again(app, market)
    else:
        await end_taken(app, app.journal.trade(trade.id))


async def compare_dust(app: App, accounts: Rows[Account]) -> dict[str, Decimal]:
    """Write off dust that is not there any more, so that no trade takes it over; return what is missing of it.

    Nobody is told of a rest that was worth too little to be sold.
    """
    short = dict[str, Decimal]()
    for market, dust in app.journal.dust().items():
        held = held_of(accounts, market)
        if held is None or is_traded(app.journal, market):
            continue
        short[market] = dust - held
        gone = surely_gone(short[market], app.shortage.missing.get(market))
        if gone:
            gone = min(gone, await surely_missing(app, market, dust))
        if gone and not is_traded(app.journal, market) and app.journal.dust().get(market) == dust:
            app.journal.lose_dust(market, gone)
            app.tell("dust_gone", market=market, volume=gone)
    return short


def is_traded(journal: Journal, market: str) -> bool:
    """Return whether there is an open trade in a market, or an order in hand."""
    return journal.open_trade_in(market) is not None or is_busy(journal, market)


def is_busy(journal: Journal, market: str) -> bool:
    """Return whether an order of a market is in hand."""
    return any(intent.market == market for intent in journal.live_intents())


def ours_in(journal: Journal, market: str) -> Decimal:
    """Return the units of a market that are ours: of its open trade, and dust."""
    trade = journal.open_trade_in(market)
    return journal.dust().get(market, Decimal(0)) + (Decimal(0) if trade is None else trade.volume)


async def see_what_is_there_again(app: App, accounts: Rows[Account]) -> None:
    """Hold again what was written off and is all there, to the last digit, in two looks and by another source.

    Then nobody had taken it. Any other number, and what comes later, the owner of the account has bought or brought.
    """
    away = app.journal.written_off()
    lately = [name for name in away if app.clock() - away[name].at <= BACK_WITHIN]
    again = {name for name in lately if is_all_there(app.journal, accounts, name)}
    for name in sorted(again & app.shortage.again):
        market = app.journal.trade(name).market
        told = await held_by_another_source(app.upbit, market)
        if told == held_of(accounts, market) and is_all_there(app.journal, accounts, name):
            await take_back(app, app.journal.trade(name))
    app.shortage.again = again


def is_all_there(journal: Journal, accounts: Rows[Account], trade_id: str) -> bool:
    """Return whether the account holds what it held before coins of a trade were written off, less what was sold."""
    market, away = journal.trade(trade_id).market, journal.written_off()[trade_id]
    held = held_of(accounts, market)
    return held == away.beside + ours_in(journal, market) + away.volume and not is_busy(journal, market)


async def take_back(app: App, trade: Trade) -> None:
    """Hold again what was written off of a trade: with its stop, or with the trade that is open in its place."""
    note = app.messages.there_again(trade, app.journal.written_off()[trade.id].volume, at=app.clock())
    is_open = app.journal.open_trade_in(trade.market) is not None
    if is_open and not await reserve(app.state, trade.market, Phase.HOLDING, Phase.SELLING):
        return
    if not is_open and trade.market in await app.state.active_trade.snapshot():
        return
    app.journal.give_back(trade.id, [note])
    app.tell("there_again", level=logging.WARNING, market=trade.market)
    app.wake_notifier()
    if is_open:
        await hold_again(app, trade.market)
    else:
        await put_back(app, app.journal.trade(trade.id))


async def last_price(state: State, market: str) -> Decimal | None:
    """Return the last price that was seen of a market that is traded, KRW; None before there was one."""
    price = (await state.trading_dict.snapshot()).get(market)
    return None if price is None else price.price


async def waits_to_sell(journal: Journal, state: State, market: str) -> bool:
    """Return whether a sale is wanted and no order of it is in hand."""
    active = (await state.active_trade.snapshot()).get(market)
    if active is None or active.phase != Phase.SELLING:
        return False
    return not is_busy(journal, market)
