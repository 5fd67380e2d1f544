"""The generated market resembles the real one, and recorded candles, trades and books say so where they are at hand.

Only robust figures, with room; `bench/market_facts.py` prints all of them for a whole day.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sandbox.market.sources.coins import COINS
from sandbox.market.sources.generator import Generator
from sandbox.market.sources.habits import RATES, SIZES, TURNOVERS, Quantiles, at_rank, draw_habits, mean_of
from sandbox.market.sources.listings import make_listings
from sandbox.market.ticks import STEPS, tick_size

if TYPE_CHECKING:
    from sandbox.market.feed import PublicTrade

START = 1_793_577_600_000  # 2026-11-02 00:00 UTC
MINUTE_MS = 60_000
MARKETS = 289
SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason=f"recorded data are not at {SHARED}")


def by_market(trades: list[PublicTrade]) -> dict[str, list[PublicTrade]]:
    """Return the trades of each market."""
    found: dict[str, list[PublicTrade]] = defaultdict(list)
    for trade in trades:
        found[trade.market].append(trade)
    return found


@pytest.fixture(scope="module")
def source() -> Generator:
    """Return all markets, an hour after their start."""
    return Generator(5, MARKETS, START)


@pytest.fixture(scope="module")
def hour(source: Generator) -> dict[str, list[PublicTrade]]:
    """Return an hour of all markets."""
    return by_market(source.advance(START + 60 * MINUTE_MS))


def within(measured: float, target: float, factor: float) -> bool:
    """Whether a figure is right but for a factor."""
    return target / factor <= measured <= target * factor


def test_the_whole_market_trades_as_often_as_the_real_one(hour: dict[str, list[PublicTrade]]) -> None:
    """About 26 trades a second at mean activity (1.55 times as many at nine in the morning), unevenly over markets."""
    counts = sorted((len(trades) for trades in hour.values()), reverse=True)
    assert within(sum(counts) / 3600 / 1.55, 26, 2)
    assert sum(counts[:12]) > 0.35 * sum(counts)
    assert len(hour) > 250


def test_trades_come_in_sweeps(hour: dict[str, list[PublicTrade]]) -> None:
    """Four of ten share the millisecond of the one before, three of four its price."""
    pairs = list(pairwise(hour["KRW-BTC"]))
    assert within(sum(a.at_ms == b.at_ms for a, b in pairs) / len(pairs), 0.43, 1.15)
    assert within(sum(a.price == b.price for a, b in pairs) / len(pairs), 0.78, 1.25)


def test_all_numbers_of_trades_differ(hour: dict[str, list[PublicTrade]]) -> None:
    """Over all markets, as Upbit promises."""
    numbers = [trade.sequential_id for trades in hour.values() for trade in trades]
    assert len(set(numbers)) == len(numbers)


def test_prices_reach_every_band_of_the_tick_table() -> None:
    """From millions to fractions of a won; half of all ticks are worth more than 25 basis points."""
    prices = [Decimal(repr(draw_habits(5, index, MARKETS).price)) for index in range(MARKETS)]
    bands = {tick_size(price) for price in prices}
    assert len(bands) >= len(STEPS) - 3
    worth = [float(tick_size(price) / price) * 1e4 for price in prices]
    assert within(float(np.median(worth)), 25, 1.3)
    assert max(worth) < 101


def test_turnover_is_as_concentrated_as_it_was() -> None:
    """The first has about 15 % of it, the first fifty 88 %."""
    turnover = [draw_habits(5, index, MARKETS).turnover for index in range(MARKETS)]
    assert within(turnover[0] / sum(turnover), 0.15, 1.4)
    assert within(sum(turnover[:5]) / sum(turnover), 0.46, 1.2)
    assert within(sum(turnover[:50]) / sum(turnover), 0.88, 1.05)


def test_spreads_are_one_tick_where_a_tick_is_worth_something(
    source: Generator, hour: dict[str, list[PublicTrade]]
) -> None:
    """And about 1.5 basis points where it is not."""
    del hour  # the market must have gone on
    spreads = []
    for second in range(300):
        book = source.book("KRW-BTC", START + 3_600_000 + second * 1000)
        spreads.append(float((book.asks[0].price - book.bids[0].price) / book.bids[0].price) * 1e4)
    assert within(float(np.median(spreads)), 1.5, 1.4)
    for listing in source.listings:
        book = source.book(listing.market, START + 3_600_000)
        step = tick_size(book.bids[0].price)
        if step / book.bids[0].price >= Decimal("0.0004"):
            assert book.asks[0].price - book.bids[0].price == step


def test_flags_are_as_frequent_as_on_the_real_market() -> None:
    """Some 18 warnings and 80 cautions among 289 markets, whatever the seed."""
    for seed in range(5):
        listings = make_listings(seed, MARKETS)
        assert 8 <= sum(listing.warning for listing in listings) <= 30
        assert 55 <= sum(bool(listing.caution) for listing in listings) <= 105


def test_coins_have_names_and_codes_of_their_own() -> None:
    """289 of them."""
    assert len(COINS) == len({coin.code for coin in COINS}) == MARKETS
    assert all(coin.price > 0 and coin.korean_name and coin.english_name for coin in COINS)


def test_curves_are_read_between_their_points() -> None:
    """Ends, points and a drawn mean agree."""
    assert at_rank(RATES, 0.0) == pytest.approx(RATES[0][1])
    assert at_rank(TURNOVERS, 0.5) == pytest.approx(dict(TURNOVERS)[0.5])
    draws = [Quantiles(SIZES).at((index + 0.5) / 100_000) for index in range(100_000)]
    assert np.mean(draws) == pytest.approx(mean_of(SIZES), rel=0.001)


@recorded
def test_trade_sizes_are_those_of_recorded_ticks(hour: dict[str, list[PublicTrade]]) -> None:
    """Quarter, half and three quarters of them, over all markets."""
    with gzip.open(SHARED / "ticks" / "2026-05-12.csv.gz", "rt", encoding="utf-8") as lines:
        real = [float(row["price"]) * float(row["volume"]) for row in csv.DictReader(lines)]
    made = [float(trade.price * trade.volume) for trades in hour.values() for trade in trades]
    for place in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert within(float(np.quantile(made, place)), float(np.quantile(real, place)), 1.5), place


@recorded
@pytest.mark.parametrize("market", ["KRW-BTC", "KRW-ETH", "KRW-XRP"])
def test_minutes_swing_like_recorded_ones(market: str) -> None:
    """Their standard deviation, range and spread of turnover, over a day."""
    with gzip.open(SHARED / "candles" / "1m" / f"{market}.csv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    real = figures([(float(r["high"]), float(r["low"]), float(r["close"]), float(r["volume"])) for r in rows])
    minutes = Generator(5, MARKETS, START).history(market, 60, START, 1440)[::-1]
    made = figures([(float(c.high), float(c.low), float(c.close), float(c.volume)) for c in minutes])
    for measured, target, factor in zip(made, real, (1.6, 1.8, 1.4), strict=True):
        assert within(measured, target, factor)


def figures(candles: list[tuple[float, float, float, float]]) -> tuple[float, float, float]:
    """Return the sd of returns and the median range, both in bps, and the log spread of volumes."""
    high, low, close, volume = np.array(candles).T
    swing = np.log(np.quantile(volume, 0.9) / np.quantile(volume, 0.1)) / 2.563
    return np.diff(np.log(close)).std() * 1e4, float(np.median(high / low - 1)) * 1e4, float(swing)


@recorded
def test_recorded_books_have_one_tick_of_spread_where_ours_have() -> None:
    """Three of four books of ETH, XRP and USDT stand at one tick; ours do always."""
    with gzip.open(SHARED / "orderbooks" / "snapshots.jsonl.gz", "rt", encoding="utf-8") as lines:
        books = [json.loads(line) for line in lines]
    ticks = []
    for book in books:
        if book.get("market", book.get("code")) in {"KRW-ETH", "KRW-XRP", "KRW-USDT"}:
            best = book["orderbook_units"][0]
            bid = Decimal(repr(best["bid_price"]))
            ticks.append((Decimal(repr(best["ask_price"])) - bid) / tick_size(bid))
    assert len(ticks) > 200
    assert sum(tick == 1 for tick in ticks) / len(ticks) > 0.75
