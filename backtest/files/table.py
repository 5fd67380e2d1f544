"""A file as a table: named columns of text, numbers or times, before anybody says what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns of one length, named as the file names them."""

    kind: str  # "csv", "json", "lists" (JSON without names), "feather" or "parquet"
    names: Sequence[str]
    columns: Sequence[pa.Array | pa.ChunkedArray]
    comment: str = ""  # what stood above the header
    row_number: Callable[[int], int] = field(default=lambda index: index + 1)  # as an editor counts

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0


def plain(name: Any) -> str:
    """Return a column's name without case, spaces and signs: `Candle_Date-Time UTC` is `candledatetimeutc`."""
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())
