"""Looks again and again at what must come by itself while answers are true: stops, sales, what was taken, breakers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from worlds.judges.dust import DustWatch
from worlds.judges.protection import Protection

if TYPE_CHECKING:
    from collections.abc import Callable

    from worlds.judges.checker import Checker

LOOK_S = 5.0


async def watch(checker: Checker, true_since: Callable[[], float | None]) -> None:
    """Look until cancelled.

    Args:
        checker: who judges, and what he has seen.
        true_since: since when, in loop time, nothing fails and a daemon trades; None while something does.
    """
    loop = asyncio.get_running_loop()
    protection, dust = Protection(checker), DustWatch(checker)
    while True:
        now_s, since = loop.time(), true_since()
        protection.look(now_s, since)
        dust.look(since)
        checker.coins.look(now_s, since)
        profit = checker.profit()
        if profit is not None:
            checker.breakers.look(now_s, profit, sees=since is not None)
        await asyncio.sleep(LOOK_S)
