"""What an answer of Discord proves, and what is done about it: pure.

Only Discord's own words decide: a page of whoever stands in between, whatever its status, neither takes a message nor
drops one.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from notifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN_WEBHOOK, UNKNOWN_MESSAGE, INVALID_TOKEN, NEEDS_THREAD = 10015, 10008, 50027, 220001
"""Discord's codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes."""
FIRST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_TROUBLE_S = 1.0, 60.0, 600.0
"""Retries grow from the first to the longest; to ten minutes where only a person can help, and never to an hour."""
LONGEST_WHY = 200


class Delivery(Enum):
    """What came of one delivery."""

    TAKEN = auto()
    REFUSED = auto()  # Discord does not take this message as it is
    LATER = auto()  # it waits, and passes by itself
    STUCK = auto()  # it waits until a person mends the webhook


class Trouble(Enum):
    """Why no message arrives."""

    GONE = auto()  # the webhook was deleted
    BLOCKED = auto()  # its token is wrong, or this machine may not talk to Discord
    FORUM = auto()  # it belongs to a forum channel
    UNREACHABLE = auto()  # nothing that Discord says

    def say(self, language: str) -> str:
        """Return what happened and what to do, in a language."""
        return WORDS[self].say(language)


WORDS = {
    Trouble.GONE: Words(
        "디스코드 웹훅이 삭제되어 알림을 보낼 수 없습니다. 채널 설정의 연동에서 웹훅을 새로 만들어 WEBHOOK_URL을 "
        "바꾸고 다시 시작하세요. 밀린 알림은 그때 갑니다.",
        "The Discord webhook was deleted, so no message arrives. Make a new one under Integrations in the channel's "
        "settings, set WEBHOOK_URL and restart. Messages wait until then.",
    ),
    Trouble.BLOCKED: Words(
        "디스코드가 이 웹훅 또는 이 서버의 접속을 거부합니다(401/403). WEBHOOK_URL을 빠짐없이 복사했는지 확인하고, "
        "그래도 안 되면 웹훅을 새로 만드세요. 밀린 알림은 그때 갑니다.",
        "Discord refuses this webhook, or this machine's address (401/403). Check that WEBHOOK_URL was copied "
        "completely; if it was, make a new webhook. Messages wait until then.",
    ),
    Trouble.FORUM: Words(
        "이 웹훅은 포럼 채널의 것이라 알림을 보낼 수 없습니다. 일반 텍스트 채널의 웹훅으로 바꾸거나, 포럼 게시물의 "
        "ID를 WEBHOOK_URL 끝에 ?thread_id=ID로 붙이고 다시 시작하세요. 밀린 알림은 그때 갑니다.",
        "The webhook belongs to a forum channel, where no message arrives without a post. Use one of a text channel, "
        "or add the id of a post to WEBHOOK_URL as ?thread_id=ID, and restart. Messages wait until then.",
    ),
    Trouble.UNREACHABLE: Words(
        "디스코드에 연결할 수 없어 알림이 밀려 있습니다. 인터넷 연결과 방화벽, https://discordstatus.com 을 "
        "확인하세요. 연결되면 저절로 보냅니다.",
        "Discord cannot be reached, so messages wait. Look at the network, the firewall and "
        "https://discordstatus.com ; they are sent by themselves when it can.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What came of one request."""

    outcome: Delivery
    why: str
    message_id: str | None = None  # Discord's name of what it took
    wait_s: float | None = None  # how long Discord wants to be left alone
    trouble: Trouble | None = None
    code: int = 0  # Discord's own, where it gave one


def judge(status: int, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
    """Return what an answer means."""
    told = read_object(body)
    code = told.get("code") if told is not None else None
    code = code if isinstance(code, int) else 0
    why = f"HTTP {status}"
    if told is not None and isinstance(told.get("message"), str):
        why = f"{why} {code}: {' '.join(told['message'].split())[:LONGEST_WHY]}"
    if status == HTTPStatus.NO_CONTENT or (HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES and told is not None):
        return WebhookAnswer(outcome=Delivery.TAKEN, why=why, message_id=id_of(told))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return WebhookAnswer(outcome=Delivery.LATER, why=why, wait_s=retry_after(headers.get("Retry-After"), body))
    if trouble := trouble_of(status, code):
        return WebhookAnswer(outcome=Delivery.STUCK, why=why, trouble=trouble, code=code)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (
        told is not None and (status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
    ):
        return WebhookAnswer(outcome=Delivery.REFUSED, why=why, code=code)
    return WebhookAnswer(outcome=Delivery.LATER, why=why, code=code)


def trouble_of(status: int, code: int) -> Trouble | None:
    """Return what keeps every message from arriving; a 404 that Discord gives no code is of somebody in between."""
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE} and code == UNKNOWN_WEBHOOK:
        return Trouble.GONE
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Trouble.BLOCKED
    return Trouble.FORUM if status == HTTPStatus.BAD_REQUEST and code == NEEDS_THREAD else None


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return the object of a body of Discord's own; None for a page of somebody in between, or nothing."""
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(body)
        return told if isinstance(told, dict) else None
    return None


def id_of(told: Mapping[str, Any] | None) -> str | None:
    """Return the name Discord gave a message; only one that can stand in an address."""
    found = told.get("id") if told else None
    return found if isinstance(found, str) and found.isascii() and found.isdigit() else None


def retry_after(header: str | None, body: bytes) -> float:
    """Return how many seconds Discord wants to be left alone: its body is more exact than its header."""
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        return bounded(json.loads(body)["retry_after"])
    with contextlib.suppress(ValueError):
        return bounded(header or "")
    return FIRST_PAUSE_S


def bounded(seconds: float | str) -> float:
    """Return a wait Discord may ask for: ten minutes at most, whatever it says.

    Raises:
        ValueError: it is no number.
    """
    if math.isnan(wait := float(seconds)):
        raise ValueError
    return min(max(0.0, wait), LONGEST_TROUBLE_S)
