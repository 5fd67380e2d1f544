"""Holds a world to what we promise (I1 to I20), from outside: the exchange's own books against the journal's file.

Nothing here calls the journal's code: it reads the file, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sandbox.exchange import Exchange
    from sandbox.orders import Fill, Order
    from worlds.story import Story

PREFIX = "ub1-"
SIGNS = {"bid": 1, "ask": -1}
ZERO = Decimal(0)
FALSE_ALARMS = frozenset({"wrong_answer", "order_differs"})
BESIDE_ANOTHER = frozenset({"second_instance", "unknown_order"})
"""Reasons to halt that only another daemon, or a journal that was lost or restored, can give."""
ON_ITS_WAY = timedelta(seconds=100)
"""Longest time a request may be under way: a connection stalls for up to 90 seconds."""
DECIDED_WITHIN = timedelta(minutes=3, seconds=10) + ON_ITS_WAY
"""Longest time from the end of the candle to the arrival of a buy, beside its unit: how late it may be, the deadline,
and the way."""
SENT_WITHIN = timedelta(seconds=10) + ON_ITS_WAY
"""Longest time from the first to the last arrival of one buy: its deadline, and the way."""
DUST_KRW = Decimal(5_500)
"""What is worth less than 5,000 won cannot be sold, so a rest of that size does not forbid the next buy, also when its
price has risen by a tenth since."""


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
        return next((row["n"] for row in self.rows("SELECT count(*) AS n FROM attempt WHERE id = ?", identifier)), 0)

    def taken(self, market: str) -> Decimal:
        """Return how many coins of a market the journal says its owner took from the bot."""
        rows = self.rows("SELECT volume FROM flow WHERE market = ? AND why = 'taken'", market)
        return -sum((Decimal(row["volume"]) for row in rows), ZERO)

    def embeds(self) -> Counter[str]:
        """Return what the messages say that were ever written."""
        bodies = [json.loads(row["body"]) for row in self.rows("SELECT body FROM outbox")]
        return Counter(canonical(embed) for body in bodies for embed in body.get("embeds") or [])


def canonical(embed: object) -> str:
    """Return a text that is equal for equal parts of messages."""
    return json.dumps(embed, sort_keys=True)


class Glances(Books):
    """The same, opened for every question: a daemon that closes its journal is alone with it, as in production."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Return what a query finds; nothing while the tables are not there yet."""
        books = Books(self._path)
        try:
            return books.rows(query, *values)
        finally:
            books.close()

    def close(self) -> None:
        """Nothing is open."""


def is_ours(order: Order) -> bool:
    """Return whether the bot placed an order."""
    return (order.asked.identifier or "").startswith(PREFIX)


def candle_of(identifier: str) -> datetime | None:
    """Return when the candle ended that an order was decided on; None when its name does not say."""
    try:
        return datetime.strptime(identifier.split("-")[3], "%y%m%d%H%M").replace(tzinfo=UTC)
    except (IndexError, ValueError):
        return None


def is_buy(body: Mapping[str, object]) -> bool:
    """Return whether a request is a buy, and not a fence."""
    return body.get("side") == "bid" and body.get("ord_type") == "price"


def decision_of(identifier: str) -> str:
    """Return what an identifier decides, whatever its number: two orders for one decision are one too many."""
    return identifier.rsplit("-", 1)[0]


