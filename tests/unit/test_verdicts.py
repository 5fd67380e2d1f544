"""Verdicts in a few bytes: what is read back gives every verdict that was decided, from the numbers alone."""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, isnan, nan, nextafter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.journal import Journal
from journal.reader import open_reader
from journal.rows import canonical, to_ms
from journal.schema import MIGRATIONS
from journal.verdicts import (
    DIGITS,
    LENGTHS,
    GateRow,
    Scan,
    Unreadable,
    pack,
    shortest,
    to_frame,
    to_scan,
    unpack,
)
from strategy.relations import RELATIONS
from tests.helpers.scans import a_scan

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 30, 5, 3, tzinfo=UTC)
NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=False, width=64),
    st.sampled_from([0.1, 0.1 + 2**-55, nextafter(100.0, inf), 100.0, 160_123_000.0, 1e-8, 4.1e9, nan]),
)
PRICES = st.one_of(st.none(), st.decimals(min_value="0.00000001", max_value="1e10", places=8))


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    """Return any look: near misses, unknown numbers, shared columns, markets without a price."""
    count = draw(st.integers(0, 6))
    markets = [f"KRW-{n}" for n in range(count)]
    gates = []
    for n in range(draw(st.integers(0, 4))):
        values = [draw(NUMBERS) for _ in markets]
        side = draw(st.sampled_from(["free", "shared", "near"]))
        thresholds = [draw(NUMBERS)] * count if side == "shared" else [draw(NUMBERS) for _ in markets]
        if side == "near":
            thresholds = [nextafter(value, draw(st.sampled_from([inf, -inf]))) for value in values]
        relation = draw(st.sampled_from(sorted(RELATIONS)))
        gates.append(GateRow(code=f"g{n}", ko="가", en="a", relation=relation, values=values, thresholds=thresholds))
    barred = {market: {"code": "b", "ko": "나", "en": "b"} for market in [*markets, "KRW-X"] if draw(st.booleans())}
    prices = [draw(PRICES) for _ in markets]
    return Scan(markets=markets, gates=gates, prices=prices, barred=barred, facts={"won": "12", "places": 5})


def verdicts(scan: Scan) -> dict[str, str | None]:
    """Return which gate every market fails first."""
    return {market: scan.failed(market) for market in scan.everywhere()}


@given(st.lists(scans(), min_size=1, max_size=4))
def test_every_verdict_is_computed_again_from_what_is_kept(looks: list[Scan]) -> None:
    """However near a number is to its threshold, packed in full or as a difference: the same gates, the same prices."""
    before = read_before = None
    for look in looks:
        frame = to_frame(look)
        read_before = unpack(pack(frame, before), read_before)
        before = frame
        read = to_scan(read_before)
        assert verdicts(read) == verdicts(look)
        assert [[gate.passes(at) for at in range(len(look.markets))] for gate in read.gates] == [
            [gate.passes(at) for at in range(len(look.markets))] for gate in look.gates
        ]
        assert list(read.prices) == list(look.prices)
        assert read.facts == look.facts


@pytest.mark.parametrize("value", [0.0, -1.5, 160_123_000.0, 0.00001234, 4.123e9, 8.72032e9, inf, -inf])
def test_a_kept_number_reads_as_a_person_wrote_it(value: float) -> None:
    """Up to six digits come back as they were; what is not known or has no end stays so."""
    assert shortest(value) == value
    assert isnan(shortest(nan))


@pytest.mark.parametrize(("value", "read"), [(639400.65, 639400.6), (1439.0263, 1439.0262), (0.1 + 0.2, 0.3)])
def test_of_more_digits_a_kept_number_has_as_few_as_tell_it_from_its_neighbours(value: float, read: float) -> None:
    """Seven, or eight: what single precision keeps of it, and no digit more."""
    assert shortest(value) == read
    assert DIGITS.pack(read) == DIGITS.pack(value)


