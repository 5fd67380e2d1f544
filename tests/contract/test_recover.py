"""A lost journal is rebuilt from the exchange alone (I17), and nothing is overwritten."""

from __future__ import annotations

import asyncio
import random
from argparse import Namespace
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from msgspec import structs

from cli import recover as verb
from config.problems import ConfigError
from config.settings import Config, Secret
from journal.errors import JournalLocked, JournalUnwritable
from journal.records import IntentState
from tests.helpers.sandbox_desk import PRICE
from tests.helpers.trading_desk import MARKET, Desk, buy, rounds, sell, told, until_the_wallet_shows_it
from trader import repair
from trader.books import rebuild
from trader.clock import wall_clock
from trader.orders import names, protocol
from upbit.errors import DuplicatedIdentifier, OutcomeUnknown
from upbit.models import Order, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from journal.journal import Journal
    from sandbox.exchange.orders import Order as BoxOrder
    from trader.app import App
    from upbit.models import Fence, NewOrder


def settings(desk: Desk) -> Config:
    """Return what the verb is given."""
    keys = {"access_key": Secret(desk.access_key), "secret_key": Secret(desk.secret_key)}
    return replace(Config(), **keys, base_url=desk.box.url, data_dir=desk.folder, language="en")  # type: ignore[arg-type]


def forget(desk: Desk) -> None:
    """Lose the journal."""
    for path in desk.folder.glob("journal.sqlite3*"):
        path.unlink()


def known(journal: Journal) -> dict[str, Any]:
    """Return what must come back: executed orders, their fills, positions, and the sums of everything."""
    rows = journal._db.execute("SELECT id FROM intent ORDER BY id").fetchall()
    intents = [intent for row in rows if journal.fills_of((intent := journal.intent(row["id"])).identifier)]
    totals = journal.totals()
    return {
        "orders": [(i.identifier, i.decision_key, i.n, i.market, i.side, i.uuid, i.paid_fee, i.state) for i in intents],
        "fills": [
            (fill.uuid, fill.price, fill.volume, fill.funds) for i in intents for fill in journal.fills_of(i.identifier)
        ],
        "positions": {trade.id: (trade.market, trade.volume, trade.cost_krw) for trade in journal.open_trades()},
        "sums": (totals.krw, {name: volume for name, volume in totals.coins.items() if volume}, totals.fees),
        "closed": sorted(trade.id for trade in journal.closed_trades(-1)),
    }


async def some_history(desk: Desk, rng: random.Random) -> dict[str, Any]:
    """Buy and sell a few times, in parts, with doubts, and with a user beside; return what the journal knows."""
    async with desk.started() as app:
        for _ in range(rng.randint(1, 4)):
            trade = await buy(app)
            await until_the_wallet_shows_it()
            locks: list[BoxOrder] = []
            if rng.random() < 0.4:
                part = (trade.volume / 2).quantize(Decimal("1e-8"))
                locks.append(desk.user_orders(side=Side.ASK, ord_type="limit", price="300000000", volume=f"{part:f}"))
            if rng.random() < 0.7:
                with patch_place(app, lost=rng.random() < 0.5):
                    await sell(app)
            for lock in locks:
                desk.box.exchange.cancel(lock)
            await asyncio.sleep(61)
            if app.journal.open_trade_in(MARKET) is not None:
                break
        return known(app.journal)


def patch_place(app: App, *, lost: bool) -> AbstractContextManager[object]:
    """Let the next answer be lost after the order was taken."""
    place = app.upbit.place

    async def lose(order: NewOrder | Fence, *, until: datetime | None) -> Order:
        answer = await place(order, until=until)
        if lost:
            raise OutcomeUnknown("lost")
        return answer

    return patch.object(app.upbit, "place", lose)


@pytest.mark.failure("E4")
@pytest.mark.parametrize("seed", range(12))
def test_what_is_rebuilt_equals_what_was_lost(seed: int, tmp_path: Path) -> None:
    """For any history: the same orders, fills, positions and sums."""

    async def story(desk: Desk) -> None:
        before = await some_history(desk, random.Random(seed))
        forget(desk)
        rebuilt = await recover(desk)
        assert rebuilt.orders == len(before["orders"])
        async with desk.started() as app:
            assert known(app.journal) == before
            assert app.control.may_buy()
            if before["positions"]:
                await sell(app)
        assert desk.free("BTC") == 0

    told(tmp_path, story)


async def recover(desk: Desk, account: str | None = None) -> Any:
    """Run the verb on the clock of the desk."""
    return await repair.recover(settings(desk), account, desk.clock)


