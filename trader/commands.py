"""What a person orders, from wherever: written down under the id of whoever asks, then done, exactly once.

The command line leaves a file, the page calls `obey`; both end here. One that is delivered again changes nothing, and
one that was written down when the process died is done at the next start, before anything else is ordered.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from journal.records import Order

if TYPE_CHECKING:
    from journal.journal import Journal
    from journal.records import Command
    from trader.control import Control

log = logging.getLogger("trader.commands")

DONE, NOTHING = "done", "nothing"


def obey(control: Control, journal: Journal, command: Command) -> str:
    """Do what was ordered, unless that was done before; return its outcome, `DONE` or `NOTHING`.

    A `resume` without codes is one of every reason that waits for a person.

    Raises:
        JournalError: the disk takes nothing, so it is not done; what stops trading is done all the same.
    """
    if command.name is Order.RESUME and not command.codes:  # whatever stands now, and nothing that comes later
        command = replace(command, codes=tuple(halt.code for halt in control.waiting_for_a_person()))
    known = journal.command(command.id)
    if known is not None and known.outcome is not None:
        return known.outcome
    try:
        if known is None:
            journal.begin_command(command)
        return catch_up(control, journal)[command.id]
    except sqlite3.Error as error:
        if command.name is Order.RESUME:
            raise
        log.warning("a command is done and not written down command=%s: %s", command.name, error)
        return carry_out(control, command)


def catch_up(control: Control, journal: Journal) -> dict[str, str]:
    """Do what was taken and is not done, in the order in which it was taken; return the outcomes by id."""
    outcomes = {}
    for command in journal.commands_in_hand():
        outcomes[command.id] = carry_out(control, command)
        journal.end_command(command, outcomes[command.id])
    return outcomes


def carry_out(control: Control, command: Command) -> str:
    """Do it; once more changes nothing more."""
    if command.name is Order.RESUME:
        changed = bool(control.resume(command.codes))
    elif command.name is Order.SELL_ALL:
        changed = control.sell_all()
    else:
        changed = control.stop_buying()
    return DONE if changed else NOTHING
