"""The pure parts of `make sigkill`: which points there are, how they are planned and judged, and that victims die."""

from __future__ import annotations

import inspect
import os
import pkgutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journal.journal import Journal
from worlds.market import LEADER, MINUTE_MS
from worlds.sigkill.child import ARMED
from worlds.sigkill.harness import Start, Tally, settings_text
from worlds.sigkill.market import BEAT_MS, NAMES, FastWaveMarket, first_beat
from worlds.sigkill.points import (
    IN_CHECKPOINT,
    IN_SQL,
    PLACES,
    POINTS,
    VARIABLE,
    Countdown,
    Instructions,
    around,
    wait_for_write,
)
from worlds.sigkill.preparations import LOST_BY_AGING, OLDER, PREPARATIONS, is_whole
from worlds.sigkill.run import IN_TURN, distribute, judge, place_of, preparation_for, progress

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
QUICK = Start(wall=2.0, cpu=0.6, stretch=1.0)


def test_every_place_exists_and_every_named_kind_of_point_is_there() -> None:
    """A function that was renamed is an error here, not a point that is never reached."""
    for path, name in PLACES.values():
        assert callable(inspect.getattr_static(pkgutil.resolve_name(path), name))
    assert len(POINTS) == len(set(POINTS)) > 60
    assert {*IN_SQL, IN_CHECKPOINT, "before_back_up", "after_copy_into", "after_adopt", "before_take_out"} < {*POINTS}


def test_every_point_is_planned_and_what_is_needed_for_it_is_known() -> None:
    """At least a hundred kills; a patient series gets one kill that takes minutes, and nothing else."""
    queues = distribute(110, 3)
    kills = [kill for queue in queues for kill in queue]
    assert {kill.point for kill in kills} == {*POINTS}
    assert len(kills) == 110
    assert [[kill.point for kill in queue] for queue in queues[3:]] == [["before_take_out"], ["after_take_out"]]
    assert {kill.preparation for kill in kills} == {*PREPARATIONS}
    assert max(len(queue) for queue in queues[:3]) - min(len(queue) for queue in queues[:3]) <= 2
    assert {kill.nth for kill in kills if place_of(kill.point) == "begin_attempt"} == {1, 2}
    assert {preparation_for(point) for point in POINTS} == {"nothing", "old", "taken", *IN_TURN}
    assert all(queue[0].preparation == "old" for queue in queues[:3])
    order = [IN_TURN.index(kill.preparation) for kill in queues[0] if kill.preparation in IN_TURN]
    assert order == sorted(order)


def tallies(**changed: object) -> list[Tally]:
    """Return what series did in which everything went well, but for `changed`."""
    return [Tally(kills=list(POINTS), starts=[QUICK]), Tally(**{"kills": ["any_moment"], **changed})]  # type: ignore[arg-type]


def test_a_point_that_was_never_reached_or_a_broken_promise_fails_the_run() -> None:
    """Each alone is enough."""
    lines, code = judge(tallies(), 60.0, "today")
    assert code == 0
    assert lines[-1].startswith(f"today: {len(POINTS) + 1} SIGKILLs at {len(POINTS) + 1} points, 0 not reached")
    lines, code = judge([Tally(kills=list(POINTS[1:]))], 60.0, "today")
    assert (code, lines[-1]) == (1, f"never reached: {POINTS[0]}")
    lines, code = judge(tallies(broken=["I6 fills differ"]), 60.0, "today")
    assert code == 1
    assert "    I6 fills differ" in lines


def test_progress_counts_kills_and_points() -> None:
    """A point that was reached twice is one; a kill at any moment is no named point."""
    two = [Tally(kills=[POINTS[0], POINTS[0], "any_moment"], broken=["x"])]
    assert progress(two, 12.3) == f"  12 s: 3 SIGKILLs, 1 of {len(POINTS)} points, 1 violations"


def test_a_start_is_judged_by_what_it_takes_on_a_machine_of_its_own() -> None:
    """Loading the program waits for nothing but a processor: three times its processor time is a third of a machine."""
    assert Start(wall=15.0, cpu=0.6, stretch=3.0).own == pytest.approx(5.0)
    assert Start(wall=15.0, cpu=0.6, stretch=1.0).own == pytest.approx(15.0)


