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


def test_a_file_that_is_shown_must_come_with_its_message() -> None:
    """As a form: the message as JSON, and each file under its name."""
    box = Discord()
    message = {"embeds": [{"title": "x", "image": {"url": "attachment://a.png"}}]}
    status, told = ask(box, "POST", body=message)
    assert (status, told["code"]) == (400, 50035)
    form = (
        b'--b\r\nContent-Disposition: form-data; name="payload_json"\r\nContent-Type: application/json\r\n\r\n'
        + json.dumps(message).encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="files[0]"; filename="a.png"\r\n'
        + b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff\r\n--b--\r\n"
    )
    status, _ = box.receive("POST", HOOK, "", form, "multipart/form-data; boundary=b")
    assert status == 204
    assert box.messages == [message]
    assert box.files == {"a.png": b"\x89PNG\r\n\x1a\n\x00\xff"}
    status, _ = box.receive("POST", HOOK, "", b"nothing of a form", "multipart/form-data; boundary=b")
    assert status == 400
