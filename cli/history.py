"""`history`: the trades that have ended, their executions as Upbit lists them, sums of them, and one trade's story."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table
from failure import Failure
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import KST, kst
from notifier.words import harmless
from views.executions import executions, to_csv
from views.history import GROUPS, ended, outcome, story, sums
from views.lines import SUMS, TRADES, cells_of_sum, cells_of_trade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Config
    from journal.queries import Queries
    from journal.records import Trade
    from views.history import Sum, TradeStory

DAY = timedelta(days=1)


class NoSuchTrade(Failure):
    """No trade bears that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}이라는 거래가 없습니다. `python main.py history`의 첫 칸에 있는 이름을 쓰세요.",
            f"There is no trade {name}. Use a name of the first column of `python main.py history`.",
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("trade", nargs="?", metavar="TRADE", help="tell the story of one trade")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="newest N trades (default 20)")
    parser.add_argument("--from", dest="begin", type=korean_day, metavar="DATE", help="first day, KST, e.g. 2026-11-02")
    parser.add_argument("--to", type=korean_day, metavar="DATE", help="last day, KST, included")
    parser.add_argument("--by", choices=sorted(GROUPS), help="add up by day, month (KST), market or reason")
    parser.add_argument("--csv", action="store_true", help="every execution, in the columns of Upbit's own list")


def korean_day(text: str) -> datetime:
    """Parse a day; it begins at midnight in Korea."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) - KST
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-02, not {text!r}") from None


def run(config: Config, options: argparse.Namespace) -> int:
    """Print what was asked for."""
    end = options.to + DAY if options.to else None
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        if options.trade:
            return tell(config, options, journal)
        if options.csv:
            sys.stdout.write(to_csv(executions(journal, options.begin, end), config.language))
            return OK
        trades = chosen(journal, options, end)
    if options.by:
        return print_sums(config, sums(trades, options.by), as_json=options.json)
    if options.json:
        print_json(trades)
        return OK
    print_table(
        [head.say(config.language) for head in TRADES], [cells_of_trade(trade, config.language) for trade in trades]
    )
    return OK


def chosen(journal: Queries, options: argparse.Namespace, end: datetime | None) -> list[Trade]:
    """Return the trades of a period, newest first; without one the newest few, or for a sum all of them."""
    period = options.begin or end or options.by
    found = journal.closed_trades(-1 if period else options.limit)
    return [
        trade
        for trade in found
        if (options.begin is None or ended(trade) >= options.begin) and (end is None or ended(trade) < end)
    ]


def print_sums(config: Config, found: Sequence[Sum], *, as_json: bool) -> int:
    """Print what trades have earned together."""
    if as_json:
        print_json(found)
        return OK
    language = config.language
    print_table([head.say(language) for head in SUMS], [cells_of_sum(one, language) for one in found])
    return OK


def tell(config: Config, options: argparse.Namespace, journal: Queries) -> int:
    """Print one trade's story.

    Raises:
        NoSuchTrade: there is none of that name.
    """
    if not journal.knows_trade(options.trade):
        raise NoSuchTrade(options.trade)
    found: TradeStory = story(journal, options.trade)
    if options.json:
        print_json(found)
        return OK
    lines = [outcome(found.trade, config.language)]
    lines += [f"  {kst(moment.at)}  {moment.what.say(config.language)}" for moment in found.moments]
    print(harmless("\n".join(lines)))
    return OK
