"""Follow an accepted order to its end, and write down what is proven of it, never more."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from trader.loops import pause
from trader.orders import protocol
from trader.orders.doubts import halt_buys_on_odd_fills, halt_buys_on_other
from trader.orders.evidence import Ending, Looks, Persistence, listed_as
from trader.orders.protocol import Sight
from upbit.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from journal.records import Intent
    from trader.app import App
    from upbit.models import Order
    from upbit.rest import Upbit

log = logging.getLogger("trader.orders")

TRACK_S = (0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Pauses between looks at an accepted order that is not final; the last one repeats."""
RESTS_S = 10.0
"""A market order that Upbit keeps waiting for so long is cancelled."""
RESTING = frozenset({"wait", "watch"})
LIST_ROOM = timedelta(minutes=5)
"""How far around an order the list of orders is asked for: Upbit's clock may be another."""
LONG_DOUBT = timedelta(minutes=2)
"""After this a person is told about an order that Upbit does not show, once an hour."""


async def track(app: App, intent: Intent) -> None:
    """Follow an accepted order until it is over, and write its fills.

    The state alone says nothing: a filled market buy normally ends as `cancel`. Nor does one answer: what ends an order
    is decided by `trader/orders/evidence.py`. Upbit's own name for it stood in one answer, too: where it shows no order
    of ours, ours is asked for.
    """
    names = {"uuid": intent.uuid, "identifier": intent.identifier}
    by_name = deque({kind: name} for kind, name in names.items() if name is not None)
    looks, strangers, resting = Looks(protocol.to_order(intent)), Persistence(), Persistence(RESTS_S)
    for round_ in count():
        await pause(TRACK_S[min(round_, len(TRACK_S) - 1)])
        try:
            order = await app.upbit.order(**by_name[0])
        except ExchangeError as error:
            log.warning("order not readable identifier=%s error=%s", intent.identifier, error)
            by_name.rotate()
            continue
        if await write_progress(app, intent, order, looks, strangers):
            return
        if protocol.judge(intent, order) is not Sight.REAL:
            by_name.rotate()
        elif order.state in RESTING and resting.persist(asyncio.get_running_loop().time()):
            await cancel(app, intent, **by_name[0])
            resting = Persistence(RESTS_S)
        tell_long_doubt(app, intent)


async def cancel(app: App, intent: Intent, **by_name: str) -> None:
    """Have a market order that rests taken away, so that what is left of it is decided anew when it has ended."""
    app.tell("resting", level=logging.WARNING, market=intent.market, identifier=intent.identifier)
    try:
        await app.upbit.cancel(**by_name)
    except ExchangeError as error:
        log.warning("not cancelled identifier=%s error=%s", intent.identifier, error)


async def write_progress(app: App, intent: Intent, order: Order, looks: Looks, strangers: Persistence) -> bool:
    """Write the fills of an accepted order that are proven; return whether it is over."""
    now_s = asyncio.get_running_loop().time()
    sight = protocol.judge(intent, order)
    if sight is Sight.OTHER and strangers.persist(now_s):
        halt_buys_on_other(app.control, intent, order)
    if sight is not Sight.REAL:
        return False
    looks.add(order, now_s)
    if fills := looks.fills(now_s):
        app.journal.record_fills(intent.identifier, fills, looks.fee())
    ending = looks.ending()
    if ending is Ending.OPEN or (
        ending is Ending.SHORT and not await is_listed_so(app.clock, app.upbit, intent, order, looks)
    ):
        return False
    if ending is Ending.ODD:
        halt_buys_on_odd_fills(app.control, order)
    app.journal.finish(intent.identifier)
    return True


async def is_listed_so(clock: Callable[[], datetime], upbit: Upbit, intent: Intent, order: Order, looks: Looks) -> bool:
    """Return whether the list of orders, too, shows that an order ended with less than was asked for."""
    begin, end = intent.decided_at - LIST_ROOM, clock() + LIST_ROOM
    try:
        listed = await upbit.closed_orders(start=begin, end=end, market=intent.market, prefix=intent.identifier)
    except ExchangeError as error:
        log.warning("orders not readable identifier=%s error=%s", intent.identifier, error)
        return looks.may_do_without_list()
    found = listed_as(order, listed)
    return looks.may_do_without_list() if found is None else found


def tell_long_doubt(app: App, intent: Intent) -> None:
    """Tell a person, once an hour, about an order that Upbit has not shown for long; its market stays frozen."""
    if app.clock() - intent.decided_at < LONG_DOUBT:
        return
    burnt = protocol.is_burnt(app.journal.attempts(intent.identifier))
    note = app.messages.long_doubt(intent, burnt=burnt, at=app.clock())
    app.inform(note)
