"""Circuit breakers on what trading has earned, open trades at their price of now included.

Losses are fractions of the budget: the most won that can be in positions at one time (`config.most_spent`). Losing
streaks of twenty and drawdowns of 40 % are normal for the default strategy, so the defaults are wide. A breaker stops
buys, not exits; only a person resets it, and then it measures from there on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from config.settings import most_spent
from journal.records import ZERO
from journal.rows import total
from strategy.portfolio import KST
from trader.loops import every, keep_going

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from config.settings import Config
    from journal.journal import Journal
    from journal.records import Trade
    from state import Price
    from trader.app import App

LOOK_S = 5.0
META = "equity"
DAY_LOSS, DRAWDOWN = "day_loss", "drawdown"
LOOKS = 3
"""How many prices of a market are kept: the middle one of them is believed."""
WORTH_WRITING = Decimal("0.001")
"""A new peak is written down when it is this fraction of the budget above the one written before."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What profits are measured from, KRW since the journal began; kept over restarts with the prices it rests on."""

    day: str  # in Korea, "2026-11-02"
    day_base: Decimal  # profit when the day began
    peak: Decimal  # highest profit so far
    tripped: tuple[str, ...] = ()  # breakers that have fired and were not reset
    prices: dict[str, Decimal] = msgspec.field(default_factory=dict)  # of what was held when this was written


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss beyond its limit."""

    code: str
    loss_krw: Decimal
    fraction: Decimal


class Valuation:
    """What the coins of open trades cost now: of each market the middle of the last three prices.

    So one absurd price neither raises a peak nor trips a breaker, and a market without a price for days keeps its last.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[Decimal]] = {}

    def take(
        self, trades: Iterable[Trade], prices: Mapping[str, Price | None], written: Mapping[str, Decimal]
    ) -> dict[str, Decimal]:
        """Take another look, and return a price of each market that is held, KRW.

        Args:
            trades: those that are open.
            prices: the last trade of each market; None where it is not known.
            written: prices of before a restart. What has none begins at what its trade has cost.
        """
        held = {trade.market: trade for trade in trades if trade.bought > 0}
        self._seen = {market: self._seen.get(market, deque(maxlen=LOOKS)) for market in held}
        for market, seen in self._seen.items():
            price = prices.get(market)
            if not seen:
                seen.extend([written.get(market, held[market].cost_krw / held[market].bought)] * (LOOKS - 1))
            if price is not None:
                seen.append(price.price)
        return {market: sorted(seen)[1] for market, seen in self._seen.items()}


def profit_now(realised: Decimal, open_trades: Iterable[Trade], prices: Mapping[str, Decimal]) -> Decimal:
    """Return all profit so far after fees, KRW; a trade that never had a price counts as worth what it cost."""
    return realised + total(gained(trade, prices.get(trade.market)) for trade in open_trades)


def gained(trade: Trade, price: Decimal | None) -> Decimal:
    """Return what an open trade has earned and its coins are worth, KRW; nothing while their price is not known."""
    return trade.profit_krw + trade.volume * price if price is not None else ZERO


def renew(mark: Mark | None, profit: Decimal, day: str, standing: Iterable[str]) -> Mark:
    """Return what is measured from now: a new day, a new peak, and what a person has reset begins here."""
    if mark is None:
        return Mark(day=day, day_base=profit, peak=profit)
    reset = set(mark.tripped) - set(standing)
    base = profit if day != mark.day or DAY_LOSS in reset else mark.day_base
    peak = profit if DRAWDOWN in reset else max(mark.peak, profit)
    tripped = tuple(code for code in mark.tripped if code not in reset)
    return msgspec.structs.replace(mark, day=day, day_base=base, peak=peak, tripped=tripped)


def losses_over(config: Config, mark: Mark, profit: Decimal) -> list[Loss]:
    """Return the limits that are broken."""
    budget = most_spent(config)
    day_loss, fall = mark.day_base - profit, mark.peak - profit
    lost = {
        DAY_LOSS: (day_loss, day_loss / budget, config.risk.max_day_loss),
        DRAWDOWN: (fall, fall / (budget + max(mark.peak, ZERO)), config.risk.max_drawdown),
    }
    return [Loss(code=code, loss_krw=won, fraction=part) for code, (won, part, most) in lost.items() if part >= most]


WORDS = {
    DAY_LOSS: (
        "오늘(KST)의 손실이 한도(risk.max_day_loss)를 넘어 매수를 멈췄습니다. 보유 종목의 매도는 계속합니다.",
        "Today's loss (KST) is over its limit (risk.max_day_loss), so buys have stopped. Exits go on.",
    ),
    DRAWDOWN: (
        "최고 수익에서의 하락이 한도(risk.max_drawdown)를 넘어 매수를 멈췄습니다. 보유 종목의 매도는 계속합니다.",
        "The fall from the highest profit is over its limit (risk.max_drawdown), so buys have stopped. Exits go on.",
    ),
}


async def watch_equity(app: App) -> None:
    """Measure every few seconds, until the stop."""
    worth = Valuation()

    async def measure() -> None:
        look(app, worth, await app.state.trading_dict.snapshot())

    await keep_going("equity", every(LOOK_S, app.stop), measure, health=app.health, stop=app.stop)


def look(app: App, worth: Valuation, prices: Mapping[str, Price | None]) -> None:
    """Measure once, stop buys where a limit is broken, and write down what is measured from."""
    before, trades = read_mark(app.journal), app.journal.open_trades()
    known = worth.take(trades, prices, before.prices if before else {})
    profit = profit_now(app.journal.realised(), trades, known)
    mark = renew(before, profit, f"{app.clock() + KST:%Y-%m-%d}", (halt.code for halt in app.control.reasons))
    for loss in losses_over(app.config, mark, profit):
        if loss.code in mark.tripped:
            continue
        mark = msgspec.structs.replace(mark, tripped=(*mark.tripped, loss.code))
        ko, en = WORDS[loss.code]
        won, percent = f"{loss.loss_krw:.0f}", f"{100 * loss.fraction:.1f}"
        app.control.halt_buys(loss.code, ko=ko, en=en, loss_krw=won, percent=percent)
    mark = msgspec.structs.replace(mark, prices=known)
    if before is None or is_news(before, mark, most_spent(app.config)):
        app.journal.set_meta(META, msgspec.json.encode(mark).decode())


def is_news(before: Mark, after: Mark, budget: Decimal) -> bool:
    """Return whether a mark should be written down: not for every won that the peak has risen."""
    if (before.day, before.day_base, before.tripped) != (after.day, after.day_base, after.tripped):
        return True
    if before.prices.keys() != after.prices.keys():
        return True
    return after.peak < before.peak or after.peak - before.peak >= budget * WORTH_WRITING


def read_mark(journal: Journal) -> Mark | None:
    """Return what was written down."""
    text = journal.meta(META)
    return None if text is None else msgspec.json.decode(text, type=Mark)
