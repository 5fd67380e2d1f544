"""Compare the journal with the exchange, at the start and every minute, and write down what moved without us.

Differences are journaled and told; they are never "corrected" by trading. Orders of ours that the journal does not know
are adopted; orders of others are not looked at. Balances are compared only of trades in which nothing moves, and a
difference is believed when it is seen twice.
"""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING

import msgspec

from journal.records import Intent, IntentState, Trade
from strategy.portfolio import stop_price
from trader import names, protocol
from trader.decisions import HOLDING, SELLING
from trader.loops import keep_going, pause
from trader.recovery import resume
from trader.storage import look_after_storage
from trader.trades import average_price, end_taken, fills_of, hold_again, last_fill_at, let_go, reserve
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trader.app import App
    from upbit.models import Order

log = logging.getLogger("trader.reconcile")

PERIOD_S = 60.0
SOON_S = 1.0
LOOK_BACK, RECENT = timedelta(days=1), timedelta(minutes=15)
"""How far before the last comparison orders are asked for again, as one may rest or be shown late: a day at a start and
every `THOROUGH_EVERY`, and what is recent in between."""
THOROUGH_EVERY = timedelta(hours=1)
AHEAD = timedelta(minutes=5)
"""Upbit's clock may be before ours."""
APART_S = 15.0
"""Seconds between two looks at the balances, at least."""
SETTLED = timedelta(seconds=5)
"""A balance that was asked for less than this after the last fill of a trade says nothing about it."""


ADOPTED = "adopted"
"""Why a trade was begun that was found at the exchange."""


class Verdict(Enum):
    """What an order of ours at the exchange is to the journal."""

    FINE = auto()  # known, and equal; or it has bought and sold nothing
    WAIT = auto()  # not over, or followed by somebody
    UNKNOWN = auto()  # executed, and not in the journal
    AFTER_ALL = auto()  # executed, although the journal has proof that it never would
    DIFFERENT = auto()  # executed otherwise than the journal says


async def reconcile_periodically(app: App) -> None:
    """Compare at once and every minute until the daemon stops. Nothing is bought before the first time."""
    await keep_going("reconcile", rounds(app), lambda: reconcile(app), health=app.health, stop=app.stop)


async def rounds(app: App) -> AsyncGenerator[None]:
    """Yield at once, soon again while the comparison is not complete, and then every minute or when somebody asks.

    Nothing is bought before the first one, so a look that fails at a start must not cost a minute. Nor must a position
    be without its stop for so long, only because the comparison was there before the candles.
    """
    while not app.stop.is_set():
        app.compare_now.clear()
        yield
        soon = not app.reconciled or app.thorough_at is None or await lacks_stop(app)
        await pause(SOON_S if soon else PERIOD_S, app.stop, app.compare_now)


async def reconcile(app: App) -> None:
    """Look after the disk, then compare orders, then balances, which say nothing while an order is not known."""
    look_after_storage(app)
    whole = await compare_orders(app)
    active = await app.state.active_trade.snapshot()
    for market in sorted({*active, *(trade.market for trade in app.journal.open_trades())}):
        await take_up(app, market)
    if not whole:
        return
    app.comparisons += 1
    await compare_balances(app)
    for trade in app.journal.open_trades():
        await give_stop(app, trade)
    app.reconciled = True


# --- orders -----------------------------------------------------------------------------------------------------------


