"""Which failures a person can mend: the sentence they read, and the exit code."""

from __future__ import annotations

import errno

from cli.common.exits import CONFIGURATION, ERROR
from failure import Failure
from notifier.explain import explain
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


def explain_failure(error: BaseException, language: str) -> tuple[str, int] | None:
    """Return the sentence and the exit code of a failure a person can mend; None for a fault of our own."""
    match error:
        case Failure():
            return error.sentence(language), error.exit_code
        case OSError(errno=errno.EADDRINUSE):
            return PORT_TAKEN[language], ERROR
        case ExchangeError():
            return explain(error, language), CONFIGURATION if isinstance(error, Unauthorized) else ERROR
        case _:
            return None
