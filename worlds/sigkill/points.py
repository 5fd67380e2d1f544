"""The crash points of `make sigkill`: where a real daemon process can be told to end itself with SIGKILL.

Production code has no crash points, so none can ever fire there and none costs anything: the functions at which to die
are wrapped here, in the victim's process only (`armed/`). A name that does not exist any more is an error, not a
point that is never reached.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import pkgutil
import signal
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import journal.store
import trader.books.rebuild
import trader.books.reconcile
import trader.executor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Place = tuple[str, str]
"""Of a function to wrap: where it is looked up, and its name there."""
JOURNAL, CLIENT = "journal.journal:Journal", "upbit.rest:Upbit"
STORE: Any = journal.store

ORDERS = (
    "begin_trade",
    "begin_attempt",
    "end_attempt",
    "record_fills",
    "finish",
    "enter_position",
    "leave",
    "close_trade",
    "add_notes",
    "mark_sent",
)
PLACES: Mapping[str, Place] = {
    **{name: (JOURNAL, name) for name in ORDERS},
    "place": (CLIENT, "place"),
    "written": ("upbit.http:Request", "leave"),
    "look_up": (CLIENT, "order"),
    "track": ("trader.orders.drive", "track"),
    "message": ("notifier.discord:Discord", "_post"),
    # once in a process
    "recover": ("trader.daemon", "recover"),
    "run_all": ("trader.daemon", "run_all"),
    "compare_orders": ("trader.books.reconcile", "compare_orders"),
    "record_scan": (JOURNAL, "record_scan"),
    # in doubt
    "resolve": ("trader.orders.drive", "resolve"),
    "see": (JOURNAL, "see"),
    "take_step": ("trader.orders.drive", "take_step"),
    "what_to_send": ("trader.orders.drive", "what_to_send"),
    "fence": (CLIENT, "place"),
    # at the end
    "announce_stop": ("trader.daemon", "announce_stop"),
    "close": ("journal.store:Store", "close"),
    # the file
    "migrate": ("journal.store", "migrate"),
    "back_up": ("journal.schema", "back_up"),
    "copy_to": ("cli.backup", "copy_to"),
    "copy_into": ("journal.queries:Queries", "copy_into"),
    "put": ("trader.books.rebuild", "put"),
    "rebuild": ("trader.repair", "rebuild"),
    "put_in_place": ("trader.repair", "put_in_place"),
    # what a person says
    "ask": ("trader.requests", "ask"),
    "begin_command": (JOURNAL, "begin_command"),
    "end_halt": (JOURNAL, "end_halt"),
    "end_command": (JOURNAL, "end_command"),
    # what moved without us
    "adopt": (JOURNAL, "adopt"),
    "take_out": (JOURNAL, "take_out"),
}
IN_SQL = {"at_commit": "COMMIT", "in_transaction": "INSERT INTO event", "in_migration": "DROP TABLE intent"}
"""Points inside SQLite: before the first statement that begins like this."""
IN_CHECKPOINT = "in_checkpoint"
PAGES_A_CHECKPOINT = 40
COMPARED_EVERY_S = 20.0
NEVER = {"after_run_all", "before_rebuild", "before_put", "before_put_in_place"}
"""Points that are another one: after everything has run the stop is announced, and what is rebuilt is put in place."""
POINTS = tuple(
    point
    for point in (*(f"{when}_{name}" for name in PLACES for when in ("before", "after")), *IN_SQL, IN_CHECKPOINT)
    if point not in NEVER
)
"""Everywhere a victim can be told to die."""
ONLY: dict[str, Callable[..., bool]] = {
    "fence": lambda *given: type(given[1]).__name__ == "Fence",
    "written": lambda *given: given[0].line.startswith("POST /v1/orders HTTP"),
}
"""Which calls of a place count, where not all do."""
VARIABLE = "CRASH_POINT"


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """What a victim is told in its environment."""

    began: float  # monotonic seconds at which its process was started
    pipe: int  # the file descriptor on which it says that it trades
    point: str | None = None
    nth: int = 1  # of the times the point is reached

    def to_text(self) -> str:
        """Return the value of the variable."""
        return json.dumps(vars(self))


class Countdown:
    """Dies at the nth time it is reached."""

    def __init__(self, nth: int) -> None:
        self._left = nth

    def __call__(self) -> None:
        """Take notice that the point was reached."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm_process(environment: Mapping[str, str], began: tuple[float, float]) -> None:
    """Arm this process as it was told; `began` is monotonic and processor time when it began to load the program.

    Loading waits for nothing but a processor. So how much longer it took than the processor was busy with it says how
    much this machine has to do besides.
    """
    stretch = (time.monotonic() - began[0]) / max(time.process_time() - began[1], 0.001)
    told = Instructions(**json.loads(environment[VARIABLE]))
    save_time()
    if told.point is not None:
        arm(told.point, Countdown(told.nth))
    tell_when_trading(told, max(1.0, stretch))


