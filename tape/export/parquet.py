"""Parquet: `trades.parquet` and `books.parquet`, prices and volumes exact, times in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from tape.export.whole import whole

if TYPE_CHECKING:
    from pathlib import Path

    from tape.market import Book, Trade

ROWS = 50_000
"""Rows of a group."""
EXACT = pa.decimal128(38, 12)
NAME = pa.dictionary(pa.int32(), pa.string())
ARRIVED, TOLD = pa.timestamp("us", tz="UTC"), pa.timestamp("ms", tz="UTC")
TRADES = pa.schema(
    [
        ("arrived_at", ARRIVED),
        ("traded_at", TOLD),
        ("market", NAME),
        ("price", EXACT),
        ("volume", EXACT),
        ("taker", NAME),
        ("number", pa.int64()),
    ]
)
SIDES = ("ask_prices", "ask_sizes", "bid_prices", "bid_sizes")
BOOKS = pa.schema(
    [("arrived_at", ARRIVED), ("told_at", TOLD), ("market", NAME), *((side, pa.list_(EXACT)) for side in SIDES)]
)


class Table:
    """One file, a group of rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._schema = schema
        self._file = parquet.ParquetWriter(path, schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: tuple[Any, ...]) -> None:
        """Add a row, in the order of the schema."""
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in self._schema)
        arrays = [pa.array(column, type=kind.type) for column, kind in zip(columns, self._schema, strict=True)]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []

    def close(self) -> Path:
        """Write what is left, and return the file."""
        self._flush()
        self._file.close()
        return self.path


class Parquet:
    """Both files."""

    def __init__(self, folder: Path) -> None:
        self._trades = Table(folder / "trades.parquet.part", TRADES)
        self._books = Table(folder / "books.parquet.part", BOOKS)

    def trade(self, trade: Trade) -> None:
        """Write a trade."""
        row = (trade.arrived_us, trade.at_ms, trade.market, trade.price, trade.volume, trade.taker, trade.number)
        self._trades.add(row)

    def book(self, book: Book) -> None:
        """Write a book."""
        sides = ([level[part] for level in side] for side in (book.asks, book.bids) for part in (0, 1))
        self._books.add((book.arrived_us, book.at_ms, book.market, *sides))

    def close(self) -> list[Path]:
        """End both files, and return them."""
        return whole([self._trades.close(), self._books.close()])


def open_form(folder: Path) -> Parquet:
    """Begin both files."""
    return Parquet(folder)
