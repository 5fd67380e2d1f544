"""What has to happen before a point of `make sigkill` can be reached, one function each; `sigkill.needs` says which."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from typing import TYPE_CHECKING

from worlds.judges.books import OPEN_TRADES
from worlds.judges.two_daemons import STANDING
from worlds.sigkill.exchange import MAX_OPEN_TRADES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from worlds.sigkill.victims import Lane, Shot

REACHED_WITHIN_S = 60.0
MISSED_WITHIN_S = 90.0
VERB_WITHIN_S = 30.0
RESUMED_WITHIN_S = 10.0
OLDER = """
BEGIN IMMEDIATE;
DROP TABLE flow;
ALTER TABLE attempt DROP COLUMN kind;
ALTER TABLE attempt DROP COLUMN request;
ALTER TABLE trade DROP COLUMN profit;
DELETE FROM meta WHERE key = 'realised';
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


def nothing(lane: Lane, shot: Shot) -> None:
    """Reach a point that every daemon passes."""
    lane.reach(lane.start(shot), shot)


def doubt(lane: Lane, shot: Shot) -> None:
    """Lose the answers to orders that were taken."""
    lane.exchange.tell("lie", "lost_answer", 3)
    nothing(lane, shot)
    usual_lies(lane)


def missing(lane: Lane, shot: Shot) -> None:
    """Answer orders that never arrive, again and again, until they are fenced."""
    lane.exchange.tell("lie", "never", 40)
    nothing(lane, shot)
    usual_lies(lane)


def usual_lies(lane: Lane) -> None:
    """Lie at the usual rates, and about no certain order."""
    lane.exchange.tell("honest")
    lane.exchange.tell("lies")


def stop(lane: Lane, shot: Shot) -> None:
    """Ask the daemon to stop while it trades."""
    victim = lane.start(shot)
    time.sleep(1.0)
    victim.process.send_signal(signal.SIGTERM)
    lane.reach(victim, shot)


def old(lane: Lane, shot: Shot) -> None:
    """Start on a journal of an older format, with some trades in it: a lane's first, as its exchange is honest."""
    lane.exchange.tell("honest")
    daemon = lane.start()
    lane.until(lambda: bool(executed(lane)) and not lane.books.live(), REACHED_WITHIN_S)
    lane.kill_anywhere(daemon)
    with contextlib.closing(sqlite3.connect(lane.journal)) as journal:
        if journal.execute(LOST_BY_AGING).fetchone() is not None:
            lane.break_promise("this journal cannot be one of an older format")
        journal.executescript(OLDER)
    nothing(lane, shot)
    lane.exchange.tell("lies")


def backup(lane: Lane, shot: Shot) -> None:
    """Kill `backup` beside a daemon: what bears the name of the copy is whole, and the next one succeeds."""
    daemon = lane.start()
    lane.copy.unlink(missing_ok=True)
    lane.reach(lane.program("backup", str(lane.copy), shot=shot), shot, VERB_WITHIN_S)
    look_at_copy(lane)
    lane.copy.unlink(missing_ok=True)
    if lane.run("backup", str(lane.copy)) != 0:
        lane.break_promise(f"no backup after one that was killed: {lane.last_words()}")
    look_at_copy(lane)
    lane.kill_anywhere(daemon)


def look_at_copy(lane: Lane) -> None:
    """Hold what bears the name of a copy, if anything does, to being whole."""
    if lane.copy.exists() and not is_whole(lane.copy):
        lane.break_promise("half a backup bears the name of a whole one")


