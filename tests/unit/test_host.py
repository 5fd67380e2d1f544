"""The machine under the daemon: clocks that are wrong, jump or step back; loops that are held up; tasks that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import faulthandler
import logging
import resource
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock, call

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.journal import Journal
from notifier.messages import Messages
from simulation.loop import PacedLoop
from state import Balance, Price
from tests.helpers.parts import make_app, only
from tests.helpers.patience import PATIENCE_S
from trader import loops
from trader.candles.candle_store import CandleStore
from trader.control import Control
from trader.guards import host, watchdog
from trader.guards.host import Clocks, watch_clock, watch_files, watch_loop
from trader.indicators import until_closed
from trader.loops import lasting
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.helpers.parts import Parts

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent


class Wall:
    """A time of day that follows the loop, and can be set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        """Return the time of day."""
        return NOW + timedelta(seconds=self._loop.time()) + self.offset


def told(path: Path, story: Callable[[Parts, Wall], Coroutine[None, None, None]]) -> list[str]:
    """Run a story of a machine on a loop that skips waiting; return what was said."""

    async def run() -> list[str]:
        wall = Wall()
        with Journal.open(path / "j.sqlite3", wall) as journal:
            app = make_app(
                journal=journal,
                control=Control(journal, Messages(language="ko", mode="live"), wall),
                clock=wall,
                messages=Messages(language="ko", mode="live"),
                upbit=only(Upbit, server_date=None, server_date_at=None),
            )
            await story(app, wall)
            return app.said

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        return runner.run(run())


def hold_up(seconds: float) -> None:
    """Hold the loop up, as far as its clock can tell."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PacedLoop)
    loop._paced.now += seconds


# --- the loop -------------------------------------------------------------------------------------------------------


@pytest.mark.failure("F8")
def test_a_loop_that_is_held_up_is_noticed_and_a_long_while_stops_buys(tmp_path: Path) -> None:
    """Above 250 ms a warning, above 5 s no buys, until it has kept its time for a minute."""

    async def story(app: Parts, _: Wall) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_loop(app))
            await asyncio.sleep(0.5)
            hold_up(0.7)
            await asyncio.sleep(2)
            assert app.control.state.name == "ACTIVE"
            hold_up(0.9)
            await asyncio.sleep(3)
            hold_up(7)
            await asyncio.sleep(1)
            assert [halt.code for halt in app.control.reasons] == ["loop_lag"]
            await asyncio.sleep(50)
            assert app.control.state.name == "HALT_BUYS"
            await asyncio.sleep(12)
            assert app.control.state.name == "ACTIVE"
            watch.cancel()

    assert told(tmp_path, story).count("loop_late") == 2


@pytest.mark.parametrize(
    ("late_s", "said", "halted"),
    [(0.25, [], False), (0.5, ["0.50"], False), (5.0, ["5.00"], False), (5.125, ["5.12"], True)],
)
def test_what_a_loop_that_was_late_is_told_with(
    late_s: float, said: list[str], tmp_path: Path, *, halted: bool
) -> None:
    """By how many seconds; the bounds themselves still count as on time."""

    async def story(app: Parts, _: Wall) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_loop(app))
            await asyncio.sleep(0.5)
            hold_up(0.5 + late_s)
            await asyncio.sleep(1)
            assert [halt.evidence for halt in app.control.reasons] == ([{"seconds": "5.1"}] if halted else [])
            late = [one for one in app.tell.mock_calls if one.args == ("loop_late",)]
            assert late == [call("loop_late", level=logging.WARNING, seconds=seconds) for seconds in said]
            watch.cancel()

    told(tmp_path, story)


def test_a_little_delay_afterwards_makes_a_stop_of_buys_no_longer(tmp_path: Path) -> None:
    """A minute without a long one is enough; and what the last process stopped for ends with the first turn on time."""

    async def story(app: Parts, _: Wall) -> None:
        host.judge_lag(app, 7.0)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_loop(app))
            await asyncio.sleep(1.5)
            assert app.control.may_buy()
            hold_up(7)
            await asyncio.sleep(40)
            assert not app.control.may_buy()
            hold_up(1.5)
            await asyncio.sleep(25)
            assert app.control.may_buy()
            watch.cancel()

    told(tmp_path, story)


def test_the_watchdog_hears_of_every_turn_and_is_closed_at_the_end(tmp_path: Path) -> None:
    """It lives as long as the watch, at its own pace."""
    heard: list[float] = []

    class Dog:
        period_s = 0.1

        def alive(self) -> None:
            heard.append(asyncio.get_running_loop().time())

        def close(self) -> None:
            heard.append(-1.0)

        def files_used(self) -> float:
            return 0.0

    async def story(app: Parts, _: Wall) -> None:
        async with asyncio.TaskGroup() as tasks:
            app.watchdog = Dog()
            watch = tasks.create_task(watch_loop(app))
            await asyncio.sleep(1.05)
            watch.cancel()

    told(tmp_path, story)
    assert len(heard) == 12
    assert heard[-1] == -1.0


HANG = """
import asyncio, time
from trader.guards import watchdog
watchdog.END_AFTER_S = 1.0
async def hang():
    dog = watchdog.SystemWatchdog()
    dog.alive()
    time.sleep(600)
