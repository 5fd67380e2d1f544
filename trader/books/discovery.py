"""Discover orders of ours at the exchange that the journal does not know, or knows otherwise.

Every order under our prefix since the last time is looked at; orders of others are not. What executed without the
journal is adopted (`trader/books/adoption.py`); a final order whose fills differ is taken in, and halts buys.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from journal.records import IntentState, Phase
from trader.books.adoption import adopt, halt_buys_on_unknown, see_after_all
from trader.orders import names, protocol
from trader.orders.doubts import FILLS_DIFFER, halt_buys_on_odd_fills
from trader.trades.positions import stand_back
from upbit.errors import ExchangeError, OrderNotFound
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from journal.journal import Journal
    from journal.records import Intent
    from trader.app import App
    from trader.books.memory import Discovery
    from trader.control import Control
    from upbit.models import Order
    from upbit.rest import Upbit

LOOK_BACK, RECENT = timedelta(days=1), timedelta(minutes=15)
"""How far before the last comparison orders are asked for again, as one may rest or be shown late: a day at a start and
every `THOROUGH_EVERY`, and what is recent in between."""
THOROUGH_EVERY = timedelta(hours=1)
AHEAD = timedelta(minutes=5)
"""Upbit's clock may be before ours."""
UNCLEAR_RESTS = timedelta(minutes=2)
"""So long a market is not bought of whose orders one cannot be read; looked at again every minute."""
TOLD_TWICE = ("identifier", "market", "side", "executed_volume", "paid_fee")
"""What a list and an order by itself must say alike before either is believed."""

log = logging.getLogger("trader.discovery")


class OrderVerdict(Enum):
    """What an order under our prefix is to the journal."""

    KNOWN = auto()  # as the journal has it, or no order of this bot
    WAIT = auto()  # not over, or followed by somebody
    UNKNOWN = auto()  # executed, and not in the journal
    AFTER_ALL = auto()  # executed, although the journal has proof that it never would
    DIFFERENT = auto()  # executed otherwise than the journal says


TO_TAKE_IN = frozenset({OrderVerdict.UNKNOWN, OrderVerdict.AFTER_ALL})


async def compare_orders(app: App) -> bool:
    """Look at every order of ours since the last time; halt buys on what the journal does not know, and take it in.

    The list names what is unknown, and the order itself must say the same before anything is believed. All of a market
    is asked for first and then written down at once: with a buy whose sale is not known yet, coins would be held that
    were sold long ago. A buy in doubt is waited for, too, for it may be that buy.

    Returns:
        Whether everything is known now that can be; an order that is not listed whole yet lets its market wait.
    """
    now = app.clock()
    thorough = app.discovery.thorough_at is None or not timedelta(0) <= now - app.discovery.thorough_at < THOROUGH_EVERY
    since = (app.journal.imported_until() or now) - (LOOK_BACK if thorough else RECENT)
    shown = await orders_since(app, since, now)
    verdicts = {order.uuid: judge_order(app, order) for order in shown}
    for order in shown:
        if verdicts[order.uuid] is OrderVerdict.WAIT and app.journal.known_intent(str(order.identifier)) is None:
            await stand_back(app, order.market, UNCLEAR_RESTS, "unclear_order")  # what it buys is not known
    unknown = [order for order in shown if verdicts[order.uuid] in TO_TAKE_IN]
    differing = [order for order in shown if verdicts[order.uuid] is OrderVerdict.DIFFERENT]
    forget_known(app.discovery, [*unknown, *differing])
    for order in [*unknown, *differing]:
        await fetch(app.discovery, app.upbit, order)
    late = {order.market for order in unknown if order.uuid not in app.discovery.fetched}
    doubtful = {order.market for order in unknown if buy_in_doubt(app.journal, order.market)}
    active = await app.state.active_trade.snapshot()
    busy = {market for market, trade in active.items() if trade.phase != Phase.HOLDING}
    ready = [order for order in unknown if order.market not in doubtful | late]
    for order in unknown:  # first: once an order is known, nothing would tell of it after a death
        if order.uuid in app.discovery.fetched or order.uuid in app.discovery.listed:
            halt_buys_on_unknown(app.control, order)
    app.discovery.listed = {order.uuid for order in unknown}
    for order in ready:
        take_in(app, app.discovery.fetched.pop(order.uuid), idle=order.market not in busy)
    for order in differing:
        take_in_difference(app, app.discovery.fetched.pop(order.uuid, None))
    if not differing:
        app.control.ended(FILLS_DIFFER)
    if late:
        return False
    app.journal.note_import(now)
    again = bool(doubtful) or not app.comparison.rounds  # a list that shows too little is not believed of one look
    app.discovery.thorough_at = None if again else now if thorough else app.discovery.thorough_at
    return True


