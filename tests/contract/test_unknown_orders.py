"""Orders of ours that the journal does not know, and other daemons: stories against a real sandbox."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec
import pytest

from journal.records import IntentState, Phase
from strategy.base import Exit
from tests.helpers.trading_desk import MARKET, WHY, Desk, buy, buy_given_up, rounds, see_the_world, sell, told
from trader.books.reconcile import reconcile
from trader.executor import look
from trader.orders import protocol
from trader.restore import recover
from trader.trades.buying import unexplained
from trader.trades.lifecycle import carry_on
from trader.trades.lifecycle import sell as sell_now
from trader.trades.positions import reserve
from trader.trades.selling import wait_for_comparison
from upbit.decoding import Rows
from upbit.errors import OrderNotFound, OutcomeUnknown
from upbit.models import Side

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from trader.app import App
    from upbit.models import Order


def not_shown(app: App) -> AbstractContextManager[object]:
    """Let no look for an order by its name find it, as for some seconds after it was sent."""
    return patch.object(app.upbit, "order", side_effect=OrderNotFound("order_not_found", status=404))


async def buy_elsewhere(desk: Desk, folder: Path) -> str:
    """Let another daemon with the same keys buy; return the identifier."""
    async with desk.started(folder) as app:
        trade = await buy(app)
        return app.journal.intents_of(trade.id)[0].identifier


@pytest.mark.failure("F4", "E9")
def test_an_order_of_ours_that_the_journal_does_not_know_is_adopted(tmp_path: Path) -> None:
    """Another host, or a journal of the past: it is held and sold like any other, buying halts, a person is told."""

    async def story(desk: Desk) -> None:
        identifier = await buy_elsewhere(desk, tmp_path / "other")
        async with desk.started() as app:
            trade = app.journal.open_trade_in(MARKET)
            assert trade is not None
            assert trade.volume == desk.free("BTC")
            assert app.journal.intent(identifier).state is IntentState.FINAL
            assert app.control.stands("unknown_order")
            assert not app.control.may_buy()
            assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
            await rounds(app, 2)
            assert [note.key.split(":")[1] for note in app.journal.pending_notes(9)].count("adopted") == 1
            await sell(app)
        assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("E9")
def test_a_journal_of_the_past_learns_what_came_after_it(tmp_path: Path) -> None:
    """A restored copy from before the sale ends its trade again, without a second sale."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
        shutil.copytree(desk.folder, tmp_path / "copy")
        async with desk.started() as app:
            await sell(app)
        async with desk.started(tmp_path / "copy") as app:
            assert app.journal.position_volume(trade.id) == 0
            await rounds(app, 1)
            assert app.journal.totals().coins == {"BTC": Decimal(0)}
        assert len(desk.orders()) == 2

    told(tmp_path, story)


