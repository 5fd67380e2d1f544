"""What the stream told about the candles of one market, and whether that is all there is to know of them.

Upbit tells a candle whole, again and again while trades change it, and nothing at its end; a subscription begins with
the newest candle there is. So whoever listens misses nothing; and a connection that begins with the very candle the one
before it ended with has missed nothing, either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from upbit.models import CandleFields, StreamCandle, Ticker


def grew(earlier: CandleFields, later: CandleFields) -> bool:
    """Return whether trades can have made one word on a candle into the other: volume and range only grow."""
    return (
        earlier.open == later.open
        and earlier.high <= later.high
        and earlier.low >= later.low
        and (earlier.volume < later.volume or (earlier.volume == later.volume and earlier.close == later.close))
    )


@dataclass(slots=True)
class Heard:
    """What was told about one market, in whatever order it came."""

    since: datetime  # nothing that opened from then on was missed
    line: int  # the connection that told last
    newest: datetime  # opening of the last candle that was told
    candles: dict[datetime, StreamCandle] = field(default_factory=dict)  # by opening
    doubted: set[datetime] = field(default_factory=set)  # those told in two ways of which one is no truth

    def take(self, told: StreamCandle, line: int) -> None:
        """Take one frame of a connection."""
        opened_at = told.opened_at
        if line != self.line:
            if opened_at < self.newest:
                return  # no connection begins with less than was known before
            if opened_at > self.newest:
                self.since = opened_at  # what was told last may have changed while nobody listened
            self.line = line
        self.newest = max(self.newest, opened_at)
        known = self.candles.get(opened_at)
        if known is None or grew(known, told):
            self.candles[opened_at] = told
        elif not grew(told, known):
            self.doubted.add(opened_at)

    def forget(self, before: datetime) -> None:
        """Forget candles that opened before a moment, which are known by now."""
        for opened_at in [one for one in self.candles if one < before]:
            del self.candles[opened_at]
        self.doubted = {opened_at for opened_at in self.doubted if opened_at >= before}


def first_word(told: StreamCandle, line: int) -> Heard:
    """Return what is heard after the first frame about a market."""
    opened_at = told.opened_at
    return Heard(since=opened_at, line=line, newest=opened_at, candles={opened_at: told})


def closed_candles(
    heard: Heard, begin: datetime, end: datetime, unit: timedelta, ticker: Ticker | None, *, flowing: bool
) -> list[StreamCandle] | None:
    """Return the candles of a market that opened in `begin`..`end`, oldest first, when what was told is all of them.

    Args:
        heard: what the stream told.
        begin: everything before is known.
        end: when the last of them closed.
        unit: length of a candle.
        ticker: the last trade as REST told it after `end`; None when it did not.
        flowing: whether the market's connection lives, and has told of what opened at `end` or later in any market.

    Returns:
        None when something may be missing: told too late, in two ways, or not at all.
    """
    if heard.since > begin or any(begin <= opened_at < end for opened_at in heard.doubted):
        return None
    found = [heard.candles[opened_at] for opened_at in sorted(heard.candles) if begin <= opened_at < end]
    if heard.newest >= end:
        return found  # a later one has come, so these change no more
    if ticker is None:
        return None
    if ticker.traded_at >= end:
        return found if flowing else None
    return found if ends_with(found, begin, unit, ticker) else None


def ends_with(found: list[StreamCandle], begin: datetime, unit: timedelta, ticker: Ticker) -> bool:
    """Return whether the last of some candles is that of the market's last trade; none, when that was before them."""
    if not found:
        return ticker.traded_at < begin
    last = found[-1]
    return last.opened_at <= ticker.traded_at < last.opened_at + unit and last.close == ticker.price
