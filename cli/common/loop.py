"""How a verb runs an event loop: the fastest one there is, and ended cleanly by signals."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def plain_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the fastest ordinary event loop there is."""
    try:
        import uvloop  # noqa: PLC0415 - optional: it does not exist for every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def stop_on_signals(stop: asyncio.Event, numbers: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
    """Turn signals into a clean stop."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