def save_time() -> None:
    """Wait for nothing that teaches nothing: coins are missed twice within a minute, and no old week is looked into."""
    trader.books.reconcile.PERIOD_S = COMPARED_EVERY_S
    trader.books.rebuild.FIRST = datetime.now(UTC) - timedelta(days=1)


def tell_when_trading(told: Instructions, stretch: float) -> None:
    """Say on the pipe, once, that journal and exchange were compared, and wallet and indicators are known."""
    look = trader.executor.look
    said = False

    async def watched(app: Any) -> Any:
        nonlocal said
        view = await look(app)
        if not said and app.comparison.finished and view.snapshots and await app.state.wallet_dict.snapshot():
            said = True
            line = {"wall": time.monotonic() - told.began, "cpu": time.process_time(), "stretch": stretch}
            os.write(told.pipe, json.dumps(line).encode() + b"\n")
        return view

    trader.executor.look = watched


def arm(point: str, reached: Callable[[], None]) -> None:
    """Wrap the place of a point."""
    if point in IN_SQL:
        watch_statements(IN_SQL[point], reached)
        return
    if point == IN_CHECKPOINT:
        watch_checkpoints(reached)
        return
    when, _, name = point.partition("_")
    path, attribute = PLACES[name]
    owner = pkgutil.resolve_name(path)
    real = inspect.getattr_static(owner, attribute)
    counts = ONLY.get(name)

    def count(*given: object) -> None:
        if counts is None or counts(*given):
            reached()

    before, after = (count, _nothing) if when == "before" else (_nothing, count)
    setattr(owner, attribute, around(real, before, after))


def _nothing(*_: object) -> None:
    """Go on."""


def around(real: Any, before: Callable[..., None], after: Callable[..., None]) -> Any:
    """Return a function that calls others with its arguments, before and after a real one."""
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waiting(*args: Any, **named: Any) -> Any:
            before(*args)
            answer = await real(*args, **named)
            after(*args)
            return answer

        return waiting

    @functools.wraps(real)
    def calling(*args: Any, **named: Any) -> Any:
        before(*args)
        answer = real(*args, **named)
        after(*args)
        return answer

    return calling


def watch_statements(wanted: str, reached: Callable[[], None]) -> None:
    """Take notice before every statement that begins in a certain way."""
    migrate = STORE.migrate

    def watched(connection: Any, path: Path) -> None:
        connection.set_trace_callback(lambda text: reached() if text.lstrip().startswith(wanted) else None)
        migrate(connection, path)

    STORE.migrate = watched


def watch_checkpoints(reached: Callable[[], None]) -> None:
    """Take notice while the log of SQLite is moved into the file, which happens sooner than in production here."""
    migrate = STORE.migrate

    def watched(connection: Any, path: Path) -> None:
        migrate(connection, path)
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_A_CHECKPOINT}")
        threading.Thread(target=wait_for_write, args=(path, path.stat().st_mtime_ns, reached), daemon=True).start()

    STORE.migrate = watched


def wait_for_write(path: Path, since_ns: int, reached: Callable[[], None]) -> None:
    """Take notice as soon as a file has been written to: nothing but a checkpoint writes to a journal in WAL mode.

    In a thread, because the loop stands still meanwhile.
    """
    while path.stat().st_mtime_ns == since_ns:
        time.sleep(0.0002)
    reached()