def test_orders_of_a_day_are_compared_at_a_start_and_hourly_and_of_minutes_in_between(tmp_path: Path) -> None:
    """What is asked for reaches back far enough for an order that is shown late, and does not cost a page a minute."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            asked: list[float] = []
            closed_orders = app.upbit.closed_orders

            async def note(*, start: datetime, end: datetime, prefix: str) -> Rows[Order]:
                asked.append((app.clock() - start).total_seconds())
                return await closed_orders(start=start, end=end, prefix=prefix)

            app.discovery.thorough_at = None
            with patch.object(app.upbit, "closed_orders", side_effect=note):
                for _ in range(62):
                    await reconcile(app)
                    await asyncio.sleep(60)
            day, minutes = 24 * 3600, 15 * 60
            assert [seconds >= day for seconds in asked] == [n in {0, 60} for n in range(62)]
            assert all(minutes <= seconds < minutes + 70 for seconds in asked if seconds < day)

    told(tmp_path, story)


@pytest.mark.failure("E9")
def test_a_journal_from_the_moment_of_a_buy_learns_its_sale_after_it(tmp_path: Path) -> None:
    """The restored copy does not know yet what it bought: the sale waits for that, and neither is lost or repeated."""

    async def story(desk: Desk) -> None:
        async with desk.daemon() as app:
            await recover(app)
            with patch("trader.trades.lifecycle.carry_on"):
                await buy(app)
            (planned,) = app.journal.live_intents()
            app.journal.begin_attempt(planned.identifier)
            shutil.copytree(desk.folder, tmp_path / "copy")
            app.journal.end_attempt(planned.identifier, IntentState.UNKNOWN, outcome="the process ended")
            desk.user_orders(side=Side.BID, ord_type="price", price="50000", identifier=planned.identifier)
            await carry_on(app, MARKET)
            await sell(app)
        async with desk.started(tmp_path / "copy") as app:
            assert [app.discovery.thorough_at, app.control.may_buy()] == [None, False]
            assert app.journal.order_in_hand(planned.trade_id).identifier == planned.identifier
            await carry_on(app, MARKET)
            assert app.journal.position_volume(planned.trade_id) > 0
            await reconcile(app)
            assert app.discovery.thorough_at is not None
            trade = app.journal.trade(planned.trade_id)
            assert trade.phase == "closed"
            assert trade.volume == 0
            assert trade.bought > 0
            assert app.journal.totals().coins == {"BTC": Decimal(0)}
        assert len(desk.orders()) == 2

    told(tmp_path, story)


@pytest.mark.failure("E9")
def test_an_adopted_sale_does_not_hide_the_order_in_hand(tmp_path: Path) -> None:
    """An order in doubt is followed after a restart, too, although another was written down after it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            with patch("trader.trades.lifecycle.carry_on"):
                await sell(app)
            (sale,) = app.journal.live_intents()
            app.journal.begin_attempt(sale.identifier)
            part = f"{trade.volume / 2:.8f}"
            name = sale.identifier.removesuffix("-0-0") + "-1-0"
            desk.user_orders(side=Side.ASK, ord_type="market", volume=part, identifier=name)
            await asyncio.sleep(1)
            await reconcile(app)
            assert app.journal.intents_of(trade.id)[-1].identifier == name
        async with desk.started() as app:
            assert app.journal.order_in_hand(trade.id).identifier == sale.identifier
            assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.SELLING

    told(tmp_path, story)


def test_orders_of_others_are_not_looked_at(tmp_path: Path) -> None:
    """Neither the user's nor those of another bot of this program."""

    async def story(desk: Desk) -> None:
        desk.user_orders(side=Side.BID, ord_type="price", price="6000", identifier="ub1-S0000-KRWBTC-2611240900-b-0-0")
        desk.user_orders(side=Side.BID, ord_type="price", price="6000")
        async with desk.started() as app:
            await rounds(app, 1)
            assert app.journal.open_trades() == []
            assert app.control.may_buy()

    told(tmp_path, story)


def test_an_order_that_was_executed_after_all_is_taken_up(tmp_path: Path) -> None:
    """Should the exchange break what it documents, the coins are ours all the same, and buying halts."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            intent = await buy_given_up(app)
            await app.upbit.place(protocol.to_order(intent))
            await asyncio.sleep(1)
            async with app.state.active_trade.locked() as active:
                active.clear()
            await reconcile(app)
            trade = app.journal.open_trade_in(MARKET)
            assert trade is not None
            assert trade.volume == desk.free("BTC") > 0
            assert app.control.stands("unknown_order")

    told(tmp_path, story)


def test_fills_that_differ_from_the_exchange_halt_buys_and_no_exit(tmp_path: Path) -> None:
    """What we wrote down as final is compared every minute."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            app.journal._db.execute("UPDATE fill SET volume = '1'")
            await reconcile(app)
            assert app.control.stands("order_differs")
            assert [app.control.may_buy(), app.control.may_sell()] == [False, True]
            app.control.resume()
            await reconcile(app)
            assert app.control.may_buy()  # it is told once
            assert trade.id

    told(tmp_path, story)


