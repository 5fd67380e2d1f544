"""The order protocol against an exchange that loses answers: never two orders, never a guess."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import msgspec
import pytest

from journal.records import IntentState
from tests.helpers.orders import (
    START,
    Exchange,
    an_intent,
    executed,
    told,
)
from tests.helpers.parts import only
from trader.orders import doubts, drive, protocol
from trader.orders.protocol import MOST_REAL_SENDS
from upbit.errors import (
    DuplicatedIdentifier,
    InvalidOrder,
    OrderNotFound,
    OutcomeUnknown,
    UnknownRefusal,
)
from upbit.models import Account, Fill, NewOrder, Order, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    from tests.helpers.parts import Parts


@pytest.mark.failure("A2")
@pytest.mark.parametrize(
    ("script", "sends", "state"),
    [
        ((), 1, IntentState.FINAL),
        (("refuse",), 1, IntentState.REJECTED),
        (("lost after",), 1, IntentState.FINAL),
        (("lost before",), 2, IntentState.FINAL),
        (("lost before", "lost after"), 2, IntentState.FINAL),
        (("unreachable",), 2, IntentState.FINAL),
        (("unreachable", "refuse"), 2, IntentState.REJECTED),
        (("limited",), 2, IntentState.FINAL),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else None,
)
def test_an_order_ends_well_whatever_happens_to_its_answers(
    script: tuple[str, ...], sends: int, state: IntentState, tmp_path: Path
) -> None:
    """One name for every send, at most one order at the exchange, and the journal knows how it ended."""
    exchange = Exchange(*script)

    async def story(app: Parts) -> None:
        intent = await drive.drive(app, "ub1-x-0")
        assert intent.state is state
        filled = app.journal.fills_of("ub1-x-0")
        assert len(filled) == len(exchange.orders)

    told(story, exchange, tmp_path)
    assert exchange.sends == ["ub1-x-0"] * sends
    assert len(exchange.orders) == (1 if state is IntentState.FINAL else 0)


@pytest.mark.failure("A10")
def test_a_refusal_after_a_doubt_is_no_refusal(tmp_path: Path) -> None:
    """The money may be gone because the first copy spent it: the order is looked for until it is seen."""
    exchange = Exchange("lost after", "refuse", seen_after=4)

    async def story(app: Parts) -> None:
        intent = await drive.drive(app, "ub1-x-0")
        assert intent.state is IntentState.FINAL
        assert len(app.journal.fills_of("ub1-x-0")) == 1

    told(story, exchange, tmp_path)
    assert len(exchange.orders) == 1


@pytest.mark.failure("A26")
@pytest.mark.parametrize("script", [(), ("limited", "lost before")], ids=["at once", "again"])
def test_every_send_is_told_until_when_it_may_leave(script: tuple[str, ...], tmp_path: Path) -> None:
    """It may wait for a rate limit, and nobody else knows how old its price is."""
    exchange = Exchange(*script)

    async def story(app: Parts) -> None:
        deadline = app.journal.intent("ub1-x-0").deadline
        assert deadline is not None
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert set(exchange.deadlines) == {deadline}

    told(story, exchange, tmp_path)


@pytest.mark.failure("A26")
def test_a_buy_whose_time_has_passed_is_not_sent(tmp_path: Path) -> None:
    """The price it was decided on is history."""
    exchange = Exchange()

    async def story(app: Parts) -> None:
        await asyncio.sleep(11)
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.ABANDONED

    told(story, exchange, tmp_path)
    assert exchange.sends == []


def late_story(exchange: Exchange, path: Path, *, arrives: bool, ends: IntentState) -> None:
    """Lose a buy on its way until its deadline is over, let it arrive or not, and drive it to its end."""

    async def story(app: Parts) -> None:
        async with asyncio.TaskGroup() as tasks:
            driven = tasks.create_task(drive.drive(app, "ub1-x-0"))
            await asyncio.sleep(4)
            if arrives:
                exchange.take(exchange.late[0])
            intent = await driven
        assert intent.state is ends
        with pytest.raises(DuplicatedIdentifier):
            exchange.take(exchange.late[0])  # however late the other copies are

    told(story, exchange, path)


@pytest.mark.failure("A3")
def test_a_late_order_that_was_not_seen_in_time_is_fenced_off(tmp_path: Path) -> None:
    """When the buy is not wanted any more its identifier is used up, so that no late copy can ever buy."""
    exchange = Exchange("late", "late", "late")
    late_story(exchange, tmp_path, arrives=False, ends=IntentState.FENCED)
    assert exchange.fences == 1
    assert set(exchange.sends) == {"ub1-x-0"}
    assert exchange.orders["ub1-x-0"].kind == "limit"


@pytest.mark.failure("A3")
def test_a_late_order_that_comes_before_the_fence_is_adopted(tmp_path: Path) -> None:
    """One of the two exists, whichever was first."""
    exchange = Exchange("late", "late", "late")
    late_story(exchange, tmp_path, arrives=True, ends=IntentState.FINAL)
    assert exchange.orders["ub1-x-0"].kind == "price"


@pytest.mark.failure("A12", "A13")
def test_a_doubt_that_nobody_can_resolve_stays_one_and_a_person_is_told(tmp_path: Path) -> None:
    """Without money for a fence nothing is sent, nothing is assumed, and the market stays frozen."""
    exchange = Exchange("lost before", krw=5000)

    async def story(app: Parts) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await drive.drive(app, "ub1-x-0")
        assert app.journal.intent("ub1-x-0").state is IntentState.UNKNOWN
        assert app.journal.pending_notes(1)[0].kind == "problem"
        assert len(app.journal.pending_notes(9)) == 1  # an hour, a message

    told(story, exchange, tmp_path)
    assert exchange.sends == ["ub1-x-0"]


def test_a_name_that_is_used_up_without_an_order_is_left_alone_and_told(tmp_path: Path) -> None:
    """Nothing can be placed under it any more, so nothing is sent; what became of it only a person can look up."""
    exchange = Exchange("lost before", "lost before", "lost before", "lost before")
    exchange.take = Mock(side_effect=DuplicatedIdentifier("again", name="duplicated_identifier", status=400))  # type: ignore[method-assign]

    async def story(app: Parts) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await drive.drive(app, "ub1-x-0")
        assert "recover --never ub1-x-0" in json.dumps(app.journal.pending_notes(1)[0].body)

    told(story, exchange, tmp_path)
    assert len(exchange.sends) <= MOST_REAL_SENDS + 1
    assert exchange.take.call_count == 1


@pytest.mark.failure("A9", "F4")
def test_an_order_under_our_name_that_we_did_not_send_is_adopted_and_stops_buying(tmp_path: Path) -> None:
    """Another daemon on this account decided the same: there is one order, and a person is told."""
    exchange = Exchange()
    exchange.take(protocol.to_order(an_intent()))

    async def story(app: Parts) -> None:
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert len(app.journal.fills_of("ub1-x-0")) == 1
        assert app.control.stands("second_instance")
        assert not app.control.may_buy()
        assert app.control.may_sell()

    told(story, exchange, tmp_path)
    assert len(exchange.orders) == 1


@pytest.mark.failure("F4")
def test_a_sale_of_another_daemon_under_our_name_may_be_of_more_than_we_hold(tmp_path: Path) -> None:
    """Its other coins were never ours, nor what they brought: the trade is empty, and no rule of ours is broken."""
    exchange = Exchange("lost before")

    async def story(app: Parts) -> None:
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        held = app.journal.trade("t")
        app.journal.enter_position("t", opened_at=START, stop_price=None, highest_price=Decimal(100))
        sale = NewOrder(market="KRW-A", side=Side.ASK, identifier="ub1-x-1", volume=held.volume)
        intent = replace(an_intent(), identifier="ub1-x-1", n=1, side=Side.ASK, request=protocol.request_of(sale))
        app.journal.leave("t", {}, intent)
        exchange.script.append("lost before")
        exchange.take(msgspec.structs.replace(sale, volume=3 * held.volume))
        assert (await drive.drive(app, "ub1-x-1")).state is IntentState.FINAL
        trade = app.journal.trade("t")
        assert trade.sold == 3 * held.volume
        assert app.journal.position_volume("t") == 0
        assert trade.profit_krw == pytest.approx((trade.proceeds_krw / 3) - trade.cost_krw)
        assert app.control.stands("second_instance")

    told(story, exchange, tmp_path)


@pytest.mark.failure("F4")
@pytest.mark.parametrize(("odd_looks", "stopped"), [(1, False), (2, True)])
def test_that_somebody_else_has_sent_an_order_is_believed_of_two_looks(
    odd_looks: int,
    stopped: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """Another size under our name is another daemon's, if it is not the slip of one answer."""
    exchange = Exchange("lost after")
    left = [odd_looks]

    async def order(**name: str) -> Order:
        left[0] -= 1
        shown = await exchange.order(**name)
        return msgspec.structs.replace(shown, price=Decimal(12000)) if left[0] >= 0 else shown

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=exchange.place, order=order)
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert app.control.stands("second_instance") is stopped
        assert len(app.journal.fills_of("ub1-x-0")) == 1

    told(story, exchange, tmp_path)
    assert exchange.sends == ["ub1-x-0"]


