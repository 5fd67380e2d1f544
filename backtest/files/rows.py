"""The cells of a table as times, numbers and markets, each bad one named by its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backtest.files.columns import clock_place
from backtest.files.market_names import market_of_cell
from backtest.files.refusal import Refused
from backtest.files.times import read_times
from backtest.history.candles import PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.files.table import Table
    from backtest.files.times import Zone
    from backtest.history.candles import Times
    from strategy.base import Floats

EMPTY = ("", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "-")
THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"
"""How a person writes thousands. `0,123` is not: that comma is somebody's decimal point, and nobody guesses."""
CLOCK = r"^\d{1,2}:\d\d"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table below its header, by what their columns mean."""

    table: Table
    places: Mapping[str, int]  # of each field that there is

    def cells(self, role: str, kept: Places) -> pa.Array:
        """Return one field of some rows, nothing where a cell is empty."""
        return cleaned(self.table.columns[self.places[role]]).take(pa.array(kept))

    def filled(self) -> tuple[Places, int]:
        """Return the rows that have a price or a volume, and how many have none of them.

        Raises:
            Refused: for a row with prices and without a time.
        """
        some = np.zeros(len(self.table), dtype=bool)
        for role in (*PRICES, "volume"):
            some |= ~is_null(cleaned(self.table.columns[self.places[role]]))
        timeless = some & is_null(cleaned(self.table.columns[self.places["time"]]))
        if timeless.any():
            raise self.bad(int(timeless.argmax()), "시각이 없음", "a row without a time")
        written = some | ~is_null(cleaned(self.table.columns[self.places["time"]]))
        return np.flatnonzero(some), int((written & ~some).sum())

    def times(self, kept: Places, zone: Zone | None) -> Times:
        """Return when the candles of some rows open, epoch milliseconds.

        Raises:
            ZoneNeeded: when nobody says in which zone.
            Refused: when they are no times.
        """
        place = self.places["time"]
        cells = self.cells("time", kept)
        clock = clock_place(self.table.names, place)
        if clock is not None:
            hours = cleaned(self.table.columns[clock]).take(pa.array(kept))
            if pa.types.is_string(hours.type) and pc.all(pc.match_substring_regex(hours, CLOCK)).as_py():
                cells = pc.binary_join_element_wise(cells.cast(pa.string()), hours, " ")
        return read_times(cells, self.table.names[place], zone)

    def numbers(self, role: str, kept: Places) -> Floats:
        """Return one field of some rows as numbers, NaN where there is none.

        Raises:
            Refused: for a cell that is no number.
        """
        if role not in self.places:
            return np.full(len(kept), np.nan)
        cells = self.cells(role, kept)
        if pa.types.is_decimal(cells.type):
            cells = cells.cast(pa.string())  # the way over text is exact, Arrow's own is not
        if pa.types.is_string(cells.type):
            cells = self.without_thousands(cells, role, kept)
        try:
            numbers: Floats = np.asarray(cells.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        except (pa.ArrowException, ValueError) as error:
            raise self.no_number(cells, role, kept) from error
        return numbers

    def without_thousands(self, cells: pa.Array, role: str, kept: Places) -> pa.Array:
        """Return texts without the commas of thousands.

        Raises:
            Refused: for a comma that is something else.
        """
        commas = pc.match_substring(cells, ",")
        if not pc.any(commas).as_py():
            return cells
        strange = pc.and_(commas, pc.invert(pc.match_substring_regex(cells, THOUSANDS)))
        if pc.any(strange).as_py():
            raise self.no_number(cells.filter(strange), role, kept[strange.to_numpy(zero_copy_only=False).astype(bool)])
        return pc.replace_substring(cells, ",", "")

    def no_number(self, cells: pa.Array, role: str, kept: Places) -> Refused:
        """Return what a cell that is no number means: the first of them."""
        for at, cell in enumerate(cells.to_pylist()):
            if not numeric(cell):
                return self.bad(int(kept[at]), f"{role} '{cell}'은 수가 아님", f"{role} '{cell}' is no number")
        return self.bad(int(kept[0]), f"{role}이 수가 아님", f"{role} is no number")

    def markets(self, kept: Places, named: str | None) -> npt.NDArray[np.str_] | None:
        """Return the market of each row, or None where no column says it.

        Raises:
            Refused: for a cell that names no won market, or another one than the file's name.
        """
        if "market" not in self.places:
            return None
        cells = self.cells("market", kept).cast(pa.string())
        said = cells.unique().to_pylist()
        known = {text: market_of_cell(text or "") for text in said}
        for text, market in known.items():
            if market is None and named is None:
                raise Refused(f"'{text}'은 원화 마켓의 이름이 아닙니다", f"'{text}' is not the name of a won market")
            if named and market and market != named:
                raise Refused(
                    f"파일 이름은 {named}인데 행은 {market}입니다",
                    f"the file's name says {named}, its rows say {market}",
                )
        return np.array([known[text] or named for text in cells.to_pylist()])

    def minutes(self, kept: Places) -> float | None:
        """Return the minutes of a candle that the rows say.

        Raises:
            Refused: when they say several.
        """
        if "unit" not in self.places:
            return None
        said = np.unique(self.numbers("unit", kept))
        said = said[np.isfinite(said)]
        if len(said) > 1:
            words = ", ".join(f"{minutes:g}" for minutes in said)
            raise Refused(f"여러 단위가 섞여 있습니다: {words}분", f"several units are mixed: {words} minutes")
        return float(said[0]) if len(said) else None

    def bad(self, index: int, ko: str, en: str) -> Refused:
        """Return the error of one row."""
        number = self.table.row_number(index)
        return Refused(f"{number}행: {ko}", f"row {number}: {en}")


def cleaned(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column in one piece: texts without spaces around them, nothing where a cell is empty."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    if pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_decode()
    if pa.types.is_large_string(whole.type) or pa.types.is_string_view(whole.type):
        whole = whole.cast(pa.string())
    if pa.types.is_string(whole.type):
        whole = pc.utf8_trim_whitespace(whole)
        return pc.if_else(pc.is_in(whole, pa.array(EMPTY)), pa.scalar(None, pa.string()), whole)
    return whole


def is_null(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Return where a column has nothing."""
    nothing: npt.NDArray[np.bool_] = pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False)
    return nothing


def numeric(cell: Any) -> bool:
    """Return whether a cell holds a number, or nothing."""
    try:
        return cell is None or float(cell) is not None
    except (TypeError, ValueError):
        return False
