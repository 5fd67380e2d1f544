"""The journal: durable, legal, chained, and one live order a market."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal.errors import JournalBreach, JournalCorrupt, JournalLocked, JournalNewer
from journal.journal import Journal
from journal.reader import NoJournal, open_reader
from journal.records import EDGES, Intent, IntentState, Note
from journal.schema import MIGRATIONS
from tests.helpers.journals import NOW, accepted, fill, intent, trade
from tests.helpers.scans import a_scan
from upbit.models import Side

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_trade_is_bought_held_and_sold(journal: Journal) -> None:
    """Position, cost, proceeds and profit are sums of fills, to the last decimal."""
    assert journal.begin_trade(trade(), intent())
    accepted(journal, "i1", "u1")
    assert (
        journal.record_fills("i1", [fill("f1", "100.1", "0.5"), fill("f2", "100.2", "0.5")], Decimal("0.050075")) == 2
    )
    journal.finish("i1")
    journal.enter_position("t1", opened_at=NOW, stop_price=Decimal("95.15"), highest_price=Decimal("100.15"))
    assert journal.position_volume("t1") == 1
    assert journal.leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    accepted(journal, "i2", "u2")
    journal.record_fills("i2", [fill("f3", "110", "1")], Decimal("0.055"))
    journal.finish("i2")
    journal.close_trade("t1", closed_at=NOW, dust=Decimal(0))
    (closed,) = journal.closed_trades(1)
    assert closed.profit_krw == Decimal(110) - Decimal("0.055") - Decimal("100.15") - Decimal("0.050075")
    assert journal.totals().krw == closed.profit_krw
    assert journal.totals().coins == {"BTC": Decimal(0)}
    assert journal.last_exits() == {"KRW-BTC": NOW}


def test_a_uuid_that_two_orders_were_told_under_stays_with_the_first(journal: Journal) -> None:
    """One of the answers was wrong, and each order has its own name: both are followed."""
    journal.begin_trade(trade(), intent())
    accepted(journal, "i1", "u1")
    journal.record_fills("i1", [fill("f1", "100", "1")], Decimal("0.05"))
    journal.finish("i1")
    journal.enter_position("t1", opened_at=NOW, stop_price=Decimal(95), highest_price=Decimal(100))
    assert journal.leave("t1", {"code": "stop"}, intent("i2", side=Side.ASK))
    accepted(journal, "i2", "u1")
    assert [(one.state, one.uuid) for one in map(journal.intent, ("i1", "i2"))] == [
        (IntentState.FINAL, "u1"),
        (IntentState.ACCEPTED, None),
    ]


@pytest.mark.failure("A16")
def test_a_fill_that_is_told_twice_counts_once(journal: Journal) -> None:
    """Fills are keyed by Upbit's own name for them."""
    journal.begin_trade(trade(), intent())
    accepted(journal, "i1", "u1")
    assert journal.record_fills("i1", [fill("f1", "100", "1")], Decimal("0.05")) == 1
    assert journal.record_fills("i1", [fill("f1", "100", "1")], Decimal("0.05")) == 0
    assert journal.position_volume("t1") == 1


