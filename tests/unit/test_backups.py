"""Copies on a timer: each is checked before it counts, and the oldest go only when a new one is whole."""

from __future__ import annotations

import sqlite3
import time
from argparse import ArgumentParser, Namespace
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from cli import backup as verb
from config.settings import Config
from journal import JOURNAL_FILE
from journal.backups import LAST, add_copy, last_backup, note_backup
from journal.errors import JournalError, JournalUnwritable
from journal.journal import Journal
from journal.reader import copy_to, open_reader
from trader.clock import wall_clock

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return a journal with something in it."""
    path = tmp_path / "data" / JOURNAL_FILE
    with Journal.open(path, lambda: NOW) as opened:
        opened.set_meta("what", "this")
    return path


def test_only_the_newest_copies_stay_and_nothing_else_is_touched(journal: Path, tmp_path: Path) -> None:
    """Ten days of which three stay, beside a file of the user's and a copy he named himself."""
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("notes.txt", "journal-before-the-move.sqlite3"):
        (folder / name).write_text("mine")
    for day in range(10):
        add_copy(journal, folder, keep=3, now=NOW + timedelta(days=day))
    assert sorted(path.name for path in folder.iterdir()) == [
        "journal-20261109T120000Z.sqlite3",
        "journal-20261110T120000Z.sqlite3",
        "journal-20261111T120000Z.sqlite3",
        "journal-before-the-move.sqlite3",
        "notes.txt",
    ]
    with open_reader(folder / "journal-20261111T120000Z.sqlite3") as reader:
        assert reader.meta("what") == "this"


def test_a_clock_that_was_set_back_does_not_remove_the_newest_copy(journal: Path, tmp_path: Path) -> None:
    """What was just written stays, whatever the names say."""
    folder = tmp_path / "backups"
    add_copy(journal, folder, keep=1, now=NOW)
    new, removed = add_copy(journal, folder, keep=1, now=NOW - timedelta(days=1))
    assert list(folder.iterdir()) == [new]
    assert len(removed) == 1


@pytest.mark.parametrize("damage", ["UPDATE event SET data = '{}' WHERE seq = 1", "DROP TABLE event"])
def test_a_damaged_journal_makes_no_copy_and_costs_none(journal: Path, tmp_path: Path, damage: str) -> None:
    """The whole copies of yesterday are all there is then."""
    folder = tmp_path / "backups"
    kept, _ = add_copy(journal, folder, keep=1, now=NOW)
    with closing(sqlite3.connect(journal)) as hand:
        for (trigger,) in hand.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            hand.execute(f"DROP TRIGGER {trigger}")
        hand.execute(damage)
        hand.commit()
    with pytest.raises(JournalError):
        add_copy(journal, folder, keep=1, now=NOW + timedelta(days=1))
    with pytest.raises(JournalError):
        copy_to(journal, tmp_path / "copy")
    assert list(folder.iterdir()) == [kept]
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "copy.draft").exists()


def test_a_folder_that_cannot_be_made_is_told(journal: Path, tmp_path: Path) -> None:
    """A file stands in its place, and the reason is the system's own; one that can be is its owner's alone."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(JournalUnwritable, match="File exists"):
        add_copy(journal, tmp_path / "file", keep=1, now=NOW)
    new, _ = add_copy(journal, tmp_path / "a" / "b", keep=1, now=NOW)
    assert new.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("language", "words"), [("ko", "온전한지 확인했습니다"), ("en", "checked that it is whole")])
def test_the_verb_says_where_the_copy_is(
    journal: Path, tmp_path: Path, language: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For the mail of a timer, and for a person."""
    config = Config(data_dir=journal.parent, language=language)
    assert verb.run(config, Namespace(file=tmp_path / "one", keep=None)) == 0
    assert verb.run(config, Namespace(file=tmp_path / "many", keep=2)) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert words in first
    assert str(tmp_path / "one") in first
    assert str(tmp_path / "many") in second


def test_when_a_journal_was_copied_last_is_known_beside_it(journal: Path, tmp_path: Path) -> None:
    """Never before the first copy; what nobody can read is not made up; a disk that takes no note costs no copy."""
    assert last_backup(journal) is None
    assert verb.run(Config(data_dir=journal.parent), Namespace(file=tmp_path / "one", keep=None)) == 0
    found = last_backup(journal)
    assert found is not None
    assert abs(wall_clock() - found) < timedelta(hours=1)
    note_backup(journal, NOW.astimezone(timezone(timedelta(hours=9))))
    assert journal.with_name(LAST).read_text() == "2026-11-02T12:00:00+00:00"
    assert last_backup(journal) == NOW
    journal.with_name(LAST).write_text("2026-11-02T21:00:00+09:00")
    assert str(last_backup(journal)) == "2026-11-02 12:00:00+00:00"
    for unreadable in ("yesterday", "2026-11-02T12:00:00"):
        journal.with_name(LAST).write_text(unreadable)
        assert last_backup(journal) is None
    journal.with_name(LAST).unlink()
    journal.with_name(LAST).mkdir()
    assert verb.run(Config(data_dir=journal.parent), Namespace(file=tmp_path / "two", keep=None)) == 0
    assert last_backup(journal) is None


def test_the_note_of_a_copy_is_in_utc_wherever_the_machine_stands(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most stand in Korea."""
    monkeypatch.setenv("TZ", "Asia/Seoul")
    try:
        time.tzset()
        note_backup(journal, NOW)
        assert journal.with_name(LAST).read_text() == "2026-11-02T12:00:00+00:00"
        assert str(last_backup(journal)) == "2026-11-02 12:00:00+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "10001"])
def test_how_many_are_kept_is_a_number_from_one_on(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To keep none would be to remove the copy that was just made."""
    parser = ArgumentParser()
    verb.arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["folder", "--keep", text])
    assert "from 1 to 10000" in capsys.readouterr().err
