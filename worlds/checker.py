"""Holds a world to what we promise (I1 to I20), from outside: the exchange's own books against the journal's file.

Nothing here calls the journal's code: it reads the file, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.exchange import Exchange
    from sandbox.orders import Fill, Order
    from worlds.story import Story

PREFIX = "ub1-"
ZERO = Decimal(0)
FALSE_ALARMS = frozenset({"wrong_answer", "second_instance", "unknown_order", "order_differs"})
DUST_KRW = Decimal(5_000)
"""What is worth less cannot be sold: a rest of that size does not forbid the next buy."""


class Books:
    """A journal's file, read only."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._db.row_factory = sqlite3.Row

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds; nothing while the tables are not there yet."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def live(self) -> list[tuple[str, str]]:
        """Return (identifier, state) of the orders that may still execute."""
        found = self.rows("SELECT id, state FROM intent WHERE state IN ('PLANNED', 'SENT', 'UNKNOWN', 'ACCEPTED')")
        return [(row["id"], row["state"]) for row in found]

    def state(self, identifier: str) -> str | None:
        """Return the state of one order."""
        return next((row["state"] for row in self.rows("SELECT state FROM intent WHERE id = ?", identifier)), None)

    def attempts(self, identifier: str) -> int:
        """Return how often one order was about to be sent."""
        return int(self.rows("SELECT count(*) AS n FROM attempt WHERE id = ?", identifier)[0]["n"])


def is_ours(order: Order) -> bool:
    """Return whether the bot placed an order."""
    return (order.asked.identifier or "").startswith(PREFIX)


def decision_of(identifier: str) -> str:
    """Return what an identifier decides, whatever its number: two orders for one decision are one too many."""
    return identifier.rsplit("-", 1)[0]


