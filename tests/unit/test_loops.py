"""How coroutines repeat: on time, woken early, ended cleanly, never killed by one failure."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from config.version import VERSION
from journal.journal import Journal
from journal.records import Phase
from simulation.loop import LoopClock, PacedLoop
from strategy.base import Snapshot
from tests.helpers.orders import a_trade
from tests.helpers.parts import make_app, only
from trader.books.memory import Discovery
from trader.books.reconcile import rest, rounds
from trader.health import LIMITS_S, Health
from trader.health_file import MAX_AGE_S, read_health, write_report
from trader.loops import each_minute, every, keep_going, lasting, pause
from upbit.errors import NotSent

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from journal.records import Trade

NAME = "execute_trades"


def adopted_trade() -> Trade:
    """Return a trade that was found at the exchange, and has no stop yet."""
    return replace(a_trade(), entry_reason={"code": "adopted"}, bought=Decimal(5), phase=Phase.HOLDING)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a story on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(coroutine)


def test_a_period_is_kept_and_a_stop_ends_it_at_once() -> None:
    """Steps come every 3 seconds, and the stop is not waited out."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        stop, times = asyncio.Event(), []
        loop.call_later(7, stop.set)
        async for _ in every(3.0, stop):
            times += [loop.time()]
        assert times == [0.0, 3.0, 6.0]
        assert loop.time() == 7.0

    run(story())


@pytest.mark.parametrize(
    ("seconds", "set_after", "wakers", "lasts"),
    [
        (0.25, None, 0, 0.25),
        (-1.0, None, 0, 0.0),
        (0.25, None, 1, 0.25),
        (9.0, 2.0, 1, 2.0),
        (0.25, None, 2, 0.25),
        (-1.0, None, 2, 0.0),
        (9.0, 2.0, 2, 2.0),
    ],
)
def test_a_pause_lasts_as_long_as_it_should_or_until_any_of_its_wakers_is_set(
    seconds: float, set_after: float | None, wakers: int, lasts: float
) -> None:
    """A moment that is over already is not waited for."""

    async def story() -> None:
        loop, events = asyncio.get_running_loop(), [asyncio.Event() for _ in range(wakers)]
        if set_after is not None:
            loop.call_later(set_after, events[-1].set)
        await pause(seconds, *events)
        assert loop.time() == pytest.approx(lasts, abs=0.01)

    run(story())


def test_a_waker_brings_the_next_step_forward() -> None:
    """A price that arrives wakes the loop before its period is over, and no wake-up is lost during a step."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        stop, wake, times = asyncio.Event(), asyncio.Event(), []
        loop.call_later(0.25, wake.set)
        loop.call_later(2.0, stop.set)
        async for _ in every(1.0, stop, wake):
            times.append(loop.time())
            if len(times) == 2:
                wake.set()  # something arrived while the step was at work
        assert times == [0.0, 0.25, 0.25, 1.25]

    run(story())


def test_minutes_are_those_of_the_clock() -> None:
    """A step begins at each full minute of market time, and once at the start."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(datetime(2026, 11, 2, 0, 0, 40, tzinfo=UTC), loop)
        stop, seconds = asyncio.Event(), []
        loop.call_later(150, stop.set)
        async for _ in each_minute(clock, stop):
            seconds.append(clock().strftime("%H:%M:%S"))
            await asyncio.sleep(1)
        assert seconds == ["00:00:40", "00:01:00", "00:02:00", "00:03:00"]

    run(story())


def test_a_stop_does_not_wait_for_the_minute() -> None:
    """A daemon that is told to end has seconds for it."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.call_later(7, stop.set)
        async for _ in each_minute(LoopClock(datetime(2026, 11, 2, tzinfo=UTC), loop), stop):
            pass
        assert loop.time() == pytest.approx(7.0, abs=0.01)

    run(story())


@pytest.mark.parametrize("pace", [0.9999, 0.999999, 1.0, 1.001])
def test_no_minute_is_left_out_by_a_clock_that_goes_otherwise_than_timers(pace: float) -> None:
    """A timer that is early by a hair wakes nobody before the minute: its close would be looked for a minute later."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(datetime(2026, 11, 2, 0, 0, 40, tzinfo=UTC), loop, scale=pace)
        stop, moments = asyncio.Event(), list[datetime]()
        loop.call_later(3600, stop.set)
        async for _ in each_minute(clock, stop):
            moments.append(clock())
            await asyncio.sleep(0.2)
        assert [moment.minute for moment in moments[:60]] == list(range(60))
        assert all(moment.second == 0 and moment.microsecond < 100_000 for moment in moments[1:60])

    run(story())


