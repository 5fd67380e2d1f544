"""What was held when a year ended in Korea, and at which prices: written down once, because everybody will need it.

A tax on coins counts what was bought before it began at the price of that midnight at least (views/tax.py). Upbit's
candles keep the price; what the account held nobody can look up later.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from journal.queries import YEAR_END
from strategy.portfolio import KST
from trader.guards.host import CLOCK_JUMP, CLOCK_SKEW
from trader.loops import every, keep_going
from upbit.rules import base_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from state import Balance, State
    from trader.app import App
    from upbit.rest import Upbit

LOOK_S = 60.0
WRONG_CLOCK = (CLOCK_JUMP, CLOCK_SKEW)
YEAR_SEEN = "year_seen"
"""Fact of the journal: the last year in which the daemon has looked."""
KRW = "KRW"
MINUTE = timedelta(minutes=1)


async def watch_year_end(app: App) -> None:
    """Write down holdings and prices of each midnight at which a year begins in Korea, until the stop."""
    await keep_going("year_end", every(LOOK_S, app.stop), lambda: look(app), health=app.health, stop=app.stop)


async def look(app: App) -> None:
    """Write the year's end down when one has passed since the last look, as soon as the wallet is known.

    A daemon that was not there yet when the year ended knows nothing of it, and writes nothing. Nor does one whose
    clock is told to be wrong, and what was written is never replaced: nobody could look it up again.
    """
    year = (app.clock() + KST).year
    seen = app.journal.meta(YEAR_SEEN)
    if seen == str(year) or any(app.control.stands(code) for code in WRONG_CLOCK):
        return
    if seen == str(year - 1) and app.journal.meta(f"{YEAR_END}{year}") is None:
        midnight = datetime(year, 1, 1, tzinfo=UTC) - KST
        wallet = await app.state.wallet_dict.snapshot()
        if KRW not in wallet or wallet[KRW].as_of < midnight:
            return  # the next look knows more
        prices = await prices_at(app.state, app.upbit, wallet, midnight)
        app.journal.set_meta(f"{YEAR_END}{year}", told(midnight, wallet, prices))
    app.journal.set_meta(YEAR_SEEN, str(year))


async def prices_at(
    state: State, upbit: Upbit, wallet: Mapping[str, Balance], midnight: datetime
) -> dict[str, Decimal]:
    """Return the last price before a midnight of each coin that is held and traded for won, KRW."""
    prices: dict[str, Decimal] = {}
    for market in await state.listings.snapshot():
        if (coin := base_of(market)) in wallet:
            for candle in await upbit.candles(market, MINUTE, count=1, to=midnight):
                prices[coin] = candle.close
    return prices


def told(midnight: datetime, wallet: Mapping[str, Balance], prices: Mapping[str, Decimal]) -> str:
    """Return what is kept, as JSON: volumes in units, prices in KRW as exact text, None where there is none."""
    held = {coin: balance.available + balance.locked for coin, balance in wallet.items()}
    return json.dumps(
        {
            "midnight": midnight.isoformat(),
            "looked_at": wallet[KRW].as_of.isoformat(),
            "held": {
                coin: {"volume": f"{volume:f}", "price": f"{prices[coin]:f}" if coin in prices else None}
                for coin, volume in sorted(held.items())
                if volume
            },
        }
    )
