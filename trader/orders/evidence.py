"""What looks at an order prove, without I/O: one answer proves nothing that cannot be taken back.

A fill counts when two looks some time apart have shown it, and is never taken back. That an order is over is believed

    WHOLE  when all that was asked for is executed and listed, in two looks
    SHORT  when less was executed, or nothing: in looks that agree for long, and that the list of orders does not deny
    ODD    when it has ended, and its fills do not add up however often it is asked for: then what is known is held

An answer that differs begins the count anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING

from journal.records import ZERO
from upbit.models import Side, total
from upbit.rules import VOLUME_STEP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upbit.models import Fill, NewOrder, Order

SECOND_LOOK_S = 0.25
"""Two looks this far apart are two answers. What they agree on takes nothing away from anybody."""
SHORT_AFTER_S = 10.0
"""For so long an order must be shown as ended with less than was asked for, or another is sent in its place."""
UNLISTED_AFTER_S = 60.0
"""After so long it is believed although the list of orders, which may not be readable, does not show it."""
ODD_AFTER_S = 20.0
OTHER_AFTER_S = 30.0
"""For so long another order must be shown in the place of ours before buys stop."""
ENDED = frozenset({"done", "cancel"})
REST_KRW = Decimal(1)
"""A market buy leaves less than the price of the smallest volume, and at most this much by rounding."""


@dataclass(slots=True)
class Persistence:
    """Since when something was shown that is believed only when it goes on."""

    after_s: float = OTHER_AFTER_S
    since_s: float | None = None  # loop time

    def persist(self, now_s: float) -> bool:
        """Note one more sight, and return whether the first one is long enough ago."""
        self.since_s = now_s if self.since_s is None else self.since_s
        return now_s - self.since_s >= self.after_s


class Ending(Enum):
    """Whether an order is over, as far as the looks at it go."""

    OPEN = auto()
    WHOLE = auto()
    SHORT = auto()
    ODD = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """What one answer says of an order."""

    ended: bool
    executed: Decimal
    fee: Decimal
    fills: frozenset[tuple[str, Decimal, Decimal]]  # uuid, price, volume


@dataclass(slots=True)
class Looks:
    """What the looks at one order have shown so far. Times are loop time, seconds."""

    asked: NewOrder
    _last: Look | None = None
    _since_s: float = 0.0  # of the first of the looks that agree with the last one
    _agreed_s: float = 0.0  # for how long they have agreed
    _order: Order | None = None
    _seen: dict[str, tuple[Fill, float]] = field(default_factory=dict)  # by uuid: a fill, and when it was first shown

    def add(self, order: Order, at_s: float) -> None:
        """Take one more look into account."""
        look = Look(
            ended=order.state in ENDED,
            executed=order.executed_volume,
            fee=order.paid_fee,
            fills=frozenset((fill.uuid, fill.price, fill.volume) for fill in order.fills),
        )
        if look != self._last:
            self._last, self._since_s = look, at_s
        self._agreed_s, self._order = at_s - self._since_s, order
        for fill in order.fills:
            known = self._seen.get(fill.uuid)
            if known is None or known[0] != fill:
                self._seen[fill.uuid] = (fill, at_s)

    def fills(self, at_s: float) -> list[Fill]:
        """Return the fills that two looks have shown alike, of the last one."""
        if self._order is None:
            return []
        return [fill for fill in self._order.fills if at_s - self._seen[fill.uuid][1] >= SECOND_LOOK_S]

    def fee(self) -> Decimal:
        """Return the fee that two looks have shown, KRW; it only grows, so one alone is not believed."""
        return ZERO if self._order is None or self._agreed_s < SECOND_LOOK_S else self._order.paid_fee

    def ending(self) -> Ending:
        """Return whether the order is over."""
        order, agreed_s = self._order, self._agreed_s
        if order is None or order.state not in ENDED:
            return Ending.OPEN
        if order.is_final and is_full(self.asked, order):
            return Ending.WHOLE if agreed_s >= SECOND_LOOK_S else Ending.OPEN
        if order.is_final:
            return Ending.SHORT if agreed_s >= SHORT_AFTER_S else Ending.OPEN
        return Ending.ODD if agreed_s >= ODD_AFTER_S and order.fills else Ending.OPEN

    def may_do_without_list(self) -> bool:
        """Return whether the looks have agreed for so long that a list which does not show the order counts no more."""
        return self._agreed_s >= UNLISTED_AFTER_S


def is_full(asked: NewOrder, order: Order) -> bool:
    """Return whether all that was asked for was executed; what a buy cannot spend any more is nothing."""
    if asked.side is Side.ASK:
        return asked.volume is not None and order.executed_volume >= asked.volume
    spent = total(fill.notional for fill in order.fills)
    dearest = max((fill.price for fill in order.fills), default=ZERO)
    return asked.total is not None and bool(spent) and asked.total - spent <= max(REST_KRW, dearest * VOLUME_STEP)


def listed_as(order: Order, listed: Iterable[Order]) -> bool | None:
    """Return whether a list of orders tells the same of an order; None when it does not show it."""
    for other in listed:
        if other.uuid == order.uuid:
            return other.state in ENDED and other.executed_volume == order.executed_volume
    return None
