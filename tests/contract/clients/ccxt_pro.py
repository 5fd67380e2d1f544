"""ccxt.pro, unmodified: every public stream it knows, orders, trades and balances, printed as JSON.

python -I ccxt_pro.py URL ACCESS_KEY SECRET_KEY
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import ccxt.pro

SYMBOL, OTHER = "BTC/KRW", "ETH/KRW"


def client_of(url: str, access_key: str, secret_key: str) -> Any:
    """Return ccxt's Upbit at another address: only its configuration is touched."""
    client = ccxt.pro.upbit({"apiKey": access_key, "secret": secret_key})
    client.urls["api"]["public"] = client.urls["api"]["private"] = url
    client.urls["api"]["ws"] = url.replace("http", "ws", 1) + "/websocket/v1"
    return client


async def public(client: ccxt.pro.upbit) -> dict[str, Any]:
    """Watch each public stream, all on one socket that accumulates subscriptions."""
    tickers = [(await client.watch_ticker(SYMBOL))["info"] for _ in range(3)]
    trades = [dict(trade["info"]) for _ in range(3) for trade in await client.watch_trades(SYMBOL)]
    books = []
    for _ in range(3):
        book = await client.watch_order_book(SYMBOL)
        books.append([len(book["asks"]), len(book["bids"]), book["asks"][0][0], book["bids"][0][0]])
    candles = [await client.watch_ohlcv(SYMBOL, "1s") for _ in range(3)]
    two = await client.watch_tickers([SYMBOL, OTHER])
    return {"tickers": tickers, "trades": trades, "books": books, "candles": candles, "two": sorted(two)}


async def awaken(client: ccxt.pro.upbit) -> None:
    """Rest and cancel orders until both private streams were heard: there is no snapshot and no acknowledgement."""
    heard = [asyncio.ensure_future(client.watch_orders()), asyncio.ensure_future(client.watch_balance())]
    while not all(one.done() for one in heard):
        await rest_and_cancel(client)
        await asyncio.wait(heard, timeout=0.5)


async def rest_and_cancel(client: ccxt.pro.upbit) -> str:
    """Place a bid far below the market, cancel it, and return its id."""
    price = (await client.fetch_ticker(SYMBOL))["last"] // 2000 * 1000
    rested = await client.create_order(SYMBOL, "limit", "buy", 0.001, price)
    await client.cancel_order(rested["id"])
    return str(rested["id"])


async def follow_orders(client: ccxt.pro.upbit, events: list[Any]) -> None:
    """Collect what is told about orders, for ever."""
    while True:
        events += [dict(order["info"]) for order in await client.watch_orders()]


async def follow_balance(client: ccxt.pro.upbit) -> dict[str, list[float]]:
    """Watch balances until there is BTC and nothing is locked any more."""
    while True:
        balance = await client.watch_balance()
        if balance["KRW"]["used"] == 0 and "BTC" in balance:
            return {name: [balance[name]["free"], balance[name]["used"]] for name in ("KRW", "BTC")}


async def private(client: ccxt.pro.upbit) -> dict[str, Any]:
    """Watch orders, trades of ours and balances on the private socket while trading."""
    await awaken(client)
    events: list[Any] = []
    following = asyncio.ensure_future(follow_orders(client, events))
    balance = asyncio.ensure_future(follow_balance(client))
    fill = asyncio.ensure_future(client.watch_my_trades())
    rested = await rest_and_cancel(client)
    bought = await client.create_order(SYMBOL, "market", "buy", None, None, {"cost": 100_000})
    (trade,) = await fill
    uuids = {rested, bought["id"]}
    while not uuids <= {  # noqa: ASYNC110 - ccxt fills the list and tells nobody
        event["uuid"] for event in events if event["state"] in {"done", "cancel"}
    }:
        await asyncio.sleep(0.1)
    following.cancel()
    accounts = (await client.fetch_balance())["info"]
    return {
        "events": events,
        "trade": [trade["order"], trade["id"], trade["price"], trade["amount"]],
        "balance": await balance,
        "accounts": {account["currency"]: [account["balance"], account["locked"]] for account in accounts},
        "orders": [(await client.fetch_order(uuid))["info"] for uuid in sorted(uuids)],
    }


async def main() -> None:
    """Watch, and print."""
    client = client_of(*sys.argv[1:])
    try:
        story = await public(client)
        story |= await private(client)
    finally:
        await client.close()
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    asyncio.run(main())
