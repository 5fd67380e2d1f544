"""Order something of the daemon that runs, or of the next one: what a person says is written down, and done once."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from journal import JOURNAL_FILE
from journal.errors import JournalLocked
from journal.journal import Journal
from journal.records import Command, Order
from trader.clock import wall_clock
from trader.commands import obey
from trader.control import Control
from trader.daemon import make_messages

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


def new_id() -> str:
    """Return a name for one command that no other has."""
    return secrets.token_hex(8)


def ordered_while_none_runs(config: Config, order: Order, codes: Collection[str] = ()) -> bool:
    """Carry an order out in the journal itself; return False while a daemon runs, which must be asked."""
    try:
        with Journal.open(config.data_dir / JOURNAL_FILE, wall_clock) as journal:
            control = Control(journal, make_messages(config), wall_clock)
            command = Command(id=new_id(), name=order, by="cli", asked_at=wall_clock(), codes=tuple(codes))
            obey(control, journal, command)
    except JournalLocked:
        return False
    return True


def taken(request: Path) -> bool:
    """Wait until the running daemon has taken a request; take it back when it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while request.exists():
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            return False
        time.sleep(LOOK_S)
    return True
