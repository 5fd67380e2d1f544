"""`status`: what is held, why, since when and at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_halts, print_json, print_trades, state_of
from journal import JOURNAL_FILE
from journal.queries import WEBHOOK
from journal.reader import open_reader
from notifier.answers import Trouble
from notifier.formats import signed_won, won
from notifier.words import Words

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def run(config: Config, options: argparse.Namespace) -> int:
    """Print what is held, why, since when, and at what cost."""
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        trades, totals, counts = journal.open_trades(), journal.totals(), journal.counts()
        halts = journal.standing_halts()
        waiting, refused = journal.waiting_notes()
        trouble = Trouble.__members__.get(journal.meta(WEBHOOK) or "")
    if options.json:
        now = {"state": state_of(halts), "halts": halts}
        messages = {"waiting": waiting, "refused": refused, "trouble": trouble and trouble.name}
        print_json({**now, "open_trades": trades, "totals": totals, "counts": counts, "messages": messages})
        return OK
    print_halts(halts, config.language)
    for line in about_messages(waiting, refused, trouble, config.language):
        print(f"  {line}")
    print_trades(trades, config)
    profit, fees = signed_won(totals.realised_pnl, config.language), won(totals.fees, config.language)
    print(Words(f"누적 실현손익: {profit} · 수수료 {fees}", f"realised: {profit} · fees {fees}").say(config.language))
    return OK


def about_messages(waiting: int, refused: int, trouble: Trouble | None, language: str) -> list[str]:
    """Return what a person should know about messages that do not arrive: nothing while all do."""
    lines = [trouble.say(language)] if trouble else []
    if trouble and waiting:
        lines.append(Words(f"기다리는 알림: {waiting}개", f"messages that wait: {waiting}").say(language))
    if refused:
        ko, en = f"디스코드가 받지 않은 알림: {refused}개", f"messages that Discord did not take: {refused}"
        lines.append(Words(ko, en).say(language))
    return lines
