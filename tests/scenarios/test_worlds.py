"""Whole worlds: the unmodified daemon against the unmodified exchange in simulated time, judged from outside."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import msgspec
import pytest

from worlds import kill
from worlds.phases import run_world
from worlds.plan import LATE, WorldOutcome, WorldPlan, draw_plan
from worlds.pool import map_forked

if TYPE_CHECKING:
    from collections.abc import Callable

    from worlds.world import World


def live(plan: WorldPlan, prepare: Callable[[World], object] = lambda _: None) -> WorldOutcome:
    """Run one world in a process of its own."""

    def work(_: None) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return msgspec.json.encode(run_world(plan, Path(folder), prepare)[0])

    ((_, content),) = map_forked([None], work, workers=1)
    return msgspec.json.decode(content, type=WorldOutcome)


CALM = WorldPlan(seed=1, hours=0.3, markets=3, harshness=0.0, kills_an_hour=0.0)


def test_a_calm_world_trades_and_keeps_every_promise() -> None:
    """Without faults: orders in several markets, one restart, everything sold, both books equal."""
    outcome = live(CALM)
    assert outcome.broken == []
    assert outcome.orders > 10
    assert outcome.fills >= outcome.orders
    assert outcome.worst["restart_s"] < 1


def test_a_spent_day_ends_at_midnight_in_korea_and_not_before() -> None:
    """Judged by what the exchange saw: the cap holds to the won on both sides, and buys go on when the day is new."""
    before_midnight = LATE + timedelta(minutes=52)
    outcome = live(replace(CALM, hours=0.2, began=before_midnight, max_day_krw=Decimal(120_000)))
    assert outcome.broken == []
    assert outcome.counts["day_is_spent"] > 0
    assert outcome.counts["day_begins"] == 1


@pytest.mark.failure("F4")
def test_two_daemons_on_one_account_both_halt_and_tell() -> None:
    """In peace, both resumed again and again by persons who know nothing: each notices every order of the other."""

    def often(_: World) -> None:
        mock.patch("worlds.disasters.AN_HOUR", 20.0).start()

    outcome = live(replace(CALM, seed=2, hours=0.6, disasters=("other_machine",)), often)
    assert outcome.broken == []
    assert outcome.counts["unknown_to_first"] > 1
    assert outcome.counts["unknown_to_other"] > 1
    assert outcome.counts["resume"] > 1


def test_a_stormy_seed_tells_the_same_story_twice() -> None:
    """Two processes, one seed: every line of the story is equal, kills and lies and all; another seed is another."""
    plan = replace(draw_plan(5, 0.15), harshness=0.8, kills_an_hour=30.0)
    first, again, other = live(plan), live(plan), live(replace(plan, seed=6))
    assert first.digest == again.digest != other.digest
    assert first.kills > 0
    assert sum(first.counts.values()) > 5


def test_the_checker_sees_an_order_that_was_never_written_down() -> None:
    """An order under our prefix that the journal does not know breaks two promises: the checker is awake."""

    def smuggle(world: World) -> None:
        def buy() -> None:
            body: dict[str, object] = {
                "market": "KRW-ETH",
                "side": "bid",
                "ord_type": "price",
                "price": "6000",
                "identifier": "ub1-x-0",
            }
            world.checker.on_post(body)
            world.box.exchange.place(body)

        world.loop.call_later(600, buy)

    broken = live(CALM, smuggle).broken
    assert any("I2" in one for one in broken)
    assert any("I17" in one or "I7" in one for one in broken)


def test_the_checker_sees_a_wrong_fill_in_the_journal() -> None:
    """A volume that differs in the last decimal is found."""

    def falsify(world: World) -> None:
        def change() -> None:
            assert world.machine.app is not None
            database = world.machine.app.journal._db
            row = database.execute("SELECT rowid, volume FROM fill LIMIT 1").fetchone()
            volume = str(Decimal(row["volume"]) + Decimal("0.00000001"))
            database.execute("UPDATE fill SET volume = ? WHERE rowid = ?", (volume, row["rowid"]))

        world.loop.call_later(900, change)

    assert any("I6" in one for one in live(CALM, falsify).broken)


@pytest.mark.failure("A5")
def test_a_kill_at_every_callback_of_a_lost_answer_loses_nothing() -> None:
    """One of the flows of `make kill`: wherever the daemon dies, the order is found, once."""
    flow = next(flow for flow in kill.FLOWS if flow.name == "buy, answer lost")
    ((_, content),) = map_forked([flow], lambda flow: msgspec.json.encode(kill.try_flow(flow, 2)), workers=1)
    tried = msgspec.json.decode(content, type=kill.Tried)
    assert tried.points > 30
    assert tried.violations == []
