"""An order in tests: a buy of KRW-A for 6,000 won, as decided, sent and shown by Upbit, and an exchange for it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.journal import Journal
from journal.records import Attempt, Intent, IntentState, Trade
from notifier.messages import Messages
from simulation.loop import LoopClock, PacedLoop
from tests.helpers.parts import Parts, make_app
from trader.control import Control
from trader.orders import protocol
from trader.orders.protocol import Kind
from upbit.decoding import Rows
from upbit.errors import (
    DuplicatedIdentifier,
    InsufficientFunds,
    NotSent,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    UnknownRefusal,
    Withheld,
)
from upbit.models import Account, Book, BookLevel, Fence, Fill, NewOrder, Order, Side
from upbit.rest import Upbit
from upbit.rules import tick_size

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from pathlib import Path

    from tests.helpers.parts import Parts

START = datetime(2026, 11, 2, tzinfo=UTC)
NOON = START + timedelta(hours=12)


def intent(side: Side = Side.BID) -> Intent:
    """Return an order that was just decided."""
    total, volume = (Decimal(6000), None) if side is Side.BID else (None, Decimal(60))
    order = NewOrder(market="KRW-A", side=side, identifier="ub1-x-0", total=total, volume=volume)
    return Intent(
        identifier=order.identifier,
        decision_key="x",
        n=0,
        trade_id="t",
        market="KRW-A",
        side=side,
        request=protocol.request_of(order),
        decided_at=START,
        deadline=None,
    )


def shown(what: Kind = Kind.REAL, /, **changes: object) -> Order:
    """Return the order of `intent()` as Upbit shows it, or the fence in its place."""
    of_kind: dict[str, object] = (
        {"kind": "price"} if what is Kind.REAL else {"kind": "limit", "time_in_force": "ioc", "state": "cancel"}
    )
    values: dict[str, object] = {
        "uuid": "u",
        "market": "KRW-A",
        "side": Side.BID,
        "state": "wait",
        "created_at": "",
        "identifier": "ub1-x-0",
    }
    return Order(**(values | of_kind | changes))  # type: ignore[arg-type]  # a table of fields


def attempt(state: IntentState | None = IntentState.UNKNOWN, outcome: str = "", kind: Kind = Kind.REAL) -> Attempt:
    """Return one send."""
    return Attempt(number=0, kind=kind, began_at=START, state=state, outcome=outcome)


def book(price: Decimal) -> Book:
    """Return a book around a price."""
    step = tick_size(price)
    level = BookLevel(ask_price=price + step, bid_price=price, ask_size=Decimal(1), bid_size=Decimal(1))
    return Book(market="KRW-A", levels=[level])


class Exchange(Upbit):
    """An exchange with one order book entry a name, and a script of what happens to each send."""

    def __init__(self, *script: str, seen_after: int = 0, krw: int = 1_000_000) -> None:
        self.script = deque(script)
        self.orders: dict[str, Order] = {}
        self.sends: list[str] = []
        self.deadlines: list[datetime | None] = []  # of the sends
        self.late: list[NewOrder] = []  # on their way: they arrive when somebody lets them
        self.fences = 0
        self.krw = krw
        self._hidden = seen_after  # look-ups that still find nothing

    async def place(self, order: NewOrder | Fence, *, until: datetime | None = None) -> Order:
        """Take an order, refuse it, or lose what was said."""
        self.sends.append(order.identifier)
        self.deadlines.append(until)
        self.fences += isinstance(order, Fence)
        what = self.script.popleft() if self.script else "answer"
        if what == "withhold":
            raise Withheld("no", name="cap_day")
        if what == "refuse":
            raise InsufficientFunds("no", name="insufficient_funds_bid", status=400)
        if what == "disabled":
            raise UnknownRefusal("Your account is suspended.", name="order_disabled_member", status=400)
        if what == "unreachable":
            raise NotSent("no route")
        if what == "limited":
            raise RateLimited("slow", name="too_many_requests", status=429)
        if what == "lost before":
            raise OutcomeUnknown("time-out")
        if what == "late":
            assert isinstance(order, NewOrder)
            self.late.append(order)
            raise OutcomeUnknown("time-out")
        taken = self.take(order)
        if what == "lost after":
            raise OutcomeUnknown("time-out")
        return taken

    def take(self, order: NewOrder | Fence) -> Order:
        """Make an order of a request, once for each name."""
        if order.identifier in self.orders:
            raise DuplicatedIdentifier("again", name="duplicated_identifier", status=400)
        self.orders[order.identifier] = taken = burnt(order) if isinstance(order, Fence) else executed(order)
        return taken

    async def order(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Return an order by either name."""
        if identifier is not None and self._hidden:
            self._hidden -= 1
            raise OrderNotFound("not yet", name="order_not_found", status=404)
        for order in self.orders.values():
            if uuid == order.uuid or identifier == order.identifier:
                return order
        raise OrderNotFound("no", name="order_not_found", status=404)

    async def accounts(self) -> Rows[Account]:
        """Return what is free."""
        return Rows([Account(currency="KRW", available=Decimal(self.krw), locked=Decimal(0))])

    async def books(self, markets: Iterable[str], *, count: int = 30) -> list[Book]:
        """Return a book around 100."""
        del markets, count
        level = BookLevel(ask_price=Decimal(101), bid_price=Decimal(100), ask_size=Decimal(1), bid_size=Decimal(1))
        return [Book(market="KRW-A", levels=[level])]

    async def price_step(self, market: str) -> Decimal:
        """Return the step of a price around 100."""
        del market
        return Decimal(1)


