"""Lists that are empty or short for a while: what they do not show is not gone."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import pytest

from journal.records import Phase
from tests.helpers.trading_desk import MARKET, buy, rounds, see_the_world, sell, told, until_the_wallet_shows_it
from trader import indicators, wallet
from upbit.decoding import Rows
from upbit.errors import OutcomeUnknown
from upbit.models import Account, Market
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from journal.records import Trade
    from tests.helpers.trading_desk import Desk
    from trader.app import App
    from upbit.models import Chance


@contextmanager
def answers(method: str, lie: Callable[[Any], Any]) -> Iterator[None]:
    """Let a list be answered otherwise."""
    real = getattr(Upbit, method)

    async def lying(self: Upbit, *args: object, **named: object) -> Any:
        return lie(await real(self, *args, **named))

    with patch.object(Upbit, method, lying):
        yield


def of(*currencies: str) -> Callable[[Any], Any]:
    """Return a lie that shows these currencies alone."""
    return lambda accounts: Rows(account for account in accounts if account.currency in currencies)


@pytest.mark.case("L3")
@pytest.mark.failure("B1")
@pytest.mark.parametrize("shown", [(), ("BTC",), ("KRW",)])
def test_a_wallet_that_is_empty_for_minutes_takes_nothing_away(tmp_path: Path, shown: tuple[str, ...]) -> None:
    """Every trade stays with its stop, nobody is told that coins were taken, and afterwards it is sold as ever."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            with answers("accounts", of(*shown)):
                for _ in range(5):
                    await asyncio.sleep(60)
                    with nullcontext() if "KRW" in shown else pytest.raises(OutcomeUnknown, match="without won"):
                        await rounds(app, 1)
            assert app.journal.trade(trade.id).volume == trade.volume
            assert app.journal.trade(trade.id).stop_price == trade.stop_price
            assert not [note for note in app.journal.pending_notes(99) if "taken" in note.key]
            await rounds(app, 1)
            await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_a_wallet_without_won_replaces_none(tmp_path: Path) -> None:
    """What was known stays, and grows old."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await see_the_world(app)
            before = await app.state.wallet_dict.snapshot()
            with answers("accounts", of()), pytest.raises(OutcomeUnknown, match="without won"):
                await wallet.poll(app)
            assert await app.state.wallet_dict.snapshot() == before
            await wallet.poll(app)

    told(tmp_path, story)


@pytest.mark.failure("C16")
def test_a_list_of_markets_that_is_empty_or_short_forgets_nothing(tmp_path: Path) -> None:
    """Empty or less than half is no list; one market that is missing once keeps its candles and is not called gone."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            await buy(app)
            await indicators.scan(app)
            candles = set(app.candles.series())
            assert MARKET in candles
            with answers("markets", lambda _: Rows()), pytest.raises(OutcomeUnknown, match="0 markets"):
                await indicators.scan(app)
            assert set(app.candles.series()) == candles
            for told_of in (0, 1):
                with answers("markets", lambda markets: Rows(others(markets))):
                    await indicators.scan(app)
                assert (MARKET in app.candles.series()) is (told_of == 0)
                assert len([note for note in app.journal.pending_notes(99) if "unlisted" in note.key]) == told_of

    def others(markets: Rows[Market]) -> list[Market]:
        """Return markets enough to make a list of what is left."""
        return [one for one in markets if one.market != MARKET] or [
            Market(market=f"KRW-X{number}", korean_name="x") for number in range(2)
        ]

    told(tmp_path, story)


def test_a_refused_sale_leaves_the_coins_of_the_owner_alone(tmp_path: Path) -> None:
    """Also where the wallet lists none of them."""

    async def story(desk: Desk) -> None:
        desk.box.exchange.deposit("BTC", Decimal(1))
        async with desk.started() as app:
            trade = await buy(app)
            with answers("accounts", of("KRW")):
                await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert desk.free("BTC") == 1

    told(tmp_path, story)


def naming(units: Decimal) -> Callable[[Chance], Chance]:
    """Return a lie that names another number of bitcoins among the conditions of an order."""
    account = msgspec.Raw(msgspec.json.encode({"currency": "BTC", "balance": f"{units:f}", "locked": "0"}))
    return lambda chance: msgspec.structs.replace(chance, ask_account=account)


@contextmanager
def without_coins() -> Iterator[None]:
    """Let both sources of what the account holds show no bitcoins."""
    with answers("accounts", of("KRW")), answers("chance", naming(Decimal(0))):
        yield


