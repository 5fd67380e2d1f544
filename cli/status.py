"""`status`: what is held, why, since when and at what cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_halts, print_json, print_table, print_trades
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import average, percent, price, signed_won, won
from notifier.words import Words
from views.status import overview

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from views.status import Held

HEADS = (
    Words("마켓", "market"),
    Words("매수평균가", "entry"),
    Words("현재가", "price"),
    Words("평가손익", "open profit"),
    Words("수익률", "return"),
    Words("손절가", "stop"),
    Words("손절가까지", "to the stop"),
)


def run(config: Config, options: argparse.Namespace) -> int:
    """Print what is held, what it is worth, why, since when, and at what cost."""
    language = config.language
    with open_reader(config.data_dir / JOURNAL_FILE) as journal, journal.at_one_moment():
        found = overview(journal, datetime.now(UTC))
    if options.json:
        print_json(found.document(language))
        return OK
    say(found.now.sentence(language))
    print_halts(found.halts, language)
    for line in found.warnings(language):
        say(f"  {line}")
    print_trades(found.trades, config)
    if found.now.held:
        print_table([head.say(language) for head in HEADS], [row(one, language) for one in found.now.held])
    profit, fees = signed_won(found.totals.realised_pnl, language), won(found.totals.fees, language)
    say(found.now.account(language))
    say(Words(f"누적 실현손익: {profit} · 수수료 {fees}", f"realised: {profit} · fees {fees}").say(language))
    return OK


def say(line: str) -> None:
    """Print one line for a person."""
    print(line)


def row(one: Held, language: str) -> list[str]:
    """Return the cells of one position at the last look."""
    return [
        one.market,
        "-" if one.entry is None else average(one.entry),
        "-" if one.price is None else price(one.price),
        "-" if one.profit is None else signed_won(one.profit, language),
        "-" if one.share is None else percent(one.share),
        "-" if one.stop is None else price(one.stop),
        "-" if one.to_stop is None else percent(one.to_stop),
    ]
