"""What a WebSocket client asked for: the request message, checked and taken apart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal, get_args

Format = Literal["DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST"]
FORMATS: dict[str, Format] = {name: name for name in get_args(Format)}

CANDLE_UNITS = {"candle.1s": 1} | {f"candle.{n}m": 60 * n for n in (1, 3, 5, 10, 15, 30, 60, 240)}
PUBLIC_TYPES = frozenset({"ticker", "trade", "orderbook", *CANDLE_UNITS})
PRIVATE_TYPES = frozenset({"myOrder", "myAsset", "announcement"})
LEVELS = 30
LEVEL_SUFFIXES = {"1": 1, "5": 5, "15": 15, "30": 30}

MESSAGES = {
    "INVALID_AUTH": "인증 정보가 올바르지 않습니다.",
    "WRONG_FORMAT": "Format 이 맞지 않습니다.",
    "NO_TICKET": "티켓이 존재하지 않거나, 유효하지 않습니다.",
    "NO_TYPE": "타입이 존재하지 않습니다.",
    "NO_CODES": "코드가 존재하지 않습니다.",
    "Too Many Requests": "Too many requests.",
}


class StreamError(Exception):
    """A message the server answers with an error frame and a close."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.message = MESSAGES.get(name, name) if message is None else message


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One type object. `wanted` maps each market code to its number of book levels; empty means every market."""

    type: str
    codes: tuple[str, ...]
    wanted: dict[str, int] = field(default_factory=dict)
    level: object = 0
    snapshot: bool = True
    realtime: bool = True

    def wants(self, market: str) -> bool:
        """Whether frames of a market belong to this subscription."""
        return market in self.wanted if self.codes else True

    def listed(self) -> dict[str, object]:
        """Return how `LIST_SUBSCRIPTIONS` shows it."""
        shown: dict[str, object] = {"type": self.type, "codes": list(self.codes)}
        if self.type == "orderbook":
            shown["level"] = self.level
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A well-formed request: new subscriptions, or a question about the present ones (`subscriptions` is None).

    A question may change the format of the stream; without one (`format` is None) it stays as it is.
    """

    ticket: str
    format: Format | None
    subscriptions: tuple[Subscription, ...] | None


def read_message(text: str | bytes, *, private: bool) -> Message:
    """Read a client message, or raise `StreamError`."""
    try:
        parts = json.loads(text)
    except ValueError as error:
        raise StreamError("WRONG_FORMAT") from error
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise StreamError("WRONG_FORMAT")
    ticket = next((part["ticket"] for part in parts if "ticket" in part), None)
    if not isinstance(ticket, str) or not ticket:
        raise StreamError("NO_TICKET")
    chosen = _format(parts)
    if any("method" in part for part in parts):
        if any(part.get("method") != "LIST_SUBSCRIPTIONS" for part in parts if "method" in part):
            raise StreamError("WRONG_FORMAT")
        return Message(ticket=ticket, format=chosen, subscriptions=None)
    subscriptions = tuple(_subscription(part, private=private) for part in parts if "type" in part)
    if not subscriptions:
        raise StreamError("NO_TYPE")
    return Message(ticket=ticket, format=chosen or "DEFAULT", subscriptions=subscriptions)


def _format(parts: list[dict[str, object]]) -> Format | None:
    chosen = next((part["format"] for part in parts if "format" in part), None)
    if chosen is None:
        return None
    if not isinstance(chosen, str) or chosen not in FORMATS:
        raise StreamError("WRONG_FORMAT")
    return FORMATS[chosen]


def _subscription(part: dict[str, object], *, private: bool) -> Subscription:
    kind = part["type"]
    if not isinstance(kind, str):
        raise StreamError("WRONG_FORMAT")
    if kind not in (PRIVATE_TYPES if private else PUBLIC_TYPES):
        raise StreamError("INVALID_PARAM", f"{kind} 은 지원하지 않는 타입입니다.")
    codes = part.get("codes")
    if kind == "myAsset" and codes is not None:
        raise StreamError("WRONG_FORMAT")
    if codes is None:
        codes = []
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise StreamError("WRONG_FORMAT")
    if kind in PUBLIC_TYPES and not codes:
        raise StreamError("NO_CODES")
    only_snapshot, only_realtime = (
        _flag(part, "is_only_snapshot", "isOnlySnapshot"),
        _flag(part, "is_only_realtime", "isOnlyRealtime"),
    )
    return Subscription(
        type=kind,
        codes=tuple(codes),
        wanted=dict(_with_levels(code) for code in codes),
        level=part.get("level", 0),
        snapshot=only_snapshot or not only_realtime,
        realtime=only_realtime or not only_snapshot,
    )


def _flag(part: dict[str, object], name: str, older: str) -> bool:
    value = part.get(name, part.get(older, False))
    if not isinstance(value, bool):
        raise StreamError("WRONG_FORMAT")
    return value


def _with_levels(code: str) -> tuple[str, int]:
    market, _, suffix = code.partition(".")
    return market, LEVEL_SUFFIXES.get(suffix, LEVELS)
