"""Other clients of Upbit's stream, unmodified: the processor time a frame costs each, printed as JSON.

    python -I bench/peers/feed.py cryptofeed|sdk|ccxt PORT AUTHORITY WARM FRAMES

Each runs in a process of its own, and isolated: the SDK's package is called `upbit`, like our room of clients. Where a
client looks for certificates and whom it connects to is told; nothing else of it is touched. `bench/feed.py` starts it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from counting import MARKETS, Counter, Enough


def cryptofeed(port: int, counter: Counter) -> None:
    """Follow trades, the lightest it has of Upbit, to a callback; it knows no tickers there."""
    from cryptofeed import FeedHandler
    from cryptofeed.connection import WebsocketEndpoint
    from cryptofeed.defines import TRADES
    from cryptofeed.exchanges import Upbit
    from cryptofeed.symbols import Symbols

    names = {f"{base}-{quote}": market for market in MARKETS for quote, base in [market.split("-")]}
    Symbols.set(Upbit.id, names, {"instrument_type": dict.fromkeys(names, "spot")})
    Upbit.websocket_endpoints = [WebsocketEndpoint(f"wss://127.0.0.1:{port}/websocket/v1")]

    async def trade(_: object, __: float) -> None:
        try:
            counter.frame()
        except Enough:
            os._exit(0)  # it makes a new connection after any exception

    handler = FeedHandler(config={"log": {"disabled": True}})
    handler.add_feed(Upbit(symbols=list(names), channels=[TRADES], callbacks={TRADES: trade}))
    handler.run(install_signal_handlers=False)


async def sdk(port: int, counter: Counter) -> None:
    """Follow tickers with the official SDK."""
    from upbit import AsyncUpbit

    client = AsyncUpbit(base_url=f"https://127.0.0.1:{port}")
    async with client.ws_public.connect_public() as stream:
        await stream.send([{"ticket": "bench"}, {"type": "ticker", "codes": list(MARKETS)}])
        async for _ in stream:
            counter.frame()


async def ccxt(port: int, counter: Counter) -> None:
    """Watch tickers with ccxt.pro, whose markets are told instead of asked for."""
    import ccxt.pro

    client = ccxt.pro.upbit({"cafile": os.environ["SSL_CERT_FILE"], "newUpdates": True})
    client.urls["api"]["ws"] = f"wss://127.0.0.1:{port}/websocket/v1"
    client.set_markets([client.parse_market(listed(market)) for market in MARKETS])
    symbols = [client.safe_symbol(market) for market in MARKETS]
    try:
        while True:
            await client.watch_tickers(symbols)
            counter.frame()
    finally:
        await client.close()


def listed(market: str) -> dict[str, Any]:
    """Return a row of the list of markets."""
    return {"market": market, "korean_name": market, "english_name": market}


def main() -> None:
    """Run one of them."""
    which, port, authority, warm, frames = sys.argv[1:]
    os.environ["SSL_CERT_FILE"] = authority
    counter = Counter(int(warm), int(frames))
    try:
        if which == "cryptofeed":
            cryptofeed(int(port), counter)
        else:
            asyncio.run({"sdk": sdk, "ccxt": ccxt}[which](int(port), counter))
    except Enough:
        return


if __name__ == "__main__":
    main()
