"""Starting is recovering: stories against a real sandbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from journal.records import IntentState, Phase
from sandbox.keys import KeyOptions, PocketOptions
from tests.helpers.trading_desk import MARKET, Desk, buy, sell, told
from trader.books.owner import WrongAccountError
from trader.books.reconcile import reconcile
from trader.daemon import serve
from trader.orders import drive
from trader.restore import recover
from trader.trades.lifecycle import carry_on
from upbit.errors import NotSent

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


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

            async def die(order: object, *, until: datetime | None) -> object:
                if arrived:
                    await place(order, until=until)  # type: ignore[arg-type]  # what it was given
                raise KeyboardInterrupt

            with patch.object(app.upbit, "place", die), pytest.raises(KeyboardInterrupt):
                await buy(app)
        async with desk.started() as app:
            (intent,) = app.journal.live_intents()
            assert intent.state is IntentState.UNKNOWN
            await asyncio.sleep(30)
            ended = await drive.drive(app, intent.identifier)
        assert ended.state is (IntentState.FINAL if arrived else IntentState.FENCED)
        assert len(desk.orders()) == 1

    told(tmp_path, story)


@pytest.mark.failure("B3")
def test_nothing_is_bought_before_the_books_were_compared(tmp_path: Path) -> None:
    """A start compares first; the first sale waits for that as well, though two minutes at most."""

    async def story(desk: Desk) -> None:
        async with desk.daemon() as app:
            await recover(app)
            assert not app.comparison.finished
            await reconcile(app)
            assert app.comparison.finished

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
                assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING

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
                    before, sent = app.comparison.finished, len(desk.orders())
                await asyncio.sleep(60)
                assert (before, app.comparison.finished) == (False, True)
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
            with patch.object(drive, "track", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
                await (sell if sale else buy)(app)
        await asyncio.sleep(1)
        async with desk.started() as app:
            assert (await app.state.active_trade.snapshot())[MARKET].phase == (Phase.SELLING if sale else Phase.BUYING)
            await carry_on(app, MARKET)
            assert app.journal.live_intents() == []
            assert (app.journal.open_trade_in(MARKET) is None) is sale
        assert len(desk.orders()) == 1 + sale

    told(tmp_path, story)
