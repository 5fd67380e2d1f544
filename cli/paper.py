"""`paper`: the unchanged daemon against a paper exchange in Upbit's own market, in one process, without keys."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from cli.common import log as logs
from cli.common.chat import chat_beside
from cli.common.exits import OK
from cli.common.failures import first_of
from cli.common.live import add_live, live_market
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import add_account
from cli.common.page import page_beside
from cli.common.printing import print_json
from cli.common.screen import follow
from config.settings import Secret
from dashboard.passes import Role
from notifier.words import Words
from paper.wallet import WALLET_FILE, open_wallet
from sandbox.market.sources.live import PATIENCE_MS
from sandbox.server import Sandbox, SandboxOptions
from sandbox.wire import from_ms
from trader.admission import come_up
from trader.clock import wall_clock
from trader.daemon import build, serve
from trader.guards.watchdog import SystemWatchdog

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from config.settings import Config
    from dashboard.passes import Passes
    from sandbox.market.sources.live import LiveSource
    from trader.app import App

FOLDER = "paper"
PORT, PAGE_PORT = 18_095, 18_096
"""Always the same, so that what is kept of candles is still of this exchange after a restart."""
ACCESS_KEY = "paper-access-key"
SECRET_KEY = "paper-secret-key-0123456789abcdef012345"  # noqa: S105 - opens nothing but the exchange of this process
TOLD_FROM_MS = 30_000
"""A gap as long as this is worth a message."""

SENTENCE = Words(
    "모의 거래 (PAPER): {upstream}의 실제 시세에서 가짜 돈으로 거래합니다. "
    "키는 필요 없고, 실제 주문은 나가지 않습니다.\n"
    "기록: {folder} (거래소 {url}). 끝내기: Ctrl-C",
    "PAPER (모의): trades in the real market of {upstream} with money of nobody. "
    "No keys are needed, and no order leaves.\n"
    "Records: {folder} (the exchange: {url}). End: Ctrl-C",
)
PAGE = Words("브라우저로 보기 (한 번만 열림)", "To look in a browser (opens once)")
GAP = Words(
    "시세가 {seconds:.0f}초 동안 끊겨 그동안 아무 주문도 체결하지 않았습니다. 지금은 다시 들립니다.",
    "The market was not heard for {seconds:.0f} s, and nothing was filled meanwhile. It is heard again.",
)
GIVEN_UP = Words(
    "{market} 주문이 {seconds}초 동안 호가를 만나지 못해 체결 없이 취소되었습니다. 시세가 들리는지 확인하세요.",
    "An order in {market} met no book for {seconds} s and was cancelled with nothing filled. "
    "See whether the market is heard.",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_live(parser)
    add_account(parser, usual_port=PORT)


def run(config: Config, options: argparse.Namespace) -> int:
    """Trade on paper until SIGTERM or SIGINT; return the exit code."""
    settings = paper_config(config)
    logs.configure(settings, wall_clock, file=settings.log_path)
    try:
        with asyncio.Runner(loop_factory=plain_loop()) as runner:
            runner.run(trade(settings, options))
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    return OK


def paper_config(config: Config) -> Config:
    """Return the user's settings with the keys of the paper exchange, in a folder of its own, and with the page."""
    own = config.data_dir.name == FOLDER
    return dataclasses.replace(
        config,
        access_key=Secret(ACCESS_KEY),
        secret_key=Secret(SECRET_KEY),
        data_dir=config.data_dir if own else config.data_dir / FOLDER,
        dashboard=dataclasses.replace(config.dashboard, port=config.dashboard.port or PAGE_PORT),
        paper=True,
    )


async def trade(config: Config, options: argparse.Namespace) -> None:
    """Open the exchange, and serve the daemon on it."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with opened(config, options, wall_clock) as box:
        here = dataclasses.replace(config, base_url=box.url)
        async with build(here, wall_clock, stop) as app:
            say_what_it_is(here, options)
            if box.live is not None:
                tell_of_gaps(app, box.live)
            if await come_up(app):
                page = page_beside(here, 1.0, partial(say_where, here, options))
                beside = [follow(real_seconds=1.0), *page, *chat_beside(here)]
                await serve(app, beside=beside, watchdog=SystemWatchdog())


@asynccontextmanager
async def opened(config: Config, options: argparse.Namespace, clock: Callable[[], datetime]) -> AsyncIterator[Sandbox]:
    """Open the paper exchange of a data folder, as it was left."""
    settings = SandboxOptions(krw=options.krw, access_key=ACCESS_KEY, secret_key=SECRET_KEY, port=options.port)
    with open_wallet(config.data_dir / WALLET_FILE, options.upstream) as wallet:
        async with live_market(config, options, clock) as market, Sandbox(settings, clock, market, wallet) as box:
            yield box


def tell_of_gaps(app: App, live: LiveSource) -> None:
    """Let a person know of a time in which the market was not heard, and of orders that came to nothing then."""

    def tell(begin_ms: int, end_ms: int) -> None:
        if end_ms - begin_ms >= TOLD_FROM_MS:
            text = GAP.say(app.config.language).format(seconds=(end_ms - begin_ms) / 1000)
            app.journal.add_notes([app.messages.problem("paper_feed", text, at=from_ms(end_ms))])

    def tell_order(market: str) -> None:
        text = GIVEN_UP.say(app.config.language).format(market=market, seconds=PATIENCE_MS // 1000)
        app.journal.add_notes([app.messages.problem(f"paper_order_{market}", text, at=app.clock())])

    live.on_gap_end, live.on_given_up = tell, tell_order


def say_what_it_is(config: Config, options: argparse.Namespace) -> None:
    """Tell what is about to happen."""
    facts = {"upstream": options.upstream, "folder": str(config.data_dir), "url": config.base_url}
    if options.json:
        print_json({**facts, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY})
        return
    print(SENTENCE.say(config.language).format(**facts), flush=True)  # noqa: T201 - what a person reads first


def say_where(config: Config, options: argparse.Namespace, address: str, passes: Passes) -> None:
    """Print a link that opens the page."""
    if not options.json:
        link = passes.link(address, Role.OWNER)
        print(f"{PAGE.say(config.language)}: {link}", flush=True)  # noqa: T201 - what a person reads
