"""The made-up and the recorded market: the same for everybody, on the grid, and true to the record."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.market.candles import DAY, MINUTE, MONTH, WEEK, aggregate, opened_ms
from sandbox.market.markets import Markets
from sandbox.market.sources.generator import Generator
from sandbox.market.sources.replay import Replay, ReplayError
from sandbox.market.ticks import tick_size

if TYPE_CHECKING:
    from sandbox.market.feed import Candle

START = 1_793_577_600_000  # 2026-11-02 00:00 UTC, a Monday
RECORDED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles" / "1m"
HEADER = "time_utc,open,high,low,close,volume,value\n"


def test_what_happens_does_not_depend_on_who_looks_or_how_often() -> None:
    """One big step and many small ones give the same trades."""
    once = Generator(3, 12, START).advance(START + 600_000)
    source, often = Generator(3, 12, START), []
    for second in range(1, 601):
        often += source.advance(START + second * 1000)
        source.book("KRW-BTC", START + second * 1000)
    assert once == often
    assert once != Generator(4, 12, START).advance(START + 600_000)


def test_other_markets_do_not_change_a_market_of_the_same_rank() -> None:
    """Bitcoin's trades are its own, however many others are listed."""
    few = [t for t in Generator(3, 5, START).advance(START + 300_000) if t.market == "KRW-BTC"]
    many = [t for t in Generator(3, 50, START).advance(START + 300_000) if t.market == "KRW-BTC"]
    assert [(t.price, t.at_ms) for t in few] == [(t.price, t.at_ms) for t in many]


@pytest.fixture(scope="module")
def markets() -> Markets:
    """Return an hour of twenty made-up markets."""
    made = Markets(Generator(1, 20, START))
    made.advance(START + 3_600_000)
    return made


def test_every_price_lies_on_its_tick_and_every_candle_is_sound(markets: Markets) -> None:
    """In history and live: low <= open, close <= high, on the grid, with volume."""
    for listing in markets.listed.values():
        for unit_s in (MINUTE, 15 * MINUTE, 240 * MINUTE, DAY):
            candles = markets.candles(listing.market, unit_s, None, 100)
            assert candles
            opened = [candle.opened_ms for candle in candles]
            assert opened == sorted(set(opened), reverse=True)
            for candle in candles:
                assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high
                assert candle.volume > 0
                assert opened_ms(candle.opened_ms, unit_s) == candle.opened_ms
                assert candle.close % tick_size(candle.close) == 0


def test_longer_candles_are_the_sum_of_shorter_ones(markets: Markets) -> None:
    """An hour is its minutes, live; the last close is the ticker's price."""
    minutes = [c for c in markets.candles("KRW-BTC", MINUTE, None, 200) if c.opened_ms >= START]
    hours = [c for c in markets.candles("KRW-BTC", 60 * MINUTE, None, 3) if c.opened_ms >= START]
    assert aggregate(reversed(minutes), 60 * MINUTE)[::-1] == hours
    assert markets.ticker("KRW-BTC").price == minutes[0].close


def test_there_is_enough_history_for_every_strategy(markets: Markets) -> None:
    """700 candles of four hours; and the newest history meets the first live price within a percent."""
    assert len(markets.candles("KRW-BTC", 240 * MINUTE, None, 700)) == 700
    before = next(c for c in markets.candles("KRW-BTC", MINUTE, START, 1))
    after = min(
        (c for c in markets.candles("KRW-BTC", MINUTE, None, 200) if c.opened_ms >= START), key=lambda c: c.opened_ms
    )
    assert abs(after.open / before.close - 1) < Decimal("0.01")


def test_a_book_is_ordered_uncrossed_and_the_same_for_everybody(markets: Markets) -> None:
    """30 levels a side around the last trade, which stands at the best price of its side."""
    for listing in markets.listed.values():
        book, again = markets.book(listing.market), markets.book(listing.market)
        assert book == again
        asks, bids = [level.price for level in book.asks], [level.price for level in book.bids]
        assert asks == sorted(set(asks))
        assert bids == sorted(set(bids), reverse=True)
        assert bids[0] < asks[0]
        assert markets.ticker(listing.market).price in {asks[0], bids[0]}


