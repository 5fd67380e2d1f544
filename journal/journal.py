"""The daemon's own hand on the journal: one connection, one writer, synchronous, durable before it returns.

Every change of an order or a trade is one transaction that also holds its event and its messages, so a process that is
killed at any instruction leaves either all of it or nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import zlib
from typing import TYPE_CHECKING, Any, Self

from journal.errors import JournalBreach, JournalCorrupt, JournalError, JournalLocked, JournalUnwritable
from journal.queries import Queries
from journal.records import EDGES, IntentState, Note, Trade
from journal.rows import canonical, chain, to_ms, to_text
from journal.schema import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from journal.records import Halt, Intent
    from upbit.models import Fill as ExchangeFill

__all__ = ["Journal", "JournalBreach", "JournalCorrupt", "JournalError", "JournalLocked", "JournalUnwritable"]

LOCK = "lock"
GENESIS = b"\0" * 32
SCANS_PRUNED_AT_ONCE = 10


class Journal(Queries):
    """The open journal of one data folder. Use it as a context manager; it holds the folder's lock."""

    def __init__(self, connection: sqlite3.Connection, lock: int, path: Path, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._lock = lock
        self._path = path
        self._clock = clock
        self._last_hash = self._verify()

    @classmethod
    def open(cls, path: Path, clock: Callable[[], datetime]) -> Self:
        """Take the folder's lock, open or make the file, and check it.

        Raises:
            JournalError: one of its kinds, with a sentence that says what to do.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = take_lock(path.parent)
        except OSError as error:
            raise JournalUnwritable(path.parent, error.strerror) from error
        try:
            return cls(connect(path), lock, path, clock)
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the folder's lock back."""
        self._db.close()
        os.close(self._lock)

    def _verify(self) -> bytes:
        """Check the file and the chain of events; return the hash of the last one."""
        try:
            (answer,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise JournalCorrupt(self._path, answer)
            last = GENESIS
            for row in self._db.execute("SELECT * FROM event ORDER BY seq"):
                last = chain(last, row["at_ms"], row["kind"], row["ref"], row["data"])
                if last != row["hash"]:
                    raise JournalCorrupt(self._path, f"event {row['seq']} was changed")
        except sqlite3.DatabaseError as error:
            raise JournalCorrupt(self._path, error) from error
        return last

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of the block or nothing of it; durable when it ends."""
        before = self._last_hash
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._last_hash = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _event(self, kind: str, ref: str, **data: object) -> None:
        at_ms, text = self._now_ms(), canonical(data)
        self._last_hash = chain(self._last_hash, at_ms, kind, ref, text)
        self._db.execute(
            "INSERT INTO event (at_ms, kind, ref, data, hash) VALUES (?, ?, ?, ?, ?)",
            (at_ms, kind, ref, text, self._last_hash),
        )

    def _now_ms(self) -> int:
        now = to_ms(self._clock())
        assert now is not None
        return now

    # --- trades -------------------------------------------------------------------------------------------------

    def begin_trade(self, trade: Trade, intent: Intent) -> bool:
        """Write a new trade and its buy; False, and nothing written, when that decision or market is taken."""
        try:
            with self._transaction():
                self._insert_trade(trade)
                self._insert_intent(intent)
                self._event("trade", trade.id, phase=trade.phase, reason=trade.entry_reason)
        except sqlite3.IntegrityError:
            return False
        return True

    def _insert_trade(self, trade: Trade) -> None:
        self._db.execute(
            "INSERT INTO trade (id, market, strategy, unit_s, phase, decided_ms, entry_reason, stop_distance) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                trade.id,
                trade.market,
                trade.strategy,
                int(trade.unit.total_seconds()),
                trade.phase,
                to_ms(trade.decided_at),
                canonical(trade.entry_reason),
                to_text(trade.stop_distance),
            ),
        )

    def _insert_intent(self, intent: Intent) -> None:
        self._db.execute(
            "INSERT INTO intent (id, decision_key, n, trade_id, market, side, request, total, decided_ms, deadline_ms,"
            " state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                intent.identifier,
                intent.decision_key,
                intent.n,
                intent.trade_id,
                intent.market,
                intent.side,
                intent.request,
                json.loads(intent.request).get("total"),
                to_ms(intent.decided_at),
                to_ms(intent.deadline),
                intent.state,
            ),
        )
        self._event("intent", intent.identifier, state=intent.state, request=intent.request)

    def enter_position(
        self,
        trade_id: str,
        *,
        opened_at: datetime,
        stop_price: Decimal | None,
        highest_price: Decimal,
        notes: Sequence[Note] = (),
    ) -> None:
        """Write that a trade holds what it bought, with its stop and its message."""
        with self._transaction():
            self._phase(trade_id, "holding", stop_price=to_text(stop_price), at=opened_at.isoformat())
            self._db.execute(
                "UPDATE trade SET opened_ms = ?, stop_price = ?, highest_price = ? WHERE id = ?",
                (to_ms(opened_at), to_text(stop_price), to_text(highest_price), trade_id),
            )
            self._insert_notes(notes)

    def raise_highest(self, trade_id: str, price: Decimal) -> None:
        """Write the highest price since the entry."""
        with self._transaction():
            self._db.execute("UPDATE trade SET highest_price = ? WHERE id = ?", (to_text(price), trade_id))

    def leave(self, trade_id: str, reason: Mapping[str, object], intent: Intent) -> bool:
        """Write why a trade is sold, and its sell; False, and nothing written, when its market has a live order."""
        try:
            with self._transaction():
                self._phase(trade_id, "leaving", reason=dict(reason))
                self._db.execute("UPDATE trade SET exit_reason = ? WHERE id = ?", (canonical(reason), trade_id))
                self._insert_intent(intent)
        except sqlite3.IntegrityError:
            return False
        return True

    def close_trade(
        self,
        trade_id: str,
        *,
        closed_at: datetime,
        dust: Decimal,
        reason: Mapping[str, object] | None = None,
        notes: Sequence[Note] = (),
    ) -> None:
        """Write that a trade has ended, what it left behind, and its message."""
        with self._transaction():
            self._phase(trade_id, "closed", dust=dust)
            self._db.execute(
                "UPDATE trade SET closed_ms = ?, dust = ?, exit_reason = coalesce(exit_reason, ?) WHERE id = ?",
                (to_ms(closed_at), to_text(dust), canonical(reason) if reason else None, trade_id),
            )
            self._insert_notes(notes)

    def abandon_trade(self, trade_id: str, why: str, notes: Sequence[Note] = ()) -> None:
        """Write that a trade ended before it bought anything."""
        with self._transaction():
            self._phase(trade_id, "abandoned", why=why)
            self._db.execute("UPDATE trade SET closed_ms = ? WHERE id = ?", (self._now_ms(), trade_id))
            self._insert_notes(notes)

    def _phase(self, trade_id: str, phase: str, **data: object) -> None:
        changed = self._db.execute("UPDATE trade SET phase = ? WHERE id = ?", (phase, trade_id)).rowcount
        if changed != 1:
            raise JournalBreach(f"there is no trade {trade_id}")
        self._event("trade", trade_id, phase=phase, **data)

    # --- orders -------------------------------------------------------------------------------------------------

    def _move(self, identifier: str, state: IntentState, **data: object) -> None:
        """Take an order along a legal edge, with its event."""
        before = self.intent(identifier).state
        if state not in EDGES[before]:
            raise JournalBreach(f"{identifier} cannot go from {before} to {state}")
        self._db.execute("UPDATE intent SET state = ? WHERE id = ?", (state, identifier))
        self._event("intent", identifier, state=state, **data)

    def begin_attempt(self, identifier: str) -> None:
        """Write that an order is about to be sent: durable before its first byte."""
        with self._transaction():
            self._move(identifier, IntentState.SENT)
            self._db.execute(
                "INSERT INTO attempt (id, k, begun_ms) SELECT ?, count(*), ? FROM attempt WHERE id = ?",
                (identifier, self._now_ms(), identifier),
            )

    def end_attempt(
        self,
        identifier: str,
        state: IntentState,
        *,
        outcome: str,
        uuid: str | None = None,
        http: int | None = None,
        name: str | None = None,
    ) -> None:
        """Write what came of the attempt under way."""
        with self._transaction():
            self._move(identifier, state, outcome=outcome, http=http, name=name)
            self._db.execute(
                "UPDATE attempt SET ended_ms = ?, state = ?, outcome = ?, http = ?, name = ? "
                "WHERE id = ? AND ended_ms IS NULL",
                (self._now_ms(), state, outcome, http, name, identifier),
            )
            if uuid is not None:
                self._db.execute("UPDATE intent SET uuid = ? WHERE id = ?", (uuid, identifier))

    def adopt(self, identifier: str, uuid: str) -> None:
        """Write that a doubtful order was seen at the exchange."""
        with self._transaction():
            self._move(identifier, IntentState.ACCEPTED, uuid=uuid)
            self._db.execute("UPDATE intent SET uuid = ? WHERE id = ?", (uuid, identifier))

    def abandon(self, identifier: str, why: str) -> None:
        """Write that an order that was never sent never will be."""
        with self._transaction():
            self._move(identifier, IntentState.ABANDONED, why=why)

    def record_fills(self, identifier: str, fills: Iterable[ExchangeFill], paid_fee: Decimal) -> int:
        """Write the fills that are new, and the fee so far; return how many were new."""
        rows = [
            (fill.uuid, identifier, to_text(fill.price), to_text(fill.volume), to_text(fill.notional), self._now_ms())
            for fill in fills
        ]
        known = {fill.uuid for fill in self.fills_of(identifier)}
        fresh = [row for row in rows if row[0] not in known]
        if not fresh:
            return 0
        with self._transaction():
            self._db.executemany("INSERT INTO fill VALUES (?, ?, ?, ?, ?, ?)", fresh)
            self._db.execute("UPDATE intent SET paid_fee = ? WHERE id = ?", (to_text(paid_fee), identifier))
            self._event("fill", identifier, fills=fresh, paid_fee=paid_fee)
        return len(fresh)

    def finish(self, identifier: str) -> None:
        """Write that nothing more can happen to an order."""
        with self._transaction():
            self._move(identifier, IntentState.FINAL)

    # --- messages, verdicts, facts --------------------------------------------------------------------------------

    def add_notes(self, notes: Iterable[Note]) -> None:
        """Queue messages; one whose key is known is not queued again."""
        with self._transaction():
            self._insert_notes(notes)

    def _insert_notes(self, notes: Iterable[Note]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, kind, body, created_ms) VALUES (?, ?, ?, ?)",
            [(note.key, note.kind, canonical(note.body), self._now_ms()) for note in notes],
        )

    def mark_sent(self, keys: Iterable[str]) -> None:
        """Write that messages have been delivered."""
        with self._transaction():
            self._db.executemany("UPDATE outbox SET sent_ms = ? WHERE key = ?", [(self._now_ms(), key) for key in keys])

    def mark_failed(self, keys: Iterable[str], why: str) -> None:
        """Write that messages can never be delivered, so that they do not stop those behind them."""
        with self._transaction():
            self._db.executemany("UPDATE outbox SET failed = ? WHERE key = ?", [(why, key) for key in keys])

    def begin_halt(self, halt: Halt, notes: Iterable[Note]) -> None:
        """Write that trading stands still from now on, and its message."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO halt (code, level, ends, ko, en, evidence, since_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (halt.code, halt.level, halt.ends, halt.ko, halt.en, canonical(halt.evidence), to_ms(halt.since)),
            )
            self._event("halt", halt.code, level=halt.level, ends=halt.ends, en=halt.en, evidence=halt.evidence)
            self._insert_notes(notes)

    def end_halt(self, code: str, by: str, notes: Iterable[Note]) -> None:
        """Write that a reason to stand still is over, by itself or by a person, and its message."""
        with self._transaction():
            changed = self._db.execute(
                "UPDATE halt SET ended_ms = ?, ended_by = ? WHERE code = ? AND ended_ms IS NULL",
                (self._now_ms(), by, code),
            ).rowcount
            if changed != 1:
                raise JournalBreach(f"nothing stands still because of {code}")
            self._event("halt_ended", code, by=by)
            self._insert_notes(notes)

    def record_scan(
        self, minute: datetime, strategy: str, closed_at: datetime, verdicts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Write one verdict with its numbers for every market; a minute that is told twice keeps the later word."""
        packed = zlib.compress(canonical(verdicts).encode(), 6)
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO scan VALUES (?, ?, ?, ?)", (to_ms(minute), strategy, to_ms(closed_at), packed)
            )

    def prune_scans(self, before: datetime) -> None:
        """Forget some verdicts that are older than `before`; called often, so that no call takes long."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM scan WHERE minute_ms IN (SELECT minute_ms FROM scan WHERE minute_ms < ? LIMIT ?)",
                (to_ms(before), SCANS_PRUNED_AT_ONCE),
            )

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact about the journal itself."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            self._event("meta", key, value=value)


def take_lock(folder: Path) -> int:
    """Return a file descriptor that holds the folder's lock until it is closed or the process ends."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise JournalLocked(folder) from error
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for its one writer and bring it to the current format."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    except OSError as error:
        raise JournalUnwritable(path, error.strerror) from error
    except sqlite3.OperationalError as error:
        raise JournalUnwritable(path, error) from error
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalCorrupt(path, error) from error
    except JournalError:
        connection.close()
        raise
    return connection
