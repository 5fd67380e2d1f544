"""`history`: the trades that have ended, their executions as Upbit lists them, sums of them, and one trade's story."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table, shown, why
from failure import Failure
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import KST, gain, held, kst, won
from notifier.words import Words
from views.executions import executions, to_csv
from views.history import GROUPS, ended, outcome, story, sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Config
    from journal.queries import Queries
    from journal.records import Trade
    from views.history import Sum, TradeStory

DAY = timedelta(days=1)
HEADS = (
    Words("거래", "trade"),
    Words("마켓", "market"),
    Words("끝(KST)", "ended(KST)"),
    Words("보유", "held"),
    Words("매수", "paid"),
    Words("매도", "received"),
    Words("손익", "profit"),
    Words("이유", "reason"),
)
SUM_HEADS = (
    Words("구분", "by"),
    Words("거래", "trades"),
    Words("이익", "gained"),
    Words("손익", "profit"),
    Words("수수료", "fees"),
)


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
    print_table([head.say(config.language) for head in HEADS], [row(trade, config) for trade in trades])
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


def row(trade: Trade, config: Config) -> list[str]:
    """Return the cells of one trade."""
    language = config.language
    return [
        trade.id,
        trade.market,
        shown(trade.closed_at),
        held(ended(trade) - (trade.opened_at or trade.decided_at), language),
        won(trade.cost_krw, language),
        won(trade.proceeds_krw, language),
        gain(trade.profit_krw, trade.cost_krw, language),
        why(trade.exit_reason or {}, config),
    ]


def print_sums(config: Config, found: Sequence[Sum], *, as_json: bool) -> int:
    """Print what trades have earned together."""
    if as_json:
        print_json(found)
        return OK
    language = config.language
    rows = [
        [one.name, str(one.trades), str(one.gained), gain(one.profit, one.paid, language), won(one.fees, language)]
        for one in found
    ]
    print_table([head.say(language) for head in SUM_HEADS], rows)
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
    print("\n".join(lines))
    return OK
