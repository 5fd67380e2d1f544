"""A bot beside a daemon that does nothing else, in a Discord of the sandbox: discord.py as it is, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import discord
import yarl
from discord.gateway import DiscordWebSocket

from chat.bot import Bot
from config.settings import ChatSettings, Config, DashboardSettings, Secret
from dashboard.desk import Desk
from notifier.messages import Messages
from sandbox.discord_gateway import API, GATEWAY
from sandbox.discord_shapes import CHANNEL
from sandbox.server import Sandbox, SandboxOptions
from tests.helpers.journals import Book
from tests.helpers.parts import make_app
from tests.helpers.patience import PATIENCE_S
from trader.control import Control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    import pytest

    from sandbox.discord_gateway import Guild, Shown
    from tests.helpers.parts import Parts

OWNER, STRANGER = 300_000_000_000_000_001, 300_000_000_000_000_002
TOKEN = "sandbox-bot-token"


@dataclass
class Place:
    """A channel with a bot in it."""

    guild: Guild
    bot: Bot
    app: Parts
    book: Book
    changed: asyncio.Event

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until something of the guild is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not so():
                self.changed.clear()
                await self.changed.wait()

    async def ask(self, name: str, **options: str) -> Shown:
        """Type a command as the owner; return its whole answer."""
        return await self.answer((await self.guild.command(name, options, user=OWNER))["token"])

    async def answer(self, token: str) -> Shown:
        """Return the message that answers an interaction, once it is there."""
        await self.until(lambda: self.guild.interactions[token].message is not None)
        return self.guild.messages[self.guild.interactions[token].message or 0]

    async def press(self, message: Shown) -> Shown:
        """Press the first button of a message as the owner; return what then stands in its place."""
        token = (await self.guild.press(message, message.buttons[0], user=OWNER))["token"]
        await self.until(lambda: self.guild.interactions[token].answer is not None)
        return message


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let discord.py take a sandbox for Discord."""
    monkeypatch.setattr(discord.http.Route, "BASE", url + API.rstrip("/"))
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(url.replace("http", "ws") + GATEWAY))


@contextlib.asynccontextmanager
async def in_discord(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    language: str = "en",
    token: str = TOKEN,
    delayed: Sequence[float] = (),
) -> AsyncIterator[Place]:
    """Have a bot, and a Discord around it; it is there once its gateway is."""
    config = replace(
        Config(),
        data_dir=folder,
        language=language,
        discord_bot_token=Secret(token),
        chat=ChatSettings(owner=OWNER, channel=CHANNEL),
        dashboard=DashboardSettings(port=8787),
    )
    book = Book(folder / "journal.sqlite3")
    options = SandboxOptions(markets=1, krw=Decimal(0))
    with book.journal as journal:
        async with Sandbox(options, lambda: book.now) as box:
            point_at(box.url, monkeypatch)
            messages = Messages(language=language, mode="sandbox")
            clock = lambda: book.now  # noqa: E731 - as short as that
            control = Control(journal, messages, clock)
            app = make_app(config=config, clock=clock, journal=journal, control=control, messages=messages)
            place = Place(box.guild, Bot(Desk.of(app, 1.0)), app, book, asyncio.Event())
            box.guild.changed = place.changed.set
            box.guild.limited.extend(delayed)
            running = asyncio.get_running_loop().create_task(place.bot.run(), name="chat")
            try:
                yield place
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
