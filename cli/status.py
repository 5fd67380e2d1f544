"""`status`: what is held, why, since when and at what cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_halts, print_json, print_table, print_trades
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.words import harmless
from views.lines import HELD, cells_of_position, earned
from views.status import overview

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


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
        print_table([head.say(language) for head in HELD], [cells_of_position(one, language) for one in found.now.held])
    say(found.now.account(language))
    say(earned(found, language))
    return OK


def say(line: str) -> None:
    """Print one line for a person."""
    print(harmless(line))
