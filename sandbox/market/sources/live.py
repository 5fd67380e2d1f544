"""A market that is another exchange's, now: its books and trades as they are heard, and nothing made up in between.

Nothing here asks anybody; an `Upstream` does, and hands over what it hears. Two things make a book one that an order
may meet: its own time is later than the order's arrival and the latency, or it was asked for after that. While a feed
is missing no order meets anything.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from sandbox.market.feed import Book, Level, Listing, PublicTrade
from sandbox.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sandbox.market.feed import Candle
    from sandbox.wire import Json

log = logging.getLogger("paper")

TRADES, BOOKS = "trade", "orderbook"
FEEDS = (TRADES, BOOKS)
"""Without these nothing is filled."""
QUOTE, STEADY = "KRW-", "KRW-BTC"
LATENCY_MS = 50
"""How long an order is thought to be on its way to the exchange and into its book."""
TEND_MS = 1_000
"""How often it is looked whether an order has waited for long, and which books are wanted."""
PATIENCE_MS = 60_000
"""How long an order waits for a book; then it is given up, with nothing filled."""
AHEAD_MS = 10_000
"""Frames from further ahead are nonsense."""
ASKED_FOR_MS = 600_000
"""How long the book of a market is followed after somebody wanted to order there."""
TARGETS = 30
"""So many markets whose tickers somebody follows are thought to be targets, and their books are followed, too."""
TRADES_KNOWN = 128
"""Numbers of trades remembered in a market: one that comes again is no other trade."""
LEVELS = 30


class NotTold(ValueError):
    """A frame that says nothing that can be true."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What was answered: a status, a body, and how long to rest if that was said (seconds)."""

    status: int
    body: bytes
    retry_after: float | None = None


class Upstream(Protocol):
    """Who can ask the other exchange."""

    async def answer(self, group: str, path: str, fields: Sequence[tuple[str, str]]) -> UpstreamAnswer:
        """Ask what everybody may ask; never raises."""

    async def look(self, market: str) -> None:
        """Read a book, and hand it over (`LiveSource.looked`); whether there is one is then known."""

    def look_soon(self, markets: Collection[str]) -> None:
        """The same, for several and without waiting for it."""

    def listen(self, kind: str, markets: frozenset[str]) -> None:
        """Follow exactly these markets."""

    def reconnect(self, kind: str) -> None:
        """Begin a feed anew."""


class Floor(Protocol):
    """Where books and trades are wanted: the exchange, and who listens to it."""

    def on_book(self, book: Book) -> None:
        """A fresher book is known."""

    def on_trade(self, trade: PublicTrade) -> None:
        """Strangers traded."""

    def on_gap(self) -> None:
        """Books or trades are missed from now on."""

    def on_frame(self, kind: str, market: str, frame: Json) -> None:
        """Something everybody may hear was told."""

    def on_lost(self, kind: str) -> None:
        """Frames of a kind are missed from now on."""

    def on_listings(self, listings: Sequence[Listing]) -> None:
        """Other markets are listed than before."""

    def traded(self) -> Iterable[str]:
        """Return the markets of what is held, and of open orders."""

    def now_ms(self) -> int:
        """Return the time here."""


class Coming(Protocol):
    """An order on its way to the book."""

    uuid: str
    met_ms: int


@dataclass(slots=True, eq=False)
class WaitingOrder:
    """An order that waits for a book of its market."""

    market: str
    order: Coming
    arrived_ms: int  # here
    due_ms: int  # there: no book of before is met
    effect: Callable[[], None]
    give_up: Callable[[], None]


