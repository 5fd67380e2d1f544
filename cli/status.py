"""`status`: what is held, why, since when and at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from cli.common.exits import OK
from cli.common.printing import print_halts, print_json, print_trades, state_of
from journal.reader import open_reader
from trader.daemon import JOURNAL_FILE

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def run(config: Config, options: argparse.Namespace) -> int:
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
