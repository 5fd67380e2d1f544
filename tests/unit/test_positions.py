"""What a trade holds, and who may move it from one phase to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.records import Fill, Phase
from tests.helpers.trading import ENTRY, MARKET, NOW, PLAN, SNAPSHOT, TRADE, active, executed, hold
from trader.orders import plans
from trader.trades import positions

if TYPE_CHECKING:
    from tests.helpers.trading import Trading


async def test_a_phase_is_taken_by_one_only(app: Trading) -> None:
    """Whoever comes second, or asks about another market, gets nothing."""
    await active(app, Phase.HOLDING, TRADE)
    assert await positions.reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
    assert not await positions.reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
    assert not await positions.reserve(app.state, "KRW-BBB", Phase.HOLDING, Phase.SELLING)
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert (held.phase, held.trade_id) == (Phase.SELLING, TRADE)


async def test_a_trade_last_moved_with_its_last_fill(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of either side; before the first, when it was decided."""
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    assert positions.last_fill_at(app.journal, trade) == NOW
    executed(app, "4", after=1)(intent.identifier)
    assert positions.last_fill_at(app.journal, trade) == NOW + timedelta(seconds=1)
    app.journal.enter_position(TRADE, opened_at=NOW, stop_price=None, highest_price=Decimal(1000))
    app.journal.leave(TRADE, {}, plans.plan_exit(app, trade, Decimal(1)))
    executed(app, "1", after=1)(f"ub1-{TRADE}-s-0-0")
    assert positions.last_fill_at(app.journal, trade) == NOW + timedelta(seconds=2)
    bought, sold = (app.journal.fills_of_trade(TRADE, side) for side in ("bid", "ask"))
    assert ([fill.volume for fill in bought], [fill.volume for fill in sold]) == ([Decimal(4)], [Decimal(1)])
    assert app.journal.fills_of_trade(TRADE, "bid", "ask") == bought + sold


@pytest.mark.parametrize("taken", ["10", "4"])
async def test_what_is_left_while_a_sale_waits_is_held(
    taken: str, app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing left: the trade is over."""
    await hold(app, monkeypatch)
    app.journal.take_out(TRADE, Decimal(taken), price=None)
    await positions.hold_or_end(app, TRADE)
    held = (await app.state.active_trade.snapshot()).get(MARKET)
    assert (held is None) is (taken == "10")
    assert held is None or (held.position is not None and held.position.volume == 6)


@pytest.mark.parametrize("stands", [TRADE, "another", None])
async def test_a_trade_that_orders_nobody_knew_have_ended_is_let_go(
    stands: str | None, app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another one that stands in its place by now is left alone."""
    await hold(app, monkeypatch)
    app.journal.close_trade(TRADE, closed_at=NOW, dust=Decimal(0))
    if stands is None:
        await app.state.active_trade.replace({})
    else:
        await active(app, Phase.SELLING, stands)
    await positions.hold_or_end(app, TRADE)
    assert len(await app.state.active_trade.snapshot()) == (stands == "another")
    assert app.tell.call_args.args == ("bought",)


def test_fills_of_nothing_have_no_price() -> None:
    """An old journal may hold some; a trade of it is put back all the same."""
    nothing = Fill(uuid="f", identifier="i", price=Decimal(100), volume=Decimal(0), funds=Decimal(0), at=NOW)
    assert positions.average_price([nothing]) == positions.average_price([]) == 0
    some = replace(nothing, volume=Decimal(4), funds=Decimal(500))
    assert positions.average_price([nothing, some]) == 125


async def test_a_trade_whose_coins_were_all_taken_says_so(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """In either language; one that was to be sold keeps its own reason."""
    await hold(app, monkeypatch)
    app.journal.take_out(TRADE, Decimal(10), price=None)
    await positions.end_taken(app, app.journal.trade(TRADE))
    assert app.journal.trade(TRADE).exit_reason == {
        "code": "taken",
        "ko": "사용자가 코인을 옮김",
        "en": "the user moved the coins",
    }


async def test_a_market_that_is_not_there_can_be_let_go(app: Trading) -> None:
    """Two flows may end a trade at once."""
    await active(app, Phase.HOLDING, TRADE)
    for _ in range(2):
        await positions.let_go(app, MARKET)
        assert await app.state.active_trade.snapshot() == {}
        assert await app.state.trading_dict.snapshot() == {}
