"""An exchange on paper in front of a market that a test tells of, frame by frame, at a time it chooses."""

from __future__ import annotations

import random
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from sandbox.exchange.desk import Exchange
from sandbox.floor import LiveFloor
from sandbox.market.feed import Listing
from sandbox.market.markets import Markets
from sandbox.market.sources.live import FEEDS, LiveSource, UpstreamAnswer
from sandbox.stream.audience import Audience
from sandbox.stream.relayed import Relayed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from paper.wallet import Wallet
    from sandbox.exchange.orders import Order
    from sandbox.wire import Json

MARKET, OTHER = "KRW-XRP", "KRW-BTC"
LATENCY_MS = 50
NOON_MS = 1_793_620_800_000
UNCHANGED: Mapping[str, object] = MappingProxyType({})


class Silence:
    """An upstream that only takes note of what it is asked for."""

    def __init__(self) -> None:
        self.looked_for: list[str] = []
        self.followed: dict[str, frozenset[str]] = {}

    async def answer(self, group: str, path: str, fields: Sequence[tuple[str, str]]) -> UpstreamAnswer:
        """Answer that nobody answers."""
        return UpstreamAnswer(503, f"{group} {path} {fields}".encode())

    async def look(self, market: str) -> None:
        """Take note."""
        self.looked_for.append(market)

    def look_soon(self, markets: Collection[str]) -> None:
        """Take note."""
        self.looked_for += markets

    def listen(self, kind: str, markets: frozenset[str]) -> None:
        """Take note."""
        self.followed[kind] = markets

    def reconnect(self, kind: str) -> None:
        """Take note."""
        del self.followed[kind]


class LiveDesk:
    """The exchange, with a million won; with a wallet as that says, and written down there."""

    def __init__(self, wallet: Wallet | None = None, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms
        self.upstream = Silence()
        listings = [Listing(name, name, name, warning=False, caution=frozenset()) for name in (OTHER, MARKET)]
        self.live = LiveSource(self.upstream, listings, start_ms=NOON_MS, latency_ms=LATENCY_MS)
        markets = Markets(self.live)
        self.exchange = Exchange(
            markets, markets.listed, rng=random.SystemRandom(), now_ms=lambda: self.now_ms, later=self._at_once
        )
        self.floor = LiveFloor(
            self.live, markets, self.exchange, Relayed(self.live, Audience()), now_ms=lambda: self.now_ms
        )
        if wallet is not None:
            wallet.restore(self.exchange)
        if wallet is None or not wallet.past:
            self.exchange.deposit("KRW", Decimal(1_000_000))
        self.number = 0
        for kind in FEEDS:
            self.live.opened(kind)

    @staticmethod
    def _at_once(delay_ms: int, effect: Callable[[], None]) -> None:
        assert delay_ms >= 0
        effect()

    def pass_ms(self, milliseconds: int) -> None:
        """Let time pass, and look after what waits."""
        self.now_ms += milliseconds
        self.live.tend()

    def book(
        self,
        asks: Mapping[int, str],
        bids: Mapping[int, str],
        *,
        age_ms: int = 0,
        changes: Mapping[str, object] = UNCHANGED,
    ) -> None:
        """Tell of a book: sizes by price, best first."""
        self.live.hear("orderbook", self.row(asks, bids, age_ms=age_ms) | {"code": MARKET} | dict(changes))

    def row(self, asks: Mapping[int, str], bids: Mapping[int, str], *, age_ms: int = 0) -> Json:
        """Return a book as REST tells it."""
        units = [
            {
                "ask_price": Decimal(ask),
                "ask_size": Decimal(asks[ask]),
                "bid_price": Decimal(bid),
                "bid_size": Decimal(bids[bid]),
            }
            for ask, bid in zip(asks, bids, strict=True)
        ]
        return {"market": MARKET, "timestamp": self.now_ms - age_ms, "orderbook_units": units}

    def trade(
        self,
        price: int,
        volume: str,
        taker: str = "ASK",
        *,
        age_ms: int = 0,
        changes: Mapping[str, object] = UNCHANGED,
    ) -> None:
        """Tell of a trade."""
        self.number += 1
        frame: Json = {
            "type": "trade",
            "code": MARKET,
            "trade_price": Decimal(price),
            "trade_volume": Decimal(volume),
            "trade_timestamp": self.now_ms - age_ms,
            "ask_bid": taker,
            "sequential_id": self.number,
            "stream_type": "REALTIME",
        }
        self.live.hear("trade", frame | dict(changes))

    def buy(self, krw: int) -> Order:
        """Buy for an amount of won."""
        return self.exchange.place({"market": MARKET, "side": "bid", "ord_type": "price", "price": str(krw)})

    def bid(self, price: int, volume: str) -> Order:
        """Bid a price for a volume."""
        body = {"market": MARKET, "side": "bid", "ord_type": "limit", "price": str(price), "volume": volume}
        return self.exchange.place(body)
