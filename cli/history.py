"""`history`: the trades that have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table, shown, why
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import gain, held, won

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
            won(t.cost_krw, config.language),
            won(t.proceeds_krw, config.language),
            gain(t.profit_krw, t.cost_krw, config.language),
            why(t.exit_reason or {}, config),
        ]
        for t in trades
    ]
    heads = (
        "마켓 종료(KST) 보유기간 매수 매도 손익 이유"
        if korean
        else "market closed(KST) held paid received profit reason"
    )
    print_table(heads.split(), rows)
    return OK
