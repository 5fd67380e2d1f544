"""Under which trade an order is written that nobody followed, and which stop it gets."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, call

import msgspec
import pytest

from journal.records import Fill, IntentState, Phase
from state import ActiveTrade
from strategy.base import Entry, Reason, Snapshot
from tests.helpers.handmade import NAME, NOW, name_of, ours, recorded
from tests.helpers.orders import a_trade, intent
from trader.books import adoption
from upbit.models import Side

if TYPE_CHECKING:
    from tests.helpers.parts import Mocked


WHY = Reason(code="x", ko="가", en="a")


@pytest.mark.parametrize("into", ["an open trade", "its own trade", "a new trade"])
def test_an_unknown_order_is_written_under_its_trade(into: str, daemon: Mocked) -> None:
    """The open trade of its market takes it, else the one it is named for, else a new one."""
    order = ours()
    open_one, own = replace(a_trade(), id="open"), replace(a_trade(), id="Sabcd-KRWA-2611021158")
    daemon.journal.open_trade_in.return_value = open_one if into == "an open trade" else None
    daemon.journal.knows_trade.return_value = into == "its own trade"
    daemon.journal.trade.return_value = own
    adoption.adopt(daemon, order, name_of(order), idle=True)
    (trade, record, fills, fee, notes), _ = daemon.journal.adopt.call_args
    if into == "an open trade":
        assert trade is open_one
    elif into == "its own trade":
        assert trade is own
        assert daemon.journal.trade.mock_calls == [call("Sabcd-KRWA-2611021158")]
    else:
        assert (trade.id, trade.market, trade.strategy, trade.unit) == (own.id, "KRW-A", "s", timedelta(minutes=1))
        assert (trade.decided_at, trade.stop_distance) == (NOW - timedelta(minutes=2), None)
        assert trade.entry_reason["code"] == "adopted"
        assert {"code", "ko", "en"} == trade.entry_reason.keys()
    assert (record.trade_id, record.identifier, record.uuid) == (trade.id, NAME, "u")
    assert record.decided_at == NOW - timedelta(minutes=2) + timedelta(seconds=1)
    assert (fills, fee, notes) == (order.fills, order.paid_fee, [daemon.messages.adopted.return_value])
    assert daemon.messages.adopted.mock_calls == [call(order, at=NOW)]
    assert daemon.tell.mock_calls == [call("adopted", level=logging.WARNING, market="KRW-A", identifier=NAME)]


def test_buying_stops_on_an_unknown_order_and_says_which(daemon: Mocked) -> None:
    """A person looks for another daemon before there is another buy."""
    adoption.halt_buys_on_unknown(daemon.control, ours())
    (code,), facts = daemon.control.halt_buys.call_args
    assert (code, facts["market"], facts["uuid"]) == ("unknown_order", "KRW-A", "u")
    assert f"KRW-A {NAME}" in facts["ko"]
    assert f"KRW-A {NAME}" in facts["en"]


@pytest.mark.parametrize("but", ["nothing", "it is ours", "somebody works on it", "the trade is known", "it is a sale"])
def test_a_buy_of_another_name_ends_an_unknown_trade_and_begins_its_own(but: str, daemon: Mocked) -> None:
    """So the trade has the same name, and its sale the same identifier, for every daemon that reads the orders."""
    order = ours(side=Side.ASK) if but == "it is a sale" else ours()
    reason: dict[str, object] = {} if but == "it is ours" else {"code": adoption.ADOPTED}
    other = replace(a_trade(), id="open", entry_reason=reason, bought=Decimal(3), sold=Decimal(1))
    own = replace(a_trade(), id="Sabcd-KRWA-2611021158")
    daemon.journal.open_trade_in.return_value = other
    daemon.journal.knows_trade.return_value = but == "the trade is known"
    daemon.journal.trade.return_value = own
    found = adoption.trade_for(daemon, order, name_of(order), idle=but != "somebody works on it")
    if but == "nothing":
        began = NOW - timedelta(minutes=2) + timedelta(seconds=1)
        assert daemon.journal.close_trade.mock_calls == [call("open", closed_at=began, dust=Decimal(2))]
        assert found.id == own.id
    else:
        assert daemon.journal.close_trade.mock_calls == []
        assert found is other


@pytest.mark.parametrize("idle", [True, False, None])
def test_an_adopted_trade_ends_with_a_buy_of_another_name_only_while_nobody_works_on_it(
    idle: bool | None,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """Where nobody says whether somebody does, as when a journal is rebuilt, nobody does."""
    order = ours()
    other = replace(a_trade(), id="other", entry_reason={"code": "adopted"}, phase=Phase.HOLDING)
    daemon.journal.open_trade_in.return_value = other
    daemon.journal.knows_trade.return_value = False
    if idle is None:
        adoption.trade_for(daemon, order, name_of(order))
    else:
        adoption.adopt(daemon, order, name_of(order), idle=idle)
        assert (daemon.journal.adopt.call_args.args[0] is other) is not idle
    assert daemon.journal.close_trade.called is (idle is not False)


def test_an_order_without_a_readable_time_was_decided_now(daemon: Mocked) -> None:
    """It is over, so nothing hangs on it."""
    order = msgspec.structs.replace(ours(), created_at="yesterday")
    assert adoption.adopted_intent(daemon.clock, a_trade(), order, name_of(order)).decided_at == NOW


def test_what_was_executed_after_all_is_written_and_told(daemon: Mocked) -> None:
    """Although the journal had proof that it never would be."""
    order, known = ours(), replace(intent(), state=IntentState.REJECTED)
    adoption.see_after_all(daemon, order, known)
    note = daemon.messages.adopted.return_value
    assert daemon.journal.see_after_all.mock_calls == [call(known, "u", order.fills, order.paid_fee, [note])]
    assert daemon.messages.adopted.mock_calls == [call(order, at=NOW)]
    assert daemon.tell.mock_calls == [call("executed_after_all", level=logging.ERROR, market="KRW-A", identifier=NAME)]


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, True),
        ({"stop_price": Decimal(1)}, False),
        ({"bought": Decimal(0)}, False),
        ({"phase": Phase.ENTERING}, False),
        ({"entry_reason": {"code": "breakout"}}, False),
        ({"entry_reason": {"code": "breakout"}, "stop_distance": Decimal(3)}, True),
    ],
)
async def test_a_position_lacks_its_stop_until_there_are_candles(
    changes: dict[str, Any],
    needs: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """One that was found at the exchange: nobody knows its old one, or it was never written down."""
    adopted: dict[str, Any] = {"entry_reason": {"code": "adopted"}, "bought": Decimal(5), "phase": Phase.HOLDING}
    trade = replace(a_trade(), **(adopted | changes))
    daemon.journal.open_trades.return_value = [trade]
    assert adoption.needs_stop(trade) is needs
    assert await adoption.lacks_stop(daemon.state, daemon.journal) is needs
    await daemon.state.snapshot_dict.replace({"KRW-B": Mock(spec=Snapshot)})
    assert not await adoption.lacks_stop(daemon.state, daemon.journal)


@pytest.mark.parametrize(
    ("changes", "distance", "stop"),
    [
        ({}, 10.5, Decimal("89.5")),
        ({}, None, None),
        ({}, float("inf"), None),
        ({"bought": Decimal(0)}, 10.5, None),
        ({"stop_price": Decimal(1)}, 10.5, None),
        ({"entry_reason": {"code": "breakout"}}, 10.5, None),
        ({"entry_reason": {"code": "breakout"}, "stop_distance": Decimal(3)}, 10.5, Decimal(97)),
    ],
)
async def test_an_adopted_trade_gets_the_stop_its_strategy_would_give_it_now(
    changes: dict[str, Any],
    distance: float | None,
    stop: Decimal | None,
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below what it was bought for; what was decided here keeps to the distance that was decided."""
    calls = recorded(monkeypatch, adoption, "hold_again")
    snapshot = Snapshot(
        market="KRW-A", candle_closed_at=NOW, numbers={}, failed_gate=None, price=Decimal(100), price_as_of=NOW
    )
    await daemon.state.snapshot_dict.replace({"KRW-A": snapshot})
    await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase.HOLDING)})
    daemon.strategy.enter.return_value = Entry(buy=False, reason=WHY, stop_distance=distance)
    daemon.journal.fills_of_trade.return_value = [
        Fill(uuid="f", identifier="i", price=Decimal(100), volume=Decimal(5), funds=Decimal(500), at=NOW)
    ]
    adopted: dict[str, Any] = {"entry_reason": {"code": "adopted"}, "bought": Decimal(5), "phase": Phase.HOLDING}
    trade = replace(a_trade(), **(adopted | changes))
    await adoption.give_stop(daemon, trade)
    assert daemon.journal.fills_of_trade.mock_calls == ([call("t", "bid")] if stop else [])
    assert daemon.journal.set_stop.mock_calls == ([call("t", stop)] if stop else [])
    assert calls == ([("hold_again", "KRW-A")] if stop else [])
    if stop:
        assert daemon.strategy.enter.called is (trade.stop_distance is None)
        assert daemon.tell.mock_calls == [call("stop_anew", level=logging.WARNING, market="KRW-A", stop=stop)]
        assert (await daemon.state.active_trade.snapshot())["KRW-A"].phase == Phase.SELLING


async def test_a_stop_is_not_given_while_nobody_knows_the_candles(daemon: Mocked) -> None:
    """It is, at a later comparison."""
    await adoption.give_stop(
        daemon, replace(a_trade(), entry_reason={"code": "adopted"}, bought=Decimal(5), phase=Phase.HOLDING)
    )
    assert daemon.journal.mock_calls == []


async def test_a_stop_is_not_given_while_its_trade_is_being_sold(daemon: Mocked) -> None:
    """It is, at a later comparison, if the trade is held then."""
    await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase.SELLING)})
    daemon.journal.fills_of_trade.return_value = [
        Fill(uuid="f", identifier="i", price=Decimal(100), volume=Decimal(5), funds=Decimal(500), at=NOW)
    ]
    trade = replace(a_trade(), stop_distance=Decimal(3), bought=Decimal(5), phase=Phase.HOLDING)
    await adoption.give_stop(daemon, trade)
    assert daemon.journal.set_stop.mock_calls == []
