"""Starting is recovering, and the account moves without us: stories against a real sandbox."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import pytest

from cli.daemon import serve
from journal.records import IntentState
from sandbox.keys import KeyOptions, PocketOptions
from strategy.base import Exit
from tests.contract.trading_desk import MARKET, WHY, Desk, buy, rounds, see_the_world, sell, told
from trader import orders
from trader.balances import APART_S, compare_balance
from trader.decisions import BUYING, HOLDING, SELLING
from trader.plans import plan_exit
from trader.positions import let_go, reserve
from trader.reconcile import reconcile
from trader.recovery import WrongAccountError, recover
from trader.selling import free_of, wait_for_comparison
from trader.trades import carry_on
from trader.trades import sell as sell_now
from upbit.errors import NotSent, OutcomeUnknown

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from upbit.models import Order


def test_a_trade_is_bought_and_sold_to_the_last_decimal(tmp_path: Path) -> None:
    """The desk itself: journal and exchange agree about every currency."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            assert trade.phase == "holding"
            assert trade.volume == desk.free("BTC")
            await sell(app)
            totals = app.journal.totals()
        assert totals.coins == {"BTC": desk.free("BTC")}
        assert totals.krw == desk.free("KRW") - 1_000_000

    told(tmp_path, story)


@pytest.mark.failure("A4", "A5")
@pytest.mark.parametrize("arrived", [True, False])
def test_what_was_being_sent_when_the_process_ended_is_found_or_fenced(arrived: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """The next start takes it for sent, and resolves it by proof."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            place = app.upbit.place

            async def die(order: object) -> object:
                if arrived:
                    await place(order)  # type: ignore[arg-type]  # what it was given
                raise KeyboardInterrupt

            with patch.object(app.upbit, "place", die), pytest.raises(KeyboardInterrupt):
                await buy(app)
        async with desk.started() as app:
            (intent,) = app.journal.live_intents()
            assert intent.state is IntentState.UNKNOWN
            await asyncio.sleep(30)
            ended = await orders.drive(app, intent.identifier)
        assert ended.state is (IntentState.FINAL if arrived else IntentState.FENCED)
        assert len(desk.orders()) == 1

    told(tmp_path, story)


@pytest.mark.failure("B1", "B6")
def test_coins_the_user_has_sold_are_written_off_and_never_bought_back(tmp_path: Path) -> None:
    """Seen twice, told once, and the rest is still managed."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            gone = Decimal("0.00002")
            desk.user_orders(side="ask", ord_type="market", volume="0.00004")
            await rounds(app, 1)
            assert app.journal.position_volume(trade.id) == trade.volume  # once may be a stale answer
            await rounds(app, 3)
            left = desk.free("BTC")
            assert left < trade.volume - gone
            assert app.journal.position_volume(trade.id) == left
            assert [note.key.split(":")[1] for note in app.journal.pending_notes(9)].count("taken") == 1
            await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
        assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("B1")
def test_a_position_that_is_gone_altogether_ends_its_trade(tmp_path: Path) -> None:
    """There is nothing to sell, and its market is free again."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            desk.user_orders(side="ask", ord_type="market", volume=f"{trade.volume:f}")
            await rounds(app, 3)
            ended = app.journal.trade(trade.id)
            assert ended.phase == "closed"
            assert ended.volume == 0
            assert ended.exit_reason is not None
            assert ended.exit_reason["code"] == "taken"
            assert MARKET not in await app.state.active_trade.snapshot()
            assert app.journal.totals().coins == {"BTC": Decimal(0)}

    told(tmp_path, story)


@pytest.mark.failure("B1")
@pytest.mark.parametrize("share", [Decimal("0.4"), Decimal(1)])
def test_coins_are_also_written_off_while_their_sale_waits_for_them(share: Decimal, tmp_path: Path) -> None:
    """A strategy that wants out at once keeps the sale waiting: the rest is sold then, or the trade ends."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            lock = None
            if share < 1:
                rest = (trade.volume * (1 - share)).quantize(Decimal("1e-8"))
                lock = desk.user_orders(side="ask", ord_type="limit", price="300000000", volume=f"{rest:f}")
            await asyncio.sleep(1)
            gone = desk.free("BTC")
            desk.box.exchange.deposit("BTC", -gone)
            await rounds(app, 1)
            await asyncio.sleep(APART_S - 6)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sell(app))
                await asyncio.sleep(5)
                assert (await app.state.active_trade.snapshot())[MARKET].phase == SELLING
                await reconcile(app)  # so soon, the account may give the same old answer again
                assert app.journal.position_volume(trade.id) == trade.volume
                await asyncio.sleep(2)
                assert (await app.state.active_trade.snapshot())[MARKET].phase == SELLING
                await reconcile(app)
                assert app.journal.position_volume(trade.id) == trade.volume - gone
            assert [note.key.split(":")[1] for note in app.journal.pending_notes(9)].count("taken") == 1
            if lock is not None:
                assert (await app.state.active_trade.snapshot())[MARKET].phase == HOLDING
                desk.box.exchange.cancel(lock)
                await asyncio.sleep(1)
                await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert MARKET not in await app.state.active_trade.snapshot()
            assert len(app.journal.intents_of(trade.id)) == (1 if lock is None else 2)

    told(tmp_path, story)


