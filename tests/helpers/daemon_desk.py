"""The unchanged daemon on a sandbox in the same process, on a loop that skips waiting: hours pass in seconds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import msgspec

from config.reading import load
from sandbox.faults.plan import FaultPlan
from sandbox.server import Opened, Sandbox, SandboxOptions, open_source
from simulation.loop import LoopClock, PacedLoop, library_clocks
from tests.helpers.values import changed
from trader.daemon import build, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from config.settings import Config
    from sandbox.market.feed import Source
    from trader.app import App

START = datetime(2026, 11, 2, tzinfo=UTC)
KEYS = {"ACCESS_KEY": "test-access-key", "SECRET_KEY": "test-secret-key-0123456789abcdef01234567"}


class Terms(TypedDict, total=False):
    """What a test may say of its exchange, as `opened` takes it."""

    markets: int
    seed: int
    krw: int
    after: timedelta
    faults: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon that trades, and its exchange."""

    app: App
    box: Sandbox

    def set_key(self, **changes: object) -> None:
        """Change what the exchange knows of the daemon's key."""
        keys = self.box.gate.keys
        keys[KEYS["ACCESS_KEY"]] = changed(keys[KEYS["ACCESS_KEY"]], **changes)

    def messages(self) -> list[str]:
        """Return the texts that reached the webhook."""
        return [str(message) for message in self.box.discord.messages]


@asynccontextmanager
async def opened(
    folder: Path,
    *overrides: str,
    markets: int = 3,
    seed: int = 1,
    krw: int = 1_000_000,
    after: timedelta = timedelta(0),
    faults: Sequence[Mapping[str, Any]] = (),
    source: Source | None = None,
) -> AsyncIterator[tuple[Sandbox, Config, LoopClock]]:
    """Open an exchange, as it is some time after the start, and return it with what daemons beside it are built of.

    Its market is a generated one, or that of a `source` which begins then.
    """
    loop, start = asyncio.get_running_loop(), START + after
    plan = (
        msgspec.convert({"description": "a test", "seed": seed, "rules": list(faults)}, FaultPlan) if faults else None
    )
    options = SandboxOptions(
        seed=seed,
        markets=markets,
        krw=Decimal(krw),
        access_key=KEYS["ACCESS_KEY"],
        secret_key=KEYS["SECRET_KEY"],
        start=start,
        faults=plan,
    )
    clock = LoopClock(start, loop)
    with library_clocks(loop):
        market = open_source(options, start) if source is None else Opened(source, start)
        async with Sandbox(options, clock, market) as box:
            environ = {
                **KEYS,
                "UPBIT_BASE_URL": box.url,
                "BOT_DATA_DIR": str(folder),
                "BOT_LANGUAGE": "en",
                "WEBHOOK_URL": f"{box.url}/api/webhooks/1/test",
            }
            config = load(environ, overrides=["strategy.unit=1", "trading.seed=1", *overrides])
            yield box, config, clock


@asynccontextmanager
async def beside(folder: Path, *overrides: str, **exchange: Unpack[Terms]) -> AsyncIterator[Desk]:
    """Open an exchange, and build a daemon that does not run yet beside it."""
    async with (
        opened(folder, *overrides, **exchange) as (box, config, clock),
        build(config, clock, asyncio.Event()) as app,
    ):
        yield Desk(app, box)


@asynccontextmanager
async def serving(config: Config, clock: LoopClock) -> AsyncIterator[App]:
    """Let a daemon trade until the block ends."""
    async with build(config, clock, asyncio.Event()) as app, asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app), name="daemon")
        yield app
        app.stop.set()


@asynccontextmanager
async def trading(folder: Path, *overrides: str, **exchange: Unpack[Terms]) -> AsyncIterator[Desk]:
    """Let a daemon trade on an exchange until the block ends."""
    async with opened(folder, *overrides, **exchange) as (box, config, clock), serving(config, clock) as app:
        yield Desk(app, box)


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Tell a story on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
