"""Which orders at the exchange the journal does not know, each with everything around it written by hand."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import call

import pytest

from journal.records import IntentState, Phase
from state import ActiveTrade
from tests.helpers.handmade import NAME, NOW, name_of, ours
from tests.helpers.orders import intent
from trader.books import discovery
from trader.books.discovery import OrderVerdict
from upbit.decoding import Rows
from upbit.errors import OrderNotFound, OutcomeUnknown
from upbit.models import Side

if TYPE_CHECKING:
    from tests.helpers.parts import Mocked
    from upbit.models import Order


DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
PREFIX = "ub1-Sabcd-"


@pytest.mark.parametrize("before", [None, NOW - timedelta(hours=3)])
@pytest.mark.parametrize(
    ("thorough_at", "back"),
    [
        (None, DAY),
        (NOW, QUARTER),
        (NOW - timedelta(minutes=59), QUARTER),
        (NOW - timedelta(hours=1), DAY),
        (NOW + timedelta(seconds=1), DAY),  # the clock was set back
    ],
)
async def test_orders_are_asked_for_from_before_the_last_time(
    before: datetime | None, thorough_at: datetime | None, back: timedelta, daemon: Mocked
) -> None:
    """A day before it once an hour, else a quarter; up to five minutes ahead."""
    daemon.discovery.thorough_at, daemon.comparison.rounds = thorough_at, 1
    daemon.journal.imported_until.return_value = before
    assert await discovery.compare_orders(daemon)
    assert daemon.upbit.closed_orders.await_args == call(
        start=(before or NOW) - back, end=NOW + timedelta(minutes=5), prefix=PREFIX
    )
    assert daemon.upbit.open_orders.await_args == call(prefix=PREFIX)
    assert daemon.journal.note_import.mock_calls == [call(NOW)]
    assert daemon.discovery.thorough_at == (NOW if back == DAY else thorough_at)


async def test_the_second_comparison_of_a_start_is_as_thorough_as_the_first(daemon: Mocked) -> None:
    """A list that shows too little is not believed of one look."""
    for rounds, thorough_at in ((0, None), (1, NOW)):
        daemon.comparison.rounds = rounds
        assert await discovery.compare_orders(daemon)
        assert daemon.discovery.thorough_at == thorough_at
        assert daemon.upbit.closed_orders.await_args.kwargs["start"] == NOW - DAY


async def test_what_is_unknown_is_taken_in_when_all_of_its_market_is_there(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed and open, oldest first; one that is not whole lets its market wait, and the time is not kept."""
    first, second, third = (
        ours(uuid=str(minute), created_at=f"2026-11-02T20:5{minute}:00+09:00") for minute in (1, 2, 3)
    )
    name = NAME.replace("KRWA", "KRWB")
    other = ours(uuid="other", market="KRW-B", identifier=name, created_at="2026-11-02T20:59:00+09:00")
    known = ours(uuid="known")
    daemon.upbit.closed_orders.return_value = Rows([third, first, other, known])
    daemon.upbit.open_orders.return_value = Rows([second])
    taken: list[Any] = []
    shown = {order.uuid: order for order in (first, second, third, other)} | {"3": ours(uuid="3", trades_count=2)}

    async def order(*, uuid: str) -> Order:
        return shown[uuid]

    daemon.upbit.order = order
    verdict = {True: OrderVerdict.KNOWN, False: OrderVerdict.UNKNOWN}
    monkeypatch.setattr(discovery, "judge_order", lambda _, found: verdict[found is known])
    monkeypatch.setattr(discovery, "take_in", lambda _, found, *, idle: taken.append(found) if idle else None)
    assert not await discovery.compare_orders(daemon)
    assert taken == [other]
    assert daemon.discovery.fetched == {"1": first, "2": second}
    assert daemon.journal.note_import.mock_calls == []
    assert daemon.discovery.thorough_at is None
    taken.clear()
    shown["3"] = third
    shown.pop("1")  # it is there already, and not asked for again
    daemon.upbit.closed_orders.return_value = Rows([third, first])
    assert await discovery.compare_orders(daemon)
    assert taken == [first, second, third]
    assert daemon.discovery.fetched == {}
    assert daemon.journal.note_import.mock_calls == [call(NOW)]


