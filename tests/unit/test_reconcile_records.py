"""What a comparison with the exchange asks, writes and tells, each step with everything around it written by hand."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock, call

import msgspec
import pytest

from journal.records import Fill, IntentState
from state import ActiveTrade, Price, State
from strategy.base import Entry, Reason, Snapshot
from tests.unit.test_protocol import intent, shown
from tests.unit.test_trading_decisions import a_trade
from trader import names, reconcile
from trader.decisions import BUYING, HOLDING, SELLING
from upbit.models import Account, Side
from upbit.models import Fill as Execution

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAME = "ub1-Sabcd-KRWA-2611021158-b-0-0"
WHY = Reason(code="x", ko="가", en="a")


@pytest.fixture
def app() -> Any:
    """Return a daemon whose journal and exchange are written by hand."""
    journal = Mock()
    journal.fills_of.return_value = []
    journal.live_intents.return_value = []
    journal.open_trades.return_value = []
    journal.open_trade_in.return_value = None
    journal.known_intent.return_value = None
    journal.imported_until.return_value = None
    return SimpleNamespace(
        journal=journal,
        upbit=SimpleNamespace(
            closed_orders=AsyncMock(return_value=[]),
            open_orders=AsyncMock(return_value=[]),
            order=AsyncMock(),
            accounts=AsyncMock(return_value=[]),
        ),
        state=State(),
        clock=lambda: NOW,
        tell=Mock(),
        control=Mock(),
        messages=Mock(),
        wake_notifier=Mock(),
        mode="sandbox",
        account="abcd",
        strategy=SimpleNamespace(name="s", enter=Mock()),
        candles=SimpleNamespace(unit=timedelta(minutes=1)),
        parameters="parameters",
        missing={},
        balances_s=None,
        fetched={},
        thorough_at=None,
        reconciled=False,
        compare_now=asyncio.Event(),
        comparisons=0,
        stop=asyncio.Event(),
        health=Mock(),
    )


def recorded(monkeypatch: pytest.MonkeyPatch, *steps: str) -> list[tuple[Any, ...]]:
    """Let these steps of a comparison do nothing, and return their calls."""
    calls: list[tuple[Any, ...]] = []

    def step(name: str) -> Callable[..., Awaitable[None]]:
        async def note(_: Any, *what: Any, **facts: Any) -> None:
            calls.append((name, *what, *facts.values()))

        return note

    for name in steps:
        monkeypatch.setattr(reconcile, name, step(name))
    return calls


def ours(**changes: Any) -> Any:
    """Return a buy of this bot as the exchange shows it, over and executed."""
    execution = Execution(uuid="f", price=Decimal(100), volume=Decimal(5), notional=Decimal(500))
    values = {
        "identifier": NAME,
        "state": "cancel",
        "executed_volume": Decimal(5),
        "trades_count": 1,
        "fills": [execution],
        "price": Decimal(500),
        "paid_fee": Decimal("0.25"),
        "created_at": "2026-11-02T20:58:01+09:00",
    }
    return shown(**(values | changes))


@pytest.mark.parametrize("whole", [True, False])
async def test_a_comparison_has_its_order_and_opens_the_way(
    whole: bool,  # noqa: FBT001 - a parameter
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Disk, orders, open trades, then balances and stops: these say nothing while an order is not known."""
    calls = recorded(monkeypatch, "compare_balances", "take_up", "give_stop")

    async def compare_orders(_: Any) -> bool:
        calls.append(("compare_orders",))
        return whole

    monkeypatch.setattr(reconcile, "compare_orders", compare_orders)
    monkeypatch.setattr(reconcile, "look_after_storage", lambda found: calls.append(("disk", found is app)))
    app.journal.open_trades.return_value = [a_trade()]
    app.comparisons = 5
    await reconcile.reconcile(app)
    assert calls[:3] == [("disk", True), ("compare_orders",), ("take_up", "KRW-A")]
    assert calls[3:] == ([("compare_balances",), ("give_stop", a_trade())] if whole else [])
    assert (app.reconciled, app.comparisons) == (whole, 5 + whole)


