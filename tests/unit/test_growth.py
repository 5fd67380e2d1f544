"""The soak's own judge: it sees what grows, and nothing else."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from worlds import growth
from worlds.soak import PLAN, Life, Sample, report
from worlds.soak_settings import LOOPS, differences, unhurried_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS = [quarter / 4 for quarter in range(1, 121)]


@dataclass(slots=True)
class Inner:
    """Something with slots."""

    waiting: deque[int] = field(default_factory=lambda: deque([1, 2]))


@dataclass
class Outer:
    """Something that holds containers, and itself."""

    by_name: dict[str, Inner] = field(default_factory=lambda: {"a": Inner(), "b": Inner()})
    closes: object = field(default_factory=lambda: np.zeros((2, 5)))
    text: str = "not a container"
    me: object = None


class Bag:
    """Something that has a length of its own."""

    def __len__(self) -> int:
        return 7


def test_every_container_below_an_object_is_measured_once() -> None:
    """By the path of attributes to it; what is in a container is added up, and a circle ends."""
    root = Outer()
    root.me = [root, root, Bag()]
    room = frozenset({__name__.partition(".")[0]})
    assert growth.sizes("it", root, room) == {
        "it.by_name": 2,
        "it.by_name[].waiting": 4,
        "it.closes": 10,
        "it.me": 3,
        "it.me[]": 7,
    }
    assert growth.sizes("it", root, frozenset()) == {"it.by_name": 2, "it.closes": 10, "it.me": 3}


async def test_what_only_a_running_task_knows_is_measured_by_its_coroutine() -> None:
    """Its own locals, and those of what it waits in; what was measured under another name is not measured again."""
    begun, ends, known = asyncio.Event(), asyncio.Event(), [1]

    async def outer(heard: list[int]) -> None:
        heard.append(len(known))
        await inner(Outer())

    async def inner(root: Outer) -> None:
        root.by_name.clear()
        begun.set()
        await ends.wait()

    task = asyncio.create_task(outer([1, 2]))
    await begun.wait()
    where = outer.__qualname__.removesuffix("outer")
    room = frozenset({__name__.partition(".")[0]})
    assert growth.sizes_in_tasks([task], room, {id(known)}) == {
        f"{where}outer.heard": 3,
        f"{where}inner.root.by_name": 0,
        f"{where}inner.root.closes": 10,
    }
    ends.set()
    await task


@pytest.mark.parametrize(
    ("value", "grows"),
    [
        (lambda _: 50.0, False),
        (lambda day: min(day, 2.5) * 100, False),  # fills, and is full before anything counts
        (lambda day: 50.0 + day, True),
        (lambda day: float(int(day / 5)), True),  # one more every five days
        (lambda day: 100.0 - day, False),
        (lambda day: 50.0 + random.Random(day).uniform(-5, 5), False),
        (lambda day: 50.0 + random.Random(day).uniform(-5, 5) + day / 2, True),
        (lambda day: [594.0, 596.0, 594.0, 593.0, 595.0, 597.0, 598.0, 596.0, 597.0, 599.0][int(day / 3.01)], False),
    ],
)
def test_a_slope_is_growth_when_it_is_neither_small_nor_by_chance(value: Callable[[float], float], grows: bool) -> None:  # noqa: FBT001 - a parameter
    """Swinging, filling and shrinking are none; climbing is, slowly or hidden in noise."""
    assert growth.grows(DAYS, [value(day) for day in DAYS]) is grows


def life(**sizes: Callable[[float], int]) -> Life:
    """Return a month in which memory swings, 60 orders a day are placed, and some containers change."""
    samples = [
        Sample(
            day=day,
            rss_kib=80_000 + random.Random(day).randrange(200),
            journal_kib=int(day * 300),
            orders=int(day * 60),
            sizes={name: size(day) for name, size in sizes.items()},
        )
        for day in DAYS
    ]
    return Life(samples=samples, broken=[], tables={"event": 2048}, events=9, opened_s=0.5)


@pytest.mark.failure("F6")
def test_a_month_in_which_something_grows_fails() -> None:
    """A container, or memory, or a broken promise: each alone; and the line of it says by how much a day."""
    lines, code = report(life(fine=lambda _: 3), 1.0)
    assert (code, lines[-1]) == (0, "nothing grows")
    assert "0 more inside of these, which swing, and 1 that never changed" in lines
    assert "journal: from day 14 on 300.0 KiB a day, 5.00 KiB an order" in lines
    lines, code = report(life(fine=lambda _: 3, leak=lambda day: int(day * 4)), 1.0)
    assert (code, lines[-1]) == (1, "grows: leak")
    assert any(line.startswith("leak ") and line.endswith("4.000") for line in lines)
    grown = life()
    lines, code = report(
        Life(
            samples=[
                Sample(day=s.day, rss_kib=s.rss_kib + int(s.day * 100), journal_kib=0, orders=0, sizes={})
                for s in grown.samples
            ],
            broken=[],
        ),
        1.0,
    )
    assert (code, lines[-1]) == (1, "grows: memory, KiB")
    lines, code = report(Life(samples=grown.samples, broken=["I5 a second buy"]), 1.0)
    assert code == 1
    assert "I5 a second buy" in lines


def test_the_report_of_a_month_says_how_it_was_not_production() -> None:
    """The line of every constant and setting that differs has both values; what is equal is not told."""
    lines = differences(replace(PLAN, unit=timedelta(minutes=30)), {"trader.wallet.PERIOD_S": 30.0, "math.pi": math.pi})
    told = {line.rsplit(maxsplit=2)[0]: tuple(line.rsplit(maxsplit=2)[1:]) for line in lines[1:]}
    assert told["trader.wallet.PERIOD_S"] == ("1", "30")
    assert told["strategy.unit, minutes"] == ("240", "30")
    assert told["risk.price_max_age_s"] == ("10", "120")
    assert "math.pi" not in told
    assert lines[1] in report(msgspec.structs.replace(life(), differs=lines), 1.0)[0]


def test_prices_stay_fresh_at_the_pace_of_the_soak(tmp_path: Path) -> None:
    """What the slowest loop saw last is never too old to trade on, or a month would pass in which nothing happens."""
    config = unhurried_config(PLAN, url="http://127.0.0.1:1", webhook="", folder=tmp_path)
    slowest = max(LOOPS[f"trader.{name}.PERIOD_S"] for name in ("prices", "wallet", "executor"))
    assert min(config.risk.price_max_age_s, config.risk.wallet_max_age_s) > 2 * slowest


def test_what_the_exchange_keeps_by_design_is_no_growth() -> None:
    """An identifier is used up for ever, as Upbit has it."""
    _, code = report(life(**{"exchange.exchange._identifiers": lambda day: int(day * 60)}), 1.0)
    assert code == 0