@pytest.mark.failure("F4")
@pytest.mark.parametrize("at_once", [True, False])
def test_a_sale_under_our_name_of_more_than_we_hold_leaves_nothing_to_hold(
    journal: Journal,
    at_once: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Another daemon sold it: what it sold beside ours is no profit of the trade, which can be ended and read again."""
    journal.begin_trade(trade(), intent())
    accepted(journal, "i1", "u1")
    journal.record_fills("i1", [fill("f1", "100", "1")], Decimal(0))
    journal.finish("i1")
    journal.enter_position("t1", opened_at=NOW, stop_price=Decimal(90), highest_price=Decimal(100))
    asked = replace(intent("i2", side=Side.ASK), request='{"volume": "1"}')
    assert journal.leave("t1", {"code": "stop"}, asked)
    accepted(journal, "i2", "u2")
    sold = [fill("f2", "110", "0.9"), fill("f3", "110", "0.9")]
    for fills in [sold] if at_once else [sold[:1], sold]:
        journal.record_fills("i2", fills, Decimal(0))
    journal.finish("i2")
    assert journal.position_volume("t1") == 0
    journal.close_trade("t1", closed_at=NOW, dust=Decimal(0))
    assert journal.closed_trades(1)[0].profit_krw == Decimal(10)


def test_a_sale_of_ours_that_leaves_less_than_nothing_is_a_breach(journal: Journal) -> None:
    """No more was sold than was asked for, so nobody else explains it."""
    journal.begin_trade(trade(), intent())
    accepted(journal, "i1", "u1")
    journal.record_fills("i1", [fill("f1", "100", "1")], Decimal(0))
    journal.finish("i1")
    journal.enter_position("t1", opened_at=NOW, stop_price=Decimal(90), highest_price=Decimal(100))
    assert journal.leave("t1", {"code": "stop"}, replace(intent("i2", side=Side.ASK), request='{"volume": "2"}'))
    accepted(journal, "i2", "u2")
    journal.record_fills("i2", [fill("f2", "110", "2")], Decimal(0))
    with pytest.raises(JournalBreach, match="sold 1 more than it bought"):
        journal.position_volume("t1")


@pytest.mark.failure("A27")
def test_a_market_has_one_live_order_and_one_open_trade(journal: Journal) -> None:
    """The database refuses the second, and nothing of it is written."""
    assert journal.begin_trade(trade(), intent())
    assert not journal.begin_trade(trade("t2"), intent("i2", trade("t2")))
    assert not journal.leave("t1", {}, intent("i3", side=Side.ASK))
    assert [one.identifier for one in journal.live_intents()] == ["i1"]
    assert journal.trade("t1").phase == "entering"


@pytest.mark.failure("A27")
def test_one_decision_has_one_order(journal: Journal) -> None:
    """The same decision decided again is no second order, even after the first is over."""
    journal.begin_trade(trade(), intent())
    journal.abandon("i1", "deadline")
    journal.abandon_trade("t1", "deadline")
    other = trade("t2")
    again = Intent(**{**{f: getattr(intent("i9", other), f) for f in Intent.__slots__}, "decision_key": "key-i1"})
    assert not journal.begin_trade(other, again)


@pytest.mark.parametrize(("before", "after"), list(product(IntentState, IntentState)))
def test_only_the_edges_of_the_table_exist(before: IntentState, after: IntentState, tmp_path: Path) -> None:
    """Every pair of states: legal moves happen, all others are a breach and change nothing."""
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as opened:
        opened.begin_trade(trade(), intent())
        opened._db.execute("UPDATE intent SET state = ?", (before,))
        if after in EDGES[before]:
            opened._move("i1", after)
            assert opened.intent("i1").state is after
        else:
            with pytest.raises(JournalBreach), opened._transaction():
                opened._move("i1", after)
            assert opened.intent("i1").state is before


def test_doubt_ends_only_by_seeing_the_order_or_its_fence() -> None:
    """No edge leads from UNKNOWN to an end."""
    assert EDGES[IntentState.UNKNOWN] == {IntentState.ACCEPTED, IntentState.FENCED, IntentState.SENT}


@pytest.mark.failure("A1")
def test_an_unknown_buy_counts_as_spent(journal: Journal) -> None:
    """Caps believe the worst until the order has been seen."""
    journal.begin_trade(trade(), intent())
    journal.begin_attempt("i1")
    journal.end_attempt("i1", IntentState.UNKNOWN, outcome="timeout")
    assert journal.spent_since(NOW) == 10_000
    assert journal.exposure() == {"KRW-BTC": Decimal(10_000)}


def test_a_message_is_queued_once_and_delivered_in_order(journal: Journal) -> None:
    """Keys are unique; sent and failed ones do not come back."""
    notes = [Note(key=key, kind="x", body={"n": key}) for key in ("a", "b", "a", "c")]
    journal.add_notes(notes)
    assert [note.key for note in journal.pending_notes(9)] == ["a", "b", "c"]
    journal.mark_sent(["a"])
    journal.mark_failed(["b"], "HTTP 400")
    assert [note.key for note in journal.pending_notes(9)] == ["c"]


def test_verdicts_are_kept_a_minute_at_a_time(journal: Journal) -> None:
    """The last scan before a moment, with its numbers; old ones go in small bites."""
    for minute in range(30):
        journal.record_scan(NOW + timedelta(minutes=minute), "s", NOW, a_scan(float(minute), threshold=5))
    found = journal.scan_at(NOW + timedelta(minutes=5, seconds=30))
    assert found is not None
    assert found.scan is not None
    assert found.scan.gates[0].values == [5.0]
    assert found.scan.failed("KRW-A") == "above"
    assert (at := journal.scan_at(NOW + timedelta(minutes=6)))
    assert at.scan is not None
    assert at.scan.failed("KRW-A") is None
    journal.prune_scans(NOW + timedelta(hours=1))
    (kept,) = journal._db.execute("SELECT count(*) FROM scan").fetchone()
    assert kept == 20
    assert journal.scan_at(NOW) is not None, "those that others differ from go last"


@pytest.mark.failure("F3")
def test_a_second_opener_is_refused(journal: Journal, tmp_path: Path) -> None:
    """One writer a folder."""
    assert journal.open_trades() == []
    with pytest.raises(JournalLocked):
        Journal.open(tmp_path / "journal.sqlite3", lambda: NOW)


@pytest.mark.failure("E4")
def test_an_edited_history_is_noticed(tmp_path: Path) -> None:
    """The chain of events breaks where somebody changed one; a journal that is refused is let go of."""
    path = tmp_path / "journal.sqlite3"
    with Journal.open(path, lambda: NOW) as opened:
        opened.set_meta("a", "1")
        opened.set_meta("b", "2")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE event SET data = replace(data, '1', '7') WHERE seq = 1")
    with pytest.raises(JournalCorrupt, match="event 1 was changed") as refused:
        Journal.open(path, lambda: NOW)
    held = [descriptor.resolve() for descriptor in Path("/dev/fd").iterdir()]
    assert not [file for file in held if file.is_relative_to(tmp_path.resolve())], refused


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """An old program does not touch what it does not understand."""
    path = tmp_path / "journal.sqlite3"
    Journal.open(path, lambda: NOW).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalNewer):
        Journal.open(path, lambda: NOW)


@pytest.mark.failure("E5")
def test_a_reader_reads_beside_the_writer_and_cannot_write(journal: Journal, tmp_path: Path) -> None:
    """`status` of a running daemon sees its trades and can do no harm."""
    journal.begin_trade(trade(), intent())
    with open_reader(tmp_path / "journal.sqlite3") as reader:
        assert [one.market for one in reader.open_trades()] == ["KRW-BTC"]
        with pytest.raises(sqlite3.OperationalError):
            reader._db.execute("DELETE FROM trade")
    with pytest.raises(NoJournal), open_reader(tmp_path / "other.sqlite3"):
        pass


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """0700 and 0600, the lock and the reserve as well; folders above it are made when they are missing."""
    path = tmp_path / "home" / "data" / "journal.sqlite3"
    Journal.open(path, lambda: NOW).close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == dict.fromkeys(
        ("journal.sqlite3", "lock", "reserve"), 0o600
    )


def test_what_is_written_is_on_the_disk_before_anything_is_sent(journal: Journal) -> None:
    """A log that is written ahead, an fsync for each transaction, and no row that refers to nothing."""
    kept = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert {name: journal._db.execute(f"PRAGMA {name}").fetchone()[0] for name in kept} == kept


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from journal.journal import Journal
with Journal.open(Path(sys.argv[1]), lambda: datetime(2026, 1, 1, tzinfo=UTC)) as journal:
    for number in range(100000):
        journal.set_meta("last", str(number))
        print(number, flush=True)
"""


@pytest.mark.failure("E6")
def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: every number that was told is there, and the chain is whole."""
    path = tmp_path / "journal.sqlite3"
    command = [sys.executable, "-c", WRITER, str(path)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as writer:  # noqa: S603 - ours
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
    with Journal.open(path, lambda: NOW) as opened:
        assert int(opened.meta("last") or -1) >= told[-1]


@pytest.mark.failure("A14")
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**12)), min_size=1, max_size=8), st.data())
def test_money_adds_up_exactly_whatever_is_filled(
    tmp_path_factory: pytest.TempPathFactory, bought: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Held = bought - sold and the change of won = received - paid, for any prices and volumes, after a reopening."""
    path = tmp_path_factory.mktemp("money") / "j.sqlite3"
    fills = [fill(f"b{n}", str(Decimal(p) / 100), str(Decimal(v).scaleb(-8))) for n, (p, v) in enumerate(bought)]
    whole = sum((one.volume for one in fills), Decimal(0))
    part = Decimal(data.draw(st.integers(1, int(whole.scaleb(8))))).scaleb(-8)
    with Journal.open(path, lambda: NOW) as opened:
        opened.begin_trade(trade(), intent())
        accepted(opened, "i1", "u1")
        opened.record_fills("i1", fills, Decimal("1.25"))
        opened.finish("i1")
        opened.leave("t1", {}, intent("i2", side=Side.ASK))
        accepted(opened, "i2", "u2")
        opened.record_fills("i2", [fill("s1", "7.5", str(part))], Decimal("0.5"))
    with Journal.open(path, lambda: NOW) as opened:
        assert opened.position_volume("t1") == whole - part
        paid = sum((one.notional for one in fills), Decimal(0)) + Decimal("1.25")
        assert opened.totals().krw == Decimal("7.5") * part - Decimal("0.5") - paid


@pytest.mark.failure("F18")
def test_an_older_journal_keeps_everything_when_it_is_brought_forward(tmp_path: Path) -> None:
    """Orders, attempts and fills of format 1 are there in the current one, in their order, and a backup beside it."""
    path = tmp_path / "journal.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        old.execute(
            "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason) "
            "VALUES ('t1', 'KRW-BTC', 's', 60, 'entering', 0, '{}')"
        )
        for name, state in (("b", "REJECTED"), ("a", "UNKNOWN")):
            old.execute(
                "INSERT INTO intent (id, decision_key, n, trade_id, market, side, request, decided_ms, state) "
                "VALUES (?, ?, 0, 't1', 'KRW-BTC', 'bid', '{}', 0, ?)",
                (name, name, state),
            )
        old.execute("INSERT INTO attempt (id, k, begun_ms) VALUES ('a', 0, 0)")
        old.execute("INSERT INTO fill VALUES ('f', 'a', '1', '2', '2', 0)")
    with Journal.open(path, lambda: NOW) as opened:
        assert [one.identifier for one in opened.intents_of("t1")] == ["b", "a"]
        assert [one.kind for one in opened.attempts("a")] == ["real"]
        assert opened.position_volume("t1") == 2
        assert opened._db.execute("PRAGMA foreign_key_check").fetchall() == []
        opened.see("a", IntentState.FENCED, "u")
    assert (tmp_path / "journal.sqlite3.format1.backup").exists()