@pytest.mark.failure("A19")
@pytest.mark.parametrize(
    ("looks", "state"),
    [
        (["not there"], IntentState.REJECTED),
        (["no answer", "there"], IntentState.FINAL),
        (["another", "nameless", "there"], IntentState.FINAL),
        (["no answer"] * 3, IntentState.REJECTED),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_an_order_that_was_refused_is_looked_for_once_before_that_is_believed(
    looks: list[str], state: IntentState, tmp_path: Path
) -> None:
    """Also when the look says nothing at first; three that say nothing leave it to the comparison of all orders."""
    exchange, left = Exchange(), list(looks)
    taken = executed(protocol.to_order(an_intent()))
    shown = {"another": replace_market(taken), "nameless": msgspec.structs.replace(taken, identifier=None)}

    async def place(order: NewOrder, *, until: datetime | None) -> Order:
        await exchange.place(order, until=until)
        raise InvalidOrder("no", name="create_bid_error", status=400)

    async def order(**name: str) -> Order:
        what = left.pop(0) if left else "there"
        if what == "no answer":
            raise OutcomeUnknown("time-out")
        if what == "not there":
            raise OrderNotFound("no", name="order_not_found", status=404)
        return shown.get(what) or await exchange.order(**name)

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=place, order=order)
        assert (await drive.drive(app, "ub1-x-0")).state is state
        assert len(app.journal.fills_of("ub1-x-0")) == (state is IntentState.FINAL)
        assert app.control.may_buy()

    told(story, exchange, tmp_path)
    assert exchange.sends == ["ub1-x-0"]


def replace_market(order: Order) -> Order:
    """Return an order of another market under the same name."""
    return msgspec.structs.replace(order, market="KRW-B")


@pytest.mark.failure("F4")
def test_an_order_that_is_there_after_a_refusal_for_want_of_money_may_be_another_daemons(tmp_path: Path) -> None:
    """Upbit looks at the money before it looks at the name: what is there is held, and a person is asked."""
    exchange = Exchange("refuse")
    exchange.take(protocol.to_order(an_intent()))

    async def story(app: Parts) -> None:
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert app.control.stands("second_instance")
        assert app.control.may_sell()

    told(story, exchange, tmp_path)


@pytest.mark.failure("A25")
@pytest.mark.parametrize("shows", ["nothing", "another order"])
def test_an_order_is_asked_for_by_our_name_where_upbits_shows_nothing_of_ours(shows: str, tmp_path: Path) -> None:
    """Its uuid stood in one answer. It is cancelled by the name by which it was seen."""
    exchange = Exchange()
    cancelled: list[dict[str, str]] = []

    async def place(order: NewOrder, *, until: datetime | None) -> Order:
        return msgspec.structs.replace(await exchange.place(order, until=until), uuid="wrong")

    async def order(*, uuid: str | None = None, identifier: str | None = None) -> Order:
        found = await exchange.order(identifier="ub1-x-0" if uuid == "wrong" and shows != "nothing" else identifier)
        if uuid is not None:
            return replace_market(found)
        return found if cancelled else msgspec.structs.replace(found, state="wait")

    async def cancel(**name: str) -> None:
        cancelled.append(name)

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=place, order=order, cancel=cancel)
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert len(app.journal.fills_of("ub1-x-0")) == 1
        assert app.control.may_buy()

    told(story, exchange, tmp_path)
    assert cancelled == [{"identifier": "ub1-x-0"}]


