"""Fewer records that make the same exchange: what is long over is told no more, only what it left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.exchange.clearing import Clearing
from sandbox.exchange.records import Accepted, Carried, Ended
from sandbox.keys import PocketId

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.exchange.records import AnyRecord


def condensed(records: Sequence[AnyRecord], orders_kept: int) -> list[AnyRecord]:
    """Return records that make the same exchange, of which at least the newest `orders_kept` orders are told.

    Balances, average prices and used identifiers are the same to the last digit. Records are taken together up to a
    moment at which no order was open; where there is none, they stay as they are.
    Raises `LedgerError`, `KeyError` or `AssertionError` when they are not the records of an exchange.
    """
    cut = place_to_cut(records, orders_kept)
    return [*carried(records[:cut]), *records[cut:]]


def place_to_cut(records: Sequence[AnyRecord], orders_kept: int) -> int:
    """Return how many of the first records may be taken together."""
    left, waiting, found = sum(isinstance(one, Accepted) for one in records), set[str](), 0
    for number, record in enumerate(records):
        if left < orders_kept:
            break
        if not waiting:
            found = number
        if isinstance(record, Accepted):
            left -= 1
            waiting.add(record.uuid)
        elif isinstance(record, Ended):
            waiting.discard(record.order)
    return found


def carried(records: Sequence[AnyRecord]) -> Iterator[Carried]:
    """Yield what is left of records after which no order is open, a record for each pocket."""
    clearing = Clearing(new_uuid=str, now_ms=int)  # of nothing new
    identifiers: dict[PocketId, list[str]] = {}
    for record in records:
        clearing.carry_out(record)
        if isinstance(record, Accepted | Carried):
            named = identifiers.setdefault(PocketId(record.account, record.pocket), [])
            named += record.identifiers if isinstance(record, Carried) else [record.identifier or ""]
    for name, pocket in clearing.pockets.items() if records else ():
        pocket.verify()
        yield Carried(
            account=name.account,
            pocket=name.name,
            balances=pocket.accounts.carried(),
            average_prices=pocket.accounts.average_prices,
            identifiers=tuple(filter(None, identifiers.get(name, ()))),
        )
