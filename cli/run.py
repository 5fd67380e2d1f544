"""`run`: trade for real, on the exchange of UPBIT_BASE_URL, with the keys of the environment."""

from __future__ import annotations

import asyncio
import errno
import signal
from typing import TYPE_CHECKING

from backtest.errors import BacktestError, UsageProblem
from cli.common import log as logs
from cli.common.exits import CONFIGURATION, ERROR, INTERRUPTED, OK, SECOND_DAEMON, USAGE
from cli.common.screen import follow
from config.problems import ConfigError, Problem
from config.settings import most_spent
from journal.journal import JournalError, JournalLocked
from notifier.explain import explain
from sandbox.faults.reading import PlanError
from sandbox.market.sources.replay import ReplayError
from simulation.loop import wall_clock
from strategy.registry import StrategyError
from trader.admission import come_up
from trader.books.rebuild import UnclearAccountError
from trader.books.recovery import WrongAccountError
from trader.daemon import build, mode_of, serve
from trader.guards.account import CanWithdrawError, WrongModeError
from trader.guards.watchdog import SystemWatchdog
from upbit.errors import ExchangeError, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.settings import Config

NO_KEYS = Problem(
    ko="API 키가 없습니다. 환경 변수 ACCESS_KEY와 SECRET_KEY를 설정하세요. 키 없이 보려면: python main.py demo",
    en="There are no API keys. Set ACCESS_KEY and SECRET_KEY in the environment. "
    "To look without keys: python main.py demo",
)
PORT_TAKEN = {
    "ko": "그 포트는 이미 쓰이고 있습니다. --port로 다른 포트를 지정하세요.",
    "en": "That port is in use. Name another one with --port.",
}


def run(config: Config) -> int:
    """Run the daemon until SIGTERM or SIGINT; return the exit code."""
    if config.access_key is None or config.secret_key is None:
        raise ConfigError((NO_KEYS,))
    logs.configure(config, wall_clock)
    say_what_may_be_spent(config)
    try:
        with asyncio.Runner(loop_factory=plain_loop()) as runner:
            runner.run(trade(config))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    return OK


async def trade(config: Config) -> None:
    """Build the daemon, wait until the exchange lets it in, and serve."""
    stop = asyncio.Event()
    async with build(config, wall_clock, stop) as app:
        stop_on_signals(stop, [signal.SIGTERM])  # a Ctrl-C during the start is told by its exit code
        if await come_up(app):
            stop_on_signals(stop)
            await serve(app, beside=follow(real_seconds=1.0), watchdog=SystemWatchdog())


def plain_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the fastest ordinary event loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - optional: it does not exist for every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def stop_on_signals(stop: asyncio.Event, numbers: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
    """Turn signals into a clean stop."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, stop.set)


def say_what_may_be_spent(config: Config) -> None:
    """Print, before anything else, the most won that can be in positions at one time."""
    most, each, slots = most_spent(config), config.trading.order_krw, config.trading.max_open_trades
    mode = mode_of(config)
    sentence = {
        "ko": f"최대 {most:,.0f}원까지 매수합니다 ({slots}개 마켓 × {each:,.0f}원). 모드: {mode}",
        "en": f"Buys for at most {most:,.0f} KRW ({slots} markets x {each:,.0f} KRW). Mode: {mode}",
    }
    print(sentence[config.language], flush=True)  # noqa: T201 - what a person reads first


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first real failure inside a task group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explain_failure(error: BaseException, language: str) -> tuple[str, int] | None:  # noqa: PLR0911 - one per cause
    """Return the sentence and the exit code of a failure a person can mend; None for a fault of our own."""
    match error:
        case ConfigError():
            return "\n".join(getattr(problem, language) for problem in error.problems), CONFIGURATION
        case StrategyError() | PlanError() | CanWithdrawError():
            return getattr(error, language), CONFIGURATION
        case UsageProblem():
            return getattr(error, language), USAGE
        case ReplayError() | BacktestError():
            return getattr(error, language), ERROR
        case OSError(errno=errno.EADDRINUSE):
            return PORT_TAKEN[language], ERROR
        case JournalLocked():
            return getattr(error, language), SECOND_DAEMON
        case JournalError() | WrongAccountError() | WrongModeError() | UnclearAccountError():
            return getattr(error, language), ERROR
        case Unauthorized():
            return explain(error, language), CONFIGURATION
        case ExchangeError():
            return explain(error, language), ERROR
        case _:
            return None
