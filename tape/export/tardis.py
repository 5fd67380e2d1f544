"""Files as Tardis.dev names and fills them: `trades` and `book_snapshot_25`, a market and day, CSV in gzip.

A book has up to thirty levels a side at Upbit, and twenty-five here. Times are microseconds since 1970, UTC.
https://docs.tardis.dev/downloadable-csv-files
"""

from __future__ import annotations

import csv
import gzip
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

from tape.export.whole import whole
from tape.form import moment_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from tape.market import Book, Trade

EXCHANGE = "upbit"
LEVELS = 25
MOST_OPEN = 128
"""Files that are open at a time."""
TRADES = ("exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount")
BOOKS = (
    *("exchange", "symbol", "timestamp", "local_timestamp"),
    *(
        f"{side}[{level}].{what}"
        for level in range(LEVELS)
        for side in ("asks", "bids")
        for what in ("price", "amount")
    ),
)
SIDES = {"BID": "buy", "ASK": "sell"}
"""Tardis names the side of who took."""


class Open(NamedTuple):
    """A file that is open."""

    text: TextIOWrapper
    rows: Any


class Tardis:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, Open] = {}
        self._begun: dict[Path, None] = {}

    def trade(self, trade: Trade) -> None:
        """Write a trade."""
        price, volume = f"{trade.price:f}", f"{trade.volume:f}"
        row = (trade.at_ms * 1000, trade.arrived_us, trade.number, SIDES[trade.taker], price, volume)
        self._write("trades", TRADES, trade.market, trade.arrived_us, row)

    def book(self, book: Book) -> None:
        """Write the best levels of a book; what a thin side lacks is empty."""
        levels: list[object] = []
        for at in range(LEVELS):
            for side in (book.asks, book.bids):
                levels += (f"{side[at].price:f}", f"{side[at].size:f}") if at < len(side) else ("", "")
        self._write(
            "book_snapshot_25", BOOKS, book.market, book.arrived_us, (book.at_ms * 1000, book.arrived_us, *levels)
        )

    def _write(self, kind: str, heads: Sequence[str], market: str, arrived_us: int, row: Sequence[object]) -> None:
        day = f"{moment_of(arrived_us):%Y-%m-%d}"
        path = self._folder / f"{EXCHANGE}_{kind}_{day}_{market}.csv.gz.part"
        file = self._open.pop(path, None) or self._begin(path, heads)
        self._open[path] = file  # the last one used is the last of them
        file.rows.writerow((EXCHANGE, market, *row))

    def _begin(self, path: Path, heads: Sequence[str]) -> Open:
        """Begin a file, or go on with one that was closed for others: gzip may have several parts."""
        if len(self._open) >= MOST_OPEN:
            oldest = next(iter(self._open))
            self._open.pop(oldest).text.close()
        is_new = path not in self._begun
        packed = gzip.GzipFile(path, "wb" if is_new else "ab", compresslevel=6)
        text = TextIOWrapper(packed, encoding="utf-8", newline="")
        rows = csv.writer(text, lineterminator="\n")
        if is_new:
            self._begun[path] = None
            rows.writerow(heads)
        return Open(text, rows)

    def close(self) -> list[Path]:
        """End every file, and return them."""
        for file in self._open.values():
            file.text.close()
        return whole(list(self._begun))


def open_form(folder: Path) -> Tardis:
    """Return what begins a file for each market and day."""
    return Tardis(folder)
