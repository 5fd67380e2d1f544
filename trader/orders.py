"""The only place that places orders: written down first, sent once, and never given up on a doubt.

    PLANNED -> attempt written (fsync) -> POST /v1/orders -> outcome written -> GET /v1/order until final -> fills

An intent carries one identifier for ever, and Upbit accepts an identifier once, so sending the same intent again
can never buy twice. A doubtful intent (UNKNOWN) is resolved only by *seeing* its order: not by a timer, not by a
count, not by "not found". After a doubt the same identifier may be sent again; a new one never.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from journal.records import IntentState
from trader.loops import pause
from upbit.errors import (
    ExchangeError,
    NotSent,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from journal.records import Intent
    from trader.app import App
    from upbit.models import Order

log = logging.getLogger("trader.orders")

MOST_REAL_ATTEMPTS = 4
LOOK_AGAIN_S = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
"""Pauses between look-ups of a doubtful order; the last one repeats."""
TRACK_S = (0.1, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses between looks at an accepted order that is not final; the last one repeats."""
SEND_AGAIN_EVERY = 3
"""Look-ups that found nothing between two sends of the same identifier."""


async def drive(app: App, identifier: str) -> Intent:
    """Take an intent to its end, from whatever state it is in; also what a restart calls."""
    while True:
        intent = app.journal.intent(identifier)
        match intent.state:
            case IntentState.PLANNED:
                await send_planned(app, intent)
            case IntentState.SENT:
                raise AssertionError(f"{identifier} is being sent by somebody else")
            case IntentState.UNKNOWN:
                await resolve(app, intent)
            case IntentState.ACCEPTED:
                await track(app, intent)
            case _:
                return intent


async def send_planned(app: App, intent: Intent) -> None:
    """Send an intent for the first time, or give it up when its decision has become too old to buy on."""
    if intent.deadline is not None and app.clock() > intent.deadline:
        app.journal.abandon(intent.identifier, "deadline")
        return
    if not app.control.permits(intent.side):
        app.journal.abandon(intent.identifier, app.control.state.name)
        return
    await send(app, intent)


async def send(app: App, intent: Intent) -> None:
    """Make one attempt: durable before the first byte, classified and written before anything else happens."""
    doubtful = any(attempt.state is IntentState.UNKNOWN for attempt in app.journal.attempts(intent.identifier))
    app.journal.begin_attempt(intent.identifier)
    try:
        order = await app.upbit.place(to_order(intent))
    except ExchangeError as error:
        state = classify(error, doubtful=doubtful)
        write_outcome(app, intent, state, error)
        if state is IntentState.PLANNED:
            await pause(getattr(error, "retry_after", None) or 1.0)
    except BaseException:
        # Cancelled while the answer was awaited: the order may exist. Written down, because the process may live on.
        app.journal.end_attempt(intent.identifier, IntentState.UNKNOWN, outcome="cancelled")
        raise
    else:
        check_same(intent, order)
        app.journal.end_attempt(intent.identifier, IntentState.ACCEPTED, outcome="accepted", uuid=order.uuid, http=201)


def classify(error: ExchangeError, *, doubtful: bool) -> IntentState:
    """Return what an attempt that ended in `error` makes of its intent.

    A refusal is final only while no earlier attempt is in doubt: after a doubt it may be the echo of an order that
    exists and has, for example, spent the money.
    """
    if doubtful or isinstance(error, OutcomeUnknown):
        return IntentState.UNKNOWN
    if isinstance(error, NotSent | RateLimited):
        return IntentState.PLANNED
    if isinstance(error, Rejected):
        return IntentState.REJECTED
    return IntentState.UNKNOWN


def write_outcome(app: App, intent: Intent, state: IntentState, error: ExchangeError) -> None:
    """Write down and log how an attempt failed."""
    app.journal.end_attempt(
        intent.identifier, state, outcome=type(error).__name__, http=error.status, name=str(error.name or "")
    )
    app.tell(
        "order_" + state.value.lower(),
        level=logging.WARNING,
        market=intent.market,
        identifier=intent.identifier,
        error=error.name or type(error).__name__,
    )


async def resolve(app: App, intent: Intent) -> None:
    """Look for a doubtful order until it is seen, sending the same identifier again while it is still wanted."""
    for round_ in range(SEND_AGAIN_EVERY):
        patience = round_ + len(app.journal.attempts(intent.identifier)) - 1
        await pause(LOOK_AGAIN_S[min(patience, len(LOOK_AGAIN_S) - 1)])
        try:
            order = await app.upbit.order(identifier=intent.identifier)
        except OrderNotFound:
            continue  # weak evidence: it may be on its way
        except ExchangeError as error:
            log.warning("look-up failed identifier=%s error=%s", intent.identifier, error)
            continue
        check_same(intent, order)
        app.journal.adopt(intent.identifier, order.uuid)
        app.tell("order_found", market=intent.market, identifier=intent.identifier)
        return
    if still_wanted(app, intent):
        await send(app, intent)
    else:
        text = f"{intent.market} {intent.side} {intent.identifier}: Upbit has not shown this order yet"
        app.journal.add_notes([app.messages.problem(f"unknown:{intent.identifier}", text, at=app.clock())])
        app.wake_notifier()


def still_wanted(app: App, intent: Intent) -> bool:
    """Return whether a doubtful intent may be sent again: a sell always, a buy before its deadline."""
    if len(app.journal.attempts(intent.identifier)) >= MOST_REAL_ATTEMPTS or not app.control.permits(intent.side):
        return False
    return intent.deadline is None or app.clock() <= intent.deadline


async def track(app: App, intent: Intent) -> None:
    """Follow an accepted order until it is final, and write its fills.

    The state alone says nothing: a filled market buy normally ends as `cancel`. It is final when every fill is listed.
    """
    for round_ in range(1_000_000):
        await pause(TRACK_S[min(round_, len(TRACK_S) - 1)])
        try:
            order = await app.upbit.order(uuid=intent.uuid)
        except ExchangeError as error:
            log.warning("order not readable identifier=%s error=%s", intent.identifier, error)
            continue
        check_same(intent, order)
        app.journal.record_fills(intent.identifier, order.fills, order.paid_fee)
        if order.is_final:
            app.journal.finish(intent.identifier)
            return


def check_same(intent: Intent, order: Order) -> None:
    """Stop everything when Upbit's order is not the one that was sent: no data beats wrong data."""
    found = (order.market, str(order.side), order.identifier or intent.identifier)
    meant = (intent.market, str(intent.side), intent.identifier)
    if found != meant:
        raise AssertionError(f"Upbit answered {found} for {meant}")


def to_order(intent: Intent) -> NewOrder:
    """Rebuild the request from the journal: what is sent is what was written."""
    return msgspec.json.decode(intent.request, type=NewOrder)


def identifier_of(app: App, decision_key: str, number: int) -> str:
    """Return the name of an order: a function of the decision alone, so nobody can ever send it under two names."""
    return f"ub1-{app.mode[0].upper()}{app.account}-{decision_key}-{number}"


def request_of(order: NewOrder) -> str:
    """Return the text the journal keeps of a request."""
    return msgspec.json.encode(order).decode()


def side_word(side: Side) -> str:
    """Return the letter of a side in decision keys."""
    return "b" if side is Side.BID else "s"
