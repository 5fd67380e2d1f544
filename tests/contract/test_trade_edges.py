"""What comes up once in the life of a trade: orders half known, stops nobody knows, and what is not ours to move."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock, patch

import msgspec
import pytest

from journal.errors import JournalFull
from journal.records import IntentState, Phase, Trade
from strategy.base import Entry, Exit, Snapshot
from tests.helpers.sandbox_desk import PRICE
from tests.helpers.trading_desk import MARKET, WHY, Desk, buy, see_the_world, sell, told, until_the_wallet_shows_it
from trader.books import adoption, discovery, reconcile
from trader.books.breach import guard
from trader.orders import names, plans, protocol
from trader.restore import settle_intent
from trader.trades import buying, lifecycle, positions, selling
from upbit.errors import UnderMinTotal
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from pathlib import Path

    from trader.app import App

OTHER = "KRW-ETH"


def decide_elsewhere(app: App) -> str:
    """Write down a buy of another market that was just decided; return its identifier."""
    trade = Trade(
        id="elsewhere",
        market=OTHER,
        strategy="s",
        unit=timedelta(minutes=1),
        decided_at=app.clock(),
        entry_reason={},
        stop_distance=None,
    )
    order = NewOrder(market=OTHER, side=Side.BID, total=Decimal(6000), identifier="ub1-elsewhere")
    now = app.clock()
    app.journal.begin_trade(trade, plans.new_intent(trade, order, decision_key="e", number=0, now=now, deadline=None))
    return order.identifier


def test_an_order_that_was_being_sent_when_the_process_ended_is_in_doubt(tmp_path: Path) -> None:
    """Its bytes may have left, so only the exchange can say; one that was never begun is given up."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            name = decide_elsewhere(app)
            app.journal.begin_attempt(name)
            settle_intent(app.journal, app.journal.intent(name))
            assert app.journal.intent(name).state is IntentState.UNKNOWN
            settle_intent(app.journal, app.journal.intent(name))
            assert app.journal.intent(name).state is IntentState.UNKNOWN

    told(tmp_path, story)


def test_a_flow_that_is_taken_up_again_leaves_the_orders_of_others_alone(tmp_path: Path) -> None:
    """The flow of another market still works on its order."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            name = decide_elsewhere(app)

            async def failing() -> None:
                raise JournalFull(desk.folder, "full")

            await guard(app, MARKET, failing())
            assert app.journal.intent(name).state is IntentState.PLANNED

    told(tmp_path, story)


def test_a_sale_that_is_refused_in_an_open_market_is_not_told_as_suspended(tmp_path: Path) -> None:
    """The position is held, and no person is told that Upbit trades it no more."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            refused = UnderMinTotal("no", name="under_min_total_ask", status=400)
            with patch("upbit.rest.Upbit.place", side_effect=refused):
                await sell(app)
            assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
            assert app.journal.position_volume(trade.id) == trade.volume
            assert not [note for note in app.journal.pending_notes(99) if "suspended" in note.key]

    told(tmp_path, story)