def test_a_failing_step_is_logged_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Three failures in a row give one line, longer and longer pauses, and then the loop goes on."""

    async def story() -> None:
        stop, calls = asyncio.Event(), []
        health = Health(asyncio.get_running_loop().time)

        async def step() -> None:
            calls.append(asyncio.get_running_loop().time())
            if len(calls) <= 3:
                raise OSError("no route")
            stop.set()

        await keep_going(NAME, every(1.0, stop), step, health=health, stop=stop)
        pauses = [later - earlier for earlier, later in pairwise(calls)]
        assert pauses == [2.0, 3.0, 5.0]

    run(story())
    assert sum("loop failed" in record.message for record in caplog.records) == 1


def test_a_stop_does_not_wait_until_a_failing_step_is_tried_again() -> None:
    """Its pause ends with the stop, that of a loop and that of a task."""

    async def story() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        health = Health(loop.time)

        async def step() -> None:
            raise OSError("no route")

        loop.call_later(0.25, stop.set)
        await keep_going(NAME, every(1.0, stop), step, health=health, stop=stop)
        assert loop.time() == pytest.approx(0.25, abs=0.01)
        again = asyncio.Event()
        loop.call_later(0.25, again.set)
        await lasting(NAME, step, again, lambda *_: None)
        assert loop.time() == pytest.approx(0.5, abs=0.01)

    run(story())


def test_a_loop_that_lived_again_begins_with_short_pauses(caplog: pytest.LogCaptureFixture) -> None:
    """A failure of now has nothing to do with those of yesterday; that it recovered is logged once a streak."""
    caplog.set_level("INFO", "trader.loops")

    async def story() -> None:
        stop, calls = asyncio.Event(), []

        async def step() -> None:
            calls.append(asyncio.get_running_loop().time())
            if len(calls) in {1, 2, 5}:
                raise OSError("no route")
            if len(calls) == 7:
                stop.set()

        health = Health(asyncio.get_running_loop().time)
        await keep_going(NAME, every(1.0, stop), step, health=health, stop=stop)
        assert [later - earlier for earlier, later in pairwise(calls)] == [2.0, 3.0, 1.0, 1.0, 2.0, 1.0]

    run(story())
    said = [record.getMessage() for record in caplog.records if "recovered" in record.message]
    assert said == [f"loop recovered loop={NAME} failures=2", f"loop recovered loop={NAME} failures=1"]


def test_a_broken_rule_of_our_own_ends_the_loop() -> None:
    """An AssertionError means that what we believe is wrong: nothing goes on after it."""

    async def story() -> None:
        stop = asyncio.Event()

        async def step() -> None:
            raise AssertionError("two orders for one intent")

        health = Health(asyncio.get_running_loop().time)
        with pytest.raises(AssertionError, match="two orders"):
            await keep_going(NAME, every(1.0, stop), step, health=health, stop=stop)

    run(story())


@pytest.mark.failure("F10")
def test_a_loop_that_is_silent_for_too_long_counts_as_dead() -> None:
    """Health names the loop and its last error, and forgets both when it lives again."""
    now = [0.0]
    health = Health(lambda: now[0])
    health.failed(NAME, OSError("no route"))
    assert health.dead() == {}
    now[0] = LIMITS_S[NAME]
    assert NAME not in health.dead()
    now[0] += 1
    assert health.dead()[NAME] == "OSError: no route"
    health.alive(NAME)
    assert NAME not in health.dead()
    assert health.dead()["update_prices"] == "no step finished"


def test_of_some_loops_the_one_that_lived_last_says_how_long_they_are_quiet() -> None:
    """The screen shows it of those that hear the market together."""
    now = [100.0]
    health = Health(lambda: now[0])
    now[0] = 107.0
    assert health.quiet_s("update_prices", NAME) == 7.0
    health.alive(NAME)
    now[0] = 110.0
    assert (health.quiet_s("update_prices", NAME), health.quiet_s("update_prices")) == (3.0, 10.0)


def test_a_loop_of_seconds_may_be_silent_for_a_minute_and_one_of_minutes_for_five() -> None:
    """No part that trading rests on may be silent for longer."""
    now = [0.0]
    health = Health(lambda: now[0])
    quick = {"update_trading_dict", "update_prices", "update_wallet_realtime", "execute_trades"}
    slow = {"update_indicators_periodically", "reconcile"}
    dead = {}
    for seconds in (60, 61, 300, 301):
        now[0] = seconds
        dead[seconds] = set(health.dead())
    assert dead == {60: set(), 61: quick, 300: quick, 301: quick | slow}


def test_a_loop_that_only_lacks_answers_waits_and_is_not_dead() -> None:
    """As long as it tries; one that fails for another reason, or does not try any more, is dead."""
    now = [0.0]
    health = Health(lambda: now[0])
    health.failed(NAME, NotSent("no route"))
    now[0] = LIMITS_S[NAME] + 1
    health.failed(NAME, NotSent("no route"))
    assert health.waiting() == {NAME: health.dead()[NAME]}
    now[0] += LIMITS_S[NAME]
    assert NAME in health.waiting()
    now[0] += 1
    assert NAME in health.dead()
    assert health.waiting() == {}
    health.failed(NAME, NotSent("no route"))
    health.failed(NAME, OSError("the disk"))
    assert health.waiting() == {}


def test_the_health_file_tells_life_death_and_absence(tmp_path: Path) -> None:
    """The container's check gets life or death and a sentence, in the language it asks for."""
    path = tmp_path / "health.json"
    assert read_health(str(path), "en") == (False, f"no daemon is running here: {path} does not exist")
    write_report(path, dead={}, waiting={})
    assert read_health(str(path), "en") == (True, f"ok (version {VERSION})")
    assert read_health(str(path), "ko") == (True, f"정상 (버전 {VERSION})")
    write_report(path, dead={NAME: "no step finished"}, waiting={})
    assert read_health(str(path), "en") == (False, f"dead: {NAME}: no step finished")