@pytest.mark.failure("A4")
def test_the_attempt_is_durable_before_the_first_byte(tmp_path: Path) -> None:
    """Whoever looks into the journal while the request is under way finds it SENT."""
    exchange = Exchange()
    states: list[IntentState] = []

    async def story(app: Parts) -> None:
        place = exchange.place

        async def watched(order: NewOrder, *, until: datetime | None) -> Order:
            states.append(app.journal.intent(order.identifier).state)
            return await place(order, until=until)

        app.upbit = only(Upbit, place=watched, order=exchange.order)
        await drive.drive(app, "ub1-x-0")

    told(story, exchange, tmp_path)
    assert states == [IntentState.SENT]


@pytest.mark.failure("A25")
def test_another_order_under_our_name_stops_buys_when_it_stays_and_never_exits(tmp_path: Path) -> None:
    """One such answer is none. One that stays for half a minute is told; what is held can still be sold."""
    exchange = Exchange()

    async def story(app: Parts) -> None:
        other = NewOrder(market="KRW-B", side=Side.BID, total=Decimal(6000), identifier="ub1-x-0")

        async def swapped(_: NewOrder, **__: object) -> Order:
            return executed(other)

        async def other_order(**_: str) -> Order:
            return executed(other)

        app.upbit = only(Upbit, place=swapped, order=other_order)
        for seconds, level in ((25, "ACTIVE"), (600, "HALT_BUYS")):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(seconds):
                    await drive.drive(app, "ub1-x-0")
            assert app.control.state.name == level
        assert app.journal.intent("ub1-x-0").state is IntentState.UNKNOWN
        (halt,) = app.journal.standing_halts()
        assert halt.code == "wrong_answer"
        shown = halt.evidence["shown"]
        assert isinstance(shown, dict)
        assert shown["market"] == "KRW-B"

    told(story, exchange, tmp_path)


