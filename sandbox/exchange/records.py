"""What happens to orders and balances, as records.

Each is written down before it happens, and all of them again make the same exchange, to the last digit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from sandbox.exchange.orders import OrderType, Side, State, TimeInForce


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happens."""


class Deposited(Record, frozen=True, kw_only=True, tag="deposited"):
    """An amount came from outside, or left (it is negative)."""

    account: str
    pocket: str
    currency: str
    amount: Decimal


class Carried(Record, frozen=True, kw_only=True, tag="carried"):
    """What a pocket had when nothing of it was open, in place of all that happened before."""

    account: str
    pocket: str
    balances: dict[str, tuple[Decimal, Decimal]]  # by currency: what is available, and the fees that were paid
    average_prices: dict[str, Decimal]
    identifiers: tuple[str, ...]  # of the orders that are told no more: used up, for ever


class Accepted(Record, frozen=True, kw_only=True, tag="accepted"):
    """An order was taken."""

    uuid: str
    account: str
    pocket: str
    created_ms: int
    fee_rate: Decimal
    market: str
    side: Side
    ord_type: OrderType
    price: Decimal | None = None
    volume: Decimal | None = None
    time_in_force: TimeInForce | None = None
    smp_type: str = "none"
    identifier: str | None = None


class Met(Record, frozen=True, kw_only=True, tag="met"):
    """An order met the book."""

    order: str
    at_ms: int


class Filled(Record, frozen=True, kw_only=True, tag="filled"):
    """A part of an order was executed."""

    order: str
    uuid: str
    price: Decimal
    volume: Decimal
    at_ms: int
    maker: bool
    trend: Literal["up", "down"]


class Prevented(Record, frozen=True, kw_only=True, tag="prevented"):
    """A part of an order was given up because it would have met one of the same account; None: all of it."""

    order: str
    price: Decimal
    volume: Decimal | None = None


class Cancelling(Record, frozen=True, kw_only=True, tag="cancelling"):
    """A cancel was accepted."""

    order: str


class Ended(Record, frozen=True, kw_only=True, tag="ended"):
    """Nothing more happens to an order."""

    order: str
    state: State


AnyRecord = Deposited | Carried | Accepted | Met | Filled | Prevented | Cancelling | Ended
