"""`make soak`: one daemon lives for a simulated month without a restart, and nothing of it may grow.

Every six hours everything that could grow is measured: memory of the process, tasks, timers, connections, open files,
and every container that hangs on an object of the daemon or of the exchange (`worlds/growth.py`). A line is fitted from
the third day on. What the simulation writes down for its own judge is thrown away meanwhile, and the exchange remembers
few orders, so that what is left is the daemon's. The journal is the one thing that is meant to grow: by how much an
order is said. All that is heard goes on tape, of which two days are kept; and every six hours the real program lays a
shadow of the orders since (`main.py shadow`, in a process of its own). Idle loops turn less often than in production
(`worlds/soak_settings.py`); the report begins with how much less.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import msgspec

from journal import JOURNAL_FILE
from journal.journal import Journal
from simulation.weather import Rates
from tape.check import examine
from tape.reading import files_of
from trader.clock import wall_clock
from trader.indicators import SCANS_KEPT
from trader.recording import FOLDER, record_beside
from worlds import growth
from worlds.lies.sandbox import LieRates
from worlds.phases import sweep
from worlds.plan import WorldPlan
from worlds.pool import map_forked
from worlds.promises import table
from worlds.simulate import memory_disk
from worlds.soak_settings import LOOPS, MEMORY, differences, unhurried_config
from worlds.world import in_world

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from trader.app import App
    from worlds.world import World

SAMPLE_S = 6 * 3600.0
TELL_EVERY_DAYS = 5
MOST_KIB_A_DAY = 64.0
MOST_BESIDE = {
    "memory, KiB": MOST_KIB_A_DAY,
    "tape, KiB": MOST_KIB_A_DAY,
    "shadow, ms of processor time": 2.0,
}
"""How much a day what is not counted in entries may grow."""
DAEMON = frozenset({"trader", "upbit", "journal", "notifier", "state", "strategy", "tape"})
EXCHANGE = frozenset({"sandbox"})
PLAN = WorldPlan(
    seed=1, markets=2, harshness=0.0, kills_an_hour=0.0, person=False, max_open_trades=2, hurried=True, unit=timedelta()
)
UNIT = 30
"""Minutes of a candle: some forty orders a day, as many as a busy account has."""
BY_DESIGN = {
    r"^exchange\..*\._identifiers$": "one can be used once, for ever",
    r"^exchange\..*\._ladder\.": "candles of up to 400 days",
    r"^exchange\..*\._(highs|lows)\.": "days of a year",
}
"""What is kept longer than a month: its name, and why."""
TRADE_EVERY_MS = 30_000
TAPE_KEPT = timedelta(days=2)
SHADOW_LAG = timedelta(minutes=2)
"""So old is an order at least that gets its paper: the book it meets is on the tape by then."""
MAIN = Path(__file__).resolve().parent.parent / "main.py"
WEATHER = Rates(jitter_s=0.02, reset=0.0005, stall=0.0001, refuse=0.02, cut=0.02)
LIES = LieRates(lost_answer=0.01, html_after=0.01, error=0.001, webhook=0.02, lag=0.02, partial=0.05)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured at one moment."""

    day: float
    rss_kib: int
    journal_kib: int
    orders: int
    sizes: dict[str, int]
    with_paper: int = 0  # of the filled orders since the sample before
    without_paper: int = 0


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What `shadow` said of the orders of a stretch of time, and what it took."""

    with_paper: int
    without_paper: int
    cpu_ms: int


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in all, and what was broken."""

    samples: list[Sample]
    broken: list[str]
    tables: dict[str, int] = {}  # bytes of the journal's tables and indices, by name
    events: int = 0  # of the journal, whose chain is checked at every start
    opened_s: float = 0.0  # that a start takes to check and read the journal
    cpu_s: float = 0.0
    differs: list[str] = []  # from production, in lines


