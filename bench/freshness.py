"""Measure how soon after a minute's end every market is judged: the daemon beside a sandbox process, over real sockets.

The sandbox runs at wall speed with quiet and busy markets; the daemon decides on minute candles, in this process, so
that the moment of publication is seen itself. When it knows all candles the minutes are counted; then a plain sweep
over REST at ten requests a second, from an address of its own, shows in the same run what asking would have taken; and
at the end all candles are compared with REST's. How late the daemon's loop is from each minute's end to the verdicts is
told beside how late a loop was then that has nothing to do, in a process of its own: the rest is not ours.

    python bench/freshness.py --minutes 10
    python bench/freshness.py --minutes 30 --reconnects 1     # cuts the candle stream once a minute, at random
    python bench/freshness.py --minutes 10 --beside           # a second daemon behind the same address
    python bench/freshness.py --minutes 5 --strategy all      # each shipped strategy, one after the other
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.reading import load  # noqa: E402 - all of these: run by path
from state import Guarded  # noqa: E402
from strategy.registry import STRATEGIES  # noqa: E402
from trader.candles.series import FIELDS, differences, last_close, to_arrays  # noqa: E402
from trader.clock import wall_clock  # noqa: E402
from trader.daemon import build, serve  # noqa: E402
from upbit.models import from_ms  # noqa: E402
from upbit.rest import Upbit  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from config.settings import Config
    from strategy.base import Snapshot
    from strategy.grid import CandleArrays
    from trader.app import App

UNIT = timedelta(minutes=1)
MINUTES = {"volatility_breakout": 15}
"""Of a candle, where it is not one: this window holds a week, and a week of minutes takes half an hour to fetch."""
KEYS = ("bench-access-key", "bench-secret-key-0123456789abcdef01234567")
SECOND = ("other-access-key", "other-secret-key-0123456789abcdef01234567")
SWEEP_A_SECOND = 10
SWEEP_FROM = "127.0.0.2"
PROBE_S = 0.002
COLD_S = 900.0
TOO_OFTEN = 429
CLOSE_S = 5.0
"""So long after a minute's end verdicts are there; an idle loop looks at itself only then."""


@dataclass
class Seen:
    """What is seen of a daemon while it runs."""

    published: dict[datetime, dict[str, float]] = field(default_factory=dict)  # by close: seconds after it, by market
    asked: list[datetime] = field(default_factory=list)  # when candles were asked for
    lags: list[tuple[datetime, float, float]] = field(default_factory=list)  # when, how late, of which our own work
    started: datetime = field(default_factory=wall_clock)
    refused: list[datetime] = field(default_factory=list)  # when the exchange said that it is asked too often

    def answered(self, method: str, path: str, status: int, content: bytes, *, signed: bool) -> None:
        """Take note of an answer."""
        del method, path, content, signed
        if status == TOO_OFTEN:
            self.refused.append(wall_clock())


class Watched(Guarded[str, "Snapshot"]):
    """A shared dict that notes when each market's verdict of a minute was there first."""

    def __init__(self, seen: Seen, unit: timedelta) -> None:
        super().__init__()
        self._seen, self._longer = seen, unit > UNIT

    async def replace(self, items: Mapping[str, Snapshot]) -> None:
        """Put `items` in the place of everything, and look at the clock."""
        await super().replace(items)
        now = wall_clock()
        for market, snapshot in items.items():
            closed_at = last_close(snapshot.price_as_of, UNIT) if self._longer else snapshot.candle_closed_at
            told = self._seen.published.setdefault(closed_at, {})
            told.setdefault(market, (now - closed_at).total_seconds())


