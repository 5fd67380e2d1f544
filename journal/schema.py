"""The tables, and how an older file becomes a current one.

Money is Decimal text and times are epoch milliseconds. The database itself refuses a second live order in a market, a
second meaning of an identifier, and a fill that is told twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import JournalForeign, JournalNewer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FIRST = """
CREATE TABLE trade (
    id TEXT PRIMARY KEY,
    market TEXT NOT NULL,
    strategy TEXT NOT NULL,
    unit_s INTEGER NOT NULL CHECK (unit_s > 0),
    phase TEXT NOT NULL CHECK (phase IN ('entering', 'holding', 'leaving', 'closed', 'abandoned')),
    decided_ms INTEGER NOT NULL,
    opened_ms INTEGER,
    closed_ms INTEGER,
    entry_reason TEXT NOT NULL,
    exit_reason TEXT,
    stop_distance TEXT,
    stop_price TEXT,
    highest_price TEXT,
    dust TEXT NOT NULL DEFAULT '0'
) STRICT;
CREATE UNIQUE INDEX one_open_trade_per_market ON trade(market) WHERE phase IN ('entering', 'holding', 'leaving');
CREATE INDEX trade_by_end ON trade(market, closed_ms);

CREATE TABLE intent (
    id TEXT PRIMARY KEY,
    decision_key TEXT NOT NULL,
    n INTEGER NOT NULL CHECK (n >= 0),
    trade_id TEXT NOT NULL REFERENCES trade(id),
    market TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('bid', 'ask')),
    request TEXT NOT NULL,
    total TEXT,
    decided_ms INTEGER NOT NULL,
    deadline_ms INTEGER,
    state TEXT NOT NULL CHECK (
        state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED', 'FINAL', 'REJECTED', 'ABANDONED')
    ),
    uuid TEXT UNIQUE,
    paid_fee TEXT NOT NULL DEFAULT '0',
    UNIQUE (decision_key, n)
) STRICT;
CREATE UNIQUE INDEX one_live_per_market ON intent(market) WHERE state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED');
CREATE INDEX intent_by_trade ON intent(trade_id);
CREATE INDEX intent_by_time ON intent(side, decided_ms);

CREATE TABLE attempt (
    id TEXT NOT NULL REFERENCES intent(id),
    k INTEGER NOT NULL,
    begun_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    state TEXT,
    outcome TEXT,
    http INTEGER,
    name TEXT,
    PRIMARY KEY (id, k)
) STRICT;

