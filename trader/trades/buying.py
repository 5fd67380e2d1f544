"""How a trade begins: what a buy would cost, whether the rules allow it, and what its order has made of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Intent, IntentState
from notifier.cards import Room
from strategy.portfolio import start_of_day, stop_price
from trader.loops import pause
from trader.orders import protocol, risk
from trader.orders.plans import plan_entry
from trader.orders.protocol import affordable
from trader.trades.positions import average_price, hold_again, leave_alone, let_go, note_trade_id
from upbit.errors import ExchangeError, InsufficientFunds
from upbit.rules import plain, rounded_average

if TYPE_CHECKING:
    from datetime import datetime

    from config.settings import Config
    from journal.journal import Journal
    from state import Balance, State
    from strategy.base import Entry, Snapshot
    from trader.app import App
    from upbit.models import Chance

log = logging.getLogger("trader.buying")

REFUSED_RESTS = timedelta(minutes=1)
REFUSED_AGAIN_RESTS = timedelta(days=1)


async def begin_buy(app: App, snapshot: Snapshot, entry: Entry) -> bool:
    """Ask what a target costs, check the caps and write the trade down with its buy.

    Returns:
        Whether there is an order to carry out now; a buy that is refused lets its market go.
    """
    market = snapshot.market
    try:
        plan = risk.judge_buy(app.config, await gather_facts(app, snapshot, entry))
    except ExchangeError as error:
        await refuse(app, market, type(error).__name__)
        return False
    if isinstance(plan, risk.Refused):
        await refuse(app, market, plan.code)
        return False
    trade, intent = plan_entry(app, snapshot, entry, plan)
    if not app.journal.begin_trade(trade, intent):
        await refuse(app, market, "already_decided")
        return False
    await note_trade_id(app.state, market, trade.id)
    return True


async def gather_facts(app: App, snapshot: Snapshot, entry: Entry) -> risk.Facts:
    """Ask Upbit what a buy would cost and may be now, and put it beside what we know."""
    asked_at = app.clock()
    chance = await app.upbit.chance(snapshot.market)
    (book,) = await app.upbit.books([snapshot.market])
    prices = await app.state.trading_dict.snapshot()
    price = prices.get(snapshot.market)
    wallet = await app.state.wallet_dict.snapshot()
    exposure = risk.Exposure(
        by_market=app.journal.exposure(),
        spent_today=app.journal.spent_since(start_of_day(app.clock())),
        open_trades=len(await app.state.active_trade.snapshot()),
    )
    return risk.Facts(
        market=snapshot.market,
        now=app.clock(),
        price=price.price if price else snapshot.price,
        price_as_of=price.as_of if price else snapshot.price_as_of,
        asked_at=asked_at,
        chance=chance,
        book=book,
        wallet=uncommitted(app.journal, wallet.get("KRW"), chance.bid_fee),
        exposure=exposure,
        unexplained=unexplained(app, snapshot.market, chance, asyncio.get_running_loop().time()),
        stop_fraction=entry.stop_distance / float(snapshot.price) if entry.stop_distance else None,
    )


def unexplained(app: App, market: str, chance: Chance, now_s: float) -> Decimal | None:
    """Return the units in the account that no order of ours explains, while the list of orders may hide one of ours.

    A lost journal, or an old copy, knows nothing of what was bought: account and list must agree that nothing is held.

    Args:
        app: the daemon.
        market: one of which nothing is in our hands.
        chance: what Upbit says of it, the account's coins among it.
        now_s: loop time.
    """
    if app.comparison.explains_all(now_s):
        return Decimal(0)
    dust = app.journal.dust().get(market, Decimal(0))
    return None if chance.coins is None else max(chance.coins - dust, Decimal(0))


def uncommitted(journal: Journal, won: Balance | None, fee_rate: Decimal) -> Balance | None:
    """Return the won that no other buy has been sized on: several may be under way before the wallet shows the first.

    Args:
        journal: what was decided.
        won: the KRW of the account; None while it was not read.
        fee_rate: of a buy, a fraction of its total.
    """
    if won is None:
        return None
    spoken_for = journal.spent_beside(won.as_of - risk.WALLET_LAG) * (1 + fee_rate)
    return replace(won, available=max(won.available - spoken_for, Decimal(0)))


async def refuse(app: App, market: str, why: str) -> None:
    """Let go of a market whose buy was refused, and leave it alone for a while."""
    app.tell("refused", market=market, why=why)
    if why == risk.NO_MONEY:
        app.inform(app.messages.too_little_won(app.config.trading.order_krw, at=app.clock()))
    await leave_alone(app, market, REFUSED_RESTS, why)
    await let_go(app, market)


async def after_buy(app: App, trade_id: str, intent: Intent) -> None:
    """Hold what was bought, or forget the trade when nothing was."""
    trade = app.journal.trade(trade_id)
    fills = [fill for fill in app.journal.fills_of_trade(trade.id, "bid") if fill.volume]
    if not fills:
        app.journal.abandon_trade(trade_id, str(intent.state))
        await after_refusal(app, intent)
        await let_go(app, intent.market)
        return
    average = average_price(fills)
    stop = stop_price(average, trade.stop_distance)
    opened_at = fills[0].at
    fee = app.journal.intent(intent.identifier).paid_fee
    name, room = await app.name_of(trade.market), await room_left(app.config, app.state, opened_at)
    note = app.messages.bought(trade, name=name, fills=fills, fee=fee, stop_price=stop, at=opened_at, room=room)
    app.journal.enter_position(trade_id, opened_at=opened_at, stop_price=stop, highest_price=average, notes=[note])
    hoped = trade.entry_reason.get("expected_price")
    krw = sum(fill.funds for fill in fills)
    app.tell("bought", market=trade.market, price=plain(rounded_average(average)), expected=hoped, krw=krw, fee=fee)
    await hold_again(app, trade.market)


async def room_left(config: Config, state: State, since: datetime) -> Room:
    """Return how many places are taken, and how much won is free as far as the wallet was read after `since`."""
    krw = (await state.wallet_dict.snapshot()).get("KRW")
    free = krw.available if krw is not None and krw.as_of >= since else None
    taken = len(await state.active_trade.snapshot())
    return Room(taken=taken, places=config.trading.max_open_trades, free_krw=free)


async def after_refusal(app: App, intent: Intent) -> None:
    """Leave a market alone for a while after a buy that came to nothing, and longer when Upbit refuses it again."""
    rests = REFUSED_RESTS
    if intent.state is IntentState.REJECTED:
        again = app.journal.rejections(intent.market, app.clock() - REFUSED_AGAIN_RESTS)
        rests = REFUSED_AGAIN_RESTS if again > 1 else REFUSED_RESTS
        await explain_refusal(app, intent)
    await leave_alone(app, intent.market, rests, "rejected" if intent.state is IntentState.REJECTED else "not_bought")


async def explain_refusal(app: App, intent: Intent) -> None:
    """Read the account again when Upbit found too little money for a buy; stop buying when there is enough.

    Not at once: the account may show other buys seconds late.
    """
    last = app.journal.attempts(intent.identifier)[-1]
    if last.outcome != InsufficientFunds.__name__:
        return
    await pause(risk.WALLET_LAG.total_seconds(), app.stop)
    try:
        free = {account.currency: account.available for account in await app.upbit.accounts()}
    except ExchangeError as error:
        log.warning("account not readable after a refusal error=%s", error)
        return
    krw = free.get("KRW", Decimal(0)) - app.journal.spent_beside(app.clock() - risk.WALLET_LAG)
    if affordable(protocol.to_order(intent), krw=krw, coins=Decimal(0), bid=Decimal(0)):
        app.control.halt_buys(
            "unexplained_refusal",
            ko="잔고가 충분한데 업비트가 잔고 부족이라고 합니다. 계정을 확인한 뒤 resume 하세요.",
            en="Upbit says that there is too little money, and there is enough. Look at the account, then resume.",
            market=intent.market,
            request=intent.request,
            free=krw,
        )
