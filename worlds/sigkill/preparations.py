"""What has to happen before a point of `make sigkill` can be reached, a function each; `run.py` says which."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from typing import TYPE_CHECKING

from worlds.judges.books import OPEN_TRADES
from worlds.judges.two_daemons import STANDING
from worlds.sigkill.exchange import MAX_OPEN_TRADES
from worlds.sigkill.harness import REACHED_WITHIN_S, VERB_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from worlds.sigkill.harness import Harness, PlannedKill

MISSED_WITHIN_S = 90.0
RESUMED_WITHIN_S = 10.0
OLDER = """
BEGIN IMMEDIATE;
DROP TABLE flow;
ALTER TABLE attempt DROP COLUMN kind;
ALTER TABLE attempt DROP COLUMN request;
ALTER TABLE trade DROP COLUMN profit;
DELETE FROM meta WHERE key = 'realised';
DELETE FROM scan WHERE form = 2;
ALTER TABLE scan DROP COLUMN prev_ms;
ALTER TABLE scan DROP COLUMN form;
DROP TABLE rest;
DROP TABLE draw;
ALTER TABLE outbox DROP COLUMN card;
DROP TABLE command;
DROP TABLE card;
PRAGMA user_version = 2;
COMMIT;
"""
"""Turns a journal back into one of format 2. What a fence was is lost by it, and every flow: there must be none."""
LOST_BY_AGING = (
    "SELECT 1 FROM flow UNION SELECT 1 FROM attempt JOIN intent USING (id) "
    "WHERE kind = 'fence' AND intent.state IN ('SENT', 'UNKNOWN', 'ACCEPTED')"
)
EXECUTED = "SELECT DISTINCT id FROM fill JOIN intent USING (id) WHERE state = 'FINAL'"
SETTLED_S = 6.0
"""So long after its last fill a position is compared with the account (`trader/books/balances.py`)."""


def nothing(harness: Harness, planned: PlannedKill) -> None:
    """Reach a point that every daemon passes."""
    harness.reach(harness.start(planned), planned)


def doubt(harness: Harness, planned: PlannedKill) -> None:
    """Lose the answers to orders that were taken."""
    harness.exchange.tell("lie", "lost_answer", 3)
    nothing(harness, planned)
    usual_lies(harness)


def missing(harness: Harness, planned: PlannedKill) -> None:
    """Answer orders that never arrive, again and again, until they are fenced."""
    harness.exchange.tell("lie", "never", 40)
    nothing(harness, planned)
    usual_lies(harness)


def usual_lies(harness: Harness) -> None:
    """Lie at the usual rates, and about no certain order."""
    harness.exchange.tell("honest")
    harness.exchange.tell("lies")


def stop(harness: Harness, planned: PlannedKill) -> None:
    """Ask the daemon to stop while it trades."""
    victim = harness.start(planned)
    time.sleep(1.0)
    victim.process.send_signal(signal.SIGTERM)
    harness.reach(victim, planned)


def old(harness: Harness, planned: PlannedKill) -> None:
    """Start on a journal of an older format, with some trades in it: first of a series, as its exchange is honest."""
    harness.exchange.tell("honest")
    daemon = harness.start()
    harness.until(lambda: bool(executed(harness)) and not harness.books.live(), REACHED_WITHIN_S)
    harness.kill_anywhere(daemon)
    with contextlib.closing(sqlite3.connect(harness.journal)) as journal:
        if journal.execute(LOST_BY_AGING).fetchone() is not None:
            harness.break_promise("I25 this journal cannot be one of an older format")
        journal.executescript(OLDER)
    nothing(harness, planned)
    harness.exchange.tell("lies")


def backup(harness: Harness, planned: PlannedKill) -> None:
    """Kill `backup` beside a daemon: what bears the name of the copy is whole, and the next one succeeds."""
    daemon = harness.start()
    harness.copy.unlink(missing_ok=True)
    harness.reach(harness.program("backup", str(harness.copy), planned=planned), planned, VERB_WITHIN_S)
    look_at_copy(harness)
    harness.copy.unlink(missing_ok=True)
    if harness.run("backup", str(harness.copy)) != 0:
        harness.break_promise(f"I25 no backup after one that was killed: {harness.last_words()}")
    look_at_copy(harness)
    harness.kill_anywhere(daemon)


def look_at_copy(harness: Harness) -> None:
    """Hold what bears the name of a copy, if anything does, to being whole."""
    if harness.copy.exists() and not is_whole(harness.copy):
        harness.break_promise("I25 half a backup bears the name of a whole one")


def is_whole(path: Path) -> bool:
    """Return whether a file is a journal that SQLite finds nothing wrong with, and in which something is written."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        (checked,), (events,) = (
            file.execute(query).fetchone() for query in ("PRAGMA quick_check", "SELECT count(*) FROM event")
        )
        return bool(checked == "ok" and events)


