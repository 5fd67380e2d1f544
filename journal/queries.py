"""What the journal can be asked: the same questions for the daemon that writes it and for those who only read."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from journal.errors import JournalBreach, JournalCorrupt, unopened
from journal.memory import remembered
from journal.records import ZERO, Counts, IntentState, Totals, WrittenOff
from journal.rows import (
    chain,
    from_ms,
    maybe_ms,
    paid_for_buy,
    to_attempt,
    to_command,
    to_fill,
    to_flow,
    to_halt,
    to_intent,
    to_ms,
    to_note,
    to_trade,
    total,
)
from journal.scans import Scans
from upbit.models import Side
from upbit.rules import base_of

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from journal.records import Attempt, Command, Fill, Flow, Halt, Intent, Note, Trade

REALISED, WEBHOOK = "realised", "webhook"
"""Facts the journal keeps: what ended trades have earned, and why no message arrives."""
YEAR_END = "year_end:"
"""Before a year of Korea: what the account held when it began, and at which prices (trader/guards/year_end.py)."""
BESIDE = "beside:"
"""Before a trade's name: how many of the same coins the account held besides those that were written off of it."""
GENESIS = b"\0" * 32
"""What the first event's hash is made of."""
OPEN = "('entering', 'holding', 'leaving')"
LIVE = f"({', '.join(f'{state.value!r}' for state in sorted(IntentState.live()))})"


