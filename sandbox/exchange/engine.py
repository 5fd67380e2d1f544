"""The matching engine: orders meet the public book and each other, and rest until public trades go through them."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Protocol

from sandbox.exchange.ledger import ZERO
from sandbox.exchange.matching import Depth, fillable, joined, offers, prevented, queued, reached
from sandbox.exchange.orders import floor_volume
from sandbox.market.feed import Book, Level
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from decimal import Decimal

    from sandbox.exchange.clearing import Clearing
    from sandbox.exchange.matching import Offer, Step
    from sandbox.exchange.orders import Fill, Order, Side
    from sandbox.market.feed import PublicTrade


LEVELS = 30  # of a side that are shown


class Venue(Protocol):
    """The public market our orders meet."""

    def book(self, market: str) -> Book:
        """Return the order book of a market now."""

    def record_fill(self, market: str, fill: Fill) -> None:
        """Take notice of a fill of ours that took liquidity."""


class Resting:
    """The limit orders that wait in one market, on each side the best price first and the older one at a price."""

    def __init__(self) -> None:
        self._sides: dict[Side, list[Order]] = {"bid": [], "ask": []}

    def add(self, order: Order) -> None:
        """Let an order wait; one that waits already keeps its place."""
        side, index = self._place(order)
        if not (index < len(side) and side[index] is order):
            insort(side, order, key=_rank)

    def remove(self, order: Order) -> None:
        """Forget an order, if it waits here."""
        side, index = self._place(order)
        if index < len(side) and side[index] is order:
            del side[index]

    def of(self, side: Side) -> Iterator[Order]:
        """Yield the orders of a side as they are now, whatever happens to them meanwhile."""
        return iter(tuple(self._sides[side]))

    @property
    def empty(self) -> bool:
        """Whether no order waits."""
        return not any(self._sides.values())

    def _place(self, order: Order) -> tuple[list[Order], int]:
        side = self._sides[order.asked.side]
        return side, bisect_left(side, _rank(order), key=_rank)


def rests(order: Order) -> bool:
    """Whether an order that is not filled at once waits."""
    return order.asked.ord_type == "limit" and order.asked.time_in_force in {None, "post_only"}


def _price(level: Level) -> Decimal:
    return level.price


def _rank(order: Order) -> tuple[Decimal, int]:
    price = order.asked.price
    assert price is not None  # only limit orders wait
    return price.copy_negate() if order.asked.side == "bid" else price, order.number


class Engine:
    """Matches orders; `offered` may take something away from what an order would meet."""

    def __init__(self, venue: Venue, clearing: Clearing) -> None:
        self.offered: Callable[[Order, list[Offer]], list[Offer]] = lambda _, met: met
        self._venue = venue
        self._clearing = clearing
        self._depth = Depth()
        self._resting: dict[str, Resting] = {}

    def levels(self, side: Side, market: str) -> list[Step]:
        """Return the public levels a taker of a side would meet now, best first."""
        return self._depth.against(side, self._venue.book(market))

    def shown(self, market: str) -> Book:
        """Return the book as everybody sees it: what was taken is gone, and clients' orders stand in it."""
        book = self._venue.book(market)
        resting = self._resting.get(market)
        if self._depth.whole(market) and (resting is None or resting.empty):
            return book
        asks, bids = self._depth.against("bid", book), self._depth.against("ask", book)
        own = resting or Resting()
        shown_asks = joined(asks, own.of("ask"), bids[0][0] if bids else None)
        shown_bids = joined(bids, own.of("bid"), asks[0][0] if asks else None)
        return Book(
            market,
            book.at_ms,
            tuple(sorted(shown_asks, key=_price)[:LEVELS]),
            tuple(sorted(shown_bids, key=_price, reverse=True)[:LEVELS]),
        )

    def match(self, order: Order) -> None:
        """Let an order meet the book: it takes what it may, then rests or ends."""
        if not order.open:
            return
        asked = order.asked
        book = self._venue.book(asked.market)
        self._clearing.meet(order, max(order.met_ms, book.at_ms))
        met = self.offered(order, self._offers(order, book))
        if (asked.time_in_force == "post_only" and met) or (asked.time_in_force == "fok" and not fillable(order, met)):
            self.end_cancelled(order)
            return
        self._clearing.tell(order, "wait")  # seen live for a market buy too, before its first trade
        for offer in met:
            volume = min(offer.size, order.affordable(offer.price))
            if volume <= 0 or not order.open:
                break
            self._take(order, offer, volume, book)
        self._conclude(order, rests=rests(order))

    def end_cancelled(self, order: Order) -> None:
        """End an order before it is filled completely."""
        if not order.met_ms:
            self._clearing.tell(order, "wait")  # nobody was told of it yet
        self._forget(order)
        self._clearing.end(order, "cancel")

    def rest_again(self, order: Order) -> bool:
        """Let an order wait that has met the book before, and say whether it is one that does."""
        if rests(order):
            self._rest(order)
        return rests(order)

    def _rest(self, order: Order) -> None:
        self._resting.setdefault(order.asked.market, Resting()).add(order)

    def on_book(self, book: Book) -> None:
        """Let the orders that rest in a market stand in the queue at their price, of which a book tells."""
        resting = self._resting.get(book.market)
        for order in (*resting.of("bid"), *resting.of("ask")) if resting else ():
            order.ahead, order.ahead_ms = queued(order, book)

    def on_gap(self) -> None:
        """Let nobody know what stands before the resting orders: books and trades were missed."""
        for resting in self._resting.values():
            for order in (*resting.of("bid"), *resting.of("ask")):
                order.ahead = None

    def on_trades(self, trades: Iterable[PublicTrade]) -> None:
        """Fill the resting orders that public trades reached, at most by the volume that traded."""
        for trade in trades:
            resting = self._resting.get(trade.market)
            if resting is not None:
                self._fill_resting(resting, "bid", trade)
                self._fill_resting(resting, "ask", trade)

    def _fill_resting(self, resting: Resting, side: Side, trade: PublicTrade) -> None:
        left = floor_volume(trade.volume)
        for order in resting.of(side):
            price, remaining = order.asked.price, order.remaining_volume
            assert price is not None
            assert remaining is not None
            if left <= 0 or (trade.price > price if side == "bid" else trade.price < price):
                return
            if trade.at_ms < order.met_ms:
                continue
            share, order.ahead = reached(order, trade)
            volume = min(left, share, remaining)
            if volume > 0:
                left = EXACT.subtract(left, volume)
                self._clearing.fill(order, price, volume, maker=True)
                self._conclude(order, rests=True)

    def _offers(self, order: Order, book: Book) -> list[Offer]:
        asked = order.asked
        levels = self._depth.against(asked.side, book)
        limit = asked.price if asked.ord_type == "limit" else None
        if asked.ord_type == "best":
            limit = levels[0][0] if levels else ZERO
        resting = self._resting.get(asked.market)
        own = resting.of("ask" if asked.side == "bid" else "bid") if resting else ()
        return offers(levels, own, asked.side, limit)

    def _take(self, order: Order, offer: Offer, volume: Decimal, book: Book) -> None:
        if offer.maker is not None and prevented(order, offer.maker):
            self._prevent(order, offer.maker, offer.price, volume)
            return
        if offer.maker is None:
            self._depth.take(order.asked.side, book, offer.price, volume)
        else:
            self._clearing.fill(offer.maker, offer.price, volume, maker=True)
            self._conclude(offer.maker, rests=True)
        fill = self._clearing.fill(order, offer.price, volume, maker=False)
        self._venue.record_fill(order.asked.market, fill)

    def _prevent(self, taker: Order, maker: Order, price: Decimal, volume: Decimal) -> None:
        """Keep two orders of one account from trading with each other, in the way the taker asks for."""
        mode = taker.asked.smp_type
        if mode in {"cancel_maker", "reduce"}:
            self._give_up(maker, volume if mode == "reduce" else None, price)
        if mode in {"cancel_taker", "reduce"}:
            self._give_up(taker, volume if mode == "reduce" else None, price)

    def _give_up(self, order: Order, volume: Decimal | None, price: Decimal) -> None:
        self._clearing.prevent(order, volume, price)
        if order.satisfied:
            self.end_cancelled(order)

    def _conclude(self, order: Order, *, rests: bool) -> None:
        if not order.open:
            return
        if order.satisfied:
            self._forget(order)
            self._clearing.end(order, "done")
        elif rests:
            self._rest(order)
        else:
            self.end_cancelled(order)

    def _forget(self, order: Order) -> None:
        if order.asked.ord_type == "limit" and order.asked.market in self._resting:
            self._resting[order.asked.market].remove(order)
