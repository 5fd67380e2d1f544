"""Upbit's answers as typed values. Wire words end here: attributes have our names, wire names stand beside them.

Money, prices and volumes are `Decimal` from the wire on; times are aware and UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec

from upbit.rules import plain, round_down_volume

if TYPE_CHECKING:
    from collections.abc import Iterable

ZERO = Decimal(0)
MOST = Decimal(10) ** 18
"""No price, volume or total of Upbit's is as large, and with it every sum and step still fits 28 digits."""
LEAST_PRICE = Decimal(10) ** -12
MOST_DIGITS = 40
"""A number with more is nobody's money, and sums over it would be rounded."""
LENGTH_OF_TIME = len("2026-11-24T09:00:00")
FIRST_YEAR, LAST_YEAR = "2000", "2100"
Millis = Annotated[int, msgspec.Meta(ge=0, lt=4_102_444_800_000)]
"""Epoch milliseconds before the year 2100."""
NULL = msgspec.Raw(b"null")
LONGEST_TOLD = 100
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
EXACT_TO = Decimal("0.01")
"""Won by which price times volume may miss what was paid: Upbit writes their product, at most cut off."""
LONGEST_IDENTIFIER = 64
PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
"""A space, for one, is hashed differently by different readers of Upbit's documents."""


class Side(StrEnum):
    """A bid buys base currency with KRW, an ask sells it."""

    BID = "bid"
    ASK = "ask"


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every answer: unknown fields are ignored, and only fields somebody uses are asked for."""


class MarketEvent(Wire, frozen=True, kw_only=True):
    """Investor protection flags of a market; `caution` maps Upbit's flag names to whether they are raised."""

    warning: bool = False
    caution: dict[str, bool] = {}


class Market(Wire, frozen=True, kw_only=True):
    """One tradable pair, e.g. KRW-BTC."""

    market: str
    korean_name: str
    english_name: str = ""
    event: MarketEvent = msgspec.field(name="market_event", default_factory=MarketEvent)


class CandleFields(Wire, frozen=True, kw_only=True):
    """What a candle is, whoever tells it; REST and the WebSocket name its market differently."""

    opened_at_utc: str = msgspec.field(name="candle_date_time_utc")  # "2026-11-24T09:00:00", no zone
    open: Decimal = msgspec.field(name="opening_price")  # KRW
    high: Decimal = msgspec.field(name="high_price")
    low: Decimal = msgspec.field(name="low_price")
    close: Decimal = msgspec.field(name="trade_price")
    volume: Decimal = msgspec.field(name="candle_acc_trade_volume")  # units of base currency
    turnover: Decimal = msgspec.field(name="candle_acc_trade_price")  # KRW

    def __post_init__(self) -> None:
        for price in (self.open, self.high, self.low, self.close):
            need_price(price)
        need_amounts(self.volume, self.turnover)
        if len(self.opened_at_utc) != LENGTH_OF_TIME or not FIRST_YEAR <= self.opened_at_utc < LAST_YEAR:
            raise ValueError(f"not the start of a candle: {self.opened_at_utc:.40}")
        _ = self.opened_at

    @property
    def opened_at(self) -> datetime:
        """Start of the candle, UTC."""
        return datetime.fromisoformat(self.opened_at_utc).replace(tzinfo=UTC)


class Candle(CandleFields, frozen=True, kw_only=True):
    """One candle. Upbit makes none for a period without a trade, and the newest one is still forming."""

    market: str


class Ticker(Wire, frozen=True, kw_only=True):
    """Last trade and day statistics of a market."""

    market: str
    price: Decimal = msgspec.field(name="trade_price")  # KRW
    traded_at_ms: Millis = msgspec.field(name="trade_timestamp")  # last trade
    turnover_24h: Decimal = msgspec.field(name="acc_trade_price_24h")  # KRW

    @property
    def traded_at(self) -> datetime:
        """When the last trade happened, UTC."""
        return from_ms(self.traded_at_ms)

    def __post_init__(self) -> None:
        need_price(self.price)
        need_amounts(self.turnover_24h)


class BookLevel(Wire, frozen=True, kw_only=True):
    """One ask and one bid of the order book; a thin side is padded with zeros."""

    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal

    def __post_init__(self) -> None:
        need_amounts(self.ask_price, self.bid_price, self.ask_size, self.bid_size)


class Book(Wire, frozen=True, kw_only=True):
    """The order book of a market, best level first."""

    market: str
    levels: list[BookLevel] = msgspec.field(name="orderbook_units")


class Instrument(Wire, frozen=True, kw_only=True):
    """How a market is quoted now."""

    market: str
    tick_size: Decimal  # KRW, at its price of now only

    def __post_init__(self) -> None:
        need_price(self.tick_size)


