"""What the journal can be asked about verdicts: of any minute of the last 14 days, and what else kept a market out."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from journal.rows import from_ms, maybe_ms, to_fill, to_flow, to_halt, to_intent, to_ms
from journal.verdicts import Scan, Unreadable, to_scan, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from journal.records import Fill, Flow, Halt, Intent
    from journal.verdicts import Frame

TEXT, FRAME = 1, 2
"""How verdicts were written down: as JSON before format 6, as frames since."""
SHORTEST = timedelta(milliseconds=1)
NO_FRAMES: Mapping[int, Frame] = MappingProxyType({})
BLOCK_MS = 3_600_000
"""Frames differ from the one before them within an hour, and are forgotten an hour at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at all markets, and when; without a scan where the file cannot tell it any more."""

    minute: datetime
    strategy: str
    closed_at: datetime
    scan: Scan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A market that was left alone for a while, and why."""

    market: str
    at: datetime
    until: datetime
    why: str  # a code


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Who was drawn of how many, and for how many places."""

    at: datetime
    candidates: int
    free: int
    markets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of the chain, as it was written."""

    seq: int  # grows with time, without gaps
    at: datetime
    kind: str
    ref: str  # what it happened to: a trade, an order, a halt, a command, a fact
    market: str | None  # of the trade or order
    data: dict[str, Any]