@pytest.mark.parametrize(("script", "sends", "state"), [((), 0, "ABANDONED"), (("lost before",), 1, "FENCED")])
def test_while_buys_are_halted_none_is_sent_or_sent_again(
    script: tuple[str, ...], sends: int, state: str, tmp_path: Path
) -> None:
    """A planned buy is given up; a doubtful one is fenced off, which buys nothing."""
    exchange = Exchange(*script)

    async def story(app: Parts) -> None:
        if not script:
            app.control.halt_buys("x", ko="x", en="x")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(600):
                asyncio.get_running_loop().call_later(0.1, lambda: app.control.halt_buys("x", ko="x", en="x"))
                await drive.drive(app, "ub1-x-0")
        assert app.journal.intent("ub1-x-0").state == state

    told(story, exchange, tmp_path)
    assert len(exchange.sends) - exchange.fences == sends


def test_what_our_own_gate_keeps_back_is_given_up(tmp_path: Path) -> None:
    """No byte left, so nothing is in doubt, and a cap does not pass by waiting."""
    exchange = Exchange("withhold")

    async def story(app: Parts) -> None:
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.ABANDONED

    told(story, exchange, tmp_path)
    assert exchange.orders == {}


@pytest.mark.failure("F2")
def test_while_the_daemon_stops_nothing_new_is_sent(tmp_path: Path) -> None:
    """The gate is closed to what has not left yet."""
    exchange = Exchange()

    async def story(app: Parts) -> None:
        app.stop.set()
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.ABANDONED

    told(story, exchange, tmp_path)
    assert exchange.sends == []


@pytest.mark.failure("A13", "A22", "A24")
def test_what_is_no_evidence_counts_towards_nothing(tmp_path: Path) -> None:
    """Gateways that answer, an account that cannot be read, an order without its name: look on, send nothing."""
    exchange = Exchange("lost after")
    answers: deque[Any] = deque(["fails"] * 5 + ["nameless"] * 2 + ["hides"] * 4)
    look = exchange.order

    async def order(**name: str) -> Order:
        what = answers.popleft() if answers and name.get("identifier") else "shows"
        if what == "fails":
            raise OutcomeUnknown("no Route matched", status=404)
        if what == "hides":
            raise OrderNotFound("no", name="order_not_found", status=404)
        found = await look(**name)
        return msgspec.structs.replace(found, identifier=None) if what == "nameless" else found

    async def accounts() -> list[Account]:
        raise OutcomeUnknown("maintenance", status=503)

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=exchange.place, order=order, accounts=accounts, books=exchange.books)
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL

    told(story, exchange, tmp_path)
    assert exchange.sends == ["ub1-x-0"]


