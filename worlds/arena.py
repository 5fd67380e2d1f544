"""The exchange of `make sigkill`, in a process of its own that survives its victims, with the checker beside it.

Talks to the harness in lines: it prints its address, reads `fall` (the leader falls, so that everything is sold) and
`judge PATH` (compare the exchange's books with a journal), and answers each with one line of JSON.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sandbox.server import Opened, SandboxOptions
from worlds.checker import Books, Checker
from worlds.lies import LieRates, LyingBox
from worlds.plan import ACCESS_KEY, SECRET_KEY, Plan
from worlds.seesaw import Seesaw
from worlds.story import Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
SCALE = 6.0
"""Market seconds per second: a candle takes ten seconds."""
RATES = LieRates(lost_answer=0.12, html_after=0.08, limited=0.05, never=0.08, lag=0.2, error=0.02, webhook=0.1)


def say(value: object) -> None:
    """Answer the harness."""
    print(msgspec.json.encode(value).decode(), flush=True)  # noqa: T201 - the line it waits for


async def serve(seed: int, journal: Path) -> None:
    """Serve until the harness closes our input."""
    epoch = time.time()

    def clock() -> datetime:
        return START + timedelta(seconds=(time.time() - epoch) * SCALE)

    source = Seesaw(seed, 4, int(START.timestamp() * 1000))
    story = Story(clock)
    options = SandboxOptions(
        seed=seed, krw=Decimal(1_000_000), speed=SCALE, access_key=ACCESS_KEY, secret_key=SECRET_KEY
    )
    rng = random.Random(f"{seed} arena")
    box = LyingBox(options, clock, Opened(source, START), rng=rng, story=story, on_lie=lambda *_: None)
    box.rates = RATES
    plan = Plan(seed=seed)
    checker = Checker(box.exchange, story, caps={"order_krw": plan.order_krw, "max_open_trades": 4})
    box.on_message = checker.on_message
    checker.books = Books(journal)
    box.on_post = lambda call: checker.on_post(dict(call.json))
    async with box:
        say({"url": box.url, "epoch": epoch, "start": START, "scale": SCALE})
        async for command, path in commands():
            if command == "fall":
                box.calm()
                source.fall_at_ms = int(clock().timestamp() * 1000)
                say("falling")
            elif command == "judge":
                checker.at_rest(Books(Path(path)), repeats=10**9)
                say({"broken": story.broken, "orders": checker.orders, "fills": checker.fills})


async def commands() -> AsyncIterator[tuple[str, str]]:
    """Yield what the harness says."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        command, _, path = line.partition(" ")
        yield command, path


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
