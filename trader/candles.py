"""The candles of every KRW market in memory, kept complete over REST within the rate limit.

Only closed candles are kept. A market is asked again only when a trade can have closed a candle since we last asked:
one `ticker/all` a minute says when each market last traded, so quiet markets cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from strategy.grid import CandleArrays
from upbit.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from upbit.models import Candle, Ticker
    from upbit.rest import Upbit

log = logging.getLogger("trader.candles")

PAGE = 200
"""Most candles Upbit gives in one answer."""
ASK_AT_ONCE = 4
"""Requests under way at the same time; the rate limiter spaces them, this only hides the round trip."""

FIELDS = ("open", "high", "low", "close", "volume")


def last_close(now: datetime, unit: timedelta) -> datetime:
    """Return when the last candle of `unit` before `now` closed. Upbit aligns minute candles to 00:00 UTC."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // unit * unit


def to_ms(moment: datetime) -> int:
    """Return epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def to_arrays(candles: Iterable[Candle]) -> CandleArrays:
    """Turn candles of one market, oldest first, into arrays."""
    rows = list(candles)
    columns = {name: np.array([float(getattr(row, name)) for row in rows], dtype=np.float64) for name in FIELDS}
    return CandleArrays(opened_at_ms=np.array([to_ms(row.opened_at) for row in rows], dtype=np.int64), **columns)


def merge(old: CandleArrays, new: CandleArrays, *, keep: int) -> CandleArrays:
    """Join two stretches of candles; where both know a candle the newer word wins, and the last `keep` stay."""
    times = np.concatenate([old.opened_at_ms, new.opened_at_ms])
    # The first of equal times is taken, so the new stretch stands first.
    _, first = np.unique(times[::-1], return_index=True)
    order = (len(times) - 1 - first)[-keep:]
    columns = {name: np.concatenate([getattr(old, name), getattr(new, name)])[order] for name in FIELDS}
    return CandleArrays(opened_at_ms=times[order], **columns)


@dataclass(slots=True)
class Stretch:
    """What we know of one market."""

    arrays: CandleArrays
    asked_until: datetime  # every candle that closed by then, and had a trade, is in `arrays`


@dataclass(slots=True, kw_only=True)
class CandleStore:
    """Closed candles of many markets. `refresh` fetches, the rest only reads."""

    upbit: Upbit
    unit: timedelta
    history: int  # candles a market should have
    _stretches: dict[str, Stretch] = field(default_factory=dict)

    def series(self) -> Mapping[str, CandleArrays]:
        """Return the candles of every market that has some."""
        return {market: stretch.arrays for market, stretch in self._stretches.items() if len(stretch.arrays.close)}

    def as_of(self, market: str) -> datetime | None:
        """Return until when the candles of `market` are known, None before they are loaded."""
        stretch = self._stretches.get(market)
        return stretch.asked_until if stretch else None

    def missing(self, markets: Sequence[str], closed_at: datetime, tickers: Mapping[str, Ticker]) -> list[str]:
        """Return the markets of which a candle that closed by `closed_at` may be unknown to us, in the given order."""
        return [market for market in markets if self._is_missing(market, closed_at, tickers.get(market))]

    def _is_missing(self, market: str, closed_at: datetime, ticker: Ticker | None) -> bool:
        stretch = self._stretches.get(market)
        if stretch is None:
            return True
        if stretch.asked_until >= closed_at:
            return False
        if ticker is not None and ticker.traded_at < stretch.asked_until:
            stretch.asked_until = closed_at  # no trade since, so Upbit made no candle
            return False
        return True

    async def refresh(
        self, markets: Sequence[str], closed_at: datetime, tickers: Mapping[str, Ticker], *, budget_s: float
    ) -> list[str]:
        """Fetch what is missing, in the given order, for about `budget_s` seconds; return what is missing then.

        Raises:
            ExchangeError: when no market at all could be asked.
        """
        waiting = self.missing(markets, closed_at, tickers)
        queue = iter(waiting)
        deadline = asyncio.get_running_loop().time() + budget_s
        failures: list[ExchangeError] = []

        async def work() -> None:
            for market in queue:
                if asyncio.get_running_loop().time() > deadline:
                    return
                try:
                    await self._fetch(market, closed_at)
                except ExchangeError as error:
                    failures.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(ASK_AT_ONCE):
                tasks.create_task(work())
        if failures:
            log.warning("candles failed markets=%d of=%d first=%s", len(failures), len(waiting), failures[0])
            if len(failures) == len(waiting):
                raise failures[0]
        return self.missing(markets, closed_at, tickers)

    async def _fetch(self, market: str, closed_at: datetime) -> None:
        stretch = self._stretches.get(market)
        if stretch is None:
            await self._load(market, closed_at)
            return
        # One candle more than is new: what Upbit still changed in the last one after its close is read again.
        count = (closed_at - stretch.asked_until) // self.unit + 1
        page = await self.upbit.candles(market, self.unit, count=min(PAGE, count), to=closed_at)
        fresh = [candle for candle in page if candle.opened_at + self.unit <= closed_at]
        if len(page) >= PAGE and fresh and min(one.opened_at for one in fresh) > stretch.asked_until:
            await self._load(market, closed_at)  # away for so long that a page does not reach back
            return
        stretch.arrays = merge(stretch.arrays, to_arrays(fresh), keep=self.history)
        stretch.asked_until = closed_at

    async def _load(self, market: str, closed_at: datetime) -> None:
        """Load the whole history of a market, newest page first, until there is enough or no more."""
        rows: dict[datetime, Candle] = {}
        to = closed_at
        while len(rows) < self.history:
            page = await self.upbit.candles(market, self.unit, count=min(PAGE, self.history - len(rows)), to=to)
            rows |= {candle.opened_at: candle for candle in page if candle.opened_at + self.unit <= closed_at}
            oldest = min((candle.opened_at for candle in page), default=to)
            if oldest >= to:
                break
            to = oldest
            if self._is_reached(to, closed_at):
                break
        arrays = to_arrays(rows[opened_at] for opened_at in sorted(rows))
        self._stretches[market] = Stretch(arrays=arrays, asked_until=closed_at)

    def _is_reached(self, oldest: datetime, closed_at: datetime) -> bool:
        return closed_at - oldest >= self.history * self.unit

    def forget(self, listed: Iterable[str]) -> None:
        """Drop the markets that are not listed any more."""
        for market in self._stretches.keys() - set(listed):
            del self._stretches[market]
