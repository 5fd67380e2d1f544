"""Logging: one line per event with the market's time, no secret in any of them, and none that comes again and again."""

from __future__ import annotations

import logging
import re
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TextIO

from config.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from config.settings import Config

NUMBER = re.compile(r"(?<==)[-+]?\d[\d.,]*(?![\w-])")
"""A fact that is only a number, which may differ each time the same thing is told."""
AGAIN_AFTER = timedelta(minutes=1)
MOST_KEPT = 200
QUIET = ("aiohttp", "websockets", "asyncio")


@dataclass(slots=True)
class Told:
    """When a warning was told last, and how often it was left out since."""

    at: datetime
    left_out: int = 0


class Sparing(logging.Filter):
    """Lets a warning pass once a minute, whatever its numbers; the next one says how often it was left out meanwhile.

    What is below a warning is never left out: those lines are about decisions, each its own.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self._told: OrderedDict[str, Told] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is told; one that is learns how many like it were not."""
        if record.levelno < logging.WARNING:
            return True
        key, now = f"{record.name} {NUMBER.sub('#', record.getMessage())}", self._clock()
        told = self._told.get(key)
        if told is not None and timedelta(0) <= now - told.at < AGAIN_AFTER:
            told.left_out += 1
            return False
        record.left_out = told.left_out if told is not None else 0
        self._told[key] = Told(now)
        self._told.move_to_end(key)
        if len(self._told) > MOST_KEPT:
            self._told.popitem(last=False)
        return True


class Line(logging.Formatter):
    """Formats a record as one line, without secrets and control characters."""

    def __init__(self, clock: Callable[[], datetime], redact: Redaction) -> None:
        super().__init__("%(levelname)-7s %(message)s")
        self._clock = clock
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback keeps its lines."""
        text = super().format(record)
        if left_out := getattr(record, "left_out", 0):
            text += f" (and {left_out} more like it)"
        if not record.exc_info:
            text = text.replace("\r", "\\r").replace("\n", "\\n")
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ} {self._redact(text)}"


def configure(config: Config, clock: Callable[[], datetime], stream: TextIO | None = None) -> None:
    """Send the log to `stream` (stderr), one line per event with the time of `clock`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Line(clock, Redaction.of(config)))
    handler.addFilter(Sparing(clock))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
