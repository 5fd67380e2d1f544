"""Answers that the journal keeps: never older than the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from journal.reader import open_reader
from tests.helpers.journals import intent, trade

if TYPE_CHECKING:
    from pathlib import Path

    from journal.journal import Journal


def test_a_question_is_asked_once_while_nothing_is_written(journal: Journal) -> None:
    """The second answer costs its writer nothing: nobody else writes while it holds the lock."""
    journal.begin_trade(trade(), intent())
    first = journal.open_trades()
    asked: list[str] = []
    journal._db.set_trace_callback(asked.append)
    assert journal.open_trades() == first
    assert asked == []


def test_an_answer_knows_what_was_written_since(journal: Journal) -> None:
    """A trade that began, and one that did not."""
    assert (journal.open_trades(), journal.live_intents()) == ([], [])
    journal.begin_trade(trade(), intent())
    assert [one.id for one in journal.open_trades()] == ["t1"]
    assert [one.identifier for one in journal.live_intents()] == ["i1"]
    journal.abandon("i1", "deadline")
    journal.abandon_trade("t1", "deadline")
    assert (journal.open_trades(), journal.live_intents()) == ([], [])


def test_what_was_undone_is_in_no_answer(journal: Journal) -> None:
    """Within a transaction the question is asked anew, and its answer is forgotten with it."""
    journal.begin_trade(trade(), intent())
    assert len(journal.open_trades()) == 1

    def undone() -> None:
        with journal._transaction():
            journal._db.execute("UPDATE trade SET phase = 'closed'")
            assert journal.open_trades() == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        undone()
    assert len(journal.open_trades()) == 1


def test_a_reader_sees_what_another_connection_wrote(tmp_path: Path, journal: Journal) -> None:
    """A second process reads the same file."""
    with open_reader(tmp_path / "journal.sqlite3") as reader:
        assert reader.open_trades() == []
        journal.begin_trade(trade(), intent())
        assert len(reader.open_trades()) == 1
        asked: list[str] = []
        reader._db.set_trace_callback(asked.append)
        assert len(reader.open_trades()) == 1
        assert asked == ["PRAGMA data_version"]


def test_changing_an_answer_changes_no_later_one(journal: Journal) -> None:
    """Each caller has a copy of its own."""
    journal.begin_trade(trade(), intent())
    journal.open_trades().clear()
    assert len(journal.open_trades()) == 1