class Queries(Scans):
    """Questions to an open journal. Sums are made of Decimals here, never by the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._answers: dict[str, tuple[tuple[int, ...], Any]] = {}
        tables = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self._has_flows = "flow" in tables  # a reader may look at the file of an older version

    def written(self) -> tuple[int, ...]:
        """Return numbers that change whenever the file does: by this connection, by another process."""
        return self._db.total_changes, self._db.execute("PRAGMA data_version").fetchone()[0]

    def intent(self, identifier: str) -> Intent:
        """Return one order."""
        row = self._db.execute("SELECT * FROM intent WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            raise JournalBreach(f"there is no order {identifier}")
        return to_intent(row)

    def intents_of(self, trade_id: str) -> list[Intent]:
        """Return the orders of a trade, oldest first."""
        rows = self._db.execute("SELECT * FROM intent WHERE trade_id = ? ORDER BY rowid", (trade_id,))
        return [to_intent(row) for row in rows]

    def order_in_hand(self, trade_id: str) -> Intent:
        """Return the order of a trade that may still execute, else its last; what was adopted may be written later."""
        intents = self.intents_of(trade_id)
        return ([intent for intent in intents if intent.state in IntentState.live()] or intents)[-1]

    @remembered
    def live_intents(self) -> list[Intent]:
        """Return the orders that may still execute, oldest first."""
        rows = self._db.execute(f"SELECT * FROM intent WHERE state IN {LIVE} ORDER BY rowid")  # noqa: S608 - constants
        return [to_intent(row) for row in rows]

    def known_intent(self, identifier: str) -> Intent | None:
        """Return the order of an identifier; None when the journal knows none."""
        row = self._db.execute("SELECT * FROM intent WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else to_intent(row)

    def newest_shown(self) -> str | None:
        """Return the identifier of the newest order the exchange has shown us; None when it never did."""
        row = self._db.execute("SELECT id FROM intent WHERE uuid IS NOT NULL ORDER BY rowid DESC").fetchone()
        return None if row is None else str(row["id"])

    def knows_trade(self, trade_id: str) -> bool:
        """Return whether there is a trade of that name."""
        return bool(self._count("SELECT count(*) FROM trade WHERE id = ?", trade_id))

    def open_trade_in(self, market: str) -> Trade | None:
        """Return the open trade of a market; None when there is none."""
        return next((trade for trade in self.open_trades() if trade.market == market), None)

    def rejections(self, market: str, since: datetime) -> int:
        """Return how many buys of a market the exchange has refused for good since then."""
        query = (
            "SELECT count(*) FROM intent WHERE market = ? AND state = 'REJECTED' AND side = 'bid' AND decided_ms >= ?"
        )
        return self._count(query, market, to_ms(since))

    def attempts(self, identifier: str) -> list[Attempt]:
        """Return the attempts of an order, oldest first."""
        return [
            to_attempt(row) for row in self._db.execute("SELECT * FROM attempt WHERE id = ? ORDER BY k", (identifier,))
        ]

    def fills_of(self, identifier: str) -> list[Fill]:
        """Return the fills of an order, as they were told."""
        return [
            to_fill(row) for row in self._db.execute("SELECT * FROM fill WHERE id = ? ORDER BY rowid", (identifier,))
        ]

    def fills_of_trade(self, trade_id: str, *sides: str) -> list[Fill]:
        """Return the fills of a trade's orders on one side or two, order by order."""
        query = (
            "SELECT fill.* FROM fill JOIN intent USING (id) WHERE trade_id = ? AND side IN (?, ?) "
            "ORDER BY intent.rowid, fill.rowid"
        )
        return [to_fill(row) for row in self._db.execute(query, (trade_id, sides[0], sides[-1]))]

    def executed_volume(self, identifier: str) -> Decimal:
        """Return how much of an order is known to have been executed."""
        rows = self._db.execute("SELECT volume FROM fill WHERE id = ?", (identifier,))
        return total(type(ZERO)(row["volume"]) for row in rows)

    def trade(self, trade_id: str) -> Trade:
        """Return one trade with the sums of its fills."""
        row = self._db.execute("SELECT * FROM trade WHERE id = ?", (trade_id,)).fetchone()
        if row is None:
            raise JournalBreach(f"there is no trade {trade_id}")
        return self._whole(row)

    def market_of_trade(self, trade_id: str) -> str | None:
        """Return the market of a trade; None when there is no such trade."""
        row = self._db.execute("SELECT market FROM trade WHERE id = ?", (trade_id,)).fetchone()
        return None if row is None else row["market"]

    @remembered
    def open_trades(self) -> list[Trade]:
        """Return the trades that have not ended, oldest first."""
        rows = self._db.execute(f"SELECT * FROM trade WHERE phase IN {OPEN} ORDER BY rowid")  # noqa: S608 - constants
        return [self._whole(row) for row in rows]

    def closed_trades(self, limit: int) -> list[Trade]:
        """Return the trades that bought and sold, newest first."""
        query = "SELECT * FROM trade WHERE phase = 'closed' ORDER BY closed_ms DESC, rowid DESC LIMIT ?"
        return [self._whole(row) for row in self._db.execute(query, (limit,))]

    def closed_between(self, begin: datetime, end: datetime) -> list[Trade]:
        """Return the trades that ended from `begin` on and before `end`, oldest first."""
        query = (
            "SELECT * FROM trade WHERE phase = 'closed' AND closed_ms >= ? AND closed_ms < ? ORDER BY closed_ms, rowid"
        )
        return [self._whole(row) for row in self._db.execute(query, (to_ms(begin), to_ms(end)))]

    def decided_between(self, begin: datetime, end: datetime) -> list[Trade]:
        """Return the trades that were decided from `begin` on and before `end`, oldest first; some bought nothing."""
        rows = self._db.execute(
            "SELECT * FROM trade WHERE decided_ms >= ? AND decided_ms < ? ORDER BY rowid", (to_ms(begin), to_ms(end))
        )
        return [self._whole(row) for row in rows]

    def held_at(self, moment: datetime) -> list[Trade]:
        """Return the trades that were decided before a moment and had not ended by then, oldest first."""
        query = "SELECT * FROM trade WHERE decided_ms < ? AND (closed_ms IS NULL OR closed_ms > ?) ORDER BY rowid"
        trades = [self._whole(row) for row in self._db.execute(query, (to_ms(moment), to_ms(moment)))]
        return [trade for trade in trades if trade.bought]

    def trades_in(self, market: str, since: datetime) -> list[Trade]:
        """Return the trades of a market that have bought something and were open at `since` or later, oldest first."""
        query = (
            "SELECT * FROM trade WHERE market = ? AND opened_ms IS NOT NULL AND (closed_ms IS NULL OR closed_ms >= ?) "
            "ORDER BY rowid"
        )
        return [self._whole(row) for row in self._db.execute(query, (market, to_ms(since)))]

    def realised(self) -> Decimal:
        """Return what all trades that have ended have earned, KRW."""
        kept = self.meta(REALISED)
        if kept is None:  # a reader may look at the file of an older version
            return total(trade.profit_krw for trade in self.closed_trades(-1))
        return type(ZERO)(kept)

    def _whole(self, row: sqlite3.Row) -> Trade:
        fills = self.fills_of_trade(row["id"], "bid", "ask")
        return to_trade(row, self.intents_of(row["id"]), fills, self._flows(row["id"]))

    def _flows(self, trade_id: str) -> list[Flow]:
        """Return what came to a trade and left it without an order, oldest first."""
        if not self._has_flows:
            return []
        return [
            to_flow(row) for row in self._db.execute("SELECT * FROM flow WHERE trade_id = ? ORDER BY seq", (trade_id,))
        ]

    def _moved(self, market: str) -> Decimal:
        """Return what came to a market's trades and left them without an order."""
        rows = self._db.execute("SELECT volume FROM flow WHERE market = ?", (market,))
        return total(type(ZERO)(row["volume"]) for row in rows)

    def _moved_markets(self) -> list[str]:
        if not self._has_flows:
            return []
        return [row["market"] for row in self._db.execute("SELECT DISTINCT market FROM flow ORDER BY market")]

    @remembered
    def last_exits(self) -> dict[str, datetime]:
        """Return when the last trade of each market ended."""
        rows = self._db.execute(
            "SELECT market, max(closed_ms) AS ended FROM trade WHERE phase = 'closed' GROUP BY market"
        )
        return {row["market"]: from_ms(row["ended"]) for row in rows}

    def position_volume(self, trade_id: str) -> Decimal:
        """Return what a trade holds: bought less sold."""
        volume = self.trade(trade_id).volume
        if volume < 0:
            raise JournalBreach(f"{trade_id} sold {-volume} more than it bought")
        return volume

    @remembered
    def dust(self) -> dict[str, Decimal]:
        """Return how many units of each market trades have left behind that could not be sold."""
        found: dict[str, Decimal] = {}
        for row in self._db.execute("SELECT market, dust FROM trade WHERE phase = 'closed' AND dust <> '0'"):
            found[row["market"]] = found.get(row["market"], ZERO) + type(ZERO)(row["dust"])
        return {market: dust for market, dust in found.items() if dust > 0}

    @remembered
    def written_off(self) -> dict[str, WrittenOff]:
        """Return what was found to be gone of each trade, and did not come again."""
        query = "SELECT substr(key, ?) AS trade_id, value FROM meta WHERE key LIKE ? ORDER BY key"
        rows = self._db.execute(query, (len(BESIDE) + 1, BESIDE + "%")).fetchall()
        return {row["trade_id"]: self._written_off(row["trade_id"], beside=type(ZERO)(row["value"])) for row in rows}

    def _written_off(self, trade_id: str, *, beside: Decimal) -> WrittenOff:
        query = "SELECT volume, at_ms FROM flow WHERE trade_id = ? AND why = 'taken'"
        rows = self._db.execute(query, (trade_id,)).fetchall()
        gone = -total(type(ZERO)(row["volume"]) for row in rows)
        return WrittenOff(volume=gone, beside=beside, at=from_ms(max(row["at_ms"] for row in rows)))

    def exposure(self) -> dict[str, Decimal]:
        """Return the won in each market's open trade: paid for it, or about to be."""
        return {trade.market: self._committed(trade) for trade in self.open_trades()}

    def _committed(self, trade: Trade) -> Decimal:
        return trade.cost_krw + total(promised for _, promised in self._paid_for_buys("trade_id = ?", trade.id))

    def spent_since(self, moment: datetime) -> Decimal:
        """Return the won spent on buys decided since `moment`; one whose outcome is unknown counts in full."""
        return total(paid + promised for paid, promised in self._paid_for_buys("decided_ms >= ?", to_ms(moment)))

    def spent_beside(self, moment: datetime) -> Decimal:
        """Return the won of buys that a wallet of `moment` may not show yet: later ones, and all that are under way."""
        buys = self._paid_for_buys(f"(decided_ms > ? OR state IN {LIVE})", to_ms(moment))
        return total(paid + promised for paid, promised in buys)

    def _paid_for_buys(self, which: str, value: object) -> list[tuple[Decimal, Decimal]]:
        """Return what each of some buys has cost, KRW, and what it may yet, while nothing of it is known."""
        buys = f"SELECT intent.*, fill.funds FROM intent LEFT JOIN fill USING (id) WHERE side = 'bid' AND {which}"  # noqa: S608 - ours
        found: dict[str, tuple[sqlite3.Row, Decimal | None]] = {}
        for row in self._db.execute(buys, (value,)):
            _, known = found.get(row["id"], (row, None))
            funds = None if row["funds"] is None else (known or ZERO) + type(ZERO)(row["funds"])
            found[row["id"]] = (row, funds)
        return [paid_for_buy(row, funds) for row, funds in found.values()]

    @remembered
    def fees(self) -> Decimal:
        """Return what all orders have cost in fees, KRW."""
        return total(type(ZERO)(row["paid_fee"]) for row in self._db.execute("SELECT paid_fee FROM intent"))

    def totals(self) -> Totals:
        """Return what all fills together did to the account: every order is read, so not while trading."""
        krw, fees, coins = ZERO, ZERO, dict[str, "Decimal"]()
        for row in self._db.execute("SELECT * FROM intent ORDER BY rowid").fetchall():
            intent = to_intent(row)
            sign = 1 if intent.side is Side.BID else -1
            fills = self.fills_of(intent.identifier)
            currency = base_of(intent.market)
            coins[currency] = coins.get(currency, ZERO) + sign * total(fill.volume for fill in fills)
            krw -= sign * total(fill.funds for fill in fills) + intent.paid_fee
            fees += intent.paid_fee
        moved = {base_of(market): self._moved(market) for market in self._moved_markets()}
        for currency, volume in moved.items():
            coins[currency] = coins.get(currency, ZERO) + volume
        return Totals(krw=krw, coins=coins, moved=moved, fees=fees, realised_pnl=self.realised())

    @remembered
    def counts(self) -> Counts:
        """Return how often what happened."""
        filled = "SELECT count(DISTINCT intent.id) FROM intent JOIN fill ON fill.id = intent.id WHERE side = ?"
        return Counts(
            buys=self._count(filled, "bid"),
            sells=self._count(filled, "ask"),
            rejected=self._count("SELECT count(*) FROM intent WHERE state = 'REJECTED'"),
            open_trades=self._count(f"SELECT count(*) FROM trade WHERE phase IN {OPEN}"),  # noqa: S608 - constants
            closed_trades=self._count("SELECT count(*) FROM trade WHERE phase = 'closed'"),
        )

    def _count(self, query: str, *values: object) -> int:
        (number,) = self._db.execute(query, values).fetchone()
        return int(number)

    def pending_notes(self, limit: int) -> list[Note]:
        """Return the oldest messages that are not delivered, in their order."""
        query = "SELECT * FROM outbox WHERE sent_ms IS NULL AND failed IS NULL ORDER BY seq LIMIT ?"
        return [to_note(row) for row in self._db.execute(query, (limit,))]

    def message_of(self, card: str) -> str | None:
        """Return under which id the webhook keeps a card; None when it was not sent yet."""
        row = self._db.execute("SELECT message_id FROM card WHERE id = ?", (card,)).fetchone()
        return None if row is None else str(row["message_id"])

    def waiting_notes(self) -> tuple[int, int]:
        """Return how many messages wait to be delivered, and how many Discord refused for good."""
        waiting = self._count("SELECT count(*) FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return waiting, self._count("SELECT count(*) FROM outbox WHERE failed IS NOT NULL")

    @remembered
    def standing_halts(self) -> list[Halt]:
        """Return why trading stands still now, oldest first; nothing when it does not."""
        if not self._count("SELECT count(*) FROM sqlite_master WHERE name = 'halt'"):
            return []  # a reader may look at the file of an older version
        rows = self._db.execute("SELECT * FROM halt WHERE ended_ms IS NULL ORDER BY seq")
        return [to_halt(row) for row in rows]

    def command(self, command_id: str) -> Command | None:
        """Return the command of an id; None when it was never taken."""
        row = self._db.execute("SELECT * FROM command WHERE id = ?", (command_id,)).fetchone()
        return None if row is None else to_command(row)

    @remembered
    def ordered_sales(self) -> frozenset[str]:
        """Return the trades that have not ended and that a person has ordered to be sold."""
        query = f"""
            SELECT trade.id FROM trade, command
            WHERE command.name = 'sell' AND command.outcome = 'done'
            AND command.codes = json_array(trade.id) AND trade.phase IN {OPEN}
        """  # noqa: S608 - constants
        return frozenset(row["id"] for row in self._db.execute(query))

    def commands_in_hand(self) -> list[Command]:
        """Return the commands that were taken and are not done, oldest first."""
        return [
            to_command(row)
            for row in self._db.execute("SELECT * FROM command WHERE outcome IS NULL ORDER BY rowid").fetchall()
        ]

    def meta(self, key: str) -> str | None:
        """Return one fact about the journal itself."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row["value"])

    def imported_until(self) -> datetime | None:
        """Return until when the exchange's orders were compared with the journal; None when they never were."""
        told = self.meta("imported_ms")
        return None if told is None else from_ms(int(told))

    def check(self, path: Path) -> tuple[bytes, datetime | None]:
        """Check the file and the chain of its events; return hash and time of the last one. `path` is for the sentence.

        Raises:
            JournalError: it is damaged, was changed, or cannot be read.
        """
        last, at_ms = GENESIS, None
        try:
            (answer,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise JournalCorrupt(path, answer)
            for row in self._db.execute("SELECT * FROM event ORDER BY seq"):
                at_ms = row["at_ms"]
                last = chain(last, at_ms, row["kind"], row["ref"], row["data"])
                if last != row["hash"]:
                    raise JournalCorrupt(path, f"event {row['seq']} was changed")
        except sqlite3.DatabaseError as error:
            raise unopened(path, error) from error
        return last, maybe_ms(at_ms)

    def copy_into(self, copy: sqlite3.Connection) -> None:
        """Copy everything into another database, as it is at this moment."""
        self._db.backup(copy)
