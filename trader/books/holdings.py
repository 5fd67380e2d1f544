"""What the account holds, as far as an answer tells: what a list does not show is not proven to be gone.

An empty list and one without won are no answer. That coins are gone is asked of a second source before it is believed.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING

from upbit.errors import ExchangeError, OutcomeUnknown
from upbit.rules import base_of

if TYPE_CHECKING:
    from trader.app import App
    from upbit.decoding import Rows
    from upbit.models import Account
    from upbit.rest import Upbit

log = logging.getLogger("trader.holdings")

WON = "KRW"


async def read_accounts(upbit: Upbit) -> Rows[Account]:
    """Ask what the account holds.

    Raises:
        OutcomeUnknown: when the list has no won, which Upbit always lists: it is no list of what is there.
        ExchangeError: when there is no answer.
    """
    accounts = await upbit.accounts()
    if not any(account.currency == WON for account in accounts):
        raise OutcomeUnknown(f"a wallet without won: {len(accounts)} currencies")
    return accounts


def held_of(accounts: Rows[Account], market: str) -> Decimal | None:
    """Return the units of a market's base currency, free or not; None when the list says something unreadable of it."""
    currency = base_of(market)
    if accounts.is_unclear(currency):
        return None
    return sum((one.available + one.locked for one in accounts if one.currency == currency), Decimal(0))


async def held_by_another_source(upbit: Upbit, market: str) -> Decimal | None:
    """Return the units of a market's base currency, free or not, that `chance` names; None when nobody knows."""
    try:
        return (await upbit.chance(market)).coins
    except ExchangeError as error:
        log.warning("what the account holds could not be confirmed market=%s error=%s", market, error)
        return None


async def surely_missing(app: App, market: str, ours: Decimal) -> Decimal:
    """Return how many of `ours` units are not there by the word of another source; nothing, when it does not answer."""
    coins = await held_by_another_source(app.upbit, market)
    return Decimal(0) if coins is None else max(ours - coins, Decimal(0))
