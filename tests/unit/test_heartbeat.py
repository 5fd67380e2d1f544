"""What the daemon writes and tells about its parts that have stopped: one cause is one message."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest.mock import call

import pytest

from config.settings import Config
from journal.records import Ends, Halt, Level
from simulation.loop import LoopClock, PacedLoop
from tests.helpers.parts import make_mocked, mock
from trader.control import Control
from trader.guards import heartbeat
from trader.guards.heartbeat import is_explained, watch_health
from trader.health import LIMITS_S, Health
from trader.health_file import FILE
from upbit.circuit import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from pathlib import Path

    from tests.helpers.parts import Mocked
    from trader.app import App

NETWORK = {"update_indicators_periodically", "update_prices", "update_wallet_realtime", "reconcile"}


@pytest.mark.parametrize("loop", sorted(LIMITS_S))
def test_a_part_that_stops_by_itself_is_always_told(loop: str) -> None:
    """Nothing else explains it, nor does a part that stopped for a reason of its own."""
    assert not is_explained(loop, [], refused=False)
    assert not is_explained(loop, ["execute_trades"], refused=False)


@pytest.mark.parametrize("loop", sorted(LIMITS_S))
def test_what_follows_from_a_refused_key_or_a_lost_network_is_not_told_again(loop: str) -> None:
    """A dozen messages about one cable hide the thirteenth, which is about something else."""
    assert is_explained(loop, [], refused=True) is (loop in NETWORK)
    assert is_explained(loop, ["update_prices"], refused=False) is (loop in NETWORK)


class Parts:
    """What stands still in a daemon, as a test says; `dead` and `waiting` are those of its health."""

    def __init__(self, folder: Path, since: datetime) -> None:
        self.dead: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.standing: list[str] = []
        health = mock(Health, dead=lambda: dict(self.dead), waiting=lambda: dict(self.waiting))
        control = mock(Control, stands=lambda code: code in self.standing, reasons=[])
        clock = LoopClock(since, asyncio.get_running_loop())
        self.app: Mocked = make_mocked(
            config=replace(Config(), data_dir=folder), health=health, control=control, clock=clock
        )

    def told(self) -> list[str]:
        """Return of which parts a person was told."""
        return [one.args[0] for one in self.app.messages.watcher_stopped.mock_calls]


def run(folder: Path, story: Callable[[Parts], Coroutine[None, None, None]], since: datetime) -> None:
    """Tell a story beside the heartbeat."""

    async def beside() -> None:
        parts = Parts(folder, since)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_health(parts.app))
            await story(parts)
            parts.app.stop.set()

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(beside())


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.failure("F10")
def test_a_part_that_stands_still_is_told_once_and_again_when_it_had_lived_meanwhile(tmp_path: Path) -> None:
    """With its last error in the log, and for a person what it means."""

    async def story(parts: Parts) -> None:
        app = parts.app
        parts.dead = {"update_trading_dict": "OSError: disk", "execute_trades": "no step finished"}
        await asyncio.sleep(12)
        assert app.tell.mock_calls == [
            call("loop_dead", level=logging.ERROR, loop="execute_trades", error="no step finished"),
            call("loop_dead", level=logging.ERROR, loop="update_trading_dict", error="OSError: disk"),
        ]
        assert parts.told() == ["execute_trades", "update_trading_dict"]
        assert app.messages.watcher_stopped.mock_calls[0] == call("execute_trades", at=NOON)
        assert app.journal.add_notes.mock_calls == [call([app.messages.watcher_stopped.return_value])] * 2
        parts.dead = {}
        await asyncio.sleep(6)
        parts.dead = {"execute_trades": "again"}
        await asyncio.sleep(6)
        assert parts.told()[2:] == ["execute_trades"]
        assert app.said[2:] == ["loop_dead"]

    run(tmp_path, story, NOON)


def test_what_a_refused_key_explains_is_told_when_the_key_is_taken_again_and_it_still_stands(tmp_path: Path) -> None:
    """It is logged at once; a person is told when nothing explains it any more."""

    async def story(parts: Parts) -> None:
        parts.standing, parts.dead = [KEY], {"update_wallet_realtime": "Unauthorized: no"}
        await asyncio.sleep(12)
        assert (parts.app.said, parts.told()) == (["loop_dead"], [])
        parts.standing = []
        await asyncio.sleep(6)
        assert (parts.app.said, parts.told()) == (["loop_dead"], ["update_wallet_realtime"])

    run(tmp_path, story, NOON)


def test_the_health_file_says_what_is_dead_what_waits_and_what_is_halted_and_goes_with_the_daemon(
    tmp_path: Path,
) -> None:
    """What only lacks answers of the exchange is no death."""
    path = tmp_path / FILE

    async def story(parts: Parts) -> None:
        parts.dead = {"execute_trades": "no step finished", "update_prices": "NotSent: no route"}
        parts.waiting = {"update_prices": "NotSent: no route"}
        halt = Halt(code="breach", level=Level.HALTED, ends=Ends.PERSON, ko="x", en="x", since=NOON)
        parts.app.control.reasons = [halt]
        await asyncio.sleep(1)
        report = json.loads(path.read_text(encoding="utf-8"))
        assert report["dead"] == {"execute_trades": "no step finished"}
        assert report["waiting"] == {"update_prices": "NotSent: no route"}
        assert report["halts"] == {"breach": "HALTED"}

    run(tmp_path, story, NOON)
    assert not path.exists()


def test_a_day_is_summed_up_when_it_is_over_in_korea_and_not_at_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At nine in the morning there, with what stands still then."""
    told: list[tuple[datetime, list[str]]] = []

    async def tell_digest(app: App, dead: Iterable[str]) -> None:
        told.append((app.clock(), sorted(dead)))

    monkeypatch.setattr(heartbeat, "tell_digest", tell_digest)

    async def story(parts: Parts) -> None:
        parts.dead = {"execute_trades": "no step finished"}
        await asyncio.sleep(30)

    run(tmp_path, story, datetime(2026, 11, 2, 23, 59, 52, tzinfo=UTC))
    assert told == [(datetime(2026, 11, 3, 0, 0, 2, tzinfo=UTC), ["execute_trades"])]
