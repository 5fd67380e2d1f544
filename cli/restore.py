"""`restore FILE`: put a backup in the place of the journal; the old one is kept."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json
from journal import JOURNAL_FILE
from journal.errors import JournalUnwritable
from journal.restore import restore
from journal.store import take_lock
from strategy.portfolio import KST
from trader.clock import wall_clock

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from journal.restore import Restored


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a copy that `backup` made; it stays as it is")


def run(config: Config, options: argparse.Namespace) -> int:
    """Check the copy, move the old journal aside, put the copy in place, and say so; refused while a daemon runs."""
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take_lock(config.data_dir)
    except OSError as error:
        raise JournalUnwritable(config.data_dir, error.strerror) from error
    try:
        restored = restore(options.file, config.data_dir / JOURNAL_FILE, wall_clock)
    finally:
        os.close(lock)
    if options.json:
        print_json({**dataclasses.asdict(restored), "aside": restored.aside and str(restored.aside)})
    else:
        print("\n".join(told(options.file, restored, config.language)))  # noqa: T201 - what was asked for
    return OK


def told(copy: Path, restored: Restored, language: str) -> list[str]:
    """Return what was done and what comes next, a line each."""
    newest = "-" if restored.newest is None else f"{restored.newest + KST:%Y-%m-%d %H:%M:%S} KST"
    orders, trades, aside = restored.orders, restored.open_trades, restored.aside
    if language == "ko":
        done = f"백업을 되돌렸습니다({copy}): 주문 {orders}건, 진행 중인 거래 {trades}건, 마지막 기록 {newest}."
        kept = f"이전 기록은 지우지 않고 {aside} 폴더로 옮겼습니다."
        then = "그 뒤의 주문은 다음 시작 때 업비트와 대조해 채웁니다."
    else:
        done = f"{copy} is the journal now: {orders} orders, {trades} open trades, last entry {newest}."
        kept = f"The journal before it was not deleted: it is in {aside}."
        then = "Orders since then are compared with Upbit and taken in at the next start."
    return [done, kept, then] if aside else [done, then]