async def compare_orders(app: App) -> bool:
    """Look at every order of ours since the last time, and take in what the journal does not know.

    All that is unknown of a market is asked for first and then written down at once: with a buy whose sale is not known
    yet, coins would be held that were sold long ago. A buy in doubt is waited for, too, for it may be that buy.

    Returns:
        Whether everything is known now that can be; an order that is not listed whole yet lets its market wait.
    """
    now = app.clock()
    thorough = app.thorough_at is None or not timedelta(0) <= now - app.thorough_at < THOROUGH_EVERY
    since = (app.journal.imported_until() or now) - (LOOK_BACK if thorough else RECENT)
    shown = [*await app.upbit.closed_orders(start=since, end=now + AHEAD), *await app.upbit.open_orders()]
    unknown = [order for order in sorted(shown, key=lambda order: order.created_at) if is_unknown(app, order)]
    for order in unknown:
        await fetch(app, order.uuid)
    late = {order.market for order in unknown if order.uuid not in app.fetched}
    doubtful = {order.market for order in unknown if buy_in_doubt(app, order.market)}
    active = await app.state.active_trade.snapshot()
    busy = {market for market, trade in active.items() if trade.phase != HOLDING}
    for order in unknown:
        if order.market in doubtful:
            halt_buys_on_unknown(app, order)
        elif order.market not in late:
            take_in(app, app.fetched.pop(order.uuid), idle=order.market not in busy)
    if late:
        return False
    app.journal.note_import(now)
    app.thorough_at = None if doubtful else now if thorough else app.thorough_at
    return True


def is_unknown(app: App, order: Order) -> bool:
    """Return whether an order is ours and has executed without the journal; stop everything when it knows it wrong."""
    if names.read_name(order.identifier or "", names.prefix_of(app)) is None:
        return False
    known = app.journal.known_intent(order.identifier or "")
    filled = sum((fill.volume for fill in app.journal.fills_of(order.identifier or "")), Decimal(0))
    verdict = judge_order(order, known, filled)
    if verdict is Verdict.DIFFERENT:
        halt_on_difference(app, order, filled)
    return verdict in {Verdict.UNKNOWN, Verdict.AFTER_ALL}


async def fetch(app: App, uuid: str) -> None:
    """Ask for an order with its fills, and keep it once it is whole: a round that fails need not ask for it again."""
    if uuid in app.fetched:
        return
    order = await app.upbit.order(uuid=uuid)
    if order.is_final:
        app.fetched[uuid] = order


def take_in(app: App, order: Order, *, idle: bool) -> None:
    """Write down an order that was not followed, whatever the journal thought of it; `idle`: its market is at rest."""
    name = names.read_name(order.identifier or "", names.prefix_of(app))
    known = app.journal.known_intent(order.identifier or "")
    if known is None and name is not None:
        adopt(app, order, name, idle=idle)
    elif known is not None and known.state not in {*IntentState.live(), IntentState.FINAL}:
        see_after_all(app, order, known)


def judge_order(order: Order, known: Intent | None, filled: Decimal) -> Verdict:
    """Return what an order that the exchange shows is to the journal, which has `filled` units of it."""
    if order.state not in protocol.ENDED or (known is not None and known.state in IntentState.live()):
        return Verdict.WAIT
    if order.executed_volume == filled:
        return Verdict.FINE
    if known is None:
        return Verdict.UNKNOWN
    return Verdict.DIFFERENT if known.state is IntentState.FINAL else Verdict.AFTER_ALL


def buy_in_doubt(app: App, market: str) -> bool:
    """Return whether a buy of a market may have executed and is not known to have: so it is in a restored journal."""
    return any(intent.market == market and intent.side == Side.BID for intent in app.journal.live_intents())


def adopt(app: App, order: Order, name: names.Name, *, idle: bool) -> None:
    """Write an order of ours down that the journal does not know, and buy nothing more until a person has looked."""
    trade = trade_for(app, order, name, idle=idle)
    note = app.messages.adopted(order, at=app.clock())
    app.journal.adopt(trade, adopted_intent(app, trade, order, name), order.fills, order.paid_fee, [note])
    app.tell("adopted", level=logging.WARNING, market=order.market, identifier=order.identifier)
    halt_buys_on_unknown(app, order)


def see_after_all(app: App, order: Order, known: Intent) -> None:
    """Write down that an order was executed although it should not exist, and buy nothing more."""
    note = app.messages.adopted(order, at=app.clock())
    app.journal.see_after_all(known, order.uuid, order.fills, order.paid_fee, [note])
    app.tell("executed_after_all", level=logging.ERROR, market=order.market, identifier=order.identifier)
    halt_buys_on_unknown(app, order)


