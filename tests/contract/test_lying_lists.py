"""Lists that are empty or short for a while: what they do not show is not gone."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from tests.helpers.trading_desk import MARKET, buy, rounds, see_the_world, sell, told
from trader import indicators, wallet
from upbit.decoding import Rows
from upbit.errors import OutcomeUnknown
from upbit.models import Market
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.helpers.trading_desk import Desk


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
