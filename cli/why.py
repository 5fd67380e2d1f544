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
from notifier.formats import KST, kst, price
from notifier.words import Words
from views.why import WhyMarket, funnel, why_market

if TYPE_CHECKING:
    from config.settings import Config
    from views.why import Funnel


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("market", nargs="?", type=market, metavar="MARKET", help="e.g. KRW-XRP (default: all)")
    parser.add_argument("--at", type=korean_time, metavar="TIME", help='KST, e.g. "2026-11-30 14:03" (default: now)')


def market(text: str) -> str:
    """Return the name of a market of one that was typed in haste: `xrp` is `KRW-XRP`."""
    name = text.strip().upper()
    return name if "-" in name else f"KRW-{name}"


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
    print("\n".join(lines_of(found, config.language)))
    return OK


def lines_of(found: WhyMarket | Funnel, language: str) -> list[str]:
    """Return what a person reads."""
    lines = [found.sentence(language), *head_of(found, language)]
    for one in [found] if isinstance(found, WhyMarket) else found.nearest:
        lines += ["", *lines_of_market(one, language)]
    return lines


def head_of(found: WhyMarket | Funnel, language: str) -> list[str]:
    """Return when it was so, and for all markets the funnel."""
    when = Words(
        f"{kst(found.at)} 판단 · {kst(found.closed_at)}까지의 캔들 · 전략 {found.strategy}",
        f"looked at {kst(found.at)} · candles up to {kst(found.closed_at)} · strategy {found.strategy}",
    ).say(language)
    late = Words(
        "⚠ 그 시각의 판단은 없고, 이것이 그 전의 마지막입니다.",
        "⚠ There was no look at that time; this is the last one before it.",
    )
    told = [when, *([late.say(language)] if found.late else [])]
    return told if isinstance(found, WhyMarket) else [*told, found.told(language)]


def lines_of_market(one: WhyMarket, language: str) -> list[str]:
    """Return every gate of a market, open or shut."""
    shown = "" if one.price is None else f" {price(one.price)}"
    marks = [f"  {'✓' if gate.passed else '✗'} {gate.say(language)}" for gate in one.gates]
    return [f"{one.market}{shown}", *(f"  ✗ {obstacle.say(language)}" for obstacle in one.obstacles), *marks]