def test_waiting_and_a_halt_are_told_and_are_no_death(tmp_path: Path) -> None:
    """Whoever restarts what is unhealthy would mend neither."""
    path = tmp_path / "health.json"
    write_report(path, dead={}, waiting={"exchange": "it is away"}, halts={"key": "HALTED"})
    alive, sentence = read_health(str(path), "en")
    assert alive
    assert sentence.startswith("halted: key: HALTED; waiting: exchange: it is away")
    write_report(path, dead={}, waiting={"exchange": "점검 중"}, halts={"key": "HALTED", "drift": "HALT_BUYS"})
    assert read_health(str(path), "ko") == (
        True,
        f"매매 정지: key: HALTED, drift: HALT_BUYS; 기다리는 중: exchange: 점검 중 (버전 {VERSION})",
    )


@pytest.mark.parametrize("content", ["{", "[]", "null", "{}", '{"written_at": 5}', '{"written_at": "soon"}', "\x00"])
def test_a_health_file_that_is_none_is_no_sign_of_life(content: str, tmp_path: Path) -> None:
    """Damaged, or another program's: one sentence instead of a traceback."""
    path = tmp_path / "health.json"
    path.write_text(content)
    alive, sentence = read_health(str(path), "en")
    assert not alive
    assert "cannot be read" in sentence


def test_a_health_file_that_nobody_writes_any_more_is_death(tmp_path: Path) -> None:
    """A daemon that hangs or was killed leaves its last report behind."""
    path = tmp_path / "health.json"
    write_report(path, dead={}, waiting={})
    report = json.loads(path.read_text())
    report["written_at"] = (datetime.now(UTC) - timedelta(seconds=MAX_AGE_S + 1)).isoformat()
    path.write_text(json.dumps(report))
    alive, sentence = read_health(str(path), "en")
    assert not alive
    assert "the daemon is dead" in sentence


@pytest.mark.parametrize(
    ("happens", "after_s"), [("candles", 20.0), ("stop", 20.0), ("wanted", 20.0), ("nothing", 60.0)]
)
def test_a_position_without_a_stop_does_not_wait_for_the_minute_once_its_candles_are_there(
    happens: str, after_s: float
) -> None:
    """The candles of other markets are none of its own; who asks, and a stop, are heard as ever."""

    async def story() -> None:
        loop, trade = asyncio.get_running_loop(), adopted_trade()
        app = make_app(journal=only(Journal, open_trades=lambda: [trade]))
        await app.state.snapshot_dict.replace({"KRW-OTHER": Mock(spec=Snapshot)})

        async def come() -> None:
            await asyncio.sleep(19.5)
            match happens:
                case "candles":
                    await app.state.snapshot_dict.replace({trade.market: Mock(spec=Snapshot)})
                case "stop":
                    app.stop.set()
                case "wanted":
                    app.comparison.wanted.set()

        coming = loop.create_task(come())
        await rest(app)
        assert loop.time() == pytest.approx(after_s, abs=0.6)
        await coming

    run(story())


def test_the_first_comparison_with_the_exchange_is_tried_again_soon() -> None:
    """Nothing is bought before it, so one look that fails at a start costs a second, not a minute."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        app = make_app(
            discovery=Discovery(thorough_at=datetime(2026, 11, 2, tzinfo=UTC)), journal=only(Journal, open_trades=list)
        )
        times: list[float] = []
        loop.call_later(70, app.stop.set)
        async for _ in rounds(app):
            times.append(loop.time())
            app.comparison.finished = len(times) >= 3
        assert times == [0.0, 1.0, 2.0, 62.0]

    run(story())
