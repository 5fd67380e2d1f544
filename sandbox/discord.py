"""A Discord webhook receiver, so that a rehearsal needs no Discord: it keeps the messages it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.wire import read_json, to_json

PREFIX = "/api/webhooks/"
MOST_KEPT = 10_000


@dataclass(slots=True)
class Discord:
    """Webhook messages in the order they arrived; the oldest are dropped beyond `MOST_KEPT`."""

    messages: list[dict[str, object]] = field(default_factory=list)
    received: int = 0

    def receive(self, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        """Take one request; return status and body as Discord would."""
        webhook, _, token = path.removeprefix(PREFIX).partition("/")
        if method != "POST" or not webhook or not token or "/" in token:
            return 404, to_json({"message": "404: Not Found", "code": 0})
        try:
            message = read_json(body)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return 400, to_json({"message": "The request body contains invalid JSON.", "code": 50109})
        if not (message.get("content") or message.get("embeds")):
            return 400, to_json({"message": "Cannot send an empty message", "code": 50006})
        self.received += 1
        self.messages.append(message)
        del self.messages[:-MOST_KEPT]
        if "wait=true" not in query.split("&"):
            return 204, b""
        return 200, to_json({"id": str(self.received), "type": 0, "webhook_id": webhook, **message})
