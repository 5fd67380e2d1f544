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
from trader.control import meant_by_resume

if TYPE_CHECKING:
    from journal.journal import Journal
    from journal.records import Command
    from trader.control import Control

log = logging.getLogger("trader.commands")

DONE, NOTHING = "done", "nothing"
NEED_THE_JOURNAL = frozenset({Order.RESUME, Order.SELL})
"""Which are done only where that can be written down: what lets trading go on, and what is kept nowhere else."""


def obey(control: Control, journal: Journal, command: Command) -> str:
    """Do what was ordered, unless that was done before; return its outcome, `DONE` or `NOTHING`.

    A `resume` without codes is one of every reason that waits for a person (`meant_by_resume`).

    Raises:
        JournalError: the disk takes nothing, so it is not done; what stops buys is done all the same.
    """
    if command.name is Order.RESUME and not command.codes:  # whatever stands now, and nothing that comes later
        command = replace(command, codes=meant_by_resume(control.reasons))
    known = journal.command(command.id)
    if known is not None and known.outcome is not None:
        return known.outcome
    try:
        if known is None:
            journal.begin_command(command)
        return catch_up(control, journal)[command.id]
    except sqlite3.Error as error:
        if command.name in NEED_THE_JOURNAL:
            raise
        log.warning("a command is done and not written down command=%s: %s", command.name, error)
        return carry_out(control, journal, command)


def catch_up(control: Control, journal: Journal) -> dict[str, str]:
    """Do what was taken and is not done, in the order in which it was taken; return the outcomes by id."""
    outcomes = {}
    for command in journal.commands_in_hand():
        outcomes[command.id] = carry_out(control, journal, command)
        journal.end_command(command, outcomes[command.id])
    return outcomes


def carry_out(control: Control, journal: Journal, command: Command) -> str:
    """Do it; once more changes nothing more."""
    if command.name is Order.RESUME:
        changed = bool(control.resume(command.codes))
    elif command.name is Order.SELL:
        changed = to_be_sold(journal, command)
    elif command.name is Order.SELL_ALL:
        changed = control.sell_all()
    else:
        changed = control.stop_buying()
    return DONE if changed else NOTHING


def to_be_sold(journal: Journal, command: Command) -> bool:
    """Return whether a command has its trade sold: it is open, and no other command has ordered that before.

    The outcome that is written down is the order itself: `Journal.ordered_sales` holds until the trade has ended.
    """
    still_open = {trade.id for trade in journal.open_trades()} - journal.ordered_sales()
    return bool(still_open.intersection(command.codes))
