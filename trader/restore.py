"""Starting and recovering are one path: read the journal, ask Upbit, correct the state, then trade.

After this every open trade of the journal stands in the shared dicts again with its old entry, stop and highest price,
and every order whose outcome nobody wrote down is UNKNOWN: `execute_trades` carries both on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.records import IntentState, Phase
from state import ActiveTrade
from trader.books.owner import check_account
from trader.orders import protocol
from trader.trades.positions import position_of
from upbit.models import Side

if TYPE_CHECKING:
    from journal.journal import Journal
    from journal.records import Intent, Trade
    from trader.app import App


async def recover(app: App) -> None:
    """Bring the journal and the shared dicts to where trading can go on.

    A trade that cannot be put back is told: the daemon lives on to say so, instead of dying at every start.

    Raises:
        WrongAccountError: when the journal was written for another account.
        ExchangeError: when the keys are new and the exchange does not say whose they are.
    """
    await check_account(app)
    for intent in app.journal.live_intents():
        settle_intent(app.journal, intent)
    for trade in app.journal.open_trades():
        try:
            await put_back(app, trade)
        except Exception as error:  # noqa: BLE001 - told with its evidence; the other trades go on
            app.health.on_breach(trade.market, error)


def settle_intent(journal: Journal, intent: Intent) -> None:
    """Say what the end of the last process makes of an order: never sent, or doubtful."""
    state = protocol.after_death(intent.state)
    if state is IntentState.ABANDONED:
        journal.abandon(intent.identifier, "the process ended before it was sent")
    elif state is not intent.state:
        journal.end_attempt(intent.identifier, state, outcome="the process ended")


async def put_back(app: App, trade: Trade) -> None:
    """Put an open trade of the journal back into the shared dicts, in the phase in which it was left."""
    last = app.journal.order_in_hand(trade.id)
    bought = trade.bought > 0
    if last.side is Side.BID and trade.phase is Phase.ENTERING:
        phase = Phase.BUYING
    elif last.state in IntentState.live() or app.journal.position_volume(trade.id) <= 0:
        phase = Phase.SELLING
    else:
        phase = Phase.HOLDING
    active = ActiveTrade(
        market=trade.market,
        started_at=trade.decided_at,
        phase=phase,
        trade_id=trade.id,
        position=position_of(app.journal, trade) if bought else None,
    )
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as actives:
        trading[trade.market] = None
        actives[trade.market] = active
    app.tell("resumed", market=trade.market, phase=phase, stop=trade.stop_price)
