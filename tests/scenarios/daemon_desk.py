"""The unchanged daemon on a sandbox in the same process, on a loop that skips waiting: hours pass in seconds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cli.daemon import build, serve
from config.reading import load
from sandbox.server import Sandbox, SandboxOptions, open_source
from simulation.loop import LoopClock, PacedLoop, library_clocks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from trader.app import App

START = datetime(2026, 11, 2, tzinfo=UTC)
KEYS = {"ACCESS_KEY": "test-access-key", "SECRET_KEY": "test-secret-key-0123456789abcdef01234567"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A daemon that trades, and its exchange."""

    app: App
    box: Sandbox

    def set_key(self, **changes: Any) -> None:
        """Change what the exchange knows of the daemon's key."""
        keys = self.box.gate.keys
        keys[KEYS["ACCESS_KEY"]] = replace(keys[KEYS["ACCESS_KEY"]], **changes)

    def messages(self) -> list[str]:
        """Return the texts that reached the webhook."""
        return [str(message) for message in self.box.discord.messages]


@asynccontextmanager
async def trading(
    folder: Path, *overrides: str, markets: int = 3, seed: int = 1, after: timedelta = timedelta(0)
) -> AsyncIterator[Desk]:
    """Open an exchange, as it is some time after the start, and let the daemon trade on it until the block ends."""
    loop, start = asyncio.get_running_loop(), START + after
    options = SandboxOptions(
        seed=seed, markets=markets, access_key=KEYS["ACCESS_KEY"], secret_key=KEYS["SECRET_KEY"], start=start
    )
    clock = LoopClock(start, loop)
    with library_clocks(loop):
        async with Sandbox(options, clock, open_source(options, start)) as box:
            environ = {
                **KEYS,
                "UPBIT_BASE_URL": box.url,
                "BOT_DATA_DIR": str(folder),
                "BOT_LANGUAGE": "en",
                "WEBHOOK_URL": f"{box.url}/api/webhooks/1/test",
            }
            config = load(environ, overrides=["strategy.unit=1", "trading.seed=1", *overrides])
            stop = asyncio.Event()
            async with build(config, clock, stop) as app, asyncio.TaskGroup() as tasks:
                tasks.create_task(serve(app), name="daemon")
                yield Desk(app, box)
                stop.set()


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Tell a story on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
