"""What a trade holds, in the journal and in the shared dicts, and how it is held on to or let go."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Phase
from journal.rows import total
from journal.scans import Rest
from strategy.base import Position

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from journal.journal import Journal
    from journal.records import Fill, Trade
    from state import State
    from trader.app import App


def last_fill_at(journal: Journal, trade: Trade) -> datetime:
    """Return when the trade last bought or sold something."""
    return max((fill.at for fill in journal.fills_of_trade(trade.id, "bid", "ask")), default=trade.decided_at)


def average_price(fills: list[Fill]) -> Decimal:
    """Return the average price of some fills, KRW; zero of those of nothing, which an old journal may hold."""
    volume = total(fill.volume for fill in fills)
    return total(fill.funds for fill in fills) / volume if volume else Decimal(0)


def position_of(journal: Journal, trade: Trade) -> Position:
    """Return what a trade holds, read from the journal."""
    average = average_price(journal.fills_of_trade(trade.id, "bid"))
    return Position(
        market=trade.market,
        entry_price=average,
        volume=journal.position_volume(trade.id),
        opened_at=trade.opened_at or trade.decided_at,
        stop_price=trade.stop_price,
        highest_price=trade.highest_price or average,
    )


async def reserve(state: State, market: str, now: Phase, then: Phase) -> bool:
    """Move a trade from one phase to the next; False when somebody else already did."""
    async with state.active_trade.locked() as active:
        trade = active.get(market)
        if trade is None or trade.phase != now:
            return False
        active[market] = replace(trade, phase=then)
        return True


async def note_trade_id(state: State, market: str, trade_id: str) -> None:
    """Tie a trade of the shared dicts to its name in the journal."""
    async with state.active_trade.locked() as active:
        active[market] = replace(active[market], trade_id=trade_id)


async def hold_again(app: App, market: str) -> None:
    """Mark a trade as holding, with its position as the journal knows it."""
    async with app.state.active_trade.locked() as active:
        trade = active[market]
        position = position_of(app.journal, app.journal.trade(trade.trade_id))
        active[market] = replace(trade, phase=Phase.HOLDING, position=position)


async def hold_or_end(app: App, trade_id: str) -> None:
    """Hold what is left of a trade that was not sold; end it when its owner has taken all of it meanwhile."""
    trade = app.journal.trade(trade_id)
    if trade.closed_at is not None:  # by orders that were not known; another one may stand in its place by now
        active = (await app.state.active_trade.snapshot()).get(trade.market)
        if active is not None and active.trade_id == trade_id:
            await let_go(app, trade.market)
        return
    if app.journal.position_volume(trade_id) > 0:
        await hold_again(app, trade.market)
    else:
        await end_taken(app, trade)


async def end_taken(app: App, trade: Trade) -> None:
    """End a trade all of whose coins its owner has taken away."""
    reason: dict[str, object] = {"code": "taken", "ko": "사용자가 코인을 옮김", "en": "the user moved the coins"}
    await end(app, trade, dust=Decimal(0), reason=reason)


async def end(app: App, trade: Trade, *, dust: Decimal, reason: dict[str, object] | None = None) -> None:
    """Close a trade in the journal, with its message, and take its market out of the shared dicts."""
    now = app.clock()
    trade = replace(trade, exit_reason=trade.exit_reason or reason)
    note = app.messages.sold(trade, name=await app.name_of(trade.market), dust=dust, at=now)
    app.journal.close_trade(trade.id, closed_at=now, dust=dust, reason=reason, notes=[note])
    app.tell("sold", market=trade.market, reason=(trade.exit_reason or {}).get("code"), profit_krw=trade.profit_krw)
    await let_go(app, trade.market)


async def leave_alone(app: App, market: str, rest: timedelta, why: str) -> None:
    """Draw a market no more for a while; the journal keeps until when, and the code of why."""
    now = app.clock()
    async with app.state.resting.locked() as resting:
        resting[market] = now + rest
    app.journal.record_rest(Rest(market=market, at=now, until=now + rest, why=why))


async def stand_back(app: App, market: str, rest: timedelta, why: str) -> None:
    """Leave a market alone for a while, also when it was drawn already; a trade in which something moves goes on."""
    await leave_alone(app, market, rest, why)
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as active:
        if market not in active or active[market].phase is Phase.ENTERING:
            trading.pop(market, None)
            active.pop(market, None)


async def let_go(app: App, market: str) -> None:
    """Take a market whose trade has ended out of the shared dicts."""
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as active:
        trading.pop(market, None)
        active.pop(market, None)
