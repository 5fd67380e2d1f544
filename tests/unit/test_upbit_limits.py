"""Rate limits on a loop whose clock the test owns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from upbit.errors import NotSent, RateLimited
from upbit.limits import MOST_WAITING, WINDOW_S, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Coroutine


class OwnClock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    now = 1000.0

    def time(self) -> float:
        """Return the time the test lives in."""
        return self.now

    def _run_once(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined] # no public way to see it
        if not self._ready and scheduled:  # type: ignore[attr-defined] # same
            self.now = max(self.now, min(handle.when() for handle in scheduled))
        super()._run_once()  # type: ignore[misc] # same


def story(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test on a clock of its own."""
    with asyncio.Runner(loop_factory=OwnClock) as runner:
        runner.run(coroutine)


async def ask(limiter: RateLimiter, group: str, left: list[float], *, takes: float = 0.0, urgent: bool = False) -> None:
    """Make one request that takes some time."""
    async with limiter.place(group, urgent=urgent):
        left.append(asyncio.get_running_loop().time())
        await asyncio.sleep(takes)


@pytest.mark.parametrize(
    ("group", "limit", "window"), [("candle", 10, 1), ("order", 12, 1), ("order-cancel-all", 1, 2)]
)
def test_no_window_ever_holds_more_than_the_limit(group: str, limit: int, window: float) -> None:
    """However the requests come, `limit + 1` of them never fit into a second."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4 * limit):
                tasks.create_task(ask(limiter, group, left))
        assert len(left) == 4 * limit
        assert all(late - early > window for early, late in zip(left, left[limit:], strict=False))
        assert left[-1] - left[0] == pytest.approx(3 * window * WINDOW_S)

    story(tell())


def test_a_slow_request_holds_its_place_until_it_is_answered() -> None:
    """Upbit counts it somewhere between: the next one leaves a window after the answer."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(11):
                tasks.create_task(ask(limiter, "ticker", left, takes=3.0))
        assert left[10] - left[0] == pytest.approx(3.0 + WINDOW_S)

    story(tell())


@pytest.mark.failure("D8")
def test_the_urgent_go_first_and_then_whoever_came_first() -> None:
    """An exit overtakes entries; nobody else overtakes anybody, and other groups do not matter."""

    async def tell() -> None:
        limiter, order = RateLimiter(), list[str]()

        async def named(name: str, *, urgent: bool = False) -> None:
            async with limiter.place("order", urgent=urgent):
                order.append(name)

        async with asyncio.TaskGroup() as tasks:
            for n in range(50):
                tasks.create_task(ask(limiter, "candle", []))
                if n < 12:
                    tasks.create_task(named("early"))
            for name in ("a", "b"):
                tasks.create_task(named(name))
            tasks.create_task(named("exit", urgent=True))
        assert order == ["early"] * 12 + ["exit", "a", "b"]

    story(tell())


def test_whoever_is_cancelled_loses_no_place() -> None:
    """Cancelled while waiting, or in the very turn of admission: the place goes to the next."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        for _ in range(10):
            await ask(limiter, "candle", left)
        waiting = [asyncio.create_task(ask(limiter, "candle", left)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in waiting[:10]:
            task.cancel()
        await asyncio.wait(waiting)
        assert len(left) == 20
        for _ in range(12):
            await ask(limiter, "order", [])
        loop, unlucky = asyncio.get_running_loop(), asyncio.create_task(ask(limiter, "order", []))
        await asyncio.sleep(0)
        loop.call_at(loop.time() + WINDOW_S + 1e-10, unlucky.cancel)  # right behind its admission
        await asyncio.wait([unlucky])
        assert unlucky.cancelled()
        assert limiter.free()["order"] == 12

    story(tell())


def test_upbits_own_count_is_believed_when_it_is_lower() -> None:
    """Somebody else spends from the same pocket: places are taken out of use for a window."""

    async def tell() -> None:
        limiter = RateLimiter()
        limiter.observe("default", "group=default; min=1800; sec=3")
        limiter.observe("candle", "group=candles; min=600; sec=0")
        limiter.observe("order", "nonsense")
        limiter.observe("order", None)
        assert limiter.free() == {**RateLimiter().free(), "default": 3, "candle": 0}
        await asyncio.sleep(WINDOW_S)
        assert limiter.free() == RateLimiter().free()

    story(tell())


def test_a_429_empties_the_group_until_the_next_second() -> None:
    """Nothing leaves for a window, then everything goes on."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        began = asyncio.get_running_loop().time()
        limiter.refused("order", None, penalty=False)
        assert limiter.free()["order"] == 0
        await ask(limiter, "order", left)
        assert left[0] - began == pytest.approx(WINDOW_S)

    story(tell())


@pytest.mark.failure("A21")
def test_a_418_keeps_nobody_waiting_and_ends() -> None:
    """Who waits or comes is told at once, that side of Upbit is left alone, and afterwards all is well."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        waiting = [asyncio.create_task(ask(limiter, "candle", left)) for _ in range(12)]
        await asyncio.sleep(0)
        limiter.refused("ticker", 30.0, penalty=True)
        with pytest.raises(RateLimited) as told:
            await waiting[11]
        assert told.value.retry_after == pytest.approx(30.0)
        with pytest.raises(RateLimited):
            await waiting[10]
        await ask(limiter, "order", left)
        await asyncio.sleep(30.0)
        await ask(limiter, "candle", left)
        assert len(left) == 12

    story(tell())


def test_the_queue_is_bounded() -> None:
    """A caller that asks without end is told, and nothing is sent."""

    async def tell() -> None:
        limiter = RateLimiter()
        waiting = [asyncio.create_task(ask(limiter, "order", [], takes=9.0)) for _ in range(12 + MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotSent):
            await ask(limiter, "order", [])
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    story(tell())
