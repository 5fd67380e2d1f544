"""One trade against a real sandbox: what is refused, what is left over, what is tried again."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from journal.errors import Breach
from journal.records import IntentState
from tests.helpers.trading_desk import MARKET, Desk, buy, buy_given_up, sell, told, until_the_wallet_shows_it
from trader.books.reconcile import reconcile
from trader.trades import buying
from upbit.errors import InsufficientFunds, OutcomeUnknown, UnderMinTotal

if TYPE_CHECKING:
    from pathlib import Path

    from trader.app import App
    from upbit.decoding import Rows
    from upbit.models import Account


async def try_to_buy(app: App) -> None:
    """Want KRW-BTC, and expect nothing to come of it."""
    with pytest.raises(AssertionError):
        await buy(app)
    assert MARKET not in await app.state.active_trade.snapshot()
    assert (await app.state.resting.snapshot())[MARKET] > app.clock()


def test_a_buy_that_cannot_be_judged_is_refused(tmp_path: Path) -> None:
    """The exchange does not say what it would cost, or the account has nothing: the market rests."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            with patch.object(app.upbit, "chance", side_effect=OutcomeUnknown("?")):
                await try_to_buy(app)
            desk.box.exchange.deposit("KRW", Decimal(-1_000_000))
            await try_to_buy(app)
        assert desk.orders() == []

    told(tmp_path, story)


@pytest.mark.failure("A27")
def test_a_second_decision_of_one_candle_is_no_order(tmp_path: Path) -> None:
    """The database has the first."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            await sell(app)
            await try_to_buy(app)
        assert len(desk.orders()) == 2

    told(tmp_path, story)


def refusing(error: Exception) -> Any:
    """Let every order be refused."""
    return patch("upbit.rest.Upbit.place", side_effect=error)


@pytest.mark.failure("A18")
def test_a_refusal_for_want_of_money_that_is_there_stops_buying(tmp_path: Path) -> None:
    """The account is read again: with too little in it nothing is strange, with enough something is."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            refused = InsufficientFunds("no", name="insufficient_funds_bid", status=400)
            with refusing(refused), patch.object(buying, "affordable", return_value=False):
                await try_to_buy(app)
            assert app.control.may_buy()
            await asyncio.sleep(60)
            read, asked = app.upbit.accounts, []

            async def accounts() -> Rows[Account]:
                asked.append(True)
                if len(asked) == 2:  # the first is the desk's
                    raise OutcomeUnknown("?")
                return await read()

            with refusing(refused), patch.object(app.upbit, "accounts", accounts):
                await try_to_buy(app)
            assert app.control.may_buy()
            await asyncio.sleep(60)
            with refusing(refused):
                await try_to_buy(app)
            assert app.control.stands("unexplained_refusal")

    told(tmp_path, story)


@pytest.mark.failure("A19")
def test_a_market_that_refuses_twice_rests_for_a_day(tmp_path: Path) -> None:
    """Once may be a changed rule, which is asked for at the next try."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            with refusing(UnderMinTotal("no", name="under_min_total_bid", status=400)):
                await try_to_buy(app)
                assert ((await app.state.resting.snapshot())[MARKET] - app.clock()).total_seconds() == 60
                await asyncio.sleep(60)
                await try_to_buy(app)
                assert ((await app.state.resting.snapshot())[MARKET] - app.clock()).total_seconds() == 86_400

    told(tmp_path, story)


@pytest.mark.failure("A17")
def test_what_cannot_be_sold_is_dust_and_goes_out_with_the_next_trade(tmp_path: Path) -> None:
    """It stays in the ledger, nothing loops, and the next sale of the market takes it along."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            part = trade.volume - Decimal("0.00002")  # about 3,200 won
            lock = desk.user_orders(side="ask", ord_type="limit", price="300000000", volume="0.00002")
            await until_the_wallet_shows_it()
            await sell(app)
            assert app.journal.position_volume(trade.id) == trade.volume - part
            desk.box.exchange.cancel(lock)
            for _ in range(2):  # looks that agree
                await asyncio.sleep(10)
                await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert app.journal.trade(trade.id).dust == Decimal("0.00002") == desk.free("BTC")
            await asyncio.sleep(60)
            again = await buy(app)
            assert again.volume == desk.free("BTC")
            await sell(app)
            assert app.journal.totals().coins == {"BTC": Decimal(0)}
        assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_a_sale_is_put_off_while_the_book_cannot_be_read(tmp_path: Path) -> None:
    """And begun again by the next decision."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            with patch.object(app.upbit, "books", side_effect=OutcomeUnknown("?")):
                await sell(app)
            assert app.journal.live_intents() == []
            await sell(app)
        assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("A22")
def test_an_exit_that_was_refused_is_tried_again_under_the_next_number(tmp_path: Path) -> None:
    """A market that was offline, a changed minimum: proved not executed, so the number grows."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            desk.box.exchange.halted.add(MARKET)
            await sell(app)
            desk.box.exchange.halted.clear()
            await sell(app)
            names = [intent.identifier[-3:] for intent in app.journal.intents_of(trade.id)]
            states = [intent.state for intent in app.journal.intents_of(trade.id)]
            assert names == ["0-0", "0-0", "0-1"]
            assert states == [IntentState.FINAL, IntentState.REJECTED, IntentState.FINAL]
        assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_a_sale_beside_another_order_of_its_market_is_a_breach(tmp_path: Path) -> None:
    """The database refuses it, and nobody goes on as if it had not."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            with patch.object(app.journal, "leave", return_value=False), pytest.raises(Breach, match="live order"):
                await sell(app)

    told(tmp_path, story)


@pytest.mark.failure("A7", "G4")
def test_a_buy_is_told_once_although_the_process_ends_before_it_was(tmp_path: Path) -> None:
    """The message is in the transaction that holds what it tells; starting again adds none."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
        for _ in range(2):
            async with desk.started() as app:
                told_ = [note.key for note in app.journal.pending_notes(99) if note.kind == "bought"]
                assert told_ == [f"bought:{trade.id}"]

    told(tmp_path, story)


def test_a_trade_that_was_executed_after_all_beside_another_is_sold_with_it(tmp_path: Path) -> None:
    """Its coins are carried to the trade that is open."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            intent = await buy_given_up(app)
            await asyncio.sleep(60)
            trade = await buy(app)
            late = desk.box.exchange.place(
                {"market": MARKET, "side": "bid", "ord_type": "price", "price": "6000", "identifier": intent.identifier}
            )
            await asyncio.sleep(1)
            await reconcile(app)
            assert app.journal.position_volume(trade.id) == trade.volume + late.executed_volume
            await sell(app)
        assert desk.free("BTC") == 0

    told(tmp_path, story)
