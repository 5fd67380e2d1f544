"""The exchange proper: takes orders, matches them against the public book and keeps the books straight.

Everything here is synchronous. Time and delays are passed in, so the same code runs at any speed.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from sandbox.accounts import Accounts
from sandbox.errors import ApiError, refuse
from sandbox.ledger import EXACT, ZERO
from sandbox.matching import Depth, fillable, offers
from sandbox.orders import Fill, Order, floor_volume
from sandbox.rules import check_size, read_identifier, read_request
from sandbox.wire import plain

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sandbox.feed import Book, PublicTrade
    from sandbox.matching import Offer
    from sandbox.orders import Request, State

FEE_RATE = Decimal("0.0005")
# Market time between the answer to a request and its effect on the book.
LATENCY_MS = 5


class Venue(Protocol):
    """The public market our orders meet."""

    def book(self, market: str) -> Book:
        """Return the order book of a market now."""

    def record_fill(self, market: str, fill: Fill) -> None:
        """Take notice of a fill of ours that took liquidity."""


class Listener(Protocol):
    """Who wants to know what happens to orders and balances."""

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """An order rests (`wait`), was filled (`trade`), met one of ours (`prevented`), or ended (`done`, `cancel`)."""

    def on_assets(self, currencies: Collection[str]) -> None:
        """Balances of these currencies changed."""


class Exchange:
    """Orders and balances of one pocket."""

    def __init__(
        self,
        venue: Venue,
        markets: Collection[str],
        *,
        rng: random.Random,
        now_ms: Callable[[], int],
        later: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self.markets = markets
        self.accounts = Accounts()
        self.orders: dict[str, Order] = {}  # by uuid, in order of creation
        self.halted: set[str] = set()  # markets that answer market_offline
        self.listeners: list[Listener] = []
        self.in_flight = 0  # accepted orders and cancels that did not take effect yet
        self.delay_ms: Callable[[Order], int] = lambda _: 0  # how much later than usual an order meets the book
        self.offered: Callable[[Order, list[Offer]], list[Offer]] = lambda _, offers: offers  # what it may take there
        self.new_uuid: Callable[[], str] = lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self._venue = venue
        self._now_ms = now_ms
        self._later = later
        self._depth = Depth()
        self._identifiers: dict[str, Order | None] = {}  # None: burnt by an order that was refused
        self._resting: dict[str, dict[str, Order]] = {}  # market -> uuid -> order
        self._open: dict[str, Order] = {}

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Give the user an amount from outside; a negative amount is withdrawn."""
        self.accounts.deposit(currency, amount)
        self._settled({currency})

    def verify(self) -> None:
        """Raise `LedgerError` unless the books balance and locked money is exactly what open orders hold."""
        self.accounts.verify(self._open.values())

    # -- orders

    def open_orders(self) -> Iterator[Order]:
        """Orders that may still trade, oldest first."""
        return iter(self._open.values())

    def find(self, order_uuid: str | None, identifier: str | None) -> Order:
        """Return an order by uuid (which wins) or identifier, or raise `order_not_found`."""
        found = self.orders.get(order_uuid) if order_uuid is not None else self._identifiers.get(identifier or "")
        if found is None:
            raise refuse("order_not_found")
        return found

    def draft(self, body: Mapping[str, object]) -> Order:
        """Check an order like a real one and return it, without placing anything."""
        request = read_request(body, self.markets)
        self._check(request)
        return self._make(request)

    def place(self, body: Mapping[str, object]) -> Order:
        """Take an order: its money is locked at once, its fills follow a moment later.

        The identifier is used up even when the order is refused. Money is checked before the identifier,
        which is the harder of the two readings for a client that repeats itself.
        """
        identifier = read_identifier(body)
        try:
            request = read_request(body, self.markets)
            self._check(request)
            if identifier is not None and identifier in self._identifiers:
                raise refuse("duplicated_identifier")
            order = self._make(request)
        finally:
            if identifier is not None:
                self._identifiers.setdefault(identifier, None)
        self._accept(order)
        self._soon(lambda: self._match(order), LATENCY_MS + self.delay_ms(order))
        return order

    def cancel(self, order: Order, then: Callable[[], None] = lambda: None) -> None:
        """Accept a cancel, which takes effect a moment later; raise `order_not_found` when there is none to make.

        `then` is called when it took effect, and not when the order ended before.
        """
        if not order.open or order.cancelling:
            raise refuse("order_not_found")
        order.cancelling = True
        self._soon(lambda: self._cancel(order, then))

    def replace(self, order: Order, body: Mapping[str, object]) -> Order:
        """Accept a cancel and, once it took effect, place another order; return the order to come.

        There is none in the end when the first order filled before, or when its money is not there any more.
        A volume of `remain_only` is what the first order had left.
        """
        request = read_request(_with_volume(body, order), self.markets)
        if request.identifier is not None:
            if request.identifier in self._identifiers:
                raise refuse("duplicated_identifier")
            self._identifiers[request.identifier] = None
        successor = self._make(request)
        successor.uuid = self.new_uuid()
        self.cancel(order, lambda: self._succeed(order, successor, body))
        return successor

    def _succeed(self, order: Order, successor: Order, body: Mapping[str, object]) -> None:
        try:
            successor.asked = read_request(_with_volume(body, order), self.markets)
            self._check(successor.asked)
        except ApiError:
            return  # the call was answered long ago: the exchange, too, just places nothing
        successor.created_ms, successor.number = self._now_ms(), len(self.orders)
        self._accept(successor)
        self._soon(lambda: self._match(successor))

    def _cancel(self, order: Order, then: Callable[[], None]) -> None:
        if order.open:
            self._end(order, "cancel")
            then()

    def _soon(self, effect: Callable[[], None], delay_ms: int = LATENCY_MS) -> None:
        """Let something accepted take effect a moment later."""
        self.in_flight += 1

        def run() -> None:
            self.in_flight -= 1
            effect()

        self._later(delay_ms, run)

    def _check(self, request: Request) -> None:
        if request.market in self.halted:
            raise refuse("market_offline")
        book = self._venue.book(request.market)
        check_size(request, self._depth.against("bid", book), self._depth.against("ask", book))
        order = self._make(request)
        if order.locked > self.accounts.of(order.currency)[0]:
            raise refuse(f"insufficient_funds_{request.side}")

    def _make(self, request: Request) -> Order:
        return Order(uuid="", asked=request, fee_rate=FEE_RATE, created_ms=self._now_ms(), number=len(self.orders))

    def _accept(self, order: Order) -> None:
        order.uuid = order.uuid or self.new_uuid()
        self.orders[order.uuid] = self._open[order.uuid] = order
        if order.asked.identifier is not None:
            self._identifiers[order.asked.identifier] = order
        self.accounts.lock(order)
        self._settled({order.currency})

    # -- matching

    def _match(self, order: Order) -> None:
        """Let an order meet the book: it takes what it may, then rests or ends."""
        if not order.open:
            return
        asked = order.asked
        book = self._venue.book(asked.market)
        met = self.offered(order, self._offers(order, book))
        if (asked.time_in_force == "post_only" and met) or (asked.time_in_force == "fok" and not fillable(order, met)):
            self._end(order, "cancel")
            return
        rests = asked.ord_type == "limit" and asked.time_in_force in {None, "post_only"}
        if rests:
            self._tell(order, "wait")
        for offer in met:
            volume = min(offer.size, order.affordable(offer.price))
            if volume <= 0 or not order.open:
                break
            self._take(order, offer, volume, book)
        self._conclude(order, rests=rests)

    def _offers(self, order: Order, book: Book) -> list[Offer]:
        asked = order.asked
        levels = self._depth.against(asked.side, book)
        limit = asked.price if asked.ord_type == "limit" else None
        if asked.ord_type == "best":
            limit = levels[0][0] if levels else ZERO
        own = [maker for maker in self._resting.get(asked.market, {}).values() if maker.asked.side != asked.side]
        return offers(levels, own, asked.side, limit)

    def _take(self, order: Order, offer: Offer, volume: Decimal, book: Book) -> None:
        if offer.maker is None:
            self._depth.take(order.asked.side, book, offer.price, volume)
            self._venue.record_fill(order.asked.market, self._fill(order, offer.price, volume, maker=False))
        elif order.asked.smp_type == "none":
            self._fill(order, offer.price, volume, maker=False)
            self._fill(offer.maker, offer.price, volume, maker=True)
            self._conclude(offer.maker, rests=True)
        else:
            self._prevent(order, offer.maker, offer.price, volume)

    def _prevent(self, taker: Order, maker: Order, price: Decimal, volume: Decimal) -> None:
        """Keep two orders of ours from trading with each other, in the way the taker asks for."""
        mode = taker.asked.smp_type
        if mode in {"cancel_maker", "reduce"}:
            self._give_up(maker, volume if mode == "reduce" else None, price)
        if mode in {"cancel_taker", "reduce"}:
            self._give_up(taker, volume if mode == "reduce" else None, price)

    def _give_up(self, order: Order, volume: Decimal | None, price: Decimal) -> None:
        order.prevent(volume, price)
        self.accounts.shrink(order)
        self._settled({order.currency})
        self._tell(order, "prevented")
        if order.satisfied:
            self._end(order, "cancel")

    def _conclude(self, order: Order, *, rests: bool) -> None:
        if not order.open:
            return
        if order.satisfied:
            self._end(order, "done")
        elif rests:
            self._resting.setdefault(order.asked.market, {})[order.uuid] = order
        else:
            self._end(order, "cancel")

    def on_trades(self, trades: Iterable[PublicTrade]) -> None:
        """Fill resting orders whose price public trades went through, at most by the volume that traded."""
        for trade in trades:
            resting = self._resting.get(trade.market)
            if not resting:
                continue
            left = trade.volume
            for order in sorted(resting.values(), key=_best_first):
                left = self._fill_resting(order, trade, left)

    def _fill_resting(self, order: Order, trade: PublicTrade, left: Decimal) -> Decimal:
        price, remaining = order.asked.price, order.remaining_volume
        assert price is not None
        assert remaining is not None
        through = trade.price < price if order.asked.side == "bid" else trade.price > price
        volume = floor_volume(min(left, remaining))
        if not through or volume <= 0:
            return left
        self._fill(order, price, volume, maker=True)
        self._conclude(order, rests=True)
        return EXACT.subtract(left, volume)

    def _fill(self, order: Order, price: Decimal, volume: Decimal, *, maker: bool) -> Fill:
        bid = order.asked.side == "bid"
        funds = EXACT.multiply(price, volume)
        fill = Fill(
            uuid=self.new_uuid(),
            price=price,
            volume=volume,
            funds=funds,
            fee=EXACT.multiply(funds, order.fee_rate),
            at_ms=self._now_ms(),
            maker=maker,
            trend="up" if bid != maker else "down",
        )
        self.accounts.settle(order, fill)
        self._settled(set(order.asked.market.split("-", 1)))
        self._tell(order, "trade", fill)
        return fill

    def _end(self, order: Order, state: State) -> None:
        order.state = state
        self._open.pop(order.uuid, None)
        self._resting.get(order.asked.market, {}).pop(order.uuid, None)
        released = self.accounts.release(order)
        self._settled({order.currency} if released else ())
        self._tell(order, state)

    def _settled(self, currencies: Collection[str]) -> None:
        self.verify()
        if currencies:
            for listener in self.listeners:
                listener.on_assets(currencies)

    def _tell(self, order: Order, event: str, fill: Fill | None = None) -> None:
        for listener in self.listeners:
            listener.on_order(order, event, fill)


def _best_first(order: Order) -> Decimal:
    """Sort key of resting orders: the highest bid and the lowest ask first, the older one at a price."""
    price = order.asked.price or ZERO
    return price.copy_negate() if order.asked.side == "bid" else price


def _with_volume(body: Mapping[str, object], order: Order) -> dict[str, object]:
    remaining = order.remaining_volume
    if body.get("volume") != "remain_only":
        return dict(body)
    return {**body, "volume": None if remaining is None else plain(remaining)}
