"""`backup FILE`: a whole, checked copy of the journal as it is at this moment, also while the daemon runs.

With `--keep N` the name is of a folder, for a timer: a copy named after the time, and only the newest N stay.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import OK
from journal import JOURNAL_FILE
from journal.backups import add_copy, note_backup
from journal.reader import copy_to
from trader.clock import wall_clock

if TYPE_CHECKING:
    from config.settings import Config

MOST_KEPT = 10_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; it must not be there yet")
    parser.add_argument(
        "--keep",
        type=number_kept,
        metavar="N",
        help="FILE is a folder: add a copy named after the time, and remove all but the newest N",
    )


def number_kept(text: str) -> int:
    """Parse how many copies are kept."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_KEPT):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_KEPT}, not {text!r}")
    return int(text)


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy and check; an existing file is left alone."""
    journal, now = config.data_dir / JOURNAL_FILE, wall_clock()
    if options.keep is None:
        copy_to(journal, options.file)
        copy, removed = options.file, 0
    else:
        copy, surplus = add_copy(journal, options.file, keep=options.keep, now=now)
        removed = len(surplus)
    note_backup(journal, now)
    ko = f"백업했고 온전한지 확인했습니다: {copy}" + (f" (오래된 것 {removed}개 삭제)" if removed else "")
    en = f"Copied, and checked that it is whole: {copy}" + (f" ({removed} old removed)" if removed else "")
    print(ko if config.language == "ko" else en)
    return OK
