"""`sandbox`: only the exchange, for any Upbit client on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from cli import log as logs
from cli.exits import OK
from cli.run import plain_loop, stop_on_signals
from sandbox.faults.reading import find_plan
from sandbox.server import Sandbox, SandboxOptions, open_source
from simulation.loop import LoopClock, wall_clock

if TYPE_CHECKING:
    import argparse

    from config import Config


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


async def serve(config: Config, options: argparse.Namespace) -> None:
    """Open the exchange, say where it is, and wait for the end."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    settings = box_options(options, access_key=options.access_key, secret_key=options.secret_key, speed=options.speed)
    source = open_source(settings, wall_clock())
    clock = LoopClock(source.start, asyncio.get_running_loop(), scale=options.speed)
    async with Sandbox(settings, clock, source) as box:
        tell(box.url, options, config.language)
        await stop.wait()
        if options.json:
            print(json.dumps({"violations": box.violations}), flush=True)  # noqa: T201 - the last line for scripts


def tell(url: str, options: argparse.Namespace, language: str) -> None:
    """Print how to reach the exchange."""
    if options.json:
        line = {
            "url": url,
            "websocket": url.replace("http", "ws", 1) + "/websocket/v1",
            "access_key": options.access_key,
        }
        print(json.dumps(line), flush=True)  # noqa: T201 - the start line for scripts
        return
    ready = {"ko": "샌드박스가 열렸습니다", "en": "The sandbox is open"}[language]
    print(  # noqa: T201 - what a person copies into the other shell
        f"{ready}: {url}\n\n"
        f"  UPBIT_BASE_URL={url} ACCESS_KEY={options.access_key} SECRET_KEY={options.secret_key} python main.py run\n",
        flush=True,
    )
