"""The official SDK's streams, unmodified: every public type, orders and balances, printed as JSON.

python -I sdk_streams.py URL ACCESS_KEY SECRET_KEY sync|async
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any

from upbit import AsyncUpbit, Upbit

if TYPE_CHECKING:
    from collections.abc import Callable

MARKET = "KRW-BTC"
MINUTES = ("1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m")
FORMATS = ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST")


async def done(value: object) -> Any:
    """Return a result, whether the client is synchronous or not."""
    return await value if inspect.isawaitable(value) else value


class Streams:
    """The SDK's streams of either client; `wanted` decides when enough was seen."""

    def __init__(self, client: Upbit | AsyncUpbit) -> None:
        self.client = client

    async def open(self, manager: object) -> Any:
        """Enter a stream."""
        return await manager.__aenter__() if hasattr(manager, "__aenter__") else manager.__enter__()

    async def close(self, manager: object) -> None:
        """Leave a stream."""
        if hasattr(manager, "__aexit__"):
            await manager.__aexit__(None, None, None)
        else:
            manager.__exit__(None, None, None)

    async def until(self, manager: object, enough: Callable[[list[Any]], bool]) -> list[Any]:
        """Collect events until there are enough."""
        stream = await self.open(manager)
        events: list[Any] = []
        while not enough(events):
            events.append(await done(stream.recv()))
        await self.close(manager)
        return events


def told(event: object) -> dict[str, Any]:
    """Return an event with the class the SDK read it into; a list frame as its only element."""
    if isinstance(event, list):
        (event,) = event
        return told(event) | {"in_list": True}
    return {"class": type(event).__name__, **event.to_dict(mode="json")}


def both(kinds: int) -> Callable[[list[Any]], bool]:
    """Say when a snapshot and something after it was seen of each type."""

    def enough(events: list[Any]) -> bool:
        seen = {(event.type, event.stream_type) for event in events}
        return len(seen) == 2 * kinds

    return enough


async def public(streams: Streams) -> dict[str, Any]:
    """Listen to everything public at once, then to each format."""
    ws = streams.client.ws_stream
    everything = ws.subscribe(
        ticker=[MARKET], trade=[MARKET], orderbook=[f"{MARKET}.5"], candle={unit: [MARKET] for unit in ("1s", *MINUTES)}
    )
    events = await streams.until(everything, both(4 + len(MINUTES)))
    formats = {}
    for form in FORMATS:
        formats[form] = [
            told(event) for event in await streams.until(ws.ticker([MARKET], format=form), lambda seen: len(seen) >= 2)
        ]
    manager = ws.orderbook([f"{MARKET}.1", "KRW-ETH"])
    stream = await streams.open(manager)
    listed = (await done(stream.list_subscriptions())).to_dict()
    books = [told(await done(stream.recv())) for _ in range(2)]
    await streams.close(manager)
    return {"events": [told(event) for event in events], "formats": formats, "listed": listed, "books": books}


async def private(streams: Streams) -> dict[str, Any]:
    """Listen to orders and balances while one is bought and one is cancelled."""
    client = streams.client
    manager = client.ws_stream.subscribe_private(my_order=[], my_asset=True, announcement=True)
    stream = await streams.open(manager)
    listed = (await done(stream.list_subscriptions())).to_dict()
    bought = await done(client.orders.create(market=MARKET, side="bid", ord_type="price", price="100000"))
    price = int((await done(client.tickers.list_by_trading_pairs(markets=MARKET)))[0].trade_price.split(".")[0])
    rested = await done(
        client.orders.create(
            market=MARKET, side="bid", ord_type="limit", price=str(price // 2000 * 1000), volume="0.001", identifier="r"
        )
    )
    await done(client.orders.cancel(uuid=rested.uuid))
    events: list[Any] = []
    ends: set[str] = set()
    while ends != {bought.uuid, rested.uuid}:
        events.append(await done(stream.recv()))
        if events[-1].type == "myOrder" and events[-1].state in {"done", "cancel"}:
            ends.add(events[-1].uuid)
    await streams.close(manager)
    return {
        "listed_private": listed,
        "bought": (await done(client.orders.retrieve(uuid=bought.uuid))).to_dict(),
        "rested": (await done(client.orders.retrieve(uuid=rested.uuid))).to_dict(),
        "private_events": [told(event) for event in events],
        "accounts": {a.currency: [a.balance, a.locked] for a in await done(client.accounts.list())},
    }


async def indicators(streams: Streams) -> list[dict[str, Any]]:
    """Ask for an indicator, and listen until the stream ends by itself."""
    wanted = [{"type": "rsi", "params": {"period": 14}}]
    manager = streams.client.ws_stream.indicator([MARKET], timeframe="15m", indicators=wanted)
    stream = await streams.open(manager)
    events = [event async for event in stream] if hasattr(stream, "__aiter__") else list(stream)
    await streams.close(manager)
    return [told(event) for event in events]


async def main() -> None:
    """Listen, and print."""
    url, access_key, secret_key, kind = sys.argv[1:]
    client = (Upbit if kind == "sync" else AsyncUpbit)(base_url=url, access_key=access_key, secret_key=secret_key)
    streams = Streams(client)
    story = await public(streams)
    story |= await private(streams)
    story["indicators"] = await indicators(streams)
    await done(client.close())
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    asyncio.run(main())
