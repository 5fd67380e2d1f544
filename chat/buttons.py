"""Buttons that confirm: each bears in its name all that its press means, so it outlives a restart of the daemon."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from journal.records import OF_ONE_THING, Command, Order

if TYPE_CHECKING:
    from collections.abc import Iterable

LIFE = timedelta(minutes=10)
"""So long after the question its button may be pressed: what was asked then may not be meant any more."""
LONGEST_NAME, LONGEST_LABEL, MOST = 100, 80, 25
"""What Discord takes: letters of a button's name and label, and buttons of a message."""
NAME = re.compile(r"confirm:([a-z-]+):([0-9]{1,20}):(.*)", re.DOTALL)
EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
"""From which the ids of Discord count milliseconds, in all but their lowest 22 bits."""


@dataclass(frozen=True, slots=True)
class Button:
    """One thing that can be confirmed."""

    order: Order
    label: str
    code: str = ""  # of `resume`: the reason it ends; of `sell`: the trade it sells

    def name(self, question: int) -> str:
        """Return what its press is known by; `question` is the id of the command that was answered with it."""
        return f"confirm:{self.order}:{question}:{self.code}"


def fitting(buttons: Iterable[Button], question: int) -> list[Button]:
    """Return the buttons that Discord takes; what finds none is ordered on the command line."""
    return [one for one in buttons if len(one.name(question)) <= LONGEST_NAME][:MOST]


def pressed(name: str, at: datetime) -> tuple[Command, datetime] | None:
    """Return the command a button gives, and until when it may be pressed; None for a button of another kind.

    The command's id is of the question, whoever delivers the press and however often: it is done once.
    """
    found = NAME.fullmatch(name)
    if found is None or found[1] not in set(Order):
        return None
    order, question, code = Order(found[1]), int(found[2]), found[3]
    codes = (code,) if order in OF_ONE_THING else ()
    command_id = f"discord:{question}:{code}" if code else f"discord:{question}"
    command = Command(id=command_id, name=order, by="discord", asked_at=at, codes=codes)
    return command, time_of(question) + LIFE


def time_of(snowflake: int) -> datetime:
    """Return when Discord gave an id out."""
    return EPOCH + timedelta(milliseconds=snowflake >> 22)
