"""`update_wallet_realtime`: every second, ask Upbit what the account holds.

Reads `GET /v1/accounts`; writes `wallet_dict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from state import Balance
from trader.books.holdings import read_accounts
from trader.loops import every, keep_going

if TYPE_CHECKING:
    from trader.app import App

PERIOD_S = 1.0


async def update_wallet_realtime(app: App) -> None:
    """Keep `wallet_dict` current until the daemon stops."""
    name = "update_wallet_realtime"
    await keep_going(name, every(PERIOD_S, app.stop), lambda: poll(app), health=app.health, stop=app.stop)


async def poll(app: App) -> None:
    """Replace `wallet_dict` with what Upbit says now."""
    asked_at = app.clock()  # the answer is true at some moment after this, so this is the cautious time for it
    accounts = await read_accounts(app.upbit)
    await app.state.wallet_dict.replace(
        {
            account.currency: Balance(available=account.available, locked=account.locked, as_of=asked_at)
            for account in accounts
        }
    )
