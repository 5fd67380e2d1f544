"""The disk fails: full, read-only, gone, locked, in the middle of a migration; and backups."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journal import reader, store
from journal.errors import JournalBroken, JournalBusy, JournalFull, JournalUnwritable
from journal.journal import Journal
from journal.outbox import MOST_HELD
from journal.queries import Queries
from journal.reader import NoJournal, copy_to, open_reader
from journal.records import Ends, Halt, IntentState, Level, Note, Trade
from journal.schema import MIGRATIONS
from tests.helpers.journals import intent, trade
from tests.helpers.scans import a_scan
from upbit.models import Fill

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
LONG: dict[str, object] = {"code": "x" * 60_000}


def a_trade(name: str = "t1", market: str = "KRW-BTC") -> Trade:
    """Return a trade whose reason fills many pages."""
    return replace(trade(name, market), entry_reason=LONG)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a journal with one position."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        opened.begin_trade(a_trade(), intent("b", a_trade()))
        opened.begin_attempt("b")
        opened.end_attempt("b", IntentState.ACCEPTED, outcome="accepted", uuid="u")
        opened.record_fills("b", [Fill(uuid="f", price=Decimal(1), volume=Decimal(2), notional=Decimal(2))], Decimal(0))
        opened.finish("b")
        yield opened


def fill_disk(journal: Journal) -> None:
    """Let SQLite find the disk full from now on."""
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.failure("E1")
def test_on_a_full_disk_no_new_trade_is_written_and_an_exit_uses_the_reserve(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A buy that is not written is not sent; the reserve is for what is held."""
    free = store.Reserve.free

    def give_back(reserve: store.Reserve) -> bool:
        there = free(reserve)
        if there:
            journal._db.execute("PRAGMA max_page_count = 1000000")
        return there

    monkeypatch.setattr(store.Reserve, "free", give_back)
    fill_disk(journal)
    other = a_trade("t2", "KRW-ETH")
    with pytest.raises(JournalFull, match="Free some disk space"):
        journal.begin_trade(other, intent("c", other))
    assert journal.known_intent("c") is None
    assert journal.broken is None
    assert journal.leave("t1", LONG, intent("s", a_trade(), "ask"))
    assert [intent.identifier for intent in journal.live_intents()] == ["s"]
    fill_disk(journal)
    with pytest.raises(JournalFull):  # the reserve is used up
        journal.begin_attempt("s", request="x" * 600_000)
    assert journal.keep_reserve()  # there is room on the real disk
    assert journal._verify() == journal._last_hash