class Account(Wire, frozen=True, kw_only=True):
    """The balance of one currency."""

    currency: str
    available: Decimal = msgspec.field(name="balance")
    locked: Decimal

    def __post_init__(self) -> None:
        need_amounts(self.available, self.locked)
        need_few_digits(self.available, self.locked)


class Bounds(Wire, frozen=True, kw_only=True):
    """Least notional of one side."""

    min_total: Decimal = ZERO

    def __post_init__(self) -> None:
        need_amounts(self.min_total)


class ChanceMarket(Wire, frozen=True, kw_only=True):
    """Trading rules of a market."""

    market: str = msgspec.field(name="id")
    bid: Bounds
    ask: Bounds
    state: str = "active"


class Chance(Wire, frozen=True, kw_only=True):
    """What orders in a market cost and may be now."""

    bid_fee: Decimal  # fee rate of a market buy
    ask_fee: Decimal
    market: ChanceMarket
    ask_account: msgspec.Raw = NULL  # the balance of the base currency; read only when it is asked for

    def __post_init__(self) -> None:
        need_amounts(self.bid_fee, self.ask_fee)

    @property
    def coins(self) -> Decimal | None:
        """Units of the base currency that the account holds, free or not; None when that cannot be read."""
        try:
            account = msgspec.json.decode(self.ask_account, type=Account)
        except (msgspec.MsgspecError, ValueError):
            return None
        return account.available + account.locked


class Fill(Wire, frozen=True, kw_only=True):
    """One execution of our order."""

    uuid: str
    price: Decimal  # KRW per unit
    volume: Decimal  # units of base currency
    notional: Decimal = msgspec.field(name="funds")  # KRW

    def __post_init__(self) -> None:
        need_price(self.price)
        need_amounts(self.volume, self.notional)
        need_few_digits(self.price, self.volume, self.notional)
        if not self.volume or not self.notional or not self.uuid:
            raise ValueError(f"a fill of nothing: {self.volume} units, {self.notional} KRW, uuid {self.uuid!r}")


class ToldFill(Fill, frozen=True, kw_only=True):
    """A fill as it comes, held to more than one of our own making: it has the name and the sum of a real one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not UUID.fullmatch(self.uuid):
            raise ValueError(f"not a uuid: {self.uuid:.40}")
        if abs(self.price * self.volume - self.notional) > EXACT_TO:
            raise ValueError(f"{self.price} x {self.volume} is not {self.notional}")


class Order(Wire, frozen=True, kw_only=True):
    """An order as Upbit tells it. `fills` are there only when it was asked for by name, and each is there once."""

    uuid: str
    market: str
    side: Side
    kind: str = msgspec.field(name="ord_type")  # limit, price (market buy), market (market sell), best
    state: str  # wait, watch, done, cancel; unknown words are possible
    created_at: str
    identifier: str | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    executed_volume: Decimal = ZERO
    paid_fee: Decimal = ZERO  # KRW
    trades_count: int = 0
    time_in_force: str | None = None
    fills: list[Fill] = []  # read one by one from `RawFills`

    def __post_init__(self) -> None:
        known = [amount for amount in (self.price, self.volume) if amount is not None]
        need_amounts(*known, self.executed_volume, self.paid_fee)
        need_few_digits(*known, self.executed_volume, self.paid_fee)
        if not self.uuid:
            raise ValueError("an order without a uuid")

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it and every fill is listed.

        The state alone does not say so: a filled market buy normally ends as `cancel`.
        """
        return (
            self.state in {"done", "cancel"}
            and len(self.fills) == self.trades_count
            and total(fill.volume for fill in self.fills) == self.executed_volume
        )


class Totals(Wire, frozen=True, kw_only=True):
    """What says how much of an order is executed: in an answer to a question about orders it is never absent."""

    executed_volume: msgspec.Raw
    paid_fee: msgspec.Raw
    trades_count: msgspec.Raw


class RawFills(Totals, frozen=True, kw_only=True):
    """The fills of an order as they came."""

    trades: list[msgspec.Raw] | None = None


class OrderName(Wire, frozen=True, kw_only=True):
    """All that is read of an order that is not ours."""

    identifier: str | None = None


class ApiKey(Wire, frozen=True, kw_only=True):
    """One API key of the account."""

    access_key: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] = msgspec.field(name="expire_at")


