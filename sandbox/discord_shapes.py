"""How Discord writes people, messages and interactions for a bot, and what it takes of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.discord import is_within

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION, GUILD, CHANNEL = 1_100_000_000_000_000_001, 1_100_000_000_000_000_002, 1_100_000_000_000_000_003
EPHEMERAL = 64
NAME = re.compile(r"[-_a-z0-9]{1,32}")
ROWS, BUTTONS, LONGEST_ID, LONGEST_LABEL, LONGEST_COMMAND = 5, 5, 100, 80, 100
START = "2026-01-01T00:00:00+00:00"
"""When everybody joined, and every message was sent: nobody asks."""

Payload = dict[str, Any]


def person(number: int, name: str, **more: object) -> Payload:
    """Return somebody."""
    who = {"id": str(number), "username": name, "discriminator": "0", "avatar": None, "global_name": None}
    return {**who, **more}


def bot() -> Payload:
    """Return the bot."""
    return person(APPLICATION, "sandbox", bot=True, flags=0)


def application() -> Payload:
    """Return what the bot is a part of."""
    about = {"id": str(APPLICATION), "name": "sandbox", "icon": None, "description": "", "flags": 0, "team": None}
    return {**about, "owner": bot(), "bot_public": False, "bot_require_code_grant": False, "verify_key": "0" * 64}


def message_of(number: int, body: Payload, *, private: bool) -> Payload:
    """Return a message of the bot with all that belongs to one."""
    fixed = {"attachments": [], "mentions": [], "mention_roles": [], "pinned": False, "tts": False, "type": 0}
    shown = {"content": "", "embeds": [], "components": [], **body}
    flags = EPHEMERAL if private else 0
    about = {"id": str(number), "channel_id": str(CHANNEL), "author": bot(), "flags": flags}
    return {**fixed, **shown, **about, "timestamp": START, "edited_timestamp": None, "mention_everyone": False}


def interaction_of(number: int, token: str, kind: int, data: Payload, *, user: int, channel: int) -> Payload:
    """Return what the gateway tells of a command or a press."""
    place = {"id": str(channel), "type": 0, "name": "bot", "position": 0, "guild_id": str(GUILD)}
    member = {"user": person(user, "somebody"), "roles": [], "joined_at": START, "deaf": False, "mute": False}
    return {
        "id": str(number),
        "application_id": str(APPLICATION),
        "type": kind,
        "token": token,
        "version": 1,
        "data": data,
        "guild_id": str(GUILD),
        "guild": {"id": str(GUILD), "locale": "ko", "features": []},
        "channel": place,
        "channel_id": str(channel),
        "member": {**member, "flags": 0, "permissions": "0"},
        "app_permissions": "0",
        "attachment_size_limit": 10_485_760,
        "entitlements": [],
        "locale": "ko",
    }


def is_command(given: Payload) -> bool:
    """Return whether Discord takes a command."""
    described = [given, *(given.get("options") or [])]
    return all(NAME.fullmatch(one["name"]) and 0 < len(one["description"]) <= LONGEST_COMMAND for one in described)


def is_message(given: Payload) -> bool:
    """Return whether Discord takes a message with its buttons."""
    buttons = list(buttons_of(given))
    rows = given.get("components") or []
    named = [button["custom_id"] for button in buttons]
    return (
        is_within(given)
        and bool(given.get("content") or given.get("embeds"))
        and len(rows) <= ROWS
        and all(0 < len(row["components"]) <= BUTTONS for row in rows)
        and all(0 < len(name) <= LONGEST_ID for name in named)
        and all(0 < len(button["label"]) <= LONGEST_LABEL for button in buttons)
        and len(set(named)) == len(named)
    )


def buttons_of(given: Payload) -> Iterator[Payload]:
    """Yield every button of a message."""
    for row in given.get("components") or []:
        yield from row["components"]
