"""Dust counts: what is written down as too little to be sold is that, and none of it is forgotten."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.judges.books import SIGNS, ZERO

if TYPE_CHECKING:
    from worlds.judges.books import Books
    from worlds.judges.checker import Checker

SELLABLE_KRW = Decimal(5_500)
"""What was worth less than 5,000 won a moment ago may be worth a tenth more now."""
ENDED = "SELECT id, market, dust FROM trade WHERE phase = 'closed' AND dust <> '0'"
FILLS = "SELECT intent.trade_id, intent.side, fill.volume FROM fill JOIN intent USING (id)"
FLOWS = "SELECT trade_id, volume FROM flow"


class DustWatch:
    """Looks at every trade that ends with a rest."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._seen: set[str] = set()

    def look(self, true_since: float | None) -> None:
        """I28: see whether what was left at an end since the last look could have been sold."""
        books = self._checker.books
        for row in books.rows(ENDED) if books is not None else ():
            if row["id"] in self._seen:
                continue
            self._seen.add(row["id"])
            bids = self._checker.exchange.venue.book(row["market"]).bids
            worth = Decimal(row["dust"]) * bids[0].price if bids else ZERO
            if true_since is not None and worth >= SELLABLE_KRW:
                self._checker.story.breach("I28 called dust, and worth a sale", trade=row["id"], worth=f"{worth:.0f}")


def forgotten_dust(books: Books) -> list[tuple[str, Decimal, Decimal]]:
    """Return each ended trade whose rest is not what its fills and flows left: its name, the rest, what was left."""
    left: dict[str, Decimal] = {}
    for row in books.rows(FILLS):
        left[row["trade_id"]] = left.get(row["trade_id"], ZERO) + SIGNS[row["side"]] * Decimal(row["volume"])
    for row in books.rows(FLOWS):
        left[row["trade_id"]] = left.get(row["trade_id"], ZERO) + Decimal(row["volume"])
    ended = books.rows("SELECT id, dust FROM trade WHERE phase = 'closed'")
    rests = [(row["id"], Decimal(row["dust"]), left.get(row["id"], ZERO)) for row in ended]
    return [one for one in rests if one[1] != one[2]]
