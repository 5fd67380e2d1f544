"""An event loop of its own time, its own network and its own hosts: a world in which anything can be killed.

The clock stands still while callbacks run and jumps to the next timer when none is ready. Connections never leave the
process (`simulation/network.py`). Whatever is started inside a host (`simulation/hosts.py`) carries it in a context
variable, so that killing a host stops all of it between two callbacks, as SIGKILL would: no `finally`
runs, and nothing of the dead runs later.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import heapq
import itertools
import ssl
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

from aiohttp.resolver import ThreadedResolver

from simulation.hosts import HOST
from simulation.loop import done

if TYPE_CHECKING:
    import socket
    from collections import deque
    from collections.abc import Callable, Coroutine, Iterator

    from simulation.hosts import Host
    from simulation.network import Network

T = TypeVar("T")


class Deadlock(Exception):
    """Every task waits for something that can never happen: there is neither a callback nor a timer left."""


class Numbered:
    """Hashes by a number of its loop, given when first asked for.

    Libraries keep futures and tasks in sets and go through them: by address, the same seed takes another path.
    """

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]  # what it is mixed into has it
            return self._number


class NumberedFuture(Numbered, asyncio.Future[Any]):
    """A future of the loop below."""


class NumberedTask(Numbered, asyncio.Task[Any]):
    """A task of the loop below."""


MANY_CANCELLED = 256


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. `before_turn`, when set, is called before every callback of a living host and may kill it."""

    _ready: deque[asyncio.Handle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._set = self._cancelled = 0
        self.numbers = itertools.count()
        self.set_task_factory(lambda loop, coro, **options: NumberedTask(coro, loop=loop, **options))
        self._dead: list[asyncio.Task[Any]] = []  # kept, so that the garbage collector throws nothing into them
        self.network: Network | None = None
        self.before_turn: Callable[[Host], None] | None = None

    def time(self) -> float:
        """Return seconds of loop time, 0.0 at the start."""
        return self._now

    # -- one turn

    def _run_once(self) -> None:
        """Run one callback; when none is ready, jump to the next timer."""
        while not self._ready:
            self._jump()
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        host = handle._context.get(HOST)  # type: ignore[attr-defined]  # noqa: SLF001 - Handle has no public way
        if host is not None:
            if self.before_turn is not None:
                self.before_turn(host)
                if not host.alive:
                    return
            host.turns += 1
        handle._run()  # noqa: SLF001 - what every event loop does

    def _jump(self) -> None:
        if not self._timers:
            raise Deadlock
        self._now = max(self._now, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now:
            _, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled():
                self._ready.append(timer)

    # -- what belongs to a host

    def call_soon(  # type: ignore[override]  # the same, spelled without type variables
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback, unless it belongs to the dead."""
        handle = asyncio.Handle(callback, args, self, context)
        if not _is_dead(handle):
            self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]  # same
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Set a timer, unless it belongs to the dead. Timers of one moment run in the order they were set."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if not _is_dead(timer):
            self._set += 1
            heapq.heappush(self._timers, (when, self._set, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Forget cancelled timers when most of them are: the order of the others does not change by it."""
        del handle
        self._cancelled += 1
        if self._cancelled > max(MANY_CANCELLED, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return NumberedFuture(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Start a task in the host of its context."""
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        context = options.get("context")
        host = HOST.get() if context is None else context.get(HOST)
        if host is not None:
            host.tasks.add(task)
        return task

    def start(self, host: Host, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a coroutine as the main task of a host."""
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        return self.create_task(coroutine, context=context)

    def kill(self, host: Host, *, silent: bool = False) -> None:
        """End a host between two callbacks: nothing of it runs any more, not even its `finally` blocks.

        Its kernel tells the other side of its connections, unless the whole machine lost its power (`silent`).
        """
        host.alive = False
        for handle in (*self._ready, *(timer for _, _, timer in self._timers)):
            if _is_dead(handle):
                handle.cancel()
        for task in host.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - it is meant to be pending
            self._dead.append(task)
        if self.network is not None:
            self.network.host_died(host, silent=silent)

    # -- the network

    def _net(self) -> Network:
        if self.network is None:
            raise OSError("this loop has no network")
        return self.network

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Resolve a name inside the simulated network."""
        return await self._net().resolve(host, port)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket that will be handed to `create_connection`; it never touches the machine's network."""
        await self._net().dial(sock, address)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """Connect to a simulated server. TLS is accepted and left out: certificates have tests of their own."""
        return await self._net().connect(protocol_factory, host, port, options.get("sock"))

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        """Listen inside the simulated network."""
        return self._net().listen(protocol_factory, host, port)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run a function at once: there are no threads here."""
        del executor
        return done(self.create_future(), func, *args)

    def _process_events(self, event_list: Any) -> None:
        """There are no file descriptors to watch."""

    def _write_to_self(self) -> None:
        """There is no other thread to be woken by."""

    def sizes(self) -> dict[str, int]:
        """Return how much the loop holds: what must not grow while nothing more is going on."""
        return {
            "tasks": len(asyncio.all_tasks(self)),
            "timers": len(self._timers),
            "connections": self.network.open_connections() if self.network else 0,
        }


def _is_dead(handle: asyncio.Handle) -> bool:
    host = handle._context.get(HOST)  # type: ignore[attr-defined]  # noqa: SLF001 - Handle has no public way
    return host is not None and not host.alive


@contextlib.contextmanager
def owned_libraries(loop: asyncio.AbstractEventLoop, epoch: float) -> Iterator[None]:
    """Give the libraries the time and the names of `loop` where they would ask the machine.

    aiohttp ages its connections and its DNS cache by `time.monotonic` and writes `time.time` into a header: with the
    machine's clocks, the same seed takes another path on a slow machine. And it must ask the loop for names, not the
    resolver library that may be installed, which has sockets of its own.

    Args:
        loop: whose time counts.
        epoch: seconds since 1970 at loop time 0.
    """

    def wall() -> float:
        return epoch + loop.time()

    with (
        mock.patch("aiohttp.connector.monotonic", loop.time),
        mock.patch("aiohttp.helpers.time.time", wall),
        mock.patch("time.monotonic", loop.time),
        mock.patch("aiohttp.connector.DefaultResolver", ThreadedResolver),
        mock.patch("ssl.create_default_context", return_value=ssl.create_default_context()),
    ):
        yield


def run(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop. Unlike `asyncio.run` it cancels nothing at its end: the dead stay dead."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
