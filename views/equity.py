"""`Mark`: what the account was worth at 09:00 in Korea, and bitcoin beside it, of the newest days.

The digest writes them as one fact of the journal; who looks at a day or at a curve reads them here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.queries import Queries

FACT = "digest_equity"
MOST_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One morning. KRW."""

    day: str  # the calendar day in Korea that was over: "2026-11-01"
    equity: Decimal  # won of the account, and what the bot's positions were worth
    bitcoin: Decimal | None  # its price; None where nobody looked


def marks(journal: Queries) -> list[Mark]:
    """Return what is kept, oldest first."""
    told = json.loads(journal.meta(FACT) or "[]")
    if not isinstance(told, list):
        return []  # of an older version, which kept one amount
    return [
        Mark(day=day, equity=Decimal(equity), bitcoin=bitcoin and Decimal(bitcoin)) for day, equity, bitcoin in told
    ]


def as_fact(known: Iterable[Mark], mark: Mark) -> str:
    """Return what is to be kept once there is another morning; the same morning again replaces itself."""
    found = {one.day: one for one in (*known, mark)}
    rows = [[one.day, f"{one.equity:f}", one.bitcoin and f"{one.bitcoin:f}"] for one in found.values()]
    return json.dumps(rows[-MOST_DAYS:])
