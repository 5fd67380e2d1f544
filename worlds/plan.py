"""What one world is made of, all drawn from its seed, and what became of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal

import msgspec


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one world is made of, all drawn from its seed."""

    seed: int
    hours: float = 3.4
    markets: int = 3
    harshness: float = 1.0
    kills_an_hour: float = 4.0
    order_krw: Decimal = Decimal(50_000)
    max_open_trades: int = 2
    person: bool = True
    wallet_s: float = 5.0  # between two looks at the wallet; 1 in production: looking is half of what a world costs


def draw_plan(seed: int, hours: float) -> Plan:
    """Draw a plan: every fifth world is calm, the others anything up to brutal."""
    rng = random.Random(f"{seed} plan")
    calm = rng.random() < 0.2  # noqa: PLR2004 - a fifth
    return Plan(
        seed=seed,
        hours=hours,
        markets=rng.randint(2, 4),
        harshness=0.0 if calm else rng.uniform(0.1, 1.0),
        kills_an_hour=rng.choice((0.0, 2.0, 6.0)),
        order_krw=Decimal(rng.choice((7_000, 20_000, 50_000))),
        max_open_trades=rng.randint(1, 4),
    )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
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
