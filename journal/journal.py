"""The daemon's own hand on the journal: everything that is ever written passes through this class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import (
    NOT_NOW,
    JournalBreach,
    JournalBroken,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    JournalUnwritable,
)
from journal.rows import as_ms, canonical, to_ms
from journal.scans import BLOCK_MS, FRAME, Draw, Rest
from journal.store import urgent
from journal.trades import Trades
from journal.verdicts import pack, to_frame

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from journal.records import Command, Halt, Note
    from journal.verdicts import Frame, Scan

__all__ = ["Journal", "JournalBreach", "JournalCorrupt", "JournalError", "JournalLocked", "JournalUnwritable"]

PRUNED_AT_ONCE = 10


class Journal(Trades):
    """The open journal: trades and orders, and beside them messages, halts, verdicts and facts about itself."""

    _last_scan: tuple[int, Frame] | None = None
    """The minute that was written last, and what the next one may differ from."""

    def begin_halt(self, halt: Halt, notes: Iterable[Note]) -> None:
        """Write that trading is halted from now on, and its message, which is told also if neither can be written."""
        messages = list(notes)
        try:
            self._write_halt(halt, messages)
        except (*NOT_NOW, JournalBroken):
            self._hold(messages)
            raise

    @urgent
    def _write_halt(self, halt: Halt, notes: Iterable[Note]) -> None:
        hide = self.redact
        row = (halt.code, halt.level, halt.ends, hide(halt.ko), hide(halt.en), hide(canonical(halt.evidence)))
        with self._transaction():
            self._db.execute(
                "INSERT INTO halt (code, level, ends, ko, en, evidence, since_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*row, to_ms(halt.since)),
            )
            self._event("halt", halt.code, level=halt.level, ends=halt.ends, en=halt.en, evidence=halt.evidence)
            self._insert_notes(notes)

    @urgent
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

    @urgent
    def begin_command(self, command: Command) -> None:
        """Write that a person has ordered something: before it is done."""
        row = (command.id, command.name, canonical(list(command.codes)), command.by, to_ms(command.asked_at))
        with self._transaction():
            self._db.execute("INSERT INTO command (id, name, codes, by, asked_ms) VALUES (?, ?, ?, ?, ?)", row)
            self._event("command", command.id, command=command.name, by=command.by, codes=command.codes)

    @urgent
    def end_command(self, command: Command, outcome: str) -> None:
        """Write that it is done, and what came of it."""
        with self._transaction():
            self._db.execute("UPDATE command SET outcome = ? WHERE id = ?", (outcome, command.id))
            self._event("command", command.id, command=command.name, outcome=outcome)

    def record_scan(self, minute: datetime, strategy: str, closed_at: datetime, scan: Scan) -> None:
        """Write what every gate looked at in every market; a minute that is told twice keeps the later word."""
        frame, at = to_frame(scan), as_ms(minute)
        last = self._last_scan
        before = last if last is not None and last[0] < at and last[0] // BLOCK_MS == at // BLOCK_MS else None
        packed = pack(frame, before[1] if before else None)
        row = (at, strategy, to_ms(closed_at), packed, before[0] if before else None, FRAME)
        insert = (
            "INSERT OR REPLACE INTO scan (minute_ms, strategy, closed_ms, verdicts, prev_ms, form) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        if self._or_drop("verdicts", lambda: self._db.execute(insert, row)):
            self._last_scan = (at, frame)  # what was not written is no minute to differ from

    def prune_scans(self, before: datetime) -> None:
        """Forget some verdicts of the hours that are over at `before`; called often, so that no call takes long.

        The latest go first: they differ from those before them.
        """
        hour = as_ms(before) // BLOCK_MS * BLOCK_MS

        def forget() -> None:
            for table, key in (("scan", "minute_ms"), ("rest", "at_ms"), ("draw", "at_ms")):
                old = f"SELECT rowid FROM {table} WHERE {key} < ? ORDER BY {key} DESC LIMIT ?"  # noqa: S608 - ours
                self._db.execute(f"DELETE FROM {table} WHERE rowid IN ({old})", (hour, PRUNED_AT_ONCE))  # noqa: S608

        self._or_drop("the end of old verdicts", forget)

    def record_rest(self, rest: Rest) -> None:
        """Write that a market is left alone for a while, and why."""
        row = (rest.market, to_ms(rest.at), to_ms(rest.until), rest.why)
        insert = "INSERT INTO rest (market, at_ms, until_ms, why) VALUES (?, ?, ?, ?)"
        self._or_drop("a rest", lambda: self._db.execute(insert, row))

    def record_draw(self, draw: Draw) -> None:
        """Write who was drawn."""
        row = (to_ms(draw.at), draw.candidates, draw.free, canonical(list(draw.markets)))
        insert = "INSERT INTO draw (at_ms, candidates, free, markets) VALUES (?, ?, ?, ?)"
        self._or_drop("a draw", lambda: self._db.execute(insert, row))

    def set_meta(self, key: str, value: str) -> None:
        """Keep one fact about the journal itself."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            self._event("meta", key, value=value)

    def note_import(self, moment: datetime) -> None:
        """Keep until when the exchange's orders were compared with the journal; too frequent to be an event."""
        told = "INSERT OR REPLACE INTO meta VALUES ('imported_ms', ?)"
        self._or_drop("the time of the last comparison", lambda: self._db.execute(told, (str(to_ms(moment)),)))
