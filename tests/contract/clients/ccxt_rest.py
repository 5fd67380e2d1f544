"""ccxt, unmodified, goes through a day of trading and prints what it saw as JSON.

python -I ccxt_rest.py URL ACCESS_KEY SECRET_KEY sync|async
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

import ccxt
import ccxt.async_support

if TYPE_CHECKING:
    from collections.abc import Callable

    Client = ccxt.upbit | ccxt.async_support.upbit

SYMBOL, MARKET = "BTC/KRW", "KRW-BTC"
PAGES, MINUTE_MS = 3, 60_000


async def done(value: object) -> Any:
    """Return a result, whether the client is synchronous or not."""
    return await value if inspect.isawaitable(value) else value


def client_of(kind: str, url: str, access_key: str, secret_key: str) -> Any:
    """Return ccxt's Upbit at another address: only its configuration is touched."""
    module = ccxt if kind == "sync" else ccxt.async_support
    client = module.upbit({"apiKey": access_key, "secret": secret_key})
    client.urls["api"]["public"] = client.urls["api"]["private"] = url
    return client


async def candles(client: Client) -> list[list[Any]]:
    """Page forwards through hours of minutes, as ccxt's users do with `since`."""
    (newest,) = await done(client.fetch_ohlcv(SYMBOL, "1m", limit=1))
    found: list[list[Any]] = []
    since = newest[0] - PAGES * 150 * MINUTE_MS
    for _ in range(PAGES):
        page = await done(client.fetch_ohlcv(SYMBOL, "1m", since=since, limit=150))
        found += page
        since = page[-1][0] + MINUTE_MS
    return found


async def balances(client: Client) -> dict[str, list[str]]:
    """Return what is available and locked, by currency, digit by digit as it was sent."""
    balance = await done(client.fetch_balance())
    for account in balance["info"]:
        unified = balance[account["currency"]]
        assert unified["free"] == float(account["balance"])
        assert unified["used"] == float(account["locked"])
    return {account["currency"]: [account["balance"], account["locked"]] for account in balance["info"]}


async def ended(client: Client, uuid: str) -> Any:
    """Follow an order to its end."""
    while True:
        order = await done(client.fetch_order(uuid))
        if order["status"] in {"closed", "canceled"}:
            return order
        await asyncio.sleep(0.1)


async def refusal(kind: type[Exception], call: Callable[[], object]) -> str:
    """Return the exchange's name of the refusal a call must meet, which ccxt turns into one of its classes."""
    try:
        await done(call())
    except kind as error:
        return str(json.loads(str(error).removeprefix("upbit "))["error"]["name"])
    raise AssertionError(f"{kind.__name__} was expected")


async def look(client: Client) -> dict[str, Any]:
    """Read the public market."""
    markets = await done(client.load_markets())
    ticker = await done(client.fetch_ticker(SYMBOL))
    tickers = await done(client.fetch_tickers())
    book = await done(client.fetch_order_book(SYMBOL))
    trades = await done(client.fetch_trades(SYMBOL, limit=5))
    return {
        "markets": [market["id"] for market in markets.values()],
        "candles": await candles(client),
        "ticker": ticker["info"]["trade_price"],
        "all_tickers": sorted(one["info"]["market"] for one in tickers.values()),
        "book": [[str(ask[0]), str(bid[0])] for ask, bid in zip(book["asks"], book["bids"], strict=True)],
        "trades": [[trade["id"], trade["info"]["trade_price"]] for trade in trades],
        "days": [[day[0], day[4]] for day in await done(client.fetch_ohlcv(SYMBOL, "1d", limit=2))],
    }


async def trade(client: Client) -> dict[str, Any]:
    """Buy at the market, rest an order, replace it, cancel it, sell everything."""
    story: dict[str, Any] = {"before": await balances(client)}
    fees = await done(client.fetch_trading_fee(SYMBOL))
    story["chance"] = [fees["info"]["bid_fee"], fees["info"]["market"]["bid"]["min_total"]]
    cost = {"cost": 100_000}
    tested = await done(client.create_order(SYMBOL, "market", "buy", None, None, cost | {"test": True}))
    story["tested"] = await refusal(ccxt.OrderNotFound, lambda: client.fetch_order(tested["id"]))
    placed = await done(client.create_order(SYMBOL, "market", "buy", None, None, cost | {"clientOrderId": "judge-buy"}))
    story["placed"] = [placed["info"]["state"], placed["info"]["executed_volume"], placed["clientOrderId"]]
    bought = await ended(client, placed["id"])
    story["bought"], story["bought_unified"] = bought["info"], [bought["status"], bought["filled"], bought["cost"]]
    story["after_buy"] = await balances(client)
    low = float(bought["info"]["trades"][0]["price"]) // 2000 * 1000
    orders = [await done(client.create_order(SYMBOL, "limit", "buy", 0.0005, low - 1000 * n)) for n in range(3)]
    story["resting"] = [order["id"] for order in orders]
    story["while_resting"] = await balances(client)
    story["open"] = [order["id"] for order in await done(client.fetch_open_orders(SYMBOL))]
    story["too_much"] = await refusal(
        ccxt.InsufficientFunds, lambda: client.create_order(SYMBOL, "market", "buy", None, None, {"cost": 90_000_000})
    )
    new = await done(client.edit_order(orders[0]["id"], SYMBOL, "limit", "buy", 0.0005, low - 9000))
    story["replaced"] = [orders[0]["id"], "wait", new["id"]]
    story["replaced_ended"] = (await ended(client, orders[0]["id"]))["info"]["state"]
    successor = (await done(client.fetch_order(new["id"])))["info"]
    story["successor"] = [successor["state"], successor["price"], successor["volume"], f"{low - 9000:.0f}"]
    cancelled = await done(client.cancel_order(orders[1]["id"]))
    story["cancelled"] = [cancelled["info"]["state"], (await ended(client, orders[1]["id"]))["info"]["state"]]
    story["cancelled_twice"] = await refusal(ccxt.OrderNotFound, lambda: client.cancel_order(orders[1]["id"]))
    for uuid in (orders[2]["id"], new["id"]):
        await done(client.cancel_order(uuid))
        await ended(client, uuid)
    sold = await done(client.create_order(SYMBOL, "market", "sell", bought["filled"]))
    story["sold"] = (await ended(client, sold["id"]))["info"]
    story["after"] = await balances(client)
    closed = await done(client.fetch_closed_orders(SYMBOL)) + await done(client.fetch_canceled_orders(SYMBOL))
    story["closed"] = [[order["id"], order["info"]["state"]] for order in closed]
    return story


async def main() -> None:
    """Look, trade, and print."""
    url, access_key, secret_key, kind = sys.argv[1:]
    client = client_of(kind, url, access_key, secret_key)
    story = await look(client)
    story |= await trade(client)
    if kind == "async":
        await client.close()
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    asyncio.run(main())
