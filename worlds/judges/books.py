"""A journal's file, read without the journal's code, so that both cannot be wrong in the same way."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SIGNS = {"bid": 1, "ask": -1}
ZERO = Decimal(0)
OPEN_TRADES = "SELECT id, phase FROM trade WHERE phase IN ('entering', 'holding', 'leaving')"


class Books:
    """A journal's file, read only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._db.row_factory = sqlite3.Row

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds; nothing while the tables are not there yet."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def live(self) -> list[tuple[str, str]]:
        """Return (identifier, state) of the orders that may still execute."""
        found = self.rows("SELECT id, state FROM intent WHERE state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED')")
        return [(row["id"], row["state"]) for row in found]

    def state(self, identifier: str) -> str | None:
        """Return the state of one order."""
        return next((row["state"] for row in self.rows("SELECT state FROM intent WHERE id = ?", identifier)), None)

    def attempts(self, identifier: str) -> int:
        """Return how often one order was about to be sent."""
        return next((row["n"] for row in self.rows("SELECT count(*) AS n FROM attempt WHERE id = ?", identifier)), 0)

    def taken(self, market: str) -> Decimal:
        """Return how many coins of a market the journal says its owner took from the bot."""
        rows = self.rows("SELECT volume FROM flow WHERE market = ? AND why = 'taken'", market)
        return -sum((Decimal(row["volume"]) for row in rows), ZERO)

    def embeds(self) -> Counter[str]:
        """Return what the messages say that were ever written."""
        bodies = [json.loads(row["body"]) for row in self.rows("SELECT body FROM outbox")]
        return Counter(canonical(embed) for body in bodies for embed in body.get("embeds") or [])


def canonical(embed: object) -> str:
    """Return a text that is equal for equal parts of messages."""
    return json.dumps(embed, sort_keys=True)


class ReopenedBooks(Books):
    """The same, opened for every question: a daemon that closes its journal is alone with it, as in production."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds; nothing while the tables are not there yet."""
        books = Books(self._path)
        try:
            return books.rows(query, *values)
        finally:
            books.close()

    def close(self) -> None:
        """Nothing is open."""
