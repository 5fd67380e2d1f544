"""Holds a running world to what we promise, from outside: it hears what the exchange hears and does.

Nothing here calls the journal's code: it reads the file (`worlds/judges/books.py`). What can only be judged when
nothing is under way any more is judged in `worlds/judges/verdict.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from worlds.judges.books import SIGNS, ZERO, canonical
from worlds.judges.caps import Breakers, broken_caps, spent_today
from worlds.judges.coins import Coins
from worlds.judges.names import PREFIX, candle_of, decision_of, is_buy, is_fence, is_ours
from worlds.judges.two_daemons import ON_ITS_WAY, Side

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Fill, Order
    from worlds.judges.books import Books
    from worlds.judges.caps import Limits
    from worlds.story import Story

DECIDED_WITHIN = timedelta(minutes=3, seconds=10) + ON_ITS_WAY
"""Longest time from the end of the candle to the arrival of a buy, beside its unit: how late it may be, the deadline,
and the way."""
SENT_WITHIN = timedelta(seconds=10) + ON_ITS_WAY
"""Longest time from the first to the last arrival of one buy: its deadline, and the way."""
DUST_KRW = Decimal(5_500)
"""What is worth less than 5,000 won cannot be sold, so a rest of that size does not forbid the next buy, also when its
price has risen by a tenth since."""


class Checker:
    """A listener of the exchange that breaks no promise itself.

    `strangers` are orders that no journal in use can know of before it has asked the exchange: of another daemon, or
    under way when a journal was lost. `others` are the journals of daemons beside ours. `peaceful`: nothing fails, so
    what takes long at other times must not.
    """

    def __init__(self, exchange: Exchange, story: Story, *, limits: Limits, peaceful: bool = False) -> None:
        self.exchange = exchange
        self.story = story
        self._limits = limits
        self.coins = Coins(lambda currency: sum(exchange.accounts.of(currency), ZERO))
        self.breakers = Breakers(limits, story)
        self.books: Books | None = None
        self.others: list[Books] = []
        self._peaceful = peaceful
        self.side = Side("first", lambda: self.books, story, peaceful=peaceful)
        self._other_side: Side | None = None
        self.strangers: set[str] = set()
        self._elsewhere: set[str] = set()  # of these, the ones of another machine
        self._oversold: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # by strangers
        self.short: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # the same, whatever the journal says of it
        self.beside_another = False  # whether there ever was another daemon, or a journal was lost
        self._won = ZERO  # what all fills came to, after fees
        self.orders = self.fills = 0
        self._known: set[str] = set()
        self._arrived: dict[str, datetime] = {}  # when an order arrived for the first time
        self.gone: Counter[str] = Counter()  # messages of journals that are no more
        self.received: Counter[str] = Counter()  # embeds Discord took
        exchange.listeners.append(self)

    def on_post(self, body: dict[str, object], *, elsewhere: bool = False) -> None:
        """I2: whatever reaches the exchange was durable in the journal before. `elsewhere`: sent by another machine."""
        identifier = str(body.get("identifier"))
        self.story.tell("exchange", "order arrives", **{name: str(value) for name, value in sorted(body.items())})
        if elsewhere and not (self.books and self.books.attempts(identifier)):
            self.strangers.add(identifier)
            self._elsewhere.add(identifier)
        if not identifier.startswith(PREFIX):
            self.story.breach("I2 an order without our identifier", identifier=identifier)
        elif not any(books.attempts(identifier) for books in self._journals()) and identifier not in self.strangers:
            self.story.breach("I2 sent before it was written down", identifier=identifier)
        first = self._arrived.setdefault(identifier, self.story.clock())
        if is_buy(body) and identifier not in self.strangers:
            self._fresh(identifier, first)
        side = self._other_side if elsewhere else self.side
        if is_buy(body) and side is not None:
            side.on_buy(identifier)

    def _journals(self) -> list[Books]:
        return self.others if self.books is None else [self.books, *self.others]

    def _fresh(self, identifier: str, first: datetime) -> None:
        """I15: a buy is decided on a candle that is over, and sent, also again, while that is news."""
        now, candle = self.story.clock(), candle_of(identifier)
        if candle is not None and not timedelta(0) <= first - candle <= self._limits.unit + DECIDED_WITHIN:
            self.story.breach("I15 decided on a candle of another time", identifier=identifier, at=str(first))
        if now - first > SENT_WITHIN:
            self.story.breach("I15 an old buy was sent again", identifier=identifier, first=str(first))

    def comes_beside(self, books: Books) -> None:
        """Take notice of another daemon with a new journal: all that was ever traded is news to it."""
        self.others.append(books)
        self.beside_another = True
        self._other_side = Side("other", lambda: books, self.story, peaceful=self._peaceful)
        for order in self.ours():
            if order.executed_volume and not order.open:
                self._other_side.on_end(str(order.asked.identifier))

    def leaves(self, books: Books) -> None:
        """Take notice that the other daemon is gone, and judge what it noticed."""
        self.others.remove(books)
        if self._other_side is not None:
            self._other_side.at_end()
        self._other_side = None
        live = [identifier for identifier, _ in books.live()]
        self.forget(books, [one for one in live if not (self.books and self.books.state(one))])

    def forget(self, books: Books, live: Iterable[str]) -> None:
        """Take notice that a journal is no more: what it said was said, and what it knew to be under way is lost."""
        self.beside_another = True
        self.breakers.journal_lost()
        self.coins.forget()
        self.gone += books.embeds()
        known = {str(order.asked.identifier) for order in self.ours()}
        self.strangers |= {*live, *(identifier for identifier in self._arrived if identifier not in known)}

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Look at every event of every order."""
        if not is_ours(order):
            if fill is not None:
                self.owner_acted(order.asked.market)
            return
        facts: dict[str, Any] = {"identifier": order.asked.identifier}
        if fill is not None:
            self.fills += 1
            self.coins.on_our_fill(order, fill)
            self._won -= SIGNS[order.asked.side] * fill.funds + fill.fee
            facts |= {"price": str(fill.price), "volume": str(fill.volume)}
        self.story.tell("exchange", f"order {event}", **facts)
        if order.uuid not in self._known:
            self._known.add(order.uuid)
            self.orders += 1
            self._on_new(order)
        if order.executed_volume and not order.open:
            self._on_end(str(order.asked.identifier))
        if fill is not None:
            self._never_sells_more(order)
            self.coins.settle(order.asked.market)
            self._never_given_up(order)

    def _on_end(self, identifier: str) -> None:
        if identifier in self._elsewhere:
            self.side.on_end(identifier)
        if self._other_side is not None:
            self._other_side.on_end(identifier)

    def on_assets(self, *_: object) -> None:
        """Nothing is said about balances alone."""

    def owner_acted(self, market: str) -> None:
        """Take notice that the owner sold, bought or moved coins of a market."""
        before, asks = self.coins.taken[market], self.exchange.venue.book(market).asks
        self.coins.on_owner(market)
        if taken := self.coins.taken[market] - before:
            self.breakers.withdrawn(abs(taken) * (asks[0].price if asks else ZERO))

    def person_resumes(self) -> None:
        """Take notice that a person lets the bot go on."""
        self.breakers.resumed()

    def _on_new(self, order: Order) -> None:
        if is_fence(order):
            return
        decision = decision_of(str(order.asked.identifier))
        mine = [one for one in self.ours() if decision_of(str(one.asked.identifier)) == decision and one is not order]
        if any(one.executed_volume or one.open for one in mine):
            self.story.breach("I1 two orders for one decision", identifier=order.asked.identifier)
        if order.asked.side == "bid":
            self._single_exposure(order)

    def ours(self) -> list[Order]:
        """Return every order of the bot that the exchange remembers."""
        return [order for order in self.exchange.orders.values() if is_ours(order)]

    def position(self, market: str, besides: Order | None = None) -> Decimal:
        """Return what the bot's own fills hold of a market, as the exchange knows them."""
        other = ZERO if besides is None else SIGNS[besides.asked.side] * besides.executed_volume
        return self.coins.position(market) - other

    def believed(self, market: str) -> Decimal:
        """Return what is left of that by the journal, which may not have noticed yet what its owner took."""
        return self.position(market) - (self.books.taken(market) if self.books else ZERO)

    def profit(self) -> Decimal | None:
        """Return what trading has earned, with what is left at its price of now, KRW; None without a price."""
        worth = ZERO
        for market in self.exchange.markets:
            if volume := self.coins.left(market):
                asks = self.exchange.venue.book(market).asks
                if not asks:
                    return None
                worth += volume * asks[0].price
        return self._won + worth

    def _stranger_about(self) -> bool:
        """Return whether an order has executed that the journal cannot know of yet, or another daemon is about."""
        unknown = (
            one.executed_volume and self.books and self.books.state(str(one.asked.identifier)) is None
            for one in self.ours()
            if one.asked.identifier in self.strangers
        )
        return bool(self.others) or any(unknown)

    def _single_exposure(self, order: Order) -> None:
        """I5, I9, I27: never two open buys for one market, never more open trades or won than allowed, now."""
        market, identifier = order.asked.market, str(order.asked.identifier)
        alone = identifier not in self.strangers and not self._stranger_about()
        self._caps(order, alone=alone)
        if not alone:
            return
        self.breakers.on_buy(identifier)
        held = {one.asked.market for one in self.ours() if one is not order and one.asked.side == "bid" and one.open}
        held |= {name for name in self.exchange.markets if self._worth(name, order) >= DUST_KRW}
        if market in held:
            self.story.breach("I5 a second buy of a market that is held", identifier=identifier)
        if len(held | {market}) > self._limits.max_open_trades:
            self.story.breach("I9 more open trades than allowed", identifier=identifier)

    def _caps(self, order: Order, *, alone: bool) -> None:
        """I9: what this buy may spend, of its order's, its market's and the day's won. Strangers are in no sum."""
        before = [one for one in self.ours() if one is not order and one.asked.identifier not in self.strangers]
        total, spent = order.asked.price or ZERO, spent_today(before if alone else (), self.story.clock())
        for cap in broken_caps(self._limits, total, spent):
            self.story.breach(f"I9 more than {cap} may take", identifier=order.asked.identifier)
        if alone and not spent and any(one.asked.side == "bid" and not is_fence(one) for one in before):
            self.story.counts["day_begins"] += 1
        if spent + total + self._limits.order_krw > self._limits.day_krw:
            self.story.counts["day_is_spent"] += 1
            self.story.seen["day_is_spent", "none"] += 1

    def _worth(self, market: str, besides: Order) -> Decimal:
        volume = self.position(market, besides) - self.coins.taken[market]
        if volume <= 0:
            return ZERO
        bids = self.exchange.venue.book(market).bids
        return volume * bids[0].price if bids else ZERO

    def _never_sells_more(self, order: Order) -> None:
        """I8: also not what its owner took, came by again, and may keep, once nobody could overlook that it was gone.

        Another daemon cannot know what was taken.
        """
        market, identifier = order.asked.market, str(order.asked.identifier)
        if order.asked.side == "bid":
            return
        left = min(self.believed(market), self.position(market) - self.coins.noticeable[market])
        if identifier in self.strangers or self._stranger_about():
            self._oversold[market] = max(self._oversold[market], -left)
            self.short[market] = max(self.short[market], -self.position(market))
        elif left < -self._oversold[market] or self.position(market) < -self.short[market]:
            self.story.breach("I8 sells what it did not buy", identifier=identifier)

    def _never_given_up(self, order: Order) -> None:
        """I10: what executes is what the journal still holds for possible."""
        identifier = str(order.asked.identifier)
        state = self.books.state(identifier) if self.books is not None else None
        if identifier in self.strangers or any(other.state(identifier) for other in self.others):
            return  # the same decision of another daemon
        if state in {"PLANNED", "REJECTED", "FENCED", "ABANDONED"}:
            self.story.breach("I10 executed after it was given up", identifier=identifier, state=state)

    def on_message(self, message: dict[str, Any]) -> None:
        """Take notice of what Discord took."""
        for embed in message.get("embeds") or []:
            self.received[canonical(embed)] += 1