@pytest.mark.parametrize(
    ("value", "relation", "threshold"),
    [
        (100.00000001, ">=", 100.000000005),  # one that would be rounded below what all markets are asked
        (100.000004999, ">", 100.000005),  # one that would be rounded above it
    ],
)
def test_only_what_is_kept_in_single_precision_is_rounded(value: float, relation: str, threshold: float) -> None:
    """What all markets share is not: a number beside it is kept in full where its own rounding would cross it."""
    look = a_scan(value, 5.0, threshold=threshold)
    look = replace(look, gates=[replace(look.gates[0], relation=relation)])
    assert verdicts(to_scan(to_frame(look))) == verdicts(look)


def test_a_price_is_read_without_a_needless_zero_and_what_is_as_before_is_not_kept_again() -> None:
    """As Upbit told it; markets and gates stand in the first minute of an hour alone."""
    frame = to_frame(a_scan(1.0, 2.0))
    assert str(to_scan(frame).prices[0]) == "100"
    (_, head, *_), (_, again, *_) = (LENGTHS.unpack_from(pack(frame, before)) for before in (None, frame))
    assert (head, again) == (len(frame.head), 0)


def test_a_verdict_that_rounding_would_turn_is_kept_in_full() -> None:
    """A hair above its threshold a market is a target; single precision alone would read it as none."""
    value = nextafter(100.0, inf)
    frame = to_frame(a_scan(value, 5.0, threshold=100.0))
    assert to_scan(frame).gates[0].values[0] == value
    assert to_scan(frame).failed("KRW-A") is None
    rounded = replace(frame, rest=frame.rest.replace(repr(value).encode(), b"100.0"))
    assert to_scan(rounded).failed("KRW-A") == "above"


@pytest.mark.parametrize("shared", [0.1 + 2**-55, 123_456_789.123, nan])
def test_a_number_that_all_markets_share_is_kept_to_the_last_digit(shared: float) -> None:
    """Once, and not for each market; one that is their own as single precision shows it."""
    frame = to_frame(a_scan(987_654_321.987, 2.0, 3.0, threshold=shared))
    (gate,) = to_scan(frame).gates
    assert gate.thresholds == pytest.approx([shared] * 3, rel=0, abs=0, nan_ok=True)
    assert list(gate.values) == [987_654_340.0, 2.0, 3.0]
    assert (len(frame.shared), len(frame.columns)) == (8, 2 * 3 * 4)


def test_a_difference_from_another_minute_is_never_told_as_a_verdict() -> None:
    """A clock that is set back writes a minute anew; what differs from the old one cannot be told, and says so."""
    first, other, second = (to_frame(a_scan(value, 3.0)) for value in (1.0, 7.0, 2.0))
    packed = pack(second, first)
    assert to_scan(unpack(packed, first)).gates[0].values[0] == 2.0
    with pytest.raises(Unreadable):
        unpack(packed, other)


