"""A network that swallows, refuses or was away: bounded waits, growing pauses with chance in them, whole candles."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import unused_port
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.loop import PacedLoop
from tests.helpers.parts import only
from trader.candles.candle_store import CandleStore
from upbit.errors import OutcomeUnknown
from upbit.models import Candle
from upbit.rest import Upbit
from upbit.stream import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, TickerStream
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

START = datetime(2026, 11, 2, tzinfo=UTC)
UNIT = timedelta(minutes=1)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Tell a story on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


@pytest.mark.failure("D3")
def test_a_server_that_takes_everything_and_says_nothing_is_given_up() -> None:
    """Half open for ever: a read ends after its few tries, well under a minute, with a doubt and not with silence."""

    async def story() -> None:
        writers: list[asyncio.StreamWriter] = []

        async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_session() as session:
            began = asyncio.get_running_loop().time()
            with pytest.raises(OutcomeUnknown):
                await Upbit(session, base_url=url, access_key="a", secret_key="s" * 40).accounts()
            assert 8 <= asyncio.get_running_loop().time() - began <= 35
        for writer in writers:
            writer.close()
        server.close()
        await asyncio.sleep(1)

    run(story)


def connects(seed: int) -> list[float]:
    """Return when a stream whose server refuses tries to connect, in half an hour."""
    times: list[float] = []

    async def story() -> None:
        def note(state: str) -> None:
            if state == "connecting":
                times.append(asyncio.get_running_loop().time())

        stream = TickerStream(f"ws://127.0.0.1:{unused_port()}", rng=random.Random(seed))
        stream.wanted(frozenset({"KRW-BTC"}))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(stream.run(lambda _: None, note))
            await asyncio.sleep(1800)
            running.cancel()

    run(story)
    return times


@pytest.mark.failure("D7")
def test_reconnects_grow_patient_with_chance_in_them() -> None:
    """Never more than five a second, seldom after a while, and two clients do not knock together."""
    times, other = connects(1), connects(2)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert min(pauses) >= SHORTEST_PAUSE_S
    assert max(pauses) <= LONGEST_PAUSE_S + 1
    assert max(pauses) > LONGEST_PAUSE_S / 2
    assert len(times) < 1800 / 8
    assert times != other


def candle(minute: int) -> Candle:
    """Return the candle of a minute; its price names it."""
    price = Decimal(1000 + minute)
    opened = (START + minute * UNIT).strftime("%Y-%m-%dT%H:%M:%S")
    return Candle(
        market="KRW-A",
        opened_at_utc=opened,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        turnover=price,
    )


@pytest.mark.failure("C6")
@settings(max_examples=60)
@given(
    traded=st.sets(st.integers(0, 900), min_size=5),
    looks=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    history=st.integers(10, 450),
)
def test_after_a_gap_of_any_length_the_candles_are_whole(traded: set[int], looks: list[int], history: int) -> None:
    """Away for minutes or half a day, with quiet minutes in between: what is decided on is what Upbit has."""

    async def candles(_: str, unit: timedelta, *, count: int, to: datetime) -> list[Candle]:
        last = (to - START) // unit - 1
        return [candle(minute) for minute in sorted(traded, reverse=True) if minute <= last][:count]

    async def story() -> None:
        upbit = only(Upbit, candles=candles)
        store = CandleStore(upbit=upbit, unit=UNIT, history=history)
        now = START + timedelta(minutes=200)
        for look in (0, *looks):
            now += timedelta(minutes=look)
            assert await store.refresh(["KRW-A"], now, {}, budget_s=60) == []
            closed = sorted(minute for minute in traded if START + (minute + 1) * UNIT <= now)
            known = store.series().get("KRW-A")
            got = [] if known is None else [int(price) - 1000 for price in known.close]
            wanted = [minute for minute in closed if START + minute * UNIT >= now - history * UNIT]
            assert got[-len(wanted) :] == wanted or not wanted
            assert set(got) <= set(closed)

    run(story)