def is_whole(path: Path) -> bool:
    """Return whether a file is a journal that SQLite finds nothing wrong with, and in which something is written."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        (checked,), (events,) = (
            file.execute(query).fetchone() for query in ("PRAGMA quick_check", "SELECT count(*) FROM event")
        )
        return bool(checked == "ok" and events)


def recovered(lane: Lane, shot: Shot) -> None:
    """Lose the journal and kill `recover`: nothing or a whole one bears its name, and the next one succeeds."""
    known = lose_journal(lane)
    lane.reach(lane.program("recover", shot=shot), shot, VERB_WITHIN_S)
    if not lane.journal.exists() and lane.run("recover") != 0:
        lane.break_promise(f"no recovery after one that was killed: {lane.last_words()}")
    elif not is_whole(lane.journal) or not known <= executed(lane):
        lane.break_promise("half a journal bears the name of a whole one")
    lane.kill_anywhere(lane.start())
    lane.exchange.tell("lies")


def halted(lane: Lane, shot: Shot) -> None:
    """Lose the journal, so that buying stands still, and kill `resume` beside the daemon or alone: the next ends it."""
    lose_journal(lane)
    daemon = lane.start()
    if not lane.books.rows(STANDING):
        lane.break_promise("orders of a lost journal were found, and buying goes on")
    if shot.point.endswith("end_halt"):  # what a resume does itself when no daemon runs
        lane.kill_anywhere(daemon)
    lane.reach(lane.program("resume", shot=shot), shot, VERB_WITHIN_S)
    if lane.run("resume") != 0 or not lane.until(lambda: not lane.books.rows(STANDING), RESUMED_WITHIN_S):
        lane.break_promise(f"no resume after one that was killed: {lane.last_words()}")
    daemon.kill()
    lane.exchange.tell("lies")


def lose_journal(lane: Lane) -> set[str]:
    """Remove the journal; return which executed orders it knew."""
    lane.exchange.tell("honest")
    known = executed(lane)
    lane.exchange.tell("lost", lane.journal)
    for path in lane.data.glob(f"{lane.journal.name}*"):
        path.unlink()
    return known


def restored(lane: Lane, shot: Shot) -> None:
    """Trade on, then put a copy of before in place: the daemon finds orders that its journal does not know."""
    lane.exchange.tell("honest")
    with contextlib.closing(sqlite3.connect(":memory:")) as before:
        copy_database(lane.journal, before)
        known = {row["id"] for row in lane.books.rows("SELECT id FROM intent")}
        daemon = lane.start()
        lane.until(lambda: len(executed(lane) - known) > 1, REACHED_WITHIN_S)
        lane.kill_anywhere(daemon)
        lane.exchange.tell("lost", lane.journal)
        with contextlib.closing(sqlite3.connect(lane.journal)) as journal:
            before.backup(journal)
    lane.reach(lane.start(shot), shot)
    resume(lane)
    lane.exchange.tell("lies")


def executed(lane: Lane) -> set[str]:
    """Return the orders that the journal knows to have bought or sold."""
    return {row["id"] for row in lane.books.rows(EXECUTED)}


def resume(lane: Lane) -> None:
    """Look, as a person does, and let buying go on."""
    daemon = lane.start()
    time.sleep(1.0)
    if lane.run("resume") != 0:
        lane.break_promise(f"resume failed: {lane.last_words()}")
    lane.kill_anywhere(daemon)


def taken(lane: Lane, shot: Shot) -> None:
    """Take coins out of the account: that is believed when it was seen twice, a minute apart."""
    if not lane.exchange.tell("take"):
        daemon = lane.start()
        lane.until(lambda: len(lane.books.rows(OPEN_TRADES)) >= MAX_OPEN_TRADES, REACHED_WITHIN_S)
        lane.until(lambda: not lane.books.live(), REACHED_WITHIN_S)
        lane.kill_anywhere(daemon)
        lane.exchange.tell("take")
        time.sleep(SETTLED_S)
    lane.reach(lane.start(shot), shot, MISSED_WITHIN_S)


def copy_database(path: Path, copy: sqlite3.Connection) -> None:
    """Copy a journal that nobody uses."""
    with contextlib.closing(sqlite3.connect(path)) as journal:
        journal.backup(copy)


WAYS: Mapping[str, Callable[[Lane, Shot], None]] = {
    way.__name__: way for way in (nothing, doubt, missing, stop, old, backup, restored, taken, recovered, halted)
}
"""By name."""
