"""Hears what the daemon logs, and says in one line what went wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worlds.story import Story


class LogListener(logging.Handler):
    """Writes what the daemon logs into the story; an error with a traceback is a surprise, and a broken promise."""

    def __init__(self, story: Story) -> None:
        super().__init__(logging.INFO)
        self._story = story

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name == "aiohttp.server" and isinstance(error, ConnectionError):
            return  # the exchange's side of a connection that broke
        if error is not None and record.levelno >= logging.ERROR:
            self._story.breach("I21 a surprise", logger=record.name, text=record.getMessage(), error=repr(error))
        elif record.name.startswith("trader") or record.levelno >= logging.WARNING:
            self._story.tell("bot", record.levelname.lower(), text=record.getMessage())


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the failures inside groups of failures."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def describe(error: BaseException | None) -> str | None:
    """Return all that went wrong, in one line."""
    return None if error is None else "; ".join(repr(one) for one in leaves(error))