CREATE TABLE fill (
    trade_uuid TEXT PRIMARY KEY,
    id TEXT NOT NULL REFERENCES intent(id),
    price TEXT NOT NULL,
    volume TEXT NOT NULL,
    funds TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX fill_by_intent ON fill(id);

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    sent_ms INTEGER,
    failed TEXT,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_pending ON outbox(seq) WHERE sent_ms IS NULL AND failed IS NULL;

CREATE TABLE scan (
    minute_ms INTEGER PRIMARY KEY,
    strategy TEXT NOT NULL,
    closed_ms INTEGER NOT NULL,
    verdicts BLOB NOT NULL
) STRICT;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    data TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

HALTS = """
CREATE TABLE halt (
    seq INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('HALT_BUYS', 'HALTED')),
    ends TEXT NOT NULL CHECK (ends IN ('itself', 'person')),
    ko TEXT NOT NULL,
    en TEXT NOT NULL,
    evidence TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    ended_by TEXT
) STRICT;
CREATE UNIQUE INDEX one_standing_halt ON halt(code) WHERE ended_ms IS NULL;
"""

PROTOCOL = """
CREATE TABLE new_intent (
    id TEXT PRIMARY KEY,
    decision_key TEXT NOT NULL,
    n INTEGER NOT NULL CHECK (n >= 0),
    trade_id TEXT NOT NULL REFERENCES trade(id),
    market TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('bid', 'ask')),
    request TEXT NOT NULL,
    total TEXT,
    decided_ms INTEGER NOT NULL,
    deadline_ms INTEGER,
    state TEXT NOT NULL CHECK (
        state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED', 'FINAL', 'REJECTED', 'FENCED', 'ABANDONED')
    ),
    uuid TEXT UNIQUE,
    paid_fee TEXT NOT NULL DEFAULT '0',
    UNIQUE (decision_key, n)
) STRICT;
INSERT INTO new_intent SELECT * FROM intent ORDER BY rowid;
DROP TABLE intent;
ALTER TABLE new_intent RENAME TO intent;
CREATE UNIQUE INDEX one_live_per_market ON intent(market) WHERE state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED');
CREATE INDEX intent_by_trade ON intent(trade_id);
CREATE INDEX intent_by_time ON intent(side, decided_ms);

ALTER TABLE attempt ADD COLUMN kind TEXT NOT NULL DEFAULT 'real' CHECK (kind IN ('real', 'fence'));
ALTER TABLE attempt ADD COLUMN request TEXT;

CREATE TABLE flow (
    seq INTEGER PRIMARY KEY,
    trade_id TEXT NOT NULL REFERENCES trade(id),
    market TEXT NOT NULL,
    volume TEXT NOT NULL,
    why TEXT NOT NULL CHECK (why IN ('taken', 'carried')),
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX flow_by_trade ON flow(trade_id);
"""

WORTH = """
ALTER TABLE flow ADD COLUMN krw TEXT;
"""
"""What moved coins were worth then, KRW, with the sign of the volume; NULL while nobody knew."""

PROFIT = """
ALTER TABLE trade ADD COLUMN profit TEXT;
"""
"""What a trade that has ended counts for in the sum of all, KRW; NULL for others, and until an older file is opened."""

REASONS = """
ALTER TABLE scan ADD COLUMN prev_ms INTEGER;
ALTER TABLE scan ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
CREATE TABLE rest (
    seq INTEGER PRIMARY KEY,
    market TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    why TEXT NOT NULL
) STRICT;
CREATE INDEX rest_by_time ON rest(at_ms);
CREATE TABLE draw (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    candidates INTEGER NOT NULL,
    free INTEGER NOT NULL,
    markets TEXT NOT NULL
) STRICT;
CREATE INDEX draw_by_time ON draw(at_ms);
"""
"""Verdicts as frames (`journal/verdicts.py`), which may differ from the minute `prev_ms`; who was left alone, and why;
who was drawn."""

CARDS = """
ALTER TABLE outbox ADD COLUMN card TEXT;
CREATE TABLE card (id TEXT PRIMARY KEY, message_id TEXT NOT NULL) STRICT;
"""
"""Which messages are states of one card, and under which id the webhook keeps it: a later state edits the earlier."""

COMMANDS = """
CREATE TABLE command (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    codes TEXT NOT NULL,
    by TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    outcome TEXT
) STRICT;
"""
"""What a person has ordered, under the id of whoever asked; without an outcome it is still to be done."""

MIGRATIONS: tuple[str, ...] = (FIRST, HALTS, PROTOCOL, WORTH, PROFIT, REASONS, CARDS, COMMANDS)
"""Entry n turns format n into format n + 1. Entries are never changed, only added."""


OURS = frozenset({"trade", "intent", "attempt", "fill", "outbox", "scan", "event", "meta"})
"""Tables that every format has."""


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Leave the database of another program alone: one that has tables, and not ours.

    Raises:
        JournalForeign: it is one.
        JournalNewer: it is a journal of a newer format, which may have other tables.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > len(MIGRATIONS) and tables & OURS:
        raise JournalNewer(path, version, len(MIGRATIONS))
    if tables if version == 0 else not tables >= OURS:
        raise JournalForeign(path)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the current format, one transaction a step."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if 0 < version < len(MIGRATIONS):
        back_up(connection, path.with_name(f"{path.name}.format{version}.backup"))
    for step in range(version, len(MIGRATIONS)):
        script = f"BEGIN IMMEDIATE; {MIGRATIONS[step]} PRAGMA user_version = {step + 1}; COMMIT;"
        connection.executescript(script)


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Write a copy of the database; half a copy, of a process that was killed, is begun anew."""
    draft = target.with_name(f"{target.name}.draft")
    draft.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(draft),))
    draft.replace(target)
