"""The owner of the account moves and locks coins beside the daemon: stories against a real sandbox."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from journal.records import Phase
from tests.helpers.trading_desk import MARKET, Desk, buy, rounds, sell, told, until_the_wallet_shows_it
from trader.books.balances import APART_S, compare_balance
from trader.books.reconcile import reconcile
from trader.orders.plans import plan_exit
from trader.trades.positions import let_go, reserve
from upbit.decoding import Rows
from upbit.models import Account

if TYPE_CHECKING:
    from pathlib import Path


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
                assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.SELLING
                await reconcile(app)  # so soon, the account may give the same old answer again
                assert app.journal.position_volume(trade.id) == trade.volume
                await asyncio.sleep(2)
                waits = Phase.SELLING if lock is not None else Phase.HOLDING  # or it was refused, and compared
                assert (await app.state.active_trade.snapshot())[MARKET].phase == waits
                await reconcile(app)
                assert app.journal.position_volume(trade.id) == trade.volume - gone
            assert [note.key.split(":")[1] for note in app.journal.pending_notes(9)].count("taken") == 1
            if lock is not None:
                assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
                desk.box.exchange.cancel(lock)
                await asyncio.sleep(1)
                await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert MARKET not in await app.state.active_trade.snapshot()
            assert [order.asked.side for order in desk.orders()].count("ask") == (0 if lock is None else 2)

    told(tmp_path, story)


@pytest.mark.failure("B1")
def test_a_sale_in_hand_is_not_written_off(tmp_path: Path) -> None:
    """Its coins are missing because they are being sold; what it sells is told by its fills."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            assert await reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
            intent = plan_exit(app, trade, trade.volume)
            app.journal.leave(trade.id, {}, intent)
            await compare_balance(app, trade, trade.volume)
            assert app.journal.position_volume(trade.id) == trade.volume
            await let_go(app, MARKET)
            await compare_balance(app, trade, trade.volume)  # nor is one that nobody takes care of yet
            assert app.journal.position_volume(trade.id) == trade.volume

    told(tmp_path, story)


@pytest.mark.failure("B1")
def test_coins_that_the_wallet_does_not_list_are_offered_and_written_off_when_they_are_gone(tmp_path: Path) -> None:
    """A list proves nothing by what it does not show, so an exit is tried; Upbit refuses it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            desk.box.exchange.deposit("BTC", -trade.volume)
            await until_the_wallet_shows_it()
            await sell(app)
            assert app.journal.intents_of(trade.id)[-1].state == "REJECTED"
            await rounds(app, 3)
            assert app.journal.trade(trade.id).phase == "closed"

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
            await until_the_wallet_shows_it()
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


@pytest.mark.failure("B5")
def test_a_balance_that_is_older_than_the_fill_says_nothing(tmp_path: Path) -> None:
    """Right after a buy the account may not show it yet: nothing is written off."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            won = Rows([Account(currency="KRW", available=Decimal(1), locked=Decimal(0))])
            with patch.object(app.upbit, "accounts", return_value=won):
                await reconcile(app)  # within seconds of the fill
                assert app.shortage.missing == {}
                await asyncio.sleep(60)
                await reconcile(app)  # once
                assert app.shortage.missing == {trade.id: trade.volume}
            await reconcile(app)
            assert app.journal.position_volume(trade.id) == trade.volume

    told(tmp_path, story)