@pytest.mark.failure("E2")
def test_verdicts_are_dropped_on_a_full_disk_and_messages_wait(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """Trading does not rest on them; a person does rest on messages."""
    fill_disk(journal)
    random = {f"KRW-{n}": {"code": os.urandom(400).hex()} for n in range(300)}
    journal.record_scan(NOW, "s", NOW, replace(a_scan(), barred=random))
    journal.add_notes([Note(key="k", kind="k", body=dict(LONG))])
    assert journal.scan_at(NOW) is None
    assert [note.key for note in journal.pending_notes(9)] == ["k"]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["verdicts", "messages"]
    journal._db.execute("PRAGMA max_page_count = 1000000")
    later = NOW + timedelta(minutes=1)
    journal.record_scan(later, "s", NOW, a_scan(2.0))
    look = journal.scan_at(later)
    assert look is not None
    assert look.scan is not None, "what was not written is no minute to differ from"


def test_a_reserve_that_cannot_be_made_is_noticed(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full already, or the folder is gone."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert journal.keep_reserve()
    reserve = (journal._path.parent / "reserve").stat()
    assert reserve.st_size == store.RESERVE_BYTES
    assert reserve.st_blocks * 512 >= store.RESERVE_BYTES  # a hole would keep no room
    assert journal._reserve.free()
    assert not journal._reserve.free()
    for step in ("posix_fallocate", "open"):  # no room for it, or not even for its name
        with monkeypatch.context() as patch:
            patch.setattr(os, step, full)
            assert not journal.keep_reserve()
        assert list(journal._path.parent.glob("reserve*")) == []


@pytest.fixture
def holder(journal: Journal) -> Iterator[sqlite3.Connection]:
    """Return another program that writes to the journal, and does not let go."""
    other = sqlite3.connect(journal._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


@pytest.mark.failure("E3")
def test_a_journal_that_another_program_holds_is_neither_full_nor_broken_and_passes(
    journal: Journal, holder: sqlite3.Connection
) -> None:
    """Nothing is written, the reserve stays, and all works when the other lets go."""
    with pytest.raises(JournalBusy, match="Another program holds the journal") as refused:
        journal.leave("t1", {}, intent("s", a_trade(), "ask"))
    assert not any(word in refused.value.en + refused.value.ko for word in ("disk", "디스크", "clock", "시계"))
    assert journal.broken is None
    assert (journal._path.parent / "reserve").exists()
    holder.execute("ROLLBACK")
    assert journal.leave("t1", {}, intent("s", a_trade(), "ask"))


@pytest.mark.failure("E3")
def test_a_held_journal_makes_the_loop_wait_a_moment_once(journal: Journal, holder: sqlite3.Connection) -> None:
    """The first write waits a fifth of a second, later ones not at all, and once one succeeds they wait again."""

    def patience() -> int:
        return int(journal._db.execute("PRAGMA busy_timeout").fetchone()[0])

    assert patience() == store.PATIENCE_MS <= 250
    for _ in range(3):
        with pytest.raises(JournalBusy):
            journal.set_meta("x", "y")
        assert patience() == 0
    holder.execute("ROLLBACK")
    journal.set_meta("x", "y")
    assert patience() == store.PATIENCE_MS


@pytest.mark.failure("E3")
def test_a_start_waits_for_a_program_that_holds_the_journal_and_names_it(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called neither damaged nor full, by the daemon or by `status`."""
    copy = tmp_path / "copy.sqlite3"
    copy_to(journal._path, copy)
    monkeypatch.setattr(store, "OPENING_PATIENCE_S", 0.0)
    monkeypatch.setattr(reader, "PATIENCE_S", 0.0)
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalBusy, match="Close the database browser"):
            store.connect(copy)
        with pytest.raises(JournalBusy), open_reader(copy):
            pass
    store.connect(copy).close()


@pytest.mark.failure("E2")
def test_what_cannot_be_written_down_is_told_all_the_same_and_once(
    journal: Journal, holder: sqlite3.Connection
) -> None:
    """A message and a halt wait in memory, are delivered from there, and are written as delivered later."""
    note, told = Note(key="k", kind="k", body={}), Note(key="h", kind="halted", body={})
    journal.add_notes([note])
    halt = Halt(code="x", level=Level.HALT_BUYS, ends=Ends.PERSON, ko="까닭", en="why", since=NOW)
    with pytest.raises(JournalBusy):
        journal.begin_halt(halt, [told])
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["k", "h"]
    journal.mark_sent(["h"])
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["k"]
    holder.execute("ROLLBACK")
    journal.begin_halt(halt, [told])  # tried again, as long as it is not written down
    journal.add_notes([])
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["k"]
    rows = journal._db.execute("SELECT key, sent_ms IS NOT NULL FROM outbox ORDER BY key").fetchall()
    assert [tuple(row) for row in rows] == [("h", 1), ("k", 0)]
    journal.mark_sent(["k"])
    assert journal.pending_notes(9) == []


def rows_of_outbox(journal: Journal) -> list[tuple[object, ...]]:
    """Return what the file says of messages: key, body and whether it was delivered."""
    query = "SELECT key, body, sent_ms IS NOT NULL FROM outbox ORDER BY key"
    return [tuple(row) for row in journal._db.execute(query)]


@pytest.mark.failure("E2")
def test_a_message_that_was_delivered_from_memory_is_written_as_it_was_delivered(
    journal: Journal, holder: sqlite3.Connection
) -> None:
    """What is told of the same later, in other words, is neither sent nor written in its place."""
    journal.add_notes([Note(key="k", kind="k", body={"at": "first"})])
    journal.mark_sent(["k"])
    journal.add_notes([Note(key="k", kind="k", body={"at": "later"})])
    assert journal.pending_notes(9) == []
    holder.execute("ROLLBACK")
    journal.add_notes([Note(key="k", kind="k", body={"at": "last"})])
    assert rows_of_outbox(journal) == [("k", '{"at":"first"}', 1)]
    journal.add_notes([Note(key="k", kind="k", body={"at": "once more"})])
    assert journal.pending_notes(9) == []


@pytest.mark.failure("E2")
def test_what_is_written_at_the_second_try_is_delivered_once(journal: Journal, holder: sqlite3.Connection) -> None:
    """Memory still has it then; it is marked in the file all the same."""
    halt = Halt(code="x", level=Level.HALT_BUYS, ends=Ends.PERSON, ko="까닭", en="why", since=NOW)
    told = Note(key="h", kind="halted", body={})
    with pytest.raises(JournalBusy):
        journal.begin_halt(halt, [told])
    holder.execute("ROLLBACK")
    journal.begin_halt(halt, [told])
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["h"]
    journal.mark_sent(["h"])
    assert journal.pending_notes(9) == []
    assert rows_of_outbox(journal) == [("h", "{}", 1)]


@pytest.mark.failure("E2")
def test_what_was_told_before_the_disk_was_full_is_not_told_again(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands in the file, which can be read."""
    note = Note(key="k", kind="k", body={})
    journal.add_notes([note])
    journal.mark_sent(["k"])
    fill_disk(journal)
    journal.add_notes([replace(note, body=dict(LONG))])
    assert journal.pending_notes(9) == []
    journal.add_notes([Note(key="other", kind="k", body=dict(LONG))])
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["other"]
    assert "not written: messages" in caplog.text


@pytest.mark.failure("E7")
def test_where_nobody_can_look_whether_it_was_told_a_message_is_told_twice_rather_than_never(journal: Journal) -> None:
    """The file cannot be read either."""
    note = Note(key="k", kind="k", body={})
    journal.add_notes([note])
    journal.mark_sent(["k"])
    journal._db.execute("ALTER TABLE outbox RENAME TO unreadable")
    journal.add_notes([note])
    journal._db.execute("ALTER TABLE unreadable RENAME TO outbox")
    assert [waiting.key for waiting in journal.pending_notes(9)] == ["k"]


@pytest.mark.failure("E2")
def test_of_messages_that_cannot_be_written_down_only_some_are_kept(
    journal: Journal, holder: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest is given up, and the log says which."""
    assert holder.in_transaction
    journal.add_notes([Note(key=f"{n:03}", kind="k", body={}) for n in range(MOST_HELD + 1)])
    assert [note.key for note in journal.pending_notes(1)] == ["001"]
    assert "given up key=000" in caplog.text


@pytest.mark.failure("E7")
def test_a_disk_that_failed_is_not_tried_again(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """After a read-only answer or an I/O error nothing is written any more, even if it would work.

    What trading does not rest on is dropped, and the log names it.
    """
    journal._db.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalBroken, match=r"\(attempt to write a readonly database\).*Check the disk"):
        journal.set_meta("x", "y")
    journal._db.execute("PRAGMA query_only = OFF")
    with pytest.raises(JournalBroken):
        journal.leave("t1", {}, intent("s", a_trade(), "ask"))
    journal.add_notes([Note(key="k", kind="k", body={})])
    assert [note.key for note in journal.pending_notes(1)] == ["k"]
    journal.raise_highest("t1", Decimal(9))
    assert journal.trade("t1").highest_price is None
    journal.note_import(NOW)
    assert journal.imported_until() is None
    journal.prune_scans(NOW)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        "messages",
        "the highest price",
        "the time of the last comparison",
        "the end of old verdicts",
    ]


def test_a_failure_that_sqlite_has_no_code_for_does_not_pass(tmp_path: Path) -> None:
    """Such as a connection that is closed: what nobody can name is no full disk."""
    journal = Journal.open(tmp_path / "closed.sqlite3", lambda: NOW)
    journal.close()
    with pytest.raises(JournalBroken, match="closed database"):
        journal.set_meta("x", "y")


@pytest.mark.failure("E8")
def test_a_journal_that_was_deleted_or_replaced_is_noticed(journal: Journal) -> None:
    """What is written into a deleted file is written into nothing."""
    assert journal.in_place()
    moved = journal._path.with_suffix(".moved")
    journal._path.rename(moved)
    assert not journal.in_place()
    journal._path.write_bytes(b"")
    assert not journal.in_place()
    journal._path.unlink()
    moved.rename(journal._path)
    assert journal.in_place()


@pytest.mark.failure("E11")
def test_a_backup_beside_the_writer_is_a_whole_journal(journal: Journal, tmp_path: Path) -> None:
    """It opens, its chain holds, and it has what was committed; nothing is overwritten."""
    target = tmp_path / "backup" / "journal.sqlite3"
    target.parent.mkdir()
    copy_to(journal._path, target)
    journal.set_meta("after", "x")
    with Journal.open(target, lambda: NOW) as copy:
        assert copy.position_volume("t1") == 2
        assert copy.meta("after") is None
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(JournalUnwritable):
        copy_to(journal._path, target)
    with pytest.raises(NoJournal):
        copy_to(tmp_path / "none", tmp_path / "x")


@pytest.mark.failure("E11")
@pytest.mark.parametrize("code", [None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("late", ["before the copy", "while it is made"])
def test_a_backup_replaces_no_file_that_another_program_put_there(
    code: int | None, late: str, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where the disk has links nor where it has none; the other file keeps its content."""
    target, real = tmp_path / "backup.sqlite3", Queries.copy_into

    def and_somebody(journal: Queries, copy: sqlite3.Connection) -> None:
        real(journal, copy)
        target.write_text("somebody's")

    if code is not None:
        without_links(monkeypatch, code)
    if late == "while it is made":
        monkeypatch.setattr(Queries, "copy_into", and_somebody)
    else:
        target.write_text("somebody's")
    with pytest.raises(JournalUnwritable, match="File exists"):
        copy_to(journal._path, target)
    assert target.read_text() == "somebody's"
    assert not list(tmp_path.glob("*.draft"))


@pytest.mark.failure("E11")
@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_backup_is_made_on_a_disk_without_links(
    code: int, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As whole as elsewhere, and no draft is left."""
    target = tmp_path / "backup" / "journal.sqlite3"
    target.parent.mkdir()
    without_links(monkeypatch, code)
    copy_to(journal._path, target)
    assert list(target.parent.iterdir()) == [target]
    with open_reader(target) as copy:
        assert copy.position_volume("t1") == 2


@pytest.mark.failure("E11")
def test_a_backup_that_cannot_get_its_name_says_why(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full or fails is not taken for one without links."""
    without_links(monkeypatch, errno.ENOSPC)
    with pytest.raises(JournalUnwritable, match="No space left"):
        copy_to(journal._path, tmp_path / "backup.sqlite3")
    assert not (tmp_path / "backup.sqlite3").exists()


def without_links(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the disk refuse a second name with this error."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.failure("E11")
def test_half_a_backup_never_bears_the_name_of_a_whole_one(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is interrupted leaves a draft, which the next one begins anew."""
    target = tmp_path / "backup" / "journal.sqlite3"
    target.parent.mkdir()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("journal.queries.Queries.copy_into", killed)
        with pytest.raises(KeyboardInterrupt):
            copy_to(journal._path, target)
    assert not target.exists()
    copy_to(journal._path, target)
    assert list(target.parent.iterdir()) == [target]
    with Journal.open(target, lambda: NOW) as copy:
        assert copy.position_volume("t1") == 2


def test_a_copy_that_sqlite_cannot_make_says_why_and_leaves_no_draft(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot be read is told in words, as at a start."""
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorcode = sqlite3.SQLITE_IOERR

    def fail(*_: object) -> None:
        raise broken

    monkeypatch.setattr("journal.queries.Queries.copy_into", fail)
    with pytest.raises(JournalUnwritable, match="disk I/O error"):
        copy_to(journal._path, tmp_path / "copy")
    assert list(tmp_path.glob("copy*")) == []


@pytest.mark.failure("E12")
def test_old_verdicts_go_a_few_at_a_time(journal: Journal) -> None:
    """The one table that grows with every minute is bounded."""
    start = NOW.replace(minute=0, second=0, microsecond=0)
    for minute in range(300):
        journal.record_scan(start + timedelta(minutes=minute), "s", NOW, a_scan(2.0))
        journal.prune_scans(start + timedelta(minutes=minute - 120))
    (kept,) = journal._db.execute("SELECT count(*) FROM scan").fetchone()
    assert kept == 180, "hours that are over go whole"


MIGRATE = """
import os, signal, sqlite3, sys
from pathlib import Path
from journal.schema import migrate
path, last = Path(sys.argv[1]), int(sys.argv[2])
db = sqlite3.connect(path, isolation_level=None)
seen = 0
def count(statement):
    global seen
    seen += 1
    if seen == last:
        os.kill(os.getpid(), signal.SIGKILL)
db.set_trace_callback(count)
migrate(db, path)
print(seen)
"""


def old_file(path: Path) -> None:
    """Make a journal of the first format with one order."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"PRAGMA journal_mode = WAL; {MIGRATIONS[0]} PRAGMA user_version = 1;")
        old.execute(
            "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason) "
            "VALUES ('t1', 'KRW-BTC', 's', 60, 'entering', 0, '{}')"
        )
        old.execute(
            "INSERT INTO intent (id, decision_key, n, trade_id, market, side, request, decided_ms, state) "
            "VALUES ('a', 'a', 0, 't1', 'KRW-BTC', 'bid', '{}', 0, 'UNKNOWN')"
        )


@pytest.mark.failure("E10")
def test_a_migration_that_is_killed_at_any_statement_is_done_again(tmp_path: Path) -> None:
    """SIGKILL before each statement in turn: the next start finds the old format or the new one, and every order."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    def migrated(path: Path, last: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MIGRATE, str(path), str(last)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours

    old_file(tmp_path / "whole")
    statements = int(migrated(tmp_path / "whole", 0).stdout)
    assert statements > 10
    for last in range(1, statements + 1):
        folder = tmp_path / str(last)
        folder.mkdir()
        path = folder / "journal.sqlite3"
        old_file(path)
        assert migrated(path, last).returncode == -signal.SIGKILL
        with Journal.open(path, lambda: NOW) as opened:
            assert opened.intent("a").state is IntentState.UNKNOWN
            assert opened._db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
            assert opened._db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_reader_sees_what_is_there_and_nothing_of_a_file_in_the_making(journal: Journal, tmp_path: Path) -> None:
    """An empty file is no journal yet."""
    (tmp_path / "new").touch()
    with pytest.raises(NoJournal), open_reader(tmp_path / "new"):
        pass
    with open_reader(journal._path) as reader:
        assert reader.position_volume("t1") == 2
        assert replace(reader.trade("t1"), entry_reason={}).bought == 2
