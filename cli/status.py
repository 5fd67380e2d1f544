"""`status`, `history` and `config`: what the journal and the settings say, for people and for machines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from cli.common.exits import OK
from journal.reader import open_reader
from notifier.messages import held
from trader.control import Level
from trader.daemon import JOURNAL_FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from config.settings import Config
    from journal.records import Halt, Trade


def status(config: Config, options: argparse.Namespace) -> int:
    """Print what is held, why, since when, and at what cost."""
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        trades, totals, counts = journal.open_trades(), journal.totals(), journal.counts()
        halts = journal.standing_halts()
    if options.json:
        now = {"state": state_of(halts), "halts": halts}
        print_json({**now, "open_trades": trades, "totals": totals, "counts": counts})
        return OK
    print_halts(halts, config.language)
    print_trades(trades, config)
    label = "실현 손익" if config.language == "ko" else "realised profit"
    Console().print(f"{label}: {totals.realised_pnl:+,.0f} KRW · fees {totals.fees:,.2f} KRW")
    return OK


def print_trades(trades: Sequence[Trade], config: Config) -> None:
    """Print one row for every open trade."""
    korean = config.language == "ko"
    rows = [
        [
            t.market,
            t.phase,
            f"{t.volume:f}",
            f"{t.cost_krw:,.0f}",
            str(t.stop_price or "-"),
            shown(t.opened_at),
            why(t.entry_reason, config),
        ]
        for t in trades
    ]
    heads = (
        "마켓 상태 수량 매수금액 손절가 시작(UTC) 이유" if korean else "market phase volume cost stop since(UTC) reason"
    )
    print_table(heads.split(), rows)


def state_of(halts: Sequence[Halt]) -> str:
    """Return how much is forbidden."""
    return max((Level[halt.level] for halt in halts), default=Level.ACTIVE).name


def print_halts(halts: Sequence[Halt], language: str) -> None:
    """Print the state of trading and every reason that stands."""
    Console().print(f"{'상태' if language == 'ko' else 'state'}: {state_of(halts)}")
    for halt in halts:
        Console().print(f"  {shown(halt.since)} {halt.code}: {getattr(halt, language)}", markup=False)


def history(config: Config, options: argparse.Namespace) -> int:
    """Print the trades that have ended, newest first."""
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        trades = journal.closed_trades(options.limit)
    if options.json:
        print_json(trades)
        return OK
    korean = config.language == "ko"
    rows = [
        [
            t.market,
            shown(t.closed_at),
            held((t.closed_at or t.decided_at) - (t.opened_at or t.decided_at)),
            f"{t.cost_krw:,.0f}",
            f"{t.proceeds_krw:,.0f}",
            f"{t.profit_krw:+,.0f}",
            why(t.exit_reason or {}, config),
        ]
        for t in trades
    ]
    heads = "마켓 끝(UTC) 보유 매수 매도 손익 이유" if korean else "market ended(UTC) held paid received profit reason"
    print_table(heads.split(), rows)
    return OK


def print_settings(rows: Sequence[tuple[str, str, str]], *, as_json: bool) -> None:
    """Print every setting, its value and its source."""
    if as_json:
        print_json({key: {"value": value, "source": source} for key, value, source in rows})
        return
    print_table(["key", "value", "source"], [list(row) for row in rows])


def why(reason: dict[str, object], config: Config) -> str:
    """Return a reason in the language of the settings."""
    return str(reason.get(config.language, "-"))


def shown(moment: object) -> str:
    """Return a time to the minute."""
    return str(moment)[:16] if moment else "-"


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads."""
    table = Table(*heads, box=None)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_json(value: object) -> None:
    """Print one JSON document; money as exact text."""
    print(json.dumps(json.loads(msgspec.json.encode(value)), ensure_ascii=False))  # noqa: T201 - what was asked for