async def orders_since(app: App, since: datetime, now: datetime) -> list[Order]:
    """Return every order of ours that ended since or goes on, oldest first; what a list shows oddly by its own word."""
    prefix = names.prefix_of(app.bot)
    ended = await app.upbit.closed_orders(start=since, end=now + AHEAD, prefix=prefix)
    resting = await app.upbit.open_orders(prefix=prefix)
    odd = {str(order.identifier) for order in [*ended, *resting] if is_unclear(app, order)}
    clear = [order for order in [*ended, *resting] if order.identifier not in odd]
    unclear = await ask_for_unclear(app, {*ended.dropped, *resting.dropped, *odd})
    return sorted([*clear, *unclear], key=lambda order: order.created_at)


async def ask_for_unclear(app: App, identifiers: Iterable[str]) -> list[Order]:
    """Ask by its name for each order of ours that a list shows in a way nobody can read, and that is not over for us.

    Of one that is not to be had either, nobody knows what it bought: its market alone is not bought meanwhile.
    """
    found: list[Order] = []
    for identifier in sorted(identifiers):
        name = names.read_name(identifier, names.prefix_of(app.bot))
        known = app.journal.known_intent(identifier)
        if name is None or (known is not None and known.state is IntentState.FINAL):
            continue
        try:
            found.append(await app.upbit.order(identifier=identifier))
        except ExchangeError as error:
            log.warning("order of ours not readable identifier=%s error=%s", identifier, error)
            await stand_back(app, names.market_of(name), UNCLEAR_RESTS, "unclear_order")
    return found


def is_unclear(app: App, order: Order) -> bool:
    """Return whether what a list shows of an order of ours is no proof: it is of another market or side than its name.

    Or it has done nothing, and the journal does not know it: that it may be forgotten is not believed of a list alone.
    """
    name = names.read_name(order.identifier, names.prefix_of(app.bot))
    if name is None:
        return False
    nothing = not order.executed_volume and app.journal.known_intent(name.identifier) is None
    return nothing or not names.fits(name, order.market, order.side)


def judge_order(app: App, order: Order) -> OrderVerdict:
    """Return what an order of the list is to the journal; one that is none of ours is told and left alone."""
    name = names.read_name(order.identifier, names.prefix_of(app.bot))
    if name is None or not names.fits(name, order.market, order.side):
        tell_odd_name(app, order)
        return OrderVerdict.KNOWN
    filled, known = app.journal.executed_volume(name.identifier), app.journal.known_intent(name.identifier)
    if order.executed_volume == filled and not fee_differs(order, known):  # so it is with nearly all
        return OrderVerdict.KNOWN
    return judge_volume(order, known)


def fee_differs(order: Order, known: Intent | None) -> bool:
    """Return whether an order that is over and has traded has cost another fee than the journal says."""
    is_over = known is not None and known.state is IntentState.FINAL and bool(order.executed_volume)
    return is_over and known is not None and order.paid_fee != known.paid_fee


def judge_volume(order: Order, known: Intent | None) -> OrderVerdict:
    """Return what an order is to the journal, which does not know as much of it as the exchange shows."""
    if order.state not in protocol.ENDED or (known is not None and known.state in IntentState.live()):
        return OrderVerdict.WAIT
    if known is None:
        return OrderVerdict.UNKNOWN
    return OrderVerdict.DIFFERENT if known.state is IntentState.FINAL else OrderVerdict.AFTER_ALL


