"""`run`: trade for real, on the exchange of UPBIT_BASE_URL, with the keys of the environment."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

from cli.common import log as logs
from cli.common.attempts import Attempts, stop_asked
from cli.common.chat import chat_beside
from cli.common.exits import INTERRUPTED, OK
from cli.common.failures import explain_failure, first_of
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import days_kept
from cli.common.page import page_beside
from cli.common.screen import follow
from config.problems import Problem
from config.reading import UnusableSettings
from config.settings import most_spent
from journal.errors import JournalError
from notifier.answers import Delivery
from notifier.discord import tell_at_once
from notifier.messages import Messages
from trader.admission import FLUSH_S, come_up
from trader.clock import wall_clock
from trader.daemon import build, mode_of, serve
from trader.guards.account import CanWithdrawError
from trader.guards.watchdog import SystemWatchdog
from trader.network import network_of
from trader.recording import record_beside
from upbit.errors import ExchangeError
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from config.settings import Config
    from dashboard.passes import Passes
    from trader.app import App
    from trader.daemon import Work

log = logging.getLogger("start")

NO_KEYS = Problem(
    ko="API 키가 없습니다. 환경 변수 ACCESS_KEY와 SECRET_KEY를 설정하세요. 키 없이 보려면: python main.py demo",
    en="There are no API keys. Set ACCESS_KEY and SECRET_KEY in the environment. "
    "To look without keys: python main.py demo",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--record", action="store_true", help="keep what is heard on tape, in the data folder")
    parser.add_argument("--keep", type=days_kept, metavar="DAYS", help="with --record, delete tapes older than this")


def run(config: Config, options: argparse.Namespace) -> int:
    """Run the daemon until SIGTERM or SIGINT; return the exit code."""
    if config.access_key is None or config.secret_key is None:
        raise UnusableSettings((NO_KEYS,), config)
    logs.configure(config, wall_clock, file=config.log_path)
    say_what_may_be_spent(config)
    attempts = Attempts.of(config, wall_clock)
    try:
        if not rested(attempts):
            return OK
        with asyncio.Runner(loop_factory=plain_loop()) as runner:
            runner.run(trade(config, attempts, tape=tape_beside(options)))
    except KeyboardInterrupt:
        return INTERRUPTED
    except JournalError as error:
        if attempts.failed() == 1:
            asyncio.run(tell_without_journal(config, error))
        raise
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    return OK


def tape_beside(options: argparse.Namespace) -> list[Work]:
    """Return what records beside the daemon, if anything is to."""
    return [partial(record_beside, keep=options.keep)] if options.record else []


def refused(error: UnusableSettings) -> None:
    """Tell a person once of settings that cannot be used, and let whoever starts us again and again wait."""
    config = error.readable
    logs.configure(config, wall_clock)
    attempts = Attempts.of(config, wall_clock, error.problems)
    if rested(attempts) and attempts.failed() == 1:
        asyncio.run(tell_without_journal(config, error))


def rested(attempts: Attempts) -> bool:
    """Let the pause before this start pass; return whether to start. Nobody waits at a terminal."""
    if sys.stderr.isatty():
        return True
    with stop_asked() as asked:
        return attempts.wait(asked.wait)


async def trade(config: Config, attempts: Attempts, *, tape: Sequence[Work] = ()) -> None:
    """Build the daemon, wait until the exchange lets it in, and serve."""
    stop = asyncio.Event()
    async with build(config, wall_clock, stop) as app:
        stop_on_signals(stop, [signal.SIGTERM])  # a Ctrl-C during the start is told by its exit code
        try:
            admitted = await come_up(app)
        except* (ExchangeError, CanWithdrawError) as group:
            await tell_refusal(app, first_of(group), attempts.failed())
            raise
        attempts.forget()
        if admitted:
            stop_on_signals(stop)
            page = page_beside(config, 1.0, partial(say_where, config))
            beside = [follow(real_seconds=1.0), *page, *chat_beside(config), *tape]
            gc.collect()
            gc.freeze()  # modules and settings are no garbage: looking through them would hold the loop up
            await serve(app, beside=beside, watchdog=SystemWatchdog())


async def tell_refusal(app: App, error: BaseException, failures: int) -> None:
    """Send a person one message about a start that only he can mend, however often it is repeated."""
    told = explain_failure(error, app.config.language)
    if failures == 1 and told is not None and app.discord is not None:
        app.journal.add_notes([app.messages.problem("start", told[0], at=app.clock())])
        await app.discord.flush(FLUSH_S)


async def tell_without_journal(config: Config, error: UnusableSettings | JournalError) -> None:
    """Send a person one message about settings or a journal that cannot be used: no daemon will send it."""
    told = explain_failure(error, config.language)
    if told is None or config.webhook_url is None:
        return
    url = config.webhook_url.reveal()
    note = Messages(language=config.language, mode=mode_of(config)).problem("start", told[0], at=wall_clock())
    async with open_session(network_of(config), url=url) as session:
        answer = await tell_at_once(session, url, note)
    if answer.outcome is not Delivery.TAKEN:
        log.warning("start_not_told why=%s", answer.why)


def say_where(config: Config, address: str, _: Passes) -> None:
    """Print where the page is, and how to get in."""
    sentence = {
        "ko": f"페이지: {address} (들어가는 링크: python main.py open)",
        "en": f"The page: {address} (a link to get in: python main.py open)",
    }
    print(sentence[config.language], flush=True)  # noqa: T201 - what a person reads


def say_what_may_be_spent(config: Config) -> None:
    """Print, before anything else, the most won that can be in positions at one time."""
    most, each, slots = most_spent(config), config.trading.order_krw, config.trading.max_open_trades
    mode = mode_of(config)
    sentence = {
        "ko": f"최대 {most:,.0f}원까지 매수합니다 ({slots}개 마켓 × {each:,.0f}원). 모드: {mode}",
        "en": f"Buys for at most {most:,.0f} KRW ({slots} markets x {each:,.0f} KRW). Mode: {mode}",
    }
    print(sentence[config.language], flush=True)  # noqa: T201 - what a person reads first
