"""What a start makes of the orders and trades it finds, and whose account it takes them for."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, call

import pytest

from journal.errors import JournalBreach
from journal.journal import Journal
from journal.records import Fill, IntentState, Phase
from state import ActiveTrade
from strategy.base import Position
from tests.helpers.orders import a_trade, intent, shown
from tests.helpers.parts import Mocked, make_app, make_mocked, mock, only
from trader import restore
from trader.books import owner
from upbit.errors import OrderNotFound
from upbit.models import Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from journal.records import Trade
    from trader.app import App

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "written"),
    [
        (IntentState.PLANNED, call.abandon("ub1-x-0", "the process ended before it was sent")),
        (IntentState.SENT, call.end_attempt("ub1-x-0", IntentState.UNKNOWN, outcome="the process ended")),
        (IntentState.UNKNOWN, None),
        (IntentState.ACCEPTED, None),
    ],
)
def test_an_order_of_a_process_that_ended_is_never_sent_or_in_doubt(state: IntentState, written: object) -> None:
    """What was known before is known still."""
    app = make_mocked()
    restore.settle_intent(app.journal, replace(intent(), state=state))
    assert app.journal.mock_calls == ([written] if written else [])


def claiming(meta: dict[str, str], *, fingerprint: str = "abcd1234", knows: bool = True) -> Mocked:
    """Return a daemon with these keys, whose exchange knows the newest order of its journal, or does not."""
    journal = mock(Journal)
    journal.meta.side_effect = meta.get
    journal.newest_shown.return_value = "ub1-x-0"
    order = AsyncMock(return_value=shown())
    if not knows:
        order.side_effect = OrderNotFound("no", name="order_not_found", status=404)
    return make_mocked(journal=journal, upbit=only(Upbit, order=order), fingerprint=fingerprint)


@pytest.mark.parametrize(
    ("meta", "written"),
    [
        ({}, [call("account", "abcd"), call("key", "abcd1234")]),
        ({"account": "abcd"}, [call("key", "abcd1234")]),
        ({"account": "abcd", "key": "abcd1234"}, []),
        ({"account": "0000", "key": "abcd1234"}, []),
    ],
)
async def test_a_journal_is_claimed_once_and_recognised_by_its_key(meta: dict[str, str], written: list[Any]) -> None:
    """An older one kept four characters of it; names of orders go on as they began."""
    app = claiming(meta, knows=False)
    await owner.check_account(app)
    assert app.journal.set_meta.mock_calls == written
    assert app.account == meta.get("account", "abcd")
    assert app.tell.mock_calls == []
    assert app.upbit.order.mock_calls == []


@pytest.mark.parametrize("meta", [{"account": "0000"}, {"account": "abcd", "key": "ffff0000"}])
@pytest.mark.parametrize("knows", [True, False])
async def test_another_key_is_of_the_same_account_when_it_knows_our_newest_order(
    meta: dict[str, str],
    knows: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Else the journal is somebody else's, and nothing of it is touched."""
    app = claiming(meta, knows=knows)
    if not knows:
        with pytest.raises(owner.WrongAccountError) as refused:
            await owner.check_account(app)
        assert "BOT_DATA_DIR" in refused.value.ko
        assert str(refused.value) == refused.value.en
        assert app.journal.set_meta.mock_calls == []
        return
    await owner.check_account(app)
    assert app.upbit.order.mock_calls == [call(identifier="ub1-x-0")]
    assert app.tell.mock_calls == [call("new_key", level=logging.WARNING, account=meta["account"])]
    assert app.journal.set_meta.mock_calls == [call("key", "abcd1234")]
    assert app.account == meta["account"]


