"""F4: two daemons on one account. Each must notice the other, buy nothing more until a person resumes, and say so.

What a daemon can notice is an order that executed and that it never sent: the exchange lists it under our prefix. An
order both have sent is one order, for both have one name for it, and whoever sent it second is told that it is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from worlds.judges.books import Books
    from worlds.story import Story

BESIDE_ANOTHER = frozenset({"second_instance", "unknown_order"})
"""Reasons to halt that only another daemon, or a journal that was lost or restored, can give."""
ON_ITS_WAY = timedelta(seconds=100)
"""Longest time a request may be under way: a connection stalls for up to 90 seconds."""
BLIND_FOR = timedelta(minutes=5, seconds=10) + ON_ITS_WAY
"""Longest time from the end of the other's order to the arrival of a buy: when comparisons fail for five minutes buys
wait for the next one; then come the deadline of a buy, and its way."""
BLIND_IN_PEACE = timedelta(seconds=65)
"""The same where nothing fails: orders are compared once a minute."""
TOLD_WITHIN_MS = 60_000
"""In peace a message is delivered within this."""
HALTS = "SELECT seq FROM halt WHERE code IN ('second_instance', 'unknown_order')"
STANDING = "SELECT code FROM halt WHERE ended_ms IS NULL"
SENT_SINCE = """
SELECT 1 FROM event WHERE kind = 'intent' AND ref = ? AND instr(data, '"SENT"')
    AND seq > (SELECT max(seq) FROM event WHERE kind = 'halt' AND ref = ?)
"""
UNTOLD = "SELECT key FROM outbox WHERE kind = 'halted' AND sent_ms IS NULL AND created_ms < ?"


def is_surely_foreign(books: Books, identifier: str) -> bool:
    """Return whether nobody who reads a journal can take an order for its own.

    It sent the same since, and was told at the only try that the name is taken; or it sent nothing of that name.
    """
    outcomes = [row["outcome"] for row in books.rows("SELECT outcome FROM attempt WHERE id = ?", identifier)]
    return outcomes in ([], ["DuplicatedIdentifier"])


@dataclass(frozen=True, slots=True)
class Foreign:
    """An order that a daemon never sent."""

    over_at: datetime
    halts: frozenset[int]  # for such an order, that a person had ended by then


class Side:
    """One of the two, by its journal."""

    def __init__(self, name: str, books: Callable[[], Books | None], story: Story, *, peaceful: bool) -> None:
        self._name = name
        self._books = books
        self._story = story
        self._peaceful = peaceful
        self._foreign: dict[str, Foreign] = {}

    def on_end(self, identifier: str) -> None:
        """Take notice that an order is over that bought or sold something."""
        books = self._books()
        if books is not None and not books.attempts(identifier):
            self._story.counts["unknown_to_" + self._name] += 1
            self._story.seen["unknown_to_" + self._name, "none"] += 1
            ended = frozenset(row["seq"] for row in books.rows(HALTS + " AND ended_ms IS NOT NULL"))
            self._foreign.setdefault(identifier, Foreign(self._story.clock(), ended))

    def forget(self) -> None:
        """Demand nothing about orders up to now: this journal has learned of them in another way."""
        self._foreign.clear()

    def on_buy(self, identifier: str) -> None:
        """I14, F4: look whether this buy should not have been sent."""
        books, now = self._books(), self._story.clock()
        if books is None:
            return
        for row in books.rows(STANDING):
            if books.rows(SENT_SINCE, identifier, row["code"]):
                self._breach("I14 a buy while a person must resume", identifier=identifier, code=row["code"])
        blind_for = BLIND_IN_PEACE if self._peaceful else BLIND_FOR
        for name, order in list(self._foreign.items()):
            if now - order.over_at > blind_for:
                self._demand_halt(books, name)

    def at_end(self) -> None:
        """Look whether everything was noticed that a comparison has passed over, and told."""
        books = self._books()
        if books is None:
            return
        told = books.rows("SELECT value FROM meta WHERE key = 'imported_ms'")
        compared_ms = int(told[0]["value"]) if told else 0
        for name, order in list(self._foreign.items()):
            if order.over_at.timestamp() * 1000 < compared_ms:
                self._demand_halt(books, name)
        now_ms = int(self._story.clock().timestamp() * 1000)
        if self._peaceful and (rows := books.rows(UNTOLD, now_ms - TOLD_WITHIN_MS)):
            self._breach("F4 a person was not told of another daemon", key=rows[0]["key"])

    def _demand_halt(self, books: Books, identifier: str) -> None:
        order = self._foreign.pop(identifier)
        noticed = any(row["seq"] not in order.halts for row in books.rows(HALTS))
        if not noticed and is_surely_foreign(books, identifier):
            self._breach("F4 goes on buying beside another daemon", identifier=identifier, since=str(order.over_at))

    def _breach(self, what: str, **facts: object) -> None:
        self._story.breach(what, daemon=self._name, **facts)
