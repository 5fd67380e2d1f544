"""A tape is a market again: trades and books at the exchange's times, candles of before, and no book in a gap."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from sandbox.market.markets import Markets
from sandbox.market.sources.tape import TapeMarket
from sandbox.server import SandboxOptions, open_source
from tape.problems import TapeError
from tests.helpers.tapes import BEGIN, Hand, ms

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")

MINUTE = timedelta(minutes=1)
START = BEGIN.replace(second=0) + MINUTE
"""The first full minute of a tape that begins at 21:03:05."""


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    """Return a recorder that is connected to two markets since 21:03:05."""
    made = Hand(tmp_path)
    made.open("KRW-XRP", "KRW-BTC")
    return made


def replayed(hand: Hand) -> TapeMarket:
    """Stop recording, and return the market of the tape."""
    hand.write()
    hand.end()
    return TapeMarket(hand.folder)


def at(hand: Hand, moment: datetime) -> None:
    """Let it be a moment."""
    hand.now = moment


def candle(opened: datetime, price: int, volume: str = "1") -> dict[str, object]:
    """Return a candle as REST answers it."""
    names = ("opening_price", "high_price", "low_price", "trade_price")
    told: dict[str, object] = dict.fromkeys(names, price)
    return told | {
        "candle_date_time_utc": f"{opened:%Y-%m-%dT%H:%M:%S}",
        "candle_acc_trade_volume": float(volume),
        "candle_acc_trade_price": price * float(volume),
        "timestamp": ms(opened) + 59_000,
    }


def answer(hand: Hand, path: str, rows: list[dict[str, object]], status: int = 200) -> None:
    """Write what a question was answered."""
    hand.recorder.answer("GET", path, status, json.dumps(rows).encode(), signed=False)


def test_trades_come_at_the_times_of_the_exchange_from_the_first_full_minute_on(hand: Hand) -> None:
    """Also those that were told late, and each once; what was before the start is history."""
    hand.trade("KRW-BTC", "99", "1")
    at(hand, START + timedelta(seconds=10))
    hand.trade("KRW-BTC", "101", "2", late_ms=10)
    hand.trade("KRW-XRP", "7", "3", "ASK", late_ms=900)
    hand.number -= 1
    hand.trade("KRW-XRP", "7", "3", "ASK", late_ms=900)
    source = replayed(hand)
    assert source.start_ms == ms(START)
    told = source.advance(ms(START) + 60_000)
    assert [(one.market, one.price, one.at_ms - source.start_ms, one.taker) for one in told] == [
        ("KRW-XRP", Decimal(7), 9_100, "ASK"),
        ("KRW-BTC", Decimal(101), 9_990, "BID"),
    ]
    assert source.next_ms() is None
    assert source.end_ms == ms(START) + 9_990


def test_numbers_are_written_as_answers_write_them(hand: Hand) -> None:
    """Frames have exponents, which no answer of Upbit's has."""
    at(hand, START + timedelta(seconds=1))
    hand.trade("KRW-BTC", "9.8E+7", "1.5E-7")
    hand.trade("KRW-BTC", "1234.50", "1E+1")
    first, second = replayed(hand).advance(ms(START) + 60_000)
    assert [str(one) for one in (first.price, second.price, second.volume)] == ["98000000", "1234.50", "10"]
    assert first.volume == Decimal("0.00000015")


def test_a_trade_that_comes_later_than_the_window_happens_when_it_comes(hand: Hand) -> None:
    """Time never goes back: a closed candle stays as it was."""
    at(hand, START + timedelta(seconds=30))
    hand.trade("KRW-BTC", "101", "1", late_ms=0)
    at(hand, START + timedelta(seconds=40))
    hand.trade("KRW-BTC", "102", "1", late_ms=0)
    hand.trade("KRW-BTC", "90", "1", late_ms=20_000)
    source = replayed(hand)
    times = [one.at_ms for one in source.advance(ms(START) + 60_000)]
    assert times == sorted(times)
    assert times[1] == ms(START) + 30_000  # what happened at 20 s was told after a trade of 30 s was given


def test_the_book_is_that_of_the_moment_and_there_is_none_in_a_gap(hand: Hand) -> None:
    """Before the first one, and between a lost connection and the next frame, nothing can be filled."""
    at(hand, START + timedelta(seconds=1))
    hand.book("KRW-BTC", 99, 100, "0.5")
    at(hand, START + timedelta(seconds=3))
    hand.recorder.state("market", "closed")
    at(hand, START + timedelta(seconds=9))
    hand.open("KRW-BTC", "KRW-XRP")
    hand.book("KRW-BTC", 89, 90, "0.5", levels=2)
    source = replayed(hand)
    assert source.book("KRW-BTC", ms(START)).asks == ()
    source.advance(ms(START) + 990)
    book = source.book("KRW-BTC", ms(START) + 990)
    assert (len(book.asks), book.asks[0].price, book.bids[0].size) == (30, Decimal(100), Decimal("1.0"))
    assert source.book("KRW-XRP", ms(START) + 990).bids == ()
    source.advance(ms(START) + 2_900)
    assert source.book("KRW-BTC", ms(START) + 2_900).asks
    source.advance(ms(START) + 3_000)
    assert source.book("KRW-BTC", ms(START) + 3_000).asks == ()
    source.advance(ms(START) + 9_000)
    assert [level.price for level in source.book("KRW-BTC", ms(START) + 9_000).bids] == [Decimal(89), Decimal(88)]


