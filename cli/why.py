"""`why`: why nothing is bought, or why a market was bought or not, at any minute of the last 14 days."""

from __future__ import annotations

import argparse
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import KST
from notifier.words import harmless
from views.lines import why_in_lines
from views.why import funnel, market_of, why_market

if TYPE_CHECKING:
    from config.settings import Config
    from views.why import Funnel, WhyMarket


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("market", nargs="?", type=market_of, metavar="MARKET", help="e.g. KRW-XRP (default: all)")
    parser.add_argument("--at", type=korean_time, metavar="TIME", help='KST, e.g. "2026-11-30 14:03" (default: now)')


def korean_time(text: str) -> datetime:
    """Parse a time; Korean when it does not say otherwise."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'must be a time such as "2026-11-30 14:03", not {text!r}') from None
    return (time if time.tzinfo else (time - KST).replace(tzinfo=UTC)).astimezone(UTC)


def run(config: Config, options: argparse.Namespace) -> int:
    """Print what stands in the way, one sentence first."""
    moment = options.at or datetime.now(UTC)
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        if options.market:
            found: WhyMarket | Funnel = why_market(journal, options.market, moment)
        else:
            found = funnel(journal, moment)
    if options.json:
        told = {one.name: getattr(found, one.name) for one in fields(found)}
        print_json({"sentence": found.sentence(config.language), **told})
        return OK
    print(harmless("\n".join(why_in_lines(found, config.language))))
    return OK
