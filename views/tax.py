"""What a year of trades has earned by the two averages a tax office may ask for: an estimate, never advice.

Total average (총평균법): one average a coin and calendar year in Korea, over what was held at its beginning and all
that was bought in it. Moving average (이동평균법): a new average after every buy. Fees of buys are cost, fees of sales
are taken off what was received. Coins that their owner moved away leave at the average, and earn nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

from journal.queries import YEAR_END
from notifier import formats
from notifier.formats import KST, kst, units
from notifier.words import Words
from upbit.rules import base_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from journal.queries import Queries
    from journal.records import Flow
    from views.executions import Execution

ZERO = Decimal(0)
EXACT = Context(prec=60)
DEDUCTION = Decimal(2_500_000)
RATE = Decimal("0.22")
FIRST_YEAR = 2027
"""From when on the law plans to tax."""
SAYS = Words(
    "추정치이며 세무 자문이 아닙니다. 과세는 2027-01-01부터 예정(기타소득 20 % + 지방세 2 %, 연 2,500,000원 공제)이고, "
    "총평균법은 소득세법 시행령 제88조(2025-02-28 개정)를 따릅니다. 신고 전에 시행 중인 법령을 확인하세요. "
    "이 봇의 거래만 계산하며, 같은 계정의 다른 거래는 들어 있지 않습니다.",
    "This is an estimate and no tax advice. The tax is planned from 2027-01-01 on (20 % and 2 % local tax, 2,500,000 "
    "won a year deducted); the total average follows article 88 of the enforcement decree (as of 2025-02-28). Check "
    "the law in force before you file. Only trades of this bot are counted, no others of the same account.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Coins that came or went: bought, sold, or moved by their owner."""

    at: datetime  # UTC
    coin: str
    kind: str  # "buy", "sale", "in" or "out"
    volume: Decimal  # units, above 0
    krw: Decimal  # what was paid with the fee, received after it, or what coins that came were worth

    @property
    def year(self) -> int:
        """The calendar year in Korea."""
        return (self.at + KST).year

    @property
    def comes(self) -> bool:
        """Return whether it adds coins."""
        return self.kind in {"buy", "in"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the whole account held when a year began in Korea, with coins that no bot has bought."""

    midnight: datetime
    looked_at: datetime  # when the daemon saw it: later where it was not running
    held: Mapping[str, tuple[Decimal, Decimal | None]]  # coin: units, KRW for one at midnight (None: no won market)

    def sentence(self, language: str) -> str:
        """Return it in one line."""
        shown = ", ".join(
            f"{coin} {units(volume)}" + ("" if price is None else f" × {formats.price(price)}")
            for coin, (volume, price) in self.held.items()
        )
        head = Words("보유와 시세", "held, and at which price").say(language)
        seen = Words("확인", "seen").say(language)
        return f"{kst(self.midnight)} {head} ({seen} {kst(self.looked_at)}): {shown or '-'}"


def opening(journal: Queries, year: int) -> Opening | None:
    """Return what was written down when a year began; None when no daemon was there."""
    told = journal.meta(f"{YEAR_END}{year}")
    if told is None:
        return None
    found = json.loads(told)
    return Opening(
        midnight=datetime.fromisoformat(found["midnight"]),
        looked_at=datetime.fromisoformat(found["looked_at"]),
        held={
            coin: (Decimal(one["volume"]), None if one["price"] is None else Decimal(one["price"]))
            for coin, one in found["held"].items()
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinYear:
    """One coin in one year, by one method. KRW and units."""

    coin: str
    proceeds: Decimal  # of sales, after fees
    cost: Decimal  # of what was sold
    held: Decimal  # at the year's end
    held_cost: Decimal
    uncovered: Decimal  # units sold beyond what is known to have been bought: they count as costing nothing

    @property
    def profit(self) -> Decimal:
        """What the sales have earned."""
        return self.proceeds - self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxYear:
    """A year by both averages."""

    year: int
    total_average: tuple[CoinYear, ...]
    moving_average: tuple[CoinYear, ...]

    @staticmethod
    def profit(coins: Iterable[CoinYear]) -> Decimal:
        """Return what a year has earned."""
        return sum((coin.profit for coin in coins), ZERO)


@dataclass
class Pool:
    """What is held of one coin, at what it cost together, and what was sold of it in the year that runs."""

    volume: Decimal = ZERO
    cost: Decimal = ZERO
    proceeds: Decimal = ZERO
    sold_cost: Decimal = ZERO
    uncovered: Decimal = ZERO
    out: list[Movement] = field(default_factory=list)  # of the year, not settled yet: total average only

    def come(self, movement: Movement) -> None:
        """Add coins at what they cost."""
        self.volume += movement.volume
        self.cost += movement.krw

    def go(self, movement: Movement) -> None:
        """Take coins out at the average of this moment."""
        covered = min(movement.volume, self.volume)
        cost = self.cost if covered == self.volume else self.cost * covered / self.volume
        self.volume -= covered
        self.cost -= cost
        if movement.kind == "sale":
            self.proceeds += movement.krw
            self.sold_cost += cost
            self.uncovered += movement.volume - covered

    def begin_year(self) -> None:
        """Forget what was sold in the year before."""
        self.proceeds = self.sold_cost = self.uncovered = ZERO

    def to_coin(self, coin: str) -> CoinYear:
        """Return how the year ended."""
        return CoinYear(
            coin=coin,
            proceeds=self.proceeds,
            cost=self.sold_cost,
            held=self.volume,
            held_cost=self.cost,
            uncovered=self.uncovered,
        )


def movements(found: Iterable[Execution], moved: Iterable[tuple[datetime, str, Flow]]) -> list[Movement]:
    """Return all that came and went, oldest first; dust carried from one trade to the next stays in the wallet."""
    told = [
        Movement(
            at=one.at,
            coin=base_of(one.market),
            kind="buy" if one.side == "bid" else "sale",
            volume=one.volume,
            krw=one.settled,
        )
        for one in found
    ]
    told += [
        Movement(
            at=at,
            coin=base_of(market),
            kind="in" if flow.volume > 0 else "out",
            volume=abs(flow.volume),
            krw=abs(flow.krw or ZERO),
        )
        for at, market, flow in moved
        if flow.why == "taken"
    ]
    return sorted(told, key=lambda one: one.at)


def tax_year(told: Sequence[Movement], year: int) -> TaxYear:
    """Return what a year has earned by both averages."""
    with localcontext(EXACT):
        return TaxYear(
            year=year,
            total_average=tuple(settle(told, year, by_year=True)),
            moving_average=tuple(settle(told, year, by_year=False)),
        )


def settle(told: Sequence[Movement], year: int, *, by_year: bool) -> list[CoinYear]:
    """Go through all years up to one; `by_year`: what goes is settled when all that came in its year is known."""
    pools: dict[str, Pool] = defaultdict(Pool)
    for current in sorted({movement.year for movement in told if movement.year < year} | {year}):
        for pool in pools.values():
            pool.begin_year()
        for movement in (one for one in told if one.year == current):
            pool = pools[movement.coin]
            if movement.comes:
                pool.come(movement)
            elif by_year:
                pool.out.append(movement)
            else:
                pool.go(movement)
        for pool in pools.values():
            for movement in pool.out:
                pool.go(movement)
            pool.out.clear()
    return [pool.to_coin(coin) for coin, pool in sorted(pools.items()) if pool.volume or pool.proceeds]


def tax_of(profit: Decimal) -> Decimal:
    """Return the tax of a year's profit, whole won, cut."""
    return (max(profit - DEDUCTION, ZERO) * RATE).quantize(Decimal(1), rounding=ROUND_DOWN)