class LiveSource:
    """What is known of the other exchange."""

    end_ms: int | None = None
    takes_impact = False

    def __init__(
        self, upstream: Upstream, listings: Sequence[Listing], *, start_ms: int, latency_ms: int = LATENCY_MS
    ) -> None:
        self.listings = tuple(listings)
        self.start_ms = start_ms
        self.upstream = upstream
        self.odd: Counter[str] = Counter()  # frames that were not believed, by what was odd about them
        self.given_up = 0
        self.gaps: list[tuple[int, int | None]] = []  # from when to when nothing was heard; None: still
        self.on_gap_end: Callable[[int, int], None] = lambda _begin, _end: None
        self.on_given_up: Callable[[str], None] = lambda _market: None
        self._floor: Floor | None = None
        self._latency_ms = latency_ms
        self._flowing: set[str] = set()
        self._books: dict[str, Book] = {}
        self._last: dict[tuple[str, str], Json] = {}  # frames, by kind and market
        self._seen: dict[str, OrderedDict[int, None]] = {}  # numbers of trades, by market
        self._waiting: list[WaitingOrder] = []
        self._clients: Mapping[str, frozenset[str]] = {}
        self._asked: dict[str, int] = {}  # market: until when its book is followed
        self._heard_ms = 0  # the latest time there that was heard of
        self._traded_ms = start_ms  # the latest trade that was heard of

    def attach(self, floor: Floor) -> None:
        """Serve an exchange from now on."""
        self._floor = floor
        self.tend()

    @property
    def floor(self) -> Floor:
        """Return the exchange that is served."""
        assert self._floor is not None
        return self._floor

    # -- a source like others, which has no past: that is asked for

    def next_ms(self) -> int | None:
        """Trades come by themselves."""
        return None

    def advance(self, to_ms: int) -> list[PublicTrade]:  # noqa: ARG002 - of a source
        """Trades come by themselves."""
        return []

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:  # noqa: ARG002 - same
        """Candles are asked for, not kept."""
        return []

    def book(self, market: str, at_ms: int) -> Book:  # noqa: ARG002 - same
        """Return the newest book that was heard of, or refuse the market: what is not known is not traded on."""
        book = self._books.get(market)
        if book is None:
            raise refuse("market_offline")
        return book

    def known_book(self, market: str) -> Book | None:
        """Return the newest book that was heard of, if any was."""
        return self._books.get(market)

    def last(self, kind: str, market: str) -> Json | None:
        """Return the newest frame of a feed that has not been interrupted since."""
        return self._last.get((kind, market))

    # -- orders

    @property
    def flowing(self) -> bool:
        """Whether everything is heard that a fill needs."""
        return self._flowing.issuperset(FEEDS)

    def meet(self, market: str, order: Coming, effect: Callable[[], None], give_up: Callable[[], None]) -> None:
        """Let an order meet the first book that is surely later than its arrival and the latency, or give it up."""
        now_ms = self.floor.now_ms()
        due_ms = max(now_ms, self._heard_ms) + self._latency_ms  # a clock here that is late makes no book later
        self._waiting.append(WaitingOrder(market, order, now_ms, due_ms, effect, give_up))
        self._follow(market)

    async def look(self, market: str) -> None:
        """Make sure that a book is known before somebody orders, unless there is none."""
        if market not in self._listed():
            return
        followed = market in self._asked and BOOKS in self._flowing
        self._follow(market)
        if not followed or market not in self._books:
            await self.upstream.look(market)

    def _follow(self, market: str) -> None:
        known = market in self._asked
        self._asked[market] = self.floor.now_ms() + ASKED_FOR_MS
        if not known:
            self._listen()

    def _meet(self, market: str, late_enough: Callable[[WaitingOrder], bool]) -> None:
        for one in [one for one in self._waiting if one.market == market and late_enough(one)]:
            one.order.met_ms = one.due_ms
            one.effect()
            self._waiting.remove(one)  # where that failed it meets the next book

    def tend(self) -> None:
        """Ask for books that nobody pushes, give up what has waited too long, and follow what is wanted now."""
        now_ms = self.floor.now_ms()
        for one in [one for one in self._waiting if now_ms - one.arrived_ms >= PATIENCE_MS]:
            one.give_up()
            self._waiting.remove(one)
            self.given_up += 1
            log.warning("paper_order_given_up order=%s market=%s why=no book", one.order.uuid, one.market)
            self.on_given_up(one.market)
        if self.flowing:
            waiting = {one.market for one in self._waiting if now_ms - one.arrived_ms >= TEND_MS}
            self.upstream.look_soon(waiting)
        self._asked = {market: until for market, until in self._asked.items() if until > now_ms}
        self._listen()

    # -- who hears what

    def serve(self, clients: Mapping[str, frozenset[str]]) -> None:
        """Take note of what clients listen to, by kind."""
        self._clients = clients
        self._listen()

    def _listed(self) -> frozenset[str]:
        return frozenset(listing.market for listing in self.listings)

    def _listen(self) -> None:
        listed = self._listed()
        for kind in {*FEEDS, *self._clients}:
            wanted = self._clients.get(kind, frozenset())
            if kind == TRADES:
                wanted = listed
            elif kind == BOOKS:
                wanted |= self._books_wanted()
            self.upstream.listen(kind, wanted & listed)

    def _books_wanted(self) -> frozenset[str]:
        """Return what is targeted, held or ordered, and one market so that the feed is never without any."""
        targets = self._clients.get("ticker", frozenset())
        few = targets if len(targets) <= TARGETS else frozenset()
        return frozenset({self.steady(), *few, *self._asked, *self.floor.traded()})

    def steady(self) -> str:
        """Return a market that is never quiet for long, as far as there is one."""
        return STEADY if STEADY in self._listed() else self.listings[0].market

    def relist(self, listings: Sequence[Listing]) -> None:
        """Take note of what is listed now."""
        if listings and tuple(listings) != self.listings:
            self.listings = tuple(listings)
            self.floor.on_listings(self.listings)
            self._listen()

    def missed(self, tickers: Iterable[object]) -> bool:
        """Return whether these tickers know of a trade that should have been heard of long ago."""
        times = [row.get("trade_timestamp") for row in tickers if isinstance(row, dict)]
        return max((time for time in times if isinstance(time, int)), default=0) > self._traded_ms + AHEAD_MS

    # -- what is heard

    def opened(self, kind: str) -> None:
        """A feed begins."""
        whole = self.flowing
        self._flowing.add(kind)
        if self.flowing and not whole and self.gaps and self.gaps[-1][1] is None:
            begin, end = self.gaps[-1][0], self.floor.now_ms()
            self.gaps[-1] = (begin, end)
            log.warning(
                "paper_feed_back nothing_filled_for_s=%.1f orders_wait=%d", (end - begin) / 1000, len(self._waiting)
            )
            self.on_gap_end(begin, end)

    def closed(self, kind: str, silent_ms: int = 0) -> None:
        """A feed ends, or has said nothing for a while that it should have: what was heard of it is the past."""
        if kind not in self._flowing:
            return
        whole = self.flowing
        self._flowing.discard(kind)
        self._last = {key: frame for key, frame in self._last.items() if key[0] != kind}
        self.floor.on_lost(kind)
        if whole and not self.flowing:
            self.gaps.append((self.floor.now_ms() - silent_ms, None))
            log.warning("paper_feed_lost kind=%s nothing is filled until it is back", kind)
            self.floor.on_gap()

    def hear(self, kind: str, frame: Json) -> None:
        """Take a frame. One that cannot be true is counted, and moves nothing here."""
        market = str(frame.get("code"))
        try:
            if kind == TRADES:
                self._hear_trade(frame)
            elif kind == BOOKS:
                self._hear_book(read_book(market, frame))
        except NotTold as error:
            self._doubt(kind, market, str(error))
            return
        self._last[kind, market] = frame
        self.floor.on_frame(kind, market, frame)

    def _hear_trade(self, frame: Json) -> None:
        trade = read_trade(frame)
        self._believe(trade.at_ms)
        first = frame.get("stream_type") == "SNAPSHOT"  # the last trade before the feed began
        seen = self._seen.setdefault(trade.market, OrderedDict())
        if trade.sequential_id in seen:
            if first:
                return
            raise NotTold("a trade again")
        seen[trade.sequential_id] = None
        if len(seen) > TRADES_KNOWN:
            seen.popitem(last=False)
        self._traded_ms = max(self._traded_ms, trade.at_ms)
        if self.flowing and not first:
            self.floor.on_trade(trade)

    def _hear_book(self, book: Book) -> None:
        self._believe(book.at_ms)
        last = self._books.get(book.market)
        if last is not None and book.at_ms < last.at_ms:
            raise NotTold("an older book")
        self._take(book, lambda one: book.at_ms > one.due_ms)

    def looked(self, market: str, row: Json, asked_ms: int) -> None:
        """Take a book that was asked for: it stood there after the asking, however old it is."""
        try:
            book = read_book(market, row)
            self._believe(book.at_ms)
        except NotTold as error:
            self._doubt("look", market, str(error))
            return
        last = self._books.get(market)
        newest = book if last is None or book.at_ms >= last.at_ms else last
        self._take(newest, lambda one: newest.at_ms > one.due_ms or asked_ms >= one.arrived_ms + self._latency_ms)

    def _take(self, book: Book, late_enough: Callable[[WaitingOrder], bool]) -> None:
        self._books[book.market] = book
        if self.flowing:
            self._meet(book.market, late_enough)
            self.floor.on_book(book)

    def _believe(self, at_ms: int) -> None:
        """Take note of a time there, unless it cannot be."""
        if at_ms > self.floor.now_ms() + AHEAD_MS:
            raise NotTold("from the future")
        self._heard_ms = max(self._heard_ms, at_ms)

    def _doubt(self, kind: str, market: str, why: str) -> None:
        self.odd[why] += 1
        log.warning("paper_frame_left_out kind=%s market=%.20s why=%s", kind, market, why)


