"""The numbers of the order protocol, one by one: when it sends, how long it waits, which fence could trade."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.helpers.orders import attempt, intent
from trader.orders import protocol
from trader.orders.protocol import Doubt, Kind, Step
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


@pytest.mark.parametrize(
    ("name", "fences", "reals"),
    [
        ("UnknownRefusal", 1, 1),
        ("InvalidOrder", 1, 0),
        ("UnderMinTotal", 1, 0),
        ("AgreementNeeded", 1, 0),
        ("InsufficientFunds", 0, 0),
        ("DuplicatedIdentifier", 0, 0),
    ],
)
def test_refusals_that_do_not_pass_by_themselves_are_counted_by_what_was_sent(
    name: str, fences: int, reals: int
) -> None:
    """A fence is not repeated after any of them; the order itself is only given up for a name that nobody knows."""
    sent = [attempt(outcome=name, kind=Kind.FENCE), attempt(outcome=name), attempt(outcome=name), attempt()]
    assert protocol.refused(sent, Kind.FENCE) == fences
    assert protocol.refused(sent, Kind.REAL) == 2 * reals


@pytest.mark.parametrize(
    ("step", "bid", "ask"), [(Decimal(5), 505, 2050), (None, 507, 2042)], ids=["as Upbit tells it", "of the table"]
)
def test_a_fence_stands_on_the_step_of_now(step: Decimal | None, bid: int, ask: int) -> None:
    """Below the market the step that Upbit tells fits, above it ten times as much; else the table has to do."""
    level = BookLevel(ask_price=Decimal(1021), bid_price=Decimal(1014), ask_size=Decimal(1), bid_size=Decimal(1))
    book, rich = Book(market="KRW-A", levels=[level]), {"krw": Decimal(10**9), "coins": Decimal(10**9)}
    below = protocol.make_fence(intent(Side.BID), book, **rich, step=step)
    above = protocol.make_fence(intent(Side.ASK), book, **rich, step=step)
    assert below is not None
    assert above is not None
    assert [below.price, above.price] == [bid, ask]


@pytest.mark.parametrize(("bid", "ask", "price"), [(0, 1021, 2050), (1014, 0, None), (0, 0, None)])
def test_a_side_without_a_price_gets_no_fence(bid: int, ask: int, price: int | None) -> None:
    """Also where Upbit has told a step, which is none of no price."""
    level = BookLevel(ask_price=Decimal(ask), bid_price=Decimal(bid), ask_size=Decimal(0), bid_size=Decimal(0))
    book = Book(market="KRW-A", levels=[level])
    fence = protocol.make_fence(intent(), book, krw=Decimal(0), coins=Decimal(10**9), step=Decimal(5))
    assert (None if fence is None else fence.price) == price
