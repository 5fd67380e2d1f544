"""What of an account may stand on a tape: which request was answered how, and the shape of it; no amount, no name."""

from __future__ import annotations

from typing import Any

import msgspec

HIDDEN = "***"
TOLD = frozenset(
    {"market", "side", "ord_type", "state", "time_in_force", "currency", "unit_currency", "error", "name", "id"}
)
"""Fields whose values say nothing about who trades, with how much, or under which name."""


def redact(content: bytes) -> bytes:
    """Return an answer with every value hidden that is not one of `TOLD`; what is no JSON is hidden whole."""
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.encode(HIDDEN)
    return msgspec.json.encode(_hidden(decoded))


def redact_path(path: str) -> str:
    """Return a path without the values of its query: they name orders."""
    place, mark, query = path.partition("?")
    return place + mark + "&".join(f"{pair.partition('=')[0]}={HIDDEN}" for pair in query.split("&") if pair)


def _hidden(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _hidden(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, name) for inner in value]
    return value if value is None or isinstance(value, bool) or name in TOLD else HIDDEN
