"""Compare the journal with the exchange, at the start and every minute, and write down what moved without us.

Differences are journaled and told; they are never "corrected" by trading. Orders first (`trader/books/discovery.py`),
then balances (`trader/books/balances.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from journal.records import Phase
from trader.books.adoption import give_stop, lacks_stop, without_candles
from trader.books.balances import compare_balances
from trader.books.discovery import compare_orders
from trader.books.storage import look_after_storage
from trader.loops import keep_going, pause
from trader.restore import put_back
from trader.trades.positions import hold_again, let_go, reserve

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trader.app import App

PERIOD_S = 60.0
SOON_S = 1.0


async def reconcile_periodically(app: App) -> None:
    """Compare at once and every minute until the daemon stops. Nothing is bought before the first time."""
    await keep_going("reconcile", rounds(app), lambda: reconcile(app), health=app.health, stop=app.stop)


async def rounds(app: App) -> AsyncGenerator[None]:
    """Yield at once, soon again while the comparison is not complete, and then every minute or when somebody asks.

    Nothing is bought before the first one, so a look that fails at a start must not cost a minute. Nor must a position
    be without its stop for so long, only because the comparison was there before the candles.
    """
    while not app.stop.is_set():
        app.comparison.wanted.clear()
        yield
        if not app.comparison.finished or app.discovery.thorough_at is None or await lacks_stop(app.state, app.journal):
            await pause(SOON_S, app.stop, app.comparison.wanted)
        else:
            await rest(app)


async def rest(app: App) -> None:
    """Wait a minute, until somebody asks, or until candles came of which a position can have its stop."""
    missing = await without_candles(app.state, app.journal)
    if not missing:
        await pause(PERIOD_S, app.stop, app.comparison.wanted)
        return
    for _ in range(round(PERIOD_S / SOON_S)):
        await pause(SOON_S, app.stop, app.comparison.wanted)
        if (
            app.stop.is_set()
            or app.comparison.wanted.is_set()
            or await without_candles(app.state, app.journal) != missing
        ):
            return


async def reconcile(app: App) -> None:
    """Look after the disk, then compare orders, then balances, which say nothing while an order is not known."""
    began_s = asyncio.get_running_loop().time()
    look_after_storage(app)
    whole = await compare_orders(app)
    active = await app.state.active_trade.snapshot()
    for market in sorted({*active, *(trade.market for trade in app.journal.open_trades())}):
        await take_up(app, market)
    if not whole:
        return
    app.comparison.rounds += 1
    app.comparison.first_s = began_s if app.comparison.first_s is None else app.comparison.first_s
    await compare_balances(app)
    for trade in app.journal.open_trades():
        await give_stop(app, trade)
    app.comparison.finished = True
    if app.comparison.rounds > 1:  # what one list does not show may be bought already
        app.comparison.began_s = began_s


async def take_up(app: App, market: str) -> None:
    """Let the shared dicts know the open trade of a market as the journal has it now, if nobody works on it."""
    trade = app.journal.open_trade_in(market)
    active = (await app.state.active_trade.snapshot()).get(market)
    if trade is not None and trade.phase is not Phase.ENTERING and (active is None or active.trade_id != trade.id):
        await put_back(app, trade)
    elif await reserve(app.state, market, Phase.HOLDING, Phase.SELLING):  # so that nobody begins a sale meanwhile
        await (let_go if trade is None else hold_again)(app, market)
