"""What a WebSocket client asked for: the request message, checked and taken apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from sandbox.wire import read_json

if TYPE_CHECKING:
    from collections.abc import Collection

Format = Literal["DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST"]
FORMATS: dict[str, Format] = {name: name for name in get_args(Format)}

CANDLE_UNITS = {"candle.1s": 1} | {f"candle.{n}m": 60 * n for n in (1, 3, 5, 10, 15, 30, 60, 240)}
PUBLIC_TYPES = frozenset({"ticker", "trade", "orderbook", *CANDLE_UNITS})
PRIVATE_TYPES = frozenset({"myOrder", "myAsset", "announcement"})
INFO_TYPES = frozenset[str]()  # `indicator` and `indicator_signal` are refused: this exchange computes none
CATEGORIES = frozenset({"notice", "trade", "wallet", "maintenance", "digital_asset", "nft", "service", "event"})
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


class Depth(NamedTuple):
    """How much of a book a subscription wants: levels a side, and the grouping of prices in KRW (0: none)."""

    levels: int
    grouping: Decimal


NO_BOOK = Depth(0, Decimal(0))


class StreamError(Exception):
    """A message the server answers with an error frame and a close."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.message = MESSAGES.get(name, name) if message is None else message


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One type object. `wanted` maps each market to the depth of book wanted; empty means every market."""

    type: str
    codes: tuple[str, ...]
    wanted: dict[str, Depth] = field(default_factory=dict)
    level: float = 0  # price grouping, KRW
    snapshot: bool = True
    realtime: bool = True
    categories: frozenset[str] = CATEGORIES  # of announcements
    include_body: bool = False  # of announcements

    def wants(self, market: str) -> bool:
        """Whether frames of a market belong to this subscription."""
        return market in self.wanted if self.codes else True

    def listed(self) -> dict[str, object]:
        """Return how `LIST_SUBSCRIPTIONS` shows it."""
        if self.type == "myAsset":
            return {"type": self.type}
        if self.type == "announcement":
            return {"type": self.type, "categories": sorted(self.categories), "include_body": self.include_body}
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


def read_message(text: str | bytes, types: Collection[str]) -> Message:
    """Read a client message on a path that knows `types`, or raise `StreamError`."""
    parts = _parts(text)
    ticket = next((part["ticket"] for part in parts if "ticket" in part), None)
    if not isinstance(ticket, str) or not ticket:
        raise StreamError("NO_TICKET")
    chosen = _format(parts)
    if any("method" in part for part in parts):
        if any(part.get("method") != "LIST_SUBSCRIPTIONS" for part in parts if "method" in part):
            raise StreamError("WRONG_FORMAT")
        return Message(ticket=ticket, format=chosen, subscriptions=None)
    subscriptions = tuple(_subscription(part, types) for part in parts if "type" in part)
    if not subscriptions:
        raise StreamError("NO_TYPE")
    return Message(ticket=ticket, format=chosen or "DEFAULT", subscriptions=subscriptions)


def _parts(text: str | bytes) -> list[dict[str, object]]:
    try:
        parts = read_json(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise StreamError("WRONG_FORMAT") from error
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise StreamError("WRONG_FORMAT")
    return parts


def _no_number(constant: str) -> object:
    """Refuse `NaN` and the infinities, which Python reads and JSON does not know."""
    raise ValueError(constant)


def _format(parts: list[dict[str, object]]) -> Format | None:
    chosen = next((part["format"] for part in parts if "format" in part), None)
    if chosen is None:
        return None
    if not isinstance(chosen, str) or chosen not in FORMATS:
        raise StreamError("WRONG_FORMAT")
    return FORMATS[chosen]


def _subscription(part: dict[str, object], types: Collection[str]) -> Subscription:
    kind = part["type"]
    if not isinstance(kind, str):
        raise StreamError("WRONG_FORMAT")
    if kind not in types:
        raise StreamError("INVALID_PARAM", f"{kind} 은 지원하지 않는 타입입니다.")
    if kind == "announcement":
        return _announcement(part)
    codes, level = _codes(part, kind), _level(part)
    only_snapshot = _flag(part, "is_only_snapshot", "isOnlySnapshot")
    only_realtime = _flag(part, "is_only_realtime", "isOnlyRealtime")
    return Subscription(
        type=kind,
        codes=codes,
        wanted=_books(codes, level) if kind == "orderbook" else dict.fromkeys(codes, NO_BOOK),
        level=level,
        snapshot=only_snapshot or not only_realtime,
        realtime=only_realtime or not only_snapshot,
    )


def _announcement(part: dict[str, object]) -> Subscription:
    named = _texts(part.get("categories"))
    unknown = next((name for name in named if name not in CATEGORIES), None)
    if unknown is not None:
        raise StreamError("INVALID_PARAM", f"{unknown} 은 지원하지 않는 카테고리입니다.")
    return Subscription(
        type="announcement",
        codes=(),
        categories=frozenset(named) or CATEGORIES,
        include_body=_flag(part, "include_body", "includeBody"),
    )


def _codes(part: dict[str, object], kind: str) -> tuple[str, ...]:
    if kind == "myAsset" and part.get("codes") is not None:
        raise StreamError("WRONG_FORMAT")
    codes = _texts(part.get("codes"))
    if kind in PUBLIC_TYPES and not codes:
        raise StreamError("NO_CODES")
    return codes


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise StreamError("WRONG_FORMAT")
    return tuple(value)


def _level(part: dict[str, object]) -> float:
    level = part.get("level")
    if level is None:
        return 0
    if isinstance(level, bool) or not isinstance(level, (int, float)):
        raise StreamError("WRONG_FORMAT")
    return level


def _flag(part: dict[str, object], name: str, older: str) -> bool:
    value = part.get(name, part.get(older, False))
    if not isinstance(value, bool):
        raise StreamError("WRONG_FORMAT")
    return value


def _books(codes: tuple[str, ...], level: float) -> dict[str, Depth]:
    parts = (code.partition(".") for code in codes)
    return {market: Depth(LEVEL_SUFFIXES.get(suffix, LEVELS), Decimal(str(level))) for market, _, suffix in parts}
