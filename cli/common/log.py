"""Logging: one line per event with the market's time, no secret in any of them, and none that comes again and again."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, TextIO, cast

from config.problems import ConfigError, Problem
from config.redaction import Redaction
from notifier.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from io import TextIOWrapper
    from pathlib import Path

    from config.settings import Config

NUMBER = re.compile(r"(?<==)[-+]?\d[\d.,]*(?![\w-])")
"""A fact that is only a number, which may differ each time the same thing is told."""
AGAIN_AFTER = timedelta(minutes=1)
MOST_KEPT = 200
MOST_BYTES, OLD_FILES = 10_000_000, 5
QUIET = ("aiohttp", "asyncio", "discord", "picows", "websockets")


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


class LineFormatter(logging.Formatter):
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
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ} {harmless(self._redact(text))}"


class LogFile(RotatingFileHandler):
    """A file for its owner alone that begins anew every 10 MB; a disk that is full is told once, not with each line."""

    def __init__(self, path: Path) -> None:
        self._failing = self._failed_now = False
        super().__init__(path, maxBytes=MOST_BYTES, backupCount=OLD_FILES, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return cast("TextIOWrapper", open(self.baseFilename, self.mode, encoding=self.encoding, opener=private))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        before, self._failed_now = self._failing, False
        super().emit(record)
        self._failing = self._failed_now
        if before and not self._failing:
            print(f"{self.baseFilename}: written again", file=sys.stderr)  # noqa: T201 - the log itself has failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name the library calls
        """Say once that the file cannot be written; what is logged still goes to stderr."""
        self._failed_now = True
        if not self._failing:
            print(f"{self.baseFilename}: {sys.exc_info()[1]}", file=sys.stderr)  # noqa: T201 - same


def configure(
    config: Config, clock: Callable[[], datetime], stream: TextIO | None = None, *, file: Path | None = None
) -> None:
    """Send the log to `stream` (stderr), one line per event with the time of `clock`, and to a file if one is wanted.

    Raises:
        ConfigError: when the file cannot be opened.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stderr)]
    if file is not None:
        handlers.append(open_file(file))
    for handler in handlers:
        handler.setFormatter(LineFormatter(clock, Redaction.of(config)))
        handler.addFilter(Sparing(clock))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(config.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def open_file(path: Path) -> LogFile:
    """Open the log file, and make its folder."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LogFile(path)
    except OSError as error:
        problem = Problem(
            ko=f"log.file: {path}에 쓸 수 없습니다 ({error.strerror}). 경로와 권한을 확인하세요.",
            en=f"log.file: {path} cannot be written ({error.strerror}). Check the path and its permissions.",
        )
        raise ConfigError((problem,)) from error
