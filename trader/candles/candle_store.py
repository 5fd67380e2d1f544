"""The candles of every KRW market in memory, complete: as the stream tells them, and over REST where it left a gap.

Only closed candles are kept. What the stream told counts as a market's candles when nothing can be missing
(`hearing.closed_candles`); a market that has not traded since has none. The others are asked for, within the rate
limit; and some, in turn, are compared with what REST says all the same.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from trader.candles.hearing import Heard, closed_candles, first_word
from trader.candles.kept import Part
from trader.candles.series import differences, merge, part_of, replaced, to_arrays, to_ms
from upbit.errors import ExchangeError
from upbit.models import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from strategy.grid import CandleArrays
    from upbit.models import Candle, StreamCandle, Ticker
    from upbit.rest import Upbit

log = logging.getLogger("trader.candles")

PAGE = 200
"""Most candles Upbit gives in one answer."""
ASK_AT_ONCE = 4
"""Requests under way at the same time; the rate limiter spaces them, this only hides the round trip."""
TURN = 16
"""Markets that are settled in one turn of the loop."""
NEVER = datetime(2000, 1, 1, tzinfo=UTC)
MOST_HEARD = 50
"""Candles of a market that are kept while nothing settles them; more were told by nobody who is well."""
PROOFS = 3
"""Markets of which the kept candles are compared with REST before anything rests on them."""
LEAST_SAMPLE = 3
"""Markets that must have been compared before what most of them say is held against the stream."""
DISTRUSTED_FOR = timedelta(minutes=10)


@dataclass(slots=True)
class Stretch:
    """What we know of one market."""

    arrays: CandleArrays
    known_until: datetime  # every candle that closed by then, and had a trade, is in `arrays`
    rest_until: datetime  # until when REST has said so, too
    unkept_ms: int | None = 0  # from when on the file on disk says something else; None: nowhere

    def change(self, arrays: CandleArrays, from_ms: int) -> None:
        """Have other candles from a moment on."""
        self.arrays = arrays
        self.unkept_ms = from_ms if self.unkept_ms is None else min(self.unkept_ms, from_ms)

    def settle(self, until: datetime) -> None:
        """Know everything until a moment."""
        self.change(self.arrays, to_ms(self.known_until))
        self.known_until = until


@dataclass(slots=True, kw_only=True)
class CandleStore:
    """Closed candles of many markets. `refresh` and `check` ask REST, the rest only listens and reads."""

    upbit: Upbit
    unit: timedelta
    history: int  # candles a market should have
    late: int = 0  # candles that changed after they were settled, and were put right
    _stretches: dict[str, Stretch] = field(default_factory=dict)
    _heard: dict[str, Heard] = field(default_factory=dict)
    _line: int = 0  # which connection of the stream it is
    _open: bool = False
    _newest: datetime = NEVER  # the latest opening of a candle that this connection told, of any market
    _deaf_until: datetime = NEVER  # until when the stream is not believed
    _unproven: bool = False  # what was kept on disk has not been compared with the exchange yet

    # --- what the stream tells

    def on_state(self, state: str) -> None:
        """Hear that the stream is "connecting", "open" or "closed"."""
        self._open = state == "open"
        if state == "connecting":
            self._line += 1
            self._newest = NEVER

    def put(self, told: StreamCandle) -> None:
        """Take a frame of the stream."""
        heard = self._heard.get(told.market)
        if heard is None:
            self._heard[told.market] = first_word(told, self._line)
        else:
            heard.take(told, self._line)
            if len(heard.candles) > MOST_HEARD:
                del self._heard[told.market]
        self._newest = max(self._newest, told.opened_at)
        stretch = self._stretches.get(told.market)
        if stretch is not None and told.opened_at < stretch.known_until:
            self._correct(stretch, told)

    def _correct(self, stretch: Stretch, told: StreamCandle) -> None:
        """Take in what is told late about a candle that was settled; what was told before changes nothing."""
        times, opened_ms = stretch.arrays.opened_at_ms, to_ms(told.opened_at)
        at = int(np.searchsorted(times, opened_ms))
        known = at < len(times) and times[at] == opened_ms
        if float(told.volume) > stretch.arrays.volume[at] if known else at > 0:  # older than all is no news
            stretch.change(merge(stretch.arrays, to_arrays([told]), keep=self.history), opened_ms)
            self.late += 1
            log.info("candle late market=%s opened_at=%s", told.market, told.opened_at_utc)

    # --- what is known

    def series(self) -> Mapping[str, CandleArrays]:
        """Return the candles of every market that has some."""
        return {market: stretch.arrays for market, stretch in self._stretches.items() if len(stretch.arrays.close)}

    def as_of(self, market: str) -> datetime | None:
        """Return until when the candles of `market` are known, None before they are loaded."""
        stretch = self._stretches.get(market)
        return stretch.known_until if stretch else None

    async def missing(self, markets: Sequence[str], closed_at: datetime, tickers: Mapping[str, Ticker]) -> list[str]:
        """Settle what the stream told, and return the markets of which a candle may be unknown, in the given order.

        Args:
            markets: those that are asked about.
            closed_at: up to which close; a moment or two ago, so that the stream has told its last.
            tickers: last trades, told by REST after `closed_at`.
        """
        unknown = []
        for number, market in enumerate(markets):
            if not number % TURN:
                await asyncio.sleep(0)
            if self._is_missing(market, closed_at, tickers.get(market)):
                unknown.append(market)
        return unknown

    def _is_missing(self, market: str, closed_at: datetime, ticker: Ticker | None) -> bool:
        stretch = self._stretches.get(market)
        if stretch is None:
            return True
        if stretch.known_until >= closed_at:
            return False
        found = self._told(market, stretch.known_until, closed_at, ticker)
        if found is None:
            return True
        if found:
            stretch.arrays = merge(stretch.arrays, to_arrays(found), keep=self.history)
        self._settle(market, stretch, closed_at)
        return False

    def _told(
        self, market: str, begin: datetime, end: datetime, ticker: Ticker | None
    ) -> Sequence[StreamCandle] | None:
        """Return the candles of `begin`..`end` when they are known without asking, None when they are not."""
        heard = self._heard.get(market)
        if heard is None or end < self._deaf_until:
            nothing = ticker is not None and ticker.traded_at < begin  # so Upbit made no candle
            return [] if nothing else None
        flowing = self._open and heard.line == self._line and self._newest >= end
        return closed_candles(heard, begin, end, self.unit, ticker, flowing=flowing)

    def _settle(self, market: str, stretch: Stretch, closed_at: datetime) -> None:
        stretch.settle(closed_at)
        if heard := self._heard.get(market):
            heard.forget(closed_at)

    def forget(self, listed: Iterable[str]) -> None:
        """Drop the markets that are not listed any more."""
        for known in (self._stretches, self._heard):
            for market in known.keys() - set(listed):
                del known[market]

    # --- what is kept on disk

    def restore(self, parts: Mapping[str, Part], now: datetime) -> None:
        """Take in what was kept, but nothing that claims to know what comes after `now`."""
        for market, part in parts.items():
            known_until = from_ms(part.known_until_ms)
            if known_until <= now:
                kept = Stretch(arrays=part.arrays, known_until=known_until, rest_until=NEVER, unkept_ms=None)
                self._stretches[market] = kept
        self._unproven = bool(self._stretches)

    def unkept(self) -> tuple[list[Part], dict[str, Part]]:
        """Return what the file does not say yet, and everything; from now on it counts as kept."""
        changed, everything = [], {}
        for market, known in self._stretches.items():
            until_ms = to_ms(known.known_until)
            everything[market] = Part(market, until_ms, 0, known.arrays)
            if known.unkept_ms is not None:
                since = slice(int(np.searchsorted(known.arrays.opened_at_ms, known.unkept_ms)), None)
                changed.append(Part(market, until_ms, known.unkept_ms, part_of(known.arrays, since)))
                known.unkept_ms = None
        return changed, everything

    async def prove(self, markets: Sequence[str]) -> None:
        """Compare the first few of some markets with REST, once after they were restored; forget all of a wrong file.

        Raises:
            ExchangeError: when it could not be asked.
        """
        for market in [one for one in markets if one in self._stretches][: PROOFS if self._unproven else 0]:
            known = self._stretches[market]
            page = await self._page(market, known.known_until)
            if 2 * differences(known.arrays, page) > len(page.close):
                log.warning("kept candles are of another exchange: fetched again market=%s", market)
                self.forget(())
                break
        self._unproven = False

    # --- what REST is asked

    async def refresh(
        self, markets: Sequence[str], closed_at: datetime, tickers: Mapping[str, Ticker], *, budget_s: float
    ) -> list[str]:
        """Fetch what is missing, in the given order, for about `budget_s` seconds; return what is missing then.

        Raises:
            ExchangeError: when no market at all could be asked.
        """
        waiting = await self.missing(markets, closed_at, tickers)
        queue = iter(waiting)
        deadline = asyncio.get_running_loop().time() + budget_s
        failures: list[ExchangeError] = []

        async def work() -> None:
            for market in queue:
                if asyncio.get_running_loop().time() > deadline:
                    return
                if not self._is_missing(market, closed_at, tickers.get(market)):
                    continue  # the stream has told it meanwhile
                try:
                    await self._fetch(market, closed_at)
                except ExchangeError as error:
                    failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(ASK_AT_ONCE, len(waiting))):
                tasks.create_task(work())
        if failures:
            log.warning("candles failed markets=%d of=%d first=%s", len(failures), len(waiting), failures[0])
            if len(failures) == len(waiting):
                raise failures[0]
        return await self.missing(markets, closed_at, tickers)

    async def _fetch(self, market: str, closed_at: datetime) -> None:
        stretch = self._stretches.get(market)
        if stretch is None:
            await self._load(market, closed_at)
            return
        # One candle more than is new: what Upbit still changed in the last one after its close is read again.
        count = (closed_at - stretch.known_until) // self.unit + 1
        page = await self.upbit.candles(market, self.unit, count=min(PAGE, count), to=closed_at)
        fresh = self._closed(page, closed_at)
        if len(page) >= PAGE and fresh and fresh[0].opened_at > stretch.known_until:
            await self._load(market, closed_at)  # away for so long that a page does not reach back
            return
        if fresh:
            arrays = merge(stretch.arrays, to_arrays(fresh), keep=self.history)
            stretch.change(arrays, to_ms(fresh[0].opened_at))
        if stretch.rest_until >= stretch.known_until:
            stretch.rest_until = closed_at
        self._settle(market, stretch, closed_at)

    async def _load(self, market: str, closed_at: datetime) -> None:
        """Load the whole history of a market, newest page first, until there is enough or no more."""
        rows: dict[datetime, Candle] = {}
        to = closed_at
        while len(rows) < self.history:
            page = await self.upbit.candles(market, self.unit, count=min(PAGE, self.history - len(rows)), to=to)
            rows |= {candle.opened_at: candle for candle in self._closed(page, closed_at)}
            oldest = min((candle.opened_at for candle in page), default=to)
            if oldest >= to:
                break
            to = oldest
            if self._is_reached(to, closed_at):
                break
        arrays = to_arrays(rows[opened_at] for opened_at in sorted(rows))
        self._stretches[market] = Stretch(arrays=arrays, known_until=closed_at, rest_until=closed_at)
        self._settle(market, self._stretches[market], closed_at)

    def _closed(self, page: Sequence[Candle], closed_at: datetime) -> list[Candle]:
        """Return the closed candles of a page, each once, oldest first."""
        rows = {candle.opened_at: candle for candle in page if candle.opened_at + self.unit <= closed_at}
        return [rows[opened_at] for opened_at in sorted(rows)]

    def _is_reached(self, oldest: datetime, closed_at: datetime) -> bool:
        return closed_at - oldest >= self.history * self.unit

    async def check(self, closed_at: datetime, *, sample: int) -> list[str]:
        """Compare some markets with REST, those first of which it was asked longest ago; return which differed.

        What differs is put right when a second answer says the same; when it does in most of them the stream is not
        believed for a while, and all that rests on it alone is asked for again.

        Raises:
            ExchangeError: when it could not be asked.
        """
        settled = ((one.rest_until, market) for market, one in self._stretches.items() if one.known_until >= closed_at)
        chosen = heapq.nsmallest(sample, (row for row in settled if row[0] < closed_at))
        differing = [market for _, market in chosen if await self._differs(market, closed_at)]
        if len(chosen) >= LEAST_SAMPLE and 2 * len(differing) > len(chosen):
            self._distrust(closed_at)
        return differing

    async def _differs(self, market: str, closed_at: datetime) -> bool:
        """Compare the newest page of a market with REST's, and put right what differs."""
        page, stretch = await self._page(market, closed_at), self._stretches.get(market)
        if stretch is None:
            return False  # not listed any more
        if found := differences(stretch.arrays, page):
            if not len(page.close) or differences(page, await self._page(market, closed_at)):
                log.warning("candles doubted market=%s: an answer that nothing confirms", market)
                return False
            stretch.change(replaced(stretch.arrays, page, keep=self.history), int(page.opened_at_ms[0]))
            log.warning("candles differ market=%s candles=%d", market, found)
        stretch.rest_until = closed_at
        return bool(found)

    async def _page(self, market: str, closed_at: datetime) -> CandleArrays:
        page = await self.upbit.candles(market, self.unit, count=min(PAGE, self.history), to=closed_at)
        return to_arrays(self._closed(page, closed_at))

    def _distrust(self, closed_at: datetime) -> None:
        """Believe the stream nothing for a while, and nothing of what it alone has told."""
        log.warning("candle stream not believed minutes=%d", DISTRUSTED_FOR // timedelta(minutes=1))
        self._deaf_until = closed_at + DISTRUSTED_FOR
        for stretch in self._stretches.values():
            until = min(stretch.known_until, stretch.rest_until)
            stretch.change(stretch.arrays, to_ms(until))
            stretch.known_until = until
