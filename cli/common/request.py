"""Order something of the daemon that runs, or of the next one: what a person says is written down, and done once."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from journal import JOURNAL_FILE
from journal.errors import JournalLocked
from journal.journal import Journal
from journal.reader import open_reader
from journal.records import Command, Order
from trader.clock import wall_clock
from trader.commands import obey
from trader.control import Control
from trader.daemon import make_messages
from trader.requests import deliver, withdraw

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from config.settings import Config

PATIENCE_S = 10.0
LOOK_S = 0.1

NOT_TAKEN = {
    "ko": "실행 중인 데몬이 응답하지 않습니다. `python main.py health`로 확인하고, 데몬을 끝낸 뒤 다시 하세요.",
    "en": "The running daemon does not answer. Look with `python main.py health`, stop the daemon, and try again.",
}


class Given(NamedTuple):
    """What came of an order."""

    outcome: str | None  # as `obey` returns it; None: the daemon that runs does not answer, and it will not be done
    runs: bool  # whether a daemon runs


def new_id() -> str:
    """Return a name for one command that no other has."""
    return secrets.token_hex(8)


def give(config: Config, order: Order, codes: Collection[str] = ()) -> Given:
    """Give an order, once: to the daemon that runs, or in the journal itself while none does, for the next one."""
    command = Command(id=new_id(), name=order, by="cli", asked_at=wall_clock(), codes=tuple(codes))
    try:
        with Journal.open(config.data_dir / JOURNAL_FILE, wall_clock) as journal:
            control = Control(journal, make_messages(config), wall_clock)
            return Given(outcome=obey(control, journal, command), runs=False)
    except JournalLocked:
        return Given(outcome=obeyed(config.data_dir, command), runs=True)


def obeyed(folder: Path, command: Command) -> str | None:
    """Deliver a command until the journal says what came of it, for a while; None: nobody does it any more."""
    deadline = time.monotonic() + PATIENCE_S
    while (outcome := outcome_of(folder, command)) is None and time.monotonic() < deadline:
        deliver(folder, command)
        time.sleep(LOOK_S)
    if outcome is None:
        withdraw(folder, command)
        time.sleep(LOOK_S)  # it may have been read a moment before
        outcome = outcome_of(folder, command)
    return outcome


def outcome_of(folder: Path, command: Command) -> str | None:
    """Return what came of a command, as the journal says; None while it is not done."""
    with open_reader(folder / JOURNAL_FILE) as journal:
        known = journal.command(command.id)
    return None if known is None else known.outcome
