"""The bot in Discord beside a daemon, where one is wished; who wishes none loads none of it."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from notifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from config.settings import Config
    from trader.app import App

log = logging.getLogger("chat")

MISSING = Words(
    "DISCORD_BOT_TOKEN이 있지만 discord.py가 설치되어 있지 않아 디스코드 봇 없이 거래합니다. "
    "설치: pip install --require-hashes -r requirements/chat.txt",
    "There is a DISCORD_BOT_TOKEN but no discord.py, so trading goes on without the bot. "
    "Install it: pip install --require-hashes -r requirements/chat.txt",
)


def chat_beside(config: Config) -> list[Callable[[App], Coroutine[None, None, None]]]:
    """Return what runs the bot, if there is to be one."""
    if config.discord_bot_token is None:
        return []
    if importlib.util.find_spec("discord") is None:
        log.error("no discord.py: %s", MISSING.say(config.language))
        return []
    from chat.bot import chat_of  # noqa: PLC0415 - a third of a second, and 12 MB

    return [chat_of]
