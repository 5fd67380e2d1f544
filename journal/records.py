"""What the journal keeps, as frozen values. Money is `Decimal`, times are aware and UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from upbit.models import Side

ZERO = Decimal(0)


class IntentState(StrEnum):
    """How far an order has come. Only the edges of `EDGES` exist."""

    PLANNED = "PLANNED"  # written down, no byte sent
    SENT = "SENT"  # an attempt is under way
    UNKNOWN = "UNKNOWN"  # it may exist: only seeing it resolves this
    ACCEPTED = "ACCEPTED"  # Upbit has it
    FINAL = "FINAL"  # nothing more can happen to it, every fill is written
    REJECTED = "REJECTED"  # Upbit said no to the only attempt
    FENCED = "FENCED"  # its identifier is used up by an order that cannot trade: it never will exist
    ABANDONED = "ABANDONED"  # given up before a byte was sent

    @classmethod
    def live(cls) -> frozenset[IntentState]:
        """Return the states in which an order may still execute."""
        return frozenset({cls.PLANNED, cls.SENT, cls.UNKNOWN, cls.ACCEPTED})


EDGES: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.PLANNED: frozenset({IntentState.SENT, IntentState.ABANDONED}),
    IntentState.SENT: frozenset({IntentState.ACCEPTED, IntentState.PLANNED, IntentState.REJECTED, IntentState.UNKNOWN}),
    IntentState.UNKNOWN: frozenset({IntentState.ACCEPTED, IntentState.FENCED, IntentState.SENT}),
    IntentState.ACCEPTED: frozenset({IntentState.FINAL}),
    IntentState.FINAL: frozenset(),
    # From here on: only should the exchange, against all it has documented, show the order after all.
    IntentState.REJECTED: frozenset({IntentState.ACCEPTED, IntentState.FINAL}),
    IntentState.FENCED: frozenset({IntentState.FINAL}),
    IntentState.ABANDONED: frozenset({IntentState.ACCEPTED, IntentState.FINAL}),
}
"""UNKNOWN is left by seeing the order, by seeing its fence, or to send the same again: not by time, count or 404."""


class Phase(StrEnum):
    """How far a trade has come. In the journal BUYING is still ENTERING, and SELLING is LEAVING."""

    ENTERING = "entering"  # nothing is bought yet
    BUYING = "buying"  # an order to buy is in hand
    HOLDING = "holding"
    SELLING = "selling"  # an order to sell is in hand
    LEAVING = "leaving"  # an order to sell was decided
    CLOSED = "closed"  # what was bought is sold, or gone
    ABANDONED = "abandoned"  # nothing was ever bought


class Level(StrEnum):
    """How much is forbidden; a higher one includes the lower ones."""

    ACTIVE = "ACTIVE"
    HALT_BUYS = "HALT_BUYS"
    HALTED = "HALTED"

    @property
    def severity(self) -> int:
        """What levels are compared by."""
        return tuple(Level).index(self)


class Ends(StrEnum):
    """Who may end a halt."""

    ITSELF = "itself"  # whoever began it, when its cause is gone
    PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order we mean to send, or have sent, under one identifier for ever."""

    identifier: str
    decision_key: str
    n: int
    trade_id: str
    market: str
    side: Side
    request: str  # the exact request, JSON
    decided_at: datetime
    deadline: datetime | None  # after it a buy is not sent any more
    state: IntentState = IntentState.PLANNED
    uuid: str | None = None  # Upbit's name, once known
    paid_fee: Decimal = ZERO  # KRW


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sending of an intent and what came of it; `state` is None while nobody knows."""

    number: int
    kind: str  # "real" or "fence"
    began_at: datetime
    state: IntentState | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order."""

    uuid: str
    identifier: str
    price: Decimal  # KRW per unit
    volume: Decimal  # units of base currency
    funds: Decimal  # KRW
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Coins that came to a trade, or left it (then both amounts are negative), without an order of ours."""

    volume: Decimal  # units
    krw: Decimal | None  # what they were worth then; None: nobody knew
    why: str  # "taken" by the account's owner, or "carried": dust on its way from one trade to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenOff:
    """Coins of a trade that were found to be gone."""

    volume: Decimal  # units
    beside: Decimal  # units of the same coin that were in the account besides ours, while nothing was missing
    at: datetime  # UTC: when the last of them was written off


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A trade of one market from its decision to its end. Money fields are sums over its fills."""

    id: str
    market: str
    strategy: str
    unit: timedelta
    decided_at: datetime
    entry_reason: dict[str, object]
    stop_distance: Decimal | None  # KRW per unit below the average entry price
    phase: Phase = Phase.ENTERING  # ENTERING, HOLDING, LEAVING, CLOSED or ABANDONED
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    exit_reason: dict[str, object] | None = None
    stop_price: Decimal | None = None
    highest_price: Decimal | None = None
    dust: Decimal = ZERO  # units left in the account because they were not sellable
    moved: Decimal = ZERO  # units that came (dust of an earlier trade) or went (taken by the user: negative) otherwise
    bought: Decimal = ZERO  # units
    sold: Decimal = ZERO  # units
    bought_krw: Decimal = ZERO  # paid, without fees
    sold_krw: Decimal = ZERO  # received, without fees
    cost_krw: Decimal = ZERO  # paid, with fees
    proceeds_krw: Decimal = ZERO  # received, after fees
    fees_krw: Decimal = ZERO
    taken_krw: Decimal = ZERO  # what coins were worth when they left without us; below zero: when they came

    @property
    def volume(self) -> Decimal:
        """Units held: bought less sold, and what moved otherwise."""
        return self.bought - self.sold + self.moved

    @property
    def entry_price(self) -> Decimal:
        """KRW per unit that was paid on average; 0 while nothing was bought."""
        return self.bought_krw / self.bought if self.bought else ZERO

    @property
    def exit_price(self) -> Decimal:
        """KRW per unit that was received on average; 0 while nothing was sold."""
        return self.sold_krw / self.sold if self.sold else ZERO

    @property
    def profit_krw(self) -> Decimal:
        """What it has earned so far, after fees. Coins that their owner took away are a withdrawal, and no loss."""
        return self.proceeds_krw - self.cost_krw + self.taken_krw


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A message to a person: written with what it tells, delivered later, once."""

    key: str  # unique for what it tells
    kind: str
    body: dict[str, object]
    card: str | None = None  # of what it is a state: a later one edits the earlier one, which was sent already


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Why trading stands still, in part or wholly, since when, and who may end that."""

    code: str  # stable, e.g. "breach"; one stands at a time under a code
    level: Level  # HALT_BUYS or HALTED
    ends: Ends
    ko: str
    en: str
    since: datetime
    evidence: dict[str, object] = field(default_factory=dict)


