"""An exchange of ours in front of another one's market: what is heard there moves orders and clients here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.market.sources.live import TEND_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Order
    from sandbox.market.feed import Book, Listing, PublicTrade
    from sandbox.market.markets import Markets
    from sandbox.market.sources.live import LiveSource
    from sandbox.stream.relayed import Relayed
    from sandbox.timers import Timers
    from sandbox.wire import Json


class LiveFloor:
    """Hands on what a live source hears."""

    def __init__(
        self, live: LiveSource, markets: Markets, exchange: Exchange, relayed: Relayed, now_ms: Callable[[], int]
    ) -> None:
        self._live = live
        self._markets = markets
        self._exchange = exchange
        self._relayed = relayed
        self.now_ms = now_ms
        exchange.meets = self._meet
        live.attach(self)

    def _meet(self, order: Order, effect: Callable[[], None]) -> None:
        def give_up() -> None:
            self._exchange.give_up(order)
            effect()  # for an order that has ended it is none

        self._live.meet(order.asked.market, order, effect, give_up)

    def tend(self, timers: Timers) -> None:
        """Look after what waits, every second until the timers end."""
        try:
            self._live.tend()
        finally:
            timers.later(TEND_MS, lambda: self.tend(timers))

    def on_book(self, book: Book) -> None:
        """Let resting orders know their place."""
        self._exchange.on_book(book)

    def on_trade(self, trade: PublicTrade) -> None:
        """Fill the resting orders it reached."""
        self._exchange.on_trades([trade])

    def on_gap(self) -> None:
        """Forget the places of resting orders."""
        self._exchange.on_gap()

    def on_frame(self, kind: str, market: str, frame: Json) -> None:
        """Pass a frame on to clients."""
        self._relayed.on_frame(kind, market, frame)

    def on_lost(self, kind: str) -> None:
        """Let clients know that they miss something."""
        self._relayed.on_lost(kind)

    def on_listings(self, listings: Sequence[Listing]) -> None:
        """Take what is listed now; orders in a market that is not listed any more wait as if it were silent."""
        self._markets.list_all(listings)

    def traded(self) -> Iterator[str]:
        """Yield the markets of what is held in any pocket, and of open orders."""
        for order in self._exchange.open_orders():
            yield order.asked.market
        for pocket in self._exchange.pockets.values():
            yield from (f"KRW-{currency}" for currency, parts in pocket.accounts.all().items() if any(parts))
