"""When an exit may go out, at each bound: what is waited for, for how long, and what it then expects to sell at."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from trader.orders.exits import Leaving, Waiting, sells_at

GAP = Decimal("0.05")
STOP = 100


def leaving(
    *,
    stop: int | None = None,
    forced: bool = False,
    bid: str | None = None,
    price: str | None = None,
    waited_s: float = 0.0,
    first: str | None = None,
) -> Leaving:
    """Return what an exit is judged by."""
    return Leaving(
        stop=None if stop is None else Decimal(stop),
        forced=forced,
        bid=None if bid is None else Decimal(bid),
        price=None if price is None else Decimal(price),
        waiting=Waiting(since_s=10.0, seen_s=10.0 + waited_s, first_price=None if first is None else Decimal(first)),
    )


@pytest.mark.parametrize(
    ("judged", "sells"),
    [
        # without a book: on the last trade alone, a stop and what is forced after a second, the rest after five minutes
        (leaving(stop=STOP, price="99", waited_s=0.9), None),
        (leaving(stop=STOP, price="99", waited_s=1.0), "99"),
        (leaving(forced=True, price="99", waited_s=1.0), "99"),
        (leaving(forced=True, price="99", waited_s=0.9), None),
        (leaving(price="99", waited_s=299.9), None),
        (leaving(price="99", waited_s=300.0), "99"),
        # nobody bids: nothing can be sold
        (leaving(forced=True, bid="0", price="99", waited_s=999.0), None),
        (leaving(forced=True, bid="1", price="99"), "1"),
        # a stop: the bids have fallen, too, or the price goes on to be below it for four seconds
        (leaving(stop=STOP, bid="105", price="99"), "105"),
        (leaving(stop=STOP, bid="106", price="99", waited_s=3.9, first="98"), None),
        (leaving(stop=STOP, bid="106", price="99", waited_s=4.0, first="98"), "106"),
        (leaving(stop=STOP, bid="106", price="100", waited_s=4.0, first="98"), "106"),
        (leaving(stop=STOP, bid="106", price="101", waited_s=4.0, first="98"), None),
        (leaving(stop=STOP, bid="106", price="98", waited_s=4.0, first="98"), None),  # nobody has traded since
        (leaving(stop=STOP, bid="106", waited_s=999.0, first="98"), None),
        # another reason: the bids are near the last trade, or five minutes are over
        (leaving(bid="95", price="100"), "95"),
        (leaving(bid="94", price="100", waited_s=299.9), None),
        (leaving(bid="94", price="100", waited_s=300.0), "94"),
        (leaving(bid="94"), "94"),
    ],
)
def test_an_exit_goes_out_at_its_bound_and_not_before(judged: Leaving, sells: str | None) -> None:
    """Each source is waited for as long as it may be, and no longer."""
    assert sells_at(judged, GAP) == (None if sells is None else Decimal(sells))


def test_a_wait_keeps_its_beginning_and_its_first_price_until_nobody_has_wanted_it_for_a_while() -> None:
    """A price that was not known at first is the first that is; after fifteen seconds it begins anew."""
    first = Waiting.look(None, 10.0, None)
    assert first == Waiting(since_s=10.0, seen_s=10.0, first_price=None)
    second = Waiting.look(first, 25.0, Decimal(7))
    assert second == Waiting(since_s=10.0, seen_s=25.0, first_price=Decimal(7))
    third = Waiting.look(second, 26.0, Decimal(8))
    assert (third.first_price, third.waited_s) == (Decimal(7), 16.0)
    dust = replace(third, dust_s=20.0)
    assert Waiting.look(dust, 27.0, Decimal(9)).dust_s == 20.0
    assert Waiting.look(third, 41.1, Decimal(9)) == Waiting(since_s=41.1, seen_s=41.1, first_price=Decimal(9))
