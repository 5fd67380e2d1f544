"""Adopt an order of ours that nobody followed: buy nothing more, and write it down under the trade it belongs to.

Why such a trade began is not known, nor its stop, which is computed anew from the candles of now.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from journal.records import Intent, IntentState, Phase, Trade
from strategy.portfolio import stop_price
from trader.orders import names
from trader.trades.positions import average_price, hold_again, reserve
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.journal import Journal
    from state import State
    from trader.app import App
    from trader.control import Control
    from upbit.models import Order

ADOPTED = "adopted"
"""Why a trade was begun that was found at the exchange."""


def halt_buys_on_unknown(control: Control, order: Order) -> None:
    """Buy nothing more: another daemon may trade this account, or the journal is older than its orders."""
    control.halt_buys(
        "unknown_order",
        ko=f"기록에 없던 우리 주문({order.market} {order.identifier})을 업비트에서 찾아 기록에 넣습니다. "
        "같은 계정으로 도는 다른 데몬이 없는지, 옛 백업을 되돌린 것은 아닌지 확인한 뒤 resume 하세요.",
        en=f"An order of ours that the journal did not know ({order.market} {order.identifier}) was found at Upbit "
        "and is being written down. Make sure that no other daemon trades this account, then resume.",
        market=order.market,
        uuid=order.uuid,
    )


def adopt(app: App, order: Order, name: names.Name, *, idle: bool) -> None:
    """Write an order of ours down that the journal does not know."""
    trade = trade_for(app, order, name, idle=idle)
    note = app.messages.adopted(order, at=app.clock())
    app.journal.adopt(trade, adopted_intent(app.clock, trade, order, name), order.fills, order.paid_fee, [note])
    app.tell("adopted", level=logging.WARNING, market=order.market, identifier=order.identifier)


def see_after_all(app: App, order: Order, known: Intent) -> None:
    """Write down that an order was executed although it should not exist."""
    note = app.messages.adopted(order, at=app.clock())
    app.journal.see_after_all(known, order.uuid, order.fills, order.paid_fee, [note])
    app.tell("executed_after_all", level=logging.ERROR, market=order.market, identifier=order.identifier)


def trade_for(app: App, order: Order, name: names.Name, *, idle: bool = True) -> Trade:
    """Return the trade an unknown order belongs to: the open one of its market, or the one it is named after.

    A buy of another name ends an open trade of which nothing but orders is known, and takes over what it left: the
    trade goes by the same name, and its sale by the same identifier, wherever its orders are read.
    """
    other = app.journal.open_trade_in(order.market)
    begins = order.side is Side.BID and not app.journal.knows_trade(names.trade_id_of(app.bot, name.trade))
    if other is not None and begins and idle and other.entry_reason.get("code") == ADOPTED:
        app.journal.close_trade(other.id, closed_at=created_at(order) or app.clock(), dust=other.volume)
        other = None
    return other or adopted_trade(app, order, name)


def adopted_trade(app: App, order: Order, name: names.Name) -> Trade:
    """Return the trade an order belongs to, by its name. Why it began is not known, and so is its stop."""
    trade_id = names.trade_id_of(app.bot, name.trade)
    if app.journal.knows_trade(trade_id):
        return app.journal.trade(trade_id)
    return Trade(
        id=trade_id,
        market=order.market,
        strategy=app.strategy.name,
        unit=app.candles.unit,
        decided_at=name.candle_closed_at,
        entry_reason={"code": ADOPTED, "ko": "업비트에서 되찾은 주문", "en": "found at Upbit"},
        stop_distance=None,
    )


def adopted_intent(clock: Callable[[], datetime], trade: Trade, order: Order, name: names.Name) -> Intent:
    """Return the record of an order that is over, rebuilt from what the exchange shows."""
    return Intent(
        identifier=name.identifier,
        decision_key=name.decision_key,
        n=name.number,
        trade_id=trade.id,
        market=order.market,
        side=order.side,
        request=msgspec.json.encode(request_of(order, name.identifier)).decode(),
        decided_at=created_at(order) or clock(),
        deadline=None,
        state=IntentState.FINAL,
        uuid=order.uuid,
    )


def created_at(order: Order) -> datetime | None:
    """Return when the exchange took an order, UTC; None when it does not say so in a way we know."""
    try:
        return datetime.fromisoformat(order.created_at).astimezone(UTC)
    except ValueError:
        return None


def request_of(order: Order, identifier: str) -> NewOrder:
    """Return the request an order came of."""
    total, volume = (order.price, None) if order.side is Side.BID else (None, order.volume)
    return NewOrder(market=order.market, side=order.side, identifier=identifier, total=total, volume=volume)


def needs_stop(trade: Trade) -> bool:
    """Return whether what a trade has bought was found at the exchange, and no stop was written down for it yet."""
    meant = trade.entry_reason.get("code") == ADOPTED or trade.stop_distance is not None
    return meant and trade.stop_price is None and trade.phase is not Phase.ENTERING and bool(trade.bought)


async def lacks_stop(state: State, journal: Journal) -> bool:
    """Return whether a position has no stop because no candles are known yet since the start."""
    if await state.snapshot_dict.snapshot():
        return False
    return any(needs_stop(trade) for trade in journal.open_trades())


async def without_candles(state: State, journal: Journal) -> frozenset[str]:
    """Return the markets of positions that have no stop because no candles of theirs are known yet."""
    known = await state.snapshot_dict.snapshot()
    return frozenset(trade.market for trade in journal.open_trades() if needs_stop(trade)) - known.keys()


async def stop_distance(app: App, trade: Trade) -> Decimal | None:
    """Return how far below its entry a trade is to be sold, KRW; None while nobody knows, or when it has no stop."""
    snapshot = (await app.state.snapshot_dict.snapshot()).get(trade.market)
    if trade.stop_distance is not None or snapshot is None:
        return trade.stop_distance
    distance = app.strategy.enter(snapshot, app.parameters).stop_distance
    return None if distance is None or not math.isfinite(distance) else Decimal(repr(distance))


async def give_stop(app: App, trade: Trade) -> None:
    """Give a trade that was found at the exchange its stop: as it was decided, else by the candles of now."""
    distance = await stop_distance(app, trade) if needs_stop(trade) else None
    if distance is None:
        return
    stop = stop_price(average_price(app.journal.fills_of_trade(trade.id, "bid")), distance)
    if stop is not None and await reserve(app.state, trade.market, Phase.HOLDING, Phase.SELLING):
        app.journal.set_stop(trade.id, stop)
        await hold_again(app, trade.market)
        app.tell("stop_anew", level=logging.WARNING, market=trade.market, stop=stop)
