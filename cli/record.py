"""`record`: keep everything the market sends on disk, exactly as it comes; no keys needed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common import log as logs
from cli.common.exits import OK
from cli.common.failures import first_of
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import LONGEST_DAYS, days_kept, positive
from cli.common.printing import print_json
from trader.clock import wall_clock
from trader.network import network_of
from trader.recording import recording_of, tape_folder
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from trader.recording import Recording


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: tape in the data folder)")
    parser.add_argument("--markets", nargs="+", metavar="MARKET", help="e.g. KRW-BTC KRW-ETH (default: all KRW)")
    parser.add_argument("--keep", type=days_kept, metavar="DAYS", help="delete files older than this (default: none)")
    parser.add_argument("--minutes", type=positive, metavar="N", help="end after N minutes (default: until Ctrl-C)")


def run(config: Config, options: argparse.Namespace) -> int:
    """Record until the time is over, SIGTERM or SIGINT; return the exit code."""
    logs.configure(config, wall_clock)
    try:
        with asyncio.Runner(loop_factory=plain_loop()) as runner:
            done = runner.run(record(config, options))
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    counts = {
        "folder": str(options.out or tape_folder(config)),
        "records": done.recorder.records,
        "lost": done.recorder.lost,
        "files": done.writer.files,
        "bytes": done.writer.bytes,
    }
    if options.json:
        print_json(counts)
    else:
        print(SENTENCES[config.language].format(**counts))  # noqa: T201 - what a person reads
    return OK


SENTENCES = {
    "ko": "{folder}에 기록 {records:,}개를 {files}개 파일로 남겼습니다 ({bytes:,}바이트). 빠진 것: {lost:,}개.",
    "en": "Recorded {records:,} records in {files} files of {folder} ({bytes:,} bytes); lost: {lost:,}.",
}


async def record(config: Config, options: argparse.Namespace) -> Recording:
    """Record the market of the settings' exchange; return what did it."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    if options.minutes:
        asyncio.get_running_loop().call_later(min(options.minutes, LONGEST_DAYS * 1440) * 60, stop.set)
    async with open_session(network_of(config), url=config.base_url) as session:
        upbit = Upbit(session, base_url=config.base_url)
        markets = frozenset(options.markets) if options.markets else None
        recording = recording_of(
            config,
            upbit,
            stop,
            clock=wall_clock,
            folder=options.out or tape_folder(config),
            markets=markets,
            keep=options.keep,
        )
        await recording.run()
    return recording
