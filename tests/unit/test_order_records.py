"""What is written, told and waited for while an order is sent, looked for and followed."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, call

import msgspec
import pytest

from journal.errors import Breach
from journal.journal import Journal
from journal.records import Attempt, IntentState, Level
from simulation.loop import PacedLoop
from tests.helpers import orders as fixed
from tests.helpers.orders import START, Exchange, a_trade, an_intent, executed, told
from tests.helpers.parts import make_app, make_mocked, mock, only
from trader.control import Control
from trader.orders import doubts, drive, protocol, tracking
from trader.orders.evidence import Looks
from trader.orders.protocol import Kind, Sight, Step
from upbit.errors import ExchangeError, NotSent, OrderNotFound, OutcomeUnknown, RateLimited, Withheld
from upbit.models import Account, Fence, NewOrder, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from journal.records import Intent
    from tests.helpers.parts import Mocked, Parts
    from trader.app import App

NAME = "ub1-x-0"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Let no pause last, and return what was asked for."""
    asked: list[tuple[object, ...]] = []

    async def pause(seconds: float, *wakers: object) -> None:
        asked.append((seconds, *wakers))
        loop = asyncio.get_running_loop()
        if isinstance(loop, PacedLoop):
            loop._paced.now += seconds  # the time passes, and nothing waits for it
        await asyncio.sleep(0)

    for module in (drive, tracking):
        monkeypatch.setattr(module, "pause", pause)
    return asked


