"""A backup is put back: whole, beside nothing old, with nothing lost, and never under a daemon that runs."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli import restore as verb
from cli.common.failures import explain_failure
from config.settings import Config
from journal import restore as room
from journal.errors import (
    JournalBroken,
    JournalCorrupt,
    JournalError,
    JournalForeign,
    JournalFull,
    JournalLocked,
    JournalNewer,
    JournalUnwritable,
    unwritten,
)
from journal.journal import Journal
from journal.reader import copy_to, open_reader
from journal.restore import NoCopy, is_whole, restore
from journal.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import _Parameters

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAME = "journal.sqlite3"


def clock() -> datetime:
    """Return the time of these stories."""
    return NOW


def remembers(path: Path) -> dict[str, str | None]:
    """Return what a journal says of the two facts of these stories."""
    with open_reader(path) as reader:
        return {key: reader.meta(key) for key in ("before", "after")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder whose journal went on after its backup, and died with its newest facts in the `-wal`."""
    place = tmp_path / "data"
    with Journal.open(place / NAME, clock) as journal:
        journal.set_meta("before", "x")
        copy_to(place / NAME, tmp_path / "backup")
        journal.set_meta("after", "y")
        dead = tmp_path / "dead"
        shutil.copytree(place, dead)
    shutil.rmtree(place)
    dead.rename(place)
    assert (place / f"{NAME}-wal").stat().st_size
    return place


def test_a_copy_laid_beside_an_old_wal_by_hand_undoes_itself_and_restore_does_not(folder: Path, tmp_path: Path) -> None:
    """The reason for the verb: after it the journal says what the backup says, also after a start."""
    restored = restore(tmp_path / "backup", folder / NAME, clock)
    assert remembers(folder / NAME) == {"before": "x", "after": None}
    with Journal.open(folder / NAME, clock) as journal:
        assert journal.meta("after") is None
    assert restored.newest == NOW
    assert restored.aside is not None
    assert remembers(restored.aside / NAME) == {"before": "x", "after": "y"}  # nothing is lost, the `-wal` included
    assert [place.stat().st_mode & 0o777 for place in (folder / NAME, restored.aside)] == [0o600, 0o700]
    assert (tmp_path / "backup").exists()


def test_each_restore_keeps_what_was_there_before_it(folder: Path, tmp_path: Path) -> None:
    """Two in one second have folders of their own."""
    first = restore(tmp_path / "backup", folder / NAME, clock).aside
    second = restore(tmp_path / "backup", folder / NAME, clock).aside
    assert first != second
    assert first is not None
    assert remembers(first / NAME)["after"] == "y"


def test_a_restore_into_an_empty_folder_moves_nothing_aside(tmp_path: Path, folder: Path) -> None:
    """A new machine."""
    assert folder.exists()
    (tmp_path / "new").mkdir()
    assert restore(tmp_path / "backup", tmp_path / "new" / NAME, clock).aside is None
    assert remembers(tmp_path / "new" / NAME)["before"] == "x"


def damage(copy: Path) -> None:
    """Change an event of a copy."""
    with closing(sqlite3.connect(copy)) as db:
        db.execute("UPDATE event SET data = replace(data, 'x', 'z')")
        db.commit()


