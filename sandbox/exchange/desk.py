"""The front desk of the exchange: takes orders, cancels and replacements, and lets them take effect a moment later.

Everything here is synchronous. Time and delays are passed in, so the same code runs at any speed.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.exchange.clearing import Clearing
from sandbox.exchange.engine import Engine
from sandbox.exchange.orders import Order
from sandbox.exchange.records import Carried
from sandbox.exchange.rules import check_size, read_identifier, read_request
from sandbox.keys import PocketId
from sandbox.refusals import ApiError, refuse
from sandbox.wire import plain

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sandbox.exchange.accounts import Accounts
    from sandbox.exchange.clearing import OrderListener
    from sandbox.exchange.engine import Venue
    from sandbox.exchange.matching import Offer
    from sandbox.exchange.orders import Request
    from sandbox.exchange.pockets import Pocket
    from sandbox.exchange.records import AnyRecord
    from sandbox.market.feed import Book, PublicTrade

FEE_RATE = Decimal("0.0005")
# Market time between the answer to a request and its effect on the book.
LATENCY_MS = 5
ORDERS_KEPT = 100_000
"""Beyond so many the oldest order that has ended is forgotten, but never its identifier (docs/sandbox.md: 190 MB)."""
OURS = PocketId()  # the pocket that is always there


class Exchange:
    """Orders and balances of every pocket, in front of the public market. Where no pocket is named, the first is meant.

    What may be changed while it runs: `halted`, the markets that answer market_offline; `delay_ms`, how much later than
    usual an order meets the book; `meets`, when it does; `offered`, what it may take there.
    """

    def __init__(
        self,
        venue: Venue,
        markets: Collection[str],
        *,
        rng: random.Random,
        now_ms: Callable[[], int],
        later: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self.venue = venue
        self.markets = markets
        self.halted: set[str] = set()
        self.in_flight = 0  # accepted orders and cancels that did not take effect yet
        self.delay_ms: Callable[[Order], int] = lambda _: 0
        self.meets: Callable[[Order, Callable[[], None]], None] = self._meet_soon
        self.new_uuid: Callable[[], str] = lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4))
        self._now_ms = now_ms
        self._later = later
        self._clearing = Clearing(new_uuid=self.new_uuid, now_ms=now_ms)
        self._engine = Engine(venue, self._clearing)
        self._identifiers: dict[tuple[str, str], Order | None] = {}  # by account; None: burnt, there is no order

    # -- what there is

    @property
    def accounts(self) -> Accounts:
        """Return the balances of the first pocket."""
        return self.pockets[OURS].accounts

    @property
    def pockets(self) -> Mapping[PocketId, Pocket]:
        """Return every pocket."""
        return self._clearing.pockets

    @property
    def orders(self) -> Mapping[str, Order]:
        """Return every order by its uuid, the first one first."""
        return self._clearing.orders

    @property
    def listeners(self) -> list[OrderListener]:
        """Who is told what happens."""
        return self._clearing.listeners

    @property
    def offered(self) -> Callable[[Order, list[Offer]], list[Offer]]:
        """What of the offers it meets an order may take."""
        return self._engine.offered

    @offered.setter
    def offered(self, chosen: Callable[[Order, list[Offer]], list[Offer]]) -> None:
        self._engine.offered = chosen

    def book(self, market: str) -> Book:
        """Return the order book of a market as everybody sees it."""
        return self._engine.shown(market)

    def open_orders(self) -> Iterator[Order]:
        """Orders of every pocket that may still trade."""
        return (order for pocket in self.pockets.values() for order in pocket.open.values())

    def find(self, order_uuid: str | None, identifier: str | None, pocket: PocketId = OURS) -> Order:
        """Return an order of a pocket by uuid (which wins) or identifier, or raise `order_not_found`."""
        by_name = self._identifiers.get((pocket.account, identifier or ""))
        found = by_name if order_uuid is None else self.orders.get(order_uuid)
        if found is None or found.pocket != pocket:
            raise refuse("order_not_found")
        return found

    def verify(self) -> None:
        """Raise `LedgerError` unless the books balance and locked money is exactly what open orders hold."""
        for pocket in self.pockets.values():
            pocket.verify()

    # -- what is kept

    def restore(self, records: Iterable[AnyRecord], keep: Callable[[AnyRecord], None]) -> None:
        """Be what these records make, and go on: orders that had not met the book will, as if they came now.

        `keep` is handed what is about to happen, from then on; where it raises, that does not happen.
        Raises `LedgerError`, `KeyError` or `AssertionError` when they are not the records of an exchange.
        """
        for record in records:
            self._clearing.carry_out(record)
            if isinstance(record, Carried):
                self._identifiers |= {(record.account, identifier): None for identifier in record.identifiers}
        self.verify()
        self._clearing.record = keep
        for order in list(self.orders.values()):
            if order.asked.identifier is not None:
                self._identifiers[order.pocket.account, order.asked.identifier] = order
            if order.open:
                self._go_on(order)
        while len(self.orders) > ORDERS_KEPT and self._forget_oldest():
            pass

    def _go_on(self, order: Order) -> None:
        if not order.met_ms and not order.cancelling:
            self._meet(order)
        elif order.cancelling or not self._engine.rest_again(order):
            self._engine.end_cancelled(order)

    # -- what happens

    def open_pocket(self, pocket: PocketId) -> Pocket:
        """Return a pocket, a new one if it is not there yet."""
        return self._clearing.open_pocket(pocket)

    def deposit(self, currency: str, amount: Decimal, pocket: PocketId = OURS) -> None:
        """Give a pocket an amount from outside; a negative amount is withdrawn."""
        self._clearing.deposit(pocket, currency, amount)

    def draft(self, body: Mapping[str, object], pocket: PocketId = OURS) -> Order:
        """Check an order like a real one and return it, without placing anything; its identifier is used up."""
        return self._checked(body, pocket)

    def place(self, body: Mapping[str, object], pocket: PocketId = OURS) -> Order:
        """Take an order: its money is locked at once, its fills follow a moment later."""
        order = self._checked(body, pocket)
        self._accept(order)
        return order

    def cancel(self, order: Order, then: Callable[[], None] = lambda: None) -> None:
        """Accept a cancel, which takes effect a moment later; raise `order_not_found` when there is none to make.

        `then` is called when it took effect, and not when the order ended before.
        """
        if not order.open or order.cancelling:
            raise refuse("order_not_found")
        self._clearing.cancelling(order)
        self._soon(lambda: self._cancel(order, then))

    def replace(self, order: Order, body: Mapping[str, object]) -> Order:
        """Accept a cancel and, once it took effect, place another order; return the order to come.

        There is none in the end when the first order filled before, or when its money is not there any more.
        A volume of `remain_only` is what the first order had left.
        """
        used = self._use(body, order.pocket)
        request = read_request(_with_volume(body, order), self.markets)
        self._check_market(request)
        if used:
            raise refuse("duplicated_identifier")
        successor = self._make(request, order.pocket)
        successor.uuid = self.new_uuid()
        self.cancel(order, lambda: self._succeed(order, successor, body))
        return successor

    def give_up(self, order: Order) -> None:
        """End an order that nobody asked to cancel: it could not be carried out."""
        if order.open:
            self._engine.end_cancelled(order)

    def on_trades(self, trades: Iterable[PublicTrade]) -> None:
        """Fill the resting orders that public trades reached, at most by the volume that traded."""
        self._engine.on_trades(trades)

    def on_book(self, book: Book) -> None:
        """Let resting orders know their place in a queue that is shown."""
        self._engine.on_book(book)

    def on_gap(self) -> None:
        """Forget the places of all resting orders: books and trades were missed."""
        self._engine.on_gap()

    # -- how

    def _checked(self, body: Mapping[str, object], pocket: PocketId) -> Order:
        """Return an order that may be taken. The identifier is used up even when it may not.

        Money is checked before the identifier, which is the harder of the two readings for a client that repeats
        itself.
        """
        used = self._use(body, pocket)
        order = self._make(read_request(body, self.markets), pocket)
        self._check_market(order.asked)
        self._check_money(order)
        if used:
            raise refuse("duplicated_identifier")
        return order

    def _use(self, body: Mapping[str, object], pocket: PocketId) -> bool:
        """Use up the identifier of a body for ever; return whether it was used before."""
        identifier = read_identifier(body)
        if identifier is None:
            return False
        used = (pocket.account, identifier) in self._identifiers
        self._identifiers.setdefault((pocket.account, identifier), None)
        return used

    def _check_market(self, request: Request) -> None:
        if request.market in self.halted:
            raise refuse("market_offline")
        check_size(request, self._engine.levels("bid", request.market), self._engine.levels("ask", request.market))

    def _check_money(self, order: Order) -> None:
        if order.locked > self.pockets[order.pocket].accounts.of(order.currency)[0]:
            raise refuse(f"insufficient_funds_{order.asked.side}")

    def _make(self, request: Request, pocket: PocketId) -> Order:
        return Order(uuid="", asked=request, pocket=pocket, fee_rate=FEE_RATE, created_ms=self._now_ms())

    def _accept(self, order: Order) -> None:
        self._clearing.accept(order)
        if order.asked.identifier is not None:
            self._identifiers[order.pocket.account, order.asked.identifier] = order
        self._meet(order)
        if len(self.orders) > ORDERS_KEPT:
            self._forget_oldest()

    def _forget_oldest(self) -> bool:
        oldest = next((order for order in self.orders.values() if not order.open), None)
        if oldest is None:
            return False
        self._clearing.forget(oldest)
        if oldest.asked.identifier is not None:
            self._identifiers[oldest.pocket.account, oldest.asked.identifier] = None
        return True

    def _succeed(self, order: Order, successor: Order, body: Mapping[str, object]) -> None:
        try:
            successor.asked = read_request(_with_volume(body, order), self.markets)
            self._check_market(successor.asked)
            self._check_money(successor)
        except ApiError:
            return  # the call was answered long ago: the exchange, too, just places nothing
        successor.created_ms = self._now_ms()
        self._accept(successor)

    def _cancel(self, order: Order, then: Callable[[], None]) -> None:
        if order.open:
            self._engine.end_cancelled(order)
            then()

    def _meet(self, order: Order) -> None:
        """Let an order meet the book when the time has come."""
        self.meets(order, self._in_flight(lambda: self._engine.match(order)))

    def _meet_soon(self, order: Order, effect: Callable[[], None]) -> None:
        self._later(LATENCY_MS + self.delay_ms(order), effect)

    def _soon(self, effect: Callable[[], None]) -> None:
        """Let something accepted take effect a moment later."""
        self._later(LATENCY_MS, self._in_flight(effect))

    def _in_flight(self, effect: Callable[[], None]) -> Callable[[], None]:
        """Return an effect that counts as on its way until it comes."""
        self.in_flight += 1

        def run() -> None:
            effect()
            self.in_flight -= 1

        return run


def _with_volume(body: Mapping[str, object], order: Order) -> dict[str, object]:
    remaining = order.remaining_volume
    if body.get("volume") != "remain_only":
        return dict(body)
    return {**body, "volume": None if remaining is None else plain(remaining)}
