"""The only place that places orders: written down first, sent once, and never given up on a doubt.

    PLANNED -> attempt written (fsync) -> POST /v1/orders -> outcome written -> GET /v1/order until final -> fills

What every answer proves and what to do next is decided in `trader/orders/protocol.py`; here it is carried out. The
journal refuses every change of state that the protocol does not know.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from journal.errors import require
from journal.records import ZERO, IntentState
from trader.loops import pause
from trader.orders import protocol
from trader.orders.doubts import halt_buys_beside_another, halt_buys_on_other, tell_unknown_refusal
from trader.orders.evidence import SECOND_LOOK_S, Persistence
from trader.orders.protocol import Doubt, Kind, SendAnswer, Sight, Step
from trader.orders.tracking import tell_long_doubt, track
from upbit.errors import ExchangeError, OrderNotFound, UnknownRefusal, Withheld
from upbit.models import NewOrder
from upbit.rules import base_of

if TYPE_CHECKING:
    from decimal import Decimal

    from journal.journal import Journal
    from journal.records import Intent
    from trader.app import App
    from upbit.models import Fence, Order
    from upbit.rest import Upbit

log = logging.getLogger("trader.orders")

NOT_SENT_RESTS_S = 1.0
SAID_NO = frozenset({IntentState.REJECTED, IntentState.ABANDONED})
LOOKS_AFTER_NO = 3
CLOCK_SLIP = timedelta(seconds=5)
"""A clock that is set right by less than this makes no decision old."""


async def drive(app: App, identifier: str) -> Intent:
    """Take an intent to its end, from whatever state it is in; also what a restart calls."""
    while True:
        intent = app.journal.intent(identifier)
        match intent.state:
            case IntentState.PLANNED:
                await send_planned(app, intent)
            case IntentState.UNKNOWN:
                await resolve(app, intent)
            case IntentState.ACCEPTED:
                await track(app, intent)
            case _:
                require(intent.state is not IntentState.SENT, f"{identifier} is being sent by somebody else")
                if not await was_taken_after_all(app, intent):
                    return intent


async def send_planned(app: App, intent: Intent) -> None:
    """Send an intent that no byte has left of, or give it up when it is too late or not allowed."""
    why = why_not(app, intent)
    if why:
        app.journal.abandon(intent.identifier, why)
        return
    await send(app, intent, protocol.to_order(intent))


def why_not(app: App, intent: Intent) -> str | None:
    """Return why a planned intent is not sent; None when it is. The price of an old decision is history.

    One of the future is old as well: the clock was set back since, and would let it live for so much longer. So is a
    sale of coins that were found to be sold since, under another name: it would sell the user's.
    """
    if intent.deadline is not None and not intent.decided_at - CLOCK_SLIP <= app.clock() <= intent.deadline:
        return "deadline"
    if not is_held(app.journal, intent):
        return "sold"
    if not app.control.permits(intent.side):
        return app.control.state.name
    return "stopping" if app.stop.is_set() else None


async def send(app: App, intent: Intent, request: NewOrder | Fence) -> None:
    """Make one attempt: durable before the first byte, weighed and written before anything else happens."""
    kind = Kind.REAL if isinstance(request, NewOrder) else Kind.FENCE
    doubtful = protocol.is_doubtful(app.journal.attempts(intent.identifier))
    app.journal.begin_attempt(intent.identifier, kind, None if kind is Kind.REAL else protocol.request_of(request))
    try:
        order = await app.upbit.place(request, until=intent.deadline)
    except ExchangeError as error:
        state = protocol.after_send(protocol.weigh(error), kind, doubtful=doubtful)
        write_failure(app, intent, state, error)
        if state is IntentState.PLANNED:
            await rest_before_next(app.journal, app.stop, intent, error)
    except BaseException:
        # Cancelled while the answer was awaited: the order may exist. Written down, because the process may live on.
        app.journal.end_attempt(intent.identifier, IntentState.UNKNOWN, outcome="cancelled")
        raise
    else:
        write_answer(app.journal, intent, order, kind, doubtful=doubtful)


async def rest_before_next(journal: Journal, stop: asyncio.Event, intent: Intent, error: ExchangeError) -> None:
    """Wait before an intent that surely was not taken is sent again; what our own gate keeps back is given up."""
    if isinstance(error, Withheld):
        journal.abandon(intent.identifier, error.name or "withheld")
    else:
        await pause(getattr(error, "retry_after", None) or NOT_SENT_RESTS_S, stop)


def write_answer(journal: Journal, intent: Intent, order: Order, kind: Kind, *, doubtful: bool) -> None:
    """Write down what a success says: nothing is accepted that is not what was asked for."""
    sight = protocol.judge(intent, order)
    taken = sight is Sight.REAL and kind is Kind.REAL
    state = protocol.after_send(SendAnswer.TAKEN if taken else SendAnswer.DOUBT, kind, doubtful=doubtful)
    uuid = order.uuid if state is IntentState.ACCEPTED else None
    outcome = "accepted" if taken else f"answered with {sight.name.lower()}"
    journal.end_attempt(intent.identifier, state, outcome=outcome, uuid=uuid, http=201)


def write_failure(app: App, intent: Intent, state: IntentState, error: ExchangeError) -> None:
    """Write down and log how an attempt failed."""
    app.journal.end_attempt(
        intent.identifier, state, outcome=type(error).__name__, http=error.status, name=str(error.name or "")
    )
    if isinstance(error, UnknownRefusal):
        tell_unknown_refusal(app, intent, error)
    app.tell(
        "order_" + state.value.lower(),
        level=logging.WARNING,
        market=intent.market,
        identifier=intent.identifier,
        error=error.name or type(error).__name__,
    )


async def was_taken_after_all(app: App, intent: Intent) -> bool:
    """Look for an order that Upbit said no to, and follow it when it is there: one answer proves nothing.

    When nobody can be asked the answer counts, and the next comparison of all orders is the second look.
    """
    if intent.state not in SAID_NO or not app.journal.attempts(intent.identifier):
        return False
    for failed in range(LOOKS_AFTER_NO):
        try:
            order = await app.upbit.order(identifier=intent.identifier)
        except OrderNotFound:
            return False
        except ExchangeError as error:
            log.warning("refused order not looked up identifier=%s error=%s", intent.identifier, error)
        else:
            if protocol.judge(intent, order) is Sight.REAL:
                write_sight(app, intent, order, Sight.REAL)
                return True
        await pause(protocol.pause_before_look(missed=0, failed=failed, attempts=1))
    return False


async def resolve(app: App, intent: Intent) -> None:
    """Look for a doubtful order until it or its fence is seen; return when its state may have changed."""
    missed = failed = 0
    attempts = app.journal.attempts(intent.identifier)
    strangers, odd = Persistence(), Persistence(SECOND_LOOK_S)
    while True:
        await pause(protocol.pause_before_look(missed=missed, failed=failed, attempts=len(attempts)))
        try:
            order = await app.upbit.order(identifier=intent.identifier)
        except OrderNotFound:
            missed, failed = missed + 1, 0  # weak evidence: it may be on its way
        except ExchangeError as error:
            failed += 1  # no evidence at all
            log.warning("look-up failed identifier=%s error=%s", intent.identifier, error)
        else:
            sight, now_s = protocol.judge(intent, order), asyncio.get_running_loop().time()
            if sight is Sight.OTHER and strangers.persist(now_s):
                halt_buys_on_other(app.control, intent, order)
            if needs_second_look(intent, order, sight) and not odd.persist(now_s):
                sight = Sight.NOTHING
            if write_sight(app, intent, order, sight) is not IntentState.UNKNOWN:
                return
            missed, failed = 0, failed + 1  # something is there, so nothing is sent
        tell_long_doubt(app, intent)
        if await take_step(app, intent, missed):
            return


def needs_second_look(intent: Intent, order: Order, sight: Sight) -> bool:
    """Return whether one answer is not believed: that an order never will exist, or that somebody else has sent it."""
    return sight is Sight.FENCE or (sight is Sight.REAL and not protocol.is_as_asked(protocol.to_order(intent), order))


async def take_step(app: App, intent: Intent, missed: int) -> bool:
    """Send again or fence when it is time to; return whether anything was sent."""
    attempts = app.journal.attempts(intent.identifier)
    doubt = Doubt(
        missed=missed,
        sends=sum(attempt.kind == Kind.REAL for attempt in attempts),
        burnt=protocol.is_burnt(attempts),
        wanted=why_not(app, intent) is None,
        may_send=app.control.may_sell() and not app.stop.is_set(),
        refused=protocol.refused(attempts, Kind.REAL),
        refused_fences=protocol.refused(attempts, Kind.FENCE),
    )
    step = protocol.next_step(doubt)
    if step is Step.LOOK:
        return False
    request = await what_to_send(app, intent, step)
    if request is not None:
        await send(app, intent, request)
    return request is not None


async def what_to_send(app: App, intent: Intent, step: Step) -> NewOrder | Fence | None:
    """Return the order or the fence that the account can pay for now; None when there is none, or nobody knows."""
    try:
        free = {account.currency: account.available for account in await app.upbit.accounts()}
        order, krw, coins = protocol.to_order(intent), balance(free, "KRW"), balance(free, base_of(intent.market))
        (book,) = await app.upbit.books([intent.market])
    except ExchangeError as error:
        log.warning("nothing sent in doubt identifier=%s error=%s", intent.identifier, error)
        return None
    bid = book.levels[0].bid_price if book.levels else ZERO
    if step is Step.SEND and protocol.affordable(order, krw=krw, coins=coins, bid=bid):
        return order
    return protocol.make_fence(intent, book, krw=krw, coins=coins, step=await price_step(app.upbit, intent.market))


async def price_step(upbit: Upbit, market: str) -> Decimal | None:
    """Return the price step of now; None when Upbit does not tell it, so that the table has to do."""
    try:
        return await upbit.price_step(market)
    except ExchangeError as error:
        log.warning("price step not told market=%s error=%s", market, error)
        return None


def balance(free: dict[str, Decimal], currency: str) -> Decimal:
    """Return what is free of a currency."""
    return free.get(currency, ZERO)


def write_sight(app: App, intent: Intent, order: Order, sight: Sight) -> IntentState:
    """Write down what was seen under the identifier of a doubtful intent, and return what it makes of the intent."""
    state = protocol.after_sight(sight)
    if state is not IntentState.UNKNOWN:
        if sight is Sight.REAL and is_foreign(app.journal, intent, order):
            halt_buys_beside_another(
                app.control, intent, order
            )  # first: after a death nothing would tell of what is seen
        app.journal.see(intent.identifier, state, order.uuid)
        app.tell("order_found", market=intent.market, identifier=intent.identifier, state=state.value)
    return state


def is_foreign(journal: Journal, intent: Intent, order: Order) -> bool:
    """Return whether an order under our identifier was sent by somebody else."""
    sent_elsewhere = protocol.is_foreign(journal.attempts(intent.identifier))
    return sent_elsewhere or not protocol.is_as_asked(protocol.to_order(intent), order)


def is_held(journal: Journal, intent: Intent) -> bool:
    """Return whether what an intent sells is still held."""
    volume = protocol.to_order(intent).volume
    return volume is None or volume <= journal.trade(intent.trade_id).volume
