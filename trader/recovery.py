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
from trader.trades import position_of

if TYPE_CHECKING:
    from journal.records import Intent, Trade
    from trader.app import App

log = logging.getLogger("trader.recovery")

FINGERPRINT = "account"


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

    Raises:
        WrongAccountError: when the journal was written for other keys.
    """
    check_account(app)
    for intent in app.journal.live_intents():
        settle_intent(app, intent)
    for trade in app.journal.open_trades():
        await resume(app, trade)


def check_account(app: App) -> None:
    """Refuse a journal of another account; claim a new one."""
    owner = app.journal.meta(FINGERPRINT)
    if owner is None:
        app.journal.set_meta(FINGERPRINT, app.account)
    elif owner != app.account:
        raise WrongAccountError


def settle_intent(app: App, intent: Intent) -> None:
    """Say what the end of the last process makes of an order: never sent, or doubtful."""
    if intent.state is IntentState.PLANNED:
        app.journal.abandon(intent.identifier, "the process ended before it was sent")
    elif intent.state is IntentState.SENT:
        app.journal.end_attempt(intent.identifier, IntentState.UNKNOWN, outcome="the process ended")


async def resume(app: App, trade: Trade) -> None:
    """Put an open trade of the journal back into the shared dicts, in the phase in which it was left."""
    intents = app.journal.intents_of(trade.id)
    last = intents[-1]
    bought = any(app.journal.fills_of(intent.identifier) for intent in intents if intent.side == "bid")
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
