"""Logging: one line per event with the market's time, and no secret in any of them."""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from config.settings import Config

JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
WEBHOOK = re.compile(r"(/api/webhooks/)[^\s\"']+")
QUIET = ("aiohttp", "websockets", "asyncio")


class Line(logging.Formatter):
    """Formats a record as one line, without secrets and control characters."""

    def __init__(self, clock: Callable[[], datetime], secrets: tuple[str, ...]) -> None:
        super().__init__("%(levelname)-7s %(message)s")
        self._clock = clock
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback keeps its lines."""
        text = super().format(record)
        if not record.exc_info:
            text = text.replace("\r", "\\r").replace("\n", "\\n")
        return f"{self._clock():%Y-%m-%dT%H:%M:%SZ} {redact(text, self._secrets)}"


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return a text without tokens, webhook addresses and the given secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return WEBHOOK.sub(r"\1***", JWT.sub("***", text))


def configure(config: Config, clock: Callable[[], datetime], stream: TextIO | None = None) -> None:
    """Send the log to `stream` (stderr), one line per event with the time of `clock`."""
    held = (config.access_key, config.secret_key, config.webhook_url)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Line(clock, tuple(secret.reveal() for secret in held if secret is not None)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
