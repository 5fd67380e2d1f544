"""pyupbit goes through a day of trading and prints what it saw as JSON.

    python -I pyupbit_rest.py URL ACCESS_KEY SECRET_KEY

Its addresses are written into its functions, so the one thing changed is where they lead: `requests` sends
what is meant for https://api.upbit.com to URL instead. Parameters, bodies, headers, hashes and
parsing stay pyupbit's own.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pyupbit
import requests

MARKET = "KRW-BTC"
UPBIT = "https://api.upbit.com"


def lead_to(url: str) -> None:
    """Send every request for Upbit to another address."""
    send = requests.Session.request

    def elsewhere(self: requests.Session, **asked: str) -> requests.Response:
        return send(self, **asked | {"url": asked["url"].replace(UPBIT, url, 1)})

    requests.Session.request = elsewhere  # type: ignore[assignment, method-assign]


def balances(client: pyupbit.Upbit) -> dict[str, list[str]]:
    """Return what is available and locked, by currency."""
    return {account["currency"]: [account["balance"], account["locked"]] for account in client.get_balances()}


def ended(client: pyupbit.Upbit, uuid: str) -> Any:
    """Follow an order to its end."""
    while True:
        order = client.get_order(uuid)
        if order["state"] in {"done", "cancel"}:
            return order
        time.sleep(0.1)  # on paper an order waits for the next book, and the key may ask thirty times a second


def look() -> dict[str, Any]:
    """Read the public market."""
    table = pyupbit.get_ohlcv(MARKET, interval="minute1", count=450)
    names = ["open", "high", "low", "close", "volume"]
    book = pyupbit.get_orderbook(MARKET)
    prices = pyupbit.get_current_price([MARKET, "KRW-ETH"])
    return {
        "markets": pyupbit.get_tickers(),
        "candles": [
            [at.isoformat(), *row] for at, row in zip(table.index, table[names].to_numpy().tolist(), strict=True)
        ],
        "days": [[at.isoformat(), row["close"]] for at, row in pyupbit.get_ohlcv(MARKET, count=2).iterrows()],
        "ticker": pyupbit.get_current_price(MARKET),
        "tickers": sorted(prices),
        "book": [[str(unit["ask_price"]), str(unit["bid_price"])] for unit in book["orderbook_units"]],
        "limit": pyupbit.get_current_price(MARKET, limit_info=True)[1],
    }


def trade(client: pyupbit.Upbit) -> dict[str, Any]:
    """Buy at the market, rest orders, cancel them, sell everything."""
    story: dict[str, Any] = {"before": balances(client)}
    chance = client.get_chance(MARKET)
    story["chance"] = [chance["bid_fee"], chance["market"]["bid"]["min_total"]]
    placed = client.buy_market_order(MARKET, 100_000)
    story["placed"] = [placed["state"], placed["executed_volume"], None]
    story["bought"] = ended(client, placed["uuid"])
    story["after_buy"] = balances(client)
    story["unified"] = [client.get_balance("KRW"), client.get_balance(MARKET), client.get_avg_buy_price("BTC")]
    low = float(story["bought"]["trades"][0]["price"]) // 2000 * 1000
    orders = [client.buy_limit_order(MARKET, low - 1000 * n, 0.0005) for n in range(2)]
    story["resting"] = [order["uuid"] for order in orders]
    story["while_resting"] = balances(client)
    story["open"] = [order["uuid"] for order in client.get_order(MARKET)]
    story["off_tick"] = client.buy_limit_order(MARKET, low + 1, 0.0005)["error"]["name"]
    story["cancelled"] = [
        client.cancel_order(orders[1]["uuid"])["state"], ended(client, orders[1]["uuid"])["state"],
    ]  # fmt: skip
    client.cancel_order(orders[0]["uuid"])
    ended(client, orders[0]["uuid"])
    above = client.sell_limit_order(MARKET, low * 4, story["bought"]["executed_volume"])
    client.cancel_order(above["uuid"])
    ended(client, above["uuid"])
    sold = client.sell_market_order(MARKET, float(story["bought"]["executed_volume"]))
    story["sold"] = ended(client, sold["uuid"])
    story["after"] = balances(client)
    story["closed"] = [
        [order["uuid"], order["state"]] for state in ("done", "cancel") for order in client.get_order(MARKET, state)
    ]
    story["keys"] = [key["access_key"] for key in client.get_api_key_list()]
    story["wallets"] = len(client.get_deposit_withdraw_status())
    return story


def main() -> None:
    """Look, trade, and print."""
    url, access_key, secret_key = sys.argv[1:]
    lead_to(url)
    story = look()
    story |= trade(pyupbit.Upbit(access_key, secret_key))
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    main()
