"""Candles in memory, whatever order and however often the exchange tells them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.test_kept_candles import arrays
from trader.candles.candle_store import CandleStore
from trader.candles.series import differences, last_close, replaced
from upbit.models import Candle
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strategy.grid import CandleArrays

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def candle(number: int) -> Candle:
    """Return the candle of a minute, with a price of its own."""
    price = Decimal(100 + number)
    return Candle(
        market="KRW-BTC",
        opened_at_utc=f"{START + number * MINUTE:%Y-%m-%dT%H:%M:%S}",
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1 + number % 7),
        turnover=price,
    )


class Exchange(Upbit):
    """Tells candles newest first; an unruly one mixes them up and tells some of them again."""

    def __init__(self, *, unruly: bool) -> None:
        self._unruly = unruly
        self._rng = random.Random(1)

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to `count` candles that opened before `to`."""
        del market
        assert to is not None
        last = (to - START) // unit
        page = [candle(number) for number in range(max(0, last - count), last)][::-1]
        if self._unruly:
            page += self._rng.sample(page, len(page) // 3)
            self._rng.shuffle(page)
        return page


async def known(exchange: Upbit, *closed_after: int, history: int) -> CandleArrays:
    """Return what a store knows after looks at some minutes."""
    store = CandleStore(upbit=exchange, unit=MINUTE, history=history)
    for minutes in closed_after:
        await store.refresh(["KRW-BTC"], START + minutes * MINUTE, {}, budget_s=10)
    return store.series()["KRW-BTC"]


@pytest.mark.failure("C9")
@pytest.mark.parametrize("looks", [(500,), (500, 501, 504), (500, 900), (30,), (500, 650)])
async def test_candles_that_come_twice_or_out_of_order_are_each_there_once_in_their_order(
    looks: tuple[int, ...],
) -> None:
    """At the first load of several pages, from minute to minute, and after a long absence."""
    found, honest = [await known(Exchange(unruly=unruly), *looks, history=450) for unruly in (True, False)]
    assert np.all(np.diff(found.opened_at_ms) == 60_000)
    for field in ("opened_at_ms", "close", "volume"):
        assert np.array_equal(getattr(found, field), getattr(honest, field))
    assert found.close[-1] == 100 + looks[-1] - 1


@pytest.mark.parametrize(
    ("hours", "minutes", "seconds", "unit", "closed"),
    [
        (7, 59, 59.999999, 240, 4 * 60),
        (8, 0, 0.0, 240, 8 * 60),
        (0, 0, 0.000001, 240, 0),
        (23, 59, 59.5, 3, 23 * 60 + 57),
        (13, 5, 30.25, 1, 13 * 60 + 5),
    ],
)
def test_candles_close_on_a_whole_number_of_units_after_midnight(
    hours: int, minutes: int, seconds: float, unit: int, closed: int
) -> None:
    """Of UTC; at the very end of one it is over."""
    now = START + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert last_close(now, unit * MINUTE) == START + closed * MINUTE


@pytest.mark.parametrize(
    ("page", "differing"),
    [
        ({5: 1.0, 6: 1.0, 7: 1.0}, 0),  # it begins later than what is known
        ({1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0, 5: 1.0, 6: 1.0, 7: 1.0}, 0),  # earlier
        ({5: 1.0, 6: 2.0, 7: 1.0}, 1),
        ({5: 1.0, 7: 1.0}, 1),
        ({5: 1.0, 6: 1.0, 7: 1.0, 8: 1.0}, 1),
        ({}, 5),
    ],
)
def test_two_words_on_candles_are_compared_where_both_reach(page: Mapping[int, float], differing: int) -> None:
    """A candle that only one has differs, as one does that they tell otherwise; what one is too short for does not."""
    known = dict.fromkeys(range(3, 8), 1.0)
    assert differences(arrays(known), arrays(dict(page))) == differing
    assert differences(arrays({}), arrays(known)) == 5


def test_what_rest_says_stands_in_the_place_of_all_from_its_first_candle_on() -> None:
    """Also of a candle that it does not know; the last few stay."""
    known, page = arrays(dict.fromkeys(range(6), 1.0)), arrays({3: 2.0, 5: 2.0})
    found = replaced(known, page, keep=9)
    assert found.opened_at_ms.tolist() == [0, 1, 2, 3, 5]
    assert found.close.tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert replaced(known, page, keep=3).opened_at_ms.tolist() == [2, 3, 5]