class Order(StrEnum):
    """What a person can order the daemon to do."""

    HALT_BUYS = "halt-buys"
    RESUME = "resume"
    SELL = "sell"
    SELL_ALL = "sell-all"


OF_ONE_THING = frozenset({Order.RESUME, Order.SELL})
"""Which are about one thing that stands in their codes: a reason, a trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person orders the daemon to do, once, however often it is delivered."""

    id: str  # of whoever asks; the same again is the same command
    name: Order
    by: str  # from where: "cli", "page", "discord"
    asked_at: datetime
    codes: tuple[str, ...] = ()  # of `resume`: the reasons it ends; of `sell`: the trade it sells
    outcome: str | None = None  # "done", or "nothing" where nothing was to be changed; None while it is not done


def worst(halts: Iterable[Halt]) -> Level:
    """Return how much is forbidden while these reasons stand."""
    return max((halt.level for halt in halts), key=lambda level: level.severity, default=Level.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Everything that was ever traded."""

    krw: Decimal  # change of the won balance
    coins: dict[str, Decimal] = field(default_factory=dict)  # change of each coin balance
    moved: dict[str, Decimal] = field(default_factory=dict)  # the part of it that no order of ours explains
    fees: Decimal = ZERO
    realised_pnl: Decimal = ZERO  # of closed trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often what happened."""

    buys: int  # buy orders that bought something
    sells: int
    rejected: int
    open_trades: int
    closed_trades: int