def test_hours_stand_by_themselves_and_a_lost_minute_ends_only_its_hour(tmp_path: Path) -> None:
    """The first minute of an hour, and of a start, is whole."""
    path = tmp_path / "journal.sqlite3"
    with Journal.open(path, lambda: NOW) as journal:
        for minute in range(120):
            journal.record_scan(NOW + timedelta(minutes=minute), "s", NOW, a_scan(float(minute), 3.0))
        journal._db.execute("DELETE FROM scan WHERE minute_ms = ?", (to_ms(NOW + timedelta(minutes=10)),))
        told = [journal.scan_at(NOW + timedelta(minutes=minute)) for minute in (9, 11, 56, 57, 119)]
        alone = [look.minute for look in journal.looks_at("KRW-A", NOW - timedelta(minutes=1))]
    assert [look is not None and look.scan is not None for look in told] == [True, False, False, True, True]
    assert alone == [NOW]


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_minute_that_differs_from_itself_or_a_later_one_cannot_be_told(minutes: int, tmp_path: Path) -> None:
    """No file makes a question endless, whoever has edited it."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as journal:
        for minute in range(2):
            journal.record_scan(NOW + timedelta(minutes=minute), "s", NOW, a_scan(float(minute)))
        journal._db.execute("UPDATE scan SET prev_ms = ?", (to_ms(NOW + timedelta(minutes=minutes)),))
        look = journal.scan_at(NOW)
    assert look is not None
    assert look.scan is None


def test_looks_at_one_market_leave_out_what_cannot_be_told(tmp_path: Path) -> None:
    """A minute that is gone takes those with it that differ from it, until the hour is over."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as journal:
        for minute in range(60):
            moment = NOW + timedelta(minutes=minute)
            journal.record_scan(moment, "s", moment, a_scan(float(minute), 3.0))
        journal._db.execute("DELETE FROM scan WHERE minute_ms = ?", (to_ms(NOW + timedelta(minutes=10)),))
        looks = list(journal.looks_at("KRW-A", NOW + timedelta(minutes=5)))
        assert looks == list(journal.looks_at("KRW-A", NOW + timedelta(minutes=5), timedelta(minutes=1)))
        told = [(look.minute - NOW) // timedelta(minutes=1) for look in looks]
        assert told == [5, 6, 7, 8, 9, 57, 58, 59]
        assert [look.scan and look.scan.gates[0].values for look in looks] == [[float(minute)] for minute in told]


@given(scans())
def test_what_is_read_of_one_market_is_what_is_read_of_all(look: Scan) -> None:
    """Also a number that single precision would turn, a price that it would change, a market that is only barred."""
    frame = to_frame(look)
    whole = to_scan(frame)
    for market in [*whole.everywhere(), "KRW-NONE"]:
        alone = to_scan(frame, market)
        assert alone.everywhere() == ([market] if market in whole.everywhere() else [])
        if market in whole.everywhere():
            assert alone.failed(market) == whole.failed(market)
        if market in whole.markets:
            at = whole.markets.index(market)
            assert alone.prices == [whole.prices[at]]
            assert [list(gate.thresholds) for gate in alone.gates] == [
                pytest.approx([gate.thresholds[at]], abs=0, rel=0, nan_ok=True) for gate in whole.gates
            ]


def test_verdicts_of_the_format_before_are_read_also_by_who_cannot_write(tmp_path: Path) -> None:
    """An old journal opens: its verdicts name the gate that failed first, and no other; new ones stand beside them."""
    path = tmp_path / "journal.sqlite3"
    told = {"KRW-A": {"gate": None, "price": "12.5", "numbers": {}}, "KRW-B": {"gate": "btc_gate", "price": None}}
    with sqlite3.connect(path) as old:
        old.executescript("".join(MIGRATIONS[:5]) + "PRAGMA user_version = 5;")
        row = (to_ms(NOW), "s", to_ms(NOW), zlib.compress(canonical(told).encode()))
        old.execute("INSERT INTO scan (minute_ms, strategy, closed_ms, verdicts) VALUES (?, ?, ?, ?)", row)
    old.close()
    with open_reader(path) as reader:
        look = reader.scan_at(NOW)
        assert (reader.rests(NOW), reader.last_draw(NOW)) == ({}, None)
        assert list(reader.looks_at("KRW-A", NOW)) == []
    assert look is not None
    assert look.scan is not None
    assert verdicts(look.scan) == {"KRW-A": None, "KRW-B": "btc_gate"}
    assert look.scan.prices == [Decimal("12.5"), None]
    assert look.scan.barred == {"KRW-B": {"code": "btc_gate", "ko": "btc_gate", "en": "btc_gate"}}
    with Journal.open(path, lambda: NOW) as journal:
        later = NOW + timedelta(minutes=1)
        journal.record_scan(later, "s", later, a_scan(2.0, 0.5))
        before, after = journal.scan_at(NOW), journal.scan_at(later)
        assert [one.minute for one in journal.looks_at("KRW-A", NOW)] == [later]
    assert before == look
    assert after is not None
    assert after.scan is not None
    assert verdicts(after.scan) == {"KRW-A": None, "KRW-B": "above"}