@pytest.mark.parametrize(
    ("phase", "side", "state", "volume", "resumed"),
    [
        ("entering", "bid", IntentState.UNKNOWN, "0", Phase.BUYING),
        ("entering", "bid", IntentState.FINAL, "5", Phase.BUYING),
        ("holding", "bid", IntentState.FINAL, "5", Phase.HOLDING),
        ("holding", "bid", IntentState.FINAL, "0.5", Phase.HOLDING),
        ("leaving", "ask", IntentState.UNKNOWN, "5", Phase.SELLING),
        ("leaving", "ask", IntentState.ABANDONED, "5", Phase.HOLDING),
        ("leaving", "ask", IntentState.FINAL, "0", Phase.SELLING),
        ("holding", "ask", IntentState.REJECTED, "2", Phase.HOLDING),
    ],
)
async def test_a_trade_is_resumed_in_the_phase_it_was_left_in(
    phase: str, side: str, state: IntentState, volume: str, resumed: str
) -> None:
    """By its order in hand and what it holds; with its position as the journal has it, and its price not known yet."""
    bought = Decimal(0) if phase == "entering" and volume == "0" else Decimal("0.5")  # less than a whole coin
    trade = replace(
        a_trade(), phase=Phase(phase), bought=bought, stop_price=Decimal(90), highest_price=Decimal(120), opened_at=NOW
    )
    journal = mock(Journal)
    journal.order_in_hand.side_effect = {"t": replace(intent(), side=Side(side), state=state)}.get
    journal.position_volume.return_value = Decimal(volume)
    fill = Fill(uuid="f", identifier="i", price=Decimal(100), volume=Decimal(5), funds=Decimal(500), at=NOW)
    journal.fills_of_trade.side_effect = lambda _, *sides: [fill] if "bid" in sides else []
    app = make_app(journal=journal)
    await restore.put_back(app, trade)
    assert await app.state.trading_dict.snapshot() == {"KRW-A": None}
    position = Position(
        market="KRW-A",
        entry_price=Decimal(100),
        volume=Decimal(volume),
        opened_at=NOW,
        stop_price=Decimal(90),
        highest_price=Decimal(120),
    )
    assert await app.state.active_trade.snapshot() == {
        "KRW-A": ActiveTrade(
            market="KRW-A",
            started_at=trade.decided_at,
            phase=Phase(resumed),
            trade_id="t",
            position=position if bought else None,
        )
    }
    assert app.tell.mock_calls == [call("resumed", market="KRW-A", phase=resumed, stop=Decimal(90))]


async def test_a_start_settles_every_order_and_resumes_every_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    """After it knows whose they are."""
    steps: list[Any] = []

    async def check(_: App) -> None:
        steps.append("account")

    async def resume(_: App, trade: Trade) -> None:
        steps.append(trade)

    monkeypatch.setattr(restore, "check_account", check)
    monkeypatch.setattr(restore, "put_back", resume)
    monkeypatch.setattr(restore, "settle_intent", lambda _, found: steps.append(found))
    one, other = a_trade(), replace(a_trade(), id="u", decided_at=NOW + timedelta(1))
    app = make_mocked()
    app.journal.live_intents.return_value = [intent()]
    app.journal.open_trades.return_value = [one, other]
    await restore.recover(app)
    assert steps == ["account", intent(), one, other]


async def test_a_trade_that_breaks_a_rule_does_not_keep_the_others_from_being_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It halts everything, which is told: a daemon that ends at every start tells nobody."""
    breach = JournalBreach("t sold 1 more than it bought")
    resumed: list[str] = []

    async def resume(_: App, trade: Trade) -> None:
        if trade.id == "t":
            raise breach
        resumed.append(trade.id)

    monkeypatch.setattr(restore, "check_account", AsyncMock())
    monkeypatch.setattr(restore, "put_back", resume)
    app = make_mocked()
    app.journal.live_intents.return_value = []
    app.journal.open_trades.return_value = [a_trade(), replace(a_trade(), id="u")]
    await restore.recover(app)
    assert resumed == ["u"]
    assert app.health.mock_calls == [call.on_breach("KRW-A", breach)]
