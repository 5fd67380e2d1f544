"""Tables that keep their types: JSON of Upbit, ccxt and freqtrade, feather and parquet."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import feather, parquet

from backtest.files.columns import LISTED
from backtest.files.refusal import Refused
from backtest.files.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

PARQUET = b"PAR1"
FEATHER = b"ARROW1"


def read_arrow(content: bytes) -> Table:
    """Return the table of a feather or parquet file.

    Raises:
        Refused: when it is broken.
    """
    try:
        if content.startswith(PARQUET):
            table, kind = parquet.read_table(io.BytesIO(content)), "parquet"
        else:
            table, kind = feather.read_table(io.BytesIO(content)), "feather"
        return Table(kind=kind, names=table.column_names, columns=table.columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0]
        raise Refused(f"파일이 깨졌습니다 ({why})", f"the file is broken ({why})") from error


def read_json(text: str) -> Table:
    """Return the table of a JSON file: a list of candles, or one candle a line.

    Raises:
        Refused: when it is no JSON, or holds something else.
    """
    rows = list_in(parse(text))
    if all(isinstance(row, dict) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return Table(kind="json", names=names, columns=[column([row.get(name) for row in rows]) for name in names])
    if all(isinstance(row, list) and len(row) == len(LISTED) for row in rows):
        columns = [column([row[index] for row in rows]) for index in range(len(LISTED))]
        return Table(kind="lists", names=LISTED, columns=columns)
    raise Refused(
        f"캔들의 목록이 아닙니다. 행은 이름이 있거나 {len(LISTED)}개의 수여야 합니다",
        f"it is no list of candles. A row must have names, or be {len(LISTED)} numbers",
    )


def parse(text: str) -> Any:
    """Return what a JSON text says; one value a line is a list."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            return [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            raise Refused(f"JSON이 깨졌습니다 ({error})", f"the JSON is broken ({error})") from error


def list_in(said: Any) -> Sequence[Any]:
    """Return the rows: the list itself, or the only list in an object around it.

    Raises:
        Refused: when there is none, or it is empty, or Upbit's answer is an error.
    """
    if isinstance(said, dict):
        lists = [value for value in said.values() if isinstance(value, list)]
        said = lists[0] if len(lists) == 1 else [said] if "error" not in said and not lists else None
    if not isinstance(said, list):
        raise Refused("캔들의 목록이 아닙니다", "it is no list of candles")
    if not said:
        raise Refused("캔들이 하나도 없습니다", "there is no candle in it")
    return said


def column(values: Sequence[Any]) -> pa.Array:
    """Return values as one column; where they are of several kinds, as text.

    Raises:
        Refused: for text with half a letter in it.
    """
    try:
        return pa.array(values, from_pandas=False)
    except UnicodeEncodeError as error:
        raise Refused(f"깨진 글자가 있습니다 ({error.reason})", f"a letter is broken ({error.reason})") from error
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])