@contextlib.asynccontextmanager
async def sandbox(markets: int, seed: int, log: Path) -> AsyncIterator[tuple[str, Counter[str]]]:
    """Run the exchange in a process of its own; yield its address, and what it counts of broken rules at its end."""
    arguments = ["--json", "--markets", str(markets), "--seed", str(seed)]
    keys = ["--access-key", KEYS[0], "--secret-key", KEYS[1], "--account", ":".join(["second", *SECOND, "1000000"])]
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *["main.py", "sandbox", *arguments, *keys],
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=2**20,
        )
        assert process.stdout is not None
        broken: Counter[str] = Counter()
        try:
            yield json.loads(await process.stdout.readline())["url"], broken
        finally:
            process.send_signal(signal.SIGTERM)
            broken.update(json.loads(await process.stdout.readline() or b"{}").get("violations", {}))
            await process.wait()


@contextlib.asynccontextmanager
async def second_daemon(url: str, folder: Path, *, wanted: bool) -> AsyncIterator[None]:
    """Run another daemon with an account of its own in a process of its own."""
    if not wanted:
        yield
        return
    own = {"UPBIT_BASE_URL": url, "ACCESS_KEY": SECOND[0], "SECRET_KEY": SECOND[1], "BOT_DATA_DIR": str(folder / "two")}
    with (folder / "second.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *["main.py", "run", "--set", "strategy.unit=1"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **own},
            stderr=log,
            stdout=log,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


def watched(app: App, seen: Seen) -> None:
    """Look at what the daemon publishes and asks for."""
    app.state.snapshot_dict = Watched(seen, app.candles.unit)
    app.upbit.on_answer = seen.answered
    ask = app.upbit.candles

    async def counted(*args: Any, **named: Any) -> Any:
        seen.asked.append(wall_clock())
        return await ask(*args, **named)

    app.upbit.candles = counted  # type: ignore[method-assign]


async def probe(seen: Seen) -> None:
    """Note how late the loop is, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due, worked = loop.time() + PROBE_S, time.thread_time()
        await asyncio.sleep(PROBE_S)
        late = loop.time() - due
        seen.lags.append((wall_clock(), late, min(late, time.thread_time() - worked)))


async def probe_idle() -> None:
    """Probe a loop that has nothing to do, until SIGTERM; then print what was seen after the minutes' ends."""
    seen, stop = Seen(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    task = asyncio.create_task(probe(seen))
    await stop.wait()
    task.cancel()
    closes = [(at.timestamp(), late) for at, late, _ in seen.lags if at.timestamp() % 60.0 < CLOSE_S]
    print(json.dumps(closes), flush=True)


@contextlib.asynccontextmanager
async def idle_loop() -> AsyncIterator[list[tuple[datetime, float]]]:
    """Let a loop be idle in a process of its own; when the block is over the list says how late it was when."""
    lags: list[tuple[datetime, float]] = []
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--idle", stdout=asyncio.subprocess.PIPE, limit=2**28
    )
    try:
        yield lags
    finally:
        process.send_signal(signal.SIGTERM)
        told, _ = await process.communicate()
        lags += [(from_ms(round(1000 * at)), late) for at, late in json.loads(told)]


async def cut_now_and_then(app: App, a_minute: float, rng: random.Random) -> None:
    """Drop the connection that tells candles, at random moments, until cancelled."""
    while True:
        await asyncio.sleep(rng.expovariate(a_minute / 60.0))
        app.candle_stream.reconnect()


async def all_judged(seen: Seen, markets: int) -> float:
    """Wait until every market is judged; return how long after the start that was, seconds."""
    while (wall_clock() - seen.started).total_seconds() < COLD_S:
        for closed_at, told in seen.published.items():
            if len(told) >= markets:
                return (closed_at - seen.started).total_seconds() + max(told.values())
        await asyncio.sleep(0.1)
    raise TimeoutError(f"not all of {markets} markets were judged in {COLD_S:g} s")


async def sweep(session: aiohttp.ClientSession, url: str, markets: Sequence[str]) -> tuple[list[float], int]:
    """Ask for every market's candles right after a minute's end; return how late each answer came, and the refusals."""
    await asyncio.sleep(60.0 - wall_clock().timestamp() % 60.0 + 0.01)  # a loop may wake a moment early
    closed_at, loop, late = last_close(wall_clock(), UNIT), asyncio.get_running_loop(), list[float]()
    due, refused = loop.time(), 0

    async def ask(market: str) -> None:
        nonlocal refused
        asked = {"market": market, "count": "2", "to": closed_at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        while True:
            async with session.get(f"{url}/v1/candles/minutes/1", params=asked) as answer:
                await answer.read()
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            refused += 1
            await asyncio.sleep(1.0)
        answer.raise_for_status()
        late.append((wall_clock() - closed_at).total_seconds())

    async with asyncio.TaskGroup() as questions:
        for market in markets:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = loop.time() + 1 / SWEEP_A_SECOND  # who was held up does not catch up: that would be too many at once
            questions.create_task(ask(market))
    return late, refused


async def unequal(app: App, upbit: Upbit) -> tuple[list[str], int]:
    """Compare every market's candles with REST's; return where they differ, and how many were compared."""
    differ, compared = list[str](), 0
    for market in list(app.candles.series()):
        ours, until = app.candles.series()[market], app.candles.as_of(market)
        assert until is not None
        page = to_arrays(reversed(await upbit.candles(market, app.candles.unit, count=200, to=until)))
        if differences(ours, page):
            mine, theirs = (
                {one: of(arrays, n) for n, one in enumerate(arrays.opened_at_ms)} for arrays in (ours, page)
            )
            wrong = [one for one in theirs if mine.get(one) != theirs[one]]
            differ += [f"{market} {from_ms(int(one))} {mine.get(one)} {theirs[one]}" for one in wrong]
        compared += len(page.close)
    return differ, compared


def of(arrays: CandleArrays, place: int) -> tuple[float, ...]:
    """Return the numbers of one candle."""
    return tuple(float(getattr(arrays, name)[place]) for name in FIELDS)


async def run(options: argparse.Namespace, folder: Path) -> None:
    """Measure, and print every figure."""
    async with (
        sandbox(options.markets, options.seed, folder / "sandbox.log") as (url, broken),
        second_daemon(url, folder, wanted=options.beside),
    ):
        environ = {"ACCESS_KEY": KEYS[0], "SECRET_KEY": KEYS[1], "UPBIT_BASE_URL": url, "BOT_DATA_DIR": str(folder)}
        first, *others = [
            load(environ, overrides=[f"strategy.unit={MINUTES.get(name, 1)}", f"strategy.name={name}"])
            for name in options.strategy
        ]
        async with running(first, seen := Seen()) as app:
            say("first start to all judged", f"{await all_judged(seen, options.markets):6.1f} s")
            minutes = await watch_closes(options, app, seen)
            await compare(app, url, [late for one in minutes for late in seen.published[one].values()])
        for config in [*others, first]:
            say("", config.strategy.name)
            async with running(config, seen := Seen()) as app:
                say("restart to all judged", f"{await all_judged(seen, options.markets):6.2f} s")
                if config is not first:
                    await watch_closes(options, app, seen)
    say("broken rules", str(dict(broken) or "none"))


async def watch_closes(options: argparse.Namespace, app: App, seen: Seen) -> list[datetime]:
    """Look at some minutes of a daemon, print what was seen, and return their ends."""
    rng, began = random.Random(options.seed), last_close(wall_clock(), UNIT)
    async with idle_loop() as idle, asyncio.TaskGroup() as tasks:
        helpers = [tasks.create_task(probe(seen))]
        if options.reconnects:
            helpers.append(tasks.create_task(cut_now_and_then(app, options.reconnects, rng)))
        await asyncio.sleep(options.minutes * 60.0 + 30.0)
        for helper in helpers:
            helper.cancel()
    minutes = sorted(one for one in seen.published if began < one <= last_close(wall_clock(), UNIT))
    tell(seen, minutes, idle)
    return minutes


async def compare(app: App, url: str, each: Sequence[float]) -> None:
    """Print what a sweep over REST takes beside how late each market was judged, and which candles differ."""
    connector = aiohttp.TCPConnector(local_addr=(SWEEP_FROM, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        other, asking = Upbit(session, base_url=url), Seen()
        other.on_answer = asking.answered
        swept, refused = await sweep(session, url, sorted(app.candles.series()))
        say("a sweep over REST", spread(swept))
        say("ours to the sweep, p99", f"{np.quantile(each, 0.99) / np.quantile(swept, 0.99):.3f}")
        differ, compared = await unequal(app, other)
        say("candles unlike REST's", f"{len(differ)} of {compared}; {app.candles.late} told late and put right")
        for line in differ:
            say("", line)
        say("429 answers to these", f"{len(asking.refused)}; to the sweep {refused}")


@contextlib.asynccontextmanager
async def running(config: Config, seen: Seen) -> AsyncIterator[App]:
    """Run the daemon in this process, and look at it."""
    seen.started = wall_clock()
    async with build(config, wall_clock, asyncio.Event()) as app, asyncio.TaskGroup() as tasks:
        watched(app, seen)
        gc.collect()
        gc.freeze()  # as `run` does
        tasks.create_task(serve(app), name="daemon")
        yield app
        app.stop.set()


def tell(seen: Seen, minutes: Sequence[datetime], idle: Sequence[tuple[datetime, float]]) -> None:
    """Print what is known of some minutes."""
    told = [seen.published[one] for one in minutes]
    ends = [one + timedelta(seconds=max(late.values())) for one, late in zip(minutes, told, strict=True)]
    asked = [sum(one <= at < one + UNIT for at in seen.asked) for one in minutes]
    spans = list(zip(minutes, ends, strict=True))

    def inside(at: datetime) -> bool:
        return any(begin <= at <= end for begin, end in spans)

    lags = [(1000 * late, 1000 * own) for at, late, own in seen.lags if inside(at)]
    say("minutes", f"{len(minutes)}, of {min(map(len, told))} to {max(map(len, told))} markets")
    say("a market judged", spread([late for one in told for late in one.values()]))
    say("every market judged", spread([max(one.values()) for one in told]))
    say("candle requests a minute", f"mean {sum(asked) / len(asked):.1f}   most {max(asked)}")
    say("429 answers since start", ", ".join(f"{at:%H:%M:%S}" for at in seen.refused) or "none")
    say("loop late through closes", spread([late for late, _ in lags], "ms"))
    say("  by its own work", spread([own for _, own in lags], "ms"))
    say("  of an idle loop, then", spread([1000 * late for at, late in idle if inside(at)], "ms"))


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Return median, 99th percentile and the largest of some values."""
    half, nearly = np.quantile(values, [0.5, 0.99])
    return f"p50 {half:6.2f} {unit}   p99 {nearly:6.2f} {unit}   slowest {max(values):6.2f} {unit}"


def say(what: str, figure: str) -> None:
    """Print one figure at once."""
    print(f"{what:26}{figure}", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--minutes", type=float, default=10.0)
    names = [strategy.name for strategy in STRATEGIES]
    parser.add_argument("--strategy", nargs="+", default=names[:1], choices=[*names, "all"])
    parser.add_argument("--reconnects", type=float, default=0.0, metavar="N", help="cuts of the stream a minute")
    parser.add_argument("--beside", action="store_true", help="a second daemon behind the same address")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it: candles and logs")
    parser.add_argument("--idle", action="store_true", help="only look at a loop that has nothing to do")
    options = parser.parse_args()
    if options.idle:
        uvloop.run(probe_idle())
        return
    if "all" in options.strategy:
        options.strategy = names

    about = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {sys.version.split()[0]}"
    say(about, f", {options.markets} markets, {options.strategy[0]}")
    with tempfile.TemporaryDirectory() as made, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        folder = options.keep or Path(made)
        folder.mkdir(exist_ok=True)
        runner.run(run(options, folder))


if __name__ == "__main__":
    main()
