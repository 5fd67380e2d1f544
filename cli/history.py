"""`history`: the trades that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table, shown, why
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import held

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="newest N trades (default 20)")


def run(config: Config, options: argparse.Namespace) -> int:
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
            held((t.closed_at or t.decided_at) - (t.opened_at or t.decided_at), config.language),
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