def tell_odd_name(app: App, order: Order) -> None:
    """Say once that an order bears our prefix, and a name that cannot be ours: it is not touched."""
    if app.news.is_new(f"odd_name:{order.uuid}", str(order.identifier)):
        app.tell("odd_name", level=logging.WARNING, market=order.market, identifier=order.identifier)


async def fetch(discovery: Discovery, upbit: Upbit, listed: Order) -> None:
    """Ask for an order with its fills, and keep it once it is whole and says what the list says.

    A round that fails need not ask for it again. One that is listed and not there is late, like one that differs.
    """
    if listed.uuid in discovery.fetched:
        return
    try:
        order = await upbit.order(uuid=listed.uuid)
    except OrderNotFound:
        return
    if order.is_final and says_the_same(order, listed):
        discovery.fetched[listed.uuid] = order


def says_the_same(order: Order, listed: Order) -> bool:
    """Return whether an order by itself and in a list is the same: two sources that agree."""
    return all(getattr(order, name) == getattr(listed, name) for name in TOLD_TWICE)


def forget_known(discovery: Discovery, unknown: list[Order]) -> None:
    """Forget what was fetched and turned out to be an order in doubt: whoever followed it has written it down."""
    for uuid in discovery.fetched.keys() - {order.uuid for order in unknown}:
        del discovery.fetched[uuid]


def buy_in_doubt(journal: Journal, market: str) -> bool:
    """Return whether a buy of a market may have executed and is not known to have: so it is in a restored journal."""
    return any(intent.market == market and intent.side == Side.BID for intent in journal.live_intents())


def take_in(app: App, order: Order, *, idle: bool) -> None:
    """Write down an order that was not followed, whatever the journal thought of it; `idle`: its market is at rest."""
    name = names.read_name(order.identifier, names.prefix_of(app.bot))
    if name is None:
        return
    known = app.journal.known_intent(name.identifier)
    if known is None:
        adopt(app, order, name, idle=idle)
    elif known.state not in {*IntentState.live(), IntentState.FINAL}:
        see_after_all(app, order, known)


def take_in_difference(app: App, order: Order | None) -> None:
    """Take in what an order did besides what was written down as final; told once, and only buys are halted.

    Fills only grow: what is written down and not shown any more stays, and a person looks into it.
    """
    known = None if order is None else app.journal.known_intent(order.identifier or "")
    if order is None or known is None or known.state is not IntentState.FINAL:
        return
    filled = app.journal.executed_volume(known.identifier)
    if filled == order.executed_volume and order.paid_fee != known.paid_fee:
        app.journal.correct_fee(known.identifier, order.paid_fee)
        app.tell("fee_corrected", market=order.market, identifier=known.identifier, krw=order.paid_fee)
    if filled == order.executed_volume or not app.news.is_new(
        f"order_differs:{known.identifier}", f"{order.executed_volume}"
    ):
        return
    if order.executed_volume > filled:
        halt_buys_on_odd_fills(app.control, order)
        app.journal.take_in_difference(known, order.fills, order.paid_fee)
    else:
        halt_buys_on_difference(app.control, order, filled)


def halt_buys_on_difference(control: Control, order: Order, filled: Decimal) -> None:
    """Buy nothing more: list and order show less than was written down as final. Exits go on."""
    control.halt_buys(
        "order_differs",
        ko=f"{order.market} {order.identifier} 체결량이 기록은 {filled:f}, 업비트는 {order.executed_volume:f}입니다. "
        "업비트 주문 내역을 확인한 뒤 resume 하세요.",
        en=f"{order.market} {order.identifier} executed {order.executed_volume:f} at Upbit, {filled:f} in the journal. "
        "Look at Upbit's orders, then resume.",
        uuid=order.uuid,
    )
