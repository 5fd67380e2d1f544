"""What the journal is told before anything is sent: a trade and its buy, or its next sale, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Intent, IntentState, Trade
from trader.orders import names, protocol, risk
from upbit.models import NewOrder, Side
from upbit.rules import plain, rounded_average

if TYPE_CHECKING:
    from strategy.base import Entry, Exit, Snapshot
    from trader.app import App

SELL_WITHIN = timedelta(seconds=10)
"""A sale that was not sent this long after its decision is given up and decided anew: so much may have moved since."""
BUY_WITHIN = timedelta(seconds=10)
"""A buy that was not sent this long after its decision is given up: the price it was decided on is history."""


def plan_entry(app: App, snapshot: Snapshot, entry: Entry, plan: risk.BuyPlan) -> tuple[Trade, Intent]:
    """Return the records of a new trade and of its buy. The name of both is a function of market and candle."""
    now = app.clock()
    name = names.trade_name(snapshot.market, snapshot.candle_closed_at)
    trade = Trade(
        id=names.trade_id_of(app.bot, name),
        market=snapshot.market,
        strategy=app.strategy.name,
        unit=app.candles.unit,
        decided_at=now,
        entry_reason=words(entry) | expected(plan.expected_price, plan.slippage),
        stop_distance=Decimal(repr(entry.stop_distance)) if entry.stop_distance else None,
    )
    key = names.decision_key_of(name, Side.BID, 0)
    order = NewOrder(
        market=snapshot.market, side=Side.BID, total=plan.total, identifier=names.identifier_of(app.bot, key, 0)
    )
    return trade, new_intent(trade, order, decision_key=key, number=0, now=now, deadline=now + BUY_WITHIN)


def plan_exit(app: App, trade: Trade, volume: Decimal) -> Intent:
    """Return the record of the next sell of a trade: another leg after one that was executed, in part or wholly.

    Its number grows only where the one before it has provably not been executed.
    """
    now = app.clock()
    sells = [intent for intent in app.journal.intents_of(trade.id) if intent.side is Side.ASK]
    ended = [intent.decision_key for intent in sells if intent.state is IntentState.FINAL]
    leg = max((names.leg_of(key) + 1 for key in ended), default=0)  # adopted legs may begin above 0
    key = names.decision_key_of(names.name_in(trade.id), Side.ASK, leg)
    number = sum(intent.decision_key == key for intent in sells)
    order = NewOrder(
        market=trade.market, side=Side.ASK, volume=volume, identifier=names.identifier_of(app.bot, key, number)
    )
    return new_intent(trade, order, decision_key=key, number=number, now=now, deadline=now + SELL_WITHIN)


def new_intent(
    trade: Trade, order: NewOrder, *, decision_key: str, number: int, now: datetime, deadline: datetime | None
) -> Intent:
    """Return the record of an order that is about to be sent."""
    return Intent(
        identifier=order.identifier,
        decision_key=decision_key,
        n=number,
        trade_id=trade.id,
        market=order.market,
        side=order.side,
        request=protocol.request_of(order),
        decided_at=now,
        deadline=deadline,
    )


def expected(price: Decimal, slippage: Decimal) -> dict[str, object]:
    """Return what the book promised, to be compared with what came."""
    return {"expected_price": plain(rounded_average(price)), "expected_slippage": f"{slippage:.6f}"}


def words(answer: Entry | Exit) -> dict[str, object]:
    """Return a reason as the journal keeps it."""
    reason = answer.reason
    return {"code": reason.code, "ko": reason.ko, "en": reason.en, "numbers": dict(reason.numbers)}