@pytest.mark.failure("E9")
def test_a_buy_and_its_sale_are_adopted_together_or_not_yet(tmp_path: Path) -> None:
    """Coins that were sold long ago are never held, and so never sold, for want of the order that sold them."""

    async def story(desk: Desk) -> None:
        async with desk.started(tmp_path / "other") as other:
            await buy(other)
            await sell(other)
        desk.box.exchange.deposit("BTC", Decimal("0.5"))  # the user's: a sale of what is not ours would find coins
        async with desk.daemon() as app:
            await recover(app)
            look, looks = app.upbit.order, list[str]()

            async def late(**name: str) -> Order:
                looks.append(name["uuid"])
                if len(looks) == 2:
                    raise OutcomeUnknown("lost")
                order = await look(**name)
                return msgspec.structs.replace(order, fills=[]) if len(looks) == 3 else order

            with patch.object(app.upbit, "order", late):
                with pytest.raises(OutcomeUnknown):
                    await reconcile(app)
                assert app.journal.known_intent(desk.orders()[0].asked.identifier or "") is None
                await reconcile(app)  # the sale is not listed whole
                assert app.journal.open_trades() == []
                whole = [app.comparison.finished]
                await reconcile(app)
            assert [uuid == desk.orders()[0].uuid for uuid in looks] == [True, False, False, False]
            assert [*whole, app.comparison.finished] == [False, True]
            assert app.discovery.fetched == {}
            assert len(app.journal.closed_trades(9)) == 1
            assert await app.state.active_trade.snapshot() == {}

    told(tmp_path, story)


@pytest.mark.failure("A18", "F4")
def test_a_sale_that_is_refused_for_want_of_coins_is_not_repeated_before_a_comparison(tmp_path: Path) -> None:
    """Another daemon has sold them under the same name: under the next one the user's own coins would go."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            await see_the_world(app)
            async with desk.started(tmp_path / "other") as other:
                await sell(other)
            desk.box.exchange.deposit("BTC", trade.volume * Decimal("0.9"))  # the user's
            assert await reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
            async with asyncio.TaskGroup() as tasks:
                with not_shown(app):
                    tasks.create_task(sell_now(app, MARKET, Exit(sell=True, reason=WHY)))
                    await app.comparison.wanted.wait()
                await reconcile(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert app.journal.trade(trade.id).sold == trade.volume
            assert MARKET not in await app.state.active_trade.snapshot()
        assert desk.free("BTC") == trade.volume * Decimal("0.9")

    told(tmp_path, story)


@pytest.mark.failure("A18", "F4")
def test_a_sale_that_another_daemon_has_sent_under_its_name_is_found_when_ours_is_refused(tmp_path: Path) -> None:
    """The look that follows a refusal shows it: the trade ends with its fills, and the user's own coins stay."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            async with desk.started(tmp_path / "other") as other:
                await sell(other)
            desk.box.exchange.deposit("BTC", trade.volume * Decimal("0.9"))  # the user's
            await sell(app)
            assert not app.comparison.wanted.is_set()
            assert app.journal.trade(trade.id).phase == "closed"
            assert app.journal.trade(trade.id).sold == trade.volume
            assert not app.control.may_buy()
        assert desk.free("BTC") == trade.volume * Decimal("0.9")

    told(tmp_path, story)