@pytest.mark.failure("B1")
def test_a_sale_in_hand_is_not_written_off(tmp_path: Path) -> None:
    """Its coins are missing because they are being sold; what it sells is told by its fills."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            assert await reserve(app, MARKET, HOLDING, SELLING)
            intent = plan_exit(app, trade, trade.volume)
            app.journal.leave(trade.id, {}, intent)
            await compare_balance(app, trade, trade.volume)
            assert app.journal.position_volume(trade.id) == trade.volume
            await let_go(app, MARKET)
            await compare_balance(app, trade, trade.volume)  # nor is one that nobody takes care of yet
            assert app.journal.position_volume(trade.id) == trade.volume

    told(tmp_path, story)


@pytest.mark.failure("B1")
def test_nothing_is_sent_for_coins_that_are_not_in_the_account(tmp_path: Path) -> None:
    """Upbit does not list a currency of which there is nothing: that is nothing to sell, and not an unread wallet."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            desk.box.exchange.deposit("BTC", -trade.volume)
            await sell(app)
            assert len(app.journal.intents_of(trade.id)) == 1
        assert free_of("BTC", {}) is None

    told(tmp_path, story)


@pytest.mark.failure("B2", "B6")
def test_coins_of_the_user_are_never_sold(tmp_path: Path) -> None:
    """Bought before or after ours, by hand: they stay."""

    async def story(desk: Desk) -> None:
        desk.box.exchange.deposit("BTC", Decimal("0.5"))
        async with desk.started() as app:
            trade = await buy(app)
            before = desk.free("BTC") - trade.volume
            desk.user_orders(side="bid", ord_type="price", price="6000")
            await rounds(app, 3)
            await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
        assert desk.free("BTC") > before == Decimal("0.5")

    told(tmp_path, story)