class Checker:
    """A listener of the exchange that breaks no promise itself. `external` is what a person moved, by market."""

    def __init__(self, exchange: Exchange, story: Story, *, caps: dict[str, Any]) -> None:
        self._exchange = exchange
        self._story = story
        self._caps = caps
        self.books: Books | None = None
        self.external: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # coins of ours a person sold, by market
        self.orders = self.fills = 0
        self._known: set[str] = set()
        self.received: Counter[str] = Counter()  # embeds Discord took
        exchange.listeners.append(self)

    # -- while it runs

    def on_post(self, body: dict[str, object]) -> None:
        """I2: whatever reaches the exchange was durable in the journal before."""
        identifier = str(body.get("identifier"))
        self._story.tell("exchange", "order arrives", **{name: str(value) for name, value in sorted(body.items())})
        if not identifier.startswith(PREFIX):
            self._story.breach("I2 an order without our identifier", identifier=identifier)
        elif self.books is None or not self.books.attempts(identifier):
            self._story.breach("I2 sent before it was written down", identifier=identifier)

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Look at every event of every order."""
        if not is_ours(order):
            return
        facts: dict[str, Any] = {"identifier": order.asked.identifier}
        if fill is not None:
            self.fills += 1
            facts |= {"price": str(fill.price), "volume": str(fill.volume)}
        self._story.tell("exchange", f"order {event}", **facts)
        if order.uuid not in self._known:
            self._known.add(order.uuid)
            self.orders += 1
            self._on_new(order)
        if fill is not None:
            self._never_sells_more(order)
            self._never_given_up(order)

    def on_assets(self, *_: object) -> None:
        """Nothing is said about balances alone."""

    def _on_new(self, order: Order) -> None:
        decision = decision_of(str(order.asked.identifier))
        mine = [one for one in self._ours() if decision_of(str(one.asked.identifier)) == decision and one is not order]
        if any(one.executed_volume or one.open for one in mine):
            self._story.breach("I1 two orders for one decision", identifier=order.asked.identifier)
        if order.asked.side == "bid" and not self._is_fence(order):
            self._single_exposure(order)

    @staticmethod
    def _is_fence(order: Order) -> bool:
        return order.asked.ord_type == "limit" and order.asked.time_in_force == "ioc"

    def _ours(self) -> list[Order]:
        return [order for order in self._exchange.orders.values() if is_ours(order)]

    def position(self, market: str, besides: Order | None = None) -> Decimal:
        """Return what the bot's own fills hold of a market, as the exchange knows them."""
        signs = {"bid": 1, "ask": -1}
        ours = (one for one in self._ours() if one.asked.market == market and one is not besides)
        return sum((signs[one.asked.side] * one.executed_volume for one in ours), ZERO) - self.external[market]

    def _single_exposure(self, order: Order) -> None:
        """I5, I9: never two open buys for one market, never more open trades or won than allowed."""
        market = order.asked.market
        assert order.asked.price is not None
        if order.asked.price > self._caps["order_krw"]:
            self._story.breach("I9 more than an order may spend", identifier=order.asked.identifier)
        held = {one.asked.market for one in self._ours() if one is not order and one.asked.side == "bid" and one.open}
        held |= {name for name in self._exchange.markets if self._worth(name, order) >= DUST_KRW}
        if market in held:
            self._story.breach("I5 a second buy of a market that is held", identifier=order.asked.identifier)
        if len(held | {market}) > self._caps["max_open_trades"]:
            self._story.breach("I9 more open trades than allowed", identifier=order.asked.identifier)

    def _worth(self, market: str, besides: Order) -> Decimal:
        volume = self.position(market, besides)
        if volume <= 0:
            return ZERO
        bids = self._exchange.venue.book(market).bids
        return volume * bids[0].price if bids else ZERO

    def _never_sells_more(self, order: Order) -> None:
        if order.asked.side == "ask" and self.position(order.asked.market) + self.external[order.asked.market] < 0:
            self._story.breach("I8 sells what it did not buy", identifier=order.asked.identifier)

    def _never_given_up(self, order: Order) -> None:
        """I10: what executes is what the journal still holds for possible."""
        identifier = str(order.asked.identifier)
        state = self.books.state(identifier) if self.books is not None else None
        if state in {"PLANNED", "REJECTED", "FENCED", "ABANDONED"}:
            self._story.breach("I10 executed after it was given up", identifier=identifier, state=state)

    def on_message(self, message: dict[str, Any]) -> None:
        """Take notice of what Discord took."""
        for embed in message.get("embeds") or []:
            self.received[json.dumps(embed, sort_keys=True)] += 1

    # -- at rest

    def at_rest(self, books: Books, *, repeats: int) -> None:
        """Compare everything, once nothing is under way any more."""
        self._nothing_live(books)
        for order in self._ours():
            self._same_fills(order, books)
        self._nothing_invented(books)
        self._positions(books)
        self._messages(books, repeats)
        self._halts(books)

    def _halts(self, books: Books) -> None:
        """A halt must have a cause: nothing that happens in a world is a second daemon or an order of somebody else."""
        for row in books.rows("SELECT code, evidence FROM halt"):
            self._story.tell("journal", "halt", code=row["code"])
            if row["code"] in FALSE_ALARMS:
                self._story.breach("a halt without a cause", code=row["code"], evidence=row["evidence"])

    def _nothing_live(self, books: Books) -> None:
        for identifier, state in books.live():
            self._story.breach("I19 an order is still in doubt", identifier=identifier, state=state)

    def _same_fills(self, order: Order, books: Books) -> None:
        """I6: every order is known, and its fills are the exchange's fills, to the last decimal."""
        identifier = str(order.asked.identifier)
        if books.state(identifier) is None:
            self._story.breach("I17 the journal does not know an order", identifier=identifier)
            return
        rows = books.rows("SELECT trade_uuid, price, volume, funds FROM fill WHERE id = ?", identifier)
        names = ("price", "volume", "funds")
        journal = {row["trade_uuid"]: tuple(Decimal(row[name]) for name in names) for row in rows}
        exchange = {fill.uuid: (fill.price, fill.volume, fill.funds) for fill in order.fills}
        if journal != exchange:
            self._story.breach("I6 fills differ", identifier=identifier, journal=len(journal), exchange=len(exchange))
        fee = Decimal(books.rows("SELECT paid_fee FROM intent WHERE id = ?", identifier)[0]["paid_fee"])
        if order.fills and fee != order.paid_fee:
            self._story.breach("I6 fees differ", identifier=identifier)

    def _nothing_invented(self, books: Books) -> None:
        known = {fill.uuid for order in self._ours() for fill in order.fills}
        for row in books.rows("SELECT trade_uuid, id FROM fill"):
            if row["trade_uuid"] not in known:
                self._story.breach("I6 a fill the exchange does not know", identifier=row["id"])

    def _positions(self, books: Books) -> None:
        """I7: what the journal still holds, and what ended as dust, is what the bot's fills left at the exchange."""
        for market in self._exchange.markets:
            signs = {"bid": 1, "ask": -1}
            query = "SELECT intent.side, fill.volume FROM fill JOIN intent USING (id) WHERE intent.market = ?"
            journal = sum((signs[row["side"]] * Decimal(row["volume"]) for row in books.rows(query, market)), ZERO)
            if journal != self.position(market) + self.external[market]:
                self._story.breach("I7 positions differ", market=market)
            if journal < 0:
                self._story.breach("I7 a negative position", market=market)

    def _messages(self, books: Books, repeats: int) -> None:
        """I18: every message was delivered, and at most once and once more for each crash or lost answer."""
        wanted: Counter[str] = Counter()
        for row in books.rows("SELECT body, sent_ms, failed FROM outbox"):
            if row["sent_ms"] is None:
                self._story.breach("I18 a message was not delivered", failed=row["failed"])
            for embed in json.loads(row["body"]).get("embeds") or []:
                wanted[json.dumps(embed, sort_keys=True)] += 1
        if lost := wanted - self.received:
            self._story.breach("I18 a message never arrived", count=lost.total())
        if (twice := (self.received - wanted).total()) > repeats:
            self._story.breach("I18 messages arrived too often", count=twice, allowed=repeats)
