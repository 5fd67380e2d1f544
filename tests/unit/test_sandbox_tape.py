"""The tape of one market: exact candles of every unit from little memory, and days that pass without a trade."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.market.candles import DAY, MINUTE, QUARTER, SECOND, aggregate
from sandbox.market.feed import Book, Candle, Listing, PublicTrade
from sandbox.market.ladder import KEPT, Ladder, read_candle, write_candle
from sandbox.market.markets import Markets
from sandbox.market.packed import BLOCK, Packed
from sandbox.market.public_trades import TRADES_KEPT, Extreme
from sandbox.market.sources.generator import Generator

START = 1_793_577_600_000  # 2026-11-02 00:00 UTC, a Monday
LISTING = Listing("KRW-AAA", "가", "A", warning=False, caution=frozenset())
YESTERDAY = Candle(
    START - DAY * 1000, Decimal(90), Decimal(120), Decimal(80), Decimal(100), Decimal(5), Decimal(500), START - 9_000
)


class Script:
    """A source whose trades a test wrote down; one day of history."""

    listings: tuple[Listing, ...] = (LISTING,)
    end_ms: int | None = None
    takes_impact = True

    def __init__(self, trades: list[PublicTrade], start_ms: int = START) -> None:
        self.start_ms = start_ms
        self._trades = trades

    def next_ms(self) -> int | None:
        """Return when the next trade is due."""
        return self._trades[0].at_ms if self._trades else None

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return what is due."""
        due = [trade for trade in self._trades if trade.at_ms <= to_ms]
        self._trades = self._trades[len(due) :]
        return due

    def book(self, market: str, at_ms: int) -> Book:
        """Return an empty book."""
        return Book(market, at_ms, (), ())

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return yesterday, whatever the unit."""
        del market, unit_s, count
        return [YESTERDAY] if YESTERDAY.opened_ms < before_ms else []


def trade(at_ms: int, price: str, volume: str = "1", number: int = 0) -> PublicTrade:
    """Return a purchase."""
    return PublicTrade("KRW-AAA", Decimal(price), Decimal(volume), at_ms, "BID", number or at_ms)


def told(*values: object) -> list[object]:
    """Return values to compare with numbers."""
    return [*values]


def one(at_ms: int, price: Decimal, volume: Decimal) -> Candle:
    """Return a trade as a candle."""
    return Candle(at_ms, price, price, price, price, volume, price * volume, at_ms)


def walk(count: int, most_ms: int) -> list[Candle]:
    """Return made-up trades, up to so many ms apart."""
    rng, at_ms, parts = random.Random(5), START, []
    for _ in range(count):
        at_ms += rng.randrange(most_ms)
        parts.append(one(at_ms, Decimal(rng.randrange(1, 9_999)), Decimal(rng.randrange(1, 10**12)).scaleb(-8)))
    return parts


@pytest.mark.parametrize("minutes", [1, 3, 5, 10, 15, 30, 60, 240, 1440, 10_080])
def test_candles_of_every_unit_are_the_sum_of_their_trades(minutes: int) -> None:
    """To the last decimal, also while the newest of them still forms, and whatever the caller asks for."""
    parts, ladder = walk(2_000, 400_000), Ladder()
    for part in parts:
        ladder.add(part)
    wanted = aggregate(parts, minutes * MINUTE)[::-1]
    assert len(wanted) > 0
    assert ladder.candles(minutes * MINUTE, None, 200) == wanted[:200]
    before = wanted[len(wanted) // 2].opened_ms
    assert ladder.candles(minutes * MINUTE, before, 7) == [c for c in wanted if c.opened_ms < before][:7]


def test_seconds_are_whole_and_bounded() -> None:
    """However many trades: at least 200 seconds are there, none of them cut off, and no more than we have room for."""
    parts, ladder = walk(30_000, 200), Ladder()
    for part in parts:
        ladder.add(part)
    found = ladder.candles(SECOND, None, 10_000)
    assert found == aggregate(parts, SECOND)[::-1][: len(found)]
    assert KEPT[SECOND] <= len(found) <= KEPT[SECOND] + BLOCK + 1


def test_what_is_forgotten_leaves_no_half_candle() -> None:
    """When minutes were dropped, the oldest ten minutes still shown are whole."""
    parts, ladder = walk(4_000, 120_000), Ladder()
    for part in parts:
        ladder.add(part)
    assert not ladder.complete(10 * MINUTE)
    found = ladder.candles(10 * MINUTE, None, 10_000)
    assert len(found) >= 200
    assert found == aggregate(parts, 10 * MINUTE)[::-1][: len(found)]


def test_forgotten_minutes_do_not_uncover_a_hole() -> None:
    """History is only shown where it touches what is known since the start."""
    start = [trade(START + minute * 60_000, "100") for minute in range(KEPT[MINUTE] + 3 * BLOCK)]
    markets = Markets(Script(start))
    markets.advance(START + 500 * 60_000)
    assert markets.candles("KRW-AAA", MINUTE, None, 9_999)[-1].opened_ms == YESTERDAY.opened_ms
    markets.advance(START + DAY * 10_000)
    minutes = [candle.opened_ms for candle in markets.candles("KRW-AAA", MINUTE, None, 9_999)]
    assert all(later - earlier == 60_000 for later, earlier in pairwise(minutes))
    assert len(minutes) >= KEPT[MINUTE]
    assert markets.candles("KRW-AAA", QUARTER, None, 9_999)[-1].opened_ms == YESTERDAY.opened_ms


amounts = st.decimals(min_value=Decimal("1e-12"), max_value=Decimal(10**10), allow_nan=False, allow_infinity=False)


@given(prices=st.tuples(amounts, amounts, amounts, amounts), volume=amounts, turnover=amounts)
def test_a_packed_candle_comes_back_as_it_was(
    prices: tuple[Decimal, Decimal, Decimal, Decimal], volume: Decimal, turnover: Decimal
) -> None:
    """Every decimal, every digit."""
    candle = Candle(START, *prices, volume, turnover, START + 59_999)
    assert read_candle(write_candle(candle)) == candle


@given(count=st.integers(0, 1_000), keep=st.integers(1, 400))
def test_a_packed_run_keeps_the_newest_in_order(count: int, keep: int) -> None:
    """At least as many as promised, and at most two blocks more."""
    run: Packed[int] = Packed(keep, str, int)
    for value in range(count):
        run.append(value)
    kept = list(run.newest())
    assert kept == list(range(count))[::-1][: len(kept)]
    assert len(kept) == len(run)
    assert min(count, keep) <= len(kept) < keep + 2 * BLOCK
    assert run.complete == (len(kept) == count)


def test_a_day_begins_without_a_trade() -> None:
    """At 00:00 UTC the day's sums are zero and the last price is the previous close, though nobody has traded yet."""
    markets = Markets(Script([trade(START + 3_600_000, "110"), trade(START + DAY * 1000 + 7_200_000, "130", "2")]))
    markets.advance(START + DAY * 1000 - 1)
    late = markets.ticker("KRW-AAA")
    assert told(late.prev_close, late.open, late.price, late.volume_day) == [100, 110, 110, 1]
    markets.advance(START + DAY * 1000)
    quiet = markets.ticker("KRW-AAA")
    assert told(quiet.prev_close, quiet.open, quiet.high, quiet.low, quiet.price) == [110, 110, 110, 110, 110]
    assert told(quiet.volume_day, quiet.turnover_day, quiet.bid_volume_day) == [0, 0, 0]
    assert quiet.traded_ms == START + 3_600_000
    markets.advance(START + DAY * 1000 + 7_200_000)
    traded = markets.ticker("KRW-AAA")
    assert told(traded.prev_close, traded.open, traded.volume_day, traded.turnover_day) == [110, 130, 2, 260]