def recovered(harness: Harness, planned: PlannedKill) -> None:
    """Lose the journal and kill `recover`: nothing or a whole one bears its name, and the next one succeeds."""
    known = lose_journal(harness)
    harness.reach(harness.program("recover", planned=planned), planned, VERB_WITHIN_S)
    if not harness.journal.exists() and harness.run("recover") != 0:
        harness.break_promise(f"I25 no recovery after one that was killed: {harness.last_words()}")
    elif not is_whole(harness.journal) or not known <= executed(harness):
        harness.break_promise("I25 half a journal bears the name of a whole one")
    harness.kill_anywhere(harness.start())
    harness.exchange.tell("lies")


IN_JOURNAL = ("begin_command", "end_halt", "end_command")


def halted(harness: Harness, planned: PlannedKill) -> None:
    """Lose the journal, so that buying stands still, and kill `resume` beside the daemon or alone: the next ends it."""
    lose_journal(harness)
    daemon = harness.start()
    if not harness.books.rows(STANDING):
        harness.break_promise("I25 orders of a lost journal were found, and buying goes on")
    if planned.point.endswith(IN_JOURNAL):  # what a resume does itself when no daemon runs
        harness.kill_anywhere(daemon)
    harness.reach(harness.program("resume", planned=planned), planned, VERB_WITHIN_S)
    if harness.run("resume") != 0 or not harness.until(lambda: not harness.books.rows(STANDING), RESUMED_WITHIN_S):
        harness.break_promise(f"I25 no resume after one that was killed: {harness.last_words()}")
    daemon.kill()
    harness.exchange.tell("lies")


def lose_journal(harness: Harness) -> set[str]:
    """Remove the journal; return which executed orders it knew."""
    harness.exchange.tell("honest")
    known = executed(harness)
    harness.exchange.tell("lost", harness.journal)
    for path in harness.data.glob(f"{harness.journal.name}*"):
        path.unlink()
    return known


def restored(harness: Harness, planned: PlannedKill) -> None:
    """Trade on, then put a copy of before in place: the daemon finds orders that its journal does not know."""
    harness.exchange.tell("honest")
    with contextlib.closing(sqlite3.connect(":memory:")) as before:
        copy_database(harness.journal, before)
        known = {row["id"] for row in harness.books.rows("SELECT id FROM intent")}
        daemon = harness.start()
        harness.until(lambda: len(executed(harness) - known) > 1, REACHED_WITHIN_S)
        harness.kill_anywhere(daemon)
        harness.exchange.tell("lost", harness.journal)
        with contextlib.closing(sqlite3.connect(harness.journal)) as journal:
            before.backup(journal)
    harness.reach(harness.start(planned), planned)
    resume(harness)
    harness.exchange.tell("lies")


def executed(harness: Harness) -> set[str]:
    """Return the orders that the journal knows to have bought or sold."""
    return {row["id"] for row in harness.books.rows(EXECUTED)}


def resume(harness: Harness) -> None:
    """Look, as a person does, and let buying go on."""
    daemon = harness.start()
    time.sleep(1.0)
    if harness.run("resume") != 0:
        harness.break_promise(f"I25 resume failed: {harness.last_words()}")
    harness.kill_anywhere(daemon)


def taken(harness: Harness, planned: PlannedKill) -> None:
    """Take coins out of the account: that is believed when it was seen twice, a minute apart."""
    if not harness.exchange.tell("take"):
        daemon = harness.start()
        harness.until(lambda: len(harness.books.rows(OPEN_TRADES)) >= MAX_OPEN_TRADES, REACHED_WITHIN_S)
        harness.until(lambda: not harness.books.live(), REACHED_WITHIN_S)
        harness.kill_anywhere(daemon)
        harness.exchange.tell("take")
        time.sleep(SETTLED_S)
    harness.reach(harness.start(planned), planned, MISSED_WITHIN_S)


def copy_database(path: Path, copy: sqlite3.Connection) -> None:
    """Copy a journal that nobody uses."""
    with contextlib.closing(sqlite3.connect(path)) as journal:
        journal.backup(copy)


PREPARATIONS: Mapping[str, Callable[[Harness, PlannedKill], None]] = {
    step.__name__: step for step in (nothing, doubt, missing, stop, old, backup, restored, taken, recovered, halted)
}
"""By name."""