@pytest.mark.failure("B4")
def test_an_exit_waits_for_coins_that_the_user_has_locked(tmp_path: Path) -> None:
    """It is neither dust nor sold short; when the user lets go, it is sold."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            lock = desk.user_orders(side="ask", ord_type="limit", price="300000000", volume=f"{trade.volume:f}")
            await sell(app)
            assert app.journal.trade(trade.id).phase == "holding"
            assert any("locked" in note.key for note in app.journal.pending_notes(9))
            await rounds(app, 3)
            assert app.journal.position_volume(trade.id) == trade.volume
            desk.box.exchange.cancel(lock)
            await asyncio.sleep(1)
            await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
        assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("B3")
def test_nothing_is_bought_before_the_books_were_compared(tmp_path: Path) -> None:
    """A start compares first; exits of what is held need not wait for that."""

    async def story(desk: Desk) -> None:
        async with desk.daemon() as app:
            await recover(app)
            assert not app.reconciled
            await reconcile(app)
            assert app.reconciled

    told(tmp_path, story)


@pytest.mark.failure("B5")
def test_a_balance_that_is_older_than_the_fill_says_nothing(tmp_path: Path) -> None:
    """Right after a buy the account may not show it yet: nothing is written off."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            with patch.object(app.upbit, "accounts", return_value=[]):
                await reconcile(app)  # within seconds of the fill
                assert app.missing == {}
                await asyncio.sleep(60)
                await reconcile(app)  # once
            await reconcile(app)
            assert app.journal.position_volume(trade.id) == trade.volume

    told(tmp_path, story)


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
            assert (await app.state.active_trade.snapshot())[MARKET].phase == HOLDING
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

            async def note(*, start: datetime, end: datetime) -> Any:
                asked.append((app.clock() - start).total_seconds())
                return await closed_orders(start=start, end=end)

            app.thorough_at = None
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
            with patch("trader.trades.carry_on"):
                await buy(app)
            (planned,) = app.journal.live_intents()
            app.journal.begin_attempt(planned.identifier)
            shutil.copytree(desk.folder, tmp_path / "copy")
            app.journal.end_attempt(planned.identifier, IntentState.UNKNOWN, outcome="the process ended")
            desk.user_orders(side="bid", ord_type="price", price="50000", identifier=planned.identifier)
            await carry_on(app, MARKET)
            await sell(app)
        async with desk.started(tmp_path / "copy") as app:
            assert [app.thorough_at, app.control.may_buy()] == [None, False]
            assert app.journal.order_in_hand(planned.trade_id).identifier == planned.identifier
            await carry_on(app, MARKET)
            assert app.journal.position_volume(planned.trade_id) > 0
            await reconcile(app)
            assert app.thorough_at is not None
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
            with patch("trader.trades.carry_on"):
                await sell(app)
            (sale,) = app.journal.live_intents()
            app.journal.begin_attempt(sale.identifier)
            part = f"{trade.volume / 2:.8f}"
            name = sale.identifier.removesuffix("-0-0") + "-1-0"
            desk.user_orders(side="ask", ord_type="market", volume=part, identifier=name)
            await asyncio.sleep(1)
            await reconcile(app)
            assert app.journal.intents_of(trade.id)[-1].identifier == name
        async with desk.started() as app:
            assert app.journal.order_in_hand(trade.id).identifier == sale.identifier
            assert (await app.state.active_trade.snapshot())[MARKET].phase == SELLING

    told(tmp_path, story)


def test_orders_of_others_are_not_looked_at(tmp_path: Path) -> None:
    """Neither the user's nor those of another bot of this program."""

    async def story(desk: Desk) -> None:
        desk.user_orders(side="bid", ord_type="price", price="6000", identifier="ub1-S0000-KRWBTC-2611240900-b-0-0")
        desk.user_orders(side="bid", ord_type="price", price="6000")
        async with desk.started() as app:
            await rounds(app, 1)
            assert app.journal.open_trades() == []
            assert app.control.may_buy()

    told(tmp_path, story)


def test_an_order_that_was_executed_after_all_is_taken_up(tmp_path: Path) -> None:
    """Should the exchange break what it documents, the coins are ours all the same, and buying halts."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            with patch.object(app.upbit, "place", side_effect=OutcomeUnknown("lost")), pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await buy(app)
            (intent,) = app.journal.live_intents()
            app.journal.see(intent.identifier, IntentState.FENCED, "fence")  # what must not be
            app.journal.abandon_trade(intent.trade_id, "FENCED")
            await app.upbit.place(orders.to_order(intent))
            await asyncio.sleep(1)
            async with app.state.active_trade.locked() as active:
                active.clear()
            await reconcile(app)
            trade = app.journal.open_trade_in(MARKET)
            assert trade is not None
            assert trade.volume == desk.free("BTC") > 0
            assert app.control.stands("unknown_order")

    told(tmp_path, story)


def test_fills_that_differ_from_the_exchange_halt_everything(tmp_path: Path) -> None:
    """What we wrote down as final is compared every minute."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            app.journal._db.execute("UPDATE fill SET volume = '1'")
            await reconcile(app)
            assert app.control.stands("order_differs")
            assert not app.control.may_sell()
            assert trade.id

    told(tmp_path, story)


