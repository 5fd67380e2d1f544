"""The webhook receiver beside the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk


async def test_the_webhook_keeps_messages_in_order(desk: Desk) -> None:
    """Discord's endpoint answers 204, or the message when asked to wait, and violates nothing."""
    url = desk.box.url + "/api/webhooks/1/token"
    async with desk.session.post(url, json={"content": "first"}) as response:
        assert response.status == 204
    async with desk.session.post(url + "?wait=true", json={"embeds": [{"title": "second"}]}) as response:
        assert (response.status, (await response.json())["id"]) == (200, "2")
    async with desk.session.post(url, json={}) as response:
        assert response.status == 400
    assert desk.box.discord.messages == [{"content": "first"}, {"embeds": [{"title": "second"}]}]
    assert not desk.box.violations
