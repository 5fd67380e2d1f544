"""A market that repeats a tape: its trades and books as they were recorded, at the exchange's own times.

What lies before the tape is what the exchange answered about candles while it was recorded. While nothing was heard
there are no books, so that nothing is filled at prices nobody knows.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import msgspec

from sandbox.market.candles import DAY, MINUTE, aggregate, opened_ms
from sandbox.market.feed import Book, Candle, Level, Listing, PublicTrade
from tape.form import RecordKind
from tape.market import MARKET, Answer, Pause, Trade, answers, events, rows_of
from tape.market import Book as RecordedBook
from tape.problems import TapeError
from tape.reading import files_of, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tape.form import Record

WINDOW_MS = 3_000
"""How much later a frame may come than one that tells of something newer."""
BEGINNING = 2
"""Files in which lists and candles of before the start are looked for: they are asked for when recording begins."""
MINUTES = "/v1/candles/minutes/"
DAYS = "/v1/candles/days"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A candle as it was answered."""

    candle_date_time_utc: str
    opening_price: Decimal
    high_price: Decimal
    low_price: Decimal
    trade_price: Decimal
    candle_acc_trade_volume: Decimal
    candle_acc_trade_price: Decimal
    timestamp: int


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """The warnings about a market, as listed."""

    warning: bool = False
    caution: dict[str, bool] = {}


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A market as it was listed."""

    market: str
    korean_name: str
    english_name: str = ""
    market_event: Flags = Flags()


def nothing_recorded(path: Path) -> TapeError:
    """Return the error of a tape without a market."""
    return TapeError(
        f"{path}: 재생할 체결이 없습니다. 1분 넘게 기록한 테이프가 필요합니다.",
        f"{path}: there is no trade to repeat. A tape of more than a minute is needed.",
    )


class TapeMarket:
    """A source that repeats a tape, from its first full minute on."""

    takes_impact = False

    def __init__(self, path: Path) -> None:
        """Raises `TapeError` when there is nothing to repeat."""
        files = files_of(path)
        beginning = Beginning(records(files[:BEGINNING]))
        if not beginning.markets:
            raise nothing_recorded(path)
        self.start_ms = beginning.start_ms
        self.listings = beginning.listings()
        self._layers = beginning.candles
        self._timeline = timeline(events(records(files)))
        self._books: dict[str, Book] = {}
        self._ahead = next(self._timeline, None)
        self.end_ms: int | None = last_ms(files[-1:])
        if self.end_ms is None or self.end_ms < self.start_ms:
            raise nothing_recorded(path)

    def next_ms(self) -> int | None:
        """Return when the next thing on the tape happens; None after the last."""
        return max(self._ahead[0], self.start_ms) if self._ahead else None

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to `to_ms` that were not given yet, and let the books be those of that moment."""
        trades = []
        while self._ahead is not None and self._ahead[0] <= to_ms:
            at_ms, event = self._ahead
            self._ahead = next(self._timeline, None)
            if isinstance(event, Pause):
                self._books.clear()
            elif isinstance(event, RecordedBook):
                self._books[event.market] = book_of(event)
            elif at_ms >= self.start_ms:
                trades.append(trade_of(event, at_ms))
        return trades

    def book(self, market: str, at_ms: int) -> Book:
        """Return the recorded book of that moment, without levels where none is known."""
        return self._books.get(market) or Book(market, at_ms, (), ())

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return candles of before the start that opened before `before_ms`, newest first.

        A unit that was not asked for is added up from shorter ones, as far as those reach.
        """
        found: dict[int, Candle] = {}
        layers = self._layers.get(market, {})
        for finer_s in sorted(one for one in layers if one <= unit_s):
            candles = aggregate(layers[finer_s], unit_s)
            for candle in candles if finer_s == unit_s else candles[1:]:  # its beginning may be cut off
                found.setdefault(candle.opened_ms, candle)
        before = [found[opened] for opened in sorted(found, reverse=True) if opened < before_ms]
        return before[:count]


class Beginning:
    """What the beginning of a tape says: which markets, since when, and what was before."""

    def __init__(self, found: Iterable[Record]) -> None:
        self.start_ms = 0
        self.markets: tuple[str, ...] = ()
        self.candles: dict[str, dict[int, list[Candle]]] = {}  # by market and unit in seconds, oldest first
        self._listed: dict[str, Listing] = {}
        for answer in answers(self._opening(found)):
            self._take(answer)
        for layers in self.candles.values():
            for unit_s, candles in layers.items():
                layers[unit_s] = self._before_start(candles, unit_s)

    def _opening(self, found: Iterable[Record]) -> Iterator[Record]:
        for record in found:
            if not self.start_ms and record.channel == MARKET and record.kind == RecordKind.OPEN:
                self.markets = tuple(msgspec.json.decode(record.content, type=list[str]))
                self.start_ms = opened_ms(record.at_us // 1000, MINUTE) + MINUTE * 1000
            yield record

    def _take(self, answer: Answer) -> None:
        place = urlsplit(answer.path)
        if place.path == "/v1/market/all":
            self._listed |= {row.market: listing_of(row) for row in rows_of(answer, Listed)}
        elif unit_s := unit_of(place.path):
            (market,) = parse_qs(place.query)["market"]
            candles = self.candles.setdefault(market, {}).setdefault(unit_s, [])
            candles += [candle_of(row) for row in rows_of(answer, Row)]

    def _before_start(self, candles: Iterable[Candle], unit_s: int) -> list[Candle]:
        closed = {candle.opened_ms: candle for candle in candles if candle.opened_ms + unit_s * 1000 <= self.start_ms}
        return [closed[opened] for opened in sorted(closed)]

    def listings(self) -> tuple[Listing, ...]:
        """Return the recorded markets, bitcoin first, as they were listed."""
        names = sorted(self.markets, key=lambda market: (market != "KRW-BTC", market))
        return tuple(self._listed.get(name) or unlisted(name) for name in names)


def unit_of(path: str) -> int | None:
    """Return the seconds of the candles a path asks for; None when it asks for something else."""
    if path.startswith(MINUTES):
        return int(path.removeprefix(MINUTES)) * MINUTE
    return DAY if path == DAYS else None


def listing_of(row: Listed) -> Listing:
    """Return a market as it was listed."""
    raised = frozenset(name for name, is_raised in row.market_event.caution.items() if is_raised)
    return Listing(row.market, row.korean_name, row.english_name, warning=row.market_event.warning, caution=raised)


def unlisted(market: str) -> Listing:
    """Return the listing of a market of which only frames are known."""
    code = market.partition("-")[2]
    return Listing(market, code, code, warning=False, caution=frozenset())


def candle_of(row: Row) -> Candle:
    """Return an answered candle."""
    opened = int(datetime.fromisoformat(row.candle_date_time_utc).replace(tzinfo=UTC).timestamp()) * 1000
    return Candle(
        opened,
        row.opening_price,
        row.high_price,
        row.low_price,
        row.trade_price,
        row.candle_acc_trade_volume,
        row.candle_acc_trade_price,
        row.timestamp,
    )


def trade_of(trade: Trade, at_ms: int) -> PublicTrade:
    """Return a recorded trade at the moment it is repeated."""
    return PublicTrade(trade.market, plain(trade.price), plain(trade.volume), at_ms, trade.taker, trade.number)


def book_of(book: RecordedBook) -> Book:
    """Return a recorded book."""
    asks, bids = (tuple(Level(plain(price), plain(size)) for price, size in side) for side in (book.asks, book.bids))
    return Book(book.market, book.at_ms, asks, bids)


def plain(number: Decimal) -> Decimal:
    """Return a number without an exponent: frames write `9.8E+7` where answers write 98000000."""
    return Decimal(f"{number:f}") if number.adjusted() > 0 and number == number.to_integral_value() else number


def timeline(found: Iterable[Trade | RecordedBook | Pause]) -> Iterator[tuple[int, Trade | RecordedBook | Pause]]:
    """Yield what happened in the order of the exchange's times, in ms; they never go back.

    What comes too late even for the window happens when it comes.
    """
    waiting: list[tuple[int, int, Trade | RecordedBook | Pause]] = []
    newest = told = ahead_ms = 0
    numbers = count()

    def due(until_ms: int) -> Iterator[tuple[int, Trade | RecordedBook | Pause]]:
        nonlocal told
        while waiting and waiting[0][0] <= until_ms:
            at_ms, _, event = heapq.heappop(waiting)
            told = max(told, at_ms)
            yield told, event

    for event in found:
        arrived_ms = event.arrived_us // 1000
        if isinstance(event, Pause):
            at_ms = arrived_ms - ahead_ms
        else:
            at_ms, ahead_ms = (
                event.at_ms,
                arrived_ms - max(newest, event.at_ms),
            )  # clocks differ, and the way takes time
        newest = max(newest, at_ms)
        heapq.heappush(waiting, (at_ms, next(numbers), event))
        yield from due(newest - WINDOW_MS)
    yield from due(newest)


def last_ms(files: Iterable[Path]) -> int | None:
    """Return when the last trade or book of some files happened, at the exchange."""
    moments = (event.at_ms for event in events(records(files)) if not isinstance(event, Pause))
    return max(moments, default=None)
