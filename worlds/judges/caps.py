"""The limits a bot is given, held against what the exchange saw: caps of an order, a market, a day; the breakers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.judges.books import ZERO
from worlds.judges.names import candle_of, is_fence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sandbox.exchange.orders import Order
    from worlds.story import Story

KOREA = timedelta(hours=9)
SUSTAINED_S = 150.0
"""A profit counts as reached, and a loss as lasting, when it was so for so long: every look in between has seen it."""
MARGIN = Decimal("0.005")
"""Of the budget: the last trade and the book value coins a little differently."""
SLIPPED = Decimal("1.1")
"""What coins that were taken may cost more when the bot notices it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the bot was told. Money in KRW, losses as fractions of the most that can be in positions at one time."""

    order_krw: Decimal
    market_krw: Decimal
    day_krw: Decimal
    max_open_trades: int
    max_day_loss: Decimal = Decimal(1)
    max_drawdown: Decimal = Decimal(1)
    unit: timedelta  # of the strategy's candles

    @property
    def budget(self) -> Decimal:
        """Return the most that can be in positions at one time."""
        return self.max_open_trades * min(self.order_krw, self.market_krw)


def start_of_day(now: datetime) -> datetime:
    """Return when the day in Korea began."""
    korean = now + KOREA
    return korean.replace(hour=0, minute=0, second=0, microsecond=0) - KOREA


def spent_today(buys: Iterable[Order], now: datetime) -> Decimal:
    """Return what buys have cost that were surely decided on this day in Korea; an open one may cost all of its total.

    A decision falls between the end of its candle and the arrival of its order.
    """
    began, spent = start_of_day(now), ZERO
    for order in buys:
        candle = candle_of(str(order.asked.identifier))
        if order.asked.side != "bid" or is_fence(order) or candle is None or candle < began:
            continue
        paid = order.executed_funds + order.paid_fee
        spent += max(paid, order.asked.price or ZERO) if order.open else paid
    return spent


def broken_caps(limits: Limits, total: Decimal, spent: Decimal) -> list[str]:
    """Return which caps a new buy of `total` won breaks, with so much `spent` today before it.

    Nothing else may be in its market, so that its total is all that counts there.
    """
    caps = {
        "an order": (total, limits.order_krw),
        "a market": (total, limits.market_krw),
        "a day": (spent + total, limits.day_krw),
    }
    return [name for name, (spends, most) in caps.items() if spends > most]


class Breakers:
    """I27: measures what trading has earned, and knows when nothing may be bought any more."""

    def __init__(self, limits: Limits, story: Story) -> None:
        self._limits = limits
        self._story = story
        self._recent: deque[tuple[float, Decimal]] = deque()
        self._day: datetime | None = None
        self._day_from = ZERO  # the lowest profit from which the bot may measure the loss of this day
        self._settled = self._blind = False  # whether that is known by now; whether nobody can know it
        self._peak: Decimal | None = None
        self.tripped: tuple[datetime, str] | None = None

    def resumed(self) -> None:
        """Take notice that a person lets the bot go on: it measures from here on, or still from where the day began."""
        self._recent.clear()
        self._settled, self._peak, self.tripped = False, None, None

    def journal_lost(self) -> None:
        """Take notice that what was measured before is lost: until tomorrow nobody knows where the day began."""
        self.resumed()
        self._blind = True

    def withdrawn(self, worth: Decimal) -> None:
        """Take notice that coins left that cost so many won: the bot counts them as withdrawn once it sees it."""
        self._recent.clear()
        self._peak = None
        self._day_from -= worth * SLIPPED

    def look(self, now_s: float, profit: Decimal, *, sees: bool) -> None:
        """Measure once.

        Args:
            now_s: loop time.
            profit: KRW since the beginning, with what is held at its price of now.
            sees: whether the bot can see what there is to see.
        """
        today = start_of_day(self._story.clock())
        if today != self._day:
            self._day, self._day_from, self._settled, self._blind = today, profit, False, False
        if not self._settled:
            self._day_from = min(self._day_from, profit)
        if not sees:
            self._recent.clear()
            return
        self._recent.append((now_s, profit))
        while len(self._recent) > 1 and now_s - self._recent[1][0] >= SUSTAINED_S:
            self._recent.popleft()
        if now_s - self._recent[0][0] < SUSTAINED_S:
            return
        worst, best = (pick(value for _, value in self._recent) for pick in (min, max))
        self._settled = True
        self._peak = worst if self._peak is None else max(self._peak, worst)
        self._judge(ZERO if self._blind else self._day_from - best, self._peak - best, self._peak)

    def _judge(self, day_loss: Decimal, fall: Decimal, peak: Decimal) -> None:
        limits, budget = self._limits, self._limits.budget
        over = {
            "day_loss": day_loss / budget >= limits.max_day_loss + MARGIN,
            "drawdown": fall / (budget + max(peak, ZERO)) >= limits.max_drawdown + MARGIN,
        }
        for name in [name for name, is_over in over.items() if is_over and self.tripped is None]:
            self.tripped = self._story.clock(), name
            self._story.counts["breaker_" + name] += 1
            self._story.seen["breaker_" + name, "none"] += 1
            self._story.tell("checker", "a breaker must have tripped", name=name)

    def on_buy(self, identifier: str) -> None:
        """Look whether a buy was decided after a breaker must have tripped."""
        candle = candle_of(identifier)
        if self.tripped is not None and candle is not None and candle >= self.tripped[0]:
            since, name = self.tripped
            self._story.breach("I27 a buy beyond a loss", identifier=identifier, breaker=name, since=str(since))