@pytest.mark.failure("A14")
def test_an_order_that_is_shown_late_comes_back_whole(tmp_path: Path) -> None:
    """The look-up may show less than the list: it is asked again until it shows every fill."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            await sell(app)
            before = known(app.journal)
        forget(desk)
        look, looks = Upbit.order, list[str]()

        async def late(self: Upbit, **name: str) -> Order:
            order = await look(self, **name)
            looks.append(order.uuid)
            early = looks.count(order.uuid) == 1
            return structs.replace(order, state="wait", fills=[], trades_count=0) if early else order

        with patch.object(Upbit, "order", late):
            await recover(desk)
        async with desk.started() as app:
            assert known(app.journal) == before

    told(tmp_path, story)


def test_what_the_user_has_taken_meanwhile_is_written_off_and_told(tmp_path: Path) -> None:
    """The exchange knows what we bought, the account what is left of it; the rest is worth what it would bring now."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            (book,) = await app.upbit.books([MARKET])
        forget(desk)
        desk.user_orders(side=Side.ASK, ord_type="market", volume=f"{trade.volume:f}")
        await asyncio.sleep(1)
        rebuilt = await recover(desk)
        assert rebuilt.gone == {MARKET: trade.volume}
        assert rebuilt.held == []
        for language in ("ko", "en"):
            assert MARKET in "\n".join(verb.report(rebuilt, language))
        async with desk.daemon() as app:
            over = app.journal.trade(trade.id)
            assert over.phase == "closed"
            assert over.taken_krw == trade.volume * book.levels[0].bid_price

    told(tmp_path, story)


def test_coins_that_the_user_has_put_into_an_order_are_still_there(tmp_path: Path) -> None:
    """What an open order locks is in the account: it is held, not gone."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
        forget(desk)
        desk.user_orders(side=Side.ASK, ord_type="limit", price="300000000", volume=f"{trade.volume:f}")
        rebuilt = await recover(desk)
        assert rebuilt.gone == {}
        assert [(held.id, held.volume) for held in rebuilt.held] == [(trade.id, trade.volume)]

    told(tmp_path, story)


def test_a_market_that_is_listed_no_more_keeps_no_journal_away(tmp_path: Path) -> None:
    """What is held there is still held; nobody bids for it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
        forget(desk)
        desk.box.markets.unlist(MARKET)
        rebuilt = await recover(desk)
        assert [(held.id, held.volume) for held in rebuilt.held] == [(trade.id, trade.volume)]

    told(tmp_path, story)


def test_the_orders_of_the_bot_that_was_asked_for_come_back(tmp_path: Path) -> None:
    """`--account` names one that is not the one of the keys in use, and from then on the journal goes by its name."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            mine = app.account
            trade = await buy(app)
        forget(desk)
        rebuilt = await recover(desk, "0000")
        assert (rebuilt.account, rebuilt.orders) == ("0000", 0)
        forget(desk)
        rebuilt = await recover(desk, mine)
        assert (rebuilt.account, [held.id for held in rebuilt.held]) == (mine, [trade.id])
        async with desk.daemon() as app:
            assert app.journal.meta("account") == mine

    told(tmp_path, story)


def test_a_journal_is_never_overwritten_and_half_a_recovery_leaves_none(tmp_path: Path) -> None:
    """An exchange that fails in the middle leaves no journal; the next try begins anew."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
        with pytest.raises(repair.JournalThere):
            await recover(desk)
        forget(desk)
        with patch.object(rebuild, "put", side_effect=OutcomeUnknown("away")), pytest.raises(OutcomeUnknown):
            await recover(desk)
        assert not (desk.folder / "journal.sqlite3").exists()
        async with desk.daemon() as app:
            with pytest.raises(JournalLocked):
                await recover(desk)
        forget(desk)
        rebuilt = await recover(desk)
        assert [trade.market for trade in rebuilt.held] == [MARKET]
        assert not (desk.folder / "recovering").exists()

    told(tmp_path, story)


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    """So is a start without keys."""
    (tmp_path / "file").touch()
    config = replace(Config(), data_dir=tmp_path / "file")
    with pytest.raises(JournalUnwritable):
        asyncio.run(repair.recover(config, None, wall_clock))
    with pytest.raises(ConfigError):
        verb.run(config, Namespace(never=None, account=None))


async def doubt(desk: Desk, *, burnt: bool) -> str:
    """Leave a buy in doubt whose request never arrived, and say that its identifier is used or not."""
    async with desk.started() as app:
        error = DuplicatedIdentifier("used") if burnt else OutcomeUnknown("lost")
        with patch.object(app.upbit, "place", side_effect=error), pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await buy(app)
        (intent,) = app.journal.live_intents()
        return intent.identifier


async def say_never(desk: Desk, identifier: str) -> None:
    """Run the verb on the clock of the desk."""
    await repair.say_never(settings(desk), identifier, desk.clock)


def test_a_person_may_say_that_an_order_never_was(tmp_path: Path) -> None:
    """Only of one in doubt whose identifier is used up, and which the exchange does not show."""

    async def story(desk: Desk) -> None:
        with pytest.raises(repair.NotDoubtful, match="in no doubt"):
            await say_never(desk, "ub1-nobody")
        identifier = await doubt(desk, burnt=True)
        await say_never(desk, identifier)
        async with desk.started() as app:
            assert app.journal.intent(identifier).state is IntentState.FENCED
            assert app.journal.live_intents() == []

    told(tmp_path, story)