def burnt(fence: Fence) -> Order:
    """Return a fence as it ends: cancelled, without a fill."""
    return Order(
        uuid=f"u-{fence.identifier}",
        market=fence.market,
        side=fence.side,
        kind="limit",
        time_in_force="ioc",
        state="cancel",
        created_at="",
        identifier=fence.identifier,
    )


def executed(order: NewOrder) -> Order:
    """Return a market order as it ends, with its fills: a buy is cancelled."""
    volume = order.volume or Decimal(60)
    fill = Fill(uuid=f"f-{order.identifier}", price=Decimal(100), volume=volume, notional=100 * volume)
    return Order(
        uuid=f"u-{order.identifier}",
        market=order.market,
        side=order.side,
        kind="price" if order.side is Side.BID else "market",
        state="cancel" if order.side is Side.BID else "done",
        created_at="",
        identifier=order.identifier,
        price=order.total,
        volume=order.volume,
        executed_volume=volume,
        paid_fee=Decimal(3),
        trades_count=1,
        fills=[fill],
    )


def told(script: Callable[[Parts], Coroutine[None, None, None]], exchange: Exchange, path: Path) -> None:
    """Run a story with one planned buy in a fresh journal, on a loop that skips waiting."""

    async def story() -> None:
        clock = LoopClock(START, asyncio.get_running_loop())
        with Journal.open(path / "j.sqlite3", clock) as journal:
            app = make_app(
                upbit=exchange,
                journal=journal,
                control=Control(journal, Messages(language="en", mode="sandbox"), clock),
                clock=clock,
                messages=Messages(language="en", mode="sandbox"),
            )
            journal.begin_trade(replace(a_trade(), decided_at=START), an_intent())
            await script(app)

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


def an_intent() -> Intent:
    """Return a buy that may be sent for ten seconds."""
    return replace(intent(), deadline=START + timedelta(seconds=10))


def a_trade() -> Trade:
    """Return a trade of KRW-A that was decided at noon."""
    return Trade(
        id="t",
        market="KRW-A",
        strategy="s",
        unit=timedelta(minutes=1),
        decided_at=NOON,
        entry_reason={},
        stop_distance=None,
    )
