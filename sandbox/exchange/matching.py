"""How an incoming order walks a book: pure arithmetic over levels, and what earlier takers left of each level."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from sandbox.exchange.ledger import ZERO
from sandbox.exchange.orders import floor_volume
from sandbox.market.feed import Level
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.exchange.orders import Order, Side
    from sandbox.market.feed import Book, PublicTrade

Step = tuple[Decimal, Decimal]  # price, volume


class Depth:
    """The public book minus what our own takers already took from it.

    A level's reduction lasts until the public size at that price changes: then somebody renewed it.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[str, Side], dict[Decimal, tuple[Decimal, Decimal]]] = {}

    def against(self, side: Side, book: Book) -> list[Step]:
        """Return the levels a taker of this side meets, best first, without what is already taken."""
        levels: Sequence[Level] = book.asks if side == "bid" else book.bids
        taken = self._taken.get((book.market, side))
        if not taken:
            return [(level.price, level.size) for level in levels]
        sizes = {level.price: level.size for level in levels}
        for price in [price for price, (size, _) in taken.items() if sizes.get(price) != size]:
            del taken[price]
        steps = (
            (price, EXACT.subtract(size, taken[price][1]) if price in taken else size) for price, size in sizes.items()
        )
        return [(price, size) for price, size in steps if size > 0]

    def whole(self, market: str) -> bool:
        """Whether nothing was taken from a market lately."""
        return not (self._taken.get((market, "bid")) or self._taken.get((market, "ask")))

    def take(self, side: Side, book: Book, price: Decimal, volume: Decimal) -> None:
        """Remember what a taker took from a level of this book."""
        size = next(level.size for level in (book.asks if side == "bid" else book.bids) if level.price == price)
        taken = self._taken.setdefault((book.market, side), {})
        taken[price] = (size, EXACT.add(taken.get(price, (ZERO, ZERO))[1], volume))


def joined(levels: Iterable[Step], own: Iterable[Order], best_opposite: Decimal | None) -> tuple[Level, ...]:
    """Return what a side of the book shows: public levels and resting orders, those aside that it has passed."""
    sizes = dict(levels)
    for order in own:
        price, volume = order.asked.price, order.remaining_volume
        assert price is not None
        assert volume is not None
        passed = best_opposite is not None and (
            price >= best_opposite if order.asked.side == "bid" else price <= best_opposite
        )
        if not passed:
            sizes[price] = EXACT.add(sizes.get(price, ZERO), volume)
    return tuple(Level(price, size) for price, size in sizes.items())


class Offer(NamedTuple):
    """Something a taker may meet; `maker` is a resting order of a pocket, None for the public."""

    price: Decimal
    size: Decimal
    maker: Order | None


def offers(levels: Iterable[Step], own: Iterable[Order], side: Side, limit: Decimal | None) -> list[Offer]:
    """Return what a taker of this side meets, best price first and the public first at a price, up to its limit."""
    found = [Offer(price, size, None) for price, size in levels]
    for maker in own:  # resting orders are limit orders: they have a price and a volume
        assert maker.asked.price is not None
        assert maker.remaining_volume is not None
        found += [Offer(maker.asked.price, maker.remaining_volume, maker)]
    if limit is not None:
        found = [offer for offer in found if (offer.price <= limit if side == "bid" else offer.price >= limit)]
    return sorted(found, key=lambda offer: offer.price, reverse=side == "ask")


def prevented(taker: Order, maker: Order) -> bool:
    """Whether two orders must not trade: they are one account's, and the taker did not choose that they may."""
    return maker.pocket.account == taker.pocket.account and taker.asked.smp_type != "none"


def fillable(order: Order, met: Iterable[Offer]) -> bool:
    """Whether offers can fill an order completely (a total: whether they are worth it).

    Meeting an order of the same account costs the taker something, unless its mode cancels the other one.
    """
    steps: list[Step] = []
    for offer in met:
        if offer.maker is None or not prevented(order, offer.maker):
            steps.append((offer.price, offer.size))
        elif order.asked.smp_type != "cancel_maker":
            break
    if order.asked.volume is None:
        return total_funds(steps) >= order.remaining_funds
    return total_volume(steps) >= order.asked.volume


def displayed(book: Book, side: Side, price: Decimal) -> Decimal | None:
    """Return the public volume that waits on a side at a price; None beyond the last price that is shown."""
    levels = book.bids if side == "bid" else book.asks
    if not levels or (price < levels[-1].price if side == "bid" else price > levels[-1].price):
        return None
    return next((level.size for level in levels if level.price == price), ZERO)


def queued(order: Order, book: Book) -> tuple[Decimal | None, int]:
    """Return what of the public trades before a resting order now, and of when that is known.

    A new order stands behind all that is shown at its price. Nobody who comes later stands before it, so it can never
    be more than what is shown; of what disappears without a trade, all stood behind it.
    """
    assert order.asked.price is not None
    shown = displayed(book, order.asked.side, order.asked.price)
    if shown is None or (order.ahead is not None and order.ahead < shown):
        return order.ahead, order.ahead_ms
    return shown, book.at_ms


def reached(order: Order, trade: PublicTrade) -> tuple[Decimal, Decimal | None]:
    """Return how much of a public trade may be a resting order's, and what is still before it afterwards.

    What trades through its price has taken everybody at it; what trades at its price, from the other side, first takes
    those who stand before it.
    """
    price, bid = order.asked.price, order.asked.side == "bid"
    assert price is not None
    if trade.price < price if bid else trade.price > price:
        return floor_volume(trade.volume), ZERO if order.ahead is not None else None
    at_it = trade.price == price and trade.taker == ("ASK" if bid else "BID")
    if not at_it or order.ahead is None or trade.at_ms <= order.ahead_ms:
        return ZERO, order.ahead
    passed = min(order.ahead, trade.volume)
    return floor_volume(EXACT.subtract(trade.volume, passed)), EXACT.subtract(order.ahead, passed)


def total_volume(levels: Iterable[Step]) -> Decimal:
    """Sum the sizes."""
    total = ZERO
    for _, size in levels:
        total = EXACT.add(total, size)
    return total


def total_funds(levels: Iterable[Step]) -> Decimal:
    """Sum price x size."""
    total = ZERO
    for price, size in levels:
        total = EXACT.add(total, EXACT.multiply(price, size))
    return total
