"""The verdict on a world at rest: the exchange's own books against the journal's file, to the last decimal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.judges.books import SIGNS, ZERO
from worlds.judges.dust import forgotten_dust
from worlds.judges.two_daemons import BESIDE_ANOTHER

if TYPE_CHECKING:
    from sandbox.exchange.orders import Order
    from worlds.judges.books import Books
    from worlds.judges.checker import Checker

FALSE_ALARMS = frozenset({"wrong_answer", "order_differs"})


class Verdict:
    """Compares what a checker has seen with what a journal says, once nothing is under way any more."""

    def __init__(self, checker: Checker, books: Books) -> None:
        self._checker = checker
        self._books = books
        self._story = checker.story

    def give(self, *, repeats: int) -> None:
        """Tell every broken promise. `repeats`: how often a message may have arrived once more."""
        self._nothing_live()
        for order in self._checker.ours():
            self._same_fills(order)
        self._nothing_invented()
        self._positions()
        self._dust()
        self._messages(repeats)
        self._halts()
        self._checker.side.at_end()

    def _halts(self) -> None:
        """A halt must have a cause: there must have been another daemon, or a journal that was lost, to halt on one."""
        for row in self._books.rows("SELECT code, evidence FROM halt"):
            self._story.tell("journal", "halt", code=row["code"])
            if row["code"] in FALSE_ALARMS or (row["code"] in BESIDE_ANOTHER and not self._checker.beside_another):
                self._story.breach("I24 a halt without a cause", code=row["code"], evidence=row["evidence"])

    def _nothing_live(self) -> None:
        for identifier, state in self._books.live():
            self._story.breach("I19 an order is still in doubt", identifier=identifier, state=state)

    def _same_fills(self, order: Order) -> None:
        """I6: every order is known, and its fills are the exchange's fills, to the last decimal."""
        identifier = str(order.asked.identifier)
        if self._books.state(identifier) is None:
            if self._checker.beside_another and not order.executed_volume:
                return  # nothing is adopted that bought and sold nothing
            self._story.breach("I17 the journal does not know an order", identifier=identifier)
            return
        rows = self._books.rows("SELECT trade_uuid, price, volume, funds FROM fill WHERE id = ?", identifier)
        names = ("price", "volume", "funds")
        journal = {row["trade_uuid"]: tuple(Decimal(row[name]) for name in names) for row in rows}
        exchange = {fill.uuid: (fill.price, fill.volume, fill.funds) for fill in order.fills}
        if journal != exchange:
            self._story.breach("I6 fills differ", identifier=identifier, journal=len(journal), exchange=len(exchange))
        fee = Decimal(self._books.rows("SELECT paid_fee FROM intent WHERE id = ?", identifier)[0]["paid_fee"])
        if order.fills and fee != order.paid_fee:
            self._story.breach("I6 fees differ", identifier=identifier)

    def _nothing_invented(self) -> None:
        known = {fill.uuid for order in self._checker.ours() for fill in order.fills}
        for row in self._books.rows("SELECT trade_uuid, id FROM fill"):
            if row["trade_uuid"] not in known:
                self._story.breach("I6 a fill the exchange does not know", identifier=row["id"])

    def _positions(self) -> None:
        """I7: what the journal still holds, and what ended as dust, is what the bot's fills left at the exchange."""
        for market in self._checker.exchange.markets:
            query = "SELECT intent.side, fill.volume FROM fill JOIN intent USING (id) WHERE intent.market = ?"
            rows = self._books.rows(query, market)
            journal = sum((SIGNS[row["side"]] * Decimal(row["volume"]) for row in rows), ZERO)
            if journal != self._checker.position(market):
                self._story.breach("I7 positions differ", market=market)
            if (taken := self._books.taken(market)) > self._checker.coins.ever_taken[market]:
                self._story.breach("I20 more written off than was taken", market=market, taken=str(taken))
            if journal < -self._checker.short[market]:
                self._story.breach("I7 a negative position", market=market)

    def _dust(self) -> None:
        """I28: what is left of every trade that has ended stands in it, to the last decimal, or went on to another."""
        for trade, rest, left in forgotten_dust(self._books):
            self._story.breach("I28 dust forgotten", trade=trade, rest=str(rest), left=str(left))

    def _messages(self, repeats: int) -> None:
        """I18: every message was delivered, and at most once and once more for each crash or lost answer."""
        for row in self._books.rows("SELECT failed FROM outbox WHERE sent_ms IS NULL"):
            self._story.breach("I18 a message was not delivered", failed=row["failed"])
        wanted = self._books.embeds()
        if lost := wanted - self._checker.received:
            self._story.breach("I18 a message never arrived", count=lost.total())
        if (twice := (self._checker.received - wanted - self._checker.gone).total()) > repeats:
            self._story.breach("I18 messages arrived too often", count=twice, allowed=repeats)
