"""Whether an exit may go out: two sources, two looks, and no wait that never ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.orders.exits import FORGET_S, INSIST_S, LOOK_AGAIN_S, PATIENT_S, Leaving, Waiting, sells_at

GAP = Decimal("0.03")
STOP = Decimal(900)


def leaving(
    *,
    stop: Decimal | None = STOP,
    forced: bool = False,
    bid: str | None = "899",
    price: str | None = "899",
    first: str | None = "899",
    waited_s: float = 0.0,
) -> Leaving:
    """Return an exit at its stop, confirmed by both sources, with some things otherwise."""
    bids, trade, before = (None if value is None else Decimal(value) for value in (bid, price, first))
    waiting = Waiting(since_s=100.0, seen_s=100.0 + waited_s, first_price=before)
    return Leaving(stop=stop, forced=forced, bid=bids, price=trade, waiting=waiting)


@pytest.mark.failure("C12")
@pytest.mark.parametrize(("bid", "goes"), [("900", True), ("927", True), ("928", False), ("0", False)])
def test_a_stop_goes_out_at_once_when_the_bids_have_fallen_too(bid: str, *, goes: bool) -> None:
    """One trade far below every bid sells nothing."""
    assert sells_at(leaving(bid=bid), GAP) == (Decimal(bid) if goes else None)


@pytest.mark.failure("C12")
@pytest.mark.parametrize(
    ("price", "waited_s", "goes"),
    [
        ("898", INSIST_S, True),
        ("898", INSIST_S - 0.1, False),
        ("899", 3600.0, False),
        ("901", INSIST_S, False),
        (None, INSIST_S, False),
    ],
    ids=["other trades below the stop", "too soon", "the same trade", "above the stop again", "no fresh trade"],
)
def test_bids_that_deny_a_stop_are_believed_until_other_trades_deny_them(
    price: str | None, waited_s: float, *, goes: bool
) -> None:
    """A book that stands still while prices fall delays a stop by four seconds; a fat finger is one trade."""
    assert (sells_at(leaving(bid="990", price=price, waited_s=waited_s), GAP) is not None) is goes


@pytest.mark.parametrize(
    ("stop", "forced", "after_s"), [(STOP, False, LOOK_AGAIN_S), (None, True, LOOK_AGAIN_S), (None, False, PATIENT_S)]
)
def test_without_a_book_an_exit_goes_out_on_the_last_trade(
    stop: Decimal | None, *, forced: bool, after_s: float
) -> None:
    """A stop after two looks, another exit after minutes; neither without a fresh trade."""
    for waited_s, goes in ((after_s, True), (after_s - 0.1, False)):
        at = sells_at(leaving(stop=stop, forced=forced, bid=None, waited_s=waited_s), GAP)
        assert (at == Decimal(899)) is goes
    assert sells_at(leaving(stop=stop, forced=forced, bid=None, price=None, waited_s=after_s), GAP) is None


@pytest.mark.parametrize(
    ("bid", "price", "waited_s", "goes"),
    [
        ("970", "1000", 0.0, True),
        ("969", "1000", 0.0, False),
        ("969", "1000", PATIENT_S, True),
        ("1", None, 0.0, True),
        ("0", "1000", PATIENT_S, False),
    ],
)
def test_an_exit_without_haste_waits_while_bids_are_far_below_the_last_trade(
    bid: str, price: str | None, waited_s: float, *, goes: bool
) -> None:
    """Five minutes at most; with nobody who bids there is nothing to wait for or to do."""
    assert (sells_at(leaving(stop=None, bid=bid, price=price, waited_s=waited_s), GAP) is not None) is goes


@given(
    bid=st.none() | st.integers(1, 2000),
    price=st.integers(1, 2000),
    kind=st.sampled_from([(STOP, False), (None, True), (None, False)]),
)
def test_no_exit_waits_for_ever_while_prices_are_fresh(
    bid: int | None, price: int, kind: tuple[Decimal | None, bool]
) -> None:
    """Whatever bids and trades say: five minutes after it was first wanted it goes out, if it still is wanted."""
    stop, forced = kind
    shown = None if bid is None else str(bid)
    stopped = stop is not None and Decimal(price) > stop  # then nobody wants out
    asked = leaving(stop=stop, forced=forced, bid=shown, price=str(price), first=str(price + 1), waited_s=PATIENT_S)
    assert stopped or sells_at(asked, GAP) is not None


def test_an_exit_that_was_not_wanted_for_a_while_begins_to_wait_anew() -> None:
    """What was seen before the price came back is history."""
    first = Waiting.look(None, 10.0, None)
    assert (first.waited_s, first.first_price) == (0.0, None)
    second = Waiting.look(first, 12.0, Decimal(5))
    third = Waiting.look(second, 12.0 + FORGET_S, Decimal(6))
    assert (third.waited_s, third.first_price) == (2.0 + FORGET_S, Decimal(5))
    assert Waiting.look(third, third.seen_s + FORGET_S + 0.1, Decimal(7)).waited_s == 0.0
