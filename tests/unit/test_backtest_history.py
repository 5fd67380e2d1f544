"""Candle history on disk: written whole, read back exactly, merged without a double, checked, and honest about gaps."""

from __future__ import annotations

import errno
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.files.check import examine_one
from backtest.history.candles import Candles, Stored, add_span, gaps, merge, missing_spans
from backtest.history.download import choose_markets, closed_by
from backtest.history.store import Store
from backtest.problems import Damaged, NothingThere, Unwritable, UsageProblem
from backtest.units import UNITS, from_ms, unit_ms
from tests.helpers.scripted import START, UNIT, candles, flat

if TYPE_CHECKING:
    from pathlib import Path

LATER = START + timedelta(days=365)
LENGTH = unit_ms(UNIT)


def equal(one: Candles, other: Candles) -> bool:
    """Return whether two stretches are the same in every column."""
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name), equal_nan=field.name != "opened_at_ms")
        for field in fields(Candles)
    )


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    """Every column, unknown turnovers, and which stretches were asked for."""
    store = Store(tmp_path)
    known = candles([flat(0.00854), None, flat(150_803_000.0), flat(123.4)])
    store.write(UNIT, "KRW-BTC", Stored(candles=known, asked=((0, 5), (7, 9))))
    read = store.read(UNIT, "KRW-BTC")
    assert equal(read.candles, known)
    assert read.asked == ((0, 5), (7, 9))
    assert store.markets(UNIT) == ["KRW-BTC"]
    assert store.units() == [UNIT]
    assert store.read(UNIT, "KRW-ETH") == Stored()


@given(st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(10) ** 9, places=6))
def test_a_price_of_upbit_survives_the_way_to_float_and_back(price: Decimal) -> None:
    """Fifteen significant digits do."""
    assert Decimal(repr(float(price))) == price


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space: one sentence, the file of before, and nothing lying about."""
    store = Store(tmp_path)
    store.write(UNIT, "KRW-BTC", Stored(candles=candles([flat(1)])))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("backtest.history.store.parquet.write_table", full)
    with pytest.raises(Unwritable) as caught:
        store.write(UNIT, "KRW-BTC", Stored(candles=candles([flat(2)])))
    assert "no space left" in caught.value.en
    assert "공간이 부족" in caught.value.ko
    assert store.read(UNIT, "KRW-BTC").candles.close.tolist() == [1]
    assert [path.name for path in (tmp_path / "240m").iterdir()] == ["KRW-BTC.parquet"]


@pytest.mark.parametrize("content", [b"", b"not parquet at all", None])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Empty, foreign, or cut off: the file and what to do."""
    store = Store(tmp_path)
    store.write(UNIT, "KRW-BTC", Stored(candles=candles([flat(1)] * 100)))
    path = store.path(UNIT, "KRW-BTC")
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(Damaged) as caught:
        store.read(UNIT, "KRW-BTC")
    assert str(path) in caught.value.en
    assert "fetch it again" in caught.value.en
    assert examine_one(store, UNIT, "KRW-BTC", LATER).fault is not None


@given(st.lists(st.integers(0, 40), unique=True), st.lists(st.integers(0, 40), unique=True))
def test_two_stretches_are_joined_in_order_and_the_newer_word_wins(old: list[int], new: list[int]) -> None:
    """Each candle once, whatever they share; joining again changes nothing."""

    def stretch(at: list[int], price: float) -> Candles:
        times = np.array(sorted(at), dtype=np.int64) * LENGTH
        values = {name: np.full(len(times), price) for name in ("open", "high", "low", "close", "volume", "turnover")}
        return Candles(opened_at_ms=times, **values)

    joined = merge(stretch(old, 1.0), stretch(new, 2.0))
    assert (joined.opened_at_ms // LENGTH).tolist() == sorted({*old, *new})
    assert joined.close.tolist() == [2.0 if at in new else 1.0 for at in sorted({*old, *new})]
    assert equal(merge(joined, stretch(new, 2.0)), joined)


spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted).map(tuple), max_size=6)


@given(spans, st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted))
def test_what_was_asked_and_what_is_missing_make_up_the_whole(asked: list[Any], wanted: list[int]) -> None:
    """Moment by moment: a moment of the wanted stretch is missing exactly when no asked stretch holds it."""
    joined: tuple[tuple[int, int], ...] = ()
    for span in asked:
        joined = add_span(joined, span)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(joined))
    missing = missing_spans(joined, (wanted[0], wanted[1]))
    for moment in range(wanted[0], wanted[1]):
        known = any(begin <= moment < end for begin, end in asked)
        assert any(begin <= moment < end for begin, end in missing) is not known


def test_gaps_stay_gaps_and_are_counted(tmp_path: Path) -> None:
    """Two of them, three candles missing, the longest of eight hours."""
    store = Store(tmp_path)
    known = candles([flat(1), None, flat(1), None, None, flat(1)])
    store.write(UNIT, "KRW-BTC", Stored(candles=known))
    found = examine_one(store, UNIT, "KRW-BTC", LATER)
    assert (found.rows, found.gaps, found.missing, found.longest_gap_hours, found.duplicates) == (3, 2, 3, 8.0, 0)
    assert (found.first, found.last, found.fault) == (START, START + 5 * UNIT, None)
    assert [(from_ms(gap.begin_ms), from_ms(gap.end_ms)) for gap in gaps(known, LENGTH)] == [
        (START + UNIT, START + 2 * UNIT),
        (START + 3 * UNIT, START + 5 * UNIT),
    ]


def test_doubles_and_disorder_are_found(tmp_path: Path) -> None:
    """A file of ours cannot hold them; one that does was made by somebody else."""
    store = Store(tmp_path)
    known = candles([flat(1), flat(2), flat(3)])
    store.write(UNIT, "KRW-BTC", Stored(candles=known.take(np.array([0, 2, 1, 1]))))
    found = examine_one(store, UNIT, "KRW-BTC", LATER)
    assert found.duplicates == 1
    assert found.fault is not None
    assert found.fault.en == "the candles are not in order of time"


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_a_market_that_does_not_exist_is_named_with_the_nearest() -> None:
    """All KRW markets without a wish; the wish in its order, each once."""
    listed = ["KRW-ETH", "BTC-ETH", "KRW-BTC"]
    assert choose_markets(listed, []) == ["KRW-BTC", "KRW-ETH"]
    assert choose_markets(listed, ["KRW-ETH", "KRW-ETH"]) == ["KRW-ETH"]
    with pytest.raises(UsageProblem, match="Did you mean 'KRW-BTC'"):
        choose_markets(listed, ["KRW-BTX"])
    with pytest.raises(NothingThere):
        choose_markets(["BTC-ETH"], [])


def test_a_candle_that_is_still_forming_is_never_asked_for() -> None:
    """Nor one whose last trades Upbit may still be writing."""
    minute = UNITS["1m"]
    assert from_ms(closed_by(START + minute, minute)) == START
    assert from_ms(closed_by(START + minute * 1.5, minute)) == START + minute