def test_a_book_is_drawn_once_for_its_second_and_last_trade() -> None:
    """Whoever looks again before anything changed gets the very same object: streams look ten times a second."""
    source = Generator(3, 2, START)
    for market in ("KRW-BTC", "KRW-ETH"):
        first = source.book(market, START)
        assert source.book(market, START + 999) is first
        assert source.book(market, START + 1000) is not first


def test_all_289_markets_can_be_listed() -> None:
    """With warnings and cautions, but never on the majors."""
    listings = Generator(1, 289, START).listings
    assert len({listing.market for listing in listings}) == 289
    assert any(listing.warning for listing in listings)
    assert not any(listing.caution or listing.warning for listing in listings[:4])


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """2026-11-08 is a Sunday."""
    sunday = START + 6 * DAY * 1000
    assert opened_ms(sunday, WEEK) == START
    assert opened_ms(sunday, MONTH) == START - DAY * 1000


def recorded(folder: Path, rows: list[str]) -> Path:
    """Write one recorded market."""
    (folder / "KRW-AAA.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return folder


def test_a_replayed_candle_is_the_recorded_one(tmp_path: Path) -> None:
    """Open, high, low, close and volume to the last decimal; a missing minute stays missing."""
    rows = [f"2025-09-01T00:{m:02}:00Z,10{m},12{m},9{m},11{m},0.123456{m:02}," for m in range(60) if m != 45]
    source = Replay(recorded(tmp_path, rows))
    replayed = Markets(source)
    assert source.end_ms is not None
    replayed.advance(source.end_ms)
    live = [c for c in replayed.candles("KRW-AAA", MINUTE, None, 60) if c.opened_ms >= source.start_ms]
    told = [(str(c.open), str(c.high), str(c.low), str(c.close), c.volume) for c in reversed(live)]
    wanted = [r.split(",")[1:6] for r in rows[-len(live) :]]
    assert told == [(o, h, low, c, Decimal(v)) for o, h, low, c, v in wanted]
    assert len(live) == 60 - 1 - len(rows) // 3


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded candles are not at {RECORDED}")
def test_three_recorded_hours_come_out_exactly() -> None:
    """Real candles of four markets, minute by minute."""
    source = Replay(RECORDED)
    replayed = Markets(source)
    replayed.advance(source.start_ms + 3 * 3_600_000 - 1)
    for listing in source.listings:
        recording = source._recordings[listing.market]
        wanted = {
            recording.opened[at]: recording.candle(at)
            for at in range(len(recording.opened))
            if source.start_ms <= recording.opened[at] < source.start_ms + 3 * 3_600_000
        }
        live = replayed.candles(listing.market, MINUTE, None, 180)
        assert [shape(c) for c in reversed(live) if c.opened_ms in wanted] == [shape(c) for c in wanted.values()]


def shape(candle: Candle) -> tuple[object, ...]:
    """Return what a record says of a candle."""
    return candle.opened_ms, candle.open, candle.high, candle.low, candle.close, candle.volume


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "nothing to replay"),
        ("a,b\n1,2\n3,4\n", "line 1"),
        (HEADER + "x,1,1,1,1,1,\n2025-09-01T00:01:00Z,1,1,1,1,1,\n", "line 2"),
        (HEADER + "2025-09-01T00:01:00Z,1,1,1,1,1,\n2025-09-01T00:00:00Z,1,1,1,1,1,\n", "line 3"),
    ],
)
def test_a_folder_that_cannot_be_replayed_is_told_with_its_line(
    content: str | None, words: str, tmp_path: Path
) -> None:
    """In both languages."""
    if content is not None:
        (tmp_path / "KRW-AAA.csv").write_text(content)
    with pytest.raises(ReplayError) as caught:
        Replay(tmp_path)
    assert words in caught.value.en
    assert caught.value.ko