def read_trade(frame: Json) -> PublicTrade:
    """Return the trade a frame tells of, or raise `NotTold`."""
    price, volume = amount(frame, "trade_price"), amount(frame, "trade_volume")
    at_ms, number, taker = whole(frame, "trade_timestamp"), whole(frame, "sequential_id"), frame.get("ask_bid")
    if taker not in {"ASK", "BID"} or not price or not volume:
        raise NotTold("no trade")
    return PublicTrade(str(frame["code"]), price, volume, at_ms, "ASK" if taker == "ASK" else "BID", number)


def read_book(market: str, told: Json) -> Book:
    """Return the book a frame or a row tells of, or raise `NotTold`; a thin side is padded with zeros."""
    units = told.get("orderbook_units")
    if not isinstance(units, list) or not all(isinstance(unit, dict) for unit in units):
        raise NotTold("no book")
    sides = [
        tuple(
            Level(price, size)
            for unit in units[:LEVELS]
            if (price := amount(unit, f"{side}_price")) and (size := amount(unit, f"{side}_size"))
        )
        for side in ("ask", "bid")
    ]
    asks, bids = sides
    rising, falling = [level.price for level in asks], [level.price for level in bids]
    if rising != sorted(set(rising)) or falling != sorted(set(falling), reverse=True):
        raise NotTold("levels out of order")
    if asks and bids and bids[0].price >= asks[0].price:
        raise NotTold("a crossed book")
    return Book(market, whole(told, "timestamp"), asks, bids)


