"""The pairs of a shadow: orders of the journal, and on the tape the books that paper would have let them meet.

The rule is that of paper (docs/paper.md): an order meets the first book whose own time is later than its arrival plus
the latency, counted from the latest time heard of at the exchange, and walks its levels.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from sandbox.exchange.matching import Depth
from sandbox.market.feed import Book, Level
from sandbox.market.sources.live import LATENCY_MS
from tape.form import RecordKind, micros, moment_of
from tape.market import MARKET, Pause, Trade, answers, events, rows_of
from tape.reading import records
from tape.writing import HOUR_US, hour_name
from upbit.models import Side
from views.shadow import Pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from journal.queries import Queries
    from journal.records import Fill, Intent
    from tape.form import Record
    from tape.market import Book as RecordedBook

ZERO = Decimal(0)
BEFORE_US, AFTER_US = 5_000_000, 60_000_000
"""What of the tape is looked at around an order: to know the exchange's time, and until paper gives it up."""
TICKERS = "/v1/ticker/all"


@dataclass(slots=True, kw_only=True)
class Sent:
    """An order that was filled."""

    market: str
    side: Side
    at: datetime
    funds: Decimal  # KRW that were turned over
    volume: Decimal
    heard_ms: int = 0  # the latest time at the exchange that was heard of before it was sent
    paper_price: Decimal | None = None
    turnover_24h: Decimal | None = None
    at_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.at_us = micros(self.at)

    def pair(self) -> Pair | None:
        """Return it beside its paper; None without one."""
        if self.paper_price is None:
            return None
        return Pair(
            market=self.market,
            side=self.side,
            at=self.at,
            krw=self.funds,
            real_price=self.funds / self.volume,
            paper_price=self.paper_price,
            turnover_24h=self.turnover_24h,
        )


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of tickers says of a market's turnover."""

    market: str
    acc_trade_price_24h: Decimal


def sent_orders(journal: Queries, begin: datetime, end: datetime) -> list[Sent]:
    """Return the orders that were sent in a stretch of time and filled, oldest first."""
    fills: dict[str, tuple[Intent, list[Fill]]] = {}
    for intent, fill in journal.executions():
        fills.setdefault(intent.identifier, (intent, []))[1].append(fill)
    found = []
    for intent, several in fills.values():
        tries = [attempt for attempt in journal.attempts(intent.identifier) if attempt.kind == "real"]
        if tries and begin <= tries[-1].began_at < end:
            funds, volume = (sum((getattr(one, name) for one in several), ZERO) for name in ("funds", "volume"))
            found.append(
                Sent(market=intent.market, side=intent.side, at=tries[-1].began_at, funds=funds, volume=volume)
            )
    return sorted(found, key=lambda one: one.at)


class Moments:
    """Orders by when they were sent: which of them a moment is near."""

    def __init__(self, orders: Iterable[Sent]) -> None:
        self._orders = sorted(orders, key=attrgetter("at_us"))
        self._times = [order.at_us for order in self._orders]

    def near(self, at_us: int) -> list[Sent]:
        """Return the orders that a moment is near."""
        first, last = bisect_left(self._times, at_us - AFTER_US), bisect_right(self._times, at_us + BEFORE_US)
        return self._orders[first:last]

    def hours(self) -> set[str]:
        """Return what the names of the files begin with in which something around them may be, and what was before."""
        shifts = (-HOUR_US, -BEFORE_US, AFTER_US)
        return {hour_name(moment_of(at_us + shift)) for at_us in self._times for shift in shifts}


def put_on_paper(orders: Sequence[Sent], files: Sequence[Path], latency_ms: int = LATENCY_MS) -> None:
    """Fill each order on paper, from the books of a tape, as far as the tape knows its moment."""
    moments, turnover = Moments(orders), dict[str, Decimal]()
    hours = moments.hours()
    read = [path for path in files if len(files) == 1 or path.name.partition("-")[0] in hours]
    for event in events(near_orders(records(read), moments, turnover)):
        if isinstance(event, Pause):
            continue
        for order in moments.near(event.arrived_us):
            if event.arrived_us <= order.at_us:
                order.heard_ms = max(order.heard_ms, event.at_ms)
                order.turnover_24h = turnover.get(order.market)
            elif not isinstance(event, Trade) and order.paper_price is None and is_met(order, event, latency_ms):
                order.paper_price = average(order, event)


def near_orders(found: Iterable[Record], moments: Moments, turnover: dict[str, Decimal]) -> Iterator[Record]:
    """Yield the frames around orders, so that only they are decoded; note the newest turnover of each market."""
    for record in found:
        if record.kind == RecordKind.ANSWER and TICKERS.encode() in record.content.partition(b"\n")[0]:
            for answer in answers([record]):
                turnover.update((row.market, row.acc_trade_price_24h) for row in rows_of(answer, Row))
        elif record.channel == MARKET and moments.near(record.at_us):
            yield record


def is_met(order: Sent, book: RecordedBook, latency_ms: int) -> bool:
    """Return whether a book is of its market, and surely later than an order."""
    due_ms = max(order.at_us // 1000, order.heard_ms) + latency_ms
    return book.market == order.market and book.at_ms > due_ms


def average(order: Sent, book: RecordedBook) -> Decimal | None:
    """Return the average price of an order that walks a book, KRW per unit; None where it has no levels.

    A purchase spends the won that were really spent, a sale sells the volume that was really sold.
    """
    asks, bids = (tuple(Level(*level) for level in side) for side in (book.asks, book.bids))
    steps = Depth().against(order.side.value, Book(book.market, book.at_ms, asks, bids))
    funds = volume = ZERO
    for price, size in steps:
        left = (order.funds - funds) / price if order.side is Side.BID else order.volume - volume
        taken = min(size, left)
        funds, volume = funds + taken * price, volume + taken
        if taken == left:
            break
    return funds / volume if volume else None