asyncio.run(hang())
"""


@pytest.mark.failure("F8")
def test_a_process_that_hangs_shows_where_and_is_ended_by_the_system() -> None:
    """Stuck in the system, where no Python runs: the stack is on the log, and the alarm kills it for a restart."""
    command = [sys.executable, "-c", HANG]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603 - ours
    assert done.returncode == -signal.SIGALRM
    assert "Timeout" in done.stderr
    assert done.stderr.count("in hang") == 2


def test_a_loop_that_lives_is_never_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every turn winds both clocks up again; a slow turn silences the stack for a while; closing stops both."""
    calls: list[tuple[str, float]] = []
    registered = list[tuple[tuple[int, ...], dict[str, object]]]()
    now = [1000.0]  # since the machine started
    fake = Mock(
        spec=faulthandler,
        register=lambda *what, **how: registered.append((what, how)),
        unregister=lambda _: calls.append(("unregister", 0)),
        dump_traceback_later=lambda seconds, **_: calls.append(("show", seconds)),
        cancel_dump_traceback_later=lambda: calls.append(("cancel", 0)),
    )
    monkeypatch.setattr(watchdog, "faulthandler", fake)
    monkeypatch.setattr("signal.setitimer", lambda _, seconds: calls.append(("end", seconds)))
    monkeypatch.setattr(watchdog, "time", Mock(spec=time, monotonic=lambda: now[0]))
    dog = watchdog.SystemWatchdog()
    for at in (0.1, 0.2, 1.2, 1.3, 601.4):
        now[0] = 1000.0 + at
        dog.alive()
    dog.close()
    shows = [call for call in calls if call[0] == "show"]
    assert shows == [("show", watchdog.PERIOD_S + watchdog.SHOW_AFTER_S)] * 2
    assert registered == [((signal.SIGALRM,), {"file": sys.stderr, "chain": True})]  # and then the process ends
    assert calls.count(("end", 60.0)) == 5
    assert calls[-3:] == [("end", 0), ("cancel", 0), ("unregister", 0)]


# --- open files -----------------------------------------------------------------------------------------------------


@pytest.mark.failure("F15")
def test_files_that_run_out_are_told_before_they_have(tmp_path: Path) -> None:
    """Counted every minute; a person hears of it once an hour, in time to start the daemon again."""
    shares = [0.1, 0.79, 0.8, 0.95, *[1.0] * 60, 0.1]

    class Dog:
        period_s = 1.0
        alive = close = Mock()

        def files_used(self) -> float:
            return shares.pop(0)

    async def story(app: Parts, _: Wall) -> None:
        async with asyncio.TaskGroup() as tasks:
            app.watchdog = Dog()
            watch = tasks.create_task(watch_files(app))
            await asyncio.sleep(64 * 60 + 1)
            watch.cancel()
        assert shares == []
        notes = [note.key.rpartition(":")[0] for note in app.journal.pending_notes(9)]
        assert notes == ["problem:many_files"] * 2
        assert "80 %" in str(app.journal.pending_notes(1)[0].body)
        assert app.wake_notifier.call_count == 62
        assert app.tell.mock_calls[1] == call("many_files", level=logging.WARNING, used="0.95")

    assert told(tmp_path, story).count("many_files") == 62


