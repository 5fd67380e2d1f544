"""How verbs print: tables for people, one JSON document for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from journal.records import worst
from notifier.formats import price, stamp, units, won
from notifier.labels import PHASES
from views.lines import state_and_halts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Config
    from journal.records import Halt, Trade


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
    print("\n".join(state_and_halts(halts, language)))


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads."""
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second, which JSON does not need
    from rich.table import Table  # noqa: PLC0415 - same

    table = Table(box=None)
    for head in heads:
        table.add_column(head, overflow="fold")  # no number is ever cut, however narrow the terminal
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_json(value: object) -> None:
    """Print one JSON document; money as exact text."""
    print(json.dumps(json.loads(msgspec.json.encode(value)), ensure_ascii=False))
