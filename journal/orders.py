"""What the journal is told about orders: planned, sent, doubted, seen, filled, over."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from journal.errors import JournalBreach
from journal.profits import Profits
from journal.records import EDGES, IntentState
from journal.rows import to_ms, to_text
from journal.store import urgent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from journal.records import Intent, Note
    from upbit.models import Fill as ExchangeFill


log = logging.getLogger("journal.orders")


class Orders(Profits):
    """Writes orders, their attempts and their fills."""

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

    def _move(self, identifier: str, state: IntentState, **data: object) -> None:
        """Take an order along a legal edge, with its event."""
        before = self.intent(identifier).state
        if state not in EDGES[before]:
            raise JournalBreach(f"{identifier} cannot go from {before} to {state}")
        self._db.execute("UPDATE intent SET state = ? WHERE id = ?", (state, identifier))
        self._event("intent", identifier, state=state, **data)

    @urgent
    def begin_attempt(self, identifier: str, kind: str = "real", request: str | None = None) -> None:
        """Write that an order, or with `kind` and `request` its fence, is about to be sent: before its first byte."""
        with self._transaction():
            self._move(identifier, IntentState.SENT, sending=kind, request=request)
            self._db.execute(
                "INSERT INTO attempt (id, k, begun_ms, kind, request) SELECT ?, count(*), ?, ?, ? FROM attempt"
                " WHERE id = ?",
                (identifier, self._now_ms(), kind, request, identifier),
            )

    @urgent
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
                (self._now_ms(), state, outcome, http, name and self.redact(name), identifier),
            )
            if uuid is not None:
                self._note_uuid(identifier, uuid)

    @urgent
    def see(self, identifier: str, state: IntentState, uuid: str, notes: Iterable[Note] = ()) -> None:
        """Write that a doubtful order, or the fence in its place, was seen at the exchange."""
        with self._transaction():
            self._move(identifier, state, uuid=uuid)
            self._note_uuid(identifier, uuid)
            self._insert_notes(notes)

    def _note_uuid(self, identifier: str, uuid: str) -> None:
        """Keep a UUID unless another order has it: then one of them was told wrongly, and each has its name."""
        self._db.execute("UPDATE OR IGNORE intent SET uuid = ? WHERE id = ?", (uuid, identifier))

    @urgent
    def never(self, identifier: str) -> None:
        """Write that a doubtful order does not exist, because a person has looked; its identifier is used up."""
        with self._transaction():
            self._move(identifier, IntentState.FENCED, by="person")

    @urgent
    def abandon(self, identifier: str, why: str) -> None:
        """Write that an order that was never sent never will be."""
        with self._transaction():
            self._move(identifier, IntentState.ABANDONED, why=why)

    def _insert_fills(self, identifier: str, fills: Iterable[ExchangeFill], paid_fee: Decimal) -> int:
        fresh = [row for row in self._fill_rows(identifier, fills) if not self._knows_fill(row)]
        fee = max(paid_fee, self.intent(identifier).paid_fee)
        if fresh or fee > self.intent(identifier).paid_fee:
            self._db.executemany("INSERT INTO fill VALUES (?, ?, ?, ?, ?, ?)", fresh)
            self._db.execute("UPDATE intent SET paid_fee = ? WHERE id = ?", (to_text(fee), identifier))
            self._event("fill", identifier, fills=fresh, paid_fee=fee)
            self._settle(self.intent(identifier).trade_id)
        return len(fresh)

    def _fill_rows(self, identifier: str, fills: Iterable[ExchangeFill]) -> list[tuple[object, ...]]:
        now = self._now_ms()
        rows = {
            fill.uuid: (
                fill.uuid,
                identifier,
                to_text(fill.price),
                to_text(fill.volume),
                to_text(fill.notional),
                now,
            )
            for fill in fills
        }
        return list(rows.values())

    def _knows_fill(self, row: tuple[object, ...]) -> bool:
        """Return whether a fill is written already. What two looks have shown of it stays, whatever is told later."""
        known = self._db.execute("SELECT * FROM fill WHERE trade_uuid = ?", (row[0],)).fetchone()
        if known is not None and tuple(known)[:-1] != row[:-1]:
            log.warning("fill told otherwise known=%s told=%s", tuple(known)[:-1], row[:-1])
        return known is not None

    @urgent
    def correct_fee(self, identifier: str, paid_fee: Decimal) -> None:
        """Write what a final order has cost in fees, by the word of two answers that agree."""
        with self._transaction():
            self._db.execute("UPDATE intent SET paid_fee = ? WHERE id = ?", (to_text(paid_fee), identifier))
            self._event("fee", identifier, paid_fee=paid_fee)
            self._settle(self.intent(identifier).trade_id)

    @urgent
    def finish(self, identifier: str) -> None:
        """Write that nothing more can happen to an order."""
        with self._transaction():
            self._move(identifier, IntentState.FINAL)
