"""The end of a year in Korea is written down once, whoever runs at that midnight."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from journal.rows import to_ms
from tests.helpers.daemon_desk import START, opened, serving, told
from views.tax import Opening, opening

if TYPE_CHECKING:
    from pathlib import Path

    from trader.app import App

MIDNIGHT = datetime(2026, 12, 31, 15, tzinfo=UTC)
BEFORE = MIDNIGHT - START - timedelta(minutes=5)


def read(app: App) -> Opening | None:
    """Return what the journal knows of 2027."""
    return opening(app.journal, 2027)


def turns(app: App) -> int:
    """Return how often something was written down about the beginning of a year."""
    return len(app.journal.turns_of("year_end:2027"))


def test_the_year_ends_while_the_daemon_is_down_and_is_written_down_once(tmp_path: Path) -> None:
    """It ran before and runs again minutes later: holdings of then, prices of midnight; a restart adds none."""

    async def story() -> None:
        async with opened(tmp_path, after=BEFORE) as (box, config, clock):
            began = None
            async with serving(config, clock) as app:
                await asyncio.sleep(180)
                assert read(app) is None
            await asyncio.sleep(600)
            for _ in range(2):
                async with serving(config, clock) as app:
                    await asyncio.sleep(150)
                    assert turns(app) == 1
                    began = read(app)
            assert began is not None
            assert began.midnight == MIDNIGHT
            assert MIDNIGHT < began.looked_at <= clock() - timedelta(seconds=150)
            assert began.held["KRW"][1] is None
            coins = began.held.keys() - {"KRW"}
            assert coins
            for coin in coins:
                volume, price = began.held[coin]
                (last,) = box.markets.candles(f"KRW-{coin}", 60, to_ms(MIDNIGHT), 1)
                assert (volume > 0, price) == (True, last.close)

    told(story)


def test_the_year_ends_while_the_daemon_runs(tmp_path: Path) -> None:
    """Within two minutes of midnight, and not a minute before."""

    async def story() -> None:
        async with opened(tmp_path, after=BEFORE) as (_, config, clock), serving(config, clock) as app:
            await asyncio.sleep(290)
            assert read(app) is None
            await asyncio.sleep(130)
            began = read(app)
            assert began is not None
            assert timedelta(0) <= began.looked_at - MIDNIGHT < timedelta(minutes=2)
            assert turns(app) == 1

    told(story)