class Scans:
    """Questions about verdicts, to an open journal."""

    _db: sqlite3.Connection

    def scan_at(self, moment: datetime) -> Look | None:
        """Return the last look at all markets at or before `moment`; None when there is none."""
        query = "SELECT * FROM scan WHERE minute_ms <= ? ORDER BY minute_ms DESC LIMIT 1"
        row = self._db.execute(query, (to_ms(moment),)).fetchone()
        if row is None:
            return None
        try:
            scan = to_scan(self._frame(row)) if form_of(row) == FRAME else from_text(row["verdicts"])
        except Unreadable:
            scan = None
        return to_look(row, scan)

    def looks_at(self, market: str, begin: datetime, unit: timedelta = SHORTEST) -> Iterator[Look]:
        """Yield the first look after the close of each candle from `begin` on, oldest first, at one market alone.

        Those that the file cannot tell any more are left out. Candles are at least a `unit` long: who knows how long
        has fewer looks to pass over.
        """
        query = "SELECT * FROM scan WHERE minute_ms >= ? AND closed_ms >= ? ORDER BY minute_ms LIMIT 1"
        known: dict[int, Frame] = {}
        after, step = to_ms(begin), unit // SHORTEST
        while (row := self._db.execute(query, (after, after)).fetchone()) is not None:
            after = row["closed_ms"] + step
            if form_of(row) != FRAME:
                continue  # it says nothing of gates behind the first
            try:
                frame = self._frame(row, known)
            except Unreadable:
                continue
            known = {row["minute_ms"]: frame}
            yield to_look(row, to_scan(frame, market))

    def looked(self) -> tuple[datetime | None, datetime | None]:
        """Return when all markets were looked at first, of what is kept, and last; None: never."""
        first, last = self._db.execute("SELECT min(minute_ms), max(minute_ms) FROM scan").fetchone()
        return maybe_ms(first), maybe_ms(last)

    def looked_last(self) -> datetime | None:
        """Return when all markets were looked at last; None: never."""
        return self.looked()[1]

    def _frame(self, row: sqlite3.Row, known: Mapping[int, Frame] = NO_FRAMES) -> Frame:
        """Return the frame of a row: from a known one or the whole one of its hour on, difference by difference."""
        chain = [row]
        while (before := chain[-1]["prev_ms"]) is not None and before not in known:
            found = self._db.execute("SELECT * FROM scan WHERE minute_ms = ?", (before,)).fetchone()
            if found is None or found["minute_ms"] >= chain[-1]["minute_ms"] or form_of(found) != FRAME:
                raise Unreadable("the minute it differs from is gone")
            chain.append(found)
        frame = unpack(chain.pop()["verdicts"], None if before is None else known[before])
        for link in reversed(chain):
            frame = unpack(link["verdicts"], frame)
        return frame

    def executions(self) -> list[tuple[Intent, Fill]]:
        """Return every fill with its order, oldest first."""
        orders = {row["id"]: to_intent(row) for row in self._db.execute("SELECT * FROM intent")}
        fills = [to_fill(row) for row in self._db.execute("SELECT * FROM fill ORDER BY at_ms, rowid")]
        return [(orders[fill.identifier], fill) for fill in fills]

    def messages_about(self, trade_id: str) -> list[tuple[str, datetime, datetime | None]]:
        """Return kind, time of writing and time of delivery of the messages about a trade, oldest first."""
        query = "SELECT kind, created_ms, sent_ms FROM outbox WHERE instr(key, ?) > 0 ORDER BY seq"
        rows = self._db.execute(query, (trade_id,)).fetchall()
        return [(row["kind"], from_ms(row["created_ms"]), maybe_ms(row["sent_ms"])) for row in rows]

    def turns_of(self, ref: str) -> list[tuple[datetime, str, dict[str, Any]]]:
        """Return when a trade or an order changed, into what, and what was written beside it, oldest first."""
        rows = self._db.execute("SELECT at_ms, kind, data FROM event WHERE ref = ? ORDER BY seq", (ref,)).fetchall()
        return [(from_ms(row["at_ms"]), row["kind"], json.loads(row["data"])) for row in rows]

    def happened(self, after: int, limit: int) -> list[Happening]:
        """Return what was written down behind an event, oldest first; at most `limit`."""
        rows = self._db.execute("SELECT * FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)).fetchall()
        return [self._to_happening(row) for row in rows]

    def last_event(self) -> int:
        """Return the number of the newest event; 0 when there is none."""
        (last,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
        return int(last)

    def _to_happening(self, row: sqlite3.Row) -> Happening:
        query = "SELECT market FROM trade WHERE id = ? UNION SELECT market FROM intent WHERE id = ?"
        market = self._db.execute(query, (row["ref"], row["ref"])).fetchone()
        return Happening(
            seq=row["seq"],
            at=from_ms(row["at_ms"]),
            kind=row["kind"],
            ref=row["ref"],
            market=None if market is None else market["market"],
            data=json.loads(row["data"]),
        )

    def halt_words(self, code: str, moment: datetime) -> Halt | None:
        """Return the newest halt of a code that began at or before a moment; None when there is none."""
        query = "SELECT * FROM halt WHERE code = ? AND since_ms <= ? ORDER BY seq DESC LIMIT 1"
        row = self._db.execute(query, (code, to_ms(moment))).fetchone()
        return None if row is None else to_halt(row)

    @contextlib.contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let all questions of the block be answered as things are at one moment, whatever is written meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    def draw_of(self, market: str, moment: datetime) -> Draw | None:
        """Return the last draw at or before a moment that a market was drawn in; None when it is not kept."""
        if not self._has("draw"):
            return None
        query = "SELECT * FROM draw WHERE at_ms <= ? ORDER BY at_ms DESC, seq DESC LIMIT 200"
        found = (to_draw(row) for row in self._db.execute(query, (to_ms(moment),)))
        return next((draw for draw in found if market in draw.markets), None)

    def moved_coins(self) -> list[tuple[datetime, str, Flow]]:
        """Return when, in which market, and what came or went without an order, oldest first."""
        if not self._has("flow"):
            return []
        rows = self._db.execute("SELECT * FROM flow ORDER BY at_ms, seq").fetchall()
        return [(from_ms(row["at_ms"]), row["market"], to_flow(row)) for row in rows]

    def rests(self, moment: datetime) -> dict[str, Rest]:
        """Return the markets that were left alone at a moment, each with the longest of its rests."""
        if not self._has("rest"):
            return {}
        query = "SELECT * FROM rest WHERE at_ms <= ? AND until_ms > ? ORDER BY until_ms"
        return {row["market"]: to_rest(row) for row in self._db.execute(query, (to_ms(moment), to_ms(moment)))}

    def rests_of(self, market: str, begin: datetime, end: datetime) -> list[Rest]:
        """Return the rests of a market that began in a stretch of time, oldest first."""
        if not self._has("rest"):
            return []
        query = "SELECT * FROM rest WHERE market = ? AND at_ms >= ? AND at_ms < ? ORDER BY seq"
        return [to_rest(row) for row in self._db.execute(query, (market, to_ms(begin), to_ms(end)))]

    def starts_between(self, begin: datetime, end: datetime) -> list[datetime]:
        """Return when the daemon began to trade in a stretch of time, oldest first: it tells a person each time."""
        query = (
            "SELECT created_ms FROM outbox WHERE kind = 'started' AND created_ms >= ? AND created_ms < ? ORDER BY seq"
        )
        return [from_ms(row["created_ms"]) for row in self._db.execute(query, (to_ms(begin), to_ms(end)))]

    def last_draw(self, moment: datetime) -> Draw | None:
        """Return the last draw at or before a moment."""
        if not self._has("draw"):
            return None
        query = "SELECT * FROM draw WHERE at_ms <= ? ORDER BY at_ms DESC, seq DESC LIMIT 1"
        row = self._db.execute(query, (to_ms(moment),)).fetchone()
        return None if row is None else to_draw(row)

    def halts_at(self, moment: datetime) -> list[Halt]:
        """Return why trading stood still at a moment, oldest first."""
        if not self._has("halt"):
            return []
        query = "SELECT * FROM halt WHERE since_ms <= ? AND (ended_ms IS NULL OR ended_ms > ?) ORDER BY seq"
        return [to_halt(row) for row in self._db.execute(query, (to_ms(moment), to_ms(moment)))]

    def markets_open_at(self, moment: datetime) -> dict[str, bool]:
        """Return the markets with a trade at a moment, and whether anything was bought by then."""
        query = (
            "SELECT market, coalesce(opened_ms <= ?, 0) AS bought FROM trade "
            "WHERE decided_ms <= ? AND (closed_ms IS NULL OR closed_ms > ?)"
        )
        at = to_ms(moment)
        return {row["market"]: bool(row["bought"]) for row in self._db.execute(query, (at, at, at))}

    def ended_before(self, market: str, moment: datetime) -> datetime | None:
        """Return when the last trade of a market ended that had bought something; None when there is none."""
        query = "SELECT max(closed_ms) AS ended FROM trade WHERE phase = 'closed' AND market = ? AND closed_ms <= ?"
        row = self._db.execute(query, (market, to_ms(moment))).fetchone()
        return None if row["ended"] is None else from_ms(row["ended"])

    def names_of_orders(self) -> list[str]:
        """Return every name that leads to an order or a trade of the account: ours, and those of the exchange."""
        query = (
            "SELECT id FROM trade UNION SELECT id FROM intent UNION SELECT uuid FROM intent WHERE uuid IS NOT NULL "
            "UNION SELECT trade_uuid FROM fill"
        )
        return [name for (name,) in self._db.execute(query)]

    def told(self, newest: int) -> dict[str, list[dict[str, Any]]]:
        """Return the newest rows of the tables that say what happened, oldest first; no message's text."""
        questions = {
            "trade": "SELECT * FROM trade",
            "intent": "SELECT * FROM intent",
            "attempt": "SELECT id, k, kind, begun_ms, ended_ms, state, outcome, http, name FROM attempt",
            "fill": "SELECT * FROM fill",
            "event": "SELECT seq, at_ms, kind, ref, data FROM event WHERE kind <> 'meta'",
            "outbox": "SELECT seq, kind, created_ms, sent_ms, failed, tries FROM outbox",
        }
        return {
            table: [dict(row) for row in self._db.execute(f"{question} ORDER BY rowid DESC LIMIT ?", (newest,))][::-1]
            for table, question in questions.items()
        }

    def _has(self, table: str) -> bool:
        """Return whether there is such a table: a reader may look at the file of an older version."""
        (count,) = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return bool(count)


def to_look(row: sqlite3.Row, scan: Scan | None) -> Look:
    """Read when a look was, and of what."""
    minute, closed_at = from_ms(row["minute_ms"]), from_ms(row["closed_ms"])
    return Look(minute=minute, strategy=row["strategy"], closed_at=closed_at, scan=scan)


def to_rest(row: sqlite3.Row) -> Rest:
    """Read how long a market was left alone."""
    return Rest(market=row["market"], at=from_ms(row["at_ms"]), until=from_ms(row["until_ms"]), why=row["why"])


def to_draw(row: sqlite3.Row) -> Draw:
    """Read a draw."""
    drawn = tuple(json.loads(row["markets"]))
    return Draw(at=from_ms(row["at_ms"]), candidates=row["candidates"], free=row["free"], markets=drawn)


def form_of(row: sqlite3.Row) -> int:
    """Return how a row's verdicts were written down."""
    return int(row["form"]) if "form" in row.keys() else TEXT  # noqa: SIM118 - a row is no mapping


def from_text(packed: bytes) -> Scan:
    """Read verdicts of an older format: which gate failed first, and nothing of the others."""
    told: dict[str, dict[str, Any]] = json.loads(zlib.decompress(packed))
    return Scan(
        markets=list(told),
        gates=[],
        prices=[None if one.get("price") is None else Decimal(one["price"]) for one in told.values()],
        barred={
            market: {"code": one["gate"], "ko": one["gate"], "en": one["gate"]}
            for market, one in told.items()
            if one.get("gate")
        },
    )
