"""Measure what those who look at the page cost the daemon: 0 and 50 viewers, one of them stalled, in turns of one run.

The daemon runs in this process, on a real loop, against `main.py sandbox` in another; viewers are a third one, so that
only what the daemon does for them counts. Linux only.

    python bench/page.py --turns 3 --seconds 60
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from config.settings import Config, Secret  # noqa: E402 - all of these: run by path
from dashboard.desk import Desk  # noqa: E402
from dashboard.passes import SESSION, Role  # noqa: E402
from dashboard.server import Site  # noqa: E402
from trader.admission import come_up  # noqa: E402
from trader.clock import wall_clock  # noqa: E402
from trader.daemon import build, serve  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trader.app import App

SAMPLE_S = 0.005
WARM_S = 30.0
"""Until the daemon has looked at all markets, and somebody at the page: what is loaded once is no viewer's."""
EAGER = {
    "fast": 2,
    "slow": 4,
    "btc_ema": 3,
    "atr_period": 3,
    "min_candles": 5,
    "cooldown_candles": 1,
    "max_natr": 100.0,
    "stop_atr": 1.0,
    "min_turnover_krw": 0.0,
}
"""Parameters with which there is always something to buy and to sell: orders are what is measured."""
PLACES, ORDER_KRW = 20, 10_000
SECRET = "bench-secret-key-0123456789abcdef01234567"  # noqa: S105 - opens nothing but the sandbox started here


@dataclass
class Turn:
    """One turn with some viewers."""

    viewers: int
    began: datetime
    lags_s: list[float] = field(default_factory=list)
    busy_s: list[float] = field(default_factory=list)  # processor time of the loop between two wakes
    cpu_s: float = 0.0
    resident_mb: float = 0.0


def resident_mb() -> float:
    """Return the resident memory of this process in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def p99(values: list[float]) -> float:
    """Return the value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else float("nan")


async def look(url: str, cookie: str, viewers: int, *, stalled: int) -> None:
    """Read the stream as so many browsers, of whom some read nothing, until killed."""
    host, _, port = url.removeprefix("http://").partition(":")
    asked = f"GET /stream?of=/&after=0 HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n".encode()

    async def one(*, reads: bool) -> None:
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(asked)
        while reads and await reader.read(65536):
            pass
        await asyncio.Event().wait()  # its connection stays, and nobody takes what comes

    async with asyncio.TaskGroup() as all_of_them:
        for number in range(viewers):
            all_of_them.create_task(one(reads=number >= stalled))


@contextlib.asynccontextmanager
async def looking(address: str, cookie: str, viewers: int) -> AsyncIterator[None]:
    """Let so many look from another process, one of them without reading."""
    if not viewers:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--look", address, "--cookie", cookie, "--viewers", str(viewers)
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def sample(turn: Turn, seconds: float) -> None:
    """Note how late the loop wakes who sleeps, for so long, and how much of that it worked itself.

    How late it is depends on whatever else the machine does; how long it works does not.
    """
    loop = asyncio.get_running_loop()
    end, cpu = loop.time() + seconds, time.process_time()
    while (began := loop.time()) < end:
        worked = time.thread_time()
        await asyncio.sleep(SAMPLE_S)
        turn.busy_s.append(time.thread_time() - worked)
        turn.lags_s.append(loop.time() - began - SAMPLE_S)
    turn.cpu_s, turn.resident_mb = time.process_time() - cpu, resident_mb()


async def measure(config: Config, options: argparse.Namespace) -> tuple[list[Turn], dict[int, list[float]]]:
    """Run the daemon and its page, and take turns; return them, and how long orders took, ms, by number of viewers."""
    turns: list[Turn] = []
    stop = asyncio.Event()
    async with build(config, wall_clock, stop) as app:
        assert await come_up(app)

        async def take_turns(app: App) -> None:
            site = Site(Desk.of(app, 1.0), lambda address, _: opened.set_result(address))
            opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            async with asyncio.TaskGroup() as tasks:
                page = tasks.create_task(site.run())
                address = await opened
                cookie = f"{site.cookie}={site.desk.passes.issue(SESSION, Role.OWNER, timedelta(days=1))}"
                async with looking(address, cookie, 2):
                    await asyncio.sleep(WARM_S)
                for number in range(2 * options.turns):
                    turn = Turn(viewers=(number % 2) * options.viewers, began=datetime.now(UTC))
                    async with looking(address, cookie, turn.viewers):
                        await asyncio.sleep(2.0)
                        turn.began = datetime.now(UTC)
                        await sample(turn, options.seconds)
                        print(turn.viewers, "viewers; connected:", len(site.feed.viewers), file=sys.stderr)
                    turns.append(turn)
                page.cancel()
            stop.set()

        await serve(app, beside=[take_turns])
        return turns, to_wire(app, turns, options.seconds)


