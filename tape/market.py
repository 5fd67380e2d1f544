"""What the frames of a tape tell about the market: trades and books, exact, each once."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import msgspec

from tape.form import Gap, RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tape.form import Record

T = TypeVar("T")
MARKET = "market"
"""The channel of trades and books of all markets."""
KNOWN_TRADES = 512
"""Numbers of the last trades of a market: after a reconnection the newest one is told again."""
ANSWERED = 200


class TradeFrame(msgspec.Struct, frozen=True, kw_only=True, tag="trade", tag_field="type"):
    """A `trade` frame of Upbit."""

    code: str
    trade_price: Decimal
    trade_volume: Decimal
    ask_bid: Literal["ASK", "BID"]
    trade_timestamp: int
    sequential_id: int


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One row of both sides of a book."""

    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


class BookFrame(msgspec.Struct, frozen=True, kw_only=True, tag="orderbook", tag_field="type"):
    """An `orderbook` frame of Upbit."""

    code: str
    timestamp: int
    orderbook_units: tuple[Unit, ...]


FRAMES = msgspec.json.Decoder(TradeFrame | BookFrame)


class Trade(NamedTuple):
    """A public trade. Price in KRW, volume in base currency."""

    market: str
    price: Decimal
    volume: Decimal
    taker: Literal["ASK", "BID"]  # BID: a buyer took an ask
    at_ms: int  # at the exchange
    number: int
    arrived_us: int


class Level(NamedTuple):
    """One price of a book, and the volume at rest there."""

    price: Decimal
    size: Decimal


class Book(NamedTuple):
    """Both sides of a market, best level first."""

    market: str
    at_ms: int  # at the exchange
    asks: tuple[Level, ...]
    bids: tuple[Level, ...]
    arrived_us: int


class Pause(NamedTuple):
    """From here on nothing was heard, until the next frames."""

    arrived_us: int


class Answer(NamedTuple):
    """What a request was answered."""

    arrived_us: int
    status: int
    method: str
    path: str
    body: bytes


def events(records: Iterable[Record]) -> Iterator[Trade | Book | Pause]:
    """Yield trades and books in the order they arrived; a trade that is told twice is one."""
    known: dict[str, deque[int]] = {}
    for record in records:
        if record.channel == MARKET and record.kind == RecordKind.FRAME:
            event = event_of(record)
            if isinstance(event, Book) or (isinstance(event, Trade) and is_new(event, known)):
                yield event
        elif is_pause(record):
            yield Pause(record.at_us)


def is_new(trade: Trade, known: dict[str, deque[int]]) -> bool:
    """Return whether a trade was not told before, and take note of it."""
    numbers = known.setdefault(trade.market, deque(maxlen=KNOWN_TRADES))
    if trade.number in numbers:
        return False
    numbers.append(trade.number)
    return True


def is_pause(record: Record) -> bool:
    """Return whether books are not known from a record on: the connection ended, or frames were lost."""
    if record.kind == RecordKind.GAP:
        return msgspec.json.decode(record.content, type=Gap).why != "closed"  # that one was told as it began
    return record.channel == MARKET and record.kind == RecordKind.CLOSED


def event_of(record: Record) -> Trade | Book | None:
    """Return what a frame tells; None for what is neither a trade nor a book."""
    try:
        frame = FRAMES.decode(record.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if isinstance(frame, TradeFrame):
        return Trade(
            frame.code,
            frame.trade_price,
            frame.trade_volume,
            frame.ask_bid,
            frame.trade_timestamp,
            frame.sequential_id,
            record.at_us,
        )
    asks = tuple(Level(unit.ask_price, unit.ask_size) for unit in frame.orderbook_units if unit.ask_price)
    bids = tuple(Level(unit.bid_price, unit.bid_size) for unit in frame.orderbook_units if unit.bid_price)
    return Book(frame.code, frame.timestamp, asks, bids, record.at_us)


def rows_of(answer: Answer, kind: type[T]) -> list[T]:
    """Return the rows of an answer; none of what only says that it is one, such as a page of a gateway."""
    try:
        return msgspec.json.decode(answer.body, type=list[kind])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


def answers(records: Iterable[Record]) -> Iterator[Answer]:
    """Yield what requests were answered with success."""
    for record in records:
        if record.kind == RecordKind.ANSWER:
            head, _, body = record.content.partition(b"\n")
            status, method, path = head.decode().split(" ", 2)
            if int(status) == ANSWERED:
                yield Answer(record.at_us, int(status), method, path, body)
