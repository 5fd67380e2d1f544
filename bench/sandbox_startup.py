"""How soon the sandbox serves, how much memory it takes, and whether that stays: 289 markets, 400 minutes of history.

    python bench/sandbox_startup.py [--markets 289] [--hours 24]

Starts `main.py sandbox` as a process, waits for its start line, asks for 400 one-minute candles of every market on
several connections, then reads the memory of the process. A second part lets a market of the same size go on for
a simulated day without sockets and prints the memory after each quarter of it: it must stop growing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sandbox.market.markets import Markets  # noqa: E402 - same
from sandbox.market.sources.generator import Generator  # noqa: E402 - it lies beside this folder

START_MS = 1_793_577_600_000  # 2026-11-02 00:00 UTC
PAGE = 200
CONNECTIONS = 4
SPEED = 60
MB = 1 << 20


def resident_mb(pid: int | str) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / MB


async def ask(session: aiohttp.ClientSession, url: str, market: str) -> int:
    """Ask for two pages of minutes; return how many came."""
    query = {"market": market, "count": str(PAGE)}
    newest = await page(session, url, query)
    if len(newest) < PAGE:
        return len(newest)
    query["to"] = newest[-1]["candle_date_time_utc"]
    return PAGE + len(await page(session, url, query))


async def page(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> list[dict[str, str]]:
    """Return one page of minutes."""
    async with session.get(f"{url}/candles/minutes/1", params=query) as answer:
        answer.raise_for_status()
        return list(await answer.json())


async def ask_all(url: str, markets: list[str]) -> int:
    """Ask for the minutes of all markets, some at a time."""
    waiting, found = list(markets), 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal found
        while waiting:
            pages = await ask(session, url, waiting.pop())  # first, or what others found meanwhile is lost
            found += pages

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(work(session))
    return found


async def names(url: str) -> list[str]:
    """Return all markets."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/market/all") as answer:
        return [listing["market"] for listing in await answer.json()]


def process(markets: int) -> None:
    """Measure a sandbox as a user starts it; a fast market, because its limits are ten pages in a market second."""
    command = [sys.executable, "main.py", "sandbox", "--json", "--markets", str(markets), "--speed", str(SPEED)]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as box:  # noqa: S603 - our own program
        assert box.stdout is not None
        line = json.loads(box.stdout.readline())
        print(f"start line after                              {time.perf_counter() - began:8.2f} s")
        print(f"memory then                                   {resident_mb(box.pid):8.0f} MB")
        listed = asyncio.run(names(line["rest"]))
        began = time.perf_counter()
        found = asyncio.run(ask_all(line["rest"], listed))
        print(f"400 minutes of {len(listed)} markets ({found:,} candles) {time.perf_counter() - began:8.2f} s")
        print(f"memory then                                   {resident_mb(box.pid):8.0f} MB")
        box.terminate()
        box.communicate()


def day(markets: int, hours: float) -> None:
    """Let a market go on, and print its memory on the way."""
    made = Markets(Generator(1, markets, START_MS))
    for name in made.listed:
        made.ticker(name)
    began, trades = time.perf_counter(), 0
    print(f"\nwithout sockets, after  0 h                   {resident_mb('self'):8.0f} MB")
    for quarter in range(1, 5):
        until = START_MS + int(hours * 3_600_000 * quarter / 4)
        for at_ms in range(START_MS + int(hours * 3_600_000 * (quarter - 1) / 4), until + 1, 60_000):
            trades += len(made.advance(at_ms))
        told = f"after {hours * quarter / 4:5.1f} h, {trades:,} trades, {time.perf_counter() - began:.0f} s"
        print(f"{told:<45} {resident_mb('self'):8.0f} MB")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--hours", type=float, default=24)
    options = parser.parse_args()
    process(options.markets)
    day(options.markets, options.hours)


if __name__ == "__main__":
    main()
