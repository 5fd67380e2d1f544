"""How far a day of the daemon is from the same day of the backtester: every won of the difference, with its cause.

A purchase of the daemon is laid beside what the candles would have given for the same purchase, so that luck in the
draw, a late start and a refusal do not take the blame for the price that was paid. What is left over is slippage, so
the parts always add up to the whole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from notifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

ZERO = Decimal(0)
STEP = Decimal("1e-8")
"""Won a part is told to."""
BASIS_POINTS = Decimal(10_000)


class Cause(StrEnum):
    """Why the two differ."""

    LATE_CANDLE = "late_candle"  # it did not know the candle in time, or knew another one
    DRAW = "draw"  # another market was drawn
    SLIPPAGE = "slippage"  # another price, and what follows from it
    FEE = "fee"  # another fee than was assumed
    RESTART = "restart"  # it did not run
    REFUSAL = "refusal"  # its own rules, or Upbit, said no
    PERSON = "person"  # its owner said so, or moved coins


NAMES: Mapping[Cause, Words] = {
    Cause.LATE_CANDLE: Words("늦거나 다른 캔들", "late or other candle"),
    Cause.DRAW: Words("추첨", "draw"),
    Cause.SLIPPAGE: Words("체결 가격", "slippage"),
    Cause.FEE: Words("수수료", "fee"),
    Cause.RESTART: Words("꺼져 있던 동안", "restart"),
    Cause.REFUSAL: Words("거절", "refusal"),
    Cause.PERSON: Words("사람", "a person"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One position. A position that is still held is worth its market's last close, without a fee."""

    market: str
    entered: datetime  # opening of the candle in which it was bought, UTC
    left: datetime | None  # opening of the candle in which it was sold; None: it is held
    why: str | None  # code of its exit
    volume: Decimal  # units of base currency that were bought
    paid_krw: Decimal  # without fees
    got_krw: Decimal  # without fees; for what is held, what it is worth
    fees_krw: Decimal

    @property
    def profit_krw(self) -> Decimal:
        """What it earned after fees."""
        return self.got_krw - self.paid_krw - self.fees_krw

    @property
    def turnover_krw(self) -> Decimal:
        """What fees are taken of."""
        return self.paid_krw + (self.got_krw if self.left else ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part of the difference."""

    cause: Cause
    market: str
    at: datetime  # the candle in which it began, UTC
    krw: Decimal  # below zero: the daemon earned less


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Both sides of a day, and every part of what lies between them."""

    ours_krw: Decimal  # what the daemon earned
    theirs_krw: Decimal  # what the backtester earned
    capital_krw: Decimal  # what could be in positions at most: basis points are of it
    differences: tuple[Difference, ...]

    @property
    def whole_krw(self) -> Decimal:
        """How much more the daemon earned."""
        return self.ours_krw - self.theirs_krw

    def krw(self, cause: Cause) -> Decimal:
        """Return how much of it one cause made."""
        return sum((one.krw for one in self.differences if one.cause is cause), ZERO)

    def basis_points(self, krw: Decimal) -> Decimal:
        """Return won as basis points of what could be in positions."""
        return BASIS_POINTS * krw / self.capital_krw

    def counts(self) -> Counter[Cause]:
        """Return how many parts each cause has."""
        return Counter(one.cause for one in self.differences)


class Facts(Protocol):
    """What is known of the day besides the deals."""

    def not_bought(self, market: str, entered: datetime) -> Cause:
        """Return why the daemon did not buy what the backtester bought at the opening of a candle."""

    def bought(self, market: str, entered: datetime) -> Cause:
        """Return why the daemon bought in a candle what the backtester did not."""

    def left_otherwise(self, ours: Deal, theirs: Deal) -> Cause:
        """Return why the daemon sold in another candle, or for another reason."""


def compare(
    ours: Iterable[Deal],
    theirs: Iterable[Deal],
    *,
    alone: Callable[[Deal], Deal | None],
    facts: Facts,
    fee_rate: Decimal,
    capital_krw: Decimal,
) -> Divergence:
    """Take the difference between two days apart.

    Args:
        ours: what the daemon bought.
        theirs: what the backtester bought.
        alone: what the candles would have given for a purchase of the daemon that the backtester did not make.
        facts: what explains the rest.
        fee_rate: fraction of the turnover that the backtester paid.
        capital_krw: what could be in positions at most.
    """
    mine, yours = list(ours), list(theirs)
    parts = tuple(differences(mine, yours, alone, facts, fee_rate))
    found = Divergence(
        ours_krw=sum((one.profit_krw for one in mine), ZERO),
        theirs_krw=sum((one.profit_krw for one in yours), ZERO),
        capital_krw=capital_krw,
        differences=tuple(sorted(parts, key=lambda one: (one.at, one.market, one.cause))),
    )
    assert sum((one.krw for one in found.differences), ZERO) == found.whole_krw
    return found


def differences(
    ours: Sequence[Deal],
    theirs: Sequence[Deal],
    alone: Callable[[Deal], Deal | None],
    facts: Facts,
    fee_rate: Decimal,
) -> Iterator[Difference]:
    """Yield every part: of each pair, of what only one side bought, and of what one bought later."""
    left_over = {(deal.market, deal.entered): deal for deal in theirs}
    for deal in sorted(ours, key=lambda one: (one.entered, one.market)):
        same = left_over.pop((deal.market, deal.entered), None)
        if same is not None:
            yield from of_pair(deal, same, Cause.SLIPPAGE, facts, fee_rate)
        elif (earlier := begun_before(deal, left_over.values())) is not None:
            del left_over[earlier.market, earlier.entered]
            yield from of_pair(deal, earlier, facts.not_bought(earlier.market, earlier.entered), facts, fee_rate)
        else:
            cause, would_be = facts.bought(deal.market, deal.entered), alone(deal)
            own = deal.profit_krw if would_be is None else would_be.profit_krw
            yield Difference(cause=cause, market=deal.market, at=deal.entered, krw=own)
            if would_be is not None:
                yield from of_pair(deal, would_be, Cause.SLIPPAGE, facts, fee_rate)
    for deal in left_over.values():
        cause = facts.not_bought(deal.market, deal.entered)
        yield Difference(cause=cause, market=deal.market, at=deal.entered, krw=-deal.profit_krw)


def begun_before(ours: Deal, theirs: Iterable[Deal]) -> Deal | None:
    """Return the other side's position in the same market that was open when ours began."""
    return next(
        (
            deal
            for deal in theirs
            if deal.market == ours.market
            and deal.entered < ours.entered
            and (deal.left is None or ours.entered <= deal.left)
        ),
        None,
    )


def of_pair(ours: Deal, theirs: Deal, entry: Cause, facts: Facts, fee_rate: Decimal) -> Iterator[Difference]:
    """Yield what makes two positions differ: fees, the exit, and the rest, which began with the entry."""
    fee = fee_rate * ours.turnover_krw - ours.fees_krw
    same_exit = (ours.left, ours.why) == (theirs.left, theirs.why)
    leaving = Cause.SLIPPAGE if same_exit else facts.left_otherwise(ours, theirs)
    taken_off = fee_rate if ours.left and theirs.left else ZERO
    worth = theirs.got_krw if ours.volume == theirs.volume else theirs.got_krw * ours.volume / theirs.volume
    exit_ = ((ours.got_krw - worth) * (1 - taken_off)).quantize(STEP)
    rest = ours.profit_krw - theirs.profit_krw - fee - exit_
    if exit_ and abs(rest) < STEP:  # what rounding the exit has left
        exit_, rest = exit_ + rest, ZERO
    for cause, krw in ((Cause.FEE, fee), (leaving, exit_), (entry, rest)):
        if krw:
            yield Difference(cause=cause, market=ours.market, at=ours.entered, krw=krw)
