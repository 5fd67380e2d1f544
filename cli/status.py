"""`status`: what is held, why, since when and at what cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_halts, print_json, print_table, print_trades, state_of
from journal import JOURNAL_FILE
from journal.queries import WEBHOOK
from journal.reader import open_reader
from notifier.answers import Trouble
from notifier.formats import average, percent, price, signed_won, won
from notifier.words import Words
from views.status import status

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
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        trades, totals, counts = journal.open_trades(), journal.totals(), journal.counts()
        halts = journal.standing_halts()
        waiting, refused = journal.waiting_notes()
        trouble = Trouble.__members__.get(journal.meta(WEBHOOK) or "")
        found = status(journal, datetime.now(UTC))
    if options.json:
        now = {"state": state_of(halts), "halts": halts, "sentence": found.sentence(config.language), "now": found}
        messages = {"waiting": waiting, "refused": refused, "trouble": trouble and trouble.name}
        print_json({**now, "open_trades": trades, "totals": totals, "counts": counts, "messages": messages})
        return OK
    say(found.sentence(config.language))
    print_halts(halts, config.language)
    for line in [found.warning(config.language), *about_messages(waiting, refused, trouble, config.language)]:
        if line:
            say(f"  {line}")
    print_trades(trades, config)
    if found.held:
        print_table([head.say(config.language) for head in HEADS], [row(one, config.language) for one in found.held])
    profit, fees = signed_won(totals.realised_pnl, config.language), won(totals.fees, config.language)
    say(found.account(config.language))
    say(Words(f"누적 실현손익: {profit} · 수수료 {fees}", f"realised: {profit} · fees {fees}").say(config.language))
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


def about_messages(waiting: int, refused: int, trouble: Trouble | None, language: str) -> list[str]:
    """Return what a person should know about messages that do not arrive: nothing while all do."""
    lines = [trouble.say(language)] if trouble else []
    if trouble and waiting:
        lines.append(Words(f"기다리는 알림: {waiting}개", f"messages that wait: {waiting}").say(language))
    if refused:
        ko, en = f"디스코드가 받지 않은 알림: {refused}개", f"messages that Discord did not take: {refused}"
        lines.append(Words(ko, en).say(language))
    return lines