def test_nobody_can_say_so_of_an_order_that_may_still_come_or_is_there(tmp_path: Path) -> None:
    """The exchange is asked first."""

    async def story(desk: Desk) -> None:
        identifier = await doubt(desk, burnt=False)
        with pytest.raises(repair.NotDoubtful, match="may still be executed"):
            await say_never(desk, identifier)
        async with desk.daemon() as app:
            app.journal.begin_attempt(identifier)
            app.journal.end_attempt(identifier, IntentState.UNKNOWN, outcome="DuplicatedIdentifier")
            await app.upbit.place(protocol.to_order(app.journal.intent(identifier)))
        with pytest.raises(repair.NotDoubtful, match="Upbit shows it"):
            await say_never(desk, identifier)

    told(tmp_path, story)


def test_the_stop_of_an_adopted_trade_is_computed_anew(tmp_path: Path) -> None:
    """Nobody knows the old one; without one it would be held without a floor."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
        forget(desk)
        await recover(desk)
        async with desk.started() as app:
            trade = app.journal.open_trade_in(MARKET)
            assert trade is not None
            assert trade.stop_price is None
            numbers = dict.fromkeys(("close", "ema_fast", "ema_slow", "atr", "natr", "btc_close", "btc_ema"), 1e6)
            target = snapshot(desk, numbers | {"turnover_24h": 1.0, "candles": 1.0})
            await app.state.snapshot_dict.replace({MARKET: target})
            await rounds(app, 1)
            stop = app.journal.trade(trade.id).stop_price
            assert stop is not None
            assert 0 < stop < Decimal(PRICE)
            position = (await app.state.active_trade.snapshot())[MARKET].position
            assert position is not None
            assert position.stop_price == stop

    told(tmp_path, story)


def snapshot(desk: Desk, numbers: dict[str, float]) -> Any:
    """Return BTC as a target of now."""
    from strategy.base import Snapshot  # noqa: PLC0415 - only here

    now = desk.clock()
    return Snapshot(
        market=MARKET, candle_closed_at=now, numbers=numbers, failed_gate=None, price=Decimal(PRICE), price_as_of=now
    )


@pytest.mark.case("L11")
@pytest.mark.failure("F6")
def test_an_order_of_ours_whose_name_says_no_time_is_told_and_skipped_by_everybody(tmp_path: Path) -> None:
    """Comparing goes on, and so does `recover`: it is nobody's position."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            odd = f"{names.prefix_of(app.bot)}KRWBTC-9999999999-b-0-0"
            desk.user_orders(side="bid", ord_type="price", price="7000", identifier=odd)
            trade = await buy(app)
            await rounds(app, 2)
            assert [event.kind for event in app.events].count("odd_name") == 1
            assert app.control.may_buy()
        forget(desk)
        rebuilt = await recover(desk)
        assert [(one.market, one.volume) for one in rebuilt.held] == [(MARKET, trade.volume)]

    told(tmp_path, story)


def test_names_are_read_back_as_they_were_written() -> None:
    """And nothing else is taken for one."""
    name = names.read_name("ub1-S7f3a-KRWBTC-2611222100-s-3-12", "ub1-S7f3a-")
    assert name is not None
    assert (name.trade, name.side, name.number) == ("KRWBTC-2611222100", "ask", 12)
    assert name.decision_key == "KRWBTC-2611222100-s-3"
    for other in ("", "my-own", "ub1-S0000-KRWBTC-2611222100-s-3-12", "ub1-S7f3a-KRWBTC-2611222100-x-3-12"):
        assert names.read_name(other, "ub1-S7f3a-") is None
    assert names.bot_in("ub1-L7f3a-KRWBTC-2611222100-s-3-12", "live") == "7f3a"
    assert names.bot_in("ub1-L7f3a-KRWBTC-2611222100-s-3-12", "sandbox") is None


def test_dust_comes_back_with_the_trade_that_carries_it(tmp_path: Path) -> None:
    """A second trade of a market begins where the first has left what could not be sold."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            lock = desk.user_orders(side=Side.ASK, ord_type="limit", price="300000000", volume="0.00002")
            await sell(app)
            desk.box.exchange.cancel(lock)
            await asyncio.sleep(1)
            await sell(app)
            await asyncio.sleep(60)
            trade = await buy(app)
            before = known(app.journal)
        forget(desk)
        rebuilt = await recover(desk)
        assert [one.id for one in rebuilt.held] == [trade.id]
        assert rebuilt.held[0].volume == desk.free("BTC") == trade.volume
        async with desk.started() as app:
            assert known(app.journal) == before

    told(tmp_path, story)