def test_a_countdown_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the process at the nth time, and not before."""
    ends: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *given: ends.append(given))
    countdown = Countdown(2)
    countdown()
    assert ends == []
    countdown()
    assert ends == [(os.getpid(), signal.SIGKILL)]


async def test_before_and_after_surround_functions_of_both_kinds() -> None:
    """With the arguments of the call, and its answer unchanged."""
    told: list[object] = []

    async def waits(number: int) -> int:
        told.append("real")
        return number + 1

    def calls(number: int) -> int:
        told.append("real")
        return number + 2

    surround: Callable[[object], object] = lambda real: around(real, told.append, told.append)  # noqa: E731
    assert await surround(waits)(1) == 2  # type: ignore[operator]
    assert surround(calls)(1) == 3  # type: ignore[operator]
    assert told == [1, "real", 1, 1, "real", 1]


def test_a_write_to_the_file_itself_is_noticed(tmp_path: Path) -> None:
    """That is how a checkpoint is recognised."""
    path = tmp_path / "journal"
    path.write_text("x", encoding="utf-8")
    lit: list[bool] = []
    wait_for_write(path, path.stat().st_mtime_ns - 1, lambda: lit.append(True))
    assert lit == [True]


def armed(tmp_path: Path, point: str | None, *arguments: str) -> int:
    """Run the real program, armed, and return its exit code."""
    told = {VARIABLE: Instructions(began=0.0, pipe=1, point=point).to_text()} if point is not None else {}
    environment = {"PATH": os.environ["PATH"], "BOT_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ARMED), **told}
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, cwd=tmp_path, env=environment, capture_output=True, check=False
    ).returncode


def test_the_real_program_dies_where_it_is_told_to(tmp_path: Path) -> None:
    """By SIGKILL, at the point; an armed process that was told nothing does not run at all."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as journal:
        journal.set_meta("account", "x")
    target = tmp_path / "copy"
    assert armed(tmp_path, "before_copy_into", "backup", str(target)) == -signal.SIGKILL
    assert not target.exists()
    assert armed(tmp_path, None, "backup", str(target)) == 70
    assert armed(tmp_path, "before_take_out", "backup", str(target)) == 0
    assert target.exists()


def test_a_journal_that_was_made_old_becomes_new_again(tmp_path: Path) -> None:
    """What turns it back into the format before is what the migration puts there."""
    path = tmp_path / "journal.sqlite3"
    with Journal.open(path, lambda: NOW) as journal:
        journal.set_meta("account", "x")
    with closing(sqlite3.connect(path)) as file:
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        before = file.execute(schema).fetchall()
        assert file.execute(LOST_BY_AGING).fetchall() == []
        file.executescript(OLDER)
        assert file.execute("PRAGMA user_version").fetchone() == (2,)
    with Journal.open(path, lambda: NOW + timedelta(days=1)) as journal:
        assert journal.meta("account") == "x"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute(schema).fetchall() == before


@pytest.mark.failure("E4")
def test_half_a_journal_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    """One in which nothing is written is as bad as one that is damaged."""
    path = tmp_path / "journal.sqlite3"
    with Journal.open(path, lambda: NOW) as journal:
        journal.set_meta("account", "x")
    assert is_whole(path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM event")
    assert not is_whole(path)


def test_a_fast_market_closes_higher_every_minute_and_swings_in_between() -> None:
    """Before the start as after it, so that there is no candle at which a market stops to be a target."""
    start = first_beat(int(NOW.timestamp() * 1000) + 31_000)
    source = FastWaveMarket(1, start)
    for market in (LEADER, *(name for name, _, _ in NAMES)):
        closes = [source.price(market, start + minute * MINUTE_MS - BEAT_MS) for minute in range(-30, 30)]
        assert closes == sorted(closes)
        assert closes[0] < closes[-1]
        history = source.history(market, 60, start, 30)
        assert [candle.close for candle in history] == closes[30:0:-1]
        assert all(candle.low <= candle.close <= candle.high for candle in history)
    inside = [source.price("KRW-RA", start + at) for at in range(0, MINUTE_MS, BEAT_MS)]
    assert max(inside) / min(inside) > Decimal("1.02")


def test_the_settings_of_a_victim_are_a_config_file() -> None:
    """They name the distance of the stop."""
    assert "stop_atr = 0.02\n" in settings_text(0.02)
