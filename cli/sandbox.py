"""`sandbox`: only the exchange, for any Upbit client on this machine."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common import log as logs
from cli.common.accounts import account_of, check_keys, read_accounts
from cli.common.exits import OK
from cli.common.live import add_live, live_market
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import account, add_market, moment, positive
from config.problems import ConfigError, Problem
from sandbox.discord import PREFIX as WEBHOOKS
from sandbox.faults.plan_file import find_plan
from sandbox.keys import MAIN
from sandbox.server import Sandbox, SandboxOptions, open_source
from sandbox.stream.stream import PRIVATE_PATH, PUBLIC_PATH
from simulation.loop import LoopClock
from trader.clock import wall_clock

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from config.settings import Config
    from sandbox.keys import PocketOptions
    from sandbox.server import Opened

log = logging.getLogger("sandbox")

PACE_S, LATE_S = 5.0, 1.0
"""How often the pace is looked at, and how late the loop may then be."""

REPLAY_STARTS = Problem(
    ko="--start와 --replay는 함께 쓸 수 없습니다. 재생은 기록된 시각에 시작합니다.",
    en="--start and --replay exclude each other: a replay begins when it was recorded.",
)
LIVE_ALONE = Problem(
    ko="--live는 --replay, --start, --speed, --faults, --admin과 함께 쓸 수 없습니다. 실제 시장은 바꿀 수 없습니다.",
    en="--live excludes --replay, --start, --speed, --faults and --admin: the real market is as it is.",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        "--speed", type=positive, default=1.0, metavar="N", help="market seconds per second (default 1)"
    )
    parser.add_argument("--access-key", default="sandbox-access-key", help="the key it accepts")
    parser.add_argument("--secret-key", default="sandbox-secret-key-0123456789abcdef0123", help="its secret")
    parser.add_argument(
        "--account",
        action="append",
        type=account,
        default=[],
        metavar="NAME:ACCESS:SECRET:WON",
        dest="accounts",
        help="open another account with a key and won; may be repeated",
    )
    parser.add_argument(
        "--accounts", type=Path, metavar="FILE", dest="accounts_file", help="open the accounts of a JSON file"
    )
    parser.add_argument(
        "--start", type=moment, metavar="TIME", help="market time at the start, e.g. 2026-11-02T00:00Z (default: now)"
    )
    parser.add_argument("--live", action="store_true", help="trade on paper in the market of Upbit, as it is now")
    add_live(parser)
    add_market(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    logs.configure(config, wall_clock)
    with asyncio.Runner(loop_factory=plain_loop()) as runner:
        runner.run(serve(config, options))
    return OK


def box_options(options: argparse.Namespace, *, access_key: str, secret_key: str, speed: float) -> SandboxOptions:
    """Return what the command line says about the exchange."""
    return SandboxOptions(
        seed=options.seed,
        markets=options.markets,
        krw=options.krw,
        replay=options.replay,
        speed=speed,
        access_key=access_key,
        secret_key=secret_key,
        port=options.port,
        faults=find_plan(options.faults) if options.faults else None,
        admin=options.admin,
    )


def served_options(options: argparse.Namespace) -> SandboxOptions:
    """Return what the command line of `sandbox` says; unlike in a demo there may be more accounts, and a start.

    Raises `ConfigError` when it contradicts itself.
    """
    if options.replay is not None and options.start is not None:
        raise ConfigError((REPLAY_STARTS,))
    made_up = (options.replay, options.start, options.faults, options.admin or None)
    if options.live and (made_up != (None,) * len(made_up) or options.speed != 1):
        raise ConfigError((LIVE_ALONE,))
    pockets = [account_of(*account) for account in options.accounts]
    pockets += read_accounts(options.accounts_file) if options.accounts_file else ()
    check_keys(options.access_key, pockets)
    box = box_options(options, access_key=options.access_key, secret_key=options.secret_key, speed=options.speed)
    return replace(box, pockets=tuple(pockets), start=options.start)


async def serve(config: Config, options: argparse.Namespace) -> None:
    """Open the exchange, say where it is, and wait for the end."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    settings = served_options(options)
    async with (
        market_of(config, options, settings) as (source, clock),
        Sandbox(settings, clock, source) as box,
        asyncio.TaskGroup() as tasks,
    ):
        watch = tasks.create_task(watch_pace(settings), name="pace")
        if options.json:
            print_line(start_line(box, source.start))
        else:
            tell(box.url, settings, config.language)
        await stop.wait()
        watch.cancel()
        if options.json:
            print_line({"violations": box.violations})


