"""Tables of text: CSV in every dialect people save it in, comments above the header, or no header at all."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv as arrow

from backtest.files.columns import LISTED, known_roles
from backtest.files.refusal import Refused
from backtest.files.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS = ",;\t|"
LOOKED_AT = 20
"""Lines in which the header is searched."""
NEEDED = 4
"""Columns with a known name that make a line a header."""


def read_separated(text: str) -> Table:
    """Return the table of a text.

    Raises:
        Refused: without a header that is understood, or for a row of another length.
    """
    top = text[:100_000].splitlines(keepends=True)[:LOOKED_AT]
    best = max(((header_at(top, delimiter), delimiter) for delimiter in DELIMITERS), key=lambda one: one[0][0])
    (score, index, names), delimiter = best
    if score >= NEEDED:
        comment = "".join(top[:index])
        return parsed(text, delimiter, names, begin=len(comment) + len(top[index]), comment=comment, lines=index + 1)
    for delimiter in DELIMITERS:
        row = next((cells for _, cells in rows_of(top, delimiter)), [])
        if len(row) == len(LISTED) and all(is_number(cell) for cell in row):
            return parsed(text, delimiter, list(LISTED), begin=0, comment="", lines=0)
    raise Refused(
        "머리글에서 시각, 시가, 고가, 저가, 종가, 거래량을 찾을 수 없습니다",
        "no header names time, open, high, low, close and volume",
    )


def header_at(top: list[str], delimiter: str) -> tuple[int, int, list[str]]:
    """Return the line with the most names that are known: how many, which line, and its cells."""
    best: tuple[int, int, list[str]] = (0, 0, [])
    for index, cells in rows_of(top, delimiter):
        known = len(known_roles(cells))
        if known > best[0]:
            best = (known, index, cells)
    return best


def rows_of(top: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that hold something, cut into cells."""
    for index, line in enumerate(top):
        try:
            cells = next(csv.reader([line.strip("\r\n\ufeff")], delimiter=delimiter), [])
        except csv.Error:
            continue
        if any(cell.strip() for cell in cells):
            yield index, [cell.strip() for cell in cells]


def is_number(cell: str) -> bool:
    """Return whether a cell holds a plain number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def parsed(text: str, delimiter: str, names: list[str], *, begin: int, comment: str, lines: int) -> Table:
    """Return the rows below the header, every cell as text.

    Raises:
        Refused: for a row of another length than the header, or nothing below it.
    """
    wrong: list[arrow.InvalidRow] = []

    def note(row: arrow.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    keys = [f"column {index}" for index in range(len(names))]
    body = text[begin:].encode()
    if not body.strip():
        raise Refused("머리글 아래에 캔들이 없습니다", "there are no candles below the header")
    try:
        table = arrow.read_csv(
            io.BytesIO(body),
            read_options=arrow.ReadOptions(
                column_names=keys, use_threads=False, block_size=max(1 << 20, longest(body))
            ),
            parse_options=arrow.ParseOptions(delimiter=delimiter, invalid_row_handler=note),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(keys, pa.string())),
        )
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        raise Refused(f"표를 읽을 수 없습니다 ({why})", f"the table cannot be read ({why})") from error

    def row_number(index: int) -> int:
        filled = [at for at, line in enumerate(text[begin:].splitlines()) if line.strip()]
        return lines + 1 + (filled[index] if index < len(filled) else index)

    if wrong:
        number = row_number((wrong[0].number or 1) - 1)
        counts = f"{wrong[0].actual_columns} != {wrong[0].expected_columns}"
        raise Refused(
            f"{number}행: 열의 수가 머리글과 다릅니다 ({counts})",
            f"row {number}: it has another number of columns than the header ({counts})",
        )
    return Table(kind="csv", names=names, columns=table.columns, comment=comment, row_number=row_number)


def longest(body: bytes) -> int:
    """Return a size of block that holds any line of an ordinary file."""
    return min(len(body), 1 << 24)
