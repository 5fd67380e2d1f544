"""What the order protocol decides, without I/O: what an answer proves, what was seen, what to do next.

One intent has one identifier for ever, and Upbit takes an identifier once. So however often it is sent, whatever is
lost or late, at most one order of it can ever exist. What is left is to learn *which* one, and only seeing it tells:
no time that passes, no count and no "not found" proves that a request will not be executed a minute from now.

To end a doubt about an order that does not show itself its identifier is used up by a *fence*: an order that cannot
trade. Then either the real order exists or the fence does, and the other never will.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING

import msgspec

from journal.records import ZERO, IntentState
from strategy.portfolio import MIN_TOTAL
from upbit.errors import (
    AgreementNeeded,
    DuplicatedIdentifier,
    InsufficientFunds,
    InvalidOrder,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    UnderMinTotal,
    UnknownRefusal,
)
from upbit.models import Fence, NewOrder, Side
from upbit.rules import VOLUME_STEP, round_price, step_around

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.records import Attempt, Intent
    from upbit.errors import ExchangeError
    from upbit.models import Book, BookLevel, Order

MOST_REAL_SENDS = 4
MOST_REFUSED_FENCES = 2
"""A fence that is refused by a name is not repeated for ever: a person is told, and the order is looked for."""
LOOKS_BEFORE_SENDING = 3
"""Look-ups that saw nothing before anything is sent again. They decide about sending, never about the outcome."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
FENCE_TOTAL = Decimal(5100)
"""Won a fence is worth at its own price: just over the least Upbit takes."""
FAR = Decimal(2)
"""A fence bids half of the best bid, or asks double the best ask."""
FEE_ROOM = Decimal("1.0025")
"""What a buy needs for each won of its total: the highest fee of Upbit's KRW markets and a little."""
ENDED = frozenset({"done", "cancel"})
REFUSED_FENCE = frozenset(one.__name__ for one in (UnknownRefusal, InvalidOrder, UnderMinTotal, AgreementNeeded))
"""What does not pass by itself. Money comes back, a market opens again, and a key is heeded by the circuit."""


class Kind(StrEnum):
    """What was sent under an identifier."""

    REAL = "real"
    FENCE = "fence"


class SendAnswer(Enum):
    """What the answer to a send says by itself."""

    TAKEN = auto()  # 201 and an order that is ours
    REFUSED = auto()  # a name on the list of certain refusals
    NOT_TAKEN = auto()  # no byte left, or a rate limit: as if it had never been sent
    DOUBT = auto()  # anything else


class Sight(Enum):
    """What an order shown under our identifier is."""

    REAL = auto()  # what the intent asked for
    FENCE = auto()  # a fence that has ended without a trade: nothing else can exist
    NOTHING = auto()  # no proof of anything: look again
    OTHER = auto()  # an order we never meant: somebody must look


