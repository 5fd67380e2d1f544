"""What one market has traded since the start, on top of its history: its trades, candles and ticker."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from sandbox.market.candles import DAY, HOUR, MINUTE, extend, join, moved, opened_ms
from sandbox.market.feed import Candle, PublicTrade
from sandbox.market.ladder import Ladder
from sandbox.market.packed import Packed

if TYPE_CHECKING:
    from sandbox.market.feed import Listing, Source, Taker

ZERO = Decimal(0)
HOURS_A_DAY, DAYS_A_YEAR = 24, 364
"""A year of 52 weeks, as Upbit counts its highest and lowest price."""
TRADES_KEPT = 1_024
FORMING_KEPT = 5
"""Candles of one unit at hand without looking for them: as many as a stream may have to catch up with."""


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
    listing: Listing


class Extreme:
    """The highest price of the last days, or (`sign` -1) the lowest; keeps only days that can still become it."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._days: deque[tuple[int, Decimal]] = deque()

    def add(self, day_ms: int, price: Decimal) -> None:
        """Take the price of a day that is over, later than all before."""
        while self._days and (price - self._days[-1][1]) * self._sign > 0:
            self._days.pop()
        self._days.append((day_ms, price))

    def best(self, since_ms: int, today: tuple[int, Decimal]) -> tuple[int, Decimal]:
        """Return the day and the price, among days from `since_ms` on and the one that runs; the earliest of equals."""
        while self._days and self._days[0][0] < since_ms:
            self._days.popleft()
        best = self._days[0] if self._days else today
        return today if (today[1] - best[1]) * self._sign > 0 else best


