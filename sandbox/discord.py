"""A Discord webhook receiver, so that a rehearsal needs no Discord: it keeps the messages it is sent.

It refuses what Discord refuses: messages beyond the limits, messages to a forum without a post, edits of what is not
there. https://docs.discord.com/developers/resources/webhook
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.wire import read_json, to_json

PREFIX = "/api/webhooks/"
MOST_KEPT = 10_000
TOGETHER, EMBEDS, FIELDS, CONTENT = 6000, 10, 25, 2000
LONGEST = {"title": 256, "description": 4096}
NAME, VALUE, FOOTER = 256, 1024, 2048

Message = dict[str, Any]
Reply = tuple[int, bytes]


@dataclass(slots=True)
class Discord:
    """Webhook messages in the order they arrived, as they are now; the oldest are dropped beyond `MOST_KEPT`."""

    messages: list[Message] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of the messages, in the same order
    received: int = 0
    edits: int = 0
    forum: bool = False  # whether the webhook is of a forum channel

    def receive(self, method: str, path: str, query: str, body: bytes) -> Reply:
        """Take one request; return status and body as Discord would."""
        webhook, _, rest = path.removeprefix(PREFIX).partition("/")
        token, _, rest = rest.partition("/")
        given = dict(part.partition("=")[::2] for part in query.split("&"))
        if not webhook or not token:
            return refused(404, 0, "404: Not Found")
        if not rest:
            if method == "GET":
                return 200, to_json({"id": webhook, "type": 1, "name": "sandbox", "channel_id": "1", "token": token})
            if method == "POST":
                return self._create(webhook, given, body)
        kind, _, message_id = rest.partition("/")
        if kind == "messages" and method in {"PATCH", "DELETE", "GET"}:
            return self._old(method, message_id, body)
        return refused(404, 0, "404: Not Found")

    def _create(self, webhook: str, given: dict[str, str], body: bytes) -> Reply:
        message, refusal = read_message(body)
        if message is None:
            return refusal
        if self.forum and "thread_id" not in given and not message.get("thread_name"):
            words = "Webhooks posted to forum channels must have a thread_name or thread_id"
            return refused(400, 220001, words)
        self.received += 1
        self.messages.append(message)
        self.ids.append(str(self.received))
        del self.messages[:-MOST_KEPT], self.ids[:-MOST_KEPT]
        if given.get("wait") != "true":
            return 204, b""
        return 200, to_json({"id": self.ids[-1], "type": 0, "webhook_id": webhook, **message})

    def _old(self, method: str, message_id: str, body: bytes) -> Reply:
        """Change, remove or show a message that was sent."""
        if message_id not in self.ids:
            return refused(404, 10008, "Unknown Message")
        place = self.ids.index(message_id)
        if method == "DELETE":
            del self.messages[place], self.ids[place]
            return 204, b""
        if method == "PATCH":
            message, refusal = read_message(body)
            if message is None:
                return refusal
            self.edits += 1
            self.messages[place] = {**self.messages[place], **message}
        return 200, to_json({"id": message_id, "type": 0, **self.messages[place]})


def refused(status: int, code: int, words: str) -> Reply:
    """Return how Discord says no."""
    return status, to_json({"message": words, "code": code})


def read_message(body: bytes) -> tuple[Message | None, Reply]:
    """Return the message of a body; None, and the refusal, when Discord does not take it."""
    try:
        message = read_json(body)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        return None, refused(400, 50109, "The request body contains invalid JSON.")
    if not (message.get("content") or message.get("embeds")):
        return None, refused(400, 50006, "Cannot send an empty message")
    if not is_within(message):
        return None, refused(400, 50035, "Invalid Form Body")
    return message, (200, b"")


def is_within(message: Message) -> bool:
    """Return whether every part of a message, and all of them together, is within Discord's limits."""
    embeds = message.get("embeds") or []
    if len(embeds) > EMBEDS or len(str(message.get("content") or "")) > CONTENT:
        return False
    parts = [part for embed in embeds for part in parts_of(embed)]
    fields = all(len(embed.get("fields") or []) <= FIELDS for embed in embeds)
    return fields and all(0 < size <= most for size, most in parts) and sum(size for size, _ in parts) <= TOGETHER


def parts_of(embed: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the length of each part of an embed, and the most it may have."""
    parts = [(len(str(embed[name])), most) for name, most in LONGEST.items() if name in embed]
    if "footer" in embed:
        parts.append((len(str(embed["footer"].get("text", ""))), FOOTER))
    for one in embed.get("fields") or []:
        parts += [(len(str(one.get("name", ""))), NAME), (len(str(one.get("value", ""))), VALUE)]
    return parts
