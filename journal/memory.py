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
    _answers: dict[str, tuple[tuple[int, ...], Any]]  # question: state of the file, answer

    def written(self) -> tuple[int, ...]:
        """Return numbers that change whenever the file does."""
        ...


T = TypeVar("T")


def remembered(ask: Callable[[Any], T]) -> Callable[[Any], T]:
    """Ask again only when something was written since: by this connection, or by another process."""

    @functools.wraps(ask)
    def recalled(self: Remembering) -> T:
        return recall(self, ask)

    return recalled


def recall(self: Remembering, ask: Callable[[Any], T]) -> T:
    """Return a shallow copy of the answer that is known, if it still holds.

    Within a transaction it is always asked: what is undone leaves no trace here.
    """
    answers = self._answers
    if self._db.in_transaction:
        return ask(self)
    written = self.written()
    known = answers.get(ask.__name__)
    if known is None or known[0] != written:
        known = answers[ask.__name__] = (written, ask(self))
    answer: T = copy.copy(known[1])
    return answer