class StreamTicker(Wire, frozen=True, kw_only=True, gc=False):
    """A ticker frame of the public WebSocket."""

    market: str = msgspec.field(name="code")
    price: Decimal = msgspec.field(name="trade_price")
    traded_at_ms: Millis = msgspec.field(name="trade_timestamp")
    sent_at_ms: Millis = msgspec.field(name="timestamp")
    market_state: str | None = "ACTIVE"  # PREVIEW, ACTIVE, DELISTED; unknown words are possible
    delisting_date: msgspec.Raw = NULL  # {"year": 2026, "month": 12, "day": 1}; only that it is there counts

    def __post_init__(self) -> None:
        need_price(self.price)

    @property
    def told_at(self) -> datetime:
        """Until when the price is known to be the last one, by the exchange's clock, UTC."""
        return from_ms(max(self.traded_at_ms, self.sent_at_ms))

    @property
    def closing(self) -> str | None:
        """Why this market is no ordinary one: its state, or that its end is announced. None for an ordinary one."""
        if self.delisting_date != NULL:
            return f"delisting {bytes(self.delisting_date)[:LONGEST_TOLD].decode(errors='replace')}"
        return None if self.market_state in {"ACTIVE", None} else self.market_state


class StreamCandle(CandleFields, frozen=True, kw_only=True):
    """A `candle.*` frame: a whole candle as it was then. The same one comes again and again while trades change it.

    https://docs.upbit.com/kr/reference/websocket-candle
    """

    kind: str = msgspec.field(name="type")  # "candle.1m"
    market: str = msgspec.field(name="code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError(f"not a candle: {self.open:.12g} {self.high:.12g} {self.low:.12g} {self.close:.12g}")


def need_price(price: Decimal) -> None:
    """Refuse at the edge what would poison everything behind it."""
    if not price.is_finite() or not LEAST_PRICE <= price < MOST:
        raise ValueError(f"not a price: {price:.12g}")


def need_amounts(*amounts: Decimal) -> None:
    """Refuse at the edge an amount that is no number, below nothing, or larger than anything is."""
    for amount in amounts:
        if not amount.is_finite() or not 0 <= amount < MOST:
            raise ValueError(f"not an amount: {amount:.12g}")


def need_few_digits(*amounts: Decimal) -> None:
    """Refuse at the edge what could not be added up and written down exactly."""
    for amount in amounts:
        _, digits, exponent = amount.as_tuple()
        if len(digits) > MOST_DIGITS or not -MOST_DIGITS <= int(exponent) <= MOST_DIGITS:
            raise ValueError(f"more digits than money has: {amount:.12g}")


def from_ms(milliseconds: int) -> datetime:
    """Turn epoch milliseconds into an aware UTC time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add Decimals; zero for none."""
    return sum(amounts, ZERO)


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A market order we mean to send, or have sent: a buy names its total, a sell its volume."""

    market: str
    side: Side
    identifier: str  # ours, unique for ever: Upbit refuses to see one twice
    total: Decimal | None = None  # KRW, of a buy, without the fee
    volume: Decimal | None = None  # units of base currency, of a sell
    smp_type: str = "none"  # the default since 2026-11-09 would cancel the user's own resting orders

    def __post_init__(self) -> None:
        amount = self.total if self.side is Side.BID else self.volume
        other = self.volume if self.side is Side.BID else self.total
        if amount is None or other is not None or not amount.is_finite() or amount <= 0:
            raise ValueError(f"a buy has a positive total, a sell a positive volume: {self}")
        if amount != round_down_volume(amount):
            raise ValueError(f"Upbit takes at most 8 decimals: {self}")
        if len(self.identifier) > LONGEST_IDENTIFIER or not PLAIN.fullmatch(self.identifier):
            raise ValueError(f"an identifier has at most {LONGEST_IDENTIFIER} plain characters: {self}")

    def to_wire(self) -> dict[str, str]:
        """Return the body of the request, in the order in which it is hashed."""
        if self.total is not None:
            what = {"ord_type": "price", "price": plain(self.total)}
        else:
            assert self.volume is not None
            what = {"ord_type": "market", "volume": plain(self.volume)}
        return {
            "market": self.market,
            "side": str(self.side),
            **what,
            "identifier": self.identifier,
            "smp_type": self.smp_type,
        }


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """A limit order too far from the market to trade: `ioc` ends it at once, and its identifier is used up."""

    market: str
    side: Side
    identifier: str
    price: Decimal  # KRW per unit, on its step
    volume: Decimal  # units of base currency, at most 8 decimals

    @property
    def total(self) -> Decimal:
        """Won it is worth at its own price."""
        return self.price * self.volume

    def to_wire(self) -> dict[str, str]:
        """Return the body of the request, in the order in which it is hashed."""
        return {
            "market": self.market,
            "side": str(self.side),
            "ord_type": "limit",
            "price": plain(self.price),
            "volume": plain(self.volume),
            "time_in_force": "ioc",
            "identifier": self.identifier,
            "smp_type": "none",
        }
