"""A webhook in tests: it follows a script, then is Discord's; and the deliverer that sends to it."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web

from journal.records import Note
from notifier.discord import Discord
from sandbox.discord import Discord as Receiver
from simulation.loop import PacedLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from journal.journal import Journal

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-secret-token"
PATH = f"/api/webhooks/1/{TOKEN}"
Script: TypeAlias = "Callable[[], Awaitable[web.Response]] | Late"


def says(status: int, body: object = None) -> Script:
    """Answer with this once, and keep nothing."""

    async def answer() -> web.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return web.Response(status=status, body=data)

    return answer


@dataclass(frozen=True)
class Late:
    """Deliver at once, and answer late."""

    seconds: float


def after(seconds: float) -> Late:
    """Return a webhook that delivers at once, and answers late."""
    return Late(seconds)


GONE = says(404, {"message": "Unknown Webhook", "code": 10015})
REFUSED = says(400, {"message": "Invalid Form Body", "code": 50035})
FORUM = says(400, {"message": "Webhooks posted to forum channels must have a thread_name", "code": 220001})


@dataclass
class Desk:
    """A journal, a webhook that follows a script and is Discord's after it, and what happened when."""

    journal: Journal
    discord: Discord
    script: list[Script]
    url: str
    receiver: Receiver = field(default_factory=Receiver)
    times: list[float] = field(default_factory=list)  # loop time of each request
    requests: list[str] = field(default_factory=list)  # method and address
    raw: list[bytes] = field(default_factory=list)  # what each request holds
    bodies: list[Any] = field(default_factory=list)

    def titles(self) -> list[list[str]]:
        """Return what arrived, message by message."""
        return [[embed["title"] for embed in message.get("embeds", [])] for message in self.receiver.messages]

    def queue(self, *keys: str, **embed: object) -> None:
        """Queue one message a key."""
        self.journal.add_notes([note(key, **embed) for key in keys])

    async def run_for(self, seconds: float) -> None:
        """Let the deliverer work."""
        task = asyncio.get_running_loop().create_task(self.discord.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def note(key: str, **embed: object) -> Note:
    """Return a message."""
    return Note(key=key, kind="x", body={"embeds": [{"title": key, **embed}]})


@asynccontextmanager
async def desk_of(journal: Journal, *script: Script) -> AsyncIterator[Desk]:
    """Serve a webhook and make its deliverer."""
    steps = list(script)
    made: list[Desk] = []

    async def serve(request: web.BaseRequest) -> web.Response:
        (desk,) = made
        body = await request.read()
        desk.times.append(asyncio.get_running_loop().time())
        desk.requests.append(f"{request.method} {request.raw_path}")
        desk.raw.append(body)
        desk.bodies.append(json.loads(body) if body and request.content_type == "application/json" else None)
        step = steps.pop(0) if steps else Late(0)
        if not isinstance(step, Late):
            return await step()
        path, _, query = request.raw_path.partition("?")
        status, told = desk.receiver.receive(request.method, path, query, body, request.headers.get("Content-Type", ""))
        await asyncio.sleep(step.seconds)
        return web.Response(status=status, body=told)

    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    async with aiohttp.ClientSession() as session:
        made.append(Desk(journal, Discord(session, url, journal, rng=random.Random(1), language="en"), steps, url))
        yield made[0]
    await runner.cleanup()


def told(journal: Journal, script: tuple[Script, ...], story: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    """Tell a story whose waiting takes no time."""

    async def whole() -> None:
        async with desk_of(journal, *script) as desk:
            await story(desk)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed=1e9)) as runner:
        runner.run(whole())
