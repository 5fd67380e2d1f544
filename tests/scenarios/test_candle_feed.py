"""The whole daemon on the candle stream of a sandbox: how soon it judges, what it asks, and whether that is true."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import pytest

from sandbox.wire import to_ms
from tests.helpers.daemon_desk import opened, serving, told, trading
from trader.candles.kept import CANDLES_FILE
from trader.candles.series import FIELDS
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sandbox.server import Sandbox
    from trader.app import App
    from upbit.models import Candle

MINUTE = timedelta(minutes=1)
MARKETS = 8


@contextmanager
def counted() -> Iterator[list[str]]:
    """Note of which markets candles are asked for."""
    asked: list[str] = []
    ask = Upbit.candles

    async def noting(
        self: Upbit, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        asked.append(market)
        return await ask(self, market, unit, count=count, to=to)

    with patch.object(Upbit, "candles", noting):
        yield asked


async def judged(app: App, after: datetime | None = None) -> tuple[datetime, timedelta]:
    """Wait until all markets are judged about a later candle; return its close, and how long ago that was."""
    while True:
        snapshots = await app.state.snapshot_dict.snapshot()
        closes = {snapshot.candle_closed_at for snapshot in snapshots.values()}
        if len(snapshots) == MARKETS and len(closes) == 1 and (closed_at := closes.pop()) != after:
            return closed_at, app.clock() - closed_at
        await asyncio.sleep(0.02)


def true(app: App, box: Sandbox) -> bool:
    """Return whether every closed candle is that of the exchange, number by number."""
    for market, ours in app.candles.series().items():
        until = app.candles.as_of(market)
        assert until is not None
        theirs = box.markets.candles(market, 60, to_ms(until), len(ours.close))[::-1]
        if ours.opened_at_ms.tolist() != [candle.opened_ms for candle in theirs]:
            return False
        if any(
            not np.array_equal(getattr(ours, name), [float(getattr(one, name)) for one in theirs]) for name in FIELDS
        ):
            return False
    return len(app.candles.series()) == MARKETS


def test_every_market_is_judged_a_second_after_the_minute_and_five_are_asked_for(tmp_path: Path) -> None:
    """Quarter of an hour with trades of its own: no verdict is late, and every candle is what REST says."""

    async def story() -> None:
        async with trading(tmp_path, markets=MARKETS) as desk:
            closed_at, _ = await judged(desk.app)
            with counted() as asked:
                for minute in range(1, 16):
                    closed_at, late = await judged(desk.app, closed_at)
                    assert late <= timedelta(seconds=1.5)
                    assert len(asked) <= 5 * minute
            assert true(desk.app, desk.box)
            assert desk.app.candles.late == 0
            assert not desk.box.violations

    told(story)


@pytest.mark.failure("C6")
def test_a_stream_that_is_cut_again_and_again_leaves_no_wrong_candle(tmp_path: Path) -> None:
    """Every few seconds, at any moment of the minute: what was missed is asked for, and nothing else."""

    async def story() -> None:
        rng = random.Random(1)
        async with trading(tmp_path, markets=MARKETS) as desk:
            await judged(desk.app)
            with counted() as asked:
                for _ in range(100):
                    await asyncio.sleep(rng.uniform(1, 15))
                    desk.app.candle_stream.reconnect()
                    await asyncio.sleep(1)
            await judged(desk.app, (await judged(desk.app))[0])
            assert true(desk.app, desk.box)
            assert len(asked) < 15 * 2 * MARKETS

    told(story)


@pytest.mark.failure("C6")
def test_a_stream_that_refuses_what_is_asked_for_is_replaced_by_questions(tmp_path: Path) -> None:
    """An error frame after every subscription, for minutes: all markets are judged on what REST says."""

    async def story() -> None:
        async with trading(tmp_path, markets=MARKETS) as desk:
            desk.app.candle_stream._kind = "candle.7m"  # Upbit has none
            closed_at, _ = await judged(desk.app)
            for _ in range(3):
                with counted() as asked:
                    closed_at, late = await judged(desk.app, closed_at)
                assert late < timedelta(seconds=15)
                assert asked  # of a market without a trade nothing need be asked
            assert true(desk.app, desk.box)
            assert desk.box.violations.keys() == {"INVALID_PARAM"}  # ever more patiently, and nothing else is broken
            assert desk.box.violations["INVALID_PARAM"] < 40

    told(story)


def test_a_restart_knows_its_candles(tmp_path: Path) -> None:
    """It compares three markets and asks for what closed meanwhile; without the file, slowly, for whole histories."""

    async def story() -> None:
        async with opened(tmp_path, markets=MARKETS) as (box, config, clock):
            async with serving(config, clock) as app:
                await judged(app, (await judged(app))[0])
            for kept in (True, False):
                if not kept:
                    (tmp_path / CANDLES_FILE).unlink()
                began = clock()
                with counted() as asked:
                    async with serving(config, clock) as app:
                        await judged(app)
                        assert true(app, box)
                assert (len(asked) <= 3 + MARKETS) is kept
                assert clock() - began < timedelta(seconds=5 if kept else 20)

    told(story)
