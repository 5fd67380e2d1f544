"""Circuit breakers on what trading has earned, open trades at their price of now included.

Losses are fractions of the budget: the most won that can be in positions at one time (`config.most_spent`). Losing
streaks of twenty and drawdowns of 40 % are normal for the default strategy, so the defaults are wide. A breaker stops
buys, not exits; only a person resets it, and then it measures from there on.
"""

from __future__ import annotations

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
WORTH_WRITING = Decimal("0.001")
"""A new peak is written down when it is this fraction of the budget above the one written before."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What profits are measured from, KRW since the journal began; kept over restarts."""

    day: str  # in Korea, "2026-11-02"
    day_base: Decimal  # profit when the day began
    peak: Decimal  # highest profit so far
    tripped: tuple[str, ...] = ()  # breakers that have fired and were not reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss beyond its limit."""

    code: str
    loss_krw: Decimal
    fraction: Decimal


def profit_now(realised: Decimal, open_trades: Iterable[Trade], prices: Mapping[str, Price | None]) -> Decimal:
    """Return all profit so far after fees, KRW; a trade whose price is not known yet counts as worth what it cost."""
    return realised + total(gained(trade, prices.get(trade.market)) for trade in open_trades)


def gained(trade: Trade, price: Price | None) -> Decimal:
    """Return what an open trade has earned and its coins are worth, KRW; nothing while their price is not known."""
    return trade.profit_krw + trade.volume * price.price if price is not None else ZERO


def renew(mark: Mark | None, profit: Decimal, day: str, standing: Iterable[str]) -> Mark:
    """Return what is measured from now: a new day, a new peak, and what a person has reset begins here."""
    if mark is None:
        return Mark(day=day, day_base=profit, peak=profit)
    reset = set(mark.tripped) - set(standing)
    base = profit if day != mark.day or DAY_LOSS in reset else mark.day_base
    peak = profit if DRAWDOWN in reset else max(mark.peak, profit)
    tripped = tuple(code for code in mark.tripped if code not in reset)
    return Mark(day=day, day_base=base, peak=peak, tripped=tripped)


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

    async def measure() -> None:
        look(app, await app.state.trading_dict.snapshot())

    await keep_going("equity", every(LOOK_S, app.stop), measure, health=app.health, stop=app.stop)


def look(app: App, prices: Mapping[str, Price | None]) -> None:
    """Measure once, stop buys where a limit is broken, and write down what is measured from."""
    before, trades = read_mark(app.journal), app.journal.open_trades()
    profit = profit_now(app.journal.realised(), trades, prices)
    if before is None or all(prices.get(trade.market) for trade in trades):
        mark = renew(before, profit, f"{app.clock() + KST:%Y-%m-%d}", (halt.code for halt in app.control.reasons))
    else:
        mark = before  # a trade valued at its cost must neither raise the peak nor begin a day
    for loss in losses_over(app.config, mark, profit):
        if loss.code in mark.tripped:
            continue
        mark = msgspec.structs.replace(mark, tripped=(*mark.tripped, loss.code))
        ko, en = WORDS[loss.code]
        won, percent = f"{loss.loss_krw:.0f}", f"{100 * loss.fraction:.1f}"
        app.control.halt_buys(loss.code, ko=ko, en=en, loss_krw=won, percent=percent)
    if before is None or is_news(before, mark, most_spent(app.config)):
        app.journal.set_meta(META, msgspec.json.encode(mark).decode())


def is_news(before: Mark, after: Mark, budget: Decimal) -> bool:
    """Return whether a mark should be written down: not for every won that the peak has risen."""
    if (before.day, before.day_base, before.tripped) != (after.day, after.day_base, after.tripped):
        return True
    return after.peak < before.peak or after.peak - before.peak >= budget * WORTH_WRITING


def read_mark(journal: Journal) -> Mark | None:
    """Return what was written down."""
    text = journal.meta(META)
    return None if text is None else msgspec.json.decode(text, type=Mark)