def amount(told: Json, name: str) -> Decimal:
    """Return a number that is not negative."""
    value = told.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        raise NotTold(f"no {name}")
    return value


def whole(told: Json, name: str) -> int:
    """Return a whole number, which Upbit may write with an exponent."""
    value = amount(told, name)
    if value != int(value):
        raise NotTold(f"no {name}")
    return int(value)


def read_listings(rows: object) -> tuple[Listing, ...]:
    """Return the won markets of a `market/all`; rows that are none are left out."""
    found = (read_listing(row) for row in (rows if isinstance(rows, list) else ()))
    return tuple({listing.market: listing for listing in found if listing is not None}.values())


def read_listing(row: object) -> Listing | None:
    """Return one won market, or None."""
    if not isinstance(row, dict) or not str(row.get("market")).startswith(QUOTE):
        return None
    event = row.get("market_event")
    flags: dict[str, object] = event if isinstance(event, dict) else {}
    caution = flags.get("caution")
    raised = (name for name, up in caution.items() if up is True) if isinstance(caution, dict) else ()
    return Listing(
        market=str(row["market"]),
        korean_name=str(row.get("korean_name", "")),
        english_name=str(row.get("english_name", "")),
        warning=flags.get("warning") is True,
        caution=frozenset(raised),
    )
