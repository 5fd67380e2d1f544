"""`download`: candles from Upbit onto disk, for backtests."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from backtest.history.download import Download, choose_markets, closed_by
from backtest.units import from_ms, to_ms
from cli.common import log as logs
from cli.common.exits import INTERRUPTED, OK
from cli.common.failures import first_of
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import add_period
from cli.common.period import open_store, read_markets, read_period, read_unit
from trader.clock import wall_clock
from trader.network import network_of
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from backtest.history.download import Progress
    from backtest.history.store import Store
    from config.settings import Config

FIRST_DAY = datetime(2017, 9, 25, tzinfo=UTC)
"""Upbit's first candles are of this day."""
LIMIT_WINDOW_S = 1.0
"""A download that was killed a moment ago may have spent the requests of this second."""
STOPPED = {
    "ko": "중단했습니다. 받은 캔들은 저장되었습니다. 같은 명령을 다시 실행하면 이어서 받습니다.",
    "en": "Stopped. What came is saved; the same command goes on where it was.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--unit", required=True, metavar="UNIT", help="1m, 3m, 5m, 10m, 15m, 30m, 60m, 240m or day")
    add_period(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Fetch what is missing; return the exit code."""
    logs.configure(config, wall_clock)
    store = open_store(config)
    try:
        with store.lock(), asyncio.Runner(loop_factory=plain_loop()) as runner:
            progress, finished = runner.run(fetch(config, store, options))
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    if options.json:
        print(json.dumps({"finished": finished, **asdict(progress)}))  # noqa: T201 - the one JSON object of --json
    elif not finished:
        print(STOPPED[config.language], file=sys.stderr)  # noqa: T201 - what a person reads
    return OK if finished else INTERRUPTED


async def fetch(config: Config, store: Store, options: argparse.Namespace) -> tuple[Progress, bool]:
    """Ask Upbit for what the options name; return how far it came, and whether that is all."""
    unit = read_unit(options.unit)
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with open_session(network_of(config), url=config.base_url) as session:
        upbit = Upbit(session, base_url=config.base_url)
        await asyncio.sleep(LIMIT_WINDOW_S)
        listed = [market.market for market in await upbit.markets()]
        markets = choose_markets(listed, read_markets(options))
        now = from_ms(closed_by(upbit.exchange_time() or wall_clock(), unit))
        begin, end = read_period(options, FIRST_DAY, now)
        span = (to_ms(begin), min(to_ms(end), to_ms(now)))
        with shown(quiet=options.json) as show:
            download = Download(upbit=upbit, store=store, unit=unit, span=span, stop=stop, show=show)
            progress = await download.run(markets)
    return progress, not stop.is_set()


@contextmanager
def shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show a bar with markets, rows, rate and the time that is left; nothing when a machine reads."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("", total=None, rows=0, rate=0.0)
        began = bar.get_time()

        def show(progress: Progress) -> None:
            passed = max(bar.get_time() - began, 0.001)
            bar.update(
                task,
                description=f"{progress.markets_done}/{progress.markets} markets",
                completed=progress.covered_ms // 60_000,
                total=progress.wanted_ms // 60_000,
                rows=progress.rows,
                rate=progress.rows / passed,
            )

        yield show
