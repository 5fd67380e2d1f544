"""`shadow`: how wrong paper is, from real orders of the journal and the tape that was recorded beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.options import moment
from cli.common.printing import print_json, print_table
from cli.common.shadow_orders import put_on_paper, sent_orders
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.words import Words
from sandbox.market.sources.live import LATENCY_MS
from tape.reading import files_of
from trader.clock import wall_clock
from trader.recording import tape_folder
from views.shadow import shadow_of

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from views.shadow import Estimate, Shadow

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
HEADS = (
    Words("무엇", "what"),
    Words("주문", "orders"),
    Words("평균 bp", "mean bp"),
    Words("95% 구간", "95 % interval"),
)
ALL = Words("모두", "all")
NOT_KNOWN = Words(
    "테이프에 없는 시각의 주문 {count}건은 뺐습니다 (run --record로 기록).",
    "{count} orders of moments that are on no tape are left out (record with run --record).",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--tape", type=Path, metavar="PATH", help="a file of a tape or a folder (default: that of run)")
    parser.add_argument("--from", dest="begin", type=moment, default=FIRST, metavar="TIME", help="first order, UTC")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="before this, UTC")
    parser.add_argument(
        "--latency", type=int, default=LATENCY_MS, metavar="MS", help=f"of paper (default {LATENCY_MS})"
    )


def run(config: Config, options: argparse.Namespace) -> int:
    """Print how wrong paper is, one sentence first."""
    files = files_of(options.tape or tape_folder(config))
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        orders = sent_orders(journal, options.begin, options.end or wall_clock() + timedelta(days=1))
    put_on_paper(orders, files, options.latency)
    pairs = [pair for order in orders if (pair := order.pair()) is not None]
    found = shadow_of(pairs, without_paper=len(orders) - len(pairs))
    if options.json:
        print_json({"sentence": found.sentence(config.language), "shadow": found, "pairs": pairs})
        return OK
    print_shadow(found, config.language)
    return OK


def print_shadow(found: Shadow, language: str) -> None:
    """Print the sentence, and a row for each kind of orders."""
    print(found.sentence(language))  # noqa: T201 - what a person reads
    if found.without_paper:
        print(NOT_KNOWN.say(language).format(count=found.without_paper))  # noqa: T201 - same
    rows = [cells(ALL, found.everything, language), *(cells(one.name, one.estimate, language) for one in found.groups)]
    print_table([head.say(language) for head in HEADS], rows)


def cells(name: Words, one: Estimate, language: str) -> list[str]:
    """Return a row of the table."""
    if one.mean is None:
        return [name.say(language), str(one.orders), "-", "-"]
    return [name.say(language), str(one.orders), f"{one.mean:+.1f}", f"{one.low:+.1f} ~ {one.high:+.1f}"]