@pytest.mark.failure("F4")
def test_nothing_is_bought_while_comparisons_fail(tmp_path: Path) -> None:
    """For five minutes the last one is good enough; then another daemon may have traded, and buys wait for the next."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await reconcile(app)
            with patch.object(app.upbit, "closed_orders", side_effect=OutcomeUnknown("no answer")):
                allowed = [(await look(app)).may_buy]
                for _ in range(6):
                    await asyncio.sleep(59)
                    with pytest.raises(OutcomeUnknown):
                        await reconcile(app)
                    allowed.append((await look(app)).may_buy)
            await reconcile(app)
            assert [*allowed, (await look(app)).may_buy] == [*[True] * 6, False, True]

    told(tmp_path, story)


@pytest.mark.failure("D6")
def test_a_sale_does_not_wait_for_ever_for_a_comparison(tmp_path: Path) -> None:
    """One that never comes holds no loss: after two minutes the sale goes on."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            began = app.clock()
            await wait_for_comparison(app)
            assert app.clock() - began == timedelta(seconds=120)
            app.stop.set()
            await wait_for_comparison(app)
            assert app.clock() - began == timedelta(seconds=120)

    told(tmp_path, story)


@pytest.mark.failure("F4")
def test_a_trade_that_another_daemon_has_ended_is_let_go(tmp_path: Path) -> None:
    """Also while its sale waits here: nobody works on what is over."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            async with desk.started(tmp_path / "other") as other:
                await sell(other)
            async with asyncio.TaskGroup() as tasks:
                with not_shown(app):
                    tasks.create_task(sell(app))
                    await asyncio.sleep(5)
                    assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.SELLING
                await reconcile(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert MARKET not in await app.state.active_trade.snapshot()
            assert not app.control.may_buy()
        assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_an_unknown_order_is_adopted_when_all_its_fills_are_listed(tmp_path: Path) -> None:
    """The list may know of its end before the look-up knows of its fills."""

    async def story(desk: Desk) -> None:
        await buy_elsewhere(desk, tmp_path / "other")
        async with desk.daemon() as app:
            await recover(app)
            look = app.upbit.order

            async def without_fills(**name: str) -> Order:
                return msgspec.structs.replace(await look(**name), fills=[])

            with patch.object(app.upbit, "order", without_fills):
                await reconcile(app)
            assert app.journal.open_trades() == []
            await reconcile(app)
            assert len(app.journal.open_trades()) == 1

    told(tmp_path, story)


@pytest.mark.failure("E4")
def test_nothing_is_bought_on_the_first_comparison_of_a_start(tmp_path: Path) -> None:
    """A list that is empty once would hide what a lost journal has bought; the second look comes a second later."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            bought = await buy(app)
        for path in desk.folder.glob("journal.sqlite3*"):
            path.unlink()
        async with desk.daemon() as app:
            await recover(app)
            looks: list[tuple[list[str], bool]] = [([], False), ([bought.market], True)]
            for orders, fresh in looks:
                with patch.object(app.upbit, "closed_orders", return_value=Rows()) if not orders else nullcontext():
                    await reconcile(app)
                assert [trade.market for trade in app.journal.open_trades()] == orders
                assert app.comparison.is_fresh(asyncio.get_running_loop().time()) is fresh
                await asyncio.sleep(1)

    told(tmp_path, story)


@pytest.mark.failure("E4")
def test_a_lost_journal_buys_nothing_twice_while_the_list_of_orders_hides_the_first(tmp_path: Path) -> None:
    """For minutes the account is the only one that tells of it: what it holds of a market bars that market alone."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
        for path in desk.folder.glob("journal.sqlite3*"):
            path.unlink()
        async with desk.daemon() as app:
            with patch.object(app.upbit, "closed_orders", return_value=Rows()):
                await recover(app)
                for _ in range(3):
                    await reconcile(app)
                    await asyncio.sleep(60)
                assert app.journal.open_trades() == []
                assert app.comparison.is_fresh(asyncio.get_running_loop().time())
                chance = await app.upbit.chance(MARKET)
                held = unexplained(app, MARKET, chance, asyncio.get_running_loop().time())
                assert held == chance.coins == desk.free("BTC") > 0
            await reconcile(app)
            assert [trade.market for trade in app.journal.open_trades()] == [MARKET]

    told(tmp_path, story)
