"""What ends the daemon or cuts it off while everything may fail, most often when an order is under way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worlds.world import World

AIMED = 0.8
"""Share of kills that come within `worlds.aim.AIM_S` of an order."""


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
