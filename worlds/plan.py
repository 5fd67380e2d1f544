"""What one world is made of, all drawn from its seed, and what became of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from config.settings import Config, Secret
from worlds.judges.caps import Limits
from worlds.market import LEADER

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_KEY, SECRET_KEY = "world-access-key", "world-secret-key-0123456789abcdef0123456"  # open nothing but a sandbox
PARAMETERS = {
    "fast": 2,
    "slow": 4,
    "btc_ema": 3,
    "atr_period": 3,
    "max_natr": 100.0,
    "stop_atr": 3.0,
    "min_turnover_krw": 0.0,
    "min_candles": 5,
    "cooldown_candles": 1,
}


UNHURRIED: dict[str, float | timedelta | datetime] = {
    "trader.wallet.PERIOD_S": 30.0,
    "trader.executor.PERIOD_S": 15.0,
    "trader.prices.PERIOD_S": 14.0,
    "trader.prices.ASK_AFTER": timedelta(seconds=16),
    "trader.targets.PERIOD_S": 15.0,
    "trader.guards.requests.LOOK_S": 20.0,
    "notifier.discord.LOOK_S": 20.0,
    "trader.guards.equity.LOOK_S": 30.0,
    "trader.guards.host.LOOK_S": 10.0,
    "trader.guards.heartbeat.WRITE_EVERY_S": 30.0,
    "sandbox.server.QUIET_MS": 13_000,
    "trader.books.rebuild.FIRST": datetime(2026, 11, 1, tzinfo=UTC),
}
"""How often idle loops turn in most worlds. Prices still wake whoever decides; what is saved is looking at nothing new,
most of what a world costs; and a lost journal is looked for from the day before the world began. Every tenth world is
hurried: it turns as production does, for a quarter of the time."""
HURRIED_EVERY, HURRIED_SHARE = 10, 1 / 4
OFTEN, TIGHT, LATE_SHARE = 0.4, 0.25, 0.5
DISASTERS = (
    "lost_journal",
    "old_copy",
    "second_here",
    "other_machine",
    "clock_jumps",
    "disk_full",
    "disk_fails",
    "fault_plan",
)
"""What can befall the machine and the files, by the names of the methods of `worlds/disasters.py`."""
HOURS = 3.45
"""Of storm, in most worlds."""
NOON, LATE = datetime(2026, 11, 2, 3, 0, tzinfo=UTC), datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
"""When a world begins: at noon in Korea, or an hour before midnight there, when a day's cap begins anew."""


@dataclass(frozen=True, kw_only=True)
class WorldPlan:
    """What one world is made of, all drawn from its seed."""

    seed: int
    hours: float = HOURS
    markets: int = 3
    harshness: float = 1.0
    kills_an_hour: float = 4.0
    order_krw: Decimal = Decimal(50_000)
    max_open_trades: int = 2
    max_market_krw: Decimal | None = None  # twice an order
    max_day_krw: Decimal = Decimal(1_000_000_000)
    max_day_loss: Decimal = Decimal("0.3")
    max_drawdown: Decimal = Decimal("0.7")
    person: bool = True
    disasters: tuple[str, ...] = ()  # which may befall it, of `DISASTERS`
    fault_plans: tuple[str, ...] = ()  # which of the sandbox's own may happen to it, by name; empty: any
    unit: timedelta = timedelta(minutes=1)  # of the strategy's candles
    began: datetime = NOON
    hurried: bool = False  # the daemon's idle loops turn as often as in production, and not as `UNHURRIED` says


def draw_plan(seed: int, hours: float) -> WorldPlan:
    """Draw a plan: every fifth world is calm, the others anything up to brutal."""
    rng = random.Random(f"{seed} plan")
    calm = rng.random() < 0.2  # noqa: PLR2004 - a fifth
    hurried = seed % HURRIED_EVERY == 0
    plan = WorldPlan(
        seed=seed,
        hours=hours * (HURRIED_SHARE if hurried else 1),
        hurried=hurried,
        markets=rng.randint(2, 4),
        harshness=0.0 if calm else rng.uniform(0.1, 1.0),
        kills_an_hour=rng.choice((0.0, 2.0, 6.0)),
        order_krw=Decimal(rng.choice((7_000, 20_000, 50_000))),
        max_open_trades=rng.randint(1, 4),
        disasters=() if calm else tuple(name for name in DISASTERS if rng.random() < OFTEN),
    )
    return tighten(plan, rng)


def tighten(plan: WorldPlan, rng: random.Random) -> WorldPlan:
    """Draw how much a daemon may spend and lose: in half of the worlds so little that it must notice."""
    tight = replace(
        plan,
        max_market_krw=plan.order_krw if rng.random() < TIGHT else None,
        max_day_krw=plan.order_krw * rng.randint(5, 60) if rng.random() < TIGHT else plan.max_day_krw,
        max_day_loss=rng.choice((plan.max_day_loss, plan.max_day_loss, Decimal("0.01"), Decimal("0.03"))),
        max_drawdown=rng.choice((plan.max_drawdown, plan.max_drawdown, Decimal("0.05"))),
    )
    return replace(tight, began=LATE) if tight.max_day_krw < plan.max_day_krw and rng.random() < LATE_SHARE else tight


def limits_of(plan: WorldPlan) -> Limits:
    """Return what a world's daemon is told not to exceed, for those who judge it."""
    return Limits(
        order_krw=plan.order_krw,
        market_krw=plan.max_market_krw or 2 * plan.order_krw,
        day_krw=plan.max_day_krw,
        max_open_trades=plan.max_open_trades,
        max_day_loss=plan.max_day_loss,
        max_drawdown=plan.max_drawdown,
        unit=plan.unit,
    )


class WorldOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a world."""

    seed: int
    hours: float  # simulated, all three times together
    orders: int
    fills: int
    kills: int
    counts: dict[str, int]  # what befell it, by kind
    seen: dict[str, int]  # "kind/state of an order then"
    broken: list[str]
    digest: str
    wall_s: float
    worst: dict[str, float] = {}  # seconds


def daemon_config(plan: WorldPlan, *, url: str, webhook: str, folder: Path) -> Config:
    """Return the settings of a daemon that trades often, on an exchange of ours."""
    base = Config()
    return replace(
        base,
        access_key=Secret(ACCESS_KEY),
        secret_key=Secret(SECRET_KEY),
        webhook_url=Secret(webhook),
        base_url=url,
        data_dir=folder,
        strategy=replace(base.strategy, unit=plan.unit, parameters=PARAMETERS),
        trading=replace(base.trading, seed=plan.seed, order_krw=plan.order_krw, max_open_trades=plan.max_open_trades),
        risk=replace(
            base.risk,
            max_order_krw=plan.order_krw,
            max_market_krw=plan.max_market_krw or 2 * plan.order_krw,
            max_day_krw=plan.max_day_krw,
            max_day_loss=plan.max_day_loss,
            max_drawdown=plan.max_drawdown,
            price_max_age_s=base.risk.price_max_age_s if plan.hurried else 30.0,
            wallet_max_age_s=base.risk.wallet_max_age_s if plan.hurried else 60.0,
            exclude=(LEADER,),
        ),
    )
