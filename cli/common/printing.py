"""How verbs print: tables for people, one JSON document for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from journal.records import worst
from notifier.formats import price, stamp, units, won
from notifier.labels import PHASES
from notifier.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table

    from config.settings import Config
    from journal.records import Halt, Trade

PADDING = 2
"""Letters beside each column."""


def print_trades(trades: Sequence[Trade], config: Config) -> None:
    """Print one row for every open trade."""
    korean = config.language == "ko"
    rows = [
        [
            t.market,
            PHASES[t.phase].say(config.language),
            units(t.volume),
            won(t.cost_krw, config.language),
            price(t.stop_price) if t.stop_price else "-",
            stamp(t.opened_at),
            str(t.entry_reason.get(config.language, "-")),
        ]
        for t in trades
    ]
    heads = (
        "마켓 상태 수량 매수금액 손절가 시작(KST) 이유" if korean else "market state volume cost stop since(KST) reason"
    )
    print_table(heads.split(), rows)


def state_of(halts: Sequence[Halt]) -> str:
    """Return how much is forbidden."""
    return worst(halts).name


def print_halts(halts: Sequence[Halt], language: str) -> None:
    """Print the state of trading and every reason that stands."""
    from views.lines import state_and_halts  # noqa: PLC0415 - it knows much that other verbs do without

    print(harmless("\n".join(state_and_halts(halts, language))))


def folding(*heads: str, **looks: Any) -> Table:
    """Return a table whose cells go on in the next line where they are too long: none is cut."""
    from rich.table import Table  # noqa: PLC0415 - a tenth of a second, which JSON does not need

    table = Table(box=None, **looks)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads; where the terminal is too narrow for that, each cell on a line of its own."""
    from rich.cells import cell_len  # noqa: PLC0415 - a tenth of a second, which JSON does not need
    from rich.console import Console  # noqa: PLC0415 - same
    from rich.table import Table  # noqa: PLC0415 - same

    console, table = Console(markup=False, emoji=False), Table(box=None)  # a name in brackets is a name
    rows = [[harmless(cell) for cell in row] for row in rows]
    columns = [list(column) for column in zip(heads, *rows, strict=True)]
    widths = fitting(columns, console.width - PADDING * len(heads), cell_len)
    if widths is None:
        print("\n".join(line for row in rows for line in record(heads, row)))
        return
    for head, width in zip(heads, widths, strict=True):
        table.add_column(head, width=width)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def fitting(columns: Sequence[Sequence[str]], room: int, length: Callable[[str], int]) -> list[int] | None:
    """Return how wide each column may be; None where some word, and so some number, would have to be cut.

    Args:
        columns: their cells, the head among them.
        room: letters of all of them together.
        length: how many letters of the terminal a text takes.
    """
    widths = [max(map(length, cells)) for cells in columns]
    least = [max(length(word) for cell in cells for word in cell.split() or [""]) for cells in columns]
    while sum(widths) > room:
        at = max((at for at, width in enumerate(widths) if width > least[at]), key=widths.__getitem__, default=None)
        if at is None:
            return None
        widths[at] -= 1
    return widths


def record(heads: Sequence[str], row: Sequence[str]) -> list[str]:
    """Return a row as lines: its name, and below it each cell with its head."""
    return [row[0], *(f"  {head} {cell}" for head, cell in zip(heads[1:], row[1:], strict=True))]


def print_json(value: object) -> None:
    """Print one JSON document; money as exact text."""
    print(json.dumps(json.loads(msgspec.json.encode(value)), ensure_ascii=False))
