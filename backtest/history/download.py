"""Candles from Upbit onto disk: newest page first, within the rate limit, again and again without harm.

A stretch of time is asked for once. What has been asked is written beside the candles, so a run that was stopped, or
killed, goes on where it was, a second run asks only for what is new, and a gap stays a gap.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np

from backtest.history.candles import Candles, Stored, add_span, merge, missing_spans
from backtest.problems import NothingThere, UsageProblem
from backtest.units import from_ms, to_ms, unit_ms
from upbit.errors import ExchangeError, RateLimited
from upbit.transport import may_repeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from backtest.history.candles import Span
    from backtest.history.store import Store
    from upbit.models import Candle
    from upbit.rest import Upbit

log = logging.getLogger("backtest.history.download")

PAGE = 200
"""Most candles Upbit gives in one answer."""
PAGES_A_WRITE = 50
"""Pages kept in memory before a file is replaced: about five seconds of work that a kill can cost."""
ASK_AT_ONCE = 4
"""Markets under way at the same time; the rate limiter spaces the requests, this only hides the round trip."""
PAUSES_S = (2.0, 5.0, 15.0, 60.0, 60.0)
"""Between attempts at one page, after the client's own quick ones: about two minutes of outage are waited out."""
GRACE = timedelta(seconds=2)
"""How long after its end Upbit may still be writing a candle."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a download is."""

    markets: int
    markets_done: int = 0
    rows: int = 0  # candles received
    pages: int = 0
    covered_ms: int = 0  # market time asked for so far, of all markets together
    wanted_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Download:
    """One download of some markets, one unit, one period."""

    upbit: Upbit
    store: Store
    unit: timedelta
    span: Span  # epoch milliseconds
    stop: asyncio.Event  # set: finish the page in hand, write, and return
    show: Callable[[Progress], None]
    progress: Progress = field(default_factory=lambda: Progress(markets=0))

    async def run(self, markets: Sequence[str]) -> Progress:
        """Fetch what is missing of the markets; return how far it came.

        Raises:
            ExchangeError: when Upbit does not answer; what was fetched is on disk.
            Damaged: when a file that is there cannot be read.
            Unwritable: when there is no space.
        """
        self.progress.markets = len(markets)
        length = self.span[1] - self.span[0]
        self.progress.wanted_ms = length * len(markets)
        queue = iter(markets)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(ASK_AT_ONCE, len(markets))):
                tasks.create_task(self._work(queue))
        return self.progress

    async def _work(self, queue: Iterator[str]) -> None:
        for market in queue:
            if self.stop.is_set():
                return
            await self._fetch(market)

    async def _fetch(self, market: str) -> None:
        """Fetch the missing stretches of one market, the newest first."""
        stored = self.store.read(self.unit, market)
        missing = missing_spans(stored.asked, self.span)
        self.progress.covered_ms += self.span[1] - self.span[0] - sum(end - begin for begin, end in missing)
        book = Notebook(self, market, stored)
        try:
            for begin, end in reversed(missing):
                await self._fetch_stretch(book, begin, end)
        finally:
            book.write()
        if not self.stop.is_set():
            self.progress.markets_done += 1
            self.show(self.progress)

    async def _fetch_stretch(self, book: Notebook, begin: int, end: int) -> None:
        while end > begin and not self.stop.is_set():
            page = await self._page(book.market, from_ms(end))
            times = [to_ms(candle.opened_at) for candle in page]
            fresh = [candle for candle, at in zip(page, times, strict=True) if begin <= at < end]
            reached = max(begin, times[-1]) if len(page) == PAGE and times[-1] < end else begin
            self.progress.rows += len(fresh)
            self.progress.pages += 1
            self.progress.covered_ms += end - reached
            book.note(fresh, (reached, end))
            self.show(self.progress)
            end = reached

    async def _page(self, market: str, to: datetime) -> list[Candle]:
        """Ask for one page, and again after a while when the network or Upbit fails: a long download outlives that."""
        for pause_s in PAUSES_S:
            try:
                return await self.upbit.candles(market, self.unit, count=PAGE, to=to)
            except ExchangeError as error:
                if self.stop.is_set() or not (may_repeat(error) or isinstance(error, RateLimited)):
                    raise
                log.warning("page failed, asking again market=%s in_s=%d error=%s", market, pause_s, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self.stop.wait()
        return await self.upbit.candles(market, self.unit, count=PAGE, to=to)


class Notebook:
    """What one market has brought and is not on disk yet."""

    def __init__(self, download: Download, market: str, stored: Stored) -> None:
        self.market = market
        self._download = download
        self._stored = stored
        self._pages: list[list[Candle]] = []
        self._asked = stored.asked

    def note(self, page: list[Candle], asked: Span) -> None:
        """Take a page, and write the file when enough has come together."""
        self._pages.append(page)
        self._asked = add_span(self._asked, asked)
        if len(self._pages) >= PAGES_A_WRITE:
            self.write()

    def write(self) -> None:
        """Put everything on disk."""
        if not self._pages:
            return
        candles = merge(self._stored.candles, to_columns([candle for page in self._pages for candle in page]))
        self._stored = Stored(candles=candles, asked=self._asked)
        self._download.store.write(self._download.unit, self.market, self._stored)
        self._pages = []


def to_columns(candles: Sequence[Candle]) -> Candles:
    """Turn candles of the wire into columns."""
    names = ("open", "high", "low", "close", "volume", "turnover")
    columns = {name: np.array([float(getattr(one, name)) for one in candles], dtype=np.float64) for name in names}
    return Candles(opened_at_ms=np.array([to_ms(one.opened_at) for one in candles], dtype=np.int64), **columns)


def closed_by(now: datetime, unit: timedelta) -> int:
    """Return until when every candle has closed, epoch milliseconds."""
    length = unit_ms(unit)
    return to_ms(now - GRACE) // length * length


def choose_markets(listed: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the markets to fetch: the wanted ones, or every KRW market.

    Raises:
        UsageProblem: for a market that is not listed, with the nearest that is.
        NothingThere: when the exchange lists no KRW market.
    """
    known = [market for market in listed if market.startswith("KRW-")]
    if not known:
        raise NothingThere("거래소에 원화 마켓이 없습니다.", "The exchange lists no KRW market.")
    for market in wanted:
        if market not in known:
            raise unknown_market(market, known)
    return list(dict.fromkeys(wanted)) or sorted(known)


def unknown_market(market: str, known: Sequence[str]) -> UsageProblem:
    """Return the error of a market that does not exist."""
    guess = get_close_matches(market, known, n=1, cutoff=0.0)[0]
    return UsageProblem(
        f"'{market}'라는 마켓은 없습니다. 혹시 '{guess}'인가요?",
        f"There is no market '{market}'. Did you mean '{guess}'?",
    )