def test_candles_of_before_are_those_that_were_answered_in_every_unit(hand: Hand) -> None:
    """Minutes and days as they are, hours from minutes as far as these reach and then as answered; none of later."""
    minutes = [candle(START - n * MINUTE, 100 + n) for n in range(-1, 150)]
    answer(hand, "/v1/candles/minutes/1?market=KRW-BTC&count=200", minutes)
    hour = START.replace(minute=0)
    answer(
        hand,
        "/v1/candles/minutes/60?market=KRW-BTC&count=200",
        [candle(hour - n * timedelta(hours=1), 1_000 + n, "60") for n in range(5)],
    )
    answer(hand, "/v1/candles/days?market=KRW-BTC&count=200", [candle(START.replace(hour=0, minute=0), 5)])
    answer(hand, "/v1/candles/minutes/1?market=KRW-BTC&count=200", [{"error": 1}], status=500)
    hand.recorder.answer("GET", "/v1/candles/days?market=KRW-BTC&count=200", 200, b"<html>", signed=False)
    at(hand, START + timedelta(seconds=1))
    hand.trade("KRW-BTC", "100", "1")
    source = replayed(hand)
    told = source.history("KRW-BTC", 60, source.start_ms, 3)
    assert [(one.opened_ms - source.start_ms, one.close) for one in told] == [
        (-60_000, Decimal(101)),
        (-120_000, Decimal(102)),
        (-180_000, Decimal(103)),
    ]
    hours = source.history("KRW-BTC", 3600, source.start_ms, 10)
    assert [one.close for one in hours] == [Decimal(101), Decimal(105), Decimal(165), Decimal(1_003), Decimal(1_004)]
    assert [one.volume for one in hours[:3]] == [Decimal(4), Decimal(60), Decimal(60)]
    assert hours[3].volume == 60  # of its minutes only the end was answered
    assert source.history("KRW-XRP", 60, source.start_ms, 3) == []
    assert [one.close for one in Markets(source).candles("KRW-BTC", 60, None, 1)] == [Decimal(101)]


def test_markets_are_listed_as_they_were_and_bitcoin_comes_first(hand: Hand) -> None:
    """With their names and warnings; one that no list names goes by its code."""
    event = {"warning": True, "caution": {"PRICE_FLUCTUATIONS": True, "DEPOSIT_AMOUNT_SOARING": False}}
    row: dict[str, object] = {
        "market": "KRW-XRP",
        "korean_name": "엑스알피",
        "english_name": "XRP",
        "market_event": event,
    }
    answer(hand, "/v1/market/all?is_details=true", [row, {**row, "market": "BTC-XRP"}])
    answer(hand, "/v1/market/all?is_details=true", [{"name": "bad_gateway"}])
    at(hand, START + timedelta(seconds=1))
    hand.trade("KRW-BTC", "100", "1")
    bitcoin, ripple = replayed(hand).listings
    assert (bitcoin.market, bitcoin.korean_name, bitcoin.warning) == ("KRW-BTC", "BTC", False)
    assert (ripple.korean_name, ripple.warning, ripple.caution) == ("엑스알피", True, frozenset({"PRICE_FLUCTUATIONS"}))


def test_a_tape_with_nothing_to_repeat_is_told_in_one_sentence(hand: Hand) -> None:
    """Less than its first full minute, or no connection at all."""
    hand.trade("KRW-BTC", "100", "1")
    with pytest.raises(TapeError, match="A tape of more than a minute is needed"):
        replayed(hand)
    other = Hand(hand.folder / "other")
    other.recorder.frame("ticker", "{}")
    with pytest.raises(TapeError, match="there is no trade to repeat"):
        replayed(other)


def test_the_sandbox_takes_a_folder_of_tapes_and_a_single_file(hand: Hand) -> None:
    """By what it finds there; a folder of candles is still one of candles."""
    at(hand, START + timedelta(seconds=1))
    hand.trade("KRW-BTC", "100", "1")
    replayed(hand)
    (file,) = hand.folder.glob("*.tape")
    for path in (hand.folder, file):
        opened = open_source(SandboxOptions(replay=path), BEGIN)
        assert isinstance(opened.source, TapeMarket)
        assert opened.start == START
