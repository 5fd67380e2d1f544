"""Upbit's REST API: one endpoint, one method, no opinions. How a request is made stands in `upbit/transport.py`.

https://docs.upbit.com/kr/reference
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from upbit.models import Account, ApiKey, Book, Candle, Chance, Fence, Market, Order, Side, Ticker
from upbit.transport import Rows, Transport, usable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import aiohttp

    from upbit.limits import RateLimiter
    from upbit.models import NewOrder

OPEN_PAGE = 100
CLOSED_PAGE = 1000
LONGEST_CLOSED_WINDOW = timedelta(days=7)
MINUTE_UNITS = frozenset({1, 3, 5, 10, 15, 30, 60, 240})
OTHER_UNITS = {timedelta(seconds=1): "seconds", timedelta(days=1): "days", timedelta(weeks=1): "weeks"}


class Upbit(Transport):
    """Typed methods for the endpoints the daemon needs."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        base_url: str,
        access_key: str | None = None,
        secret_key: str | None = None,
        limiter: RateLimiter | None = None,
        gate: Callable[[NewOrder | Fence], None] = lambda _: None,
    ) -> None:
        """`gate` is asked about every order when it could leave at once, and raises `Withheld` to keep it back."""
        super().__init__(session, base_url=base_url, access_key=access_key, secret_key=secret_key, limiter=limiter)
        self._gate = gate

    # --- quotation ----------------------------------------------------------------------------------------------

    async def markets(self) -> list[Market]:
        """List every market with its protection flags."""
        return usable(await self._read("market", "/v1/market/all", [("is_details", "true")], Rows), Market)

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to 200 candles that opened before `to`, newest first; the newest may still be forming.

        https://docs.upbit.com/kr/reference/list-candles-minutes
        """
        params = [("market", market), ("count", str(count))]
        if to is not None:
            params.append(("to", whole_second(to)))
        return await self._read("candle", f"/v1/candles/{candle_path(unit)}", params, list[Candle])

    async def tickers(self, markets: Iterable[str]) -> list[Ticker]:
        """Return the last trade and day figures of some markets."""
        names = ",".join(markets)
        return await self._read("ticker", "/v1/ticker", [("markets", names)], list[Ticker]) if names else []

    async def all_tickers(self, quote: str = "KRW") -> list[Ticker]:
        """Return the last trade and day figures of every market of a quote currency."""
        return usable(await self._read("ticker", "/v1/ticker/all", [("quote_currencies", quote)], Rows), Ticker)

    async def books(self, markets: Iterable[str], *, count: int = 30) -> list[Book]:
        """Return order books, best level first."""
        params = [("markets", ",".join(markets)), ("count", str(count))]
        return await self._read("orderbook", "/v1/orderbook", params, list[Book]) if params[0][1] else []

    # --- exchange -----------------------------------------------------------------------------------------------

    async def accounts(self) -> list[Account]:
        """Return the balance of every currency the account holds."""
        return await self._read("default", "/v1/accounts", [], list[Account], signed=True)

    async def chance(self, market: str) -> Chance:
        """Return fees, least totals and balances for orders in a market."""
        return await self._read("default", "/v1/orders/chance", [("market", market)], Chance, signed=True)

    async def place(self, order: NewOrder | Fence) -> Order:
        """Send an order, once. Never repeated here.

        After `OutcomeUnknown` the order may exist: look it up by its identifier, which Upbit will not take twice.
        https://docs.upbit.com/kr/reference/new-order
        """
        leaving = order.side is Side.ASK or isinstance(order, Fence)  # an exit never waits behind an entry
        return await self._send(
            "order",
            "POST",
            "/v1/orders",
            body=order.to_wire(),
            kind=Order,
            urgent=leaving,
            last=lambda: self._gate(order),
        )

    async def test_order(self, order: NewOrder) -> Order:
        """Ask whether an order would be taken, without placing it."""
        return await self._send("order-test", "POST", "/v1/orders/test", body=order.to_wire(), kind=Order)

    async def order(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Return one order with its fills.

        Raises:
            OrderNotFound: when none of that name is known now; it may still be on its way.
        """
        return await self._read("default", "/v1/order", [one_name(uuid, identifier)], Order, signed=True, urgent=True)

    async def open_orders(self, market: str | None = None) -> list[Order]:
        """Return every resting order, newest first."""
        orders: list[Order] = []
        only = [("market", market)] if market else []
        for number in range(1, 1000):
            params = [
                *only,
                ("states[]", "wait"),
                ("states[]", "watch"),
                ("page", str(number)),
                ("limit", str(OPEN_PAGE)),
            ]
            page = await self._read("default", "/v1/orders/open", params, list[Order], signed=True)
            orders += page
            if len(page) < OPEN_PAGE:
                break
        return once_each(orders)

    async def closed_orders(self, *, start: datetime, end: datetime, market: str | None = None) -> list[Order]:
        """Return the ended orders created in `start`..`end`, newest first.

        A window longer than Upbit takes, or with more orders than one answer holds, is cut in halves. The halves share
        a second: whether Upbit counts the ends of a window in is not documented.
        """
        if end - start <= LONGEST_CLOSED_WINDOW:
            params = [("market", market)] if market else []
            params += [("start_time", epoch_ms(start)), ("end_time", epoch_ms(end)), ("limit", str(CLOSED_PAGE))]
            page = await self._read("default", "/v1/orders/closed", params, list[Order], signed=True)
            if len(page) < CLOSED_PAGE or end - start <= timedelta(seconds=2):
                return page
        middle = start + (end - start) / 2
        later = await self.closed_orders(start=middle, end=end, market=market)
        earlier = await self.closed_orders(start=start, end=middle + timedelta(seconds=0.5), market=market)
        return once_each(later + earlier)

    async def cancel(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Ask for a cancellation; the answer only says that it was accepted."""
        name = one_name(uuid, identifier)
        return await self._send("default", "DELETE", "/v1/order", params=[name], kind=Order, urgent=True)

    async def api_keys(self) -> list[ApiKey]:
        """Return the account's keys and when they expire."""
        return await self._read("default", "/v1/api_keys", [], list[ApiKey], signed=True)

    async def cancel_withdrawal(self, uuid: str) -> None:
        """Ask for the cancellation of a withdrawal. With a uuid that nobody has, its refusal tells the key's rights.

        https://docs.upbit.com/kr/reference/cancel-withdrawal
        """
        params = [("uuid", uuid)]
        await self._send("default", "DELETE", "/v1/withdraws/coin", params=params, kind=msgspec.Raw)


def one_name(uuid: str | None, identifier: str | None) -> tuple[str, str]:
    """Return the parameter that names an order."""
    if bool(uuid) == bool(identifier):
        raise ValueError("an order is named by its uuid or by its identifier")
    return ("uuid", uuid) if uuid else ("identifier", identifier or "")


def once_each(orders: list[Order]) -> list[Order]:
    """Drop orders that stand in two answers; the list may have moved between them."""
    return list({order.uuid: order for order in orders}.values())


def epoch_ms(moment: datetime) -> str:
    """Write an aware time as Upbit's milliseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    return str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def whole_second(moment: datetime) -> str:
    """Write an aware time in UTC, rounded up: what opened a fraction before it is still before it."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {moment}")
    up = moment.astimezone(UTC) + timedelta(seconds=1, microseconds=-1)
    return up.strftime("%Y-%m-%dT%H:%M:%SZ")


def candle_path(unit: timedelta) -> str:
    """Return the path of a candle unit: seconds, minutes, days, weeks."""
    minutes, rest = divmod(unit, timedelta(minutes=1))
    if minutes in MINUTE_UNITS and not rest:
        return f"minutes/{minutes}"
    if unit not in OTHER_UNITS:
        raise ValueError(f"Upbit has no candles of {unit}")
    return OTHER_UNITS[unit]
