"""How wrong paper is: each real order beside what the same order would have got on paper, and what that proves.

Basis points are of the price on paper, above zero where reality was worse. A mean stands with the interval that holds
the true one in 95 of 100 such samples (Student); of fewer than ten orders nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING

from notifier.words import Words
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

BASIS_POINTS = 10_000
LEAST = 10
"""Orders from which an interval is told."""
SURE = 0.95
SIDES = ((Side.BID, Words("매수", "buys")), (Side.ASK, Words("매도", "sells")))
SIZES = (Decimal(100_000), Decimal(1_000_000))
TURNOVERS = (Decimal(200_000_000), Decimal(1_000_000_000))
"""Won at which a class of orders ends and the next begins; those of turnover are the backtester's of slippage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One order that was filled, and the same on paper."""

    market: str
    side: Side
    at: datetime  # when it was sent, UTC
    krw: Decimal  # what was turned over
    real_price: Decimal  # average, KRW per unit
    paper_price: Decimal
    turnover_24h: Decimal | None  # of its market, KRW; None where nothing told it

    @property
    def worse_bp(self) -> float:
        """How much worse reality was, in basis points of the price on paper."""
        ratio = float(self.real_price / self.paper_price) - 1
        return BASIS_POINTS * (ratio if self.side is Side.BID else -ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What some orders say about paper, in basis points."""

    orders: int
    mean: float | None = None  # None: too few to tell
    low: float | None = None
    high: float | None = None

    @property
    def tells(self) -> bool:
        """Whether it says more than nothing: zero is not among what may be true."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Orders of a kind."""

    name: Words
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """All orders, those of each side, size and turnover, and how many have no paper beside them."""

    everything: Estimate
    groups: tuple[Group, ...]
    without_paper: int  # the tape says nothing of their moment

    def sentence(self, language: str) -> str:
        """Return what is known, in one sentence."""
        one = self.everything
        if one.mean is None or one.low is None or one.high is None:
            return Words(
                f"아직 말할 수 없습니다: 비교할 주문이 {one.orders}건뿐입니다 ({LEAST}건부터).",
                f"Too little to tell: there are {one.orders} orders to compare, {LEAST} are needed.",
            ).say(language)
        span = f"{one.low:+.1f} ~ {one.high:+.1f} bp"
        if not one.tells:
            return Words(
                f"실제와 모의의 차이를 아직 구별할 수 없습니다: 주문 {one.orders}건, 95% 구간 {span}.",
                f"Paper cannot be told from reality yet: {one.orders} orders, 95 % interval {span}.",
            ).say(language)
        return Words(
            f"실제는 모의보다 평균 {one.mean:+.1f} bp 나쁩니다: 주문 {one.orders}건, 95% 구간 {span}.",
            f"Reality is {one.mean:+.1f} bp worse than paper on average: {one.orders} orders, 95 % interval {span}.",
        ).say(language)


def shadow_of(pairs: Sequence[Pair], *, without_paper: int = 0) -> Shadow:
    """Say of all orders, and of each kind of them, how wrong paper is."""
    kinds = [(side_name, [one for one in pairs if one.side is side]) for side, side_name in SIDES]
    kinds += classes("주문", "order", SIZES, [(one.krw, one) for one in pairs])
    known = [(one.turnover_24h, one) for one in pairs if one.turnover_24h is not None]
    kinds += classes("24시간 거래대금", "24 h turnover", TURNOVERS, known)
    return Shadow(
        everything=estimate(pairs),
        groups=tuple(Group(name=name, estimate=estimate(some)) for name, some in kinds),
        without_paper=without_paper,
    )


def classes(
    ko: str, en: str, edges: Sequence[Decimal], pairs: Sequence[tuple[Decimal, Pair]]
) -> list[tuple[Words, list[Pair]]]:
    """Return the classes between some sums of won, each with its name and its orders."""
    found = []
    for low, high in zip((Decimal(0), *edges), (*edges, None), strict=True):
        span = f"{low:,.0f}+" if high is None else f"{low:,.0f} ~ {high:,.0f}"
        some = [pair for krw, pair in pairs if low <= krw and (high is None or krw < high)]
        found.append((Words(f"{ko} {span}원", f"{en} {span} KRW"), some))
    return found


def estimate(pairs: Iterable[Pair]) -> Estimate:
    """Return how much worse reality was on average, and the interval around it; nothing of too few."""
    known = [one.worse_bp for one in pairs]
    if len(known) < LEAST:
        return Estimate(orders=len(known))
    mean = fmean(known)
    reach = student(SURE, len(known) - 1) * stdev(known) / sqrt(len(known))
    return Estimate(orders=len(known), mean=mean, low=mean - reach, high=mean + reach)


def student(sure: float, freedom: int) -> float:
    """Return how many standard errors an interval reaches to each side.

    Source: Abramowitz and Stegun, 26.7.5: the first terms of the expansion of Student's quantile around the normal one.
    From nine degrees of freedom on it is right to 0.002.
    """
    z = NormalDist().inv_cdf(0.5 + sure / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