@pytest.mark.failure("A14", "A24")
def test_an_accepted_order_is_followed_until_every_fill_is_listed(tmp_path: Path) -> None:
    """Unreadable, nameless, half filled, a fill missing: not final; its fills count as two looks show them."""
    exchange = Exchange()
    whole = executed(protocol.to_order(an_intent()))
    half = Fill(uuid="half", price=Decimal(100), volume=Decimal(20), notional=Decimal(2000))
    rest = Fill(uuid="rest", price=Decimal(100), volume=Decimal(40), notional=Decimal(4000))
    shown = [
        msgspec.structs.replace(whole, identifier=None),
        msgspec.structs.replace(whole, state="wait", executed_volume=Decimal(20), trades_count=1, fills=[half]),
        msgspec.structs.replace(whole, trades_count=2, fills=[half], paid_fee=Decimal(1)),
        *[msgspec.structs.replace(whole, trades_count=2, fills=[rest, half], paid_fee=Decimal(3))] * 2,
    ]

    async def order(**_: str) -> Order:
        return shown.pop(0)

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=exchange.place, order=flaky(order))
        assert (await drive.drive(app, "ub1-x-0")).paid_fee == 3
        assert [fill.uuid for fill in app.journal.fills_of("ub1-x-0")] == ["half", "rest"]

    told(story, exchange, tmp_path)
    assert shown == []


def flaky(ask: Callable[..., Coroutine[Any, Any, Order]]) -> Callable[..., Coroutine[Any, Any, Order]]:
    """Return a question whose first answer fails."""
    failed: list[bool] = []

    async def order(**name: str) -> Order:
        if not failed:
            failed.append(True)
            raise OutcomeUnknown("time-out")
        return await ask(**name)

    return order


@pytest.mark.failure("A25")
@pytest.mark.parametrize("doubt", [True, False])
def test_a_look_up_that_goes_on_showing_another_order_halts_buys(doubt: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """In doubt as well as while an accepted order is followed."""
    exchange = Exchange("lost after" if doubt else "answer")

    async def other(**_: str) -> Order:
        return msgspec.structs.replace(executed(protocol.to_order(an_intent())), market="KRW-B")

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=exchange.place, order=other)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await drive.drive(app, "ub1-x-0")
        assert app.control.stands("wrong_answer")
        assert app.control.may_sell()
        assert app.journal.intent("ub1-x-0").state is (IntentState.UNKNOWN if doubt else IntentState.ACCEPTED)
        assert app.journal.fills_of("ub1-x-0") == []

    told(story, exchange, tmp_path)


@pytest.mark.failure("A19")
def test_a_refusal_that_nobody_knows_is_told_at_once_and_not_repeated_for_ever(tmp_path: Path) -> None:
    """Upbit's own sentence within seconds, a handful of requests in an hour, and the order stays in doubt."""
    exchange = Exchange(*["disabled"] * 100)

    async def story(app: Parts) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await drive.drive(app, "ub1-x-0")
        (note,) = app.journal.pending_notes(9)
        assert "Your account is suspended." in str(note.body)
        assert app.control.may_buy()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await drive.drive(app, "ub1-x-0")
        assert (len(exchange.sends), exchange.fences) == (3, 2)
        assert app.journal.intent("ub1-x-0").state is IntentState.UNKNOWN
        error = UnknownRefusal("Your account is suspended.", name="order_disabled_member", status=400)
        doubts.tell_unknown_refusal(app, replace(an_intent(), market="KRW-B"), error)
        assert [app.control.may_buy(), app.control.may_sell()] == [False, True]
        (halt,) = app.control.reasons
        assert "Your account is suspended." in halt.en

    told(story, exchange, tmp_path)


def test_a_market_order_that_rests_is_cancelled_and_what_it_did_counts(tmp_path: Path) -> None:
    """It is asked for again every ten seconds, until it has ended; a cancellation that fails is tried again."""
    exchange = Exchange()
    whole = executed(protocol.to_order(an_intent()))
    nothing = msgspec.structs.replace(whole, executed_volume=Decimal(0), trades_count=0, fills=[])
    asked: list[float] = []

    async def order(**_: str) -> Order:
        return msgspec.structs.replace(nothing, state="cancel" if len(asked) > 1 else "wait")

    async def cancel(**_: str) -> None:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            raise OutcomeUnknown("time-out")

    async def listed(**_: str) -> list[Order]:
        return [await order()]

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=exchange.place, order=order, cancel=cancel, closed_orders=listed)
        assert (await drive.drive(app, "ub1-x-0")).state is IntentState.FINAL
        assert app.journal.fills_of("ub1-x-0") == []

    told(story, exchange, tmp_path)
    assert len(asked) == 2
    assert 10 <= asked[1] - asked[0] <= 20
