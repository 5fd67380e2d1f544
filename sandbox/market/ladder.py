"""Candles of one market from its trades: seconds make minutes, minutes quarters, and so on up to days.

A trade changes one second. What closes is handed to the longer unit and kept as packed text, so an exchange that runs
for weeks stays as small as it was after a day.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import chain

from sandbox.market.candles import DAY, HOUR, MINUTE, QUARTER, SECOND, join, moved, opened_ms
from sandbox.market.feed import Candle
from sandbox.market.packed import Packed

KEPT = {SECOND: 512, MINUTE: 2_048, QUARTER: 1_024, HOUR: 24 * 130, DAY: 400}
"""Closed candles kept of each unit. Enough for 200 of every unit they are added up to, and 700 of four hours."""


def write_candle(candle: Candle) -> str:
    """Return a candle as a line; repeated prices, the rule in quiet markets, are left out."""
    o, h, low, c = (str(price) for price in (candle.open, candle.high, candle.low, candle.close))
    prices = (o, "" if h == o else h, "" if low == o else low, "" if c == o else c)
    return " ".join((*prices, str(candle.volume), str(candle.turnover), str(candle.opened_ms), str(candle.last_ms)))


def read_candle(line: str) -> Candle:
    """Return the candle of a line."""
    o, h, low, c, volume, turnover, opened, last = line.split(" ")
    first = Decimal(o)
    high, low_, close = (Decimal(price) if price else first for price in (h, low, c))
    return Candle(int(opened), first, high, low_, close, Decimal(volume), Decimal(turnover), int(last))


class Rung:
    """The candles of one unit: those that closed, and what the next unit has already handed to the one that forms."""

    def __init__(self, unit_s: int) -> None:
        self.unit_s = unit_s
        self.closed: Packed[Candle] = Packed(KEPT[unit_s], write_candle, read_candle)
        self.forming: Candle | None = None

    def add(self, part: Candle) -> Candle | None:
        """Take a closed part; return the candle that is closed by it, if one is."""
        opened, before = opened_ms(part.opened_ms, self.unit_s), self.forming
        if before is not None and before.opened_ms == opened:
            self.forming = join(before, part)
            return None
        self.forming = moved(part, opened)
        if before is not None:
            self.closed.append(before)
        return before


class Ladder:
    """All candles since the start."""

    def __init__(self) -> None:
        self._rungs = [Rung(unit_s) for unit_s in KEPT]

    def add(self, trade: Candle) -> None:
        """Take a trade, as a candle of its own."""
        part: Candle | None = trade
        for rung in self._rungs:
            if part is not None:
                part = rung.add(part)

    def complete(self, unit_s: int) -> bool:
        """Whether everything since the start is still known in this unit."""
        return self._rungs_of(unit_s)[-1].closed.complete

    def candles(self, unit_s: int, to_ms: int | None, count: int) -> list[Candle]:
        """Return the newest `count` candles that opened before `to_ms`, newest first."""
        rungs = self._rungs_of(unit_s)
        found: list[Candle] = []
        for part in chain((r.forming for r in rungs if r.forming is not None), rungs[-1].closed.newest()):
            opened = opened_ms(part.opened_ms, unit_s)
            if to_ms is not None and opened >= to_ms:
                continue
            if found and found[-1].opened_ms == opened:
                found[-1] = join(moved(part, opened), found[-1])
            elif len(found) == count:
                return found
            else:
                found.append(moved(part, opened))
        cut = found and unit_s != rungs[-1].unit_s and not rungs[-1].closed.complete
        return found[:-1] if cut else found  # the beginning of the oldest is forgotten

    def _rungs_of(self, unit_s: int) -> list[Rung]:
        """Return the rungs up to the longest that adds up to `unit_s`; each finer one holds back what is newer."""
        last = max(index for index, rung in enumerate(self._rungs) if unit_s % rung.unit_s == 0)
        return self._rungs[: last + 1]
