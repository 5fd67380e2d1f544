"""The official SDK, unmodified, goes through a day of trading and prints what it saw as JSON.

    python -I sdk.py URL ACCESS_KEY SECRET_KEY sync|async|aiohttp

It runs in a process of its own: the package is called `upbit`, like our room of clients.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from upbit import AsyncUpbit, BadRequestError, DefaultAioHttpClient, NotFoundError, PermissionDeniedError, Upbit

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable

MARKET = "KRW-BTC"
PAGES = (200, 200, 50)


def client_of(kind: str, url: str, access_key: str, secret_key: str, *, strict: bool = False) -> Any:
    """Return a client of one of the three ways to use the SDK; a strict one insists on the SDK's own types."""
    keys: dict[str, Any] = {"base_url": url, "access_key": access_key, "secret_key": secret_key}
    keys["_strict_response_validation"] = strict
    if kind == "sync":
        return Upbit(**keys)
    return AsyncUpbit(**keys, http_client=DefaultAioHttpClient()) if kind == "aiohttp" else AsyncUpbit(**keys)


async def done(value: object) -> Any:
    """Return a result, whether the client is synchronous or not."""
    return await value if inspect.isawaitable(value) else value


async def every(pages: Iterable[Any] | AsyncIterable[Any]) -> list[Any]:
    """Return the items of all pages, as the SDK turns them."""
    return [item async for item in pages] if hasattr(pages, "__aiter__") else list(pages)


async def candles(client: Upbit | AsyncUpbit) -> list[list[Any]]:
    """Page backwards through minutes, oldest first in the result."""
    found: list[Any] = []
    for count in PAGES:
        more = {"to": found[-1].candle_date_time_utc + "Z"} if found else {}
        found += await done(client.candles.list_minutes(1, market=MARKET, count=count, **more))
    return [
        [c.candle_date_time_utc, c.opening_price, c.high_price, c.low_price, c.trade_price, c.candle_acc_trade_volume]
        for c in reversed(found)
    ]


async def balances(client: Upbit | AsyncUpbit) -> dict[str, list[str]]:
    """Return what is available and locked, by currency."""
    return {account.currency: [account.balance, account.locked] for account in await done(client.accounts.list())}


async def ended(client: Upbit | AsyncUpbit, uuid: str) -> Any:
    """Follow an order to its end."""
    while True:
        order = await done(client.orders.retrieve(uuid=uuid))
        if order.state in {"done", "cancel"}:
            return order
        await asyncio.sleep(0.1)


async def refusal(kind: type[Exception], call: Callable[[], object]) -> str:
    """Return the exchange's name of the refusal a call must meet."""
    try:
        await done(call())
    except kind as error:
        return str(error.name)  # type: ignore[attr-defined]
    raise AssertionError(f"{kind.__name__} was expected")


async def look(client: Upbit | AsyncUpbit) -> dict[str, Any]:
    """Read the public market."""
    pairs = await done(client.trading_pairs.list(is_details=True))
    (ticker,) = await done(client.tickers.list_by_trading_pairs(markets=MARKET))
    both = await done(client.tickers.list_by_trading_pairs(markets=f"{MARKET},KRW-ETH"))
    every_ticker = await done(client.tickers.list_by_quote_currencies(quote_currencies="KRW"))
    (book,) = await done(client.orderbooks.list(markets=MARKET, count=15))
    trades = await done(client.trades.list(market=MARKET, count=5))
    days = await done(client.candles.list_days(market=MARKET, count=2))
    return {
        "markets": [pair.market for pair in pairs],
        "warnings": [pair.market_event.warning for pair in pairs],
        "candles": await candles(client),
        "days": [[day.candle_date_time_utc, day.trade_price, day.prev_closing_price] for day in days],
        "weeks": [w.first_day_of_period for w in await done(client.candles.list_weeks(market=MARKET, count=2))],
        "months": [m.first_day_of_period for m in await done(client.candles.list_months(market=MARKET, count=2))],
        "years": [y.first_day_of_period for y in await done(client.candles.list_years(market=MARKET, count=1))],
        "seconds": [s.candle_date_time_utc for s in await done(client.candles.list_seconds(market=MARKET, count=3))],
        "ticker": str(ticker.trade_price),
        "tickers": [one.market for one in both],
        "all_tickers": [one.market for one in every_ticker],
        "book": [[str(u.ask_price), str(u.bid_price)] for u in book.orderbook_units],
        "trades": [[trade.sequential_id, str(trade.trade_price)] for trade in trades],
    }


