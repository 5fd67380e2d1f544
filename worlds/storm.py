"""What ends the daemon or cuts it off while everything may fail, most often when an order is under way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from worlds.world import World

AIMED = 0.8
"""Share of kills that come within `AIM_S` of an order."""
AIM_S = 0.4
MOST_AIMING_S = 600.0


class Aim:
    """Lets something happen close to the arrival of an order at the exchange."""

    def __init__(self, world: World) -> None:
        self._world = world
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
            self._world.loop.call_later(moment(self._world.rng), self._in_storm, act)

    def _in_storm(self, act: Callable[[], None]) -> None:
        if self._world.stormy:
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


async def kill_now_and_then(world: World) -> None:
    """Kill the daemon, most often when an order is under way."""
    while world.plan.kills_an_hour:
        await asyncio.sleep(world.rng.expovariate(world.plan.kills_an_hour / 3600))
        how = world.rng.choice(("kill", "kill", "kill", "power_loss", "stop"))
        if world.rng.random() < AIMED:
            world.aim.at_next(partial(world.machine.kill, how))
        else:
            world.machine.kill(how)


async def cut_now_and_then(world: World) -> None:
    """Cut the daemon off the network for seconds to minutes."""
    while world.plan.harshness:
        await asyncio.sleep(world.rng.expovariate(2 * world.plan.harshness / 3600))
        seconds = world.rng.uniform(5.0, 240.0)
        world.befall("partition", seconds=round(seconds, 1))
        world.machine.cut_off(seconds)
