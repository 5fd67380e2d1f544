"""The whole daemon through an hour of broken connections: it keeps no socket and no memory of any of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.daemon_desk import told, trading
from trader.app import EVENTS_KEPT
from upbit.limits import LIMITS
from worlds.growth import sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trader.app import App

BROKEN: tuple[Mapping[str, object], ...] = (
    {"fault": "lost", "probability": 0.05},
    {"fault": "lost", "probability": 0.02, "accepted": True},
    {"fault": "answered", "probability": 0.05},
    {"fault": "hung_up", "probability": 0.05},
    *({"fault": "refusing", "minutes": [minute, minute + 1]} for minute in range(5, 75, 10)),
)
MARKETS = 3
FACTS = 8
"""The most one event has."""
PLACES = sum(limit for limit, _ in LIMITS.values())
"""The most that all groups count for a window: one answer that says none is left fills a group."""
ROOMS = frozenset({"trader", "upbit", "journal", "notifier", "state", "strategy"})
EACH_MINUTE = 20
"""How often in a row is measured: what is under way at one moment is not what is kept."""


def capacity(path: str, app: App) -> int:
    """Return how many entries a container may have that is still filling: candles, events, rate limits."""
    if ".arrays." in path:
        return MARKETS * app.candles.history
    if path.endswith(("._lanes[]._free_at", "._lanes[]._foreign")):
        return PLACES
    return {"daemon.events": EVENTS_KEPT, "daemon.events[].facts": FACTS * EVENTS_KEPT}.get(path, 0)


def open_files() -> int:
    """Return how many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def measured(app: App) -> dict[str, int]:
    """Return the most entries of every container of the daemon, and the most open files, within some minutes."""
    most: dict[str, int] = {}
    for _ in range(EACH_MINUTE):
        await asyncio.sleep(60)
        found = sizes("daemon", app, ROOMS) | {"open files": open_files()}
        most |= {path: max(size, most.get(path, 0)) for path, size in found.items()}
    return most


@pytest.mark.slow
@pytest.mark.failure("F6", "F15")
def test_an_hour_of_broken_connections_leaves_nothing_behind(tmp_path: Path) -> None:
    """Files, sockets and every container are as many in the last third as in those before."""

    async def story() -> None:
        async with trading(tmp_path, markets=MARKETS, faults=BROKEN) as desk:
            await asyncio.sleep(600)
            thirds = [await measured(desk.app) for _ in range(3)]
            assert desk.app.journal.counts().buys > 0
        before = {path: max(third.get(path, 0) for third in thirds[:2]) for path in thirds[2]}
        allowed = {path: max(size + 2, capacity(path, desk.app)) for path, size in before.items()}
        assert {path: size for path, size in thirds[2].items() if size > allowed[path]} == {}
        assert thirds[2]["open files"] > 10

    told(story)
