"""How an answer becomes values: no more of it is read than is needed, and one odd row never hides the others.

Whatever bytes come, the outcome is values or `OutcomeUnknown`: an answer of another shape, be it for its nesting, is no
answer at all.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from upbit.errors import UNREADABLE, OutcomeUnknown
from upbit.models import Fill, Order, OrderName, RawFills, ToldFill, Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

log = logging.getLogger("upbit.decoding")

T = TypeVar("T")
RawRows = list[msgspec.Raw]
NAMELESS = ""
"""Stands among the dropped for a row of which not even the name could be read."""
LONGEST_TOLD = 80
COMPLAINTS_KEPT = 1000


class Rows(list[T]):
    """The rows of a list that could be used; `dropped` names those that could not, each with the reason."""

    def __init__(self, good: Iterable[T] = (), dropped: Mapping[str, str] | None = None) -> None:
        super().__init__(good)
        self.dropped: Mapping[str, str] = dropped or {}

    def is_unclear(self, name: str) -> bool:
        """Return whether the list says something about `name` that cannot be read: then absence means nothing."""
        return name in self.dropped or NAMELESS in self.dropped


class Complaints:
    """Logs each odd row once, not with every answer in which it stands."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], None] = {}  # oldest first

    def tell(self, kind: type, dropped: Mapping[str, str]) -> None:
        """Log what is new among the dropped rows of a kind."""
        for name, why in dropped.items():
            if (kind.__name__, name) not in self._told:
                log.warning("row left out kind=%s name=%s why=%s", kind.__name__, name or "?", why)
            self._told[kind.__name__, name] = None
        while len(self._told) > COMPLAINTS_KEPT:
            del self._told[next(iter(self._told))]


def decode(content: bytes | msgspec.Raw, kind: type[T], status: int = HTTPStatus.OK) -> T:
    """Turn a body into its type.

    Raises:
        OutcomeUnknown: when it is of another shape.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        raise OutcomeUnknown(f"an answer of another shape: {error}", status=status) from error


def decode_order(content: bytes | msgspec.Raw) -> Order:
    """Turn a body into an order; of its fills those that cannot be used are left out, and each counts once.

    Without one of its fills an order is not final (`Order.is_final`), and what is known to be bought is known all the
    same.

    Raises:
        OutcomeUnknown: when it is no order.
    """
    order = decode(content, Order)
    rows = decode(content, RawFills).trades or ()
    fills = {fill.uuid: fill for row in rows if (fill := fill_or_none(row)) is not None}
    return msgspec.structs.replace(order, fills=list(fills.values()))


def fill_or_none(row: msgspec.Raw) -> Fill | None:
    """Turn one of `trades` into a fill; None for one that cannot be."""
    try:
        told = msgspec.json.decode(row, type=ToldFill)
    except UNREADABLE as error:
        log.warning("fill left out why=%s row=%s", error, bytes(row)[:LONGEST_TOLD])
        return None
    return Fill(uuid=told.uuid, price=told.price, volume=told.volume, notional=told.notional)


def usable(rows: RawRows, kind: type[T], *, name: str, wanted: Callable[[T], bool] = lambda _: True) -> Rows[T]:
    """Turn the rows of a list into their type; what cannot be, or is told twice and differently, is dropped by name.

    Args:
        rows: as they came.
        kind: what they are.
        name: the wire's name of the field that names a row.
        wanted: whether a row was asked for at all; others are left out without a word.
    """
    found: dict[str, T] = {}
    dropped: dict[str, str] = {}
    for row in rows:
        called = name_of(row, name)
        try:
            one = msgspec.json.decode(row, type=kind)
        except UNREADABLE as error:
            dropped[called] = f"{error}: {bytes(row)[:LONGEST_TOLD]!r}"
            continue
        if wanted(one) and found.setdefault(called, one) != one:
            dropped[called] = "told twice, and differently"
    return Rows((one for called, one in found.items() if called not in dropped), dropped)


def name_of(row: msgspec.Raw, name: str) -> str:
    """Return what a row calls itself, `NAMELESS` when it does not say."""
    try:
        value: Any = msgspec.json.decode(row, type=dict[str, msgspec.Raw])[name]
        return msgspec.json.decode(value, type=str)
    except (*UNREADABLE, KeyError):
        return NAMELESS


def ours(rows: Iterable[msgspec.Raw], prefix: str) -> Rows[Order]:
    """Turn those rows into orders whose identifier begins with `prefix`; of all others only the identifier is read.

    An order that stands in two pages is there once, as the page told it that knows more of its execution.
    """
    found: dict[str, Order] = {}
    dropped: dict[str, str] = {}
    for row in rows:
        name = identifier_of(row)
        if not name or not name.startswith(prefix):
            continue
        try:
            decode(row, Totals)
            order = decode(row, Order)
        except OutcomeUnknown as error:
            dropped[name] = f"{error.message}: {bytes(row)[:LONGEST_TOLD]!r}"
            continue
        known = found.setdefault(order.uuid, order)
        found[order.uuid] = max(known, order, key=lambda one: one.executed_volume)
    return Rows(found.values(), dropped)


def identifier_of(row: msgspec.Raw) -> str:
    """Return the identifier in a row of orders; none when there is none that can be read."""
    try:
        return msgspec.json.decode(row, type=OrderName).identifier or ""
    except UNREADABLE:
        return ""
