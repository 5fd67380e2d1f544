"""The webhook receiver of the sandbox, without its wire: what it keeps, edits, removes and refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.discord import Discord

HOOK = "/api/webhooks/1/token"


def ask(box: Discord, method: str, path: str = "", body: object = None, query: str = "") -> tuple[int, Any]:
    """Ask something; return status and what the answer says."""
    status, told = box.receive(method, HOOK + path, query, b"" if body is None else json.dumps(body).encode())
    return status, json.loads(told) if told else None


def test_a_message_can_be_edited_shown_and_removed_by_its_id() -> None:
    """As Discord's endpoints below `/messages`; what is not there is 404 with its code."""
    box = Discord()
    _, sent = ask(box, "POST", body={"embeds": [{"title": "bought"}]}, query="wait=true")
    one = f"/messages/{sent['id']}"
    sold = {"embeds": [{"title": "sold"}]}
    assert ask(box, "PATCH", one, sold) == (200, {"id": "1", "type": 0, **sold})
    assert ask(box, "GET", one)[1]["embeds"] == sold["embeds"]
    assert (box.messages, box.last, box.taken) == ([sold], sold, 2)
    assert ask(box, "PATCH", one, {"embeds": []})[0] == 400
    assert ask(box, "DELETE", one) == (204, None)
    assert ask(box, "PATCH", one, sold) == (404, {"message": "Unknown Message", "code": 10008})
    assert ask(box, "GET")[1]["type"] == 1
    assert (box.received, box.edits, box.messages) == (1, 1, [])


@pytest.mark.parametrize(
    "body",
    [
        {"embeds": [{"title": "x" * 257}]},
        {"embeds": [{"title": "x", "description": "x" * 4096}] * 2},
        {"embeds": [{"title": "x"}] * 11},
        {"embeds": [{"title": "x", "fields": [{"name": "", "value": "x"}]}]},
        {"embeds": [{"title": "x", "footer": {"text": "x" * 2049}}]},
        {"content": "x" * 2001},
        {"embeds": []},
    ],
)
def test_a_message_beyond_the_limits_is_refused_whole(body: dict[str, object]) -> None:
    """One part too long, all together too long, too many, or nothing."""
    box = Discord()
    assert ask(box, "POST", body=body)[0] == 400
    assert box.messages == []