class Step(Enum):
    """What to do about a doubtful order now."""

    LOOK = auto()
    SEND = auto()  # the same request again, under the same identifier
    FENCE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is known about an order that may exist."""

    missed: int  # look-ups since the last send that Upbit answered with "not found"
    sends: int  # of the real order
    burnt: bool  # Upbit has said that the identifier is used: nothing can be placed under it any more
    wanted: bool  # the real order, still
    may_send: bool  # anything at all
    refused: int = 0  # sends that Upbit refused by a name nobody knows: the same again is answered the same
    refused_fences: int = 0  # fences that it refused by any name


def to_order(intent: Intent) -> NewOrder:
    """Rebuild the request from the journal: what is sent is what was written."""
    return msgspec.json.decode(intent.request, type=NewOrder)


def request_of(order: NewOrder | Fence) -> str:
    """Return the text the journal keeps of a request."""
    return msgspec.json.encode(order).decode()


def weigh(error: ExchangeError) -> SendAnswer:
    """Return what a failed send says."""
    if isinstance(error, OutcomeUnknown):
        return SendAnswer.DOUBT
    if isinstance(error, NotSent | RateLimited):
        return SendAnswer.NOT_TAKEN
    return SendAnswer.REFUSED if isinstance(error, Rejected) else SendAnswer.DOUBT


def after_send(answer: SendAnswer, kind: Kind, *, doubtful: bool) -> IntentState:
    """Return what a send makes of its intent.

    Args:
        answer: what came back.
        kind: what was sent. A fence that was taken is believed when it is seen.
        doubtful: whether an earlier send may have arrived. A refusal is final only without one: else it may be the
            echo of an order that exists and has, for example, spent the money.
    """
    if answer is SendAnswer.TAKEN:
        return IntentState.ACCEPTED if kind is Kind.REAL else IntentState.UNKNOWN
    if doubtful or kind is Kind.FENCE:
        return IntentState.UNKNOWN
    return {
        SendAnswer.REFUSED: IntentState.REJECTED,
        SendAnswer.NOT_TAKEN: IntentState.PLANNED,
        SendAnswer.DOUBT: IntentState.UNKNOWN,
    }[answer]


def after_sight(sight: Sight) -> IntentState:
    """Return what seeing an order makes of a doubtful intent: the only way out of a doubt."""
    return {
        Sight.REAL: IntentState.ACCEPTED,
        Sight.FENCE: IntentState.FENCED,
        Sight.NOTHING: IntentState.UNKNOWN,
        Sight.OTHER: IntentState.UNKNOWN,
    }[sight]


def after_death(state: IntentState) -> IntentState:
    """Return what the end of the process that handled an intent makes of it."""
    return {
        IntentState.PLANNED: IntentState.ABANDONED,  # no byte of it ever left
        IntentState.SENT: IntentState.UNKNOWN,
    }.get(state, state)


def is_doubtful(attempts: Iterable[Attempt]) -> bool:
    """Return whether one of the attempts may have placed an order."""
    return any(attempt.state in {None, IntentState.UNKNOWN} for attempt in attempts)


def is_burnt(attempts: Iterable[Attempt]) -> bool:
    """Return whether Upbit has said that the identifier is used."""
    return any(attempt.outcome == DuplicatedIdentifier.__name__ for attempt in attempts)


def refused(attempts: Iterable[Attempt], kind: Kind) -> int:
    """Return how many sends of a kind Upbit refused by a name: of the real order by one that nobody knows."""
    names = REFUSED_FENCE if kind is Kind.FENCE else {UnknownRefusal.__name__}
    return sum(attempt.kind == kind and attempt.outcome in names for attempt in attempts)


def is_foreign(attempts: list[Attempt]) -> bool:
    """Return whether an order that was seen is hardly ours: the only send was told that its name is taken.

    Or that there is no money for it, at which Upbit looks first: the order that is there has spent it.
    """
    return len(attempts) == 1 and attempts[0].outcome in {DuplicatedIdentifier.__name__, InsufficientFunds.__name__}


def judge(intent: Intent, order: Order) -> Sight:
    """Return what `order`, shown for the identifier of `intent`, is."""
    if order.identifier is None:
        return Sight.NOTHING
    if (order.identifier, order.market) != (intent.identifier, intent.market):
        return Sight.OTHER
    if order.kind == "limit" and order.time_in_force == "ioc":
        return judge_fence(intent, order)
    real = "price" if intent.side == Side.BID else "market"
    return Sight.REAL if (order.side, order.kind) == (intent.side, real) else Sight.OTHER


def is_as_asked(asked: NewOrder, order: Order) -> bool:
    """Return whether an order shown under a name has the size that was asked for under it.

    Another daemon with our key gives its orders the same names, but sells what it holds itself. A size that is not
    told is no difference, and that of a fence is its own.
    """
    if order.kind == "limit":
        return True
    shown, meant = (order.price, asked.total) if asked.side is Side.BID else (order.volume, asked.volume)
    return shown is None or shown == meant


def judge_fence(intent: Intent, order: Order) -> Sight:
    """Return what a fence is. One that traded after all is an order of ours like any other, if its side fits."""
    if order.executed_volume:
        return Sight.REAL if order.side == intent.side else Sight.OTHER
    return Sight.FENCE if order.state in ENDED else Sight.NOTHING


def next_step(doubt: Doubt) -> Step:
    """Return what to do about a doubtful order after another look that did not resolve it."""
    if doubt.burnt or not doubt.may_send or doubt.missed < LOOKS_BEFORE_SENDING:
        return Step.LOOK
    if doubt.wanted and not doubt.refused and doubt.sends < MOST_REAL_SENDS:
        return Step.SEND
    return Step.FENCE if doubt.refused_fences < MOST_REFUSED_FENCES else Step.LOOK


def pause_before_look(*, missed: int, failed: int, attempts: int) -> float:
    """Return the seconds before the next look-up; longer while nothing comes of looking or sending."""
    doublings = missed + failed + max(0, attempts - MOST_REAL_SENDS)
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(doublings, 10))


def affordable(order: NewOrder, *, krw: Decimal, coins: Decimal, bid: Decimal) -> bool:
    """Return whether the account can pay for an order, and it is worth enough to be taken.

    In doubt, a refusal would use its name up and prove nothing.

    Args:
        order: what would be sent.
        krw: won free to use.
        coins: units of the market's base currency free to use.
        bid: the best price somebody pays for them, KRW.
    """
    if order.volume is None:
        return (order.total or ZERO) * FEE_ROOM <= krw
    return order.volume <= coins and order.volume * bid >= MIN_TOTAL


def make_fence(
    intent: Intent, book: Book, *, krw: Decimal, coins: Decimal, step: Decimal | None = None
) -> Fence | None:
    """Return an order under the intent's identifier that cannot trade; None when the account can pay for none.

    Args:
        intent: whose identifier is to be used up.
        book: of its market, now.
        krw: won free to use.
        coins: units of the market's base currency free to use.
        step: the price step of now, as Upbit tells it; None: the table's.
    """
    if not book.levels:
        return None
    top = book.levels[0]
    below, above = fitting_steps(step, top)
    bid = fence_at(intent, Side.BID, round_price(top.bid_price / FAR, up=False, step=below))
    ask = fence_at(intent, Side.ASK, round_price(top.ask_price * FAR, up=True, step=above))
    paid = {
        Side.BID: bid is not None and bid.total * FEE_ROOM <= krw and bid.price < top.ask_price,
        Side.ASK: ask is not None and ask.volume <= coins,
    }
    own_side_first = (bid, ask) if intent.side == Side.BID else (ask, bid)
    return next((fence for fence in own_side_first if fence is not None and paid[fence.side]), None)


def fitting_steps(step: Decimal | None, top: BookLevel) -> tuple[Decimal | None, Decimal | None]:
    """Return the steps for prices far below the best bid and far above the best ask; None where the table has to do."""
    below = step_around(step, top.bid_price, above=False) if top.bid_price else None
    return below, step_around(step, top.ask_price, above=True) if top.ask_price else None


def fence_at(intent: Intent, side: Side, price: Decimal) -> Fence | None:
    """Return a fence at a price on its step; None for a price that is none."""
    if price <= 0:
        return None
    volume = (FENCE_TOTAL / price).quantize(VOLUME_STEP, rounding=ROUND_CEILING)
    return Fence(market=intent.market, side=side, identifier=intent.identifier, price=price, volume=volume)
