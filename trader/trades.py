"""One trade from its first order to its end: buy, hold, sell, be told, be forgotten.

Every flow here ends in `carry_on`, which reads from the journal what a trade needs next. A restart calls the same
function, so there is no second path for recovering.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.errors import require
from journal.records import Intent, IntentState, Trade
from state import Balance
from strategy.base import Position
from strategy.gates import STOP
from strategy.portfolio import start_of_day, stop_price
from trader import names, orders, risk
from trader.decisions import HOLDING
from trader.exits import Verdict, judge_sale
from trader.loops import pause
from trader.protocol import affordable
from upbit.errors import ExchangeError, InsufficientFunds, MarketUnavailable
from upbit.models import NewOrder, Side
from upbit.rules import plain, rounded_average

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from journal.records import Fill
    from strategy.base import Entry, Exit, Snapshot
    from trader.app import App

log = logging.getLogger("trader.trades")

BUY_WITHIN = timedelta(seconds=10)
"""A buy that was not sent this long after its decision is given up: the price it was decided on is history."""
REFUSED_RESTS = timedelta(minutes=1)
REFUSED_AGAIN_RESTS = timedelta(days=1)
SELL_AGAIN_S = 10.0
COMPARED_WITHIN_S = 120
"""After this a sale goes on without a comparison: a loss that grows is worse than what it guards against."""
SUSPENDED_S = 60.0
"""Pause between tries to sell in a market that Upbit does not trade now."""
NOT_CONFIRMED_S = 3.0
"""Pause after the book did not confirm an exit, before it is looked at again."""


async def buy(app: App, snapshot: Snapshot, entry: Entry) -> None:
    """Buy a target: ask what it costs, check the caps, write the intent down, and carry the trade on."""
    market = snapshot.market
    try:
        plan = risk.judge_buy(app.config, await gather_facts(app, snapshot, entry))
    except ExchangeError as error:
        plan = risk.Refused(code=type(error).__name__, ko=str(error), en=str(error))
    if isinstance(plan, risk.Refused):
        await refuse(app, market, plan)
        return
    trade, intent = plan_entry(app, snapshot, entry, plan)
    if not app.journal.begin_trade(trade, intent):
        await refuse(app, market, risk.Refused(code="already_decided", ko="이미 결정된 진입", en="decided before"))
        return
    await note_trade_id(app, market, trade.id)
    await carry_on(app, market)


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
        wallet=wallet.get("KRW"),
        exposure=exposure,
        stop_fraction=entry.stop_distance / float(snapshot.price) if entry.stop_distance else None,
    )


def plan_entry(app: App, snapshot: Snapshot, entry: Entry, plan: risk.Plan) -> tuple[Trade, Intent]:
    """Return the records of a new trade and of its buy. The name of both is a function of market and candle."""
    now = app.clock()
    name = names.trade_name(snapshot.market, snapshot.candle_closed_at)
    trade = Trade(
        id=names.trade_id_of(app, name),
        market=snapshot.market,
        strategy=app.strategy.name,
        unit=app.candles.unit,
        decided_at=now,
        entry_reason=words(entry) | expected(plan.expected_price, plan.slippage),
        stop_distance=Decimal(repr(entry.stop_distance)) if entry.stop_distance else None,
    )
    key = names.decision_key_of(name, Side.BID, 0)
    order = NewOrder(
        market=snapshot.market, side=Side.BID, total=plan.total, identifier=names.identifier_of(app, key, 0)
    )
    return trade, new_intent(trade, order, decision_key=key, number=0, now=now, deadline=now + BUY_WITHIN)


def new_intent(
    trade: Trade, order: NewOrder, *, decision_key: str, number: int, now: datetime, deadline: datetime | None
) -> Intent:
    """Return the record of an order that is about to be sent."""
    return Intent(
        identifier=order.identifier,
        decision_key=decision_key,
        n=number,
        trade_id=trade.id,
        market=order.market,
        side=str(order.side),
        request=orders.request_of(order),
        decided_at=now,
        deadline=deadline,
    )


def expected(price: Decimal, slippage: Decimal) -> dict[str, object]:
    """Return what the book promised, to be compared with what came."""
    return {"expected_price": plain(rounded_average(price)), "expected_slippage": f"{slippage:.6f}"}


def words(answer: Entry | Exit) -> dict[str, object]:
    """Return a reason as the journal keeps it."""
    reason = answer.reason
    return {"code": reason.code, "ko": reason.ko, "en": reason.en, "numbers": dict(reason.numbers)}


async def sell(app: App, market: str, answer: Exit) -> None:
    """Sell what the trade of `market` holds: never more than it bought, never more than is free."""
    trade = app.journal.trade((await app.state.active_trade.snapshot())[market].trade_id)
    try:
        (book,) = await app.upbit.books([market])
    except ExchangeError as error:
        log.warning("book not readable, selling later market=%s error=%s", market, error)
        await hold_or_end(app, trade.id)
        return
    best_bid = book.levels[0].bid_price if book.levels else Decimal(0)
    if not risk.confirms_exit(app.config, trade.stop_price if answer.reason.code == STOP.code else None, book):
        app.tell("exit_not_confirmed", level=logging.WARNING, market=market, reason=answer.reason.code, bid=best_bid)
        await pause(NOT_CONFIRMED_S, app.stop)
        await hold_or_end(app, trade.id)
        return
    wallet = free_of(market.removeprefix("KRW-"), await app.state.wallet_dict.snapshot())
    trade = app.journal.trade(trade.id)  # from here on nothing is awaited until the sale is written down
    ours = app.journal.position_volume(trade.id)
    if ours <= 0:
        await hold_or_end(app, trade.id)
        return
    verdict, volume = judge_sale(ours, wallet, last_fill_at(app, trade), best_bid)
    if verdict is Verdict.DUST:
        await end_with_dust(app, trade, ours, words(answer))
        return
    if verdict is Verdict.WAIT:
        await wait_for_coins(app, trade, ours)
        return
    intent = plan_exit(app, trade, volume)
    average = risk.exit_price(book, volume)
    begun = app.journal.leave(trade.id, words(answer) | expected(average, 1 - average / best_bid), intent)
    require(begun, f"{market} has a live order besides {intent.identifier}")
    await carry_on(app, market)


def free_of(currency: str, wallet: Mapping[str, Balance]) -> Balance | None:
    """Return what a wallet says of a currency: nothing of one that Upbit does not list; None while it was not read."""
    if currency in wallet or not wallet:
        return wallet.get(currency)
    as_of = min(balance.as_of for balance in wallet.values())
    return Balance(available=Decimal(0), locked=Decimal(0), as_of=as_of)


async def wait_for_coins(app: App, trade: Trade, ours: Decimal) -> None:
    """Hold on to coins that an order of the user locks, and tell a person that their sale waits."""
    app.tell("locked", level=logging.WARNING, market=trade.market, volume=ours)
    app.journal.add_notes([app.messages.locked(trade, ours, at=app.clock())])
    app.wake_notifier()
    await pause(SELL_AGAIN_S, app.stop)
    await hold_or_end(app, trade.id)


async def hold_or_end(app: App, trade_id: str) -> None:
    """Hold what is left of a trade that was not sold; end it when its owner has taken all of it meanwhile."""
    trade = app.journal.trade(trade_id)
    if trade.closed_at is not None:  # by orders that were not known; another one may stand in its place by now
        active = (await app.state.active_trade.snapshot()).get(trade.market)
        if active is not None and active.trade_id == trade_id:
            await let_go(app, trade.market)
        return
    if app.journal.position_volume(trade_id) > 0:
        await hold_again(app, trade.market)
    else:
        await end_taken(app, trade)


async def end_taken(app: App, trade: Trade) -> None:
    """End a trade all of whose coins its owner has taken away."""
    reason: dict[str, object] = {"code": "taken", "ko": "사용자가 코인을 옮김", "en": "the user moved the coins"}
    await end(app, trade, dust=Decimal(0), reason=reason)


def plan_exit(app: App, trade: Trade, volume: Decimal) -> Intent:
    """Return the record of the next sell of a trade: another leg after one that was executed, in part or wholly.

    Its number grows only where the one before it has provably not been executed.
    """
    sells = [intent for intent in app.journal.intents_of(trade.id) if intent.side == "ask"]
    ended = [intent.decision_key for intent in sells if intent.state is IntentState.FINAL]
    leg = max((names.leg_of(key) + 1 for key in ended), default=0)  # adopted legs may begin above 0
    key = names.decision_key_of(names.name_in(trade.id), Side.ASK, leg)
    number = sum(intent.decision_key == key for intent in sells)
    order = NewOrder(
        market=trade.market, side=Side.ASK, volume=volume, identifier=names.identifier_of(app, key, number)
    )
    return new_intent(trade, order, decision_key=key, number=number, now=app.clock(), deadline=None)


def fills_of(app: App, trade: Trade, *sides: str) -> list[Fill]:
    """Return what was executed for a trade on some sides, as it was told."""
    intents = app.journal.intents_of(trade.id)
    return [fill for i in intents if i.side in sides for fill in app.journal.fills_of(i.identifier)]


def last_fill_at(app: App, trade: Trade) -> datetime:
    """Return when the trade last bought or sold something."""
    return max((fill.at for fill in fills_of(app, trade, "bid", "ask")), default=trade.decided_at)


async def carry_on(app: App, market: str) -> None:
    """Take the order in hand of a trade to its end, and write down what that makes of the trade."""
    trade_id = (await app.state.active_trade.snapshot())[market].trade_id
    intent = await orders.drive(app, app.journal.order_in_hand(trade_id).identifier)
    if intent.side == "bid":
        await after_buy(app, trade_id, intent)
    else:
        await after_sell(app, trade_id, intent)
    app.wake_notifier()


async def after_buy(app: App, trade_id: str, intent: Intent) -> None:
    """Hold what was bought, or forget the trade when nothing was."""
    trade = app.journal.trade(trade_id)
    fills = fills_of(app, trade, "bid")
    if not fills:
        app.journal.abandon_trade(trade_id, str(intent.state))
        await after_refusal(app, intent)
        await let_go(app, intent.market)
        return
    average = average_price(fills)
    stop = stop_price(average, trade.stop_distance)
    opened_at = fills[0].at
    fee = app.journal.intent(intent.identifier).paid_fee
    note = app.messages.bought(
        trade, korean_name=app.korean_name(trade.market), fills=fills, fee=fee, stop_price=stop, at=opened_at
    )
    app.journal.enter_position(trade_id, opened_at=opened_at, stop_price=stop, highest_price=average, notes=[note])
    hoped = trade.entry_reason.get("expected_price")
    krw = sum(fill.funds for fill in fills)
    app.tell("bought", market=trade.market, price=plain(rounded_average(average)), expected=hoped, krw=krw, fee=fee)
    await hold_again(app, trade.market)


async def after_refusal(app: App, intent: Intent) -> None:
    """Leave a market alone for a while after a buy that came to nothing, and longer when Upbit refuses it again."""
    rests = REFUSED_RESTS
    if intent.state is IntentState.REJECTED:
        again = app.journal.rejections(intent.market, app.clock() - REFUSED_AGAIN_RESTS)
        rests = REFUSED_AGAIN_RESTS if again > 1 else REFUSED_RESTS
        await explain_refusal(app, intent)
    app.resting[intent.market] = app.clock() + rests


async def explain_refusal(app: App, intent: Intent) -> None:
    """Read the account again when Upbit found too little money for a buy; stop buying when there is enough."""
    last = app.journal.attempts(intent.identifier)[-1]
    if last.outcome != InsufficientFunds.__name__:
        return
    try:
        free = {account.currency: account.available for account in await app.upbit.accounts()}
    except ExchangeError as error:
        log.warning("account not readable after a refusal error=%s", error)
        return
    if affordable(orders.to_order(intent), krw=free.get("KRW", Decimal(0)), coins=Decimal(0), bid=Decimal(0)):
        app.control.halt_buys(
            "unexplained_refusal",
            ko="잔고가 충분한데 업비트가 잔고 부족이라고 합니다. 계정을 확인한 뒤 resume 하세요.",
            en="Upbit says that there is too little money, and there is enough. Look at the account, then resume.",
            market=intent.market,
            request=intent.request,
            free=free.get("KRW", Decimal(0)),
        )


async def after_sell(app: App, trade_id: str, intent: Intent) -> None:
    """End the trade when everything is sold; else keep holding the rest, and try again in a while."""
    trade = app.journal.trade(trade_id)
    left = app.journal.position_volume(trade_id)
    if left <= 0:
        await end(app, trade, dust=Decimal(0))
        return
    if intent.state is not IntentState.FINAL:
        await pause(SUSPENDED_S if is_suspended(app, intent) else SELL_AGAIN_S, app.stop)
    if ended_with(app, intent, InsufficientFunds):
        await wait_for_comparison(app)
    await hold_or_end(app, trade_id)


def ended_with(app: App, intent: Intent, error: type[ExchangeError]) -> bool:
    """Return whether an order was refused for good with an error of this kind."""
    attempts = app.journal.attempts(intent.identifier)
    return intent.state is IntentState.REJECTED and bool(attempts) and attempts[-1].outcome == error.__name__


async def wait_for_comparison(app: App) -> None:
    """Have all orders compared before coins that were not there are offered again under another name.

    Another daemon may have sold them under this one: Upbit looks at the money before it looks at the name.
    """
    before = app.comparisons
    app.compare_now.set()
    for _ in range(COMPARED_WITHIN_S):
        if app.comparisons != before or app.stop.is_set():
            return
        await pause(1.0, app.stop)


def is_suspended(app: App, intent: Intent) -> bool:
    """Return whether Upbit does not trade this market now; if so, tell a person what is at stake, once an hour."""
    attempts = app.journal.attempts(intent.identifier)
    if not attempts or attempts[-1].outcome != MarketUnavailable.__name__:
        return False
    trade = app.journal.trade(intent.trade_id)
    app.tell("suspended", level=logging.WARNING, market=trade.market, volume=trade.volume)
    app.journal.add_notes([app.messages.suspended(trade, at=app.clock())])
    app.wake_notifier()
    return True


async def end_with_dust(app: App, trade: Trade, ours: Decimal, reason: dict[str, object]) -> None:
    """End a trade whose rest is worth less than Upbit takes: it is recorded as dust and left in the account."""
    app.tell("dust", level=logging.WARNING, market=trade.market, volume=ours)
    await end(app, trade, dust=ours, reason=reason)


async def end(app: App, trade: Trade, *, dust: Decimal, reason: dict[str, object] | None = None) -> None:
    """Close a trade in the journal, with its message, and take its market out of the shared dicts."""
    now = app.clock()
    trade = replace(trade, exit_reason=trade.exit_reason or reason)
    note = app.messages.sold(trade, korean_name=app.korean_name(trade.market), dust=dust, at=now)
    app.journal.close_trade(trade.id, closed_at=now, dust=dust, reason=reason, notes=[note])
    app.tell("sold", market=trade.market, reason=(trade.exit_reason or {}).get("code"), profit_krw=trade.profit_krw)
    await let_go(app, trade.market)


def average_price(fills: list[Fill]) -> Decimal:
    """Return the average price of some fills, KRW."""
    volume = sum((fill.volume for fill in fills), Decimal(0))
    return sum((fill.funds for fill in fills), Decimal(0)) / volume


def position_of(app: App, trade: Trade) -> Position:
    """Return what a trade holds, read from the journal."""
    average = average_price(fills_of(app, trade, "bid"))
    return Position(
        market=trade.market,
        entry_price=average,
        volume=app.journal.position_volume(trade.id),
        opened_at=trade.opened_at or trade.decided_at,
        stop_price=trade.stop_price,
        highest_price=trade.highest_price or average,
    )


async def hold_again(app: App, market: str) -> None:
    """Mark a trade as holding, with its position as the journal knows it."""
    async with app.state.active_trade.locked() as active:
        trade = active[market]
        position = position_of(app, app.journal.trade(trade.trade_id))
        active[market] = replace(trade, phase=HOLDING, position=position)


async def reserve(app: App, market: str, now: str, then: str) -> bool:
    """Move a trade from one phase to the next; False when somebody else already did."""
    async with app.state.active_trade.locked() as active:
        trade = active.get(market)
        if trade is None or trade.phase != now:
            return False
        active[market] = replace(trade, phase=then)
        return True


async def note_trade_id(app: App, market: str, trade_id: str) -> None:
    """Tie a trade of the shared dicts to its name in the journal."""
    async with app.state.active_trade.locked() as active:
        active[market] = replace(active[market], trade_id=trade_id)


async def refuse(app: App, market: str, refused: risk.Refused) -> None:
    """Let go of a market whose buy was refused, and leave it alone for a while."""
    app.tell("refused", market=market, why=refused.code)
    app.resting[market] = app.clock() + REFUSED_RESTS
    await let_go(app, market)


async def let_go(app: App, market: str) -> None:
    """Take a market whose trade has ended out of the shared dicts."""
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as active:
        trading.pop(market, None)
        active.pop(market, None)
