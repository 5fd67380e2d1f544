"""What `make soak` changes of production so that a month fits into minutes, and how it says so."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from config.settings import Config
from worlds.plan import WorldPlan, daemon_config

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPS: dict[str, float] = {
    "trader.wallet.PERIOD_S": 30.0,
    "trader.executor.PERIOD_S": 20.0,
    "trader.prices.PERIOD_S": 30.0,
    "trader.targets.PERIOD_S": 30.0,
    "trader.guards.requests.LOOK_S": 30.0,
    "trader.guards.host.LOOK_S": 30.0,
    "trader.guards.equity.LOOK_S": 120.0,
    "trader.guards.account.LOOK_S": 600.0,
    "trader.books.reconcile.PERIOD_S": 240.0,
    "trader.guards.heartbeat.WRITE_EVERY_S": 60.0,
    "trader.recording.WRITE_EVERY_S": 30.0,
    "notifier.discord.LOOK_S": 30.0,
    "sandbox.server.QUIET_MS": 30_000,
    "sandbox.server.BOOK_GRID_MS": 3_000,
}
"""How often idle loops turn. What a turn does is what it does in production."""
MEMORY = {"sandbox.exchange.desk.ORDERS_KEPT": 100, "sandbox.discord.MOST_KEPT": 100, "sandbox.auth.NONCES_KEPT": 2_000}
"""How much the exchange remembers: less, so that what is left is the daemon's."""
MAX_AGE_S = 120.0
"""How old prices and wallet may be at that pace."""


def unhurried_config(plan: WorldPlan, **given: Any) -> Config:
    """Return the settings of a daemon whose loops turn at our pace."""
    config = daemon_config(plan, **given)
    return replace(config, risk=replace(config.risk, price_max_age_s=MAX_AGE_S, wallet_max_age_s=MAX_AGE_S))


def differences(plan: WorldPlan, changed: Mapping[str, float]) -> list[str]:
    """Return in lines what is not as in production: constants by their names, and settings by theirs."""
    usual, days = Config(), plan.unit / timedelta(minutes=1)
    settings = [
        ("risk.price_max_age_s", usual.risk.price_max_age_s, MAX_AGE_S),
        ("risk.wallet_max_age_s", usual.risk.wallet_max_age_s, MAX_AGE_S),
        ("strategy.unit, minutes", usual.strategy.unit / timedelta(minutes=1), days),
        ("trading.max_open_trades", usual.trading.max_open_trades, plan.max_open_trades),
    ]
    constants = [(name, pkgutil.resolve_name(name), here) for name, here in changed.items()]
    return [
        f"{'differs from production':<52}{'there':>9}{'here':>9}",
        *(f"{name:<52}{there:>9,g}{here:>9,g}" for name, there, here in settings + constants if there != here),
    ]
