"""`backup FILE`: a whole copy of the journal as it is at this moment, also while the daemon runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import OK
from journal.reader import copy_to
from trader.daemon import JOURNAL_FILE

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; it must not be there yet")


def run(config: Config, options: argparse.Namespace) -> int:
    """Copy; an existing file is left alone."""
    copy_to(config.data_dir / JOURNAL_FILE, options.file)
    return OK
