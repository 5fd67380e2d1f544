"""A person's commands are judged by somebody who looks: each broken rule is accused, and the real ones by none."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from journal.journal import Journal
from journal.records import Order
from tests.scenarios.test_mutants import replaced
from trader import commands, requests
from trader.commands import DONE
from worlds.kill import FLOWS
from worlds.pool import map_forked
from worlds.world import in_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from journal.records import Command
    from worlds.flows import Flow
    from worlds.world import World

LONGEST_S = 150.0
ORDERS = {flow.name: flow for flow in FLOWS if flow.steer is not None}


def nothing() -> None:
    """Break nothing."""


def every_delivery_is_a_command_of_its_own() -> None:
    """The id that whoever asks has given is not kept."""
    read, counted = requests.read_request, iter(range(99))

    def another(folder: Path, order: Order, now: datetime) -> Command | None:
        found = read(folder, order, now)
        return found if found is None else replace(found, id=f"{found.id}{next(counted)}")

    replaced("trader.guards.requests.read_request", another)


def no_command_is_known_any_more() -> None:
    """What was done is written down and told again."""
    begin = Journal.begin_command

    def once_more(self: Journal, command: Command) -> None:
        with self._transaction():
            self._db.execute("DELETE FROM command WHERE id = ?", (command.id,))
        begin(self, command)

    replaced("journal.queries.Queries.command", lambda *_: None)
    replaced("journal.journal.Journal.begin_command", once_more)


def what_is_told_is_not_done() -> None:
    """Selling all and resuming are said to be done at once."""
    real, told = commands.carry_out, {Order.RESUME, Order.SELL_ALL}
    replaced("trader.commands.carry_out", lambda *all_of: DONE if all_of[2].name in told else real(*all_of))


def a_sale_is_ordered_and_forgotten() -> None:
    """Nobody is told which trades a person wants sold."""
    replaced("journal.queries.Queries.ordered_sales", lambda _: frozenset())


def accused(flow: Flow, break_rule: Callable[[], None]) -> list[str]:
    """Return what is broken in a flow in which nobody dies."""

    async def script(world: World) -> list[str]:
        flow.prepare(world)
        await world.open()
        befalls = world.loop.create_task(flow.befall(world))
        while not befalls.done() and world.loop.time() < LONGEST_S:  # noqa: ASYNC110 - it may never end
            await asyncio.sleep(1.0)
        await asyncio.sleep(30.0)  # what came late is heard, and told
        befalls.cancel()
        world.machine.wanted = False
        world.machine.stop.set()
        await world.machine.over.wait()
        world.judge()
        return world.story.broken

    def work(_: None) -> bytes:
        break_rule()
        with tempfile.TemporaryDirectory() as folder:
            return msgspec.json.encode(in_world(flow.plan(), Path(folder), lambda _: None, script)[0])

    ((_, content),) = map_forked([None], work, 1)
    assert content, "the world did not end"
    return msgspec.json.decode(content, type=list[str])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "break_rule", "of"),
    [
        ("halt-buys from the command line", every_delivery_is_a_command_of_its_own, "commands"),
        ("halt-buys from the page", no_command_is_known_any_more, "events"),
        ("resume from the chat", no_command_is_known_any_more, "events"),
        ("sell-all from the command line", what_is_told_is_not_done, "halts"),
        ("resume from the page", what_is_told_is_not_done, "ends of a halt"),
        ("sell from the chat", a_sale_is_ordered_and_forgotten, "phase"),
    ],
)
def test_a_command_that_is_not_done_once_is_accused(name: str, break_rule: Callable[[], None], of: str) -> None:
    """By the promise about commands, and by what is wrong with it."""
    broken = accused(ORDERS[name], break_rule)
    assert any(one.startswith("I29") and f"'of': '{of}'" in one for one in broken), broken


@pytest.mark.slow
@pytest.mark.parametrize("name", ORDERS)
def test_a_command_that_comes_twice_and_late_is_accused_of_nothing(name: str) -> None:
    """The control: four commands from three front ends."""
    assert accused(ORDERS[name], nothing) == []
