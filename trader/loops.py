"""How a coroutine repeats its step: on time, woken early, ended cleanly, and never killed by one failure."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from journal.errors import Breach, JournalError
from upbit.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

log = logging.getLogger("trader.loops")

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 30.0
EARLY_FROM = 59
"""Who waited for the end of a minute and wakes in this second of it has woken too early."""


class Pulse(Protocol):
    """Who hears how the steps of a loop end."""

    def alive(self, loop: str) -> None:
        """Hear that a loop finished a step."""

    def failed(self, loop: str, error: Exception) -> None:
        """Hear why a loop's step failed."""


async def pause(seconds: float, *wakers: asyncio.Event) -> None:
    """Wait `seconds`, or until one of `wakers` is set."""
    if not wakers:
        await asyncio.sleep(max(0.0, seconds))
        return
    if len(wakers) == 1:  # the common case, and twice as cheap: no task is made
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await wakers[0].wait()
        return
    waits = [asyncio.ensure_future(waker.wait()) for waker in wakers]
    try:
        await asyncio.wait(waits, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def every(period: float, stop: asyncio.Event, wake: asyncio.Event | None = None) -> AsyncGenerator[None]:
    """Yield once per `period` seconds, or as soon as `wake` is set, until `stop` is; a step that began always ends.

    With a `wake`, a stop is noticed when the period is over: waiting for both would cost two tasks a second.
    """
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        if wake is not None:
            wake.clear()
        yield
        if wake is None:
            await pause(period, stop)
        elif not wake.is_set():
            timer = loop.call_later(period, wake.set)  # half the work of a timeout around the wait
            try:
                await wake.wait()
            finally:
                timer.cancel()


async def each_minute(clock: Callable[[], datetime], stop: asyncio.Event) -> AsyncGenerator[None]:
    """Yield at once, and then after each full minute of `clock`, never before, until `stop` is set."""
    while not stop.is_set():
        yield
        while True:
            now = clock()
            await pause(max(SHORTEST_PAUSE_S, 60.0 - now.second - now.microsecond / 1e6), stop)
            if stop.is_set() or clock().second < EARLY_FROM:
                break  # else a timer was early, or a clock is slow: looked at too soon, the minute would be left out


async def keep_going(
    name: str, ticks: AsyncGenerator[None], step: Callable[[], Awaitable[None]], *, health: Pulse, stop: asyncio.Event
) -> None:
    """Run `step` at every tick; one that fails is logged once per streak, waited out and tried again.

    A broken rule of our own (an `AssertionError`) is told to `health` like any failure, which halts trading.
    """
    failures = 0
    async with contextlib.aclosing(ticks):
        async for _ in ticks:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - the loop protects its next step; the cause is logged
                failures += 1
                if not isinstance(error, AssertionError):
                    report_failure(name, error, failures)
                health.failed(name, error)
                await pause(min(LONGEST_PAUSE_S, 0.5 * 2 ** min(failures, 10)), stop)
            else:
                if failures:
                    log.info("loop recovered loop=%s failures=%d", name, failures)
                failures = 0
                health.alive(name)


def report_failure(name: str, error: Exception, failures: int) -> None:
    """Log the first failure of a streak with its cause: what the exchange said in one line, a surprise in full."""
    if failures > 1:
        log.debug("loop still failing loop=%s failures=%d error=%s", name, failures, error)
    elif isinstance(error, ExchangeError | JournalError | OSError | TimeoutError):
        log.warning("loop failed loop=%s error=%s: %s", name, type(error).__name__, error)
    else:
        log.error("loop failed loop=%s", name, exc_info=error)


async def lasting(
    name: str,
    work: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    on_failure: Callable[[str, Exception], None],
) -> None:
    """Do work that only a stop may end, again whenever it fails or ends before; each time is handed to `on_failure`."""
    failures = 0
    while True:
        try:
            await work()
            if stop.is_set():
                return
            raise Breach(f"{name} ended by itself")  # noqa: TRY301 - the same as any other failure of it
        except Exception as error:  # noqa: BLE001 - told, waited out and begun anew
            failures += 1
            on_failure(name, error)
        await pause(min(LONGEST_PAUSE_S, 0.5 * 2 ** min(failures, 10)), stop)
        if stop.is_set():
            return
