"""How a trade is left: what can be sold now, what is waited for, and what a sale has made of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.errors import require
from journal.records import Intent, IntentState, Trade
from strategy.gates import STOP
from trader.decisions import DELISTING, SOLD_BY_HAND
from trader.loops import pause
from trader.orders import risk
from trader.orders.exits import FORGET_S, LOOK_AGAIN_S, Leaving, Waiting, sells_at
from trader.orders.plans import expected, plan_exit, words
from trader.orders.sale import SaleVerdict, judge_sale
from trader.trades.positions import end, hold_or_end, last_fill_at
from upbit.errors import ExchangeError, InsufficientFunds, MarketUnavailable, OrderNotFound
from upbit.rules import base_of

if TYPE_CHECKING:
    from journal.journal import Journal
    from strategy.base import Exit
    from trader.app import App
    from upbit.models import Book
    from upbit.rest import Upbit

log = logging.getLogger("trader.selling")

FORCED = (DELISTING, SOLD_BY_HAND)
"""Exits that ask no strategy and wait for no better price."""
REFUSED_S, SELL_AGAIN_S = 3.0, 10.0
"""Pauses after the first refusal of a sale, and after those that follow."""
COMPARED_WITHIN_S = 120
"""After this a sale goes on without a comparison: a loss that grows is worse than what it guards against."""
SUSPENDED_S = 60.0
"""Pause between tries to sell in a market that Upbit does not trade now."""
BOOK_WITHIN_S = 1.0
"""A book that comes later is as good as none."""
DUST_AGAIN_S = 10.0
"""Between the two looks that a position which is dust needs."""


async def begin_sale(app: App, market: str, answer: Exit) -> bool:
    """Write down the next sale of the trade of `market`: never more than it bought, never more than is free.

    Returns:
        Whether there is an order to carry out now; else the trade is held, or over.
    """
    trade_id = (await app.state.active_trade.snapshot())[market].trade_id
    if app.comparison.rounds == 0:  # the journal may be an old copy: what it holds may have been sold since
        await wait_for_comparison(app)
    book = await read_book(app.upbit, market)
    price = await fresh_price(app, market)
    trade = app.journal.trade(trade_id)
    leaving = look_at(app, trade, answer, book, price)
    at = sells_at(leaving, app.config.risk.max_price_gap)
    if at is None:
        app.tell("exit_not_confirmed", level=logging.WARNING, market=market, reason=answer.reason.code, bid=leaving.bid)
        await pause(LOOK_AGAIN_S, app.stop)
        await hold_or_end(app, trade.id)
        return False
    wallet = (await app.state.wallet_dict.snapshot()).get(base_of(market))  # what it does not list is not known
    trade = app.journal.trade(trade.id)  # from here on nothing is awaited until the sale is written down
    ours = app.journal.position_volume(trade.id)
    if ours <= 0:
        await hold_or_end(app, trade.id)
        return False
    verdict, volume = judge_sale(ours, wallet, last_fill_at(app.journal, trade), at)
    if verdict is SaleVerdict.DUST:
        await end_with_dust(app, trade, ours, price, words(answer))
        return False
    if verdict is SaleVerdict.WAIT:
        await wait_for_coins(app, trade, ours)
        return False
    intent = plan_exit(app, trade, volume)
    average = risk.exit_price(book, volume) if book else at
    begun = app.journal.leave(trade.id, words(answer) | expected(average, 1 - average / at), intent)
    require(begun, f"{market} has a live order besides {intent.identifier}")
    return True


async def read_book(upbit: Upbit, market: str) -> Book | None:
    """Return the order book; None when it does not come at once, or not at all: a stop waits for no stranger."""
    try:
        async with asyncio.timeout(BOOK_WITHIN_S):
            (book,) = await upbit.books([market])
    except (ExchangeError, TimeoutError) as error:
        log.warning("book not readable market=%s error=%s", market, str(error) or type(error).__name__)
        return None
    return book


async def fresh_price(app: App, market: str) -> Decimal | None:
    """Return the last trade of a market, while it is young enough to decide on."""
    price = (await app.state.trading_dict.snapshot()).get(market)
    max_age = timedelta(seconds=app.config.risk.price_max_age_s)
    return price.price if price is not None and app.clock() - price.as_of <= max_age else None


def look_at(app: App, trade: Trade, answer: Exit, book: Book | None, price: Decimal | None) -> Leaving:
    """Return what the exit of a trade is judged by, and remember since when it is wanted."""
    now_s = asyncio.get_running_loop().time()
    app.waiting = {known: one for known, one in app.waiting.items() if now_s - one.seen_s <= FORGET_S}
    app.waiting[trade.id] = Waiting.look(app.waiting.get(trade.id), now_s, price)
    return Leaving(
        stop=trade.stop_price if answer.reason.code == STOP.code else None,
        forced=answer in FORCED,
        bid=None if book is None else book.levels[0].bid_price if book.levels else Decimal(0),
        price=price,
        waiting=app.waiting[trade.id],
    )


async def wait_for_coins(app: App, trade: Trade, ours: Decimal) -> None:
    """Hold on to coins that an order of the user locks, and tell a person that their sale waits."""
    app.tell("locked", level=logging.WARNING, market=trade.market, volume=ours)
    app.inform(app.messages.locked(trade, ours, at=app.clock()))
    await pause(SELL_AGAIN_S, app.stop)
    await hold_or_end(app, trade.id)


async def end_with_dust(
    app: App, trade: Trade, ours: Decimal, price: Decimal | None, reason: dict[str, object]
) -> None:
    """End a trade whose rest is worth less than Upbit takes: it is recorded as dust and left in the account.

    Nobody looks after it any more, so the last trade must say so as well as the bids, and both again a while later.
    """
    waiting = app.waiting[trade.id]
    alike = price is not None and judge_sale(ours, None, trade.decided_at, price).verdict is SaleVerdict.DUST
    since_s = (waiting.seen_s if waiting.dust_s is None else waiting.dust_s) if alike else None
    app.waiting[trade.id] = replace(waiting, dust_s=since_s)
    if since_s is None or waiting.seen_s - since_s < DUST_AGAIN_S:
        await pause(LOOK_AGAIN_S, app.stop)
        await hold_or_end(app, trade.id)
        return
    app.tell("dust", level=logging.WARNING, market=trade.market, volume=ours)
    await end(app, trade, dust=ours, reason=reason)


async def after_sell(app: App, trade_id: str, intent: Intent) -> None:
    """End the trade when everything is sold; else keep holding the rest, and try again in a while."""
    trade = app.journal.trade(trade_id)
    left = app.journal.position_volume(trade_id)
    if left <= 0:
        await end(app, trade, dust=Decimal(0))
        return
    if intent.state is not IntentState.FINAL:
        await pause(rest_after(app, intent), app.stop)
    if ended_with(app.journal, intent, InsufficientFunds) or await is_there_after_all(app.upbit, intent):
        await wait_for_comparison(app)
    await hold_or_end(app, trade_id)


async def is_there_after_all(upbit: Upbit, intent: Intent) -> bool:
    """Return whether Upbit shows a sale that it refused: then it is taken in before another one is sent.

    The second look, after the rest: the first one followed the refusal. Without an answer all orders are compared.
    """
    if intent.state is not IntentState.REJECTED:
        return False
    try:
        await upbit.order(identifier=intent.identifier)
    except OrderNotFound:
        return False
    except ExchangeError as error:
        log.warning("refused sale not looked up identifier=%s error=%s", intent.identifier, error)
    return True


def rest_after(app: App, intent: Intent) -> float:
    """Return how long to wait after a sale that did not come to be, seconds: longer when Upbit refuses again."""
    if is_suspended(app, intent):
        return SUSPENDED_S
    if intent.state is not IntentState.REJECTED:
        return LOOK_AGAIN_S
    sales = [one for one in app.journal.intents_of(intent.trade_id) if one.side == "ask"]
    again = sum(one.state is IntentState.REJECTED for one in sales) > 1
    return SELL_AGAIN_S if again else REFUSED_S


def ended_with(journal: Journal, intent: Intent, error: type[ExchangeError]) -> bool:
    """Return whether an order was refused for good with an error of this kind."""
    attempts = journal.attempts(intent.identifier)
    return intent.state is IntentState.REJECTED and bool(attempts) and attempts[-1].outcome == error.__name__


async def wait_for_comparison(app: App) -> None:
    """Have all orders compared before coins are offered that may have been sold already, two minutes at most.

    At a start the journal may be an old copy. After a refusal for want of coins another daemon may have sold them under
    the same name: Upbit looks at the money before it looks at the name.
    """
    before = app.comparison.rounds
    app.comparison.wanted.set()
    for _ in range(COMPARED_WITHIN_S):
        if app.comparison.rounds != before or app.stop.is_set():
            return
        await pause(1.0, app.stop)


def is_suspended(app: App, intent: Intent) -> bool:
    """Return whether Upbit does not trade this market now; if so, tell a person what is at stake, once an hour."""
    attempts = app.journal.attempts(intent.identifier)
    if not attempts or attempts[-1].outcome != MarketUnavailable.__name__:
        return False
    trade = app.journal.trade(intent.trade_id)
    app.tell("suspended", level=logging.WARNING, market=trade.market, volume=trade.volume)
    app.inform(app.messages.suspended(trade, at=app.clock()))
    return True