def scripted(answers: list[Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a question whose answers are these, one after the other; an error is raised."""
    coming = list(answers)

    async def ask(*_: object, **__: object) -> Any:
        answer = coming.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def attempts(app: Parts) -> list[tuple[Any, ...]]:
    """Return kind, state, outcome, HTTP status and error name of every send."""
    query = "SELECT kind, state, outcome, http, name FROM attempt ORDER BY k"
    return [tuple(row) for row in app.journal._db.execute(query)]


def test_looks_come_less_often_while_they_bring_nothing(tmp_path: Path, pauses: list[tuple[object, ...]]) -> None:
    """What was not found and what could not be asked both count; an answer that says nothing begins anew."""
    whole = executed(protocol.to_order(an_intent()))
    nowhere = OrderNotFound("no", name="order_not_found", status=404)
    nameless = msgspec.structs.replace(whole, identifier=None)
    looks = [nowhere, OutcomeUnknown("?"), OutcomeUnknown("?"), nowhere, nameless, whole, whole, whole]

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=Exchange("lost before").place, order=scripted(looks))
        assert (await drive.drive(app, NAME)).state is IntentState.FINAL

    told(story, Exchange(), tmp_path)
    assert pauses == [(0.5,), (1.0,), (2.0,), (4.0,), (2.0,), (1.0,), (0.1,), (0.3,)]


def test_an_accepted_order_is_looked_at_less_and_less_often(tmp_path: Path, pauses: list[tuple[object, ...]]) -> None:
    """From a tenth of a second to five seconds."""
    whole = executed(protocol.to_order(an_intent()))
    looks = [*[msgspec.structs.replace(whole, state="wait", fills=[], trades_count=0)] * 8, whole, whole]

    async def story(app: Parts) -> None:
        cancel = AsyncMock()
        app.upbit = only(Upbit, place=Exchange().place, order=scripted(looks), cancel=cancel)
        await drive.drive(app, NAME)
        assert cancel.mock_calls == [call(uuid=whole.uuid)]  # it rests, and no market order does

    told(story, Exchange(), tmp_path)
    assert pauses == [(0.1,), (0.3,), (0.5,), (1.0,), (2.0,), (3.0,), *[(5.0,)] * 4]


@pytest.mark.parametrize("answers", [{}, {"side_effect": OutcomeUnknown("?")}], ids=["cancelled", "not cancelled"])
async def test_an_order_that_rests_is_told_and_cancelled_by_the_name_it_is_known_by(answers: dict[str, Any]) -> None:
    """What is left of it is decided anew; without an answer it is looked at on."""
    app = make_mocked(upbit=mock(Upbit, cancel=AsyncMock(**answers)))
    await tracking.cancel(app, an_intent(), uuid="u")
    assert app.upbit.cancel.mock_calls == [call(uuid="u")]
    assert app.tell.mock_calls == [call("resting", level=logging.WARNING, market="KRW-A", identifier=NAME)]


@pytest.mark.parametrize(
    ("listed", "agreed", "ended"),
    [
        ({}, False, True),
        ({"state": "wait"}, True, False),
        ({"executed_volume": Decimal(1)}, True, False),
        ({"uuid": "another"}, True, True),
        ({"uuid": "another"}, False, False),
    ],
    ids=["alike", "it goes on", "more was executed", "not listed for long", "not listed"],
)
async def test_that_an_order_ended_short_is_asked_of_the_list_too(
    listed: dict[str, Any],
    agreed: bool,  # noqa: FBT001 - a parameter
    ended: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Of its market and name, around its time by either clock; what the list shows counts more than the looks."""
    whole = executed(protocol.to_order(an_intent()))
    upbit = mock(Upbit, closed_orders=AsyncMock(return_value=[msgspec.structs.replace(whole, **listed)]))
    looks, now = mock(Looks, may_do_without_list=lambda: agreed), START + timedelta(seconds=30)
    assert await tracking.is_listed_so(lambda: now, upbit, an_intent(), whole, looks) is ended
    minutes = timedelta(minutes=5)
    assert upbit.closed_orders.mock_calls == [
        call(start=START - minutes, end=now + minutes, market="KRW-A", prefix=NAME)
    ]


def asked_to_wait() -> RateLimited:
    """Return a rate limit that says for how long."""
    error = RateLimited("slow", status=429)
    error.retry_after = 7.0
    return error


@pytest.mark.parametrize(
    ("error", "seconds"), [(NotSent("no route"), 1.0), (RateLimited("slow", status=429), 1.0), (asked_to_wait(), 7.0)]
)
async def test_what_was_surely_not_taken_is_sent_again_after_a_rest(
    error: ExchangeError, seconds: float, pauses: list[tuple[object, ...]]
) -> None:
    """As long as Upbit asks for, else a second; a daemon that stops does not wait."""
    app = make_mocked()
    await drive.rest_before_next(app.journal, app.stop, an_intent(), error)
    assert pauses == [(seconds, app.stop)]
    assert app.journal.mock_calls == []


async def test_what_our_gate_keeps_back_is_given_up_for_its_reason() -> None:
    """And not waited for."""
    app = make_mocked()
    await drive.rest_before_next(app.journal, app.stop, an_intent(), Withheld("no", name="cap_day"))
    assert app.journal.mock_calls == [call.abandon(NAME, "cap_day")]


def test_every_send_is_written_with_what_came_of_it(tmp_path: Path) -> None:
    """A doubt, a refusal by rate, the order itself."""

    async def story(app: Parts) -> None:
        await drive.drive(app, NAME)
        assert attempts(app) == [
            ("real", "PLANNED", "RateLimited", 429, "too_many_requests"),
            ("real", "UNKNOWN", "OutcomeUnknown", None, ""),
            ("real", "ACCEPTED", "accepted", 201, None),
        ]
        assert app.tell.mock_calls == [
            call("order_planned", level=logging.WARNING, market="KRW-A", identifier=NAME, error="too_many_requests"),
            call("order_unknown", level=logging.WARNING, market="KRW-A", identifier=NAME, error="OutcomeUnknown"),
        ]
        assert app.journal.intent(NAME).uuid == f"u-{NAME}"
        kept = app.journal._db.execute("SELECT count(request) AS n FROM attempt").fetchone()
        assert kept["n"] == 0  # the intent has it

    told(story, Exchange("limited", "lost before"), tmp_path)


def test_an_order_that_was_found_is_told_and_followed_by_its_uuid(tmp_path: Path) -> None:
    """Its state is what seeing it makes of it."""

    async def story(app: Parts) -> None:
        await drive.drive(app, NAME)
        assert app.tell.mock_calls[-1] == call("order_found", market="KRW-A", identifier=NAME, state="ACCEPTED")
        assert app.journal.intent(NAME).uuid == f"u-{NAME}"
        assert app.control.may_buy()

    told(story, Exchange("lost after"), tmp_path)


def test_a_fence_is_written_with_its_request_and_ends_the_doubt(tmp_path: Path) -> None:
    """It was accepted, which alone says nothing: seeing it does."""

    async def story(app: Parts) -> None:
        app.control.halt_buys("x", ko="x", en="x")
        app.journal.begin_attempt(NAME)
        app.journal.end_attempt(NAME, IntentState.UNKNOWN, outcome="time-out")
        assert (await drive.drive(app, NAME)).state is IntentState.FENCED
        assert attempts(app)[1:] == [("fence", "UNKNOWN", "answered with fence", 201, None)]
        (row,) = app.journal._db.execute("SELECT request FROM attempt WHERE kind = 'fence'").fetchall()
        fence = msgspec.json.decode(row["request"], type=Fence)
        assert (fence.market, fence.side, fence.identifier, fence.price) == ("KRW-A", Side.BID, NAME, Decimal(50))
        assert app.tell.mock_calls[-1] == call("order_found", market="KRW-A", identifier=NAME, state="FENCED")

    told(story, Exchange(), tmp_path)


def test_an_order_whose_answer_nobody_waited_for_is_in_doubt(tmp_path: Path) -> None:
    """The flow was cancelled while its request was under way."""

    async def never(_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async def story(app: Parts) -> None:
        app.upbit = only(Upbit, place=never)
        async with asyncio.TaskGroup() as tasks:
            flow = tasks.create_task(drive.drive(app, NAME))
            await asyncio.sleep(1)
            flow.cancel()
        assert attempts(app) == [("real", "UNKNOWN", "cancelled", None, None)]

    told(story, Exchange(), tmp_path)


def test_an_order_that_somebody_else_sends_is_not_driven(tmp_path: Path) -> None:
    """Two flows of one order are a mistake of ours."""

    async def story(app: Parts) -> None:
        app.journal.begin_attempt(NAME)
        with pytest.raises(Breach, match=f"{NAME} is being sent by somebody else"):
            await drive.drive(app, NAME)

    told(story, Exchange(), tmp_path)


@pytest.mark.failure("A26", "F13")
@pytest.mark.parametrize(
    ("late", "side", "stops", "why"),
    [
        (10, "bid", False, None),
        (11, "bid", False, "deadline"),
        (-5, "bid", False, None),
        (-6, "bid", False, "deadline"),
        (10, "bid", True, "stopping"),
        (0, "ask", True, "stopping"),
    ],
)
def test_why_a_planned_order_is_not_sent(
    late: int,
    side: str,
    stops: bool,  # noqa: FBT001 - a parameter
    why: str | None,
) -> None:
    """Its time is over or, by a clock that was set back, still to come, or the daemon ends; its last moment counts."""
    stop = asyncio.Event()
    if stops:
        stop.set()
    control = mock(Control, permits=lambda asked: asked == side, state=Level.HALT_BUYS)
    app = make_app(clock=lambda: START + timedelta(seconds=late), control=control, stop=stop)
    assert drive.why_not(app, replace(an_intent(), side=Side(side))) == why
    assert (
        drive.why_not(app, replace(an_intent(), side=Side.BID if side == "ask" else Side.ASK, deadline=None))
        == "HALT_BUYS"
    )


@pytest.mark.failure("E9")
@pytest.mark.parametrize(("held", "why"), [("1.5", None), ("1.49999999", "sold"), ("0", "sold")])
def test_a_sale_is_not_sent_when_its_coins_were_sold_since(held: str, why: str | None) -> None:
    """A restored journal finds their sale under another name: what would be sold now is the user's."""
    order = NewOrder(market="KRW-A", side=Side.ASK, volume=Decimal("1.5"), identifier="ub1-x-0")
    sale = replace(an_intent(), side=Side.ASK, request=protocol.request_of(order), deadline=None)
    journal = mock(Journal, trade=lambda trade_id: {"t": replace(a_trade(), bought=Decimal(held))}[trade_id])
    app = make_app(control=mock(Control, permits=lambda _: True), journal=journal)
    assert drive.why_not(app, sale) == why


@pytest.mark.parametrize(("after", "told_of"), [(timedelta(seconds=119), False), (timedelta(minutes=2), True)])
def test_a_long_doubt_is_told(after: timedelta, told_of: bool) -> None:  # noqa: FBT001 - a parameter
    """From two minutes on; with what a person can do when its name is used up."""
    app = make_mocked(clock=lambda: START + after)
    app.journal.attempts.return_value = [fixed.attempt(outcome="DuplicatedIdentifier")]
    tracking.tell_long_doubt(app, an_intent())
    assert app.wake_notifier.called is told_of
    assert app.messages.long_doubt.mock_calls == ([call(an_intent(), burnt=True, at=START + after)] if told_of else [])
    if told_of:
        app.journal.attempts.assert_called_once_with(NAME)
        app.journal.add_notes.assert_called_once_with([app.messages.long_doubt.return_value])


def test_a_halt_keeps_what_was_shown() -> None:
    """A person compares it with what was meant, at Upbit."""
    app = make_mocked()
    other = msgspec.structs.replace(executed(protocol.to_order(an_intent())), market="KRW-B")
    doubts.halt_buys_on_other(app.control, an_intent(), other)
    (code,), facts = app.control.halt_buys.call_args
    assert (code, facts["meant"], facts["market"]) == ("wrong_answer", an_intent().request, "KRW-A")
    assert json.loads(json.dumps(facts["shown"], default=str))["market"] == "KRW-B"
    assert NAME in facts["ko"]
    assert NAME in facts["en"]
    doubts.halt_buys_beside_another(app.control, an_intent(), other)
    (code,), facts = app.control.halt_buys.call_args
    assert (code, facts["market"], facts["uuid"]) == ("second_instance", "KRW-A", other.uuid)
    assert NAME in facts["ko"]
    assert NAME in facts["en"]


def paying(krw: int, coins: str) -> Mocked:
    """Return an app whose account has these."""
    accounts = [
        Account(currency="KRW", available=Decimal(krw), locked=Decimal(9)),
        Account(currency="A", available=Decimal(coins), locked=Decimal(9)),
    ]
    book = fixed.book(Decimal(100))

    async def books(markets: list[str]) -> list[Any]:
        assert markets == ["KRW-A"]
        return [book]

    async def price_step(_: str) -> Decimal:
        return Decimal(1)

    return make_mocked(upbit=mock(Upbit, accounts=scripted([accounts]), books=books, price_step=price_step))


@pytest.mark.parametrize(
    ("side", "funds", "step", "what", "paid_by"),
    [
        (Side.BID, (10**6, "0"), Step.SEND, NewOrder, Side.BID),
        (Side.BID, (5999, "0"), Step.SEND, Fence, Side.BID),
        (Side.BID, (10**6, "0"), Step.FENCE, Fence, Side.BID),
        (Side.BID, (0, "1000"), Step.FENCE, Fence, Side.ASK),
        (Side.ASK, (0, "60"), Step.SEND, NewOrder, Side.ASK),
        (Side.ASK, (10**6, "59"), Step.SEND, Fence, Side.ASK),
        (Side.ASK, (10**6, "0"), Step.FENCE, Fence, Side.BID),
        (Side.ASK, (0, "0"), Step.SEND, None, None),
    ],
)
async def test_what_is_sent_in_doubt_is_what_the_account_can_pay_for(
    side: Side, funds: tuple[int, str], step: Step, what: type | None, paid_by: Side | None
) -> None:
    """The order itself where it is wanted and affordable, else a fence from the side that has the means."""
    request = await drive.what_to_send(paying(*funds), fixed.intent(side), step)
    assert (None if request is None else type(request)) is what
    assert (None if request is None else request.side) is paid_by


async def test_a_buy_needs_no_bids_and_a_sale_does() -> None:
    """Nobody can say what coins are worth that nobody bids for."""
    app = paying(10**6, "60")
    app.upbit.books = scripted([[msgspec.structs.replace(fixed.book(Decimal(100)), levels=[])] for _ in range(2)])
    assert await drive.what_to_send(app, fixed.intent(Side.BID), Step.SEND) == protocol.to_order(fixed.intent(Side.BID))
    app.upbit.accounts = scripted([[Account(currency="A", available=Decimal(60), locked=Decimal(0))]])
    assert await drive.what_to_send(app, fixed.intent(Side.ASK), Step.SEND) is None


@pytest.mark.parametrize(
    ("known", "step"),
    [
        ((1, 0, 3, True, False), Step.SEND),
        ((1, 5, 3, True, False), Step.SEND),
        ((4, 0, 3, True, False), Step.FENCE),
        ((1, 0, 2, True, False), None),
        ((1, 0, 3, False, False), None),
        ((1, 0, 3, True, True), None),
    ],
)
async def test_a_step_in_doubt_is_taken_by_what_was_sent(
    known: tuple[int, int, int, bool, bool], step: Step | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real sends are counted, fences are not; while nothing may be sold or the daemon ends, nothing is sent."""
    reals, fences, missed, sell, stops = known
    tried: list[Any] = []

    async def what(_: App, about: Intent, how: Step) -> str | None:
        tried.append((about, how))
        return "request"

    async def send(_: App, about: Intent, request: str) -> None:
        tried.append((about, request))

    monkeypatch.setattr(drive, "what_to_send", what)
    monkeypatch.setattr(drive, "send", send)
    sent = [fixed.attempt()] * reals + [fixed.attempt(kind=Kind.FENCE)] * fences
    control = mock(Control, may_sell=lambda: sell, permits=lambda _: True)
    app = make_mocked(control=control, clock=lambda: START)
    app.journal.attempts.return_value = sent
    if stops:
        app.stop.set()
    assert await drive.take_step(app, an_intent(), missed) is (step is not None)
    assert tried == ([] if step is None else [(an_intent(), step), (an_intent(), "request")])
    app.journal.attempts.assert_called_once_with(NAME)


async def test_what_cannot_be_paid_for_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for on, and nothing was sent."""

    async def what(*_: object) -> None:
        return None

    monkeypatch.setattr(drive, "what_to_send", what)
    control = mock(Control, may_sell=lambda: True, permits=lambda _: True)
    app = make_mocked(control=control, clock=lambda: START)
    app.journal.attempts.return_value = [fixed.attempt()]
    assert not await drive.take_step(app, an_intent(), 3)


async def test_a_fence_stands_on_the_step_that_upbit_tells_now() -> None:
    """One between two steps would be refused, and prove nothing."""
    app = paying(10**6, "0")
    app.upbit.books = scripted([[fixed.book(Decimal(1014))]])
    app.upbit.price_step = AsyncMock(return_value=Decimal(5))
    fence = await drive.what_to_send(app, fixed.intent(), Step.FENCE)
    assert isinstance(fence, Fence)
    assert fence.price == 505
    assert app.upbit.price_step.mock_calls == [call("KRW-A")]


async def test_an_order_that_was_refused_is_looked_for_three_times_while_nobody_says(
    pauses: list[tuple[object, ...]],
) -> None:
    """In half a second, one and two; then the refusal counts until the next comparison."""
    app = make_mocked()
    app.journal.attempts.return_value = [fixed.attempt(IntentState.REJECTED)]
    app.upbit.order = scripted([OutcomeUnknown("?")] * 3)
    assert not await drive.was_taken_after_all(app, replace(an_intent(), state=IntentState.REJECTED))
    assert pauses == [(0.5,), (1.0,), (2.0,)]


@pytest.mark.parametrize("readable", [True, False])
async def test_nothing_is_sent_in_doubt_while_the_account_cannot_be_read(readable: bool) -> None:  # noqa: FBT001 - a parameter
    """Nobody knows then what could be paid."""
    app = paying(10**6, "0")
    if not readable:
        app.upbit.accounts = scripted([OutcomeUnknown("?")])
    sent = await drive.what_to_send(app, fixed.intent(), Step.FENCE)
    assert (sent is not None) is readable


@pytest.mark.parametrize(("sight", "state"), [(Sight.NOTHING, IntentState.UNKNOWN), (Sight.FENCE, IntentState.FENCED)])
def test_a_sight_is_written_only_when_it_ends_the_doubt(sight: Sight, state: IntentState) -> None:
    """What says nothing changes nothing."""
    app = make_mocked()
    order = fixed.shown(Kind.FENCE)
    assert drive.write_sight(app, an_intent(), order, sight) is state
    wrote = [] if state is IntentState.UNKNOWN else [call.see(NAME, state, "u")]
    assert app.journal.mock_calls == wrote
    assert app.tell.called is bool(wrote)
    assert app.control.mock_calls == []


@pytest.mark.failure("F4")
def test_buying_stops_before_an_order_of_another_daemon_is_written_down() -> None:
    """Once it is, nothing would tell of it after a death."""
    app = make_mocked()
    taken = Attempt(number=1, kind="real", began_at=START, state=IntentState.UNKNOWN, outcome="DuplicatedIdentifier")
    app.journal.attempts.return_value = [taken]
    happened: list[str] = []
    app.journal.see.side_effect = lambda *_: happened.append("written down")
    app.control.halt_buys.side_effect = lambda code, **_: happened.append(code)
    drive.write_sight(app, an_intent(), fixed.shown(Kind.REAL), Sight.REAL)
    assert happened == ["second_instance", "written down"]
    app.journal.attempts.return_value = [taken, taken]  # the first may have been ours, and its answer another's
    happened.clear()
    drive.write_sight(app, an_intent(), fixed.shown(Kind.REAL), Sight.REAL)
    assert happened == ["written down"]


@pytest.mark.parametrize(("kind", "doubtful", "uuid"), [(Kind.REAL, False, "u"), (Kind.FENCE, True, None)])
def test_an_order_bears_a_uuid_only_when_it_is_surely_its_own(
    kind: Kind,
    doubtful: bool,  # noqa: FBT001 - a parameter
    uuid: str | None,
) -> None:
    """A fence that was taken says nothing of the order until it is seen."""
    app = make_mocked()
    drive.write_answer(app.journal, fixed.intent(), fixed.shown(kind), kind, doubtful=doubtful)
    assert app.journal.end_attempt.call_args.kwargs["uuid"] == uuid
    assert app.control.mock_calls == []
