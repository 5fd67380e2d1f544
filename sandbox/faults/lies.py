"""Every well-formed lie about one answer or frame: made from what is answered itself, field by field and row by row.

Nothing is named here but the few ways in which several fields of an order can be wrong together, and what refusals look
like: an endpoint that is new is lied about like any other.
"""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]
EVERY = "*"
SAYS = "says "
"""Begins a lie that puts a word in place of another: "says done"."""
GONE = object()
"""Instead of a value: the field is not there."""
NUMBER = re.compile(r"-?\d+(\.\d+)?")
MARKET = re.compile(r"[A-Z]{3,4}-[A-Z0-9]+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
OTHER_MARKETS = ("KRW-BTC", "KRW-ETH")
EPOCH_MS = 1_000_000_000_000
AN_HOUR_MS = 3_600_000
MOST_WORDS, LONGEST_WORD = 8, 20
KEPT = 40
DEEP = 600
HUGE, TINY, OFF = Decimal(10) ** 18, Decimal("0.00000001"), Decimal("1.0000371")


@dataclass(frozen=True, slots=True)
class Lie:
    """What is wrong with an answer: where, by field names and row numbers, and in which way."""

    where: Path
    what: str

    def __str__(self) -> str:
        return " ".join([".".join(map(str, self.where)) or "answer", self.what])


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says no."""

    status: int
    body: bytes
    retry_after: str | None = None


class Memory:
    """What was answered before, and which words stood where."""

    def __init__(self) -> None:
        self.first: dict[str, Any] = {}
        self.recent: defaultdict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.words: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, key: str, answer: Any) -> None:
        """Remember a true answer."""
        self.first.setdefault(key, answer)
        if not self.recent[key] or self.recent[key][-1] != answer:
            self.recent[key].append(answer)
        for name, value in leaves(answer):
            if isinstance(value, str) and len(value) < LONGEST_WORD and not NUMBER.fullmatch(value):
                self._learn(name, value)

    def _learn(self, name: str, word: str) -> None:
        if len(self.words[name]) < MOST_WORDS:
            self.words[name].add(word)


# -- one value


def number_of(value: object) -> Decimal | None:
    """Return the number that a value is, or that its text is."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(repr(value))
    return Decimal(value) if isinstance(value, str) and NUMBER.fullmatch(value) else None


def written_like(value: object, number: Decimal) -> object:
    """Write a number in the form in which another one was written."""
    if isinstance(value, str):
        return f"{number:f}"
    return int(number) if isinstance(value, int) and number == number.to_integral_value() else float(number)


def numbers(number: Decimal) -> dict[str, Decimal]:
    """Return what may be told instead of a number."""
    if number > EPOCH_MS:
        return {"an hour old": number - AN_HOUR_MS, "an hour ahead": number + AN_HOUR_MS, "0": Decimal(0)}
    return {
        "0": Decimal(0),
        "negative": -abs(number) or Decimal(-1),
        "tiny": TINY,
        "huge": HUGE,
        "half": (number / 2).quantize(TINY),
        "double": number * 2,
        "one more": number + 1,
        "off the grid": (number * OFF).quantize(TINY),
    }


def texts(value: str) -> dict[str, object]:
    """Return what may be told instead of a text."""
    if MARKET.fullmatch(value):
        other = next(market for market in OTHER_MARKETS if market != value)
        return {"another market": other, "a market nobody has": value[:4] + "NOBODY"}
    if TIME.match(value):
        hour = timedelta(hours=1)
        at = datetime.fromisoformat(value)
        return {"an hour old": (at - hour).isoformat(), "year 1": "0001" + value[4:], "year 9999": "9999" + value[4:]}
    return {"an unknown word": "something_new", "no text": "", "a long text": "x" * 5_000}


def values(value: object) -> dict[str, object]:
    """Return what may be told instead of a value, by the name of the lie."""
    told: dict[str, object] = {"null": None, "absent": GONE, "text": "?"}
    if isinstance(value, bool):
        return told | {"the opposite": not value}
    number = number_of(value)
    if number is not None:
        return told | {name: written_like(value, other) for name, other in numbers(number).items()}
    if isinstance(value, str):
        return told | texts(value)
    return {name: other for name, other in told.items() if value is not None}


# -- rows


def without_trades(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order of which nothing was executed."""
    return order | {"executed_volume": "0", "executed_funds": "0", "paid_fee": "0", "trades_count": 0, "trades": []}


def first_trade_only(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order as it was after its first fill."""
    trades = order.get("trades", [])[:1]
    volume = trades[0]["volume"] if trades else "0"
    return order | {"trades": trades, "trades_count": len(trades), "executed_volume": volume}


def trades_twice(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order all of whose fills are listed twice."""
    return order | {"trades": order.get("trades", []) * 2}


ORDERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cancelled with nothing": lambda order: without_trades(order) | {"state": "cancel"},
    "done with nothing": lambda order: without_trades(order) | {"state": "done"},
    "waits with nothing": lambda order: without_trades(order) | {"state": "wait"},
    "waits with everything": lambda order: order | {"state": "wait"},
    "ended after its first trade": lambda order: first_trade_only(order) | {"state": "cancel"},
    "waits after its first trade": lambda order: first_trade_only(order) | {"state": "wait"},
    "trades missing": lambda order: order | {"trades": []},
    "last trade missing": lambda order: order | {"trades": order.get("trades", [])[:-1]},
    "trades listed twice": trades_twice,
    "volume without trades": lambda order: order | {"trades": [], "trades_count": 0},
    "trades without volume": lambda order: order | {"executed_volume": "0"},
    "of another identifier": lambda order: order | {"identifier": "somebody-elses"},
    "of our prefix and no decision": lambda order: order | {"identifier": "ub1-0000-NOTHING-9999999999-b-0-0"},
}
"""In which ways several fields of an order are wrong together."""
ROWS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "empty": lambda _: [],
    "first row only": lambda rows: rows[:1],
    "without its first row": lambda rows: rows[1:],
    "without its last row": lambda rows: rows[:-1],
    "rows twice": lambda rows: rows * 2,
    "reversed": lambda rows: rows[::-1],
    "first row is null": lambda rows: [None, *rows[1:]],
    "first row is empty": lambda rows: [{}, *rows[1:]],
}


def is_read(name: str, read: frozenset[str] | None) -> bool:
    """Return whether a client reads a field; None: nobody knows, so it may read every one."""
    return read is None or name in read


def is_order(value: object) -> bool:
    """Return whether a value is an order, by what it says."""
    return isinstance(value, dict) and {"state", "executed_volume"} <= value.keys()


def error(name: object, message: object = "a sentence") -> bytes:
    """Return a body that says no in Upbit's form."""
    return json.dumps({"error": {"name": name, "message": message}}).encode()


REFUSALS: dict[str, Refusal] = {
    "400 unknown name": Refusal(400, error("something_new")),
    "400 order_disabled_member": Refusal(400, error("order_disabled_member")),
    "400 insufficient_funds_bid": Refusal(400, error("insufficient_funds_bid")),
    "400 insufficient_funds_ask": Refusal(400, error("insufficient_funds_ask")),
    "400 under_min_total_bid": Refusal(400, error("under_min_total_bid")),
    "400 without a name": Refusal(400, b'{"error":{}}'),
    "400 name is a number": Refusal(400, error(400, 7)),
    "401 unknown name": Refusal(401, error("something_new")),
    "403 unknown name": Refusal(403, error("something_new")),
    "404 unknown name": Refusal(404, error("something_new")),
    "404 order_not_found": Refusal(404, error("order_not_found")),
    "429 of 12": Refusal(429, b"Too many API requests. Limit of 12 has been reached"),
    "429 for ever": Refusal(429, error("too_many_requests"), retry_after="999999999"),
    "500 in JSON": Refusal(500, error("internal_server_error")),
    "503": Refusal(503, error("service_unavailable"), retry_after="90"),
}
"""What is said instead of an answer."""
WHOLE = ("old", "of another time", "too deep", "another shape")


# -- an answer


def leaves(answer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and value of every field of an answer."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield name, value
            yield from leaves(value)
    elif isinstance(answer, list):
        for row in answer:
            yield from leaves(row)


def lies_about(answer: Any, read: frozenset[str] | None, words: dict[str, set[str]]) -> list[Lie]:
    """Return every lie about an answer. `read`: which fields a client reads. `words`: what else was seen in a field."""
    return [
        *(Lie((), what) for what in (*WHOLE, *REFUSALS)),
        *_about(answer, (), read, words),
    ]


def _about(value: Any, where: Path, read: frozenset[str] | None, words: dict[str, set[str]]) -> Iterator[Lie]:
    if isinstance(value, list):
        yield from (Lie(where, what) for what in ROWS)
        for number in rows_of(value, top=not where):
            yield from _about(value[-1 if number == -1 else 0], (*where, number), read, words)
        return
    if not isinstance(value, dict):
        return
    if is_order(value):
        yield from (Lie(where, what) for what in ORDERS)
    unread = [name for name in value if not is_read(name, read)]
    yield from (Lie(where, what) for what in ("unread fields absent", "unread fields null") if unread)
    for name, inner in value.items():
        if not is_read(name, read):
            continue
        at = (*where, name)
        yield from (Lie(at, what) for what in values(inner))
        if isinstance(inner, str):
            yield from (Lie(at, SAYS + word) for word in sorted(words.get(name, ())) if word != inner)
        if isinstance(inner, list | dict):
            yield from _about(inner, at, read, words)


def rows_of(rows: list[Any], *, top: bool) -> tuple[int | str, ...]:
    """Return about which rows of a list to lie: the first, the last or all of an answer; deeper inside the first."""
    if not rows:
        return ()
    return (0, -1, EVERY) if top and len(rows) > 1 else (0,)


def tell(lie: Lie, key: str, answer: Any, memory: Memory, read: frozenset[str] | None) -> Any:
    """Return what is said instead of an answer; itself where the lie does not fit.

    `Refusal` when the answer is a no.
    """
    if not lie.where and lie.what in REFUSALS:
        return REFUSALS[lie.what]
    if not lie.where and lie.what in WHOLE:
        return _whole(lie.what, key, answer, memory)
    return _changed(copy.deepcopy(answer), lie.where, lambda value: _instead(lie.what, value, read))


def _whole(what: str, key: str, answer: Any, memory: Memory) -> Any:
    if what == "old":
        return memory.first.get(key, answer)
    if what == "of another time":
        return next((one for one in reversed(memory.recent[key]) if one != answer), answer)
    if what == "too deep":
        for _ in range(DEEP):
            answer = [answer]
        return answer
    return {"answer": answer} if isinstance(answer, list) else [answer]


def _changed(value: Any, where: Path, change: Callable[[Any], Any]) -> Any:
    if not where:
        return change(value)
    step, rest = where[0], where[1:]
    if step == EVERY and isinstance(value, list):
        return [_changed(one, rest, change) for one in value]
    if isinstance(step, int) and isinstance(value, list) and value:
        value[step] = _changed(value[step], rest, change)
    elif isinstance(value, dict) and step in value:
        value[step] = _changed(value[step], rest, change)
        if value[step] is GONE:
            del value[step]
    return value


def _instead(what: str, value: Any, read: frozenset[str] | None) -> Any:
    if isinstance(value, list) and what in ROWS:
        return ROWS[what](value)
    if isinstance(value, dict) and what in ORDERS:
        return ORDERS[what](value)
    if isinstance(value, dict) and what.startswith("unread fields"):
        kept = {name: inner for name, inner in value.items() if is_read(name, read)}
        return kept if what.endswith("absent") else dict.fromkeys(value) | kept
    if what.startswith(SAYS):
        return what.removeprefix(SAYS)
    return values(value).get(what, value)


def ways() -> frozenset[str]:
    """Return the name of every way to lie."""
    scalars = (True, 1, 1.5, EPOCH_MS + 1, "1.5", "KRW-ETH", "2026-11-02T12:00:00", "word")
    found = {what for value in scalars for what in values(value)}
    return frozenset(found | {*ROWS, *ORDERS, *REFUSALS, *WHOLE})