async def take_up(app: App, market: str) -> None:
    """Let the shared dicts know the open trade of a market as the journal has it now, if nobody works on it."""
    trade = app.journal.open_trade_in(market)
    active = (await app.state.active_trade.snapshot()).get(market)
    if trade is not None and trade.phase != "entering" and (active is None or active.trade_id != trade.id):
        await resume(app, trade)
    elif await reserve(app, market, HOLDING, SELLING):  # so that nobody begins a sale meanwhile
        await (let_go if trade is None else hold_again)(app, market)


async def lacks_stop(app: App) -> bool:
    """Return whether a position has no stop because no candles are known yet since the start."""
    if await app.state.snapshot_dict.snapshot():
        return False
    return any(needs_stop(trade) for trade in app.journal.open_trades())


def needs_stop(trade: Trade) -> bool:
    """Return whether a trade was found at the exchange, so that nobody knows its stop."""
    return trade.entry_reason.get("code") == ADOPTED and trade.stop_price is None


async def give_stop(app: App, trade: Trade) -> None:
    """Compute the stop of an adopted trade anew, from the candles of now: nobody knows its old one."""
    snapshot = (await app.state.snapshot_dict.snapshot()).get(trade.market)
    if not needs_stop(trade) or snapshot is None:
        return
    distance = app.strategy.enter(snapshot, app.parameters).stop_distance
    if distance is None or not math.isfinite(distance) or not trade.bought:
        return
    stop = stop_price(average_price(fills_of(app, trade, "bid")), Decimal(repr(distance)))
    if stop is not None and await reserve(app, trade.market, HOLDING, SELLING):
        app.journal.set_stop(trade.id, stop)
        await hold_again(app, trade.market)
        app.tell("stop_anew", level=logging.WARNING, market=trade.market, stop=stop)


def trade_for(app: App, order: Order, name: names.Name, *, idle: bool = True) -> Trade:
    """Return the trade an unknown order belongs to: the open one of its market, or the one it is named after.

    A buy of another name ends an open trade of which nothing but orders is known, and takes over what it left: the
    trade goes by the same name, and its sale by the same identifier, wherever its orders are read.
    """
    other = app.journal.open_trade_in(order.market)
    begins = order.side is Side.BID and not app.journal.knows_trade(f"{names.bot_of(app)}-{name.trade}")
    if other is not None and begins and idle and other.entry_reason.get("code") == ADOPTED:
        app.journal.close_trade(other.id, closed_at=created_at(order) or app.clock(), dust=other.volume)
        other = None
    return other or adopted_trade(app, order, name)


def adopted_trade(app: App, order: Order, name: names.Name) -> Trade:
    """Return the trade an order belongs to, by its name. Why it began is not known, and so is its stop."""
    trade_id = f"{names.bot_of(app)}-{name.trade}"
    if app.journal.knows_trade(trade_id):
        return app.journal.trade(trade_id)
    return Trade(
        id=trade_id,
        market=order.market,
        strategy=app.strategy.name,
        unit=app.candles.unit,
        decided_at=name.candle_closed_at,
        entry_reason={"code": ADOPTED, "ko": "업비트에서 되찾은 주문", "en": "found at Upbit"},
        stop_distance=None,
    )


def adopted_intent(app: App, trade: Trade, order: Order, name: names.Name) -> Intent:
    """Return the record of an order that is over, rebuilt from what the exchange shows."""
    return Intent(
        identifier=order.identifier or "",
        decision_key=name.decision_key,
        n=name.number,
        trade_id=trade.id,
        market=order.market,
        side=str(order.side),
        request=msgspec.json.encode(request_of(order)).decode(),
        decided_at=created_at(order) or app.clock(),
        deadline=None,
        state=IntentState.FINAL,
        uuid=order.uuid,
    )


def created_at(order: Order) -> datetime | None:
    """Return when the exchange took an order, UTC; None when it does not say so in a way we know."""
    try:
        return datetime.fromisoformat(order.created_at).astimezone(UTC)
    except ValueError:
        return None


def request_of(order: Order) -> NewOrder:
    """Return the request an order came of."""
    total, volume = (order.price, None) if order.side is Side.BID else (None, order.volume)
    return NewOrder(market=order.market, side=order.side, identifier=order.identifier or "", total=total, volume=volume)