@pytest.mark.parametrize("locked", [False, True])
def test_a_sale_that_waits_is_left_to_the_next_start_when_the_daemon_ends(
    locked: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """No bid confirms it, or the user locks its coins: nothing is sent, the trade is held, no time goes by."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            if locked:
                desk.user_orders(side=Side.ASK, ord_type="limit", price="300000000", volume=f"{trade.volume:f}")
            await until_the_wallet_shows_it()
            await see_the_world(app)
            app.stop.set()
            assert await positions.reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
            began = app.clock()
            with patch.object(selling, "sells_at", return_value=Decimal(PRICE) if locked else None):
                await lifecycle.sell(app, MARKET, Exit(sell=True, reason=WHY))
            assert (app.clock() - began).total_seconds() < 1
            assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
            assert len(app.journal.intents_of(trade.id)) == 1
            assert bool([note for note in app.journal.pending_notes(99) if "locked" in note.key]) is locked

    told(tmp_path, story)


def test_a_market_whose_buy_was_given_up_rests_a_minute(tmp_path: Path) -> None:
    """Nobody refused it, so the long rest of twice refused markets is not for it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            name = decide_elsewhere(app)
            app.journal.abandon(name, "late")
            await buying.after_refusal(app, app.journal.intent(name))
            assert (await app.state.resting.snapshot())[OTHER] - app.clock() == timedelta(seconds=60)

    told(tmp_path, story)


def test_an_order_that_is_still_going_on_is_not_written_down_as_executed_after_all(tmp_path: Path) -> None:
    """Nothing is written, and buying goes on."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            (intent,) = app.journal.intents_of(trade.id)
            order = await app.upbit.order(uuid=intent.uuid)
            running = msgspec.structs.replace(order, state="wait", executed_volume=Decimal(9))
            assert discovery.judge_order(app, running) is discovery.OrderVerdict.WAIT
            discovery.take_in(app, running, idle=True)  # the journal had it followed to its end meanwhile
            assert app.journal.intent(intent.identifier).state is IntentState.FINAL
            assert app.control.may_buy()

    told(tmp_path, story)


def test_an_order_of_a_trade_that_is_over_goes_to_that_trade(tmp_path: Path) -> None:
    """Its name says which; when the exchange tells its time in an unknown way, now is taken."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            await sell(app)
            (first, _) = app.journal.intents_of(trade.id)
            order = await app.upbit.order(uuid=first.uuid)
            name = names.read_name(first.identifier, names.prefix_of(app.bot))
            assert name is not None
            found = adoption.adopted_trade(app, order, name)
            assert (found.id, found.phase) == (trade.id, "closed")
            odd = msgspec.structs.replace(order, created_at="yesterday")
            assert adoption.adopted_intent(app.clock, found, odd, name).decided_at == app.clock()
            assert adoption.adopted_intent(app.clock, found, order, name).decided_at < app.clock()

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("distance", "phase", "stops"),
    [
        (None, Phase.HOLDING, False),
        (float("nan"), Phase.HOLDING, False),
        (1e6, Phase.SELLING, False),
        (1e6, Phase.HOLDING, True),
    ],
)
def test_an_adopted_trade_gets_a_stop_when_there_is_one_and_nobody_sells(
    distance: float | None,
    phase: str,
    stops: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """It lies below the price of the buy by the distance the strategy takes now."""

    async def story(desk: Desk) -> None:
        async with desk.started(tmp_path / "other") as app:
            await buy(app)
        async with desk.started() as app:
            trade = app.journal.open_trade_in(MARKET)
            assert trade is not None
            assert trade.stop_price is None
            now = app.clock()
            snapshot = Snapshot(
                market=MARKET,
                candle_closed_at=now,
                numbers={},
                failed_gate=None,
                price=Decimal(PRICE),
                price_as_of=now,
            )
            await app.state.snapshot_dict.replace({MARKET: snapshot})
            async with app.state.active_trade.locked() as active:
                active[MARKET] = replace(active[MARKET], phase=Phase(phase))
            entry = Entry(buy=False, reason=WHY, stop_distance=distance)
            with patch.object(type(app.strategy), "enter", return_value=entry):
                await adoption.give_stop(app, trade)
            stop = app.journal.trade(trade.id).stop_price
            assert (stop is not None) is stops
            bought = app.journal.fills_of_trade(trade.id, "bid")
            assert stop is None or stop == positions.average_price(bought) - 1_000_000
            assert (await app.state.active_trade.snapshot())[MARKET].phase == phase

    told(tmp_path, story)


def test_a_position_without_a_stop_waits_for_candles_and_not_for_a_minute(tmp_path: Path) -> None:
    """The first comparison comes before the first candles; the next one comes a second later, and not a minute."""

    async def story(desk: Desk) -> None:
        async with desk.started(tmp_path / "other") as app:
            await buy(app)
        async with desk.started() as app:
            await reconcile.reconcile(app)  # the second look of a start
            loop = asyncio.get_running_loop()
            ticks = reconcile.rounds(app)
            await anext(ticks)
            first = loop.time()
            await anext(ticks)
            assert loop.time() - first == pytest.approx(reconcile.SOON_S, abs=0.5)
            await app.state.snapshot_dict.replace({"KRW-ETH": Mock()})
            second = loop.time()
            await anext(ticks)
            assert loop.time() - second == pytest.approx(reconcile.PERIOD_S, abs=0.5)
            await ticks.aclose()

    told(tmp_path, story)


def test_an_adopted_order_of_a_trade_whose_sale_is_in_hand_leaves_the_trade_to_it(tmp_path: Path) -> None:
    """Whoever follows the sale ends the trade; what was sold beyond our own came from elsewhere."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            (bought,) = app.journal.intents_of(trade.id)
            order = await app.upbit.order(uuid=bought.uuid)
            fill = msgspec.structs.replace(order.fills[0], uuid="sold", volume=trade.volume + 1)
            sale = plans.plan_exit(app, trade, trade.volume)
            assert app.journal.leave(trade.id, {"code": "x"}, sale)
            found = replace(sale, identifier="ub1-found", decision_key="f", state=IntentState.FINAL, uuid="found")
            app.journal.adopt(trade, found, [fill], Decimal(0), [])
            assert app.journal.trade(trade.id).phase == "leaving"
            assert app.journal.trade(trade.id).volume == 0
            assert protocol.to_order(sale).volume == trade.volume

    told(tmp_path, story)
