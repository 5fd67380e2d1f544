"""Upbit's REST API: one endpoint, one method, no opinions. How a request is made stands in `upbit/transport.py`.

https://docs.upbit.com/kr/reference
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import msgspec

from upbit.decoding import RawRows, Rows, decode_order, ours, usable
from upbit.errors import OutcomeUnknown
from upbit.models import Account, ApiKey, Book, Candle, Chance, Fence, Instrument, Market, Order, Side, Ticker
from upbit.transport import Pairs, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    import aiohttp

    from upbit.limits import RateLimiter
    from upbit.models import NewOrder

OPEN_PAGE = 100
MOST_PAGES = 1000
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
        gate: Callable[[NewOrder | Fence, datetime | None], None] = lambda _order, _until: None,
    ) -> None:
        """`gate` is asked about every order and its deadline when it could leave at once.

        It raises `Withheld` to keep it back.
        """
        super().__init__(session, base_url=base_url, access_key=access_key, secret_key=secret_key, limiter=limiter)
        self._gate = gate

    # --- quotation ----------------------------------------------------------------------------------------------

    async def markets(self) -> Rows[Market]:
        """List every market with its protection flags."""
        return await self._list("market", "/v1/market/all", [("is_details", "true")], Market, name="market")

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to 200 candles that opened before `to`, newest first; the newest may still be forming.

        With one odd candle the answer is of another shape: without it the series would show a market in which nothing
        was traded.
        https://docs.upbit.com/kr/reference/list-candles-minutes
        """
        params = [("market", market), ("count", str(count))]
        if to is not None:
            params.append(("to", whole_second(to)))
        candles = await self._read("candle", f"/v1/candles/{candle_path(unit)}", params, list[Candle])
        if odd := oddity(candles, market, count=count):
            raise OutcomeUnknown(f"candles of another shape: {odd}", status=HTTPStatus.OK)
        return [candle for candle in candles if to is None or candle.opened_at < to]

    async def tickers(self, markets: Iterable[str]) -> Rows[Ticker]:
        """Return the last trade and day figures of some markets; one may be missing."""
        names = list(markets)
        if not names:
            return Rows()
        asked = frozenset(names)
        params = [("markets", ",".join(names))]
        return await self._list(
            "ticker", "/v1/ticker", params, Ticker, name="market", wanted=lambda ticker: ticker.market in asked
        )

    async def all_tickers(self, quote: str = "KRW") -> Rows[Ticker]:
        """Return the last trade and day figures of every market of a quote currency."""
        params = [("quote_currencies", quote)]
        return await self._list(
            "ticker",
            "/v1/ticker/all",
            params,
            Ticker,
            name="market",
            wanted=lambda ticker: ticker.market.startswith(f"{quote}-"),
        )

    async def books(self, markets: Iterable[str], *, count: int = 30) -> list[Book]:
        """Return the order book of each of some markets, in their order, best level first.

        Raises:
            OutcomeUnknown: when one is missing, or has no levels.
        """
        names = list(markets)
        params = [("markets", ",".join(names)), ("count", str(count))]
        rows = await self._list("orderbook", "/v1/orderbook", params, Book, name="market") if names else Rows()
        told = {book.market: book for book in rows if book.levels}
        if missing := [name for name in names if name not in told]:
            raise OutcomeUnknown(f"no order book of {', '.join(missing)}", status=HTTPStatus.OK)
        return [told[name] for name in names]

    async def price_step(self, market: str) -> Decimal:
        """Return the price step of a market at its price of now; at another price it may be another, KRW.

        https://docs.upbit.com/kr/reference/list-orderbook-instruments
        """
        params = [("markets", market)]
        rows = await self._list("orderbook", "/v1/orderbook/instruments", params, Instrument, name="market")
        found = next((row.tick_size for row in rows if row.market == market), None)
        if found is None:
            raise OutcomeUnknown(f"no price step of {market}", status=HTTPStatus.OK)
        return found

    # --- exchange -----------------------------------------------------------------------------------------------

    async def accounts(self) -> Rows[Account]:
        """Return the balance of every currency the account holds; one that cannot be read is among the dropped."""
        return await self._list("default", "/v1/accounts", [], Account, name="currency", signed=True)

    async def chance(self, market: str) -> Chance:
        """Return fees, least totals and balances for orders in a market."""
        return await self._read("default", "/v1/orders/chance", [("market", market)], Chance, signed=True)

    async def place(self, order: NewOrder | Fence, *, until: datetime | None = None) -> Order:
        """Send an order, once, by `until` or never. Never repeated here.

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
            last=lambda: self._gate(order, until),
        )

    async def test_order(self, order: NewOrder) -> None:
        """Ask whether an order would be taken, without placing it."""
        await self._send("order-test", "POST", "/v1/orders/test", body=order.to_wire(), kind=msgspec.Raw)

    async def order(self, *, uuid: str | None = None, identifier: str | None = None) -> Order:
        """Return one order with its fills.

        Raises:
            OrderNotFound: when none of that name is known now; it may still be on its way.
        """
        name = one_name(uuid, identifier)
        answer = await self._read("default", "/v1/order", [name], msgspec.Raw, signed=True, urgent=True)
        order = decode_order(answer)
        if name not in {("uuid", order.uuid), ("identifier", order.identifier)}:
            raise OutcomeUnknown(f"asked for order {name[1]}, told of {order.uuid}", status=HTTPStatus.OK)
        return order

    async def open_orders(self, market: str | None = None, *, prefix: str = "") -> Rows[Order]:
        """Return the resting orders whose identifier begins with `prefix`, newest first."""
        pages: list[RawRows] = []
        only = [("market", market)] if market else []
        for number in range(1, MOST_PAGES + 1):
            params = [
                *only,
                ("states[]", "wait"),
                ("states[]", "watch"),
                ("page", str(number)),
                ("limit", str(OPEN_PAGE)),
            ]
            pages.append(await self._read("default", "/v1/orders/open", params, RawRows, signed=True))
            if len(pages[-1]) < OPEN_PAGE:
                break
        return self._ours(chain.from_iterable(pages), prefix)

    async def closed_orders(
        self, *, start: datetime, end: datetime, market: str | None = None, prefix: str = ""
    ) -> Rows[Order]:
        """Return the ended orders created in `start`..`end` whose identifier begins with `prefix`, newest first."""
        return self._ours(await self._closed(start, end, [("market", market)] if market else []), prefix)

    async def _closed(self, start: datetime, end: datetime, only: Pairs) -> RawRows:
        """Return the ended orders of a window as they came.

        A window longer than Upbit takes, or with more orders than one answer holds, is cut in halves. The halves share
        a second: whether Upbit counts the ends of a window in is not documented.
        """
        if end - start <= LONGEST_CLOSED_WINDOW:
            window = [("start_time", epoch_ms(start)), ("end_time", epoch_ms(end)), ("limit", str(CLOSED_PAGE))]
            page = await self._read("default", "/v1/orders/closed", [*only, *window], RawRows, signed=True)
            if len(page) < CLOSED_PAGE or end - start <= timedelta(seconds=2):
                return page
        middle = start + (end - start) / 2
        later = await self._closed(middle, end, only)
        return later + await self._closed(start, middle + timedelta(seconds=0.5), only)

    def _ours(self, rows: Iterable[msgspec.Raw], prefix: str) -> Rows[Order]:
        found = ours(rows, prefix)
        self._complaints.tell(Order, found.dropped)
        return found

    async def cancel(self, *, uuid: str | None = None, identifier: str | None = None) -> None:
        """Ask for a cancellation; that it was accepted says nothing about the order."""
        name = one_name(uuid, identifier)
        await self._send("default", "DELETE", "/v1/order", params=[name], kind=msgspec.Raw, urgent=True)

    async def api_keys(self) -> Rows[ApiKey]:
        """Return the account's keys and when they expire; what cannot be read is logged nowhere, it may be a key."""
        return usable(await self._read("default", "/v1/api_keys", [], RawRows, signed=True), ApiKey, name="access_key")

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


def oddity(candles: Sequence[Candle], market: str, *, count: int) -> str:
    """Return what about a list of candles is not what was asked for; empty when all is well."""
    if len(candles) > count:
        return f"{len(candles)} instead of {count}"
    if other := next((one.market for one in candles if one.market != market), None):
        return f"{other} instead of {market}"
    times = [candle.opened_at for candle in candles]
    if any(newer <= older for newer, older in pairwise(times)):
        return "not the newest first, each once"
    return ""


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