async def trade(client: Upbit | AsyncUpbit, strict: Upbit | AsyncUpbit) -> dict[str, Any]:
    """Buy at the market, rest an order, replace it, cancel it, sell everything."""
    story: dict[str, Any] = {"before": await balances(client)}
    chance = await done(client.orders.retrieve_chance(market=MARKET))
    story["chance"] = [chance.bid_fee, chance.market.bid.min_total, chance.market.max_total]
    buying = {"market": MARKET, "side": "bid", "ord_type": "price", "price": "100000"}
    tested = await done(client.orders.test_create(**buying))
    story["tested"] = await refusal(NotFoundError, lambda: client.orders.retrieve(uuid=tested.uuid))
    placed = await done(strict.orders.create(**buying, identifier="judge-buy"))
    story["placed"] = [placed.state, placed.executed_volume, placed.identifier]
    bought = await ended(client, placed.uuid)
    story["bought"] = bought.to_dict()
    strictly = await done(strict.orders.retrieve(uuid=placed.uuid))
    story["strictly"] = [strictly.remaining_volume, strictly.prevented_volume, strictly.executed_volume]
    story["after_buy"] = await balances(client)
    story["repeated"] = await refusal(BadRequestError, lambda: client.orders.create(**buying, identifier="judge-buy"))
    (instrument,) = await done(client.orderbooks.list_instruments(markets=MARKET))
    tick = Decimal(instrument.tick_size)
    low = Decimal(bought.trades[0].price) // 2 // tick * tick
    resting = {"market": MARKET, "side": "bid", "ord_type": "limit"}
    orders = [await done(client.orders.create(**resting, price=str(low - tick * n), volume="0.0005")) for n in range(3)]
    story["resting"] = [order.uuid for order in orders]
    story["while_resting"] = await balances(client)
    story["open"] = [order.uuid for order in await every(client.orders.list_open(market=MARKET, limit=2))]
    story["off_tick"] = await refusal(
        BadRequestError, lambda: client.orders.create(**resting, price=str(low + 1), volume="0.0005")
    )
    replaced = await done(
        client.orders.cancel_and_new(
            prev_order_uuid=orders[0].uuid,
            new_ord_type="limit",
            new_price=str(low - 9 * tick),
            new_volume="remain_only",
        )
    )
    story["replaced"] = [replaced.uuid, replaced.state, replaced.new_order_uuid]
    story["replaced_ended"] = (await ended(client, replaced.uuid)).state
    successor = await done(client.orders.retrieve(uuid=replaced.new_order_uuid))
    story["successor"] = [successor.state, successor.price, successor.volume, str(low - 9 * tick)]
    cancelled = await done(client.orders.cancel(uuid=orders[1].uuid))
    story["cancelled"] = [cancelled.state, (await ended(client, orders[1].uuid)).state]
    story["cancelled_twice"] = await refusal(NotFoundError, lambda: client.orders.cancel(uuid=orders[1].uuid))
    batch = await done(client.orders.cancel_by_uuids(uuids=[orders[2].uuid, "no-such-order"]))
    story["batch"] = [batch.success.count, batch.failed.count]
    rest = await done(client.orders.cancel_open(pairs=MARKET))
    story["swept"] = [order.uuid for order in rest.success.orders]
    await ended(client, replaced.new_order_uuid)
    sold = await done(client.orders.create(market=MARKET, side="ask", ord_type="market", volume=bought.executed_volume))
    story["sold"] = (await ended(client, sold.uuid)).to_dict()
    story["after"] = await balances(client)
    closed = await done(client.orders.list_closed(market=MARKET, states=["done", "cancel"]))
    story["closed"] = [[order.uuid, order.state] for order in closed]
    named = await done(client.orders.list_by_uuids(uuids=[bought.uuid, sold.uuid], order_by="asc"))
    story["named"] = [order.uuid for order in named]
    story["keys"] = [key.access_key for key in await done(client.api_keys.list())]
    story["wallets"] = len(await done(client.wallet_status.list()))
    story["pockets"] = await pockets(client)
    return story


async def pockets(client: Upbit | AsyncUpbit) -> str:
    """Return how the exchange refuses what the sandbox does not have."""
    try:
        await done(client.pockets.list())
    except (PermissionDeniedError, NotFoundError, BadRequestError) as error:
        return str(error.name)
    return "taken"


async def main() -> None:
    """Look, trade, and print."""
    url, access_key, secret_key, kind = sys.argv[1:]
    client = client_of(kind, url, access_key, secret_key)
    story = await look(client)
    strict = client_of(kind, url, access_key, secret_key, strict=True)
    story |= await trade(client, strict)
    await done(client.close())
    await done(strict.close())
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    asyncio.run(main())
