"""Answers that are asked for every few seconds, kept while nothing is written."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


class Remembering(Protocol):
    """What asks a database."""

    _db: sqlite3.Connection
    _answers: dict[str, tuple[tuple[int, int], Any]]  # question: state of the file, answer


T = TypeVar("T")


def remembered(ask: Callable[[Any], T]) -> Callable[[Any], T]:
    """Ask again only when something was written since: by this connection, or by another process.

    The answer is a shallow copy. Within a transaction it is always asked: what is undone leaves no trace here.
    """

    @functools.wraps(ask)
    def recall(self: Remembering) -> T:
        if self._db.in_transaction:
            return ask(self)
        written = state_of(self._db)
        known = self._answers.get(ask.__name__)
        if known is None or known[0] != written:
            known = self._answers[ask.__name__] = (written, ask(self))
        answer: T = copy.copy(known[1])
        return answer

    return recall


def state_of(db: sqlite3.Connection) -> tuple[int, int]:
    """Return two numbers that change whenever the file does: by this connection, by others."""
    return db.total_changes, db.execute("PRAGMA data_version").fetchone()[0]
