"""Which failures a person can mend: the sentence they read, and the exit code."""

from __future__ import annotations

import errno

from backtest.errors import BacktestError, UsageProblem
from cli.common.exits import CONFIGURATION, ERROR, SECOND_DAEMON, USAGE
from config.problems import ConfigError
from journal.errors import JournalError, JournalLocked
from notifier.explain import explain
from sandbox.faults.reading import PlanError
from sandbox.market.sources.replay import ReplayError
from strategy.registry import StrategyError
from trader.books.rebuild import UnclearAccountError
from trader.books.recovery import WrongAccountError
from trader.guards.account import CanWithdrawError, WrongModeError
from upbit.errors import ExchangeError, Unauthorized

PORT_TAKEN = {
    "ko": "그 포트는 이미 쓰이고 있습니다. --port로 다른 포트를 지정하세요.",
    "en": "That port is in use. Name another one with --port.",
}


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
