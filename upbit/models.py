"""Upbit's answers as typed values. Wire words end here: attributes have our names, wire names stand beside them.

Money, prices and volumes are `Decimal` from the wire on; times are aware and UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from upbit.rules import plain, round_down_volume

if TYPE_CHECKING:
    from collections.abc import Iterable

ZERO = Decimal(0)
LONGEST_IDENTIFIER = 64
PLAIN = re.compile(r"[A-Za-z0-9_.:-]+")
"""A space, for one, is hashed differently by different readers of Upbit's documents."""


class Side(StrEnum):
    """A bid buys base currency with KRW, an ask sells it."""

    BID = "bid"
    ASK = "ask"


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every answer: unknown fields are ignored, a missing required field is an error."""


class MarketEvent(Wire, frozen=True, kw_only=True):
    """Investor protection flags of a market; `caution` maps Upbit's flag names to whether they are raised."""

    warning: bool = False
    caution: dict[str, bool] = {}


class Market(Wire, frozen=True, kw_only=True):
    """One tradable pair, e.g. KRW-BTC."""

    market: str
    korean_name: str
    english_name: str
    event: MarketEvent = msgspec.field(name="market_event", default_factory=MarketEvent)


class Candle(Wire, frozen=True, kw_only=True):
    """One candle. Upbit makes none for a period without a trade, and the newest one is still forming."""

    market: str
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

    @property
    def opened_at(self) -> datetime:
        """Start of the candle, UTC."""
        return datetime.fromisoformat(self.opened_at_utc).replace(tzinfo=UTC)


class Ticker(Wire, frozen=True, kw_only=True):
    """Last trade and day statistics of a market."""

    market: str
    price: Decimal = msgspec.field(name="trade_price")  # KRW
    traded_at_ms: int = msgspec.field(name="trade_timestamp")  # last trade
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
    changed_at_ms: int = msgspec.field(name="timestamp")


class Account(Wire, frozen=True, kw_only=True):
    """The balance of one currency."""

    currency: str
    available: Decimal = msgspec.field(name="balance")
    locked: Decimal
    average_price: Decimal = msgspec.field(name="avg_buy_price", default=ZERO)

    def __post_init__(self) -> None:
        need_amounts(self.available, self.locked)


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
    max_total: Decimal = ZERO
    state: str = "active"


class Chance(Wire, frozen=True, kw_only=True):
    """What orders in a market cost and may be now."""

    bid_fee: Decimal  # fee rate of a market buy
    ask_fee: Decimal
    market: ChanceMarket
    bid_account: Account
    ask_account: Account

    def __post_init__(self) -> None:
        need_amounts(self.bid_fee, self.ask_fee)


class Fill(Wire, frozen=True, kw_only=True):
    """One execution of our order."""

    uuid: str
    price: Decimal  # KRW per unit
    volume: Decimal  # units of base currency
    notional: Decimal = msgspec.field(name="funds")  # KRW
    created_at: str = ""

    def __post_init__(self) -> None:
        need_price(self.price)
        need_amounts(self.volume, self.notional)


class Order(Wire, frozen=True, kw_only=True):
    """An order as Upbit tells it. `fills` are there only when one order was asked for."""

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
    fills: list[Fill] = msgspec.field(name="trades", default_factory=list)

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


class ApiKey(Wire, frozen=True, kw_only=True):
    """One API key of the account."""

    access_key: str
    expires_at: datetime = msgspec.field(name="expire_at")


class StreamTicker(Wire, frozen=True, kw_only=True):
    """A ticker frame of the public WebSocket."""

    market: str = msgspec.field(name="code")
    price: Decimal = msgspec.field(name="trade_price")
    traded_at_ms: int = msgspec.field(name="trade_timestamp")
    sent_at_ms: int = msgspec.field(name="timestamp")
    market_state: str = "ACTIVE"  # PREVIEW, ACTIVE, DELISTED; unknown words are possible
    delisting_date: object = (
        None  # {"year": 2026, "month": 12, "day": 1}, None without one; only that it is there counts
    )

    def __post_init__(self) -> None:
        need_price(self.price)

    @property
    def closing(self) -> str | None:
        """Why this market is no ordinary one: its state, or that its end is announced. None for an ordinary one."""
        if self.delisting_date is not None:
            return f"delisting {msgspec.json.encode(self.delisting_date).decode()}"
        return None if self.market_state == "ACTIVE" else self.market_state


class StreamOrder(Wire, frozen=True, kw_only=True):
    """A `myOrder` frame: something happened to one of the account's orders. A hint, never the only proof."""

    uuid: str
    market: str = msgspec.field(name="code")
    state: str
    identifier: str | None = None


def need_price(price: Decimal) -> None:
    """Refuse at the edge what would poison everything behind it."""
    if not price.is_finite() or price <= 0:
        raise ValueError(f"not a price: {price}")


def need_amounts(*amounts: Decimal) -> None:
    """Refuse at the edge an amount that is no number, or below nothing."""
    for amount in amounts:
        if not amount.is_finite() or amount < 0:
            raise ValueError(f"not an amount: {amount}")


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
        if not 0 < len(self.identifier) <= LONGEST_IDENTIFIER or not PLAIN.fullmatch(self.identifier):
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
