"""What the journal is told about trades: begun, held, left, ended, and what moved without us."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.errors import JournalBreach, require
from journal.orders import Orders
from journal.queries import BESIDE
from journal.records import ZERO, Flow, IntentState, Phase
from journal.rows import canonical, from_ms, to_ms, to_text
from journal.store import urgent
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from journal.records import Intent, Note, Trade
    from upbit.models import Fill as ExchangeFill


class Trades(Orders):
    """Writes trades."""

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

    @urgent
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
            self._phase(trade_id, Phase.HOLDING, stop_price=to_text(stop_price), at=opened_at.isoformat())
            self._db.execute(
                "UPDATE trade SET opened_ms = ?, stop_price = ?, highest_price = ? WHERE id = ?",
                (to_ms(opened_at), to_text(stop_price), to_text(highest_price), trade_id),
            )
            self._carry_dust(trade_id)
            self._insert_notes(notes)

    def _carry_dust(self, trade_id: str) -> None:
        """Let what earlier trades of the market could not sell be sold with this one."""
        market = self._db.execute("SELECT market FROM trade WHERE id = ?", (trade_id,)).fetchone()["market"]
        query = "SELECT id, dust FROM trade WHERE market = ? AND phase = 'closed' AND dust <> '0' AND id <> ?"
        for row in self._db.execute(query, (market, trade_id)).fetchall():
            if not Decimal(row["dust"]):
                continue
            self._carry(row["id"], trade_id, market, Decimal(row["dust"]))
            self._db.execute("UPDATE trade SET dust = '0' WHERE id = ?", (row["id"],))

    def _carry(self, source: str, target: str, market: str, volume: Decimal) -> None:
        self._flow(source, market, Flow(volume=-volume, krw=None, why="carried"))
        self._flow(target, market, Flow(volume=volume, krw=None, why="carried"))

    def _flow(self, trade_id: str, market: str, flow: Flow) -> None:
        self._db.execute(
            "INSERT INTO flow (trade_id, market, volume, krw, why, at_ms) VALUES (?, ?, ?, ?, ?, ?)",
            (trade_id, market, to_text(flow.volume), to_text(flow.krw), flow.why, self._now_ms()),
        )
        self._event("flow", trade_id, volume=flow.volume, krw=flow.krw, why=flow.why)
        self._settle(trade_id)

    @urgent
    def record_fills(self, identifier: str, fills: Iterable[ExchangeFill], paid_fee: Decimal) -> int:
        """Write the fills that are new, and the fee so far, which only grows; return how many fills were new.

        A sale of more than was asked for is one of another daemon, under the same name: it sold coins we do not hold.
        """
        with self._transaction():
            fresh = self._insert_fills(identifier, fills, paid_fee)
            intent = self.intent(identifier)
            asked = Decimal(json.loads(intent.request).get("volume") or 0)
            if intent.side is Side.ASK and sum(fill.volume for fill in self.fills_of(identifier)) > asked:
                self._explain(self.trade(intent.trade_id))
            return fresh

    def _explain(self, trade: Trade) -> None:
        """Write off coins that a trade sold and never held: they came from elsewhere, and are not its profit."""
        if trade.volume < 0:
            given = -trade.volume * trade.proceeds_krw / trade.sold
            self._flow(trade.id, trade.market, Flow(volume=-trade.volume, krw=given, why="taken"))

    @urgent
    def take_out(
        self,
        trade_id: str,
        volume: Decimal,
        notes: Sequence[Note] = (),
        *,
        price: Decimal | None,
        beside: Decimal = ZERO,
    ) -> None:
        """Write that coins of a trade have left the account without us: they are not ours to sell any more.

        Args:
            trade_id: the trade.
            volume: units, at most what it holds.
            notes: messages about it.
            price: KRW per unit at which they count as withdrawn; None: nobody knows, they count as what they cost.
            beside: units of the coin that were in the account besides ours, by which what is gone is known again.
        """
        trade = self.trade(trade_id)
        require(0 < volume <= trade.volume, f"{trade_id} holds {trade.volume}, so {volume} cannot have left it")
        with self._transaction():
            krw = None if price is None else -volume * price
            self._flow(trade_id, trade.market, Flow(volume=-volume, krw=krw, why="taken"))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (BESIDE + trade_id, to_text(beside)))
            self._insert_notes(notes)

    @urgent
    def give_back(self, trade_id: str, notes: Sequence[Note] = ()) -> None:
        """Write that all coins of a trade that were written off are there after all.

        The trade holds them again with the stop it had; as dust of the one that is open in its place, if there is one.
        """
        with self._transaction():
            trade = self.trade(trade_id)
            other, away = self.open_trade_in(trade.market), self.written_off()[trade_id].volume
            self._flow(trade_id, trade.market, Flow(volume=away, krw=trade.taken_krw, why="taken"))
            self._db.execute("DELETE FROM meta WHERE key = ?", (BESIDE + trade_id,))
            if other is None:
                self._db.execute("UPDATE trade SET exit_reason = NULL WHERE id = ?", (trade_id,))
                self._hold_adopted(trade, trade.decided_at)
            elif other.id != trade_id:
                self._db.execute("UPDATE trade SET dust = ? WHERE id = ?", (to_text(trade.dust + away), trade_id))
                self._carry_dust(other.id)
            self._insert_notes(notes)

    @urgent
    def lose_dust(self, market: str, volume: Decimal) -> None:
        """Write that so much dust of a market is not in the account any more; the oldest goes first."""
        query = "SELECT id, dust FROM trade WHERE market = ? AND phase = 'closed' AND dust <> '0' ORDER BY closed_ms"
        with self._transaction():
            for row in self._db.execute(query, (market,)).fetchall():
                dust = Decimal(row["dust"])
                gone = min(dust, volume)
                if gone <= 0:
                    continue
                volume -= gone
                self._db.execute("UPDATE trade SET dust = ? WHERE id = ?", (to_text(dust - gone), row["id"]))
                self._flow(row["id"], market, Flow(volume=-gone, krw=None, why="taken"))

    @urgent
    def adopt(
        self, trade: Trade, intent: Intent, fills: Iterable[ExchangeFill], paid_fee: Decimal, notes: Sequence[Note]
    ) -> None:
        """Write down an order of ours, over and done, that the journal did not know, under a trade it may not know.

        A sale of more than the trade holds is explained by coins that came from elsewhere.
        """
        with self._transaction():
            if not self.knows_trade(trade.id):
                self._insert_trade(trade)
                self._event("trade", trade.id, phase=trade.phase, reason=trade.entry_reason)
            self._insert_intent(intent)
            self._complete(intent, intent.uuid, fills, paid_fee)
            self._insert_notes(notes)

    @urgent
    def see_after_all(
        self, intent: Intent, uuid: str, fills: Iterable[ExchangeFill], paid_fee: Decimal, notes: Sequence[Note]
    ) -> None:
        """Write that the exchange has executed an order that, by all it documents, it never could."""
        with self._transaction():
            self._move(intent.identifier, IntentState.FINAL, uuid=uuid, after_all=True)
            self._complete(intent, uuid, fills, paid_fee)
            self._insert_notes(notes)

    @urgent
    def take_in_difference(self, intent: Intent, fills: Iterable[ExchangeFill], paid_fee: Decimal) -> None:
        """Write what the exchange shows of an order besides what was final; its trade holds again what that leaves."""
        with self._transaction():
            self._insert_fills(intent.identifier, fills, paid_fee)
            self._explain(self.trade(intent.trade_id))
            trade, other = self.trade(intent.trade_id), self.open_trade_in(intent.market)
            if any(one.state in IntentState.live() for one in self.intents_of(trade.id)):
                return  # whoever follows that one goes on with the trade
            is_open = other is not None and other.id == trade.id
            if trade.volume > 0 and other is None:
                self._hold_adopted(trade, intent.decided_at)
            elif trade.volume <= 0 and is_open:
                self._end_adopted(trade, from_ms(self._now_ms()))
            elif not is_open:
                self._db.execute("UPDATE trade SET dust = ? WHERE id = ?", (to_text(trade.volume), trade.id))

    def _complete(self, intent: Intent, uuid: str | None, fills: Iterable[ExchangeFill], paid_fee: Decimal) -> None:
        """Write what an order did that nobody here followed, and let its trade hold, or end with, what that left."""
        self._db.execute("UPDATE intent SET uuid = ? WHERE id = ?", (uuid, intent.identifier))
        self._insert_fills(intent.identifier, fills, paid_fee)
        self._explain(self.trade(intent.trade_id))
        trade, other = self.trade(intent.trade_id), self.open_trade_in(intent.market)
        if any(one.state in IntentState.live() for one in self.intents_of(trade.id)):
            return  # whoever follows that one goes on with the trade
        if trade.volume <= 0 or (other is not None and other.id != trade.id):
            self._end_adopted(trade, intent.decided_at)
        else:
            self._hold_adopted(trade, intent.decided_at)
        if other is not None and other.id != trade.id and other.phase is not Phase.ENTERING:
            self._carry_dust(other.id)

    def _end_adopted(self, trade: Trade, at: datetime) -> None:
        self._phase(trade.id, Phase.CLOSED, why="adopted")
        self._db.execute(
            "UPDATE trade SET closed_ms = ?, dust = ? WHERE id = ?", (to_ms(at), to_text(trade.volume), trade.id)
        )

    def _hold_adopted(self, trade: Trade, at: datetime) -> None:
        if trade.phase not in {Phase.HOLDING, Phase.LEAVING}:
            self._phase(trade.id, Phase.HOLDING, why="adopted")
        self._db.execute(
            "UPDATE trade SET opened_ms = coalesce(opened_ms, ?), closed_ms = NULL, dust = '0' WHERE id = ?",
            (to_ms(at), trade.id),
        )
        self._carry_dust(trade.id)

    @urgent
    def set_stop(self, trade_id: str, stop_price: Decimal) -> None:
        """Write a stop of a trade that had none because nobody knew it any more."""
        with self._transaction():
            self._db.execute("UPDATE trade SET stop_price = ? WHERE id = ?", (to_text(stop_price), trade_id))
            self._event("stop", trade_id, stop_price=stop_price)

    def raise_highest(self, trade_id: str, price: Decimal) -> None:
        """Write the highest price since the entry."""
        update = "UPDATE trade SET highest_price = ? WHERE id = ?"
        self._or_drop("the highest price", lambda: self._db.execute(update, (to_text(price), trade_id)))

    @urgent
    def leave(self, trade_id: str, reason: Mapping[str, object], intent: Intent) -> bool:
        """Write why a trade is sold, and its sell; False, and nothing written, when its market has a live order."""
        try:
            with self._transaction():
                self._phase(trade_id, Phase.LEAVING, reason=dict(reason))
                self._db.execute("UPDATE trade SET exit_reason = ? WHERE id = ?", (canonical(reason), trade_id))
                self._insert_intent(intent)
        except sqlite3.IntegrityError:
            return False
        return True

    @urgent
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
            self._phase(trade_id, Phase.CLOSED, dust=dust)
            self._db.execute(
                "UPDATE trade SET closed_ms = ?, dust = ?, exit_reason = coalesce(exit_reason, ?) WHERE id = ?",
                (to_ms(closed_at), to_text(dust), canonical(reason) if reason else None, trade_id),
            )
            self._insert_notes(notes)

    @urgent
    def abandon_trade(self, trade_id: str, why: str, notes: Sequence[Note] = ()) -> None:
        """Write that a trade ended before it bought anything."""
        with self._transaction():
            self._phase(trade_id, Phase.ABANDONED, why=why)
            self._db.execute("UPDATE trade SET closed_ms = ? WHERE id = ?", (self._now_ms(), trade_id))
            self._insert_notes(notes)

    def _phase(self, trade_id: str, phase: Phase, **data: object) -> None:
        changed = self._db.execute("UPDATE trade SET phase = ? WHERE id = ?", (phase, trade_id)).rowcount
        if changed != 1:
            raise JournalBreach(f"there is no trade {trade_id}")
        self._event("trade", trade_id, phase=phase, **data)
        self._settle(trade_id)
