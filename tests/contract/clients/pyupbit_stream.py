"""pyupbit's WebSocket manager: what it puts into its queue, printed as JSON.

    python -I pyupbit_stream.py URL

Its address is written into it, so the one thing changed is where `websockets.connect` leads.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from typing import Any

import websockets
from pyupbit import WebSocketManager

MARKET, OTHER = "KRW-BTC", "KRW-ETH"
UPBIT = "wss://api.upbit.com"


def lead_to(url: str) -> None:
    """Send every connection for Upbit to another address."""
    connect = websockets.connect

    def elsewhere(uri: str, **options: object) -> Any:
        return connect(uri.replace(UPBIT, url.replace("http", "ws", 1), 1), **options)

    websockets.connect = elsewhere  # type: ignore[assignment, misc]


def main() -> None:
    """Get five frames of each type the manager is made for."""
    multiprocessing.set_start_method("fork")  # its process must lead to the same address
    lead_to(sys.argv[1])
    story = {}
    for kind in ("ticker", "trade", "orderbook"):
        manager = WebSocketManager(kind, [MARKET, OTHER])
        story[kind] = [manager.get() for _ in range(5)]
        manager.terminate()
        manager.join()
    print(json.dumps(story, default=str))


if __name__ == "__main__":
    main()
