"""How something comes to happen close to an order: most failures matter while one is under way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from worlds.stage import Stage

AIM_S = 0.4
MOST_AIMING_S = 600.0


class Aim:
    """Lets something happen close to the arrival of an order at the exchange."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._arrived = asyncio.Event()
        self._act: Callable[[], None] | None = None

    def at_next(self, act: Callable[[], None] | None) -> None:
        """Do something a moment after the next order; None: nothing any more."""
        self._act = act

    def order_arrives(self) -> None:
        """Take notice of an order."""
        self._arrived.set()
        if self._act is not None:
            act, self._act = self._act, None
            self._stage.loop.call_later(moment(self._stage.rng), self._in_storm, act)

    def _in_storm(self, act: Callable[[], None]) -> None:
        if self._stage.stormy:
            act()

    async def order_comes(self, rng: random.Random) -> None:
        """Wait for the next order, a while at most, and a moment longer: what happens now happens to it."""
        self._arrived.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_AIMING_S):
                await self._arrived.wait()
        await asyncio.sleep(moment(rng))


def moment(rng: random.Random) -> float:
    """Return a few seconds at most, and mostly much less."""
    return AIM_S * rng.random() ** 3