def test_what_was_bought_and_sold_today_adds_up_to_what_was_traded() -> None:
    """Also when the exchange opened in the middle of the day."""
    markets = Markets(Generator(1, 3, START + 7 * 3_600_000))
    markets.advance(START + 8 * 3_600_000)
    for market in markets.listed:
        ticker = markets.ticker(market)
        assert ticker.bid_volume_day + ticker.ask_volume_day == ticker.volume_day > 0


def test_the_last_24_hours_pass_without_a_trade() -> None:
    """What was traded a day ago is not traded today."""
    markets = Markets(Script([trade(START + 5 * 3_600_000, "110", "3")]))
    markets.advance(START + 24 * 3_600_000)
    assert markets.ticker("KRW-AAA").volume_24h == 3
    markets.advance(START + 29 * 3_600_000 + 1)
    assert markets.ticker("KRW-AAA").volume_24h == 0


def test_the_year_forgets_old_extremes() -> None:
    """Highest and lowest of 52 weeks, with their day; the running day counts, and the earliest of equals is named."""
    days = [trade(START + day * DAY * 1000, price) for day, price in enumerate(["500", "5", "300", "300", "200"])]
    markets = Markets(Script([*days, trade(START + 366 * DAY * 1000, "100")]))
    markets.advance(START + 4 * DAY * 1000)
    ticker = markets.ticker("KRW-AAA")
    assert told(ticker.high_52w, ticker.high_52w_ms) == [500, START]
    assert told(ticker.low_52w, ticker.low_52w_ms) == [5, START + DAY * 1000]
    markets.advance(START + 366 * DAY * 1000)
    ticker = markets.ticker("KRW-AAA")
    assert told(ticker.high_52w, ticker.high_52w_ms) == [300, START + 2 * DAY * 1000]
    assert told(ticker.low_52w, ticker.low_52w_ms) == [100, START + 366 * DAY * 1000]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.sampled_from([1, -1]))
def test_an_extreme_is_what_a_search_would_find(prices: list[int], sign: int) -> None:
    """The best of the last ten days, without keeping them."""
    extreme = Extreme(sign)
    for day, price in enumerate(prices):
        since = day - 10
        window = [(d, Decimal(p)) for d, p in enumerate(prices[: day + 1]) if d >= since]
        wanted = max(window, key=lambda item: (item[1] * sign, -item[0]))
        assert extreme.best(since, (day, Decimal(price))) == wanted
        extreme.add(day, Decimal(price))


def test_only_the_newest_trades_are_kept() -> None:
    """Enough for two pages of the largest size, newest first, and a page begins where the one before ended."""
    trades = [trade(START + second * 1000, "100", number=second + 1) for second in range(3_000)]
    markets = Markets(Script(list(trades)))
    markets.advance(START + 3_000_000)
    page = markets.recent_trades("KRW-AAA", 500)
    following = markets.recent_trades("KRW-AAA", 500, before_id=page[-1].sequential_id)
    assert [*page, *following] == trades[::-1][:1000]
    assert TRADES_KEPT <= len(markets.recent_trades("KRW-AAA", 9_999)) <= TRADES_KEPT + BLOCK
