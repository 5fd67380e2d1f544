"""Well-formed lies about an order, told for a while: nothing is sold twice, and what is bought is held."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import pytest

from tests.helpers.trading_desk import buy, rounds, sell, told
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.helpers.trading_desk import Desk
    from upbit.models import Order


def lying(lie: Callable[[Order], Order], *, looks: int = 1, seconds: float = 0.0) -> AbstractContextManager[Any]:
    """Let `GET /v1/order` lie at its next looks, and for some seconds of loop time from the first one."""
    real, left, since = Upbit.order, [looks], list[float]()

    async def order(self: Upbit, **name: str | None) -> Order:
        answer = await real(self, **name)
        now_s = asyncio.get_running_loop().time()
        since.append(now_s)
        left[0] -= 1
        return answer if left[0] < 0 and now_s - since[0] >= seconds else lie(answer)

    return patch.object(Upbit, "order", order)


def with_nothing(order: Order) -> Order:
    """Return an order as one that ended without a trade."""
    return msgspec.structs.replace(
        order, state="cancel", executed_volume=order.executed_volume * 0, trades_count=0, fills=[]
    )


@pytest.mark.failure("A14")
@pytest.mark.parametrize(("looks", "seconds"), [(1, 0), (2, 0), (3, 0), (1, 4), (1, 9)])
def test_a_sale_that_is_shown_as_ended_with_nothing_is_sold_once(tmp_path: Path, looks: int, seconds: float) -> None:
    """However often for some seconds: exactly one sale is sent, and the user's coins stay as they are."""

    async def story(desk: Desk) -> None:
        desk.box.exchange.deposit("BTC", Decimal(3))
        async with desk.started() as app:
            trade = await buy(app)
            with lying(with_nothing, looks=looks, seconds=seconds):
                await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
            assert [order.asked.side for order in desk.orders()] == ["bid", "ask"]
            assert desk.free("BTC") == 3
            assert app.control.may_buy()

    told(tmp_path, story)


@pytest.mark.parametrize(("looks", "seconds"), [(1, 0), (2, 0), (1, 4)])
def test_a_buy_that_is_shown_as_ended_with_nothing_is_held_with_its_stop(
    tmp_path: Path, looks: int, seconds: float
) -> None:
    """Within a minute; nothing halts, and the market is not bought again."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            began_s = asyncio.get_running_loop().time()
            with lying(with_nothing, looks=looks, seconds=seconds):
                trade = await buy(app)
            assert asyncio.get_running_loop().time() - began_s < 60
            assert trade.stop_price is not None
            assert trade.volume == desk.free("BTC")
            await rounds(app, 2)
            assert [order.asked.side for order in desk.orders()] == ["bid"]
            assert app.control.may_buy()

    told(tmp_path, story)


@pytest.mark.parametrize(
    "lie",
    [
        lambda order: msgspec.structs.replace(order, trades_count=order.trades_count + 1),
        lambda order: msgspec.structs.replace(order, executed_volume=order.executed_volume * 2),
    ],
)
def test_what_is_known_to_be_bought_is_protected_although_it_does_not_add_up(
    tmp_path: Path, lie: Callable[[Order], Order]
) -> None:
    """Within a minute, with its stop; only buys are halted, and the difference is taken in when the truth is told."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            began_s = asyncio.get_running_loop().time()
            with lying(lie, looks=10**6):
                trade = await buy(app)
            assert asyncio.get_running_loop().time() - began_s < 60
            assert trade.stop_price is not None
            assert trade.volume == desk.free("BTC")
            assert [app.control.may_buy(), app.control.may_sell()] == [False, True]
            await rounds(app, 3)
            assert app.journal.trade(trade.id).volume == desk.free("BTC")
            await sell(app)
            assert desk.free("BTC") == 0

    told(tmp_path, story)


def test_a_buy_whose_fills_come_late_is_held_as_soon_as_they_are_told(tmp_path: Path) -> None:
    """For a minute it is executed and lists no trade: nothing is made up, and nothing is given up."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            began_s = asyncio.get_running_loop().time()
            with lying(lambda order: msgspec.structs.replace(order, fills=[]), seconds=60):
                trade = await buy(app)
            assert asyncio.get_running_loop().time() - began_s < 70
            assert (trade.volume, trade.stop_price is None) == (desk.free("BTC"), False)
            assert app.control.may_buy()

    told(tmp_path, story)
