"""Hours on paper in a market as large as Upbit's, with everything that may go wrong there, again and again.

PAPER_HOURS says how many simulated hours (1; `make paper PAPER_HOURS=24` is a whole day).
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.daemon_desk import serving, told
from tests.helpers.paper_desk import paper_desk

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.market.sources.live import LiveSource

pytestmark = pytest.mark.slow

HOURS = float(os.environ.get("PAPER_HOURS", "1"))
MARKETS = 289
HOUR: tuple[dict[str, Any], ...] = (
    {"fault": "hung_up", "minutes": [6, 10], "count": 3},
    {"fault": "halted", "minutes": [12, 14]},
    {"fault": "answered", "status": 503, "probability": 0.5, "minutes": [12, 14]},
    {"fault": "hung_up", "minutes": [12, 14], "count": 3},
    {"fault": "refused", "error": "too_many_requests", "probability": 0.3, "minutes": [20, 21]},
    {"fault": "dropped", "minutes": [26, 28]},
    {"fault": "doubled", "probability": 0.1, "minutes": [32, 34]},
    {"fault": "swapped", "probability": 0.1, "minutes": [34, 36]},
    {"fault": "spoiled", "probability": 0.1, "minutes": [36, 38]},
    {"fault": "slow", "seconds": [1, 4], "probability": 0.3, "minutes": [42, 44]},
    {"fault": "refused", "error": "rate_limit_exceeded_penalty", "minutes": [50, 51]},
)
"""What goes wrong in each hour: sockets, maintenance, limits, silence, frames that make no sense, slowness."""


def faults() -> list[dict[str, Any]]:
    """Return what goes wrong, hour after hour."""
    hours = range(max(1, round(HOURS)))
    return [{**rule, "minutes": [60 * hour + minute for minute in rule["minutes"]]} for hour in hours for rule in HOUR]


async def break_at_random(live: LiveSource) -> None:
    """Cut a feed of the paper exchange every few minutes, at any moment."""
    rng = random.Random(1)
    while True:
        await asyncio.sleep(rng.uniform(60, 900))
        live.upstream.reconnect(rng.choice(["trade", "orderbook", "ticker", "candle.1m"]))


def test_hours_on_paper(tmp_path: Path) -> None:
    """No rule is broken, wallet and journal agree, nothing is filled by a book of before, and nothing in a gap."""

    async def story() -> None:
        async with (
            paper_desk(markets=MARKETS, faults=faults()) as desk,
            serving(desk.config(tmp_path), desk.clock) as app,
            asyncio.TaskGroup() as tasks,
        ):
            breaking = tasks.create_task(break_at_random(desk.live))
            await asyncio.sleep(HOURS * 3600)
            breaking.cancel()
            print(  # noqa: T201 - what `make paper` shows
                f"{HOURS:g} h, {MARKETS} markets: {len(desk.fills.all)} fills, {len(desk.live.gaps)} gaps, "
                f"{desk.live.given_up} orders given up, frames left out {dict(desk.live.odd)}"
            )
            desk.check(app)
            assert desk.fills.all
            assert desk.live.gaps

    told(story)
