"""What must not be read by anybody, taken out of every text that leaves the process: log, journal, message, screen.

One function for all of them. It knows the secrets of the settings, and besides them the forms in which one may come
back from outside: an answer that repeats the token it was sent, an exception that quotes an address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Config, Secret

HIDDEN = "***"
TOKEN = re.compile(r"eyJ[\w+/=-]{6,}(?:\.[\w+/=-]*)*")
"""A JSON Web Token or a part of one, also when the rest was cut off."""
BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s\"'\\]+")
WEBHOOK = re.compile(r"(/webhooks/)[^\s\"'\\]+")
"""Stops at quotes and backslashes: what is left of a JSON text is JSON still."""
SHORTEST = 6
"""A shorter part of a secret is no secret, and would take letters out of innocent words."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Takes secrets out of texts; without any of its own it knows their forms only."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Redaction:
        """Return what hides the secrets of these settings."""
        held = (config.access_key, config.secret_key, config.webhook_url, config.discord_bot_token, config.proxy)
        found = {text for secret in held if secret is not None for text in forms_of(secret)}
        return cls(tuple(sorted(found, key=lambda text: (-len(text), text))))  # the longest first: one may hold another

    def __call__(self, text: str) -> str:
        """Return a text without keys, tokens and webhook addresses."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        text = WEBHOOK.sub(rf"\1{HIDDEN}", BEARER.sub(rf"\1{HIDDEN}", text))
        return TOKEN.sub(HIDDEN, text)

    def __repr__(self) -> str:
        return f"Redaction({len(self.secrets)} secrets)"


def forms_of(secret: Secret) -> Iterator[str]:
    """Yield a secret, and the parts of an address that are enough to use it: a webhook's token, a proxy's password."""
    text = secret.reveal()
    _, _, rest = text.partition("://")
    place, _, path = rest.partition("?")[0].partition("/")
    _, _, password = place.rpartition("@")[0].partition(":")
    yield from (part for part in (text, path.rpartition("/")[2], password, unquote(password)) if len(part) >= SHORTEST)
