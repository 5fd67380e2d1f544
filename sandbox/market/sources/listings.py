"""The markets of the generated exchange, with the flags a seed draws for them."""

from __future__ import annotations

import random

from sandbox.market.feed import Listing
from sandbox.market.sources.coins import COINS

MAJORS = frozenset({"BTC", "ETH", "XRP", "SOL"})
MOST_MARKETS = len(COINS)
WARNING_SHARE, CAUTION_SHARE = 0.06, 0.27
"""18 of 289 markets and, as measured in 2026-09, 234 of 855."""
CAUTIONS = (
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)


def make_listings(seed: int, count: int) -> tuple[Listing, ...]:
    """Return `count` KRW markets, the most traded first."""
    if not 1 <= count <= MOST_MARKETS:
        raise ValueError(f"between 1 and {MOST_MARKETS} markets, not {count}")
    return tuple(make_listing(seed, index) for index in range(count))


def make_listing(seed: int, index: int) -> Listing:
    """Return one market with its protection flags."""
    coin = COINS[index]
    rng = random.Random(f"{seed}:{coin.code}:flags")
    safe = coin.code in MAJORS
    return Listing(
        market=f"KRW-{coin.code}",
        korean_name=coin.korean_name,
        english_name=coin.english_name,
        warning=not safe and rng.random() < WARNING_SHARE,
        caution=frozenset() if safe or rng.random() > CAUTION_SHARE else frozenset({rng.choice(CAUTIONS)}),
    )
