"""`update_trading_dict`: every 3 seconds, fill free places with targets drawn at random.

Reads `target_dict`, `resting` and `active_trade`; adds to `trading_dict`, without a price yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.scans import Draw
from strategy.portfolio import draw
from trader.loops import every, keep_going

if TYPE_CHECKING:
    from datetime import timedelta

    from trader.app import App

PERIOD_S = 3.0


async def update_trading_dict(app: App) -> None:
    """Sample targets into `trading_dict` every 3 seconds until the daemon stops."""
    name = "update_trading_dict"
    await keep_going(name, every(PERIOD_S, app.stop), lambda: sample(app), health=app.health, stop=app.stop)


async def sample(app: App) -> None:
    """Draw as many targets as there are free places, and put them into `trading_dict`."""
    targets, resting = await app.state.target_dict.snapshot(), await app.state.resting.snapshot()
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as active:
        taken = trading.keys() | active.keys()
        slots = app.config.trading.max_open_trades - len(taken)
        now = app.clock()
        candidates = [market for market in targets if resting.get(market, now) <= now]
        drawn = draw(app.rng, candidates, taken, app.journal.last_exits(), now, cooldown=rest_time(app), slots=slots)
        trading.update(dict.fromkeys(drawn))
    if drawn:
        app.journal.record_draw(Draw(at=now, candidates=len(candidates), free=slots, markets=tuple(drawn)))
        app.tell("drawn", markets=",".join(drawn), candidates=len(candidates), free=slots)


def rest_time(app: App) -> timedelta:
    """Return how long a market rests after an exit."""
    return app.strategy.cooldown(app.parameters) * app.candles.unit