@pytest.mark.failure("B13")
@pytest.mark.parametrize("beside", [Decimal(0), Decimal("1.5")])
@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_written_off_comes_back_when_it_is_seen_again(
    tmp_path: Path,
    beside: Decimal,
    restarts: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Both sources hid it for minutes. It is held again with its stop, told, and sold; the owner's coins stay."""

    async def story(desk: Desk) -> None:
        desk.box.exchange.deposit("BTC", beside)
        async with desk.started() as app:
            trade = await buy(app)
            await rounds(app, 1)
            with without_coins():
                await rounds(app, 3)
            assert app.journal.trade(trade.id).phase == "closed"
            assert MARKET not in await app.state.active_trade.snapshot()
            if not restarts:
                await seen_again(desk, app, trade)
        if restarts:
            async with desk.started() as app:
                await seen_again(desk, app, trade)
        assert desk.free("BTC") == beside

    async def seen_again(desk: Desk, app: App, trade: Trade) -> None:
        await rounds(app, 2)
        again = app.journal.trade(trade.id)
        assert (again.phase, again.volume, again.stop_price) == ("holding", trade.volume, trade.stop_price)
        assert again.taken_krw == 0
        assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
        assert [note.key.split(":")[1] for note in app.journal.pending_notes(99)].count("there_again") == 1
        await sell(app)
        ended = app.journal.trade(trade.id)
        assert (ended.phase, ended.volume) == (Phase.CLOSED, Decimal(0))
        assert app.journal.realised() == ended.proceeds_krw - ended.cost_krw

    told(tmp_path, story)


def test_a_part_that_was_written_off_comes_back_to_the_trade_that_goes_on(tmp_path: Path) -> None:
    """It is sold with the rest."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            half = (trade.volume / 2).quantize(Decimal("1e-8"))
            await rounds(app, 1)
            told_of = Account(currency="BTC", available=trade.volume - half, locked=Decimal(0))

            def less(accounts: Rows[Account]) -> Rows[Account]:
                return Rows([*of("KRW")(accounts), told_of])

            with answers("accounts", less), answers("chance", naming(trade.volume - half)):
                await rounds(app, 3)
            assert app.journal.trade(trade.id).volume == trade.volume - half
            await rounds(app, 3)
            assert app.journal.trade(trade.id).volume == trade.volume
            await sell(app)
            assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_what_was_written_off_comes_back_with_the_trade_that_is_open_in_its_place(tmp_path: Path) -> None:
    """The market was bought again meanwhile: one position, one stop, one sale."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            first = await buy(app)
            await rounds(app, 1)
            with without_coins():
                await rounds(app, 3)
            second = await buy(app)
            assert second.volume < desk.free("BTC")
            await rounds(app, 3)
            assert app.journal.trade(second.id).volume == desk.free("BTC") == first.volume + second.volume
            assert app.journal.trade(first.id).phase == "closed"
            await sell(app)
            assert desk.free("BTC") == 0
            assert app.journal.totals().coins == {"BTC": Decimal(0)}

    told(tmp_path, story)


@pytest.mark.failure("B2")
@pytest.mark.parametrize("more", ["-0.00000001", "0.00000001", "1"])
def test_coins_that_the_owner_took_and_others_that_came_later_stay_the_owners(tmp_path: Path, more: str) -> None:
    """Only all that was there, to the last digit, is what nobody had taken."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            await rounds(app, 1)
            desk.box.exchange.deposit("BTC", -trade.volume)
            await rounds(app, 3)
            assert app.journal.trade(trade.id).phase == "closed"
            desk.box.exchange.deposit("BTC", trade.volume + Decimal(more))
            await rounds(app, 3)
            assert app.journal.trade(trade.id).phase == "closed"
            assert app.journal.open_trades() == []

    told(tmp_path, story)


@pytest.mark.parametrize("source", ["accounts", "chance"])
def test_one_source_alone_brings_nothing_back(tmp_path: Path, source: str) -> None:
    """Nor one that does not answer."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            await rounds(app, 1)
            with without_coins():
                await rounds(app, 3)
            with answers(source, of("KRW") if source == "accounts" else naming(Decimal(0))):
                await rounds(app, 3)
                assert app.journal.trade(trade.id).phase == "closed"
            with patch.object(app.upbit, "chance", side_effect=OutcomeUnknown("time-out")):
                await rounds(app, 3)
                assert app.journal.trade(trade.id).phase == "closed"
            await rounds(app, 2)
            assert app.journal.trade(trade.id).phase == "holding"

    told(tmp_path, story)


@pytest.mark.failure("A17")
def test_dust_that_its_owner_took_is_not_sold_with_the_next_trade(tmp_path: Path) -> None:
    """It is compared with the account like everything that is held: seen missing twice, and by another source."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            dust = Decimal("0.00002")
            await leave_dust(desk, app, trade, dust)
            with answers("accounts", of("KRW")):
                await rounds(app, 3)
            assert app.journal.dust() == {MARKET: dust}  # one source is none
            await rounds(app, 1)
            desk.box.exchange.deposit("BTC", -dust / 4)
            await rounds(app, 1)
            assert app.journal.dust() == {MARKET: dust}  # nor is one look
            await rounds(app, 2)
            assert app.journal.dust() == {MARKET: dust - dust / 4}
            desk.box.exchange.deposit("BTC", -desk.free("BTC"))
            await rounds(app, 3)
            assert app.journal.dust() == {}
            again = await buy(app)
            assert again.volume == desk.free("BTC")
            assert not [note for note in app.journal.pending_notes(99) if "taken" in note.key]

    async def leave_dust(desk: Desk, app: App, trade: Trade, dust: Decimal) -> None:
        lock = desk.user_orders(side="ask", ord_type="limit", price="300000000", volume=f"{dust:f}")
        await until_the_wallet_shows_it()
        await sell(app)
        desk.box.exchange.cancel(lock)
        for _ in range(2):
            await asyncio.sleep(10)
            await sell(app)
        assert app.journal.trade(trade.id).dust == dust == desk.free("BTC")

    told(tmp_path, story)
