"""`make soak`: one daemon lives for a simulated month without a restart, and nothing of it may grow.

Every six hours everything that could grow is measured: memory of the process, tasks, timers, connections, open files,
what the daemon keeps in memory, and its journal. A line is fitted from the third day on. The simulator itself is kept
from growing: its exchange forgets orders that ended a day ago, and nobody writes a story.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from simulation.weather import Rates
from worlds.lies import LieRates
from worlds.plan import Plan
from worlds.pool import map_forked
from worlds.simulate import memory_disk
from worlds.world import in_world

if TYPE_CHECKING:
    from trader.app import App
    from worlds.world import World

SAMPLE_S = 6 * 3600.0
SETTLED_DAYS = 3.0
DAY_MS = 86_400_000
MOST_KIB_A_DAY = 64.0
FLAT = ("tasks", "timers", "connections", "files", "events", "resting", "candles", "state")
MOST_A_DAY = 1.0
"""Slope of a count from which on it is called growth: it may swing, but over weeks it must not climb."""
PLAN = Plan(seed=1, markets=2, harshness=0.0, kills_an_hour=0.0, person=False, max_open_trades=2)
WEATHER = Rates(jitter_s=0.02, reset=0.0005, stall=0.0001, refuse=0.02, cut=0.02)
LIES = LieRates(lost_answer=0.01, html_after=0.01, error=0.001, webhook=0.02, lag=0.02, partial=0.05)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at one moment."""

    day: float
    rss_kib: int
    journal_kib: int
    orders: int
    sizes: dict[str, int]


def rss_kib() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def sizes(world: World, app: App) -> dict[str, int]:
    """Return the size of everything that could grow."""
    dicts = ("target_dict", "snapshot_dict", "trading_dict", "wallet_dict", "active_trade")
    return {
        **world.loop.sizes(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - as cheap as it gets
        "events": len(app.events),
        "resting": len(app.resting),
        "candles": sum(len(arrays.close) for arrays in app.candles.series().values()),
        "state": sum(len(getattr(app.state, name)._items) for name in dicts),  # noqa: SLF001 - measured, not used
    }


def forget(world: World) -> None:
    """Let the exchange forget what ended a day ago: the daemon is measured here, not the exchange."""
    exchange = world.box.exchange
    oldest = int(world.clock().timestamp() * 1000) - DAY_MS
    for uuid, order in list(exchange.orders.items()):
        if not order.open and order.created_ms < oldest:
            del exchange._clearing.orders[uuid]  # noqa: SLF001 - its own world
            exchange._identifiers.pop((order.pocket.account, order.asked.identifier or ""), None)  # noqa: SLF001 - same
    world.box.discord.messages.clear()
    world.checker.received.clear()
    world.checker._known.clear()  # noqa: SLF001 - same
    world.story.lines.clear()


async def script(world: World, days: float) -> list[Sample]:
    """Let the daemon live, and measure."""
    world.weather._rates = WEATHER  # noqa: SLF001 - its own world
    world.box.rates = LIES
    world.source.trade_every_ms = 10_000
    sweep = world.loop.create_task(world.sweep())
    await world.open()
    samples: list[Sample] = []
    while world.loop.time() < days * 86_400:
        await asyncio.sleep(SAMPLE_S)
        forget(world)
        gc.collect()
        assert world.app is not None
        assert world.generation == 1, "the daemon ended itself"
        folder = world.data_dir(1)
        samples.append(
            Sample(
                day=world.loop.time() / 86_400,
                rss_kib=rss_kib(),
                journal_kib=sum(path.stat().st_size for path in folder.glob("journal.sqlite3*")) // 1024,
                orders=world.checker.orders,
                sizes=sizes(world, world.app),
            )
        )
    sweep.cancel()
    return samples


def slope(samples: list[Sample], values: list[float]) -> float:
    """Return how much a value grows a day, from the third day on; all of it when there are fewer days."""
    days = [sample.day for sample in samples]
    kept = [at for at, day in enumerate(days) if day > SETTLED_DAYS] or list(range(len(days)))
    fitted = np.polyfit([days[at] for at in kept], [values[at] for at in kept], 1)
    return float(fitted[0])


def say(text: str = "") -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - the report


def report(samples: list[Sample], wall: float) -> int:
    """Print first, last and slope of everything; 1 when something grows."""
    columns: dict[str, list[float]] = {
        "memory, KiB": [float(sample.rss_kib) for sample in samples],
        "journal, KiB": [float(sample.journal_kib) for sample in samples],
        **{name: [float(sample.sizes[name]) for sample in samples] for name in samples[0].sizes},
    }
    slopes = {name: slope(samples, values) for name, values in columns.items()}
    say(f"{samples[-1].day:.1f} days, {samples[-1].orders:,} orders, {wall:.0f} s")
    say(f"{'':<16}{'first':>10}{'most':>10}{'last':>10}{'a day':>12}")
    for name, values in columns.items():
        say(f"{name:<16}{values[0]:>10,.0f}{max(values):>10,.0f}{values[-1]:>10,.0f}{slopes[name]:>12,.2f}")
    grows = [name for name in FLAT if slopes[name] > MOST_A_DAY]
    if slopes["memory, KiB"] > MOST_KIB_A_DAY:
        grows.append("memory, KiB")
    say("grows: " + ", ".join(grows) if grows else "nothing grows")
    return 1 if grows else 0


def live(days: float) -> list[Sample]:
    """Live through all days; only for a process that ends soon after."""
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="soak-") as folder:
        plan = replace(PLAN, hours=days * 24)
        return in_world(plan, Path(folder), lambda _: None, lambda world: script(world, days))[0]


def main(arguments: list[str] | None = None) -> int:
    """Live a month."""
    parser = argparse.ArgumentParser(prog="python -m worlds.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    ((_, content),) = map_forked([options.days], lambda days: msgspec.json.encode(live(days)), 1)
    return report(msgspec.json.decode(content, type=list[Sample]), time.perf_counter() - began) if content else 1


if __name__ == "__main__":
    sys.exit(main())