@pytest.mark.failure("F15")
def test_open_files_are_counted_as_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred sockets more are a hundred more; when not one is left to count with, all are used."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    dog = watchdog.SystemWatchdog()
    try:
        before = dog.files_used()
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(socket.socket())
            assert dog.files_used() == pytest.approx(before + 0.1)
        assert dog.files_used() == before
        for code, used in ((errno.EMFILE, 1.0), (errno.ENFILE, 1.0), (errno.ENOENT, 0.0)):
            monkeypatch.setattr(watchdog, "OPEN_FILES", Mock(iterdir=Mock(side_effect=OSError(code, ""))))
            assert dog.files_used() == used
        monkeypatch.undo()
        monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert dog.files_used() == 0
    finally:
        dog.close()


# --- tasks ----------------------------------------------------------------------------------------------------------


@pytest.mark.failure("F9")
async def test_a_task_that_ends_or_fails_before_the_stop_is_told_and_begun_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each time, with pauses that grow; after the stop it may end."""
    stop, failed, pauses = asyncio.Event(), list[tuple[str, str]](), list[float]()
    ends = [None, OSError("disk"), KeyError("odd")]

    async def work() -> None:
        if not ends:
            stop.set()
        elif error := ends.pop(0):
            raise error

    async def pause(seconds: float, *_: object) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(loops, "pause", pause)
    await lasting("prices", work, stop, lambda name, error: failed.append((name, str(error))))
    assert failed == [("prices", "prices ended by itself"), ("prices", "disk"), ("prices", "'odd'")]
    assert pauses == [1.0, 2.0, 4.0]


async def test_a_stop_during_the_pause_ends_a_task_that_failed() -> None:
    """It is not begun again."""
    stop, begun = asyncio.Event(), list[int]()

    async def work() -> None:
        begun.append(1)
        stop.set()
        raise OSError("disk")

    await lasting("prices", work, stop, lambda *_: None)
    assert begun == [1]


# --- the clock ------------------------------------------------------------------------------------------------------


@pytest.mark.failure("F13")
@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e5, 1e5)), max_size=20))
def test_every_jump_is_measured_whatever_came_before(steps: list[tuple[float, float]]) -> None:
    """Forward or back, one after the other: each look tells what happened since the last."""
    clocks, wall, loop_s = Clocks(NOW, 0.0), NOW, 0.0
    for passed, jump in steps:
        wall += timedelta(seconds=passed) + timedelta(seconds=jump)
        loop_s += passed
        assert abs(clocks.jumped(wall, loop_s) - timedelta(seconds=jump)) < timedelta(milliseconds=1)


@pytest.mark.failure("F12")
@pytest.mark.parametrize(
    ("ahead_s", "state", "said"),
    [
        (0, "ACTIVE", 0),
        (2, "ACTIVE", 0),
        (-4, "ACTIVE", 1),
        (9, "ACTIVE", 1),
        (11, "HALT_BUYS", 1),
        (-11, "HALT_BUYS", 1),
    ],
)
def test_a_clock_that_is_off_is_said_and_one_that_is_far_off_buys_nothing(
    ahead_s: int, state: str, said: int, tmp_path: Path
) -> None:
    """By the Date of the exchange's answers, aged by the loop's time; once an hour; over when it is right again."""

    async def story(app: Parts, _: Wall) -> None:
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_clock(app))
            await asyncio.sleep(5)
            app.upbit.server_date = app.clock() - timedelta(seconds=ahead_s)
            app.upbit.server_date_at = asyncio.get_running_loop().time()
            await asyncio.sleep(60)
            assert app.control.state.name == state
            app.upbit.server_date = app.clock()
            app.upbit.server_date_at = asyncio.get_running_loop().time()
            await asyncio.sleep(2)
            assert app.control.state.name == "ACTIVE"
            watch.cancel()

    assert told(tmp_path, story).count("clock_skew") == said


@pytest.mark.parametrize(("ahead_s", "halted"), [(10, False), (10.5, True), (-10.5, True)])
def test_by_how_much_a_clock_is_off_is_told(ahead_s: float, tmp_path: Path, *, halted: bool) -> None:
    """With its sign: ahead of the exchange or behind it; ten seconds are still borne."""

    async def story(app: Parts, _: Wall) -> None:
        assert host.judge_skew(app, timedelta(seconds=ahead_s), say=True)
        seconds = f"{ahead_s:+.1f}"
        assert app.tell.mock_calls[-1] == call("clock_skew", level=logging.WARNING, seconds=seconds)
        assert [halt.evidence for halt in app.control.reasons] == ([{"seconds": seconds}] if halted else [])

    told(tmp_path, story)


def test_a_clock_that_goes_wrong_later_is_told_at_once_and_then_once_an_hour(tmp_path: Path) -> None:
    """That it was right before is no reason to wait."""

    async def story(app: Parts, _: Wall) -> None:
        loop = asyncio.get_running_loop()

        def answer(ahead_s: int) -> None:
            app.upbit.server_date, app.upbit.server_date_at = app.clock() - timedelta(seconds=ahead_s), loop.time()

        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_clock(app))
            answer(0)
            await asyncio.sleep(9.5)
            answer(4)
            for seconds, times in ((1, 1), (3599, 1), (1, 2)):
                await asyncio.sleep(seconds)
                assert app.said.count("clock_skew") == times
            watch.cancel()

    told(tmp_path, story)


@pytest.mark.failure("F13")
@pytest.mark.parametrize(("jump_s", "code"), [(5, None), (7, "+7"), (-7, "-7")])
def test_after_a_jump_nothing_is_bought_until_wallet_and_indicators_are_there_again(
    jump_s: int, code: str | None, tmp_path: Path
) -> None:
    """Prices, wallet, indicators and targets are forgotten; after a step back candles, too, whose times are to come."""

    async def story(app: Parts, wall: Wall) -> None:
        forgotten = Mock()
        app.candles = only(CandleStore, forget=forgotten)
        state, won = app.state, Balance(available=Decimal(1), locked=Decimal(0), as_of=NOW)
        await state.trading_dict.replace({"KRW-A": Price(price=Decimal(7), as_of=NOW)})
        for part in (state.wallet_dict, state.snapshot_dict, state.target_dict):
            await part.replace({"KRW-A": Mock()})
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(watch_clock(app))
            await asyncio.sleep(2.5)
            wall.offset = timedelta(seconds=jump_s)
            await asyncio.sleep(2)
            assert app.control.may_buy() is (code is None)
            kept = [bool(await part.snapshot()) for part in (state.wallet_dict, state.snapshot_dict, state.target_dict)]
            assert kept == [code is None] * 3
            prices = await state.trading_dict.snapshot()
            assert list(prices) == ["KRW-A"]
            assert (prices["KRW-A"] is None) is (code is not None)
            assert forgotten.mock_calls == ([call(())] if jump_s < 0 else [])
            if code is not None:
                assert app.tell.mock_calls[-1] == call("clock_jump", level=logging.WARNING, seconds=code)
                (halt,) = app.control.reasons
                assert halt.evidence == {"seconds": code}
                await state.wallet_dict.replace({"KRW": won})
                await asyncio.sleep(2)
                assert not app.control.may_buy()
                await state.wallet_dict.replace({})
                await state.snapshot_dict.replace({"KRW-A": Mock()})
                await asyncio.sleep(2)
                assert not app.control.may_buy()
                await state.wallet_dict.replace({"KRW": won})
                await asyncio.sleep(2)
                assert app.control.may_buy()
            watch.cancel()

    told(tmp_path, story)


def test_a_date_that_was_heard_long_ago_is_aged(tmp_path: Path) -> None:
    """Silence of the exchange is no skew."""

    async def story(app: Parts, _: Wall) -> None:
        app.upbit.server_date, app.upbit.server_date_at = app.clock(), asyncio.get_running_loop().time()
        await asyncio.sleep(86_400)
        assert host.skew_of(app.upbit, app.clock, asyncio.get_running_loop().time()) == timedelta(0)

    told(tmp_path, story)


@pytest.mark.failure("F12")
@pytest.mark.parametrize(
    ("ahead_s", "waited_s"), [(None, 0.0), (-8.0, 0.0), (0.9, 0.0), (2.0, 0.0), (5.5, 3.5), (9.0, 7.0), (3600.0, 8.0)]
)
def test_a_candle_is_not_read_before_it_is_over_at_the_exchange(
    ahead_s: float | None, waited_s: float, tmp_path: Path
) -> None:
    """Two seconds after a full minute by a clock that is ahead, Upbit may still be trading in that minute."""

    async def story(app: Parts, wall: Wall) -> None:
        now_s = asyncio.get_running_loop().time()
        if ahead_s is not None:
            app.upbit = only(Upbit, server_date=wall() - timedelta(seconds=ahead_s), server_date_at=now_s)
        await until_closed(app, wall() - timedelta(seconds=2))
        assert asyncio.get_running_loop().time() - now_s == pytest.approx(waited_s, abs=0.01)

    told(tmp_path, story)
