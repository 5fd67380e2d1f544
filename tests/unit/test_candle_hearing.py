"""What the stream tells about candles is all there is, or said not to be, in a market of which every trade is known."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.candles.hearing import Heard, closed_candles, first_word
from upbit.models import StreamCandle, Ticker

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LAST_S = 300

Trade = tuple[int, int]
"""Tenths of a second since the start, and won."""


def candle_of(trades: list[Trade], opened_s: int) -> StreamCandle:
    """Return the candle of a minute as some trades make it."""
    prices = [Decimal(won) for _, won in trades]
    return StreamCandle(
        kind="candle.1m",
        market="KRW-BTC",
        opened_at_utc=f"{START + timedelta(seconds=opened_s):%Y-%m-%dT%H:%M:%S}",
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=Decimal(len(prices)),
        turnover=sum(prices, Decimal(0)),
    )


@dataclass(frozen=True)
class Market:
    """Every trade of a market, in their order."""

    trades: list[Trade]

    def candles(self, until: int) -> list[StreamCandle]:
        """Return all candles as they are at a moment, oldest first; tenths of a second."""
        made = groupby((trade for trade in self.trades if trade[0] < until), lambda trade: trade[0] // 600 * 60)
        return [candle_of(list(trades), opened_s) for opened_s, trades in made]

    def ticker(self, until: int) -> Ticker | None:
        """Return the last trade before a moment."""
        before = [trade for trade in self.trades if trade[0] < until]
        if not before:
            return None
        at, won = before[-1]
        traded_ms = round((START + timedelta(seconds=at / 10)).timestamp() * 1000)
        return Ticker(market="KRW-BTC", price=Decimal(won), traded_at_ms=traded_ms, turnover_24h=Decimal(0))

    def told(self, second: int) -> list[StreamCandle]:
        """Return what is pushed at a full second: the candles that changed since the second before."""
        before, now = self.candles(10 * (second - 1)), self.candles(10 * second)
        return [candle for candle in now if candle not in before]


markets = st.lists(st.tuples(st.integers(0, 10 * LAST_S - 1), st.integers(1, 4)), max_size=60).map(
    lambda trades: Market(sorted(trades, key=lambda trade: trade[0]))
)
deaf_times = st.lists(st.tuples(st.integers(1, LAST_S), st.integers(1, 20)), max_size=6)


def listen(market: Market, deaf: set[int], second: int, heard: Heard | None, rng: random.Random) -> Heard | None:
    """Hear what is pushed at a second, some of it twice and in any order; a connection begins with a snapshot."""
    if second in deaf:
        return heard
    line = sum(one in deaf and one + 1 not in deaf for one in range(second))
    begins = second == 0 or second - 1 in deaf
    frames = market.candles(10 * second)[-1:] if begins else market.told(second)
    for frame in rng.sample(frames * 2, 2 * len(frames)):
        if heard is None:
            heard = first_word(frame, line)
        else:
            heard.take(frame, line)
    return heard


@given(market=markets, outages=deaf_times, seed=st.integers(0, 99))
def test_what_is_called_whole_is_whole(market: Market, outages: list[tuple[int, int]], seed: int) -> None:
    """Whatever was missed and whenever: the candles of a minute are said to be all there are only if they are."""
    rng = random.Random(seed)
    deaf = {second for begin, length in outages for second in range(begin, begin + length)}
    heard: Heard | None = None
    known_s = 0
    for second in range(LAST_S + 2):
        heard = listen(market, deaf, second, heard, rng)
        if heard is None or second % 60 != 1 or second < 60:
            continue
        end_s = second // 60 * 60
        begin, end = (START + timedelta(seconds=at) for at in (known_s, end_s))
        found = closed_candles(
            heard, begin, end, MINUTE, market.ticker(10 * second), flowing=second not in deaf and heard.newest >= end
        )
        if found is not None:
            truth = [one for one in market.candles(10 * end_s) if begin <= one.opened_at < end]
            assert found == truth
        known_s = end_s  # else REST is asked
        heard.forget(end)


@given(market=markets, seed=st.integers(0, 99))
def test_whoever_always_listens_need_not_ask(market: Market, seed: int) -> None:
    """Without an outage every minute is known a second after its end, as soon as anybody traded after it or nobody."""
    rng = random.Random(seed)
    heard: Heard | None = None
    for second in range(LAST_S + 2):
        heard = listen(market, set(), second, heard, rng)
        if (
            heard is not None
            and second % 60 == 1
            and second > 60
            and heard.since < START + timedelta(seconds=second - 61)
        ):
            end = START + timedelta(seconds=second - 1)
            begin = max(heard.since, end - MINUTE)
            assert closed_candles(heard, begin, end, MINUTE, market.ticker(10 * second), flowing=True) is not None
            heard.forget(end)


def words() -> list[StreamCandle]:
    """Return one candle as it grows."""
    trades: list[Trade] = [(0, 3), (1, 4), (2, 2), (3, 3)]
    return [candle_of(trades[:number], 0) for number in range(1, 5)]


def test_in_whatever_order_a_candle_is_told_its_last_word_stays() -> None:
    """Each of its states, in each order: nothing is doubted, and the largest is what was traded."""
    for order in permutations(words()):
        heard = first_word(order[0], 1)
        for frame in order[1:]:
            heard.take(frame, 1)
        assert heard.candles == {START: words()[-1]}
        assert heard.doubted == set()


@pytest.mark.failure("C17")
@pytest.mark.parametrize(
    ("state", "lie"),
    [
        (3, {"open": Decimal(4)}),
        (3, {"low": Decimal(3), "volume": Decimal(9)}),
        (3, {"high": Decimal(3), "volume": Decimal(9)}),
        (3, {"close": Decimal(4)}),
        (1, {"low": Decimal(2), "volume": Decimal(1)}),
    ],
    ids=["another opening", "a higher low", "a lower high", "another close at the same volume", "less volume, wider"],
)
def test_a_candle_told_in_two_ways_that_exclude_each_other_is_not_known(state: int, lie: dict[str, Decimal]) -> None:
    """Neither is believed, whichever came first, also when a later candle has come; the next one is known again."""
    true = words()[state]
    odd = StreamCandle(**{name: getattr(true, name) for name in StreamCandle.__struct_fields__} | lie)
    second, third = candle_of([(600, 3)], 60), candle_of([(1200, 3)], 120)
    for told in ((true, odd), (odd, true)):
        heard = first_word(told[0], 1)
        heard.take(told[1], 1)
        assert closed_candles(heard, START, START + MINUTE, MINUTE, None, flowing=True) is None
        heard.take(second, 1)
        heard.take(third, 1)
        assert closed_candles(heard, START, START + MINUTE, MINUTE, None, flowing=True) is None
        assert closed_candles(heard, START + MINUTE, START + 2 * MINUTE, MINUTE, None, flowing=True) == [second]


def test_a_connection_that_begins_with_less_than_was_known_begins_with_the_next_word() -> None:
    """An old candle is no snapshot; the one after it starts a new stretch, and the gap stays one."""
    first, second, third = (candle_of([(0, 3)], 60 * minute) for minute in range(3))
    heard = first_word(second, 1)
    heard.take(first, 2)
    assert (heard.line, heard.since) == (1, START + MINUTE)
    heard.take(third, 2)
    assert (heard.line, heard.since) == (2, START + 2 * MINUTE)
    assert closed_candles(heard, START + MINUTE, START + 2 * MINUTE, MINUTE, None, flowing=True) is None


def test_a_connection_that_begins_with_what_was_told_last_has_missed_nothing() -> None:
    """Whatever changed of that candle meanwhile: it is told whole, so all since is known."""
    first, second, third = (candle_of([(0, 3)], 60 * minute) for minute in range(3))
    heard = first_word(first, 1)
    heard.take(second, 1)
    heard.take(second, 2)
    heard.take(third, 2)
    assert closed_candles(heard, START, START + 2 * MINUTE, MINUTE, None, flowing=True) == [first, second]


def test_what_is_doubted_of_one_candle_is_kept_until_it_is_settled_and_holds_no_other_up() -> None:
    """The one before is known when its end is told, and the doubt stays when that one is forgotten."""
    first, second = candle_of([(0, 3)], 0), candle_of([(600, 3)], 60)
    heard = first_word(first, 1)
    heard.take(second, 1)
    heard.take(candle_of([(600, 4)], 60), 1)
    assert heard.doubted == {START + MINUTE}
    assert closed_candles(heard, START, START + MINUTE, MINUTE, None, flowing=True) == [first]
    heard.forget(START + MINUTE)
    assert heard.doubted == {START + MINUTE}
    heard.forget(START + 2 * MINUTE)
    assert heard.doubted == set()


@pytest.mark.parametrize(
    ("told", "traded_s", "known"),
    [
        (True, 59, True),
        (True, 60, False),
        (True, 120, True),
        (False, -1, True),
        (False, 0, False),
        (False, 60, False),
        (False, 120, True),
    ],
)
def test_the_last_trade_proves_what_was_told_only_if_it_is_in_it(
    told: bool,  # noqa: FBT001 - a parameter
    traded_s: int,
    known: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Of two minutes, the second without a word: one at its first moment would have made a candle nobody has told."""
    candle = candle_of([(0, 3)], 0)
    heard = first_word(candle, 1)
    if not told:
        heard.candles.clear()
    traded_ms = round((START.timestamp() + traded_s) * 1000)
    ticker = Ticker(market="KRW-BTC", price=Decimal(3), traded_at_ms=traded_ms, turnover_24h=Decimal(0))
    found = closed_candles(heard, START, START + 2 * MINUTE, MINUTE, ticker, flowing=True)
    assert found == (([candle] if told else []) if known else None)
