"""What the journal refuses, and what it does with a folder or a file that is not what it should be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal import store
from journal.errors import JournalBreach, JournalCorrupt, JournalUnwritable
from journal.journal import Journal
from journal.reader import NoJournal, open_reader
from journal.records import Intent, IntentState, Note
from journal.schema import MIGRATIONS
from tests.helpers import journals
from tests.helpers.orders import a_trade
from upbit.models import Fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
TRADE = replace(a_trade(), market="KRW-BTC")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a journal with one accepted buy."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        opened.begin_trade(TRADE, intent("b", "bid"))
        opened.begin_attempt("b")
        opened.end_attempt("b", IntentState.ACCEPTED, outcome="accepted", uuid="u")
        yield opened


def intent(name: str, side: str) -> Intent:
    """Return an order of that trade."""
    return journals.intent(name, TRADE, side)


def fill(volume: int) -> Fill:
    """Return one execution of that volume."""
    return Fill(uuid="f", price=Decimal(1), volume=Decimal(volume), notional=Decimal(volume))


@pytest.mark.failure("A16")
def test_a_fill_that_is_told_otherwise_changes_nothing_and_halts_nobody(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """What was written down of it two looks have shown; an exit never waits because a third one shows another."""
    assert journal.record_fills("b", [fill(2)], Decimal(0)) == 1
    assert journal.record_fills("b", [fill(3)], Decimal(0)) == 0
    assert journal.position_volume("t") == 2
    assert "fill told otherwise" in caplog.text


def test_more_sold_than_bought_is_a_breach(journal: Journal) -> None:
    """Somebody has written a sale that was not ours."""
    journal.record_fills("b", [fill(2)], Decimal(0))
    journal.finish("b")
    journal._db.execute("UPDATE intent SET side = 'ask'")
    with pytest.raises(JournalBreach, match="sold 2 more"):
        journal.position_volume("t")


def test_what_is_not_there_is_a_breach(journal: Journal) -> None:
    """Orders and trades are asked for by names the journal gave."""
    with pytest.raises(JournalBreach, match="no order x"):
        journal.intent("x")
    with pytest.raises(JournalBreach, match="no trade x"):
        journal.trade("x")
    with pytest.raises(JournalBreach, match="no trade x"):
        journal.abandon_trade("x", "why")


def test_a_fee_that_is_told_late_counts_and_never_shrinks(journal: Journal) -> None:
    """Fills may be listed before the fee is final."""
    journal.record_fills("b", [fill(2)], Decimal(1))
    assert journal.record_fills("b", [], Decimal(3)) == 0
    assert journal.record_fills("b", [fill(2)], Decimal(2)) == 0
    assert journal.intent("b").paid_fee == 3


def test_a_reader_of_an_older_file_finds_no_flows(tmp_path: Path) -> None:
    """`status` works before the daemon has brought the file forward."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        old.execute(
            "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason) "
            "VALUES ('t', 'KRW-BTC', 's', 60, 'holding', 0, '{}')"
        )
    with open_reader(path) as reader:
        assert reader.position_volume("t") == 0
        assert reader.totals().coins == {}


def test_a_reader_of_an_older_file_finds_its_messages(tmp_path: Path) -> None:
    """None is a state of a card yet."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        old.execute("INSERT INTO outbox (key, kind, body, created_ms) VALUES ('k', 'bought', '{}', 0)")
    with open_reader(path) as reader:
        assert reader.pending_notes(9) == [Note(key="k", kind="bought", body={})]


def test_a_reader_of_a_file_without_worths_takes_the_costs(tmp_path: Path) -> None:
    """Before format 4 the journal did not keep what moved coins were worth."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript("".join(MIGRATIONS[:3]) + "PRAGMA user_version = 3;")
        old.executescript("""
            INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason)
                VALUES ('t', 'KRW-BTC', 's', 60, 'holding', 0, '{}');
            INSERT INTO intent (id, decision_key, n, trade_id, market, side, request, decided_ms, state, paid_fee)
                VALUES ('b', 'b', 0, 't', 'KRW-BTC', 'bid', '{}', 0, 'FINAL', '10');
            INSERT INTO fill VALUES ('f', 'b', '50', '4', '190', 0);
            INSERT INTO flow (trade_id, market, volume, why, at_ms) VALUES ('t', 'KRW-BTC', '-1', 'taken', 0);
        """)
    with open_reader(path) as reader:
        assert reader.position_volume("t") == 3
        assert reader.trade("t").taken_krw == 50
    with Journal.open(path, lambda: NOW) as forward:
        assert forward.trade("t").taken_krw == 50


def test_a_file_that_is_damaged_inside_is_refused(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own check speaks first, and what cannot even be read is damaged, too."""

    class Sick:
        """A connection to a file with a page that is gone."""

        def __init__(self, answer: str | None) -> None:
            self._answer = answer

        def execute(self, _: str) -> Sick:
            """Answer, or fail as SQLite does."""
            if self._answer is None:
                raise sqlite3.DatabaseError("database disk image is malformed")
            return self

        def fetchone(self) -> tuple[str | None]:
            """Return what the check says."""
            return (self._answer,)

    for answer in ("row 1 missing from index", None):
        monkeypatch.setattr(journal, "_db", Sick(answer))
        with pytest.raises(JournalCorrupt, match=answer or "malformed"):
            journal._verify()
    monkeypatch.undo()


@pytest.mark.parametrize("error", [OSError(30, "Read-only file system"), sqlite3.OperationalError("unable to open")])
def test_a_file_that_cannot_be_opened_is_told_and_gives_the_lock_back(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start may work."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("os.open" if isinstance(error, OSError) else "sqlite3.connect", fail)
        with pytest.raises(JournalUnwritable, match=r"journal\.sqlite3 .*\((Read-only file system|unable to open)\)"):
            store.connect(tmp_path / "journal.sqlite3")
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnwritable, match=r"\(Not a directory\)|\(File exists\)"):
        Journal.open(tmp_path / "file" / "journal.sqlite3", lambda: NOW)
    Journal.open(tmp_path / "journal.sqlite3", lambda: NOW).close()


def test_a_reader_finds_no_journal_in_a_file_that_is_being_made(tmp_path: Path) -> None:
    """The daemon has created the file and not yet written its tables."""
    path = tmp_path / "new.sqlite3"
    path.touch()
    with pytest.raises(NoJournal), open_reader(path):
        pass


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Somebody may still want what is in it."""
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"something else altogether " * 100)
    with pytest.raises(JournalCorrupt, match=r"\(file is not a database\)"):
        store.connect(path)
    with pytest.raises(JournalCorrupt), open_reader(path):
        pass
    assert path.read_bytes() == b"something else altogether " * 100


def test_the_highest_price_is_kept(journal: Journal) -> None:
    """A trailing exit begins from it after a restart."""
    journal.raise_highest("t", Decimal("101.5"))
    assert journal.trade("t").highest_price == Decimal("101.5")