def rss_kib() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def sizes(world: World, app: App) -> dict[str, int]:
    """Return the size of everything that could grow."""
    seen = {id(world), id(world.machine), id(world.checker)}  # what belongs to the simulation is no one's growth
    return {
        **world.loop.sizes(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - as cheap as it gets
        **growth.sizes("daemon", app, DAEMON, seen),
        **growth.sizes("exchange", world.box, EXCHANGE, seen),
        **growth.sizes_in_tasks(sorted(asyncio.all_tasks(), key=hash), DAEMON | EXCHANGE, seen),
    }


def forget(world: World) -> None:
    """Throw away what the simulation writes down for its own judge."""
    world.checker.received.clear()
    world.checker._known.clear()  # noqa: SLF001 - its own world
    world.checker._arrived.clear()  # noqa: SLF001 - same
    world.story.lines.clear()


async def script(world: World, days: float, samples: Path) -> None:
    """Let the daemon live, and measure; what was measured goes into a file, for it would grow, too."""
    world.weather._rates = WEATHER  # noqa: SLF001 - its own world
    world.box.rates = LIES
    world.source.trade_every_ms = TRADE_EVERY_MS
    world.machine.beside = [partial(record_beside, keep=TAPE_KEPT)]
    told_until = world.clock()
    beside = [world.loop.create_task(step()) for step in (sweep, world.person.attend)]
    await world.open()
    while world.loop.time() < days * 86_400:
        await asyncio.sleep(SAMPLE_S)
        ended = [str(line) for line in world.story.lines if line.what == "daemon ended"]
        app, life = world.machine.app, world.machine.generation
        assert app is not None and life == 1, ended  # noqa: PT018 - one thing: it lives
        forget(world)
        gc.collect()
        until = world.clock() - SHADOW_LAG
        measured = sample(world, app, lay_shadow(world.machine.folder(), told_until, until))
        told_until = until
        with samples.open("ab") as lines:
            lines.write(msgspec.json.encode(measured) + b"\n")
        if measured.day % TELL_EVERY_DAYS == 0:
            say(f"day {measured.day:.0f} of {days:g}: {measured.orders:,} orders, {measured.rss_kib:,} KiB of memory")
    for task in beside:
        task.cancel()


def lay_shadow(folder: Path, begin: datetime, end: datetime) -> Shadow:
    """Let the real program lay the shadow of the orders of a stretch of time, beside the daemon that lives."""
    options = ["--json", "--from", begin.isoformat(), "--to", end.isoformat()]
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(MAIN), "shadow", *options],
        env={"PATH": os.environ["PATH"], "BOT_DATA_DIR": str(folder.resolve())},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told
    found = msgspec.json.decode(told)["shadow"]
    return Shadow(
        with_paper=found["everything"]["orders"],
        without_paper=found["without_paper"],
        cpu_ms=round(1000 * (usage.ru_utime + usage.ru_stime)),
    )


def sample(world: World, app: App, shadow: Shadow) -> Sample:
    """Measure."""
    files = world.machine.folder().glob(f"{JOURNAL_FILE}*")
    tape = [path.stat().st_size for path in (world.machine.folder() / FOLDER).iterdir()]
    beside = {
        "tape, files": len(tape),
        "tape, KiB": sum(tape) // 1024,
        "shadow, ms of processor time": shadow.cpu_ms,
    }
    return Sample(
        day=world.loop.time() / 86_400,
        rss_kib=rss_kib(),
        journal_kib=sum(path.stat().st_size for path in files) // 1024,
        orders=world.checker.orders,
        sizes={**sizes(world, app), **beside},
        with_paper=shadow.with_paper,
        without_paper=shadow.without_paper,
    )


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)  # noqa: T201 - the report


def report(life: Life, wall: float) -> tuple[list[str], int]:
    """Return the report, ready for docs/operations.md, and 1 when something grows or is broken."""
    samples = life.samples
    days = [one.day for one in samples]
    columns = columns_of(samples)
    growing = [
        name
        for name, values in columns.items()
        if growth.grows(days, values, most_a_day(name)) and not any(re.search(kept, name) for kept in BY_DESIGN)
    ]
    changing = [name for name, values in columns.items() if len(set(values)) > 1]
    inside = [name for name in changing if "[]" in name and not growth.grows(days, columns[name], most_a_day(name))]
    lines = [
        f"{days[-1]:.1f} days, {samples[-1].orders:,} orders, {wall:.0f} s, {life.cpu_s:.0f} s of processor time",
        *life.differs,
        f"{'':<52}{'first':>9}{'most':>9}{'last':>9}{'a day':>11}",
        *(row(name, days, columns[name]) for name in changing if name not in inside),
        f"{len(inside)} more inside of these, which swing, and {len(columns) - len(changing)} that never changed",
        *journal_lines(life),
        *tape_lines(samples),
        *life.broken,
        *table(life.broken),
        "grows: " + ", ".join(growing) if growing else "nothing grows",
    ]
    return lines, 1 if growing or life.broken else 0


