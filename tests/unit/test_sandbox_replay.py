"""Replayed candles are the recorded ones: every decimal of every unit, gaps included, value where it is known."""

from __future__ import annotations

import gzip
import random
from bisect import bisect_left
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.market.feed import Candle
from sandbox.market.markets import Markets
from sandbox.market.sources.replay import Replay, ReplayError, split, true_to

CANDLES = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles"
UNITS = ("1m", "1m_sparse", "3m", "5m", "5m_old", "15m", "60m", "240m", "240m_old", "day", "day_old")
HEADER = "time_utc,open,high,low,close,volume,value\n"
recorded = pytest.mark.skipif(not CANDLES.is_dir(), reason=f"recorded candles are not at {CANDLES}")
Rows = list[tuple[int, list[str]]]  # ms, numbers


def rows_of(path: Path) -> Rows:
    """Return the rows of a file by opening time; read without the code under test."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split(",") for line in lines)
        return [(moment_ms(row[0]), row[1:]) for row in rows if row[0] != "time_utc"]


def told(candle: Candle) -> list[Decimal]:
    """Return what a record may say of a candle."""
    return [candle.open, candle.high, candle.low, candle.close, candle.volume, candle.turnover]


def check(folder: Path, most: int) -> int:
    """Compare replayed candles of all markets of a folder with the files; return how many were compared."""
    source = Replay(folder)
    markets = Markets(source)
    unit_s = next(iter(source._recordings.values())).unit_ms // 1000
    compared = 0
    assert source.end_ms is not None
    step_ms = min(unit_s * 1000 * 200, 86_400_000 * 200)
    for at_ms in range(source.start_ms + step_ms, source.end_ms + step_ms, step_ms):
        markets.advance(at_ms - 1)
        for listing in source.listings:
            compared += compare(
                markets, listing.market, unit_s, at_ms - step_ms, source._recordings[listing.market].path
            )
        if compared >= most:
            break
    return compared


FILES: dict[Path, Rows] = {}


def compare(markets: Markets, market: str, unit_s: int, since_ms: int, path: Path) -> int:
    """Compare the newest candles of a market, no more and no fewer than were recorded since a moment."""
    rows = FILES.setdefault(path, rows_of(path))
    found = [candle for candle in markets.candles(market, unit_s, None, 201) if candle.opened_ms >= since_ms]
    begin, end = (bisect_left(rows, (at_ms, [])) for at_ms in (since_ms, since_ms + unit_s * 200_000))
    wanted = rows[begin:end]
    assert [candle.opened_ms for candle in reversed(found)] == [at_ms for at_ms, _ in wanted]
    for candle, (_, row) in zip(reversed(found), wanted, strict=True):
        for value, text in zip(told(candle), row, strict=True):
            assert not text or value == Decimal(text), (market, candle, row)
    return len(found)


def moment_ms(text: str) -> int:
    """Return a time of a record in ms."""
    return int(datetime.fromisoformat(text).timestamp()) * 1000


@recorded
@pytest.mark.parametrize("unit", UNITS)
def test_recorded_candles_of_every_unit_come_out_exactly(unit: str, tmp_path: Path) -> None:
    """The first markets of every folder, at least 200 candles of each: prices, volume, value, and every gap."""
    for path in sorted((CANDLES / unit).glob("KRW-*"))[:3]:
        (tmp_path / path.name).symlink_to(path)
    assert check(tmp_path, 600) > 0


@recorded
@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_all_recorded_candles_come_out_exactly(unit: str) -> None:
    """Every file of every folder to its end."""
    assert check(CANDLES / unit, 10**9) > 1_000


prices = st.integers(1, 50).map(lambda n: Decimal(n) / 10)
volumes = st.decimals(Decimal("1e-8"), Decimal(10**9), places=8)


@given(
    corners=st.tuples(prices, prices, prices, prices),
    volume=volumes,
    share=st.integers(0, 1000),
    known=st.booleans(),
    seed=st.integers(0, 99),
)
def test_made_up_trades_are_true_to_any_candle(
    corners: tuple[Decimal, ...], volume: Decimal, share: int, seed: int, *, known: bool
) -> None:
    """First, last, highest, lowest price, volume and value; all volumes positive, all inside the period, in order."""
    low, *inner, high = sorted(corners)
    candle = Candle(60_000, inner[0], high, low, inner[1], volume, Decimal(0), 119_999)
    value = (volume * (low + (high - low) * share / 1000)).quantize(Decimal("1e-8")) if known else None
    trades = true_to(value, split(candle, "KRW-AAA", 60_000, random.Random(seed), 3))
    assert (trades[0].price, trades[-1].price) == (candle.open, candle.close)
    assert max(trade.price for trade in trades) == high
    assert min(trade.price for trade in trades) == low
    assert sum(trade.volume for trade in trades) == volume
    assert all(trade.volume > 0 for trade in trades)
    moments = [trade.at_ms for trade in trades]
    assert moments == sorted(moments)
    assert 60_000 <= moments[0] <= moments[-1] < 120_000
    assert len({trade.sequential_id for trade in trades}) == len(trades)
    if value is not None:
        assert sum(trade.price * trade.volume + trade.besides for trade in trades) == value


def test_the_value_is_in_the_trades_not_beside_them() -> None:
    """What the volumes of an ordinary candle cannot express is less than a won."""
    o, high, low, c, volume = map(Decimal, (1000, 1010, 990, 1005, 12345))
    candle = Candle(0, o, high, low, c, volume, Decimal(0), 59_999)
    for seed in range(50):
        trades = true_to(Decimal("12345678.901234"), split(candle, "KRW-AAA", 60_000, random.Random(seed), 0))
        assert abs(trades[-1].besides) < 1


def test_unknown_volume_is_made_up_and_known_prices_are_not(tmp_path: Path) -> None:
    """Some records have prices alone."""
    rows = [f"2025-09-01T00:{m:02}:00Z,10{m},12{m},9{m},11{m},," for m in range(60)]
    (tmp_path / "KRW-AAA.csv").write_text(HEADER + "\n".join(rows) + "\n")
    source = Replay(tmp_path)
    markets = Markets(source)
    markets.advance(source.start_ms + 599_999)
    found = markets.candles("KRW-AAA", 60, None, 10)
    assert all(candle.volume > 0 for candle in found)
    assert [str(candle.close) for candle in reversed(found)] == [f"11{m}" for m in range(20, 30)]


def test_a_bad_number_is_told_at_the_start_with_its_line(tmp_path: Path) -> None:
    """Not hours later, in the middle of the repetition."""
    rows = [f"2025-09-01T00:{m:02}:00Z,10,12,9,{'x' if m == 41 else 11},1," for m in range(60)]
    (tmp_path / "KRW-AAA.csv").write_text(HEADER + "\n".join(rows) + "\n")
    with pytest.raises(ReplayError, match="line 43 cannot be read"):
        Replay(tmp_path)
