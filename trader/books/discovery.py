"""Discover orders of ours at the exchange that the journal does not know, or knows otherwise.

Every order under our prefix since the last time is looked at; orders of others are not. What executed without the
journal is adopted (`trader/books/adoption.py`); a final order whose fills differ halts everything.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from journal.records import IntentState, Phase
from trader.books.adoption import adopt, halt_buys_on_unknown, see_after_all
from trader.orders import names, protocol
from upbit.models import Side

if TYPE_CHECKING:
    from decimal import Decimal

    from journal.journal import Journal
    from journal.records import Intent
    from trader.app import App
    from upbit.models import Order

LOOK_BACK, RECENT = timedelta(days=1), timedelta(minutes=15)
"""How far before the last comparison orders are asked for again, as one may rest or be shown late: a day at a start and
every `THOROUGH_EVERY`, and what is recent in between."""
THOROUGH_EVERY = timedelta(hours=1)
AHEAD = timedelta(minutes=5)
"""Upbit's clock may be before ours."""


class Verdict(Enum):
    """What an order of ours at the exchange is to a journal that has another volume of it."""

    WAIT = auto()  # not over, or followed by somebody
    UNKNOWN = auto()  # executed, and not in the journal
    AFTER_ALL = auto()  # executed, although the journal has proof that it never would
    DIFFERENT = auto()  # executed otherwise than the journal says


async def compare_orders(app: App) -> bool:
    """Look at every order of ours since the last time; halt buys on what the journal does not know, and take it in.

    All that is unknown of a market is asked for first and then written down at once: with a buy whose sale is not known
    yet, coins would be held that were sold long ago. A buy in doubt is waited for, too, for it may be that buy.

    Returns:
        Whether everything is known now that can be; an order that is not listed whole yet lets its market wait.
    """
    now = app.clock()
    thorough = app.discovery.thorough_at is None or not timedelta(0) <= now - app.discovery.thorough_at < THOROUGH_EVERY
    since = (app.journal.imported_until() or now) - (LOOK_BACK if thorough else RECENT)
    prefix = names.prefix_of(app.bot)
    ended = await app.upbit.closed_orders(start=since, end=now + AHEAD, prefix=prefix)
    resting = await app.upbit.open_orders(prefix=prefix)
    shown = [*ended, *resting]
    unknown = [order for order in sorted(shown, key=lambda order: order.created_at) if is_unknown(app, order)]
    for order in unknown:  # at once and first: once an order is known, nothing would tell of it after a death
        halt_buys_on_unknown(app, order)
    forget_known(app, unknown)
    for order in unknown:
        await fetch(app, order.uuid)
    late = {order.market for order in unknown if order.uuid not in app.discovery.fetched}
    doubtful = {order.market for order in unknown if buy_in_doubt(app.journal, order.market)}
    active = await app.state.active_trade.snapshot()
    busy = {market for market, trade in active.items() if trade.phase != Phase.HOLDING}
    for order in unknown:
        if order.market not in doubtful | late:
            take_in(app, app.discovery.fetched.pop(order.uuid), idle=order.market not in busy)
    if late:
        return False
    app.journal.note_import(now)
    app.discovery.thorough_at = None if doubtful else now if thorough else app.discovery.thorough_at
    return True


def is_unknown(app: App, order: Order) -> bool:
    """Return whether an order is ours and has executed without the journal; stop everything when it knows it wrong."""
    name = names.read_name(order.identifier, names.prefix_of(app.bot))
    if name is None:
        return False
    filled = app.journal.executed_volume(name.identifier)
    if order.executed_volume == filled:  # so it is with nearly all
        return False
    verdict = judge_order(order, app.journal.known_intent(name.identifier))
    if verdict is Verdict.DIFFERENT:
        halt_on_difference(app, order, filled)
    return verdict in {Verdict.UNKNOWN, Verdict.AFTER_ALL}


def judge_order(order: Order, known: Intent | None) -> Verdict:
    """Return what an order is to the journal, which does not know as much of it as the exchange shows."""
    if order.state not in protocol.ENDED or (known is not None and known.state in IntentState.live()):
        return Verdict.WAIT
    if known is None:
        return Verdict.UNKNOWN
    return Verdict.DIFFERENT if known.state is IntentState.FINAL else Verdict.AFTER_ALL


async def fetch(app: App, uuid: str) -> None:
    """Ask for an order with its fills, and keep it once it is whole: a round that fails need not ask for it again."""
    if uuid in app.discovery.fetched:
        return
    order = await app.upbit.order(uuid=uuid)
    if order.is_final:
        app.discovery.fetched[uuid] = order


def forget_known(app: App, unknown: list[Order]) -> None:
    """Forget what was fetched and turned out to be an order in doubt: whoever followed it has written it down."""
    for uuid in app.discovery.fetched.keys() - {order.uuid for order in unknown}:
        del app.discovery.fetched[uuid]


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
