"""A Discord webhook receiver, so that a rehearsal needs no Discord: it keeps the messages it is sent.

It refuses what Discord refuses: messages beyond the limits, too many of them, messages to a forum without a post, edits
of what is not there, and everything when it is gone. https://docs.discord.com/developers/resources/webhook,
https://docs.discord.com/developers/topics/rate-limits
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Literal

from sandbox.wire import read_json, to_json

PREFIX = "/api/webhooks/"
MOST_KEPT = 10_000
TOGETHER, EMBEDS, FIELDS, CONTENT = 6000, 10, 25, 2000
LONGEST = {"title": 256, "description": 4096}
NAME, VALUE, FOOTER = 256, 1024, 2048

Message = dict[str, Any]
Reply = tuple[int, bytes]
State = Literal["forum", "gone", "unauthorized"]
GONE = {"gone": (404, 10015, "Unknown Webhook"), "unauthorized": (401, 50027, "Invalid Webhook Token")}
ATTACHED = "attachment://"
REQUESTS, WINDOW_S = 5, 2.0
"""What one webhook may be asked in this many seconds of the loop."""


@dataclass(slots=True)
class Discord:
    """Webhook messages in the order they arrived, as they are now; the oldest are dropped beyond `MOST_KEPT`."""

    messages: list[Message] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of the messages, in the same order
    received: int = 0
    edits: int = 0
    state: State | None = None  # of a forum channel, removed, or with another token; None: as it should be
    limited: int = 0  # requests that came too fast
    last: Message | None = None  # what was sent or edited last, as it came
    files: dict[str, bytes] = field(default_factory=dict)  # the newest of each name
    _asked: deque[float] = field(default_factory=lambda: deque(maxlen=REQUESTS))

    @property
    def taken(self) -> int:
        """How many messages and edits were taken."""
        return self.received + self.edits

    def receive(self, method: str, path: str, query: str, body: bytes, kind: str = "application/json") -> Reply:
        """Take one request of a content type, however fast it comes; return status and body as Discord would."""
        if self.state in GONE:
            return refused(*GONE[self.state])
        webhook, _, rest = path.removeprefix(PREFIX).partition("/")
        token, _, rest = rest.partition("/")
        given = dict(part.partition("=")[::2] for part in query.split("&"))
        if not webhook or not token:
            return refused(404, 0, "404: Not Found")
        if not rest:
            if method == "GET":
                return 200, to_json({"id": webhook, "type": 1, "name": "sandbox", "channel_id": "1", "token": token})
            if method == "POST":
                return self._create(webhook, given, body, kind)
        kind, _, message_id = rest.partition("/")
        if kind == "messages" and method in {"PATCH", "DELETE", "GET"}:
            return self._old(method, message_id, body)
        return refused(404, 0, "404: Not Found")

    def pace(self, now_s: float) -> tuple[Reply | None, dict[str, str]]:
        """Count a request at a time of the loop; return the refusal of one too many, and the headers of its answer."""
        wait_s = self._asked[0] + WINDOW_S - now_s if len(self._asked) == REQUESTS else 0.0
        limit = {"X-RateLimit-Limit": str(REQUESTS), "X-RateLimit-Bucket": "webhook"}
        if wait_s > 0:
            self.limited += 1
            told = {"message": "You are being rate limited.", "retry_after": round(wait_s, 3), "global": False}
            return (429, to_json(told)), {
                **limit,
                "X-RateLimit-Remaining": "0",
                "Retry-After": f"{-(-wait_s // 1):.0f}",
            }
        self._asked.append(now_s)
        recent = [asked for asked in self._asked if asked > now_s - WINDOW_S]
        reset_s = recent[0] + WINDOW_S - now_s
        left = {"X-RateLimit-Remaining": str(REQUESTS - len(recent)), "X-RateLimit-Reset-After": f"{reset_s:.3f}"}
        return None, {**limit, **left}

    def _create(self, webhook: str, given: dict[str, str], body: bytes, kind: str) -> Reply:
        body, files = read_form(body, kind) if kind.startswith("multipart/form-data") else (body, {})
        message, refusal = read_message(body)
        if message is None:
            return refusal
        if self.state == "forum" and "thread_id" not in given and not message.get("thread_name"):
            words = "Webhooks posted to forum channels must have a thread_name or thread_id"
            return refused(400, 220001, words)
        if missing := shown_files(message) - files.keys():
            return refused(400, 50035, f"Invalid Form Body: no file {', '.join(sorted(missing))}")
        self.received += 1
        self.last = message
        self.files |= files
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
            self.last = message
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


def read_form(body: bytes, kind: str) -> tuple[bytes, dict[str, bytes]]:
    """Return the message of a form and its files, by name: https://docs.discord.com/developers/reference#uploading-files."""
    form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
    message, files = b"", dict[str, bytes]()
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        if part.get_param("name", header="content-disposition") == "payload_json":
            message = content
        elif name := part.get_filename():
            files[name] = content
    return message, files


def shown_files(message: Message) -> set[str]:
    """Return the files that a message shows."""
    urls = [str((embed.get("image") or {}).get("url", "")) for embed in message.get("embeds") or []]
    return {url.removeprefix(ATTACHED) for url in urls if url.startswith(ATTACHED)}


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
