"""The exchange of `make sigkill`, in a process of its own that survives its victims, with the checker beside it.

Talks to the harness in lines: it prints its address, and answers each command with one line of JSON.

    lie KIND COUNT   what befalls the next orders, whatever the rates say
    honest           no lies; what was to befall orders does not
    lies             lies at the usual rates again
    take             a person takes out half of the coins of a market that the bot holds
    shock FRACTION   all markets but the leader cost a fraction less from now on
    lost PATH        what a journal has learned is about to be lost
    judge PATH       compare the exchange's books with a journal
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sandbox.server import Opened, SandboxOptions
from trader.clock import wall_clock
from worlds.judges.books import ReopenedBooks
from worlds.judges.caps import Limits
from worlds.judges.checker import Checker
from worlds.judges.verdict import Verdict
from worlds.lies.sandbox import LieRates, LyingSandbox
from worlds.plan import ACCESS_KEY, SECRET_KEY
from worlds.sigkill.market import FastWaveMarket, first_beat
from worlds.story import Story

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KRW = Decimal(10_000_000)
RATES = LieRates(lost_answer=0.05, html_after=0.05, limited=0.03, never=0.03, lag=0.1, webhook=0.1)
ORDER_KRW, MAX_DAY_KRW, MAX_OPEN_TRADES = Decimal(50_000), Decimal(1_000_000_000), 4


class ObservedExchange:
    """An exchange, a person beside it, and a checker, in real time."""

    def __init__(self, seed: int, journal: Path) -> None:
        start_ms = first_beat(int(wall_clock().timestamp() * 1000))
        self.source = FastWaveMarket(seed, start_ms)
        self.story = Story(wall_clock)
        self.box = LyingSandbox(
            SandboxOptions(seed=seed, krw=KRW, access_key=ACCESS_KEY, secret_key=SECRET_KEY),
            wall_clock,
            Opened(self.source, datetime.fromtimestamp(start_ms / 1000, UTC)),
            rng=random.Random(f"{seed} arena"),
            story=self.story,
            on_lie=lambda *_: None,
        )
        self.box.rates = RATES
        self.box.spared = lambda call: call.json.get("time_in_force") == "ioc"  # fences end doubts that lies began
        limits = Limits(
            order_krw=ORDER_KRW,
            market_krw=2 * ORDER_KRW,
            day_krw=MAX_DAY_KRW,
            max_open_trades=MAX_OPEN_TRADES,
            unit=timedelta(minutes=1),
        )
        self.checker = Checker(self.box.exchange, self.story, limits=limits)
        self.checker.books = ReopenedBooks(journal)
        self.box.on_message = self.checker.on_message
        self.box.on_post = lambda call: self.checker.on_post(dict(call.json))

    def lie(self, kind: str, count: str) -> int:
        """Let something befall the next orders."""
        self.box.forced = [kind] * int(count)
        return int(count)

    def honest(self) -> int:
        """Lie no more; return how many lies were left."""
        left = len(self.box.forced)
        self.box.forced = []
        self.box.calm()
        return left

    def lies(self) -> int:
        """Lie at the usual rates again."""
        self.box.rates = RATES
        return 0

    def take(self) -> dict[str, str]:
        """Withdraw half of the coins of one market, all of which are the bot's; return what, empty without any."""
        for market in sorted(self.box.exchange.markets):
            coin = market.removeprefix("KRW-")
            half = (self.box.exchange.accounts.of(coin)[0] / 2).quantize(Decimal("0.00000001"), ROUND_FLOOR)
            if half:
                self.box.exchange.deposit(coin, -half)
                self.checker.owner_acted(market)
                return {"market": market, "volume": str(half)}
        return {}

    def shock(self, fraction: str) -> int:
        """Let all markets fall."""
        self.source.shocks.append((int(wall_clock().timestamp() * 1000), float(fraction)))
        self.source.price.cache_clear()
        return len(self.source.shocks)

    def lost(self, path: str) -> int:
        """Take notice that what a journal has learned is about to be lost; return what it knew to be under way."""
        books = ReopenedBooks(Path(path))
        self.checker.forget(books, ())
        return len(books.live())

    def judge(self, path: str) -> dict[str, object]:
        """Compare both books."""
        Verdict(self.checker, ReopenedBooks(Path(path))).give(repeats=10**9)
        return {"broken": self.story.broken, "orders": self.checker.orders, "fills": self.checker.fills}


def say(value: object) -> None:
    """Answer the harness."""
    print(msgspec.json.encode(value).decode(), flush=True)  # noqa: T201 - the line it waits for


async def serve(seed: int, journal: Path) -> None:
    """Serve until the harness closes our input."""
    observed = ObservedExchange(seed, journal)
    async with observed.box:
        say(observed.box.url)
        async for command, *values in commands():
            say(getattr(observed, command)(*values))


async def commands() -> AsyncIterator[list[str]]:
    """Yield what the harness says."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        yield line.split(" ")


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
