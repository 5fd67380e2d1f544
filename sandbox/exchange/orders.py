"""An order of the sandbox and its arithmetic: what it reserves, pays and still holds at every moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from sandbox.exchange.ledger import ZERO
from sandbox.keys import PocketId
from sandbox.wire import EXACT

Side = Literal["bid", "ask"]
OrderType = Literal["limit", "price", "market", "best"]
TimeInForce = Literal["ioc", "fok", "post_only"]
State = Literal["wait", "done", "cancel"]

SATOSHI = Decimal("0.00000001")


def floor_volume(volume: Decimal) -> Decimal:
    """Round a volume down to the 8 decimals the exchange trades in."""
    return volume.quantize(SATOSHI, rounding=ROUND_DOWN, context=EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order: `funds` = price x volume in quote currency, `fee` in quote currency."""

    uuid: str
    price: Decimal
    volume: Decimal
    funds: Decimal
    fee: Decimal
    at_ms: int
    maker: bool
    trend: Literal["up", "down"]  # up: the taker was a buyer


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An order as asked for, after its parameters were found well-formed."""

    market: str
    side: Side
    ord_type: OrderType
    price: Decimal | None  # per unit for limit orders; total for `price` and best bids
    volume: Decimal | None
    time_in_force: TimeInForce | None
    smp_type: str
    identifier: str | None

    @property
    def spends(self) -> Decimal:
        """Quote currency a bid needs before its fee."""
        assert self.price is not None
        return self.price if self.volume is None else EXACT.multiply(self.price, self.volume)


@dataclass(slots=True, kw_only=True)
class Order:
    """A living order. All amounts follow the identities between price, fills and fee rate; nothing is stored twice."""

    uuid: str
    asked: Request
    fee_rate: Decimal
    created_ms: int
    pocket: PocketId = field(default_factory=PocketId)
    number: int = 0  # order of creation
    state: State = "wait"
    fills: list[Fill] = field(default_factory=list)
    executed_volume: Decimal = ZERO
    executed_funds: Decimal = ZERO
    paid_fee: Decimal = ZERO
    prevented_volume: Decimal = ZERO  # not traded because both sides were ours
    prevented_funds: Decimal = ZERO  # what a bid did not spend for that reason, before fee
    held: Decimal = ZERO  # what the ledger keeps locked for it now; nothing once it ended
    cancelling: bool = False  # a cancel was accepted and takes effect soon
    met_ms: int = 0  # when it met the book; what traded up to then is not for it
    ahead: Decimal | None = None  # public volume that trades before it at its price; None: nobody knows how much
    ahead_ms: int = 0  # of when that is known

    @property
    def currency(self) -> str:
        """Return the currency this order locks."""
        quote, base = self.asked.market.split("-", 1)
        return quote if self.asked.side == "bid" else base

    @property
    def open(self) -> bool:
        """Whether it may still trade."""
        return self.state == "wait"

    @property
    def reserved_fee(self) -> Decimal:
        """Fee set aside on creation; sellers pay out of the proceeds."""
        return EXACT.multiply(self.asked.spends, self.fee_rate) if self.asked.side == "bid" else ZERO

    @property
    def remaining_fee(self) -> Decimal:
        """Fee still set aside."""
        if self.asked.side == "ask":
            return ZERO
        used = EXACT.add(self.paid_fee, EXACT.multiply(self.prevented_funds, self.fee_rate))
        return EXACT.subtract(self.reserved_fee, used)

    @property
    def prevented_locked(self) -> Decimal:
        """Return what prevention freed: volume of an ask, funds and their fee of a bid."""
        if self.asked.side == "ask":
            return self.prevented_volume
        return EXACT.add(self.prevented_funds, EXACT.multiply(self.prevented_funds, self.fee_rate))

    @property
    def remaining_volume(self) -> Decimal | None:
        """Volume not traded yet; None for orders that name a total."""
        if self.asked.volume is None:
            return None
        return EXACT.subtract(EXACT.subtract(self.asked.volume, self.executed_volume), self.prevented_volume)

    @property
    def remaining_funds(self) -> Decimal:
        """Return what a `price` or best bid has left to spend."""
        assert self.asked.price is not None
        return EXACT.subtract(EXACT.subtract(self.asked.price, self.executed_funds), self.prevented_funds)

    def affordable(self, price: Decimal) -> Decimal:
        """Return the volume it can still trade at a price; of a total, rounded down to 8 decimals."""
        remaining = self.remaining_volume
        return floor_volume(EXACT.divide(self.remaining_funds, price)) if remaining is None else remaining

    @property
    def locked(self) -> Decimal:
        """Return the amount the exchange reports as held; it is not zeroed when the order ends."""
        remaining = self.remaining_volume
        if self.asked.side == "ask":
            assert remaining is not None
            return remaining
        if remaining is None:
            return EXACT.add(self.remaining_funds, self.remaining_fee)
        assert self.asked.price is not None
        return EXACT.add(EXACT.multiply(self.asked.price, remaining), self.remaining_fee)

    @property
    def average_price(self) -> Decimal | None:
        """Funds per unit over all fills, to 8 decimals."""
        if not self.executed_volume:
            return None
        return floor_volume(EXACT.divide(self.executed_funds, self.executed_volume))

    def add(self, fill: Fill) -> None:
        """Count a fill."""
        self.fills.append(fill)
        self.executed_volume = EXACT.add(self.executed_volume, fill.volume)
        self.executed_funds = EXACT.add(self.executed_funds, fill.funds)
        self.paid_fee = EXACT.add(self.paid_fee, fill.fee)

    def prevent(self, volume: Decimal | None = None, price: Decimal | None = None) -> None:
        """Give up a volume that would meet an order of ours at a price, or everything that is left."""
        remaining = self.remaining_volume
        if remaining is None:
            left = self.remaining_funds
            given_up = left if volume is None or price is None else min(left, EXACT.multiply(price, volume))
            self.prevented_funds = EXACT.add(self.prevented_funds, given_up)
            return
        volume = remaining if volume is None else volume
        self.prevented_volume = EXACT.add(self.prevented_volume, volume)
        if self.asked.side == "bid":
            assert self.asked.price is not None
            self.prevented_funds = EXACT.add(self.prevented_funds, EXACT.multiply(self.asked.price, volume))

    @property
    def satisfied(self) -> bool:
        """Whether nothing of what was asked for is left."""
        remaining = self.remaining_volume
        return not (self.remaining_funds if remaining is None else remaining)
