"""Exchanges with thinner books and later orders than paper knows: the interval of a few orders holds the truth."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from cli.common.shadow_orders import Sent, average
from sandbox.faults.source import thinned
from sandbox.market.sources.generator import Generator
from tape.form import micros
from tape.market import Book, Level
from upbit.models import Side
from views.shadow import Pair, shadow_of

if TYPE_CHECKING:
    from sandbox.market.feed import Book as PublicBook

pytestmark = pytest.mark.slow

MARKETS, SEEDS = 4, 20
MANY, SEEN = 400, 40
"""Orders of an exchange, and how many of them have paper beside them."""
HIDDEN_MS, HIDDEN_SHARE = 700, Decimal("0.2")
"""How much later than paper thinks an order is in the book, and how little of the book is really there."""
PAPER_MS = 1_100
"""When the first book that is surely later is there: one a second is drawn."""
START = datetime(2026, 11, 2, tzinfo=UTC)


def known(public: PublicBook, arrived_us: int) -> Book:
    """Return a book of the sandbox as a tape has it."""
    asks, bids = (tuple(Level(*level) for level in side) for side in (public.asks, public.bids))
    return Book(public.market, public.at_ms, asks, bids, arrived_us)


def traded(seed: int, orders: int) -> list[Pair]:
    """Send orders to an exchange that hides something, and fill them on paper as well."""
    market, rng = Generator(seed, MARKETS, micros(START) // 1000), random.Random(f"{seed} orders")
    at_ms, pairs = market.start_ms, []
    for _ in range(orders):
        at_ms += rng.randrange(2_000, 20_000)
        name = market.listings[rng.randrange(MARKETS)].market
        order = an_order(market, name, at_ms, rng)
        market.advance(at_ms + PAPER_MS)
        order.paper_price = average(order, known(market.book(name, at_ms + PAPER_MS), 0))
        made = order.pair()
        assert made is not None
        pairs.append(made)
    return pairs


def an_order(market: Generator, name: str, at_ms: int, rng: random.Random) -> Sent:
    """Send an order, and fill it as the hidden exchange does."""
    market.advance(at_ms + HIDDEN_MS)
    public = market.book(name, at_ms + HIDDEN_MS)
    asks, bids = (thinned(side, 30, HIDDEN_SHARE) for side in (public.asks, public.bids))
    thin = known(replace(public, asks=asks, bids=bids), 0)
    side, krw = rng.choice(list(Side)), Decimal(rng.randrange(1, 40)) * 500_000
    volume = krw / public.asks[0].price
    wished = Sent(market=name, side=side, at=START, funds=krw, volume=volume)
    price = average(wished, thin)
    assert price is not None
    return Sent(market=name, side=side, at=START, funds=volume * price, volume=volume)


def test_the_interval_holds_the_hidden_bias_of_at_least_eighteen_of_twenty_exchanges() -> None:
    """Each exchange has its own, which all its orders tell; the shadow sees some of them."""
    held = told = 0
    for seed in range(SEEDS):
        orders = traded(seed, MANY)
        truth = fmean(one.worse_bp for one in orders)
        found = shadow_of(random.Random(seed).sample(orders, SEEN)).everything
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
        told += found.tells
        print(f"seed {seed}: truth {truth:5.1f} bp, interval {found.low:+.1f} ~ {found.high:+.1f}")  # noqa: T201 - figures
    assert held >= 18
    assert told >= 18
    few = shadow_of(traded(0, 5))
    assert few.sentence("en").startswith("Too little to tell")
