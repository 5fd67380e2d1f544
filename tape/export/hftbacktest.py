"""Events as HftBacktest reads them: `MARKET.npz` with an array `data`, times in nanoseconds since 1970, UTC.

A book becomes what changed in it: its first one is a snapshot, and a level that is not in the next one gets size 0.
https://hftbacktest.readthedocs.io/en/latest/data.html
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from tape.export.whole import whole

if TYPE_CHECKING:
    from pathlib import Path

    from tape.market import Book, Level, Trade

EVENT = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
BOTH = 1 << 31 | 1 << 30
"""An event is one at the exchange, and one that is heard."""
BUY, SELL = 1 << 29, 1 << 28


class Events:
    """The events of one market, in the order they were heard."""

    def __init__(self) -> None:
        self._kinds, self._times, self._values = array("Q"), array("q"), array("d")
        self._exchange_ns = 0
        self._sides: dict[int, dict[float, float]] = {}

    def trade(self, trade: Trade) -> None:
        """Add a trade."""
        side = BUY if trade.taker == "BID" else SELL
        self._add(TRADE | side, trade.at_ms, trade.arrived_us, float(trade.price), float(trade.volume))

    def book(self, book: Book) -> None:
        """Add what a book changes."""
        first = not self._sides
        for side, levels in ((BUY, book.bids), (SELL, book.asks)):
            for price, size in self._changes(side, levels):
                self._add((SNAPSHOT if first else DEPTH) | side, book.at_ms, book.arrived_us, price, size)

    def _changes(self, side: int, levels: tuple[Level, ...]) -> list[tuple[float, float]]:
        before = self._sides.get(side, {})
        now = self._sides[side] = {float(level.price): float(level.size) for level in levels}
        gone = [(price, 0.0) for price in before if price not in now]
        return gone + [(price, size) for price, size in now.items() if before.get(price) != size]

    def _add(self, kind: int, at_ms: int, arrived_us: int, price: float, size: float) -> None:
        """Add an event. Time at the exchange never goes back, and nothing is heard before it happened."""
        self._exchange_ns = max(self._exchange_ns, at_ms * 1_000_000)
        self._kinds.append(kind | BOTH)
        self._times.extend((self._exchange_ns, max(arrived_us * 1000, self._exchange_ns)))
        self._values.extend((price, size))

    def data(self) -> np.ndarray:
        """Return the events as one array."""
        found = np.zeros(len(self._kinds), EVENT)
        found["ev"] = np.frombuffer(self._kinds, np.uint64)
        times, values = np.frombuffer(self._times, np.int64), np.frombuffer(self._values, np.float64)
        found["exch_ts"], found["local_ts"] = times[::2], np.maximum.accumulate(times[1::2])
        found["px"], found["qty"] = values[::2], values[1::2]
        return found


class HftBacktest:
    """The events of every market."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._markets: dict[str, Events] = {}

    def trade(self, trade: Trade) -> None:
        """Take a trade."""
        self._of(trade.market).trade(trade)

    def book(self, book: Book) -> None:
        """Take a book."""
        self._of(book.market).book(book)

    def _of(self, market: str) -> Events:
        return self._markets.setdefault(market, Events())

    def close(self) -> list[Path]:
        """Write a file for each market, and return them."""
        paths = []
        for market, events in self._markets.items():
            path = self._folder / f"{market}.npz.part"
            with path.open("wb") as file:
                np.savez_compressed(file, data=events.data())
            paths.append(path)
        return whole(paths)


def open_form(folder: Path) -> HftBacktest:
    """Return what collects the events of each market."""
    return HftBacktest(folder)