@pytest.mark.failure("B12")
def test_keys_of_another_account_are_refused_and_a_new_key_of_this_one_is_not(tmp_path: Path) -> None:
    """The newest order of the journal tells whose keys they are."""
    pockets = (
        PocketOptions(account="somebody", keys=(KeyOptions(access_key="other", secret_key="o" * 40),)),
        PocketOptions(keys=(KeyOptions(access_key="new", secret_key="n" * 40),)),
    )

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            first = app.account
            await buy(app)
        desk.access_key, desk.secret_key = "other", "o" * 40
        async with desk.daemon() as app:
            with pytest.raises(WrongAccountError):
                await recover(app)
        desk.access_key, desk.secret_key = "new", "n" * 40
        for _ in range(2):
            async with desk.started() as app:
                assert app.account == first
                assert (await app.state.active_trade.snapshot())[MARKET].phase == HOLDING

    told(tmp_path, story, pockets=pockets)


def test_an_empty_journal_of_another_key_is_not_proof_of_anything(tmp_path: Path) -> None:
    """Without an order nobody can tell whose it is, so it is refused."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            assert app.journal.meta("key") == app.fingerprint
            app.journal.set_meta("key", "0" * 16)
        async with desk.daemon() as app:
            with pytest.raises(WrongAccountError):
                await recover(app)

    told(tmp_path, story)


@pytest.mark.failure("D6")
def test_an_hour_without_a_network_ends_nothing_and_decides_nothing(tmp_path: Path) -> None:
    """The daemon starts into it with an open position, holds it, and goes on by itself when the network is back."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
        async with desk.daemon() as app:

            async def away(*_: object, **__: object) -> object:
                raise NotSent("no route")

            async with asyncio.TaskGroup() as tasks:
                with patch.object(app.upbit, "_request", away):
                    tasks.create_task(serve(app))
                    await asyncio.sleep(3600)
                    before, sent = app.reconciled, len(desk.orders())
                await asyncio.sleep(60)
                assert (before, app.reconciled) == (False, True)
                assert (sent, app.journal.trade(trade.id).bought) == (1, trade.bought)
                assert "KRW" in await app.state.wallet_dict.snapshot()
                app.stop.set()

    told(tmp_path, story)


@pytest.mark.failure("A6")
@pytest.mark.parametrize("sale", [False, True])
def test_an_order_in_hand_is_carried_on_by_the_next_process(sale: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Accepted, and the process ends before it is followed: the same function ends it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            if sale:
                await buy(app)
            with patch.object(orders, "track", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
                await (sell if sale else buy)(app)
        await asyncio.sleep(1)
        async with desk.started() as app:
            assert (await app.state.active_trade.snapshot())[MARKET].phase == (SELLING if sale else BUYING)
            await carry_on(app, MARKET)
            assert app.journal.live_intents() == []
            assert (app.journal.open_trade_in(MARKET) is None) is sale
        assert len(desk.orders()) == 1 + sale

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
                whole = [app.reconciled]
                await reconcile(app)
            assert [uuid == desk.orders()[0].uuid for uuid in looks] == [True, False, False, False]
            assert [*whole, app.reconciled] == [False, True]
            assert app.fetched == {}
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
            assert await reserve(app, MARKET, HOLDING, SELLING)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sell_now(app, MARKET, Exit(sell=True, reason=WHY)))
                await app.compare_now.wait()
                await reconcile(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert app.journal.trade(trade.id).sold == trade.volume
            assert MARKET not in await app.state.active_trade.snapshot()
        assert desk.free("BTC") == trade.volume * Decimal("0.9")

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
                tasks.create_task(sell(app))
                await asyncio.sleep(5)
                assert (await app.state.active_trade.snapshot())[MARKET].phase == SELLING
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
