"""The paced loop skips waiting, keeps order, and talks over real sockets."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from simulation.loop import LoopClock, PacedLoop, PacedSelector, library_clocks
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T], speed: float = math.inf) -> T:
    """Run a coroutine on a paced loop."""
    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(coroutine)


def test_a_day_of_waiting_passes_at_once() -> None:
    """Sleeping a day takes the loop a day and the machine almost nothing."""

    async def sleep_a_day() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run(sleep_a_day()) == pytest.approx(86_400)
    assert time.perf_counter() - began < PATIENCE_S


def test_timers_fire_in_the_order_of_their_times() -> None:
    """A compressed clock never lets a later timer overtake an earlier one."""

    async def collect() -> list[float]:
        fired: list[float] = []
        loop = asyncio.get_running_loop()
        for delay in (3.0, 1.0, 2.0, 0.5):
            loop.call_later(delay, lambda: fired.append(loop.time()))
        await asyncio.sleep(4)
        return fired

    assert run(collect()) == [0.5, 1.0, 2.0, 3.0]


def test_time_stands_still_while_work_is_done() -> None:
    """However long a callback takes, no time passes on the loop, so no time-out can be the machine's fault."""

    async def work() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        sum(range(2_000_000))
        return loop.time() - before

    assert run(work()) == 0.0


def test_the_pace_is_kept_when_there_is_nothing_to_do() -> None:
    """At 100 times wall speed, ten seconds of loop time take at least a tenth of a second."""
    began = time.perf_counter()
    run(asyncio.sleep(10), speed=100)
    assert time.perf_counter() - began >= 0.09


def test_a_server_and_its_client_talk_over_real_sockets_on_it() -> None:
    """Unmodified aiohttp on both sides works, and a slow answer takes loop time only."""

    async def talk() -> tuple[str, float]:
        async def slow(_: web.Request) -> web.Response:
            await asyncio.sleep(200)
            return web.Response(text="done")

        app = web.Application()
        app.router.add_get("/", slow)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        with library_clocks(loop):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
                text = await answer.text()
        await runner.cleanup()
        return text, loop.time()

    text, passed = run(talk())
    assert text == "done"
    assert 200 <= passed < 201


def test_the_clock_of_a_loop_tells_its_start_and_runs_at_its_scale() -> None:
    """A clock starts where it is told and moves with the loop, times its scale."""
    start = datetime(2026, 11, 2, tzinfo=UTC)

    async def read() -> timedelta:
        clock = LoopClock(start, asyncio.get_running_loop(), scale=60)
        await asyncio.sleep(2)
        return clock() - start

    assert run(read()) == timedelta(minutes=2)


def test_a_speed_that_is_no_speed_is_refused() -> None:
    """Zero would stop time for ever."""
    with pytest.raises(ValueError, match="above 0"):
        PacedSelector(0)
