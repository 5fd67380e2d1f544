"""The public market as everybody sees it: candles, tickers, recent trades and books of one source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from sandbox.market.feed import PublicTrade
from sandbox.market.public_trades import Tape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from sandbox.market.feed import Book, Candle, Listing, Source, Taker
    from sandbox.market.public_trades import TickerState


IDS_A_MS, OWN_IDS = 10_000, 9_900
"""Numbers of trades in a millisecond, and the first of those that only fills of the user have."""


class TakerFill(Protocol):
    """A fill of the user that took liquidity."""

    @property
    def price(self) -> Decimal:
        """KRW per unit."""

    @property
    def volume(self) -> Decimal:
        """Units of base currency."""

    @property
    def at_ms(self) -> int:
        """When."""

    @property
    def trend(self) -> Literal["up", "down"]:
        """Whether the taker bought."""


class Markets:
    """All markets of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.listed = {listing.market: listing for listing in source.listings}  # may change while it runs
        self._tapes: dict[str, Tape] = {}
        self._now_ms = source.start_ms
        self._fills = 0
        self.on_own_trade: Callable[[PublicTrade], None] = lambda _: None  # who shows what clients traded

    def _tape(self, market: str) -> Tape:
        tape = self._tapes.get(market)
        if tape is None:
            tape = self._tapes[market] = Tape(self._source, self.listed[market])
        return tape

    def list_all(self, listings: Iterable[Listing]) -> None:
        """List exactly these markets."""
        self.listed.clear()
        self.listed.update({listing.market: listing for listing in listings})

    def relist(self, listing: Listing) -> None:
        """Change what is said about a market, or list it."""
        self.listed[listing.market] = listing
        self._tape(listing.market).listing = listing

    def unlist(self, market: str) -> None:
        """Take a market off the list: from now on nobody knows it."""
        if market in self.listed:
            self._tape(market)  # its strangers may go on trading unseen
            del self.listed[market]

    def next_ms(self) -> int | None:
        """Return when the next public trade happens."""
        return self._source.next_ms()

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Let the market go on to `to_ms`, and return what was traded meanwhile."""
        self._now_ms = max(self._now_ms, to_ms)
        trades = self._source.advance(to_ms)
        for trade in trades:
            self._tape(trade.market).add(trade)
        return trades

    def record_fill(self, market: str, fill: TakerFill) -> None:
        """Take notice of a fill of the user. Recorded markets stay as recorded; a generated one trades it too."""
        if self._source.takes_impact:
            number = fill.at_ms * IDS_A_MS + OWN_IDS + self._fills % (IDS_A_MS - OWN_IDS)
            self._fills += 1
            taker: Taker = "BID" if fill.trend == "up" else "ASK"
            trade = PublicTrade(market, fill.price, fill.volume, fill.at_ms, taker, number)
            self._tape(market).add(trade)
            self.on_own_trade(trade)

    def candles(self, market: str, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        """Return candles that opened before `to_ms`, newest first."""
        return self._tape(market).candles(unit_s, to_ms, count)

    def forming(self, market: str, unit_s: int, count: int) -> list[Candle]:
        """Return the newest candles, oldest first, at most `FORMING_KEPT`."""
        return self._tape(market).forming(unit_s, count)

    def previous_close(self, market: str) -> Decimal:
        """Return the close of the day before, UTC."""
        return self._tape(market).previous_close(self._now_ms)

    def ticker(self, market: str) -> TickerState:
        """Return a market's ticker now."""
        return self._tape(market).ticker(self._now_ms)

    def recent_trades(
        self, market: str, count: int, *, before_id: int | None = None, before_ms: int | None = None
    ) -> list[PublicTrade]:
        """Return the newest trades, newest first, older than an id or a moment when given."""
        return self._tape(market).recent(count, before_id, before_ms)

    def book(self, market: str) -> Book:
        """Return a market's order book now."""
        return self._source.book(market, self._now_ms)