class Tape:
    """The trades of one market and what follows from them."""

    def __init__(self, source: Source, listing: Listing) -> None:
        market, start = listing.market, source.start_ms
        self._source = source
        self.listing = listing
        self._ladder = Ladder()
        self._trades: Packed[PublicTrade] = Packed(TRADES_KEPT, write_trade, lambda line: read_trade(market, line))
        self.last: PublicTrade | None = None
        before = source.history(market, MINUTE, start, 1)
        self._start_close = before[0].close if before else ZERO
        self._start_ms = before[0].last_ms if before else start
        hours = reversed(source.history(market, HOUR, start, HOURS_A_DAY))
        self._hours = deque((hour.opened_ms, hour.volume, hour.turnover) for hour in hours)
        self._forming: dict[int, deque[Candle]] = {}  # by unit, once somebody asked; oldest first
        self._day_ms = opened_ms(start, DAY)
        self._asks = self._bids = ZERO
        self._highs, self._lows = Extreme(1), Extreme(-1)
        self._remember(source.history(market, DAY, start, DAYS_A_YEAR)[::-1])

    def _remember(self, days: list[Candle]) -> None:
        """Take the days before the start: the last one may still run."""
        begun = days.pop() if days and days[-1].opened_ms == self._day_ms else None
        if begun is not None:  # history does not say who took
            self._bids = begun.volume / 2
            self._asks = begun.volume - self._bids
        self._today = begun  # None before the first trade of a day
        for day in days:
            self._highs.add(day.opened_ms, day.high)
            self._lows.add(day.opened_ms, day.low)
        self._prev_close = days[-1].close if days else begun.open if begun else self._start_close

    def add(self, trade: PublicTrade) -> None:
        """Take a trade into every figure."""
        self._roll(trade.at_ms)
        price, volume, at_ms = trade.price, trade.volume, trade.at_ms
        turnover = price * volume + trade.besides
        one = Candle(at_ms, price, price, price, price, volume, turnover, at_ms)
        self._ladder.add(one)
        self._today = moved(one, self._day_ms) if self._today is None else join(self._today, one)
        for unit_s, forming in self._forming.items():
            extend(forming, one, unit_s)
        self._trades.append(trade)
        self.last = trade
        self._count_hour(opened_ms(at_ms, HOUR), volume, turnover)
        if trade.taker == "ASK":
            self._asks += volume
        else:
            self._bids += volume

    def _count_hour(self, hour_ms: int, volume: Decimal, turnover: Decimal) -> None:
        if self._hours and self._hours[-1][0] == hour_ms:
            _, volume_before, turnover_before = self._hours.pop()
            volume, turnover = volume + volume_before, turnover + turnover_before
        self._hours.append((hour_ms, volume, turnover))

    def _roll(self, now_ms: int) -> None:
        """Let days and hours pass, also when nobody trades."""
        while self._hours and self._hours[0][0] <= now_ms - HOURS_A_DAY * HOUR * 1000:
            self._hours.popleft()
        day_ms = opened_ms(now_ms, DAY)
        if day_ms == self._day_ms:
            return
        if self._today is not None:
            self._highs.add(self._day_ms, self._today.high)
            self._lows.add(self._day_ms, self._today.low)
        self._prev_close = self.price
        self._day_ms, self._today, self._asks, self._bids = day_ms, None, ZERO, ZERO

    @property
    def price(self) -> Decimal:
        """The last traded price, of before the start when nothing was traded since."""
        return self._start_close if self.last is None else self.last.price

    def previous_close(self, now_ms: int) -> Decimal:
        """Return the close of the day before."""
        self._roll(now_ms)
        return self._prev_close

    def ticker(self, now_ms: int) -> TickerState:
        """Return the ticker at a moment, not before the last trade. A day without a trade opens at the last price."""
        self._roll(now_ms)
        last, price = self.last, self.price
        today = self._today or Candle(self._day_ms, price, price, price, price, ZERO, ZERO, self._day_ms)
        since_ms = self._day_ms - DAYS_A_YEAR * DAY * 1000
        high_52w_ms, high_52w = self._highs.best(since_ms, (self._day_ms, today.high))
        low_52w_ms, low_52w = self._lows.best(since_ms, (self._day_ms, today.low))
        return TickerState(
            market=self.listing.market,
            price=price,
            volume=last.volume if last else ZERO,
            traded_ms=last.at_ms if last else self._start_ms,
            taker=last.taker if last else "BID",
            open=today.open,
            high=today.high,
            low=today.low,
            prev_close=self._prev_close,
            volume_day=today.volume,
            turnover_day=today.turnover,
            ask_volume_day=self._asks,
            bid_volume_day=self._bids,
            volume_24h=sum((volume for _, volume, _ in self._hours), ZERO),
            turnover_24h=sum((turnover for _, _, turnover in self._hours), ZERO),
            high_52w=high_52w,
            high_52w_ms=high_52w_ms,
            low_52w=low_52w,
            low_52w_ms=low_52w_ms,
            listing=self.listing,
        )

    def candles(self, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        """Return candles that opened before `to_ms`, newest first; the newest may still be forming.

        History follows where nothing since the start is forgotten: there is never a hole between the two. Seconds
        have no history.
        """
        start_ms = self._source.start_ms
        only_history = to_ms is not None and to_ms <= opened_ms(start_ms, unit_s)
        live = [] if only_history else self._ladder.candles(unit_s, to_ms, count + 1)
        if len(live) > count or unit_s < MINUTE or not self._ladder.complete(unit_s):
            return live[:count]
        before_ms = start_ms if to_ms is None else min(to_ms, start_ms)
        older = self._source.history(self.listing.market, unit_s, before_ms, count + 1)
        if live and older and older[0].opened_ms == live[-1].opened_ms:
            live[-1] = join(older.pop(0), live[-1])
        return (live + older)[:count]

    def forming(self, unit_s: int, count: int) -> list[Candle]:
        """Return the newest candles of a unit, oldest first; from the first question on each trade keeps them."""
        if unit_s not in self._forming:
            self._forming[unit_s] = deque(reversed(self.candles(unit_s, None, FORMING_KEPT)), maxlen=FORMING_KEPT)
        return list(self._forming[unit_s])[-count:]

    def recent(self, count: int, before_id: int | None, before_ms: int | None) -> list[PublicTrade]:
        """Return the newest trades, newest first, older than an id or a moment when given."""
        found = (
            trade
            for trade in self._trades.newest()
            if (before_id is None or trade.sequential_id < before_id) and (before_ms is None or trade.at_ms < before_ms)
        )
        return list(islice(found, count))


def write_trade(trade: PublicTrade) -> str:
    """Return a trade as a line."""
    return f"{trade.price} {trade.volume} {trade.at_ms} {trade.taker} {trade.sequential_id}"


def read_trade(market: str, line: str) -> PublicTrade:
    """Return the trade of a line."""
    price, volume, at_ms, taker, number = line.split(" ")
    side: Taker = "ASK" if taker == "ASK" else "BID"
    return PublicTrade(market, Decimal(price), Decimal(volume), int(at_ms), side, int(number))
