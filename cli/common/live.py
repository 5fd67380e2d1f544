"""A sandbox in front of Upbit's own market: its options, and how it is opened."""

from __future__ import annotations

import argparse
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cli.common.options import milliseconds
from config.settings import DEFAULT_BASE_URL
from paper.upstream import open_live
from sandbox.market.sources.live import LATENCY_MS
from sandbox.server import Opened
from sandbox.wire import from_ms
from trader.network import network_of
from upbit.network import is_safe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from config.settings import Config


def add_live(parser: argparse.ArgumentParser) -> None:
    """Add where the market is, and how far away."""
    parser.add_argument(
        "--upstream",
        type=upstream,
        default=DEFAULT_BASE_URL,
        metavar="URL",
        help=f"the exchange whose market is traded on paper (default {DEFAULT_BASE_URL})",
    )
    parser.add_argument(
        "--latency",
        type=milliseconds,
        default=LATENCY_MS,
        metavar="MS",
        help=f"how long an order is on its way to the book (default {LATENCY_MS})",
    )


def upstream(text: str) -> str:
    """Parse the address of an exchange."""
    if not is_safe(text):
        raise argparse.ArgumentTypeError(f"must be an https address, or http on this machine, not {text!r}")
    return text.rstrip("/")


@asynccontextmanager
async def live_market(
    config: Config, options: argparse.Namespace, clock: Callable[[], datetime]
) -> AsyncIterator[Opened]:
    """Open the market of the options, as it is now."""
    async with open_live(
        options.upstream, clock, rng=random.Random(), network=network_of(config), latency_ms=options.latency
    ) as source:
        yield Opened(source, from_ms(source.start_ms))