def columns_of(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """Return the values of everything that was measured, by name; what was not there had no entries."""
    names = sorted({name for one in samples for name in one.sizes})
    return {
        "memory, KiB": [float(one.rss_kib) for one in samples],
        **{name: [float(one.sizes.get(name, 0)) for one in samples] for name in names},
    }


def most_a_day(name: str) -> float:
    """Return how much a value may grow."""
    return MOST_BESIDE.get(name, growth.MOST_A_DAY)


def row(name: str, days: Sequence[float], values: Sequence[float]) -> str:
    """Return one line of the table."""
    a_day, _ = growth.slope(days, values)
    return f"{name:<52}{values[0]:>9,.0f}{max(values):>9,.0f}{values[-1]:>9,.0f}{a_day:>11,.3f}"


def journal_lines(life: Life) -> list[str]:
    """Return how the journal grows once verdicts are as old as they get."""
    samples, kept = life.samples, SCANS_KEPT / timedelta(days=1)
    days = [one.day for one in samples]
    kib, _ = growth.slope(days, [float(one.journal_kib) for one in samples], kept)
    orders, _ = growth.slope(days, [float(one.orders) for one in samples], kept)
    largest = sorted(life.tables.items(), key=lambda one: -one[1])[:6]
    an_order = kib / orders if orders else 0.0
    return [
        f"journal: {samples[-1].journal_kib:,} KiB, {life.events:,} events, read back in {life.opened_s:.2f} s",
        f"journal: from day {kept:.0f} on {kib:.1f} KiB a day, {an_order:.2f} KiB an order",
        "journal: " + ", ".join(f"{name} {size // 1024:,} KiB" for name, size in largest),
    ]


def tape_lines(samples: Sequence[Sample]) -> list[str]:
    """Return what is on tape a day, and how many orders have paper beside them."""
    kib, files = (samples[-1].sizes.get(f"tape, {what}", 0) for what in ("KiB", "files"))
    papers = sum(one.with_paper for one in samples)
    orders = papers + sum(one.without_paper for one in samples)
    return [
        f"tape: {kib:,} KiB in {files} files, {kib * 24 / max(files, 1):,.0f} KiB a day",
        f"shadow: {papers:,} of {orders:,} filled orders have paper beside them",
    ]


def live(days: float, unit: int) -> Life:
    """Live through all days; only for a process that ends soon after."""
    with tempfile.TemporaryDirectory(dir=memory_disk(), prefix="soak-") as folder, ExitStack() as stack:
        changed = {**LOOPS, **MEMORY}
        plan = replace(PLAN, hours=days * 24, unit=timedelta(minutes=unit))
        differs = differences(plan, changed)
        for name, value in changed.items():
            stack.enter_context(mock.patch(name, value))
        stack.enter_context(mock.patch("worlds.machine.daemon_config", unhurried_config))
        path = Path(folder) / "samples"
        _, story = in_world(plan, Path(folder), lambda _: None, lambda world: script(world, days, path))
        cpu_s = time.process_time()
        samples = [msgspec.json.decode(line, type=Sample) for line in path.read_bytes().splitlines()]
        copy = Path(folder) / "copy" / JOURNAL_FILE
        copy.parent.mkdir()
        with contextlib.closing(sqlite3.connect(Path(folder) / "data1" / JOURNAL_FILE)) as journal:
            journal.execute("VACUUM INTO ?", (str(copy),))
            tables, events = look_into(journal)
        tape = files_of(Path(folder) / "data1" / FOLDER)
        faults = [f"tape: {one.path.name}: {fault.en}" for one in examine(tape) for fault in one.faults]
        unshadowed = [] if any(one.with_paper for one in samples) else ["no order has paper beside it"]
        began = time.perf_counter()
        with Journal.open(copy, wall_clock):
            opened = time.perf_counter() - began
        return Life(
            samples=samples,
            broken=[*story.broken, *faults, *unshadowed],
            tables=tables,
            events=events,
            opened_s=opened,
            cpu_s=cpu_s,
            differs=differs,
        )


def look_into(journal: sqlite3.Connection) -> tuple[dict[str, int], int]:
    """Return the bytes of every table and index, where SQLite can tell, and the number of events."""
    (events,) = journal.execute("SELECT count(*) FROM event").fetchone()
    try:
        tables = dict(journal.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall())
    except sqlite3.OperationalError:  # built without that table
        tables = {}
    return tables, events


def main(arguments: list[str] | None = None) -> int:
    """Live a month."""
    parser = argparse.ArgumentParser(prog="python -m worlds.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--unit", type=int, default=UNIT, help="minutes of a candle; 1 trades some hundred times a day")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    ((_, content),) = map_forked([options.days], lambda days: msgspec.json.encode(live(days, options.unit)), workers=1)
    if not content:
        return 1
    lines, code = report(msgspec.json.decode(content, type=Life), time.perf_counter() - began)
    say(f"{wall_clock():%Y-%m-%d}: " + "\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
