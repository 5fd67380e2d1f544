"""Starting and recovering are one path: read the journal, ask Upbit, correct the state, then trade.

After this every open trade of the journal stands in the shared dicts again with its old entry, stop and highest price,
and every order whose outcome nobody wrote down is UNKNOWN: `execute_trades` carries both on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from journal.records import IntentState
from state import ActiveTrade
from trader.decisions import BUYING, HOLDING, SELLING
from trader.orders import protocol
from trader.trades.positions import position_of
from upbit.errors import OrderNotFound

if TYPE_CHECKING:
    from journal.records import Intent, Trade
    from trader.app import App

log = logging.getLogger("trader.recovery")

ACCOUNT, KEY = "account", "key"
"""Facts the journal keeps: what names its orders, and the fingerprint of the key that was used last."""


class WrongAccountError(Exception):
    """The journal belongs to another account."""

    def __init__(self) -> None:
        self.ko = (
            "이 데이터 폴더의 기록은 다른 API 키(계정)의 것입니다. "
            "그 키를 쓰거나 BOT_DATA_DIR로 다른 폴더를 지정하세요."
        )
        self.en = (
            "The journal in this data folder belongs to another API key (account). "
            "Use that key, or name another folder with BOT_DATA_DIR."
        )
        super().__init__(self.en)


async def recover(app: App) -> None:
    """Bring the journal and the shared dicts to where trading can go on.

    A trade whose records break a rule halts everything: the daemon lives on to say so, instead of dying at every start.

    Raises:
        WrongAccountError: when the journal was written for another account.
        ExchangeError: when the keys are new and the exchange does not say whose they are.
    """
    await check_account(app)
    for intent in app.journal.live_intents():
        settle_intent(app, intent)
    for trade in app.journal.open_trades():
        try:
            await resume(app, trade)
        except AssertionError as breach:
            app.health.on_breach(trade.market, breach)


async def check_account(app: App) -> None:
    """Claim a new journal, refuse one of another account, and recognise a new key of the same account.

    A key lives for a year at most. The account is the same when it knows the newest order of the journal.
    """
    owner, key = app.journal.meta(ACCOUNT), app.journal.meta(KEY)
    if owner is not None and (key or owner) != app.fingerprint[: len(key or owner)]:
        if not await knows_our_orders(app):
            raise WrongAccountError
        app.tell("new_key", level=logging.WARNING, account=owner)
    app.account = owner or app.account  # names of orders go on as they began
    if owner is None:
        app.journal.set_meta(ACCOUNT, app.account)
    if key != app.fingerprint:
        app.journal.set_meta(KEY, app.fingerprint)


async def knows_our_orders(app: App) -> bool:
    """Return whether the exchange shows the newest order of the journal to the keys in use."""
    newest = app.journal.newest_uuid()
    if newest is None:
        return False
    identifier, uuid = newest
    try:
        order = await app.upbit.order(uuid=uuid)
    except OrderNotFound:
        return False
    return order.identifier == identifier


def settle_intent(app: App, intent: Intent) -> None:
    """Say what the end of the last process makes of an order: never sent, or doubtful."""
    state = protocol.after_death(intent.state)
    if state is IntentState.ABANDONED:
        app.journal.abandon(intent.identifier, "the process ended before it was sent")
    elif state is not intent.state:
        app.journal.end_attempt(intent.identifier, state, outcome="the process ended")


async def resume(app: App, trade: Trade) -> None:
    """Put an open trade of the journal back into the shared dicts, in the phase in which it was left."""
    last = app.journal.order_in_hand(trade.id)
    bought = trade.bought > 0
    if last.side == "bid" and trade.phase == "entering":
        phase = BUYING
    elif last.state in IntentState.live() or app.journal.position_volume(trade.id) <= 0:
        phase = SELLING
    else:
        phase = HOLDING
    active = ActiveTrade(
        market=trade.market,
        started_at=trade.decided_at,
        phase=phase,
        trade_id=trade.id,
        position=position_of(app, trade) if bought else None,
    )
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as actives:
        trading[trade.market] = None
        actives[trade.market] = active
    app.tell("resumed", market=trade.market, phase=phase, stop=trade.stop_price)
