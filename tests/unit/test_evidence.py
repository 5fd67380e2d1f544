"""One answer proves nothing that cannot be taken back: what looks at an order prove, and when."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.helpers.orders import shown
from trader.orders import evidence
from trader.orders.evidence import Ending, Looks, Persistence, is_full, listed_as
from upbit.models import Fill, NewOrder, Order, Side

BUY = NewOrder(market="KRW-A", side=Side.BID, identifier="ub1-x-0", total=Decimal(6000))
SALE = NewOrder(market="KRW-A", side=Side.ASK, identifier="ub1-x-0", volume=Decimal(60))


def fill(uuid: str, volume: str, price: str = "100") -> Fill:
    """Return an execution."""
    return Fill(uuid=uuid, price=Decimal(price), volume=Decimal(volume), notional=Decimal(volume) * Decimal(price))


def ended(*fills: Fill, **changes: object) -> Order:
    """Return an order that is over, with these fills."""
    volume = sum((one.volume for one in fills), Decimal(0))
    values = {"state": "cancel", "fills": list(fills), "trades_count": len(fills), "executed_volume": volume}
    return shown(**(values | changes))


NOTHING = ended()
WHOLE = ended(fill("1", "20"), fill("2", "40"), paid_fee=Decimal(3))
PART = ended(fill("1", "20"), paid_fee=Decimal(1))
ODD = ended(fill("1", "20"), trades_count=2, executed_volume=Decimal(60))


def looked(asked: NewOrder, *looks: tuple[float, Order]) -> Looks:
    """Return what some looks show."""
    seen = Looks(asked)
    for at_s, order in looks:
        seen.add(order, at_s)
    return seen


@pytest.mark.parametrize("asked", [BUY, SALE])
@pytest.mark.parametrize(
    ("looks", "ending"),
    [
        ([], Ending.OPEN),
        ([(0.0, WHOLE)], Ending.OPEN),
        ([(0.0, WHOLE), (0.24, WHOLE)], Ending.OPEN),
        ([(0.0, WHOLE), (0.25, WHOLE)], Ending.WHOLE),
        ([(0.0, NOTHING)], Ending.OPEN),
        ([(0.0, NOTHING), (9.9, NOTHING)], Ending.OPEN),
        ([(0.0, NOTHING), (10.0, NOTHING)], Ending.SHORT),
        ([(0.0, PART), (10.0, PART)], Ending.SHORT),
        ([(0.0, NOTHING), (4.0, WHOLE), (10.0, NOTHING)], Ending.OPEN),
        ([(0.0, NOTHING), (4.0, WHOLE), (4.3, WHOLE)], Ending.WHOLE),
        ([(0.0, ODD), (19.9, ODD)], Ending.OPEN),
        ([(0.0, ODD), (20.0, ODD)], Ending.ODD),
        ([(0.0, msgspec.structs.replace(ODD, fills=[])), (60.0, msgspec.structs.replace(ODD, fills=[]))], Ending.OPEN),
        ([(0.0, msgspec.structs.replace(WHOLE, state="wait")), (60.0, WHOLE)], Ending.OPEN),
        ([(0.0, msgspec.structs.replace(WHOLE, state="wait"))] * 2, Ending.OPEN),
    ],
)
def test_when_an_order_is_believed_to_be_over(
    asked: NewOrder, looks: list[tuple[float, Order]], ending: Ending
) -> None:
    """What takes nothing away at the second look, what would send another after ten seconds; any change begins anew."""
    assert looked(asked, *looks).ending() is ending


def test_a_fill_counts_when_two_looks_have_shown_it_alike() -> None:
    """Made up once, or told with other figures the second time, it is none; the fee is believed like it."""
    looks = looked(BUY, (0.0, PART))
    assert not looks.fills(0.0)
    assert looks.fee() == 0
    looks.add(WHOLE, 0.5)
    assert [one.uuid for one in looks.fills(0.5)] == ["1"]
    assert looks.fee() == 0
    looks.add(WHOLE, 0.75)  # a quarter of a second later
    assert [one.uuid for one in looks.fills(0.75)] == ["1", "2"]
    assert looks.fee() == 3
    looks.add(ended(fill("1", "20"), fill("2", "41")), 0.9)
    assert [one.uuid for one in looks.fills(0.9)] == ["1"]
    looks.add(ended(fill("3", "60")), 1.0)
    assert looks.fills(1.0) == []
    assert Looks(BUY).fills(1.0) == []


@pytest.mark.parametrize(
    ("asked", "order", "full"),
    [
        (SALE, WHOLE, True),
        (SALE, PART, False),
        (BUY, WHOLE, True),
        (BUY, PART, False),
        (BUY, NOTHING, False),
        (BUY, ended(fill("1", "59.99")), True),
        (BUY, ended(fill("1", "59.98")), False),
        (msgspec.structs.replace(BUY, total=Decimal(200_000_000)), ended(fill("1", "1.99999999", "100000000")), True),
    ],
)
def test_what_is_all_that_was_asked_for(asked: NewOrder, order: Order, full: bool) -> None:  # noqa: FBT001 - a parameter
    """A sale of its volume; a buy whose rest buys nothing any more, at most a won or the smallest volume."""
    assert is_full(asked, order) is full


def test_a_list_that_differs_denies_and_one_without_it_says_nothing() -> None:
    """The same uuid, ended, and as much executed."""
    assert listed_as(NOTHING, [NOTHING]) is True
    assert listed_as(NOTHING, [WHOLE]) is False
    assert listed_as(NOTHING, [msgspec.structs.replace(NOTHING, state="wait")]) is False
    assert listed_as(NOTHING, [msgspec.structs.replace(WHOLE, uuid="other")]) is None


def test_without_a_list_looks_must_agree_for_a_minute() -> None:
    """The list may not be readable for long, and a market must not be frozen with it."""
    assert not looked(SALE, (0.0, NOTHING), (59.9, NOTHING)).may_do_without_list()
    assert looked(SALE, (0.0, NOTHING), (60.0, NOTHING)).may_do_without_list()


def test_what_must_go_on_to_be_believed() -> None:
    """Counted from its first sight."""
    other = Persistence()
    assert not other.persist(5.0)
    assert not other.persist(5.0 + evidence.OTHER_AFTER_S - 0.1)
    assert other.persist(5.0 + evidence.OTHER_AFTER_S)
