"""The public market as everybody sees it: candles, tickers, recent trades and books of one source."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from sandbox.candles import DAY, MINUTE, aggregate, join, opened_ms
from sandbox.feed import Candle, PublicTrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.feed import Book, Listing, Source, Taker

ZERO = Decimal(0)
HOUR = 3_600
HOURS_A_DAY = 24
TRADES_KEPT = 1_000
FORMING_KEPT = 5  # candles of one unit: as many as a stream may have to catch up with
MINUTES_KEPT = 45_000
"""A month of minutes; what is older is only in history."""


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


@dataclass(frozen=True, slots=True)
class TickerState:
    """Everything a ticker shows. `*_day` counts since 00:00 UTC."""

    market: str
    price: Decimal
    volume: Decimal  # of the last trade
    traded_ms: int
    taker: Taker
    open: Decimal
    high: Decimal
    low: Decimal
    prev_close: Decimal
    volume_day: Decimal
    turnover_day: Decimal
    ask_volume_day: Decimal
    bid_volume_day: Decimal
    volume_24h: Decimal
    turnover_24h: Decimal
    high_52w: Decimal
    high_52w_ms: int
    low_52w: Decimal
    low_52w_ms: int
    warning: bool


class Tape:
    """What one market has traded since the start, on top of its history."""

    def __init__(self, source: Source, listing: Listing) -> None:
        self._source = source
        self._listing = listing
        self.trades: deque[PublicTrade] = deque(maxlen=TRADES_KEPT)
        self.minutes: deque[Candle] = deque(maxlen=MINUTES_KEPT)  # oldest first
        market, start = listing.market, source.start_ms
        days = source.history(market, DAY, start, 365)
        last = source.history(market, MINUTE, start, 1)
        self._last_close = last[0].close if last else ZERO
        self._last_ms = last[0].last_ms if last else start
        self._hours = deque(reversed(source.history(market, HOUR, start, HOURS_A_DAY)))
        self._days: list[Candle] = days[::-1]
        self._asks = self._bids = ZERO
        self._day_ms = opened_ms(start, DAY)
        self._forming: dict[int, deque[Candle]] = {}  # by unit, once somebody asked; oldest first
        self._compared = -1  # number of days the next two were chosen from
        self._highest: Candle
        self._lowest: Candle

    def add(self, trade: PublicTrade) -> None:
        """Take a trade into every figure."""
        self.trades.append(trade)
        turnover = trade.price * trade.volume
        price, volume, at_ms = trade.price, trade.volume, trade.at_ms
        one = Candle(at_ms, price, price, price, price, volume, turnover, at_ms)
        for candles, unit_s in ((self.minutes, MINUTE), (self._hours, HOUR), (self._days, DAY)):
            extend(candles, one, unit_s)
        for unit_s, forming in self._forming.items():
            extend(forming, one, unit_s)
        day_ms = opened_ms(at_ms, DAY)
        if day_ms != self._day_ms:
            self._day_ms, self._asks, self._bids = day_ms, ZERO, ZERO
        if trade.taker == "ASK":
            self._asks += volume
        else:
            self._bids += volume
        while self._hours[0].opened_ms <= at_ms - HOURS_A_DAY * HOUR * 1000:
            self._hours.popleft()

    def ticker(self) -> TickerState:
        """Return the ticker as of the last trade."""
        last = self.trades[-1] if self.trades else None
        close = last.price if last else self._last_close
        traded_ms = last.at_ms if last else self._last_ms
        today, before = self._today(close)
        high, low = self._highest_and_lowest(today)
        return TickerState(
            market=self._listing.market,
            price=close,
            volume=last.volume if last else ZERO,
            traded_ms=traded_ms,
            taker=last.taker if last else "BID",
            open=today.open,
            high=today.high,
            low=today.low,
            prev_close=before,
            volume_day=today.volume,
            turnover_day=today.turnover,
            ask_volume_day=self._asks,
            bid_volume_day=self._bids,
            volume_24h=sum((hour.volume for hour in self._hours), ZERO),
            turnover_24h=sum((hour.turnover for hour in self._hours), ZERO),
            high_52w=high.high,
            high_52w_ms=high.opened_ms,
            low_52w=low.low,
            low_52w_ms=low.opened_ms,
            warning=self._listing.warning,
        )

    def previous_close(self) -> Decimal:
        """Return the close of the day before."""
        return self._today(self.trades[-1].price if self.trades else self._last_close)[1]

    def _highest_and_lowest(self, today: Candle) -> tuple[Candle, Candle]:
        """Return the days of the highest and the lowest price; days that are over are compared once."""
        if self._compared != len(self._days):
            self._compared = len(self._days)
            over = self._days[:-1] or [today]
            self._highest, self._lowest = max(over, key=lambda day: day.high), min(over, key=lambda day: day.low)
        last = self._days[-1] if self._days else today
        high = last if last.high > self._highest.high else self._highest
        return high, last if last.low < self._lowest.low else self._lowest

    def _today(self, close: Decimal) -> tuple[Candle, Decimal]:
        """Return the candle of the current day and the close before it."""
        empty = Candle(self._day_ms, close, close, close, close, ZERO, ZERO, self._day_ms)
        if not self._days:
            return empty, close
        if self._days[-1].opened_ms < self._day_ms:
            return empty, self._days[-1].close
        before = self._days[-2].close if len(self._days) > 1 else self._days[-1].open
        return self._days[-1], before

    def candles(self, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        """Return candles that opened before `to_ms`, newest first; the newest may still be forming."""
        live = self._live(unit_s, to_ms, count)
        start_ms = self._source.start_ms
        before_ms = start_ms if to_ms is None else min(to_ms, start_ms)
        if unit_s < MINUTE or len(live) > count:
            return live[:count]
        older = self._source.history(self._listing.market, unit_s, before_ms, count + 1)
        if live and older and older[0].opened_ms == live[-1].opened_ms:
            live[-1] = join(older.pop(0), live[-1])
        return (live + older)[:count]

    def forming(self, unit_s: int, count: int) -> list[Candle]:
        """Return the newest candles of a unit, oldest first; from the first question on each trade keeps them."""
        if unit_s not in self._forming:
            self._forming[unit_s] = deque(reversed(self.candles(unit_s, None, FORMING_KEPT)), maxlen=FORMING_KEPT)
        return list(self._forming[unit_s])[-count:]

    def _live(self, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        if unit_s < MINUTE:
            parts = (Candle(t.at_ms, *(t.price,) * 4, t.volume, t.price * t.volume, t.at_ms) for t in self.trades)
            found = aggregate(parts, unit_s)
        else:
            wanted = (count + 1) * (unit_s // MINUTE) + 1
            found = aggregate(self._tail(wanted, to_ms), unit_s)
        return [candle for candle in reversed(found) if to_ms is None or candle.opened_ms < to_ms]

    def _tail(self, wanted: int, to_ms: int | None) -> Iterator[Candle]:
        """Yield the last minutes that can matter, oldest first."""
        skip = max(0, len(self.minutes) - wanted) if to_ms is None else 0
        return islice(self.minutes, skip, None)


def extend(candles: deque[Candle] | list[Candle], part: Candle, unit_s: int) -> None:
    """Add a trade to the last candle of its unit, or begin a new one."""
    opened = opened_ms(part.opened_ms, unit_s)
    if candles and candles[-1].opened_ms == opened:
        candles[-1] = join(candles[-1], part)
    else:
        candles.append(
            Candle(opened, part.open, part.high, part.low, part.close, part.volume, part.turnover, part.last_ms)
        )


class Markets:
    """All markets of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.listings = source.listings
        self._by_name = {listing.market: listing for listing in source.listings}
        self._tapes: dict[str, Tape] = {}
        self._now_ms = source.start_ms

    def _tape(self, market: str) -> Tape:
        tape = self._tapes.get(market)
        if tape is None:
            tape = self._tapes[market] = Tape(self._source, self._by_name[market])
        return tape

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
            last = self._tape(market).trades
            number = last[-1].sequential_id + 1 if last else fill.at_ms * 10_000
            book = self.book(market)
            taker: Taker = "BID" if book.asks and fill.price >= book.asks[0].price else "ASK"
            self._tape(market).add(PublicTrade(market, fill.price, fill.volume, fill.at_ms, taker, number))

    def candles(self, market: str, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        """Return candles that opened before `to_ms`, newest first."""
        return self._tape(market).candles(unit_s, to_ms, count)

    def forming(self, market: str, unit_s: int, count: int) -> list[Candle]:
        """Return the newest candles, oldest first, at most `FORMING_KEPT`."""
        return self._tape(market).forming(unit_s, count)

    def previous_close(self, market: str) -> Decimal:
        """Return the close of the day before, UTC."""
        return self._tape(market).previous_close()

    def ticker(self, market: str) -> TickerState:
        """Return a market's ticker."""
        return self._tape(market).ticker()

    def recent_trades(
        self, market: str, count: int, *, before_id: int | None = None, before_ms: int | None = None
    ) -> list[PublicTrade]:
        """Return the newest trades, newest first, older than an id or a moment when given."""
        found = (
            trade
            for trade in reversed(self._tape(market).trades)
            if (before_id is None or trade.sequential_id < before_id) and (before_ms is None or trade.at_ms < before_ms)
        )
        return list(islice(found, count))

    def book(self, market: str) -> Book:
        """Return a market's order book now."""
        return self._source.book(market, self._now_ms)