async def test_comparisons_come_every_minute_and_soon_again_until_one_is_complete(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end with the daemon, and their failures are looked after like those of every loop."""
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)

    monkeypatch.setattr(reconcile, "pause", pause)
    app.thorough_at = NOW
    async for _ in reconcile.rounds(app):
        assert not app.compare_now.is_set()
        app.compare_now.set()
        if len(pauses) == 2:
            app.reconciled = True
        if len(pauses) == 3:
            app.thorough_at = None
        if len(pauses) == 4:
            app.thorough_at = NOW
            app.journal.open_trades.return_value = [replace(a_trade(), entry_reason={"code": "adopted"})]
        if len(pauses) == 5:
            app.stop.set()
    assert [seconds for seconds, *_ in pauses] == [1.0, 1.0, 60.0, 1.0, 1.0, 1.0]
    assert {tuple(wakers) for _, *wakers in pauses} == {(app.stop, app.compare_now)}
    kept: list[Any] = []

    async def keep_going(*what: Any, **facts: Any) -> None:
        kept.extend((what, facts))

    calls = recorded(monkeypatch, "reconcile")
    monkeypatch.setattr(reconcile, "keep_going", keep_going)
    await reconcile.reconcile_periodically(app)
    (name, ticks, step), facts = kept
    assert (name, facts) == ("reconcile", {"health": app.health, "stop": app.stop})
    assert [tick async for tick in ticks] == []
    await step()
    assert calls == [("reconcile",)]


DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)


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
    before: datetime | None, thorough_at: datetime | None, back: timedelta, app: Any
) -> None:
    """A day before it once an hour, else a quarter; up to five minutes ahead."""
    app.thorough_at = thorough_at
    app.journal.imported_until.return_value = before
    assert await reconcile.compare_orders(app)
    assert app.upbit.closed_orders.await_args == call(start=(before or NOW) - back, end=NOW + timedelta(minutes=5))
    assert app.upbit.open_orders.await_args == call()
    assert app.journal.note_import.mock_calls == [call(NOW)]
    assert app.thorough_at == (NOW if back == DAY else thorough_at)


async def test_what_is_unknown_is_taken_in_when_all_of_its_market_is_there(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed and open, oldest first; one that is not whole lets its market wait, and the time is not kept."""
    first, second, third = (
        ours(uuid=str(minute), created_at=f"2026-11-02T20:5{minute}:00+09:00") for minute in (1, 2, 3)
    )
    other = ours(uuid="other", market="KRW-B", created_at="2026-11-02T20:59:00+09:00")
    known = ours(uuid="known")
    app.upbit.closed_orders.return_value = [third, first, other, known]
    app.upbit.open_orders.return_value = [second]
    taken: list[Any] = []
    shown = {order.uuid: order for order in (first, second, third, other)} | {"3": ours(uuid="3", trades_count=2)}

    async def order(*, uuid: str) -> Any:
        return shown[uuid]

    app.upbit.order = order
    monkeypatch.setattr(reconcile, "is_unknown", lambda _, found: found is not known)
    monkeypatch.setattr(reconcile, "take_in", lambda _, found, *, idle: taken.append(found) if idle else None)
    assert not await reconcile.compare_orders(app)
    assert taken == [other]
    assert app.fetched == {"1": first, "2": second}
    assert app.journal.note_import.mock_calls == []
    assert app.thorough_at is None
    taken.clear()
    shown["3"] = third
    shown.pop("1")  # it is there already, and not asked for again
    app.upbit.closed_orders.return_value = [third, first]
    assert await reconcile.compare_orders(app)
    assert taken == [first, second, third]
    assert app.fetched == {}
    assert app.journal.note_import.mock_calls == [call(NOW)]


async def test_an_order_that_may_be_the_buy_in_doubt_is_left_to_it(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buying stops, the comparison is not complete, and only the next one is thorough again."""
    order = ours()
    app.upbit.closed_orders.return_value = [order]
    app.upbit.order.return_value = order
    app.journal.live_intents.return_value = [intent()]
    taken: list[Any] = []
    monkeypatch.setattr(reconcile, "take_in", lambda _, found: taken.append(found))
    app.thorough_at = NOW
    assert await reconcile.compare_orders(app)
    assert taken == []
    assert app.control.halt_buys.call_args.kwargs["uuid"] == "u"
    assert app.thorough_at is None


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [({}, True), ({"market": "KRW-B"}, False), ({"side": "ask"}, False)],
)
def test_a_buy_is_in_doubt_while_one_of_its_market_is_in_hand(
    changes: dict[str, Any],
    doubt: bool,  # noqa: FBT001 - a parameter
    app: Any,
) -> None:
    """A sale, or an order of another market, is no buy of it."""
    app.journal.live_intents.return_value = [replace(intent(), **changes)]
    assert reconcile.buy_in_doubt(app, "KRW-A") is doubt


@pytest.mark.parametrize(
    ("changes", "needs"),
    [({}, True), ({"stop_price": Decimal(1)}, False), ({"entry_reason": {"code": "breakout"}}, False)],
)
async def test_a_position_lacks_its_stop_until_there_are_candles(
    changes: dict[str, Any],
    needs: bool,  # noqa: FBT001 - a parameter
    app: Any,
) -> None:
    """One that was found at the exchange: nobody knows its old one."""
    adopted: dict[str, Any] = {"entry_reason": {"code": "adopted"}}
    trade = replace(a_trade(), **(adopted | changes))
    app.journal.open_trades.return_value = [trade]
    assert reconcile.needs_stop(trade) is needs
    assert await reconcile.lacks_stop(app) is needs
    await app.state.snapshot_dict.replace({"KRW-B": "a snapshot"})
    assert not await reconcile.lacks_stop(app)


def test_an_order_is_unknown_that_executed_without_the_journal(app: Any) -> None:
    """Or although it should not exist. One that differs halts everything; those of others are not looked at."""
    assert reconcile.is_unknown(app, ours())
    assert app.journal.known_intent.mock_calls == [call(NAME)]
    assert app.journal.fills_of.mock_calls == [call(NAME)]
    app.journal.known_intent.return_value = replace(intent(), state=IntentState.REJECTED)
    assert reconcile.is_unknown(app, ours())
    assert app.control.mock_calls == []
    app.journal.known_intent.return_value = replace(intent(), state=IntentState.FINAL)
    app.journal.fills_of.return_value = [
        Fill(uuid=uuid, identifier=NAME, price=Decimal(1), volume=Decimal(2), funds=Decimal(2), at=NOW) for uuid in "ab"
    ]
    assert not reconcile.is_unknown(app, ours())
    (code,), facts = app.control.halt.call_args
    assert (code, facts["uuid"]) == ("order_differs", "u")
    for text in (facts["ko"], facts["en"]):
        assert f"KRW-A {NAME}" in text
        assert "4" in text.replace(NAME, "")
        assert "5" in text.replace(NAME, "")
    app.control.reset_mock()
    app.journal.known_intent.return_value = None
    for identifier in (None, "mine", NAME.replace("abcd", "beef")):
        assert not reconcile.is_unknown(app, ours(identifier=identifier))
    assert app.control.mock_calls == []


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
    state: IntentState | None, step: str | None, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may have written or taken it up while it was asked for."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(reconcile, "adopt", lambda _, *what, idle: calls.append(("adopt", *what, idle)))
    monkeypatch.setattr(reconcile, "see_after_all", lambda _, *what: calls.append(("see_after_all", *what)))
    known = None if state is None else replace(intent(), state=state)
    app.journal.known_intent.return_value = known
    order = ours()
    reconcile.take_in(app, order, idle=False)
    assert app.journal.known_intent.mock_calls == [call(NAME)]
    assert (
        calls
        == {
            "adopt": [("adopt", order, name_of(order), False)],
            "see_after_all": [("see_after_all", order, known)],
            None: [],
        }[step]
    )


def test_an_order_of_somebody_else_is_not_taken_in(app: Any) -> None:
    """Whoever fetched it."""
    reconcile.take_in(app, ours(identifier="mine"), idle=True)
    assert app.journal.adopt.mock_calls == []


def name_of(order: Any) -> names.Name:
    """Return what the name of an order says."""
    name = names.read_name(order.identifier, "ub1-Sabcd-")
    assert name is not None
    return name


@pytest.mark.parametrize("into", ["an open trade", "its own trade", "a new trade"])
def test_an_unknown_order_is_written_under_its_trade_and_stops_buying(into: str, app: Any) -> None:
    """The open trade of its market takes it, else the one it is named for, else a new one."""
    order = ours()
    open_one, own = replace(a_trade(), id="open"), replace(a_trade(), id="Sabcd-KRWA-2611021158")
    app.journal.open_trade_in.return_value = open_one if into == "an open trade" else None
    app.journal.knows_trade.return_value = into == "its own trade"
    app.journal.trade.return_value = own
    reconcile.adopt(app, order, name_of(order), idle=True)
    (trade, record, fills, fee, notes), _ = app.journal.adopt.call_args
    if into == "an open trade":
        assert trade is open_one
    elif into == "its own trade":
        assert trade is own
        assert app.journal.trade.mock_calls == [call("Sabcd-KRWA-2611021158")]
    else:
        assert (trade.id, trade.market, trade.strategy, trade.unit) == (own.id, "KRW-A", "s", timedelta(minutes=1))
        assert (trade.decided_at, trade.stop_distance) == (NOW - timedelta(minutes=2), None)
        assert trade.entry_reason["code"] == "adopted"
        assert {"code", "ko", "en"} == trade.entry_reason.keys()
    assert (record.trade_id, record.identifier, record.uuid) == (trade.id, NAME, "u")
    assert record.decided_at == NOW - timedelta(minutes=2) + timedelta(seconds=1)
    assert (fills, fee, notes) == (order.fills, order.paid_fee, [app.messages.adopted.return_value])
    assert app.messages.adopted.mock_calls == [call(order, at=NOW)]
    assert app.tell.mock_calls == [call("adopted", level=logging.WARNING, market="KRW-A", identifier=NAME)]
    (code,), facts = app.control.halt_buys.call_args
    assert (code, facts["market"], facts["uuid"]) == ("unknown_order", "KRW-A", "u")
    assert f"KRW-A {NAME}" in facts["ko"]
    assert f"KRW-A {NAME}" in facts["en"]


@pytest.mark.parametrize("but", ["nothing", "it is ours", "somebody works on it", "the trade is known", "it is a sale"])
def test_a_buy_of_another_name_ends_an_unknown_trade_and_begins_its_own(but: str, app: Any) -> None:
    """So the trade has the same name, and its sale the same identifier, for every daemon that reads the orders."""
    order = ours(side=Side.ASK) if but == "it is a sale" else ours()
    reason: dict[str, object] = {} if but == "it is ours" else {"code": reconcile.ADOPTED}
    other = replace(a_trade(), id="open", entry_reason=reason, bought=Decimal(3), sold=Decimal(1))
    own = replace(a_trade(), id="Sabcd-KRWA-2611021158")
    app.journal.open_trade_in.return_value = other
    app.journal.knows_trade.return_value = but == "the trade is known"
    app.journal.trade.return_value = own
    found = reconcile.trade_for(app, order, name_of(order), idle=but != "somebody works on it")
    if but == "nothing":
        began = NOW - timedelta(minutes=2) + timedelta(seconds=1)
        assert app.journal.close_trade.mock_calls == [call("open", closed_at=began, dust=Decimal(2))]
        assert found.id == own.id
    else:
        assert app.journal.close_trade.mock_calls == []
        assert found is other


def test_what_was_executed_after_all_is_written_and_stops_buying(app: Any) -> None:
    """A person looks before there is another buy."""
    order, known = ours(), replace(intent(), state=IntentState.REJECTED)
    reconcile.see_after_all(app, order, known)
    note = app.messages.adopted.return_value
    assert app.journal.see_after_all.mock_calls == [call(known, "u", order.fills, order.paid_fee, [note])]
    assert app.messages.adopted.mock_calls == [call(order, at=NOW)]
    assert app.tell.mock_calls == [call("executed_after_all", level=logging.ERROR, market="KRW-A", identifier=NAME)]
    assert app.control.halt_buys.call_args.kwargs["uuid"] == "u"


@pytest.mark.parametrize(
    ("trade", "active", "step"),
    [
        ("holding", None, "resume"),
        ("holding", (HOLDING, "t"), "hold_again"),
        ("holding", (SELLING, "t"), None),
        ("holding", (HOLDING, "other"), "resume"),
        ("entering", None, None),
        ("entering", (BUYING, "t"), None),
        (None, None, None),
        (None, (HOLDING, "t"), "let_go"),
        (None, (SELLING, "t"), None),
    ],
)
async def test_the_shared_dicts_follow_the_journal_unless_somebody_works_on_it(
    trade: str | None,
    active: tuple[str, str] | None,
    step: str | None,
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trade that stands nowhere is resumed, one at rest is read again, one that is over is let go."""
    calls = recorded(monkeypatch, "resume", "hold_again", "let_go")
    found = None if trade is None else replace(a_trade(), phase=trade)
    app.journal.open_trade_in.return_value = found
    if active is not None:
        phase, name = active
        await app.state.active_trade.replace(
            {"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase, trade_id=name)}
        )
    await reconcile.take_up(app, "KRW-A")
    expected = {None: [], "resume": [("resume", found)]}
    assert calls == expected.get(step, [(step, "KRW-A")])
    if step in {"hold_again", "let_go"}:  # taken, so that nobody begins a sale meanwhile
        assert (await app.state.active_trade.snapshot())["KRW-A"].phase == SELLING


@pytest.mark.parametrize(
    ("changes", "distance", "stop"),
    [
        ({}, 10.5, Decimal("89.5")),
        ({}, None, None),
        ({}, float("inf"), None),
        ({"bought": Decimal(0)}, 10.5, None),
        ({"stop_price": Decimal(1)}, 10.5, None),
        ({"entry_reason": {"code": "breakout"}}, 10.5, None),
    ],
)
async def test_an_adopted_trade_gets_the_stop_its_strategy_would_give_it_now(
    changes: dict[str, Any], distance: float | None, stop: Decimal | None, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below what it was bought for; one that has a stop, or was decided here, keeps to that."""
    calls = recorded(monkeypatch, "hold_again")
    snapshot = Snapshot(
        market="KRW-A", candle_closed_at=NOW, numbers={}, failed_gate=None, price=Decimal(100), price_as_of=NOW
    )
    await app.state.snapshot_dict.replace({"KRW-A": snapshot})
    await app.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=HOLDING)})
    app.strategy.enter.return_value = Entry(buy=False, reason=WHY, stop_distance=distance)
    app.journal.intents_of.return_value = [intent()]
    app.journal.fills_of.return_value = [
        Fill(uuid="f", identifier="i", price=Decimal(100), volume=Decimal(5), funds=Decimal(500), at=NOW)
    ]
    adopted: dict[str, Any] = {"entry_reason": {"code": "adopted"}, "bought": Decimal(5)}
    trade = replace(a_trade(), **(adopted | changes))
    await reconcile.give_stop(app, trade)
    assert app.journal.set_stop.mock_calls == ([call("t", stop)] if stop else [])
    assert calls == ([("hold_again", "KRW-A")] if stop else [])
    if stop:
        assert app.strategy.enter.mock_calls == [call(snapshot, "parameters")]
        assert app.tell.mock_calls == [call("stop_anew", level=logging.WARNING, market="KRW-A", stop=stop)]
        assert (await app.state.active_trade.snapshot())["KRW-A"].phase == SELLING


async def test_a_stop_is_not_given_while_nobody_knows_the_candles(app: Any) -> None:
    """It is, at a later comparison."""
    await reconcile.give_stop(app, replace(a_trade(), entry_reason={"code": "adopted"}, bought=Decimal(5)))
    assert app.journal.mock_calls == []


@pytest.mark.parametrize(
    ("seconds", "busy", "quiet"), [(5, None, True), (4.999, None, False), (60, "KRW-A", False), (60, "KRW-B", True)]
)
def test_a_position_is_quiet_when_nothing_moves_in_it(
    seconds: float,
    busy: str | None,
    quiet: bool,  # noqa: FBT001 - a parameter
    app: Any,
) -> None:
    """No order in hand in its market, and the last fill at least five seconds ago."""
    app.journal.open_trades.return_value = [a_trade()]
    app.journal.intents_of.return_value = []
    app.journal.live_intents.return_value = [] if busy is None else [replace(intent(), market=busy)]
    app.journal.position_volume.return_value = Decimal(7)
    found = reconcile.quiet_positions(app, NOW + timedelta(seconds=seconds))
    assert found == ({"t": Decimal(7)} if quiet else {})


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ({"t": Decimal(10)}, {"t": Decimal(10)}, "4"),
        ({"t": Decimal(10)}, {"t": Decimal(9)}, None),
        ({"t": Decimal(10)}, {}, None),
        ({}, {"t": Decimal(10)}, None),
    ],
)
async def test_a_balance_is_compared_with_what_is_held_quietly(
    before: dict[str, Decimal],
    after: dict[str, Decimal],
    gone: str | None,
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Free and locked together, of what did not change meanwhile; what is missing is kept for the next time."""
    calls = recorded(monkeypatch, "compare_balance")
    looks = [before, after]
    monkeypatch.setattr(reconcile, "quiet_positions", lambda *_: looks.pop(0))
    app.journal.open_trades.return_value = [a_trade(), replace(a_trade(), id="other", market="KRW-B")]
    app.upbit.accounts.return_value = [
        Account(currency="A", available=Decimal(1), locked=Decimal(3)),
        Account(currency="KRW", available=Decimal(100), locked=Decimal(0)),
    ]
    app.missing = {"t": Decimal(4), "gone": Decimal(1)}
    await reconcile.compare_balances(app)
    assert calls == ([] if gone is None else [("compare_balance", a_trade(), Decimal(gone))])
    assert app.missing == ({} if gone is None else {"t": Decimal(6)})


@pytest.mark.parametrize(
    ("phase", "left", "step"),
    [
        (HOLDING, "3", "hold_again"),
        (HOLDING, "0", "end_taken"),
        (SELLING, "3", None),
        (SELLING, "0", None),
    ],
)
async def test_what_is_gone_is_written_off_at_its_price(
    phase: str, left: str, step: str | None, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person is told; what is left is held, a trade of nothing is over, and a sale that waits goes on by itself."""
    calls = recorded(monkeypatch, "hold_again", "end_taken")
    await app.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    await app.state.trading_dict.replace({"KRW-A": Price(price=Decimal(110), as_of=NOW)})
    app.journal.position_volume.return_value = Decimal(left)
    ended = replace(a_trade(), phase="holding")
    app.journal.trade.return_value = ended
    await reconcile.compare_balance(app, a_trade(), Decimal(4))
    note = app.messages.taken.return_value
    assert app.messages.taken.mock_calls == [call(a_trade(), Decimal(4), at=NOW)]
    assert app.journal.take_out.mock_calls == [call("t", Decimal(4), [note], price=Decimal(110))]
    assert app.tell.mock_calls == [call("taken", level=logging.WARNING, market="KRW-A", volume=Decimal(4))]
    assert app.wake_notifier.called
    assert calls == {"hold_again": [("hold_again", "KRW-A")], "end_taken": [("end_taken", ended)], None: []}[step]
    if step is not None:
        assert app.journal.position_volume.mock_calls == [call("t")]


@pytest.mark.parametrize(("gone", "phase"), [("0", HOLDING), ("4", BUYING), ("4", None)])
async def test_nothing_is_written_off_that_is_there_or_in_somebody_elses_hands(
    gone: str, phase: str | None, app: Any
) -> None:
    """The next comparison looks again."""
    if phase is not None:
        await app.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    await reconcile.compare_balance(app, a_trade(), Decimal(gone))
    assert app.journal.take_out.mock_calls == []
    assert [one.phase for one in (await app.state.active_trade.snapshot()).values()] == ([phase] if phase else [])


@pytest.mark.parametrize(
    ("phase", "busy", "waits"),
    [(SELLING, None, True), (SELLING, "KRW-B", True), (SELLING, "KRW-A", False), (HOLDING, None, False)],
)
async def test_a_sale_waits_while_no_order_of_it_is_in_hand(
    phase: str,
    busy: str | None,
    waits: bool,  # noqa: FBT001 - a parameter
    app: Any,
) -> None:
    """Orders of other markets do not count."""
    await app.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    app.journal.live_intents.return_value = [] if busy is None else [replace(intent(), market=busy)]
    assert await reconcile.waits_to_sell(app, "KRW-A") is waits
    assert not await reconcile.waits_to_sell(app, "KRW-C")


@pytest.mark.parametrize("prices", [{}, {"KRW-A": None}])
async def test_a_price_that_nobody_knows_is_none(prices: dict[str, Price | None], app: Any) -> None:
    """Coins that are gone then count as what they cost."""
    await app.state.trading_dict.replace(prices)
    assert await reconcile.last_price(app, "KRW-A") is None


def test_an_order_without_a_readable_time_was_decided_now(app: Any) -> None:
    """It is over, so nothing hangs on it."""
    order = msgspec.structs.replace(ours(), created_at="yesterday")
    assert reconcile.adopted_intent(app, a_trade(), order, name_of(order)).decided_at == NOW


@pytest.mark.parametrize("idle", [True, False, None])
def test_an_adopted_trade_ends_with_a_buy_of_another_name_only_while_nobody_works_on_it(
    idle: bool | None,  # noqa: FBT001 - a parameter
    app: Any,
) -> None:
    """Where nobody says whether somebody does, as when a journal is rebuilt, nobody does."""
    order = ours()
    other = replace(a_trade(), id="other", entry_reason={"code": "adopted"}, phase="holding")
    app.journal.open_trade_in.return_value = other
    app.journal.knows_trade.return_value = False
    if idle is None:
        reconcile.trade_for(app, order, name_of(order))
    else:
        reconcile.adopt(app, order, name_of(order), idle=idle)
        assert (app.journal.adopt.call_args.args[0] is other) is not idle
    assert app.journal.close_trade.called is (idle is not False)


@pytest.mark.parametrize(("phase", "idle"), [(HOLDING, True), (SELLING, False), (BUYING, False), (None, True)])
async def test_an_order_is_taken_in_knowing_whether_somebody_works_on_its_market(
    phase: str | None,
    idle: bool,  # noqa: FBT001 - a parameter
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A position at rest may be ended by an order that was found; one in hand may not."""
    if phase is not None:
        await app.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    told: list[bool] = []
    monkeypatch.setattr(reconcile, "take_in", lambda *_, idle: told.append(idle))
    app.upbit.closed_orders.return_value = [ours()]
    app.upbit.order.return_value = ours()
    await reconcile.compare_orders(app)
    assert told == [idle]


@pytest.mark.parametrize(("ago", "looks"), [(15.0, True), (14.0, False), (-1e9, False)])
async def test_balances_are_not_looked_at_twice_within_a_quarter_of_a_minute(
    ago: float,
    looks: bool,  # noqa: FBT001 - a parameter
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same old answer could be given twice; a coin that Upbit does not list is missing as a whole."""
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: SimpleNamespace(time=lambda: 1000.0))
    monkeypatch.setattr(reconcile, "quiet_positions", lambda *_: {"t": Decimal(3)})
    app.journal.open_trades.return_value = [a_trade()]
    app.balances_s = 1000.0 - ago
    await reconcile.compare_balances(app)
    assert app.upbit.accounts.called is looks
    assert app.missing == ({"t": Decimal(3)} if looks else {})