def make_foreign(copy: Path) -> None:
    """Make another program's database of it."""
    copy.unlink()
    with closing(sqlite3.connect(copy)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")


def make_newer(copy: Path) -> None:
    """Let it be of a format that comes after all of ours."""
    with closing(sqlite3.connect(copy)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def tear(copy: Path) -> None:
    """Cut it in the middle."""
    os.truncate(copy, copy.stat().st_size // 2)


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (damage, JournalCorrupt),
        (tear, JournalCorrupt),
        (make_foreign, JournalForeign),
        (make_newer, JournalNewer),
        (Path.unlink, NoCopy),
    ],
)
def test_a_copy_that_is_no_whole_journal_changes_nothing(
    harm: Callable[[Path], None], error: type[JournalError], folder: Path, tmp_path: Path
) -> None:
    """It is checked to the last event before the old journal is touched, and no draft is left."""
    harm(tmp_path / "backup")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(error):
        restore(tmp_path / "backup", folder / NAME, clock)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_journal_itself_is_no_backup(folder: Path) -> None:
    """By whatever path it is named; nor is what is not there, and each is said in both languages."""
    itself, none = folder / ".." / folder.name / NAME, folder / "none"
    for copy, ko, en in (
        (itself, "지금의 거래 기록 자신입니다. 백업 파일을 지정하세요.", "it is the journal itself; name a backup."),
        (none, "그런 파일이 없습니다. 백업 파일의 경로를 확인하세요.", "no such file; check its path."),
    ):
        with pytest.raises(NoCopy) as refused:
            restore(copy, folder / NAME, clock)
        assert (refused.value.ko, refused.value.en) == (f"{copy}: {ko}", f"{copy}: {en}")


@pytest.mark.parametrize("step", ["set_aside", "put_in_place", "copy_checked", "name_again"])
def test_a_restore_that_dies_at_any_step_is_run_again_and_loses_nothing(
    step: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each step: afterwards the backup is in place, and all the old facts are somewhere."""
    for when in ("before", "after"):
        place = tmp_path / f"{step}-{when}"
        shutil.copytree(folder, place)
        real = getattr(room, step)

        def killed(*given: object, real: Callable[..., object] = real, when: str = when) -> None:
            if when == "after":
                real(*given)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(room, step, killed)
            with pytest.raises(KeyboardInterrupt):
                restore(tmp_path / "backup", place / NAME, clock)
        restore(tmp_path / "backup", place / NAME, clock)
        assert remembers(place / NAME) == {"before": "x", "after": None}
        kept = [remembers(old / NAME)["after"] for old in place.glob("*.replaced-*") if (old / f"{NAME}-wal").exists()]
        assert "y" in kept


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_on_a_disk_without_links_the_old_files_are_copied(
    code: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT, some network file systems."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    aside = restore(tmp_path / "backup", folder / NAME, clock).aside
    assert aside is not None
    assert remembers(aside / NAME)["after"] == "y"


def test_a_disk_that_fails_on_the_way_is_told_and_leaves_the_old_journal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing loses its name before it has another."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(JournalUnwritable, match="No space left"):
        restore(tmp_path / "backup", folder / NAME, clock)
    assert remembers(folder / NAME)["after"] == "y"


# --- the verb -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "words"),
    [("ko", ["되돌렸습니다", "옮겼습니다", "업비트와 대조"]), ("en", ["is the journal now", "compared with Upbit"])],
)
def test_restore_says_what_it_did(
    language: str, words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is in the copy, where the old journal is, and what comes next."""
    config = replace(Config(), data_dir=folder, language=language)
    assert verb.run(config, Namespace(file=tmp_path / "backup", json=False)) == 0
    said = capsys.readouterr().out
    for word in [*words, ".replaced-", "2026-11-02 21:00:00 KST"]:
        assert word in said
    assert verb.run(config, Namespace(file=tmp_path / "backup", json=True)) == 0
    assert '"orders": 0' in capsys.readouterr().out


def test_restore_is_refused_while_a_daemon_runs(folder: Path, tmp_path: Path) -> None:
    """Exit code 3, and the daemon's journal is the same file as before."""
    config = replace(Config(), data_dir=folder)
    with Journal.open(folder / NAME, clock) as journal:
        with pytest.raises(JournalLocked) as refused:
            verb.run(config, Namespace(file=tmp_path / "backup", json=False))
        assert journal.in_place()
    told = explain_failure(refused.value, "en")
    assert told is not None
    assert told[1] == 3


def test_a_data_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """Such as a file of that name."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnwritable):
        verb.run(replace(Config(), data_dir=tmp_path / "file"), Namespace(file=tmp_path / "b", json=False))


# --- what else stands in a journal's place --------------------------------------------------------------------------


def test_the_database_of_another_program_is_refused_in_words_and_left_as_it_is(tmp_path: Path) -> None:
    """By the daemon, by `status` and by `recover`; not one table is added."""
    path = tmp_path / NAME
    path.touch()
    make_foreign(path)
    make_newer(path)  # whatever number it bears
    before = path.read_bytes()
    for use in (
        lambda: Journal.open(path, clock),
        lambda: open_reader(path).__enter__(),
        lambda: is_whole(path),
    ):
        with pytest.raises(JournalForeign, match="another program") as refused:
            use()
        assert "다른 데이터베이스" in refused.value.ko
    assert path.read_bytes() == before
    assert not path.with_name(f"{NAME}-wal").exists()


def test_every_sentence_about_a_damaged_journal_names_restore_and_recover() -> None:
    """In both languages: found at a start, or while it is written."""
    malformed = sqlite3.DatabaseError("database disk image is malformed")
    malformed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    for error in (JournalCorrupt(Path("j"), "x"), unwritten(Path("j"), malformed)):
        for sentence in (error.ko, error.en):
            assert "python main.py recover" in sentence
            assert "python main.py restore" in sentence
    assert isinstance(unwritten(Path("j"), malformed), JournalBroken)


def test_a_damaged_journal_may_be_rebuilt_and_a_whole_one_never(folder: Path) -> None:
    """`recover` need not be told to move it away: it keeps it in a folder."""
    assert is_whole(folder / NAME)
    assert not is_whole(folder / "none")
    with closing(sqlite3.connect(folder / NAME)) as db:
        db.execute("DELETE FROM event WHERE seq = 1")
        db.commit()
    assert not is_whole(folder / NAME)


class FullDisk(sqlite3.Connection):
    """A connection on a disk with no room but what the reserve holds."""

    reserve: Path

    def execute(self, sql: str, values: _Parameters = (), /) -> sqlite3.Cursor:
        """Refuse what needs room, as SQLite does."""
        if self.reserve.exists() and sql.startswith("PRAGMA journal_mode"):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        return super().execute(sql, values)


def test_a_full_disk_at_a_start_is_not_damage_and_the_reserve_lets_the_daemon_come_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held must be sold, and each sale be written down; without a reserve the sentence is about room."""
    real, reserve = sqlite3.connect, folder / "reserve"

    class ThisDisk(FullDisk):
        pass

    ThisDisk.reserve = reserve
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: real(*given, **named, factory=ThisDisk))
    with Journal.open(folder / NAME, clock) as journal:
        assert journal.meta("after") == "y"
    ThisDisk.reserve = folder / NAME  # nothing helps
    reserve.unlink()
    with pytest.raises(JournalFull, match="Free some disk space") as refused:
        Journal.open(folder / NAME, clock)
    assert "recover" not in refused.value.en
    assert "손상" not in refused.value.ko