def halt_buys_on_unknown(app: App, order: Order) -> None:
    """Buy nothing more: another daemon may trade this account, or the journal is older than its orders."""
    app.control.halt_buys(
        "unknown_order",
        ko=f"기록에 없던 우리 주문({order.market} {order.identifier})을 업비트에서 찾아 기록에 넣습니다. "
        "같은 계정으로 도는 다른 데몬이 없는지, 옛 백업을 되돌린 것은 아닌지 확인한 뒤 resume 하세요.",
        en=f"An order of ours that the journal did not know ({order.market} {order.identifier}) was found at Upbit "
        "and is written down. Make sure that no other daemon trades this account, then resume.",
        market=order.market,
        uuid=order.uuid,
    )


def halt_on_difference(app: App, order: Order, filled: Decimal) -> None:
    """Stop everything: what we wrote down as final is not what the exchange says."""
    app.control.halt(
        "order_differs",
        ko=f"{order.market} {order.identifier} 체결량이 기록은 {filled:f}, 업비트는 {order.executed_volume:f}입니다. "
        "업비트 주문 내역을 확인한 뒤 resume 하세요.",
        en=f"{order.market} {order.identifier} executed {order.executed_volume:f} at Upbit, {filled:f} in the journal. "
        "Look at Upbit's orders, then resume.",
        uuid=order.uuid,
    )


# --- balances ---------------------------------------------------------------------------------------------------------


async def compare_balances(app: App) -> None:
    """Compare what quiet trades hold with what the account has; write off what is missing twice.

    Not so soon after the last look that the same old answer could be given twice.
    """
    now_s = asyncio.get_running_loop().time()
    if app.balances_s is not None and now_s - app.balances_s < APART_S:
        return
    before = quiet_positions(app, app.clock())
    held = {account.currency: account.available + account.locked for account in await app.upbit.accounts()}
    after = quiet_positions(app, app.clock())
    quiet = {name: volume for name, volume in before.items() if after.get(name) == volume}
    short = dict[str, Decimal]()
    for trade in [trade for trade in app.journal.open_trades() if trade.id in quiet]:
        short[trade.id] = quiet[trade.id] - held.get(trade.market.split("-")[1], Decimal(0))
        await compare_balance(app, trade, surely_gone(short[trade.id], app.missing.get(trade.id)))
    app.missing, app.balances_s = short, now_s


def quiet_positions(app: App, now: datetime) -> dict[str, Decimal]:
    """Return what each trade holds in which nothing moves: no order in hand, and the last fill a while ago."""
    busy = {intent.market for intent in app.journal.live_intents()}
    quiet = [
        trade
        for trade in app.journal.open_trades()
        if trade.market not in busy and now - last_fill_at(app, trade) >= SETTLED
    ]
    return {trade.id: app.journal.position_volume(trade.id) for trade in quiet}


def surely_gone(short: Decimal, last_time: Decimal | None) -> Decimal:
    """Return how many units are gone: those that were missing at the last look, too. More than ours is the user's."""
    return max(min(short, last_time or Decimal(0)), Decimal(0))


async def last_price(app: App, market: str) -> Decimal | None:
    """Return the last price that was seen of a market that is traded, KRW; None before there was one."""
    price = (await app.state.trading_dict.snapshot()).get(market)
    return None if price is None else price.price


async def compare_balance(app: App, trade: Trade, gone: Decimal) -> None:
    """Shrink a trade by what somebody has taken out of the account; it is never bought back.

    Also one whose sale waits, maybe for just these coins: whoever waits goes on with what is left.
    """
    if not gone:
        return
    price, market = await last_price(app, trade.market), trade.market
    reserved = await reserve(app, market, HOLDING, SELLING)
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


async def waits_to_sell(app: App, market: str) -> bool:
    """Return whether a sale is wanted and no order of it is in hand."""
    active = (await app.state.active_trade.snapshot()).get(market)
    if active is None or active.phase != SELLING:
        return False
    return all(intent.market != market for intent in app.journal.live_intents())