@asynccontextmanager
async def market_of(
    config: Config, options: argparse.Namespace, settings: SandboxOptions
) -> AsyncIterator[tuple[Opened, Callable[[], datetime]]]:
    """Open the market that was asked for, and return the clock it lives by."""
    if options.live:
        async with live_market(config, options, wall_clock) as source:
            yield source, wall_clock
    else:
        source = open_source(settings, wall_clock())
        yield source, LoopClock(source.start, asyncio.get_running_loop(), scale=options.speed)


def print_line(values: dict[str, object]) -> None:
    """Print one line for a script; one that has stopped listening is not told, and that is no failure."""
    try:
        print(json.dumps(values), flush=True)  # noqa: T201 - what a script reads
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit would fail again


async def watch_pace(settings: SandboxOptions) -> None:
    """Say when this machine is too slow for the market that was asked for, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + PACE_S
        await asyncio.sleep(PACE_S)
        told = behind(settings, loop.time() - due)
        if told:
            log.warning(told)


def behind(settings: SandboxOptions, late_s: float) -> str | None:
    """Return what to tell a person about a loop that comes so many seconds late; None when it keeps its pace."""
    if late_s <= LATE_S:
        return None
    asked = f"--speed {settings.speed:g} with --markets {settings.markets}"
    return f"behind by {late_s:.1f} s: this machine is too slow for {asked}; lower one of them"


def start_line(box: Sandbox, start: datetime) -> dict[str, object]:
    """Return everything a client needs: addresses, and every key. They open nothing but this exchange."""
    options, socket = box.options, box.url.replace("http", "ws", 1)
    first = account_of(MAIN, options.access_key, options.secret_key, options.krw)
    return {
        "url": box.url,
        "rest": f"{box.url}/v1",
        "websocket": f"{socket}{PUBLIC_PATH}",
        "websocket_private": f"{socket}{PRIVATE_PATH}",
        "webhook": f"{box.url}{WEBHOOKS}1/sandbox",
        "access_key": options.access_key,
        "secret_key": options.secret_key,
        "accounts": [shown_pocket(pocket) for pocket in (first, *options.pockets)],
        "markets": len(box.markets.listed),
        "market_time": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "speed": options.speed,
    }


def shown_pocket(pocket: PocketOptions) -> dict[str, object]:
    """Return a pocket as the start line shows it."""
    keys = [
        {"access_key": key.access_key, "secret_key": key.secret_key, "permissions": sorted(key.permissions)}
        for key in pocket.keys
    ]
    balances = {currency: str(amount) for currency, amount in pocket.balances.items()}
    return {"account": pocket.account, "pocket": pocket.name, "balances": balances, "keys": keys}


def tell(url: str, options: SandboxOptions, language: str) -> None:
    """Print how to reach the exchange."""
    ready = {"ko": "샌드박스가 열렸습니다", "en": "The sandbox is open"}[language]
    print(f"{ready}: {url}\n")  # noqa: T201 - what a person copies into the other shell
    first = account_of(MAIN, options.access_key, options.secret_key, options.krw)
    for key in (key for pocket in (first, *options.pockets) for key in pocket.keys):
        print(  # noqa: T201 - same
            f"  UPBIT_BASE_URL={url} ACCESS_KEY={key.access_key} SECRET_KEY={key.secret_key} python main.py run\n",
            flush=True,
        )
