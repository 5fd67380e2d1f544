"""What a buy may cost and where its stop lies: every limit at its edge."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from strategy.portfolio import (
    Caps,
    broken_cap,
    can_leave,
    draw,
    is_resting,
    order_total,
    pick,
    start_of_day,
    stop_price,
)

FEE = Decimal("0.0005")
LEAST = Decimal(5000)
NO_CAPS = Caps(order_krw=None, market_krw=None, day_krw=None)
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distance", "stop"),
    [
        (None, None),
        (0.0, None),
        (Decimal(0), None),
        (0.1, Decimal("99.9")),
        (Decimal("0.1"), Decimal("99.9")),
        (100.0, Decimal(0)),
        (Decimal(250), Decimal(0)),
    ],
)
def test_a_stop_lies_its_distance_below_the_entry_and_never_below_nothing(
    distance: float | Decimal | None, stop: Decimal | None
) -> None:
    """A number of an indicator means its shortest decimal writing; no distance is no stop."""
    assert stop_price(Decimal(100), distance) == stop


@pytest.mark.parametrize(
    ("wished", "available", "total"),
    [
        ("6000", "1000000", 6000),
        ("6000.9", "1000000", 6000),
        ("6000", "6003", 6000),  # exactly the order and its fee
        ("6000", "6002.99", 5999),
        ("6000", "5002.5", 5000),
        ("6000", "5002.49", None),
        ("5000", "1000000", 5000),
        ("4999.9", "1000000", None),
    ],
)
def test_an_order_is_whole_won_that_the_balance_pays_with_the_fee_on_top(
    wished: str, available: str, total: int | None
) -> None:
    """Rounded down, and none at all below the least that Upbit takes."""
    assert order_total(Decimal(wished), Decimal(available), FEE, LEAST) == total


@pytest.mark.parametrize(
    ("caps", "in_market", "spent", "code"),
    [
        (NO_CAPS, 10**9, 10**9, None),
        (Caps(order_krw=Decimal(6000), market_krw=None, day_krw=None), 0, 0, None),
        (Caps(order_krw=Decimal(5999), market_krw=None, day_krw=None), 0, 0, "cap_order"),
        (Caps(order_krw=None, market_krw=Decimal(10_000), day_krw=None), 4000, 10**9, None),
        (Caps(order_krw=None, market_krw=Decimal(10_000), day_krw=None), 4001, 0, "cap_market"),
        (Caps(order_krw=None, market_krw=None, day_krw=Decimal(10_000)), 10**9, 4000, None),
        (Caps(order_krw=None, market_krw=None, day_krw=Decimal(10_000)), 0, 4001, "cap_day"),
    ],
)
def test_a_cap_may_be_reached_and_not_passed(caps: Caps, in_market: int, spent: int, code: str | None) -> None:
    """Each counts what it is about: this order, its market, this day."""
    assert broken_cap(caps, Decimal(6000), in_market=Decimal(in_market), spent_today=Decimal(spent)) == code


@pytest.mark.parametrize(
    ("total", "fraction", "leaves"), [("6000", 0.0, True), ("10200", 0.5, True), ("10199", 0.5, False)]
)
def test_a_buy_must_be_sellable_at_its_stop_with_a_little_to_spare(
    total: str,
    fraction: float,
    leaves: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Else the position could never be left."""
    assert can_leave(Decimal(total), fraction, LEAST) is leaves
    assert can_leave(Decimal(total), Decimal(repr(fraction)), LEAST) is leaves


def test_a_market_rests_until_its_cooldown_is_over() -> None:
    """From the end of its last trade; one that never traded need not rest."""
    hour = timedelta(hours=1)
    assert is_resting(NOW - timedelta(minutes=59), NOW, hour)
    assert not is_resting(NOW - hour, NOW, hour)
    assert not is_resting(None, NOW, hour)


@pytest.mark.parametrize(("hour", "day"), [(14, 1), (15, 2), (23, 2)])
def test_a_day_begins_at_midnight_in_korea(hour: int, day: int) -> None:
    """That is 15:00 UTC of the day before."""
    now = datetime(2026, 11, 2, hour, 59, 59, 999, tzinfo=UTC)
    assert start_of_day(now) == datetime(2026, 11, day, 15, tzinfo=UTC)


MARKETS = [f"KRW-{letter}" for letter in "ABCDEFGH"]
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("slots", "drawn"), [(-1, 0), (0, 0), (2, 2), (3, 3), (9, 3)])
def test_targets_are_drawn_from_the_markets_that_are_free(slots: int, drawn: int) -> None:
    """Neither taken nor resting, each once, as many as there is room for."""
    exits = {"KRW-D": NOW - timedelta(minutes=1), "KRW-C": NOW - HOUR}
    chosen = draw(random.Random(7), MARKETS[:5], {"KRW-E"}, exits, NOW, cooldown=HOUR, slots=slots)
    assert len(chosen) == len(set(chosen)) == drawn
    assert set(chosen) <= {"KRW-A", "KRW-B", "KRW-C"}


def test_the_order_in_which_targets_are_told_does_not_matter() -> None:
    """Only the seed does."""
    told = [draw(random.Random(7), of, (), {}, NOW, cooldown=HOUR, slots=3) for of in (MARKETS, MARKETS[::-1])]
    assert told[0] == told[1]
    assert draw(random.Random(7), [], (), {}, NOW, cooldown=HOUR, slots=3) == []


@pytest.mark.parametrize("count", [1, 2, 21, 22, 100])
def test_one_place_is_drawn_for_as_one_of_many_places_is(count: int) -> None:
    """The quicker way to draw one leaves the seed where the other does, so that no result rests on the way."""
    quick, slow = random.Random(7), random.Random(7)
    assert [pick(quick, range(count), 1) for _ in range(50)] == [slow.sample(range(count), 1) for _ in range(50)]
    assert quick.random() == slow.random()