class Checker:
    """A listener of the exchange that breaks no promise itself.

    `removed` is what the owner sold or withdrew, by market, in whole: of the bot's coins or not. `strangers` are orders
    that no journal in use can know of before it has asked the exchange: of another daemon, or under way when a journal
    was lost. `others` are the journals of daemons beside ours.
    """

    def __init__(self, exchange: Exchange, story: Story, *, caps: dict[str, Any]) -> None:
        self._exchange = exchange
        self._story = story
        self._caps = caps
        self.books: Books | None = None
        self.others: list[Books] = []
        self.removed: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.strangers: set[str] = set()
        self._oversold: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # by strangers
        self.beside_another = False  # whether there ever was another daemon, or a journal was lost
        self._net: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # what all fills came to, by market
        self.orders = self.fills = 0
        self._known: set[str] = set()
        self._arrived: dict[str, datetime] = {}  # when an order arrived for the first time
        self._gone: Counter[str] = Counter()  # messages of journals that are no more
        self.received: Counter[str] = Counter()  # embeds Discord took
        exchange.listeners.append(self)

    # -- while it runs

    def on_post(self, body: dict[str, object], *, elsewhere: bool = False) -> None:
        """I2: whatever reaches the exchange was durable in the journal before. `elsewhere`: sent by another machine."""
        identifier = str(body.get("identifier"))
        self._story.tell("exchange", "order arrives", **{name: str(value) for name, value in sorted(body.items())})
        if elsewhere and not (self.books and self.books.attempts(identifier)):
            self.strangers.add(identifier)
        if not identifier.startswith(PREFIX):
            self._story.breach("I2 an order without our identifier", identifier=identifier)
        elif not any(books.attempts(identifier) for books in self._journals()) and identifier not in self.strangers:
            self._story.breach("I2 sent before it was written down", identifier=identifier)
        first = self._arrived.setdefault(identifier, self._story.clock())
        if is_buy(body) and identifier not in self.strangers:
            self._fresh(identifier, first)

    def _journals(self) -> list[Books]:
        return self.others if self.books is None else [self.books, *self.others]

    def _fresh(self, identifier: str, first: datetime) -> None:
        """I15: a buy is decided on a candle that is over, and sent, also again, while that is news."""
        now, candle = self._story.clock(), candle_of(identifier)
        if candle is not None and not timedelta(0) <= first - candle <= self._caps["unit"] + DECIDED_WITHIN:
            self._story.breach("I15 decided on a candle of another time", identifier=identifier, at=str(first))
        if now - first > SENT_WITHIN:
            self._story.breach("I15 an old buy was sent again", identifier=identifier, first=str(first))

    def forget(self, books: Books, live: Iterable[str]) -> None:
        """Take notice that a journal is no more: what it said was said, and what it knew to be under way is lost."""
        self.beside_another = True
        self._gone += books.embeds()
        known = {str(order.asked.identifier) for order in self._ours()}
        self.strangers |= {*live, *(identifier for identifier in self._arrived if identifier not in known)}

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Look at every event of every order."""
        if not is_ours(order):
            return
        facts: dict[str, Any] = {"identifier": order.asked.identifier}
        if fill is not None:
            self.fills += 1
            self._net[order.asked.market] += SIGNS[order.asked.side] * fill.volume
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
        other = ZERO if besides is None else SIGNS[besides.asked.side] * besides.executed_volume
        return self._net[market] - other

    def left(self, market: str, besides: Order | None = None) -> Decimal:
        """Return what is left of that once what the journal says was taken by the owner is gone."""
        return self.position(market, besides) - (self.books.taken(market) if self.books else ZERO)

    def _stranger_about(self) -> bool:
        """Return whether an order has executed that the journal cannot know of yet, or another daemon is about."""
        unknown = (
            one.executed_volume and self.books and self.books.state(str(one.asked.identifier)) is None
            for one in self._ours()
            if one.asked.identifier in self.strangers
        )
        return bool(self.others) or any(unknown)

    def _single_exposure(self, order: Order) -> None:
        """I5, I9: never two open buys for one market, never more open trades or won than allowed."""
        market = order.asked.market
        assert order.asked.price is not None
        if order.asked.price > self._caps["order_krw"]:
            self._story.breach("I9 more than an order may spend", identifier=order.asked.identifier)
        if order.asked.identifier in self.strangers or self._stranger_about():
            return
        held = {one.asked.market for one in self._ours() if one is not order and one.asked.side == "bid" and one.open}
        held |= {name for name in self._exchange.markets if self._worth(name, order) >= DUST_KRW}
        if market in held:
            self._story.breach("I5 a second buy of a market that is held", identifier=order.asked.identifier)
        if len(held | {market}) > self._caps["max_open_trades"]:
            self._story.breach("I9 more open trades than allowed", identifier=order.asked.identifier)

    def _worth(self, market: str, besides: Order) -> Decimal:
        volume = self.left(market, besides)
        if volume <= 0:
            return ZERO
        bids = self._exchange.venue.book(market).bids
        return volume * bids[0].price if bids else ZERO

    def _never_sells_more(self, order: Order) -> None:
        """I8: also not what its owner took, came by again, and may keep. Another daemon cannot know what was taken."""
        market, identifier = order.asked.market, str(order.asked.identifier)
        if order.asked.side == "bid":
            return
        left = self.left(market)
        if identifier in self.strangers or self._stranger_about():
            self._oversold[market] = max(self._oversold[market], -left)
        elif left < -self._oversold[market] or self.position(market) < 0:
            self._story.breach("I8 sells what it did not buy", identifier=identifier)

    def _never_given_up(self, order: Order) -> None:
        """I10: what executes is what the journal still holds for possible."""
        identifier = str(order.asked.identifier)
        state = self.books.state(identifier) if self.books is not None else None
        if identifier in self.strangers or any(other.state(identifier) for other in self.others):
            return  # the same decision of another daemon
        if state in {"PLANNED", "REJECTED", "FENCED", "ABANDONED"}:
            self._story.breach("I10 executed after it was given up", identifier=identifier, state=state)

    def on_message(self, message: dict[str, Any]) -> None:
        """Take notice of what Discord took."""
        for embed in message.get("embeds") or []:
            self.received[canonical(embed)] += 1

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
        """A halt must have a cause: there must have been another daemon, or a journal that was lost, to halt on one."""
        for row in books.rows("SELECT code, evidence FROM halt"):
            self._story.tell("journal", "halt", code=row["code"])
            if row["code"] in FALSE_ALARMS or (row["code"] in BESIDE_ANOTHER and not self.beside_another):
                self._story.breach("a halt without a cause", code=row["code"], evidence=row["evidence"])

    def _nothing_live(self, books: Books) -> None:
        for identifier, state in books.live():
            self._story.breach("I19 an order is still in doubt", identifier=identifier, state=state)

    def _same_fills(self, order: Order, books: Books) -> None:
        """I6: every order is known, and its fills are the exchange's fills, to the last decimal."""
        identifier = str(order.asked.identifier)
        if books.state(identifier) is None:
            if self.beside_another and not order.executed_volume:
                return  # nothing is adopted that bought and sold nothing
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
            query = "SELECT intent.side, fill.volume FROM fill JOIN intent USING (id) WHERE intent.market = ?"
            journal = sum((SIGNS[row["side"]] * Decimal(row["volume"]) for row in books.rows(query, market)), ZERO)
            if journal != self.position(market):
                self._story.breach("I7 positions differ", market=market)
            if (taken := books.taken(market)) > self.removed[market]:
                self._story.breach("I20 more written off than was taken", market=market, taken=str(taken))
            if journal < 0:
                self._story.breach("I7 a negative position", market=market)

    def _messages(self, books: Books, repeats: int) -> None:
        """I18: every message was delivered, and at most once and once more for each crash or lost answer."""
        for row in books.rows("SELECT failed FROM outbox WHERE sent_ms IS NULL"):
            self._story.breach("I18 a message was not delivered", failed=row["failed"])
        wanted = books.embeds()
        if lost := wanted - self.received:
            self._story.breach("I18 a message never arrived", count=lost.total())
        if (twice := (self.received - wanted - self._gone).total()) > repeats:
            self._story.breach("I18 messages arrived too often", count=twice, allowed=repeats)
