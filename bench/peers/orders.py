"""Other clients of Upbit, unmodified: when each decided on an order, printed as JSON.

    python -I bench/peers/orders.py sdk|ccxt PORT AUTHORITY ORDERS PAUSE_S

Each runs in a process of its own, and isolated: the SDK's package is called `upbit`, like our room of clients. Only
addresses, keys and the certificate to believe are told. `bench/orders.py` starts it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from counting import ACCESS_KEY, SECRET_KEY, repeat


async def sdk(port: int, orders: int, pause_s: float) -> None:
    """Buy with the official SDK."""
    from upbit import AsyncUpbit

    async with AsyncUpbit(
        access_key=ACCESS_KEY, secret_key=SECRET_KEY, base_url=f"https://127.0.0.1:{port}", max_retries=0
    ) as client:

        async def place(number: int) -> None:
            await client.orders.create(
                market="KRW-BTC", side="bid", ord_type="price", price="6000", identifier=f"bench-{number}"
            )

        await repeat(place, orders, pause_s)


async def ccxt(port: int, orders: int, pause_s: float) -> None:
    """Buy with ccxt, whose markets are told instead of asked for."""
    import ccxt.async_support

    told = {"apiKey": ACCESS_KEY, "secret": SECRET_KEY, "cafile": os.environ["SSL_CERT_FILE"]}
    client = ccxt.async_support.upbit({**told, "enableRateLimit": False})  # what it waits on purpose is not its speed
    client.urls["api"]["public"] = client.urls["api"]["private"] = f"https://127.0.0.1:{port}"
    client.set_markets([client.parse_market({"market": "KRW-BTC", "korean_name": "x", "english_name": "x"})])

    async def place(_: int) -> None:
        await client.create_order("BTC/KRW", "limit", "buy", 0.001, 6_000_000)

    try:
        await repeat(place, orders, pause_s)
    finally:
        await client.close()


def main() -> None:
    """Run one of them."""
    which, port, authority, orders, pause_s = sys.argv[1:]
    os.environ["SSL_CERT_FILE"] = authority
    asyncio.run({"sdk": sdk, "ccxt": ccxt}[which](int(port), int(orders), float(pause_s)))


if __name__ == "__main__":
    main()
