"""A daemon trades the same with a bot as without one, whatever the Discord of the bot does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from config.settings import ChatSettings, Secret
from sandbox.discord_shapes import CHANNEL
from tests.helpers.daemon_desk import opened
from tests.helpers.daemon_desk import told as run
from trader.daemon import build, serve

pytest.importorskip("discord", reason="pip install --require-hashes -r requirements/chat.txt")

from cli.common.chat import chat_beside
from tests.helpers.guild import OWNER, TOKEN, point_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from decimal import Decimal
    from pathlib import Path

    from journal.queries import Queries
    from sandbox.discord_gateway import Guild

    Befalls = Callable[[Guild], Coroutine[None, None, None]]

SECONDS = 480


class Done(NamedTuple):
    """What a daemon has done, and which of its loops did not live."""

    trades: list[tuple[str, str, str, Decimal, Decimal]]
    dead: list[str]


async def well(_: Guild) -> None:
    """Let Discord be as it should."""


async def gone(guild: Guild) -> None:
    """Refuse the bot."""
    guild.token = "another"


async def slow(guild: Guild) -> None:
    """Put off every request."""
    guild.limited.extend([30.0] * 1000)


async def cut(guild: Guild) -> None:
    """Cut the gateway again and again, and ask much in between."""
    while True:
        await asyncio.sleep(5)
        await guild.command("status", user=OWNER)
        await guild.cut()


def lived(folder: Path, monkeypatch: pytest.MonkeyPatch, discord_is: Befalls | None) -> Done:
    """Let a daemon trade for a while, with a bot whose Discord is like that, or without a bot."""
    done: list[Done] = []

    async def story() -> None:
        async with opened(folder, markets=12) as (box, config, clock), asyncio.TaskGroup() as tasks:
            point_at(box.url, monkeypatch)
            chat = ChatSettings(owner=OWNER, channel=CHANNEL)
            token = Secret(TOKEN) if discord_is else None
            settings = replace(config, discord_bot_token=token, chat=chat)
            async with build(settings, clock, asyncio.Event()) as app:
                doing = tasks.create_task((discord_is or well)(box.guild))
                daemon = tasks.create_task(serve(app, beside=chat_beside(settings)))
                await asyncio.sleep(SECONDS)
                done.append(Done(trades_of(app.journal), list(app.health.dead())))
                app.stop.set()
                await daemon
                doing.cancel()
            assert bool(box.guild.requests) == (discord_is is not None)
            assert (box.guild.identified > 0) == (discord_is in {well, cut})

    run(story)
    return done[0]


def trades_of(journal: Queries) -> list[tuple[str, str, str, Decimal, Decimal]]:
    """Return every trade, with what it paid and received."""
    trades = [*journal.open_trades(), *journal.closed_trades(-1)]
    return [(one.id, one.market, one.phase.value, one.cost_krw, one.proceeds_krw) for one in trades]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Return what a daemon without a bot has done."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return lived(tmp_path_factory.mktemp("bare"), monkeypatch, None)


@pytest.mark.parametrize("discord_is", [well, gone, slow, cut])
def test_what_befalls_a_bot_changes_no_trade(
    bare: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, discord_is: Befalls
) -> None:
    """The same trades at the same prices, and every loop alive."""
    assert len(bare.trades) >= 2
    assert lived(tmp_path, monkeypatch, discord_is) == bare
