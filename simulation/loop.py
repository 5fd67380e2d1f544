"""An asyncio event loop whose idle time is compressed: waiting is skipped, work is not.

The clock of the loop stands still while callbacks run and moves only when every socket is quiet and the next timer is
in the future. It then jumps to that timer, after a pause that keeps it at `speed` times wall speed. With client and
server in one process the order of events therefore depends on the program alone, not on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import selectors
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

T = TypeVar("T")

LAG_FORGIVEN_S = 0.25
"""Real seconds the loop may fall behind its pace and still catch up; timers of 1 ms granularity need some room."""


class PacedSelector(selectors.BaseSelector):
    """A selector that turns waiting for a timer into a jump of its own clock."""

    def __init__(self, speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._sockets = selectors.DefaultSelector()
        self._speed = speed
        self.now = 0.0  # seconds of loop time
        self._anchor = (time.perf_counter(), 0.0)  # a real and a loop time that belong together

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, move the clock on by up to `timeout` seconds of loop time."""
        ready = self._sockets.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            ready = self._sockets.select(None)
            self._anchor = (time.perf_counter(), self.now)
            return ready
        return self._wait(timeout)

    def _wait(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        target = self.now + timeout
        anchor_real, anchor_loop = self._anchor
        pause = anchor_real + (target - anchor_loop) / self._speed - time.perf_counter()
        if pause > 0:
            ready = self._sockets.select(pause)
            if ready:  # somebody outside this process
                passed = anchor_loop + (time.perf_counter() - anchor_real) * self._speed
                self.now = min(target, max(self.now, passed))
                return ready
        self.now = target
        if pause < -LAG_FORGIVEN_S:
            self._anchor = (time.perf_counter(), target)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file object, as `selectors` says."""
        return self._sockets.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop watching a file object."""
        return self._sockets.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Change what a file object is watched for."""
        return self._sockets.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is watched."""
        return self._sockets.get_map()

    def close(self) -> None:
        """Release the operating system's selector."""
        self._sockets.close()


class PacedLoop(asyncio.SelectorEventLoop):
    """An event loop at `speed` times wall speed; `math.inf` never pauses."""

    def __init__(self, speed: float = math.inf) -> None:
        self._paced = PacedSelector(speed)
        super().__init__(self._paced)

    def time(self) -> float:
        """Return seconds of loop time, 0.0 at the start."""
        return self._paced.now

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run a function at once: time would jump while another thread works."""
        del executor
        return done(self.create_future(), func, *args)


def done(future: asyncio.Future[T], func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    """Call a function and return the future with what became of it."""
    try:
        future.set_result(func(*args))
    except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the result
        future.set_exception(error)
    return future


class LoopClock:
    """The time of day on a loop: `start` when it was made, then as fast as the loop, times `scale`."""

    def __init__(self, start: datetime, loop: asyncio.AbstractEventLoop, *, scale: float = 1.0) -> None:
        self._start = start
        self._loop = loop
        self._zero = loop.time()
        self._scale = scale

    def __call__(self) -> datetime:
        """Return the time of day, UTC."""
        return self._start + timedelta(seconds=(self._loop.time() - self._zero) * self._scale)


@contextlib.contextmanager
def library_clocks(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Make aiohttp's connection pool age its connections by the clock of `loop`.

    It reads `time.monotonic` where everything else of it reads the loop; on a compressed loop it would keep
    connections that the other side has long closed.
    """
    with mock.patch("aiohttp.connector.monotonic", loop.time):
        yield
