"""Well-formed lies about an order, told for a while: nothing is sold twice, and what is bought is held."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import pytest

from tests.helpers.trading_desk import buy, rounds, sell, told
from trader.books.owner import knows_our_orders
from upbit.errors import (
    DuplicatedIdentifier,
    InsufficientFunds,
    InvalidOrder,
    MarketUnavailable,
    OrderNotFound,
    RateLimited,
)
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from tests.helpers.trading_desk import Desk
    from upbit.models import Fence, NewOrder, Order


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


@pytest.mark.case("L1")
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


@pytest.mark.case("L2")
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


@pytest.mark.case("L7")
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


def refusing(error: Exception, *, sends: int = 1) -> AbstractContextManager[Any]:
    """Let `POST /v1/orders` say no the next times, although the order is taken."""
    real, left = Upbit.place, [sends]

    async def place(self: Upbit, order: NewOrder | Fence, *, until: datetime | None) -> Order:
        answer, left[0] = await real(self, order, until=until), left[0] - 1
        if left[0] >= 0:
            raise error
        return answer

    return patch.object(Upbit, "place", place)


@pytest.mark.failure("A19")
@pytest.mark.parametrize(
    ("error", "may_buy"),
    [
        (InvalidOrder("no", name="create_bid_error", status=400), True),
        (MarketUnavailable("no", name="market_offline", status=400), True),
        (RateLimited("slow", name="too_many_requests", status=429), True),
        (InsufficientFunds("no", name="insufficient_funds_bid", status=400), False),
    ],
)
def test_a_buy_that_is_refused_although_it_was_taken_is_held_with_its_stop(
    tmp_path: Path,
    error: Exception,
    may_buy: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Within a minute, and bought once; where its money was spent by another daemon, for all we know, buys stop."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            began_s = asyncio.get_running_loop().time()
            with refusing(error):
                trade = await buy(app)
            assert asyncio.get_running_loop().time() - began_s < 60
            assert trade.stop_price is not None
            assert trade.volume == desk.free("BTC")
            assert [order.asked.side for order in desk.orders()] == ["bid"]
            assert app.control.may_buy() is may_buy
            await rounds(app, 2)
            await sell(app)
            assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("A20")
def test_a_buy_that_meets_the_rate_limit_until_its_time_is_over_and_was_taken_is_held(tmp_path: Path) -> None:
    """What is given up after it was sent is looked for, too."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            place = app.upbit.place

            async def limited(order: NewOrder | Fence, *, until: datetime | None) -> Order:
                with suppress(DuplicatedIdentifier):
                    await place(order, until=until)
                raise RateLimited("slow", name="too_many_requests", status=429)

            with patch.object(app.upbit, "place", limited):
                trade = await buy(app)
            assert (trade.volume, trade.stop_price is None) == (desk.free("BTC"), False)
            assert app.control.may_buy()

    told(tmp_path, story)


def test_a_buy_that_was_refused_and_is_shown_late_gets_the_stop_that_was_decided(tmp_path: Path) -> None:
    """The look after the refusal sees nothing: then the comparison of all orders is the second one."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            hidden = OrderNotFound("no", name="order_not_found", status=404)
            refusal = refusing(InvalidOrder("no", name="create_bid_error", status=400))
            with refusal, patch.object(Upbit, "order", side_effect=hidden), pytest.raises(AssertionError):
                await buy(app)  # nothing is held yet
            await rounds(app, 1)
            trade = app.journal.open_trade_in("KRW-BTC")
            assert trade is not None
            assert trade.stop_distance is not None
            assert trade.stop_price == trade.entry_price - trade.stop_distance
            assert trade.volume == desk.free("BTC")
            assert not app.control.may_buy()  # a person is told of it
            await sell(app)
            assert desk.free("BTC") == 0

    told(tmp_path, story)


@pytest.mark.failure("A25")
@pytest.mark.parametrize("uuid", ["x" * 5000, "00000000-0000-4000-8000-000000000000"])
def test_an_order_whose_uuid_was_told_wrongly_is_followed_by_our_own_name(tmp_path: Path, uuid: str) -> None:
    """Upbit's name for it stood in one answer; ours is certain. A later start finds its account by ours as well."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            real = Upbit.place

            async def place(self: Upbit, order: NewOrder | Fence, *, until: datetime | None) -> Order:
                return msgspec.structs.replace(await real(self, order, until=until), uuid=uuid)

            began_s = asyncio.get_running_loop().time()
            with patch.object(Upbit, "place", place):
                trade = await buy(app)
            assert asyncio.get_running_loop().time() - began_s < 60
            assert (trade.volume, trade.stop_price is None) == (desk.free("BTC"), False)
            assert app.control.may_buy()
            assert await knows_our_orders(app)
            with patch.object(Upbit, "place", place):
                await sell(app)  # its order is told under the same name
            assert desk.free("BTC") == 0
            assert app.journal.open_trades() == []

    told(tmp_path, story)


def test_a_fee_that_was_told_wrongly_for_a_while_is_put_right(tmp_path: Path) -> None:
    """By list and order together, at the next comparison; profits count it from then on."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            with lying(lambda order: msgspec.structs.replace(order, paid_fee=order.paid_fee * 2), seconds=20):
                trade = await buy(app)
            (order,) = desk.orders()
            assert app.journal.trade(trade.id).fees_krw == 2 * order.paid_fee
            await rounds(app, 2)
            assert app.journal.trade(trade.id).fees_krw == order.paid_fee
            assert app.control.may_buy()

    told(tmp_path, story)
