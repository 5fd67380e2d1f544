"""A real daemon process that kills itself with SIGKILL at a named point: what `make sigkill` starts.

Production code has no crash points, so none can ever fire there: the functions at which to die are wrapped here, in
this process only. A name that does not exist any more is an error, not a point that is never reached.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import selectors
import signal
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import cli.daemon
import journal.journal
import notifier.discord
import trader.orders
import trader.reconcile
import upbit.rest
from cli.daemon import build, serve
from cli.run import stop_on_signals
from worlds.plan import Plan, daemon_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from trader.app import App

Place = tuple[Any, str]

OF_THE_JOURNAL = (
    "begin_trade",
    "begin_attempt",
    "end_attempt",
    "see",
    "record_fills",
    "finish",
    "enter_position",
    "leave",
    "close_trade",
    "add_notes",
    "mark_sent",
    "record_scan",
)
PLACES: dict[str, Place] = {
    **{name: (journal.journal.Journal, name) for name in OF_THE_JOURNAL},
    "place": (upbit.rest.Upbit, "place"),
    "headers_sent": (upbit.rest, "_note_that_bytes_left"),
    "look_up": (upbit.rest.Upbit, "order"),
    "message": (notifier.discord.Discord, "_post"),
    "recover": (cli.daemon, "recover"),
    "take_step": (trader.orders, "take_step"),
    "what_to_send": (trader.orders, "what_to_send"),
    "resolve": (trader.orders, "resolve"),
    "compare_orders": (trader.reconcile, "compare_orders"),
    "track": (trader.orders, "track"),
}
POINTS = (*(f"{when}_{name}" for name in PLACES for when in ("before", "after")), "at_commit", "in_transaction")
"""Everywhere a victim can be told to die."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a victim is told on its command line."""

    url: str
    folder: str
    epoch: float  # seconds since 1970 at which market time was `start`
    start: datetime
    scale: float  # market seconds per second
    point: str | None = None
    nth: int = 1  # of the times the point is reached


class Hasty(selectors.DefaultSelector):
    """A selector for a loop whose seconds are shorter than ours."""

    scale = 1.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for so many seconds of the loop."""
        return super().select(timeout if timeout is None else timeout / self.scale)


class MarketLoop(asyncio.SelectorEventLoop):
    """A real event loop on real sockets whose seconds are market seconds, so that both clocks of a daemon agree."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        selector = Hasty()
        selector.scale = scale
        super().__init__(selector)

    def time(self) -> float:
        """Return market seconds."""
        return time.monotonic() * self._scale


class Fuse:
    """Dies at the nth time it is reached."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def __call__(self) -> None:
        """Take notice that the point was reached."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, fuse: Callable[[], None]) -> None:
    """Wrap the place of a point."""
    if point in {"at_commit", "in_transaction"}:
        arm_database(point, fuse)
        return
    when, _, name = point.partition("_")
    owner, attribute = PLACES[name]
    real = inspect.getattr_static(owner, attribute)
    before, after = (fuse, _nothing) if when == "before" else (_nothing, fuse)
    setattr(owner, attribute, around(real, before, after))


def _nothing() -> None:
    """Go on."""


def around(real: Any, before: Callable[[], None], after: Callable[[], None]) -> Any:
    """Return a function that lights fuses before and after another one."""
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waiting(*args: Any, **named: Any) -> Any:
            before()
            answer = await real(*args, **named)
            after()
            return answer

        return waiting

    @functools.wraps(real)
    def calling(*args: Any, **named: Any) -> Any:
        before()
        answer = real(*args, **named)
        after()
        return answer

    return calling


def arm_database(point: str, fuse: Callable[[], None]) -> None:
    """Die between the statements of a transaction, or right before its commit, once orders are involved."""
    wanted = "COMMIT" if point == "at_commit" else "INSERT INTO event"
    real = journal.journal.Journal.open.__func__  # type: ignore[attr-defined]  # the function of a class method

    def watched(cls: Any, *args: Any, **named: Any) -> Any:
        opened = real(cls, *args, **named)
        opened._db.set_trace_callback(lambda text: fuse() if text.startswith(wanted) else None)  # noqa: SLF001 - its victim
        return opened

    journal.journal.Journal.open = classmethod(watched)  # type: ignore[method-assign,assignment]


async def trade(order: Order) -> None:
    """Run the daemon as `cli.run` does, on the market's clock."""
    stop = asyncio.Event()

    def clock() -> datetime:
        return order.start + timedelta(seconds=(time.time() - order.epoch) * order.scale)

    async def tell(app: App) -> None:
        while not app.reconciled:  # nothing is bought before  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.1)
        print("trading", flush=True)  # noqa: T201 - what the harness waits for

    plan = Plan(seed=1, markets=4, max_open_trades=4)
    hook = order.url + "/api/webhooks/1/victim"
    config = daemon_config(plan, url=order.url, webhook=hook, folder=Path(order.folder))
    async with build(config, clock, stop) as app:
        stop_on_signals(stop)
        await serve(app, beside=tell)


def main() -> int:
    """Run until told to stop, or until the point is reached."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    if order.point is not None:
        arm(order.point, Fuse(order.nth))
    with asyncio.Runner(loop_factory=lambda: MarketLoop(order.scale)) as runner:
        runner.run(trade(order))
    return 0


if __name__ == "__main__":
    sys.exit(main())
