"""The numbers of the order protocol, one by one: when it sends, how long it waits, which fence could trade."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.helpers.orders import intent
from trader.orders import protocol
from trader.orders.protocol import Doubt, Step
from upbit.models import Book, BookLevel, Side

DOUBT = Doubt(missed=3, sends=1, burnt=False, wanted=True, may_send=True)


@pytest.mark.parametrize(
    ("doubt", "step"),
    [
        (DOUBT, Step.SEND),
        (replace(DOUBT, missed=2), Step.LOOK),
        (replace(DOUBT, missed=9, sends=3), Step.SEND),
        (replace(DOUBT, sends=4), Step.FENCE),
        (replace(DOUBT, wanted=False), Step.FENCE),
        (replace(DOUBT, burnt=True), Step.LOOK),
        (replace(DOUBT, may_send=False), Step.LOOK),
        (replace(DOUBT, may_send=False, wanted=False), Step.LOOK),
    ],
)
def test_what_is_done_about_a_doubt(doubt: Doubt, step: Step) -> None:
    """Three looks that saw nothing, then the order again while it is wanted, four times at most; then a fence."""
    assert protocol.next_step(doubt) is step


@pytest.mark.parametrize(
    ("missed", "failed", "attempts", "seconds"),
    [
        (0, 0, 0, 0.5),
        (0, 0, 4, 0.5),
        (1, 0, 1, 1),
        (0, 1, 1, 1),
        (1, 1, 1, 2),
        (0, 0, 5, 1),
        (3, 1, 1, 8),
        (4, 1, 1, 10),
    ],
)
def test_the_pause_before_a_look_doubles_with_each_that_brought_nothing(
    missed: int, failed: int, attempts: int, seconds: float
) -> None:
    """From half a second to ten; from the fifth send on each of them counts as well."""
    assert protocol.pause_before_look(missed=missed, failed=failed, attempts=attempts) == seconds


@pytest.mark.parametrize(("ask", "stands"), [(500, False), (499, False), (501, True)])
def test_a_fence_that_an_ask_could_meet_is_none(ask: int, stands: bool) -> None:  # noqa: FBT001 - a parameter
    """In a book that is upside down half of the best bid may still be a price somebody sells at."""
    level = BookLevel(ask_price=Decimal(ask), bid_price=Decimal(1000), ask_size=Decimal(1), bid_size=Decimal(1))
    book = Book(market="KRW-A", levels=[level])
    fence = protocol.make_fence(intent(Side.BID), book, krw=Decimal(10**9), coins=Decimal(0))
    assert (fence is not None) is stands
    assert fence is None or fence.price == 500