@pytest.mark.failure("F4")
async def test_buying_stops_before_an_unknown_order_is_written_down(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a death nothing would tell of it. One look at the list is none; a second one is, however late the order."""
    order = ours()
    daemon.upbit.closed_orders.return_value = Rows([order])
    happened: list[str] = []

    async def half(**_: object) -> Order:
        happened.append("asked for")
        return ours(trades_count=2)

    daemon.upbit.order = half
    daemon.control.halt_buys.side_effect = lambda code, **_: happened.append(code)
    monkeypatch.setattr(discovery, "take_in", lambda *_, **__: happened.append("written down"))
    for seen in (["asked for"], ["asked for", "unknown_order"]):
        assert not await discovery.compare_orders(daemon)
        assert happened == seen
        happened.clear()
    daemon.discovery.fetched = {"u": order}
    assert await discovery.compare_orders(daemon)
    assert happened == ["unknown_order", "written down"]


@pytest.mark.parametrize(
    "told",
    [
        {"executed_volume": Decimal(4)},
        {"paid_fee": Decimal(1)},
        {"market": "KRW-B"},
        {"side": "ask"},
        {"identifier": "ub1-other"},
    ],
)
async def test_a_list_and_an_order_that_disagree_prove_nothing(daemon: Mocked, told: dict[str, Any]) -> None:
    """Nothing is adopted and no buy is stopped on one look; the market waits."""
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.return_value = ours(**told)
    assert not await discovery.compare_orders(daemon)
    assert (daemon.discovery.fetched, daemon.control.halt_buys.mock_calls) == ({}, [])


async def test_what_is_listed_and_not_there_is_waited_for(daemon: Mocked) -> None:
    """A list with an order that nobody knows by its uuid ends no comparison."""
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.side_effect = OrderNotFound("no", name="order_not_found", status=404)
    assert not await discovery.compare_orders(daemon)
    assert daemon.journal.note_import.mock_calls == []


async def test_a_fee_that_was_told_wrongly_is_corrected_by_list_and_order_together(daemon: Mocked) -> None:
    """It only grew while the order was followed; nothing is halted, and nobody needs to hear of it."""
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.return_value = ours()
    daemon.journal.known_intent.return_value = replace(
        intent(), identifier=NAME, state=IntentState.FINAL, paid_fee=Decimal(9)
    )
    daemon.journal.executed_volume.return_value = Decimal(5)
    assert await discovery.compare_orders(daemon)
    assert daemon.journal.correct_fee.mock_calls == [call(NAME, Decimal("0.25"))]
    assert daemon.tell.mock_calls == [call("fee_corrected", market="KRW-A", identifier=NAME, krw=Decimal("0.25"))]
    assert daemon.control.halt_buys.mock_calls == []


async def test_an_order_that_differs_and_cannot_be_fetched_whole_is_taken_in_the_next_time(daemon: Mocked) -> None:
    """Nothing is written down of half of it, and the comparison is not held up."""
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.side_effect = OrderNotFound("no", name="order_not_found", status=404)
    daemon.journal.known_intent.return_value = replace(
        intent(), identifier=NAME, state=IntentState.FINAL, paid_fee=Decimal(9)
    )
    daemon.journal.executed_volume.return_value = Decimal(4)
    assert await discovery.compare_orders(daemon)
    assert (daemon.journal.take_in_difference.mock_calls, daemon.control.halt_buys.mock_calls) == ([], [])
    daemon.upbit.order.side_effect = None
    daemon.upbit.order.return_value = ours()
    assert await discovery.compare_orders(daemon)
    assert daemon.journal.take_in_difference.call_count == 1
    assert daemon.journal.correct_fee.mock_calls == []  # its fee comes with its fills


async def test_an_order_of_ours_that_a_list_shows_unreadably_is_asked_for_by_its_name(daemon: Mocked) -> None:
    """One that is over for the journal, and a name that is none of ours, need nobody's attention."""
    odd = dict.fromkeys([NAME, "ub1-Sabcd-odd", "ub1-Sabcd-A"], "state: null")
    daemon.upbit.closed_orders.return_value = Rows([], odd)
    daemon.upbit.order.return_value = ours()
    assert await discovery.compare_orders(daemon)
    assert daemon.upbit.order.mock_calls == [call(identifier=NAME), call(uuid="u")]
    assert daemon.journal.adopt.call_args.args[2] == ours().fills
    daemon.upbit.order.reset_mock()
    daemon.journal.known_intent.return_value = replace(intent(), identifier=NAME, state=IntentState.FINAL)
    assert await discovery.compare_orders(daemon)
    assert daemon.upbit.order.mock_calls == []


async def test_while_an_order_of_ours_cannot_be_read_at_all_its_market_alone_is_not_bought(daemon: Mocked) -> None:
    """Nobody knows what it has bought; comparing goes on."""
    daemon.upbit.open_orders.return_value = Rows([], {NAME: "state: null"})
    daemon.upbit.order.side_effect = OutcomeUnknown("an answer of another shape")
    assert await discovery.compare_orders(daemon)
    assert await daemon.state.resting.snapshot() == {"KRW-A": NOW + timedelta(minutes=2)}
    assert daemon.journal.record_rest.call_args.args[0].why == "unclear_order"
    assert daemon.journal.note_import.mock_calls == [call(NOW)]


@pytest.mark.failure("F6")
async def test_an_odd_name_is_told_once_and_skipped(daemon: Mocked) -> None:
    """A candle of no calendar, a market or a side of another: the comparison goes on, and nothing is adopted."""
    odd = [
        ours(uuid="1", identifier="ub1-Sabcd-KRWA-9999999999-b-0-0"),
        ours(uuid="2", identifier=NAME.replace("KRWA", "KRWB")),
        ours(uuid="3", identifier=NAME.replace("-b-", "-s-")),
    ]
    daemon.upbit.closed_orders.return_value = Rows(odd)
    daemon.upbit.order.side_effect = lambda *, identifier: next(one for one in odd if one.identifier == identifier)
    for _ in range(2):
        assert await discovery.compare_orders(daemon)
    assert daemon.tell.mock_calls == [
        call("odd_name", level=logging.WARNING, market=one.market, identifier=one.identifier)
        for one in (odd[0], odd[2], odd[1])  # those that the list shows against their name were asked for, by name
    ]
    assert daemon.journal.adopt.mock_calls == []


@pytest.mark.parametrize("lie", [{"market": "KRW-B"}, {"side": Side.ASK}, {"executed_volume": Decimal(0)}])
async def test_what_a_list_says_against_a_name_of_ours_is_asked_of_the_order_itself(
    lie: dict[str, Any], daemon: Mocked
) -> None:
    """Another market or side than its name, or that an order nobody knows has done nothing: no proof."""
    daemon.upbit.closed_orders.return_value = Rows([ours(**lie)])
    daemon.upbit.order.return_value = ours()
    assert await discovery.compare_orders(daemon)
    assert daemon.upbit.order.mock_calls == [call(identifier=NAME), call(uuid="u")]
    assert daemon.journal.adopt.call_args.args[2] == ours().fills


@pytest.mark.parametrize(
    ("phase", "left"), [(None, []), (Phase.ENTERING, []), (Phase.HOLDING, ["KRW-A"]), (Phase.BUYING, ["KRW-A"])]
)
async def test_a_market_in_which_an_order_goes_on_that_nobody_knows_is_not_bought(
    phase: Phase | None, left: list[str], daemon: Mocked
) -> None:
    """Also when it was drawn already; a trade in which something moves goes on. It is adopted once it is over."""
    await daemon.state.trading_dict.replace({"KRW-A": None})
    if phase is not None:
        await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    daemon.upbit.closed_orders.return_value = Rows([ours(state="wait")])
    assert await discovery.compare_orders(daemon)
    assert await daemon.state.resting.snapshot() == {"KRW-A": NOW + timedelta(minutes=2)}
    assert [*await daemon.state.trading_dict.snapshot()] == left
    assert [*await daemon.state.active_trade.snapshot()] == left
    assert daemon.journal.record_rest.call_args.args[0].why == "unclear_order"
    daemon.journal.known_intent.side_effect = lambda name: intent() if name == NAME else None
    daemon.state.resting = type(daemon.state.resting)()
    assert await discovery.compare_orders(daemon)
    assert await daemon.state.resting.snapshot() == {}


async def test_an_order_that_may_be_the_buy_in_doubt_is_left_to_it(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buying stops, the comparison is not complete, and only the next one is thorough again."""
    order = ours()
    daemon.upbit.closed_orders.return_value = Rows([order])
    daemon.upbit.order.return_value = order
    daemon.journal.live_intents.return_value = [intent()]
    taken: list[Any] = []
    monkeypatch.setattr(discovery, "take_in", lambda _, found: taken.append(found))
    daemon.discovery.thorough_at, daemon.comparison.rounds = NOW, 1
    assert await discovery.compare_orders(daemon)
    assert taken == []
    assert daemon.control.halt_buys.call_args.kwargs["uuid"] == "u"
    assert daemon.discovery.thorough_at is None


@pytest.mark.failure("F6")
async def test_what_was_fetched_and_is_known_by_now_is_forgotten(daemon: Mocked) -> None:
    """It was the buy in doubt, which was followed to its end meanwhile."""
    order = ours()
    daemon.upbit.closed_orders.return_value = Rows([order])
    daemon.upbit.order.return_value = order
    daemon.journal.live_intents.return_value = [intent()]
    await discovery.compare_orders(daemon)
    assert daemon.discovery.fetched == {"u": order}
    daemon.journal.live_intents.return_value = []
    daemon.journal.known_intent.return_value = replace(intent(), state=IntentState.FINAL, paid_fee=order.paid_fee)
    daemon.journal.executed_volume.return_value = Decimal(5)
    assert await discovery.compare_orders(daemon)
    assert daemon.discovery.fetched == {}


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [({}, True), ({"market": "KRW-B"}, False), ({"side": "ask"}, False)],
)
def test_a_buy_is_in_doubt_while_one_of_its_market_is_in_hand(
    changes: dict[str, Any],
    doubt: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """A sale, or an order of another market, is no buy of it."""
    daemon.journal.live_intents.return_value = [replace(intent(), **changes)]
    assert discovery.buy_in_doubt(daemon.journal, "KRW-A") is doubt


def test_an_order_is_unknown_that_executed_without_the_journal(daemon: Mocked) -> None:
    """Or although it should not exist; one that differs is told apart, and those of others are not looked at."""
    assert discovery.judge_order(daemon, ours()) is OrderVerdict.UNKNOWN
    assert daemon.journal.known_intent.mock_calls == [call(NAME)]
    assert daemon.journal.executed_volume.mock_calls == [call(NAME)]
    daemon.journal.known_intent.return_value = replace(intent(), state=IntentState.REJECTED)
    assert discovery.judge_order(daemon, ours()) is OrderVerdict.AFTER_ALL
    daemon.journal.known_intent.return_value = replace(intent(), state=IntentState.FINAL)
    daemon.journal.executed_volume.return_value = Decimal(4)
    assert discovery.judge_order(daemon, ours()) is OrderVerdict.DIFFERENT
    daemon.journal.executed_volume.return_value = Decimal(5)
    assert discovery.judge_order(daemon, ours()) is OrderVerdict.DIFFERENT  # it has cost a fee
    assert discovery.judge_order(daemon, ours(paid_fee=Decimal(0))) is OrderVerdict.KNOWN
    daemon.journal.known_intent.return_value = replace(intent(), state=IntentState.ACCEPTED)
    assert discovery.judge_order(daemon, ours()) is OrderVerdict.KNOWN  # whoever follows it writes its fee
    assert daemon.control.mock_calls == []


@pytest.mark.parametrize(("known", "taken"), [("4", True), ("6", False)])
async def test_what_differs_is_taken_in_told_once_and_stops_no_exit(
    daemon: Mocked,
    known: str,
    taken: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Fills only grow: more is written down, less is not; either way buys stop, and a resume is not undone at once."""
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.return_value = ours()
    daemon.journal.known_intent.return_value = replace(
        intent(), identifier=NAME, state=IntentState.FINAL, paid_fee=ours().paid_fee
    )
    daemon.journal.executed_volume.return_value = Decimal(known)
    for _ in range(3):
        assert await discovery.compare_orders(daemon)
    ((code,), facts) = daemon.control.halt_buys.call_args
    assert (code, facts["uuid"]) == ("fills_differ" if taken else "order_differs", "u")
    for text in (facts["ko"], facts["en"]):
        assert f"KRW-A {NAME}" in text
    assert daemon.control.halt_buys.call_count == 1
    assert daemon.control.ended.mock_calls == []
    assert daemon.control.halt.mock_calls == []
    assert daemon.journal.take_in_difference.call_count == (1 if taken else 0)
    daemon.journal.executed_volume.return_value = Decimal(5)
    assert await discovery.compare_orders(daemon)
    assert daemon.control.ended.mock_calls == [call("fills_differ")]


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (None, "adopt"),
        (IntentState.REJECTED, "see_after_all"),
        (IntentState.FENCED, "see_after_all"),
        (IntentState.ABANDONED, "see_after_all"),
        (IntentState.FINAL, None),
        (IntentState.UNKNOWN, None),
        (IntentState.ACCEPTED, None),
    ],
)
def test_what_was_fetched_is_written_down_by_what_the_journal_knows_now(
    state: IntentState | None, step: str | None, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may have written or taken it up while it was asked for."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(discovery, "adopt", lambda _, *what, idle: calls.append(("adopt", *what, idle)))
    monkeypatch.setattr(discovery, "see_after_all", lambda _, *what: calls.append(("see_after_all", *what)))
    known = None if state is None else replace(intent(), state=state)
    daemon.journal.known_intent.return_value = known
    order = ours()
    discovery.take_in(daemon, order, idle=False)
    assert daemon.journal.known_intent.mock_calls == [call(NAME)]
    assert (
        calls
        == {
            "adopt": [("adopt", order, name_of(order), False)],
            "see_after_all": [("see_after_all", order, known)],
            None: [],
        }[step]
    )


def test_an_order_of_somebody_else_is_not_taken_in(daemon: Mocked) -> None:
    """Whoever fetched it."""
    discovery.take_in(daemon, ours(identifier="mine"), idle=True)
    assert daemon.journal.adopt.mock_calls == []


@pytest.mark.parametrize(
    ("phase", "idle"), [(Phase.HOLDING, True), (Phase.SELLING, False), (Phase.BUYING, False), (None, True)]
)
async def test_an_order_is_taken_in_knowing_whether_somebody_works_on_its_market(
    phase: str | None,
    idle: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A position at rest may be ended by an order that was found; one in hand may not."""
    if phase is not None:
        await daemon.state.active_trade.replace(
            {"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase(phase))}
        )
    told: list[bool] = []
    monkeypatch.setattr(discovery, "take_in", lambda *_, idle: told.append(idle))
    daemon.upbit.closed_orders.return_value = Rows([ours()])
    daemon.upbit.order.return_value = ours()
    await discovery.compare_orders(daemon)
    assert told == [idle]