def to_wire(app: App, turns: list[Turn], seconds: float) -> dict[int, list[float]]:
    """Return how long each order took from its decision until it was sent, ms, by number of viewers."""
    found: dict[int, list[float]] = {turn.viewers: [] for turn in turns}
    for intent, _ in app.journal.executions():
        first = app.journal.attempts(intent.identifier)[0].began_at
        for turn in turns:
            if turn.began <= intent.decided_at < turn.began + timedelta(seconds=seconds):
                found[turn.viewers].append((first - intent.decided_at) / timedelta(milliseconds=1))
    return found


def report(turns: list[Turn], wire: dict[int, list[float]], viewers: int) -> None:
    """Print one table, and the ratios."""
    print(f"{'':34}{'0 viewers':>14}{f'{viewers} viewers':>14}{'ratio':>8}")
    by = {count: [turn for turn in turns if turn.viewers == count] for count in (0, viewers)}
    lags = {count: [lag for turn in some for lag in turn.lags_s] for count, some in by.items()}
    seconds = {count: sum(len(turn.lags_s) for turn in some) * SAMPLE_S for count, some in by.items()}
    rows = {
        "loop lag p50, ms": {count: 1000 * statistics.median(lags[count]) for count in by},
        "loop lag p99, ms": {count: 1000 * p99(lags[count]) for count in by},
        f"loop busy in {1000 * SAMPLE_S:.0f} ms, p99, ms": {
            count: 1000 * p99([busy for turn in some for busy in turn.busy_s]) for count, some in by.items()
        },
        "processor time, % of a core": {
            count: 100 * sum(turn.cpu_s for turn in by[count]) / seconds[count] for count in by
        },
        f"decision to wire, median ms (n={len(wire[0])}, {len(wire[viewers])})": {
            count: statistics.median(wire[count]) if wire[count] else float("nan") for count in by
        },
        "decision to wire, p99 ms": {count: p99(wire[count]) for count in by},
        "resident, MB": {count: statistics.median(turn.resident_mb for turn in by[count]) for count in by},
    }
    for name, values in rows.items():
        print(f"{name:34}{values[0]:>14.3f}{values[viewers]:>14.3f}{values[viewers] / values[0]:>8.3f}")
    print(f"memory with viewers: {rows['resident, MB'][viewers] - rows['resident, MB'][0]:+.2f} MB")


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that `run` takes."""
    try:
        import uvloop  # noqa: PLC0415 - not everywhere
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def main() -> None:
    """Measure, or look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="of each number of viewers (default 3)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each turn (default 60)")
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--look", help=argparse.SUPPRESS)
    parser.add_argument("--cookie", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        asyncio.run(look(options.look, options.cookie, options.viewers, stalled=1))
        return
    with tempfile.TemporaryDirectory() as folder:
        bare = {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en"}
        words = ["sandbox", "--json", "--markets", str(options.markets), "--access-key", "b", "--secret-key", SECRET]
        box = subprocess.Popen(  # noqa: S603 - our own program with our own words
            [sys.executable, "main.py", *words], cwd=ROOT, env=bare, stdout=subprocess.PIPE, text=True
        )
        try:
            assert box.stdout is not None
            url = json.loads(box.stdout.readline())["url"]
            plain = Config(base_url=url, access_key=Secret("b"), secret_key=Secret(SECRET), data_dir=Path(folder))
            strategy = dataclasses.replace(plain.strategy, unit=timedelta(minutes=1), parameters=EAGER)
            trading = dataclasses.replace(plain.trading, max_open_trades=PLACES, order_krw=Decimal(ORDER_KRW))
            eager = dataclasses.replace(plain, strategy=strategy, trading=trading)
            with asyncio.Runner(loop_factory=new_loop) as runner:
                turns, wire = runner.run(measure(eager, options))
        finally:
            box.send_signal(signal.SIGTERM)
            box.wait(timeout=30)
    report(turns, wire, options.viewers)


if __name__ == "__main__":
    main()
