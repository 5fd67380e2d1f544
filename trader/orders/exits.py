"""Whether an exit may go out now, decided purely from two sources: the bids and the last trade. No wait is endless.

An exit that is not confirmed waits, because one answer may be wrong; one that nobody answers goes out, because a loss
that grows is worse. A sale at the market takes the bids whatever was believed about them, so going out on the last
trade costs at most what the bids had fallen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

LOOK_AGAIN_S = 1.0
"""Between the two looks at the last trade that a stop without a book rests on."""
INSIST_S = 4.0
"""After so long bids that deny a stop are not believed any more, when prices go on to be below it."""
PATIENT_S = 300.0
"""After so long an exit that is no stop goes out as well: without a book, or at bids far below the last trade."""
FORGET_S = 15.0
"""An exit that nobody has wanted for so long begins to wait anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long an exit is wanted already. Times are loop time in seconds."""

    since_s: float
    seen_s: float  # the last look
    first_price: Decimal | None  # the last trade at the first look, KRW
    dust_s: float | None = None  # since when the position has looked like dust

    @classmethod
    def look(cls, before: Waiting | None, now_s: float, price: Decimal | None) -> Waiting:
        """Return how long it has waited at another look; one after a long pause is the first again."""
        if before is None or now_s - before.seen_s > FORGET_S:
            return cls(since_s=now_s, seen_s=now_s, first_price=price)
        first = price if before.first_price is None else before.first_price
        return cls(since_s=before.since_s, seen_s=now_s, first_price=first, dust_s=before.dust_s)

    @property
    def waited_s(self) -> float:
        """For how long it has been wanted."""
        return self.seen_s - self.since_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What an exit is judged by at one moment. Prices in KRW."""

    stop: Decimal | None  # of an exit at the protective stop; None for another reason
    forced: bool  # a person, or the end of the market, wants out at any price
    bid: Decimal | None  # the best bid; None while no book can be read, 0 while nobody bids
    price: Decimal | None  # the last trade, while it is fresh
    waiting: Waiting


def sells_at(leaving: Leaving, max_gap: Decimal) -> Decimal | None:
    """Return the price at which an exit may expect to sell now; None while it has to wait.

    Args:
        leaving: what is known.
        max_gap: how far bids and last trade may be apart, a fraction.
    """
    if leaving.bid is None:
        return leaving.price if unseen(leaving) else None
    if leaving.bid <= 0:
        return None  # nobody buys, so nothing can be sold, however urgent
    return leaving.bid if confirmed(leaving, max_gap) else None


def unseen(leaving: Leaving) -> bool:
    """Return whether an exit goes out on the last trade alone, because no book can be read."""
    patience = LOOK_AGAIN_S if leaving.forced or leaving.stop is not None else PATIENT_S
    return leaving.waiting.waited_s >= patience


def confirmed(leaving: Leaving, max_gap: Decimal) -> bool:
    """Return whether somebody's bid is what the exit rests on: a stop needs bids that have fallen, too.

    A single trade far below every bid is somebody's mistake, not a fall; prices that go on to be there are one.
    """
    bid, price, waiting = leaving.bid or 0, leaving.price, leaving.waiting
    if leaving.forced:
        return True
    if leaving.stop is not None:
        moves = price is not None and price <= leaving.stop and price != waiting.first_price
        return bid <= leaving.stop * (1 + max_gap) or (moves and waiting.waited_s >= INSIST_S)
    near = price is None or bid >= price * (1 - max_gap)
    return near or waiting.waited_s >= PATIENT_S
