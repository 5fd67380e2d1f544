"""The webhook receiver beside the exchange."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.fault_desk import FaultyDesk, play

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


def hello(desk: FaultyDesk) -> Any:
    """Send a message."""
    return desk.session.post(desk.box.url + "/api/webhooks/1/token?wait=true", json={"content": "hello"})


def test_five_messages_in_two_seconds_are_taken_and_the_sixth_is_told_how_long_to_wait() -> None:
    """As Discord's headers count down; after that time it is taken."""

    async def story(desk: FaultyDesk) -> None:
        left = []
        for _ in range(5):
            async with hello(desk) as answer:
                assert answer.status == 200
                left.append(answer.headers["X-RateLimit-Remaining"])
        assert left == ["4", "3", "2", "1", "0"]
        async with hello(desk) as answer:
            told = await answer.json()
            assert (answer.status, told["global"]) == (429, False)
            assert 0 < told["retry_after"] <= 2
            assert int(answer.headers["Retry-After"]) >= told["retry_after"]
        await asyncio.sleep(told["retry_after"])
        async with hello(desk) as answer:
            assert answer.status == 200
        assert (desk.box.discord.received, desk.box.discord.limited) == (6, 1)

    play(story)


@pytest.mark.parametrize(
    ("state", "status", "code"), [("forum", 400, 220001), ("gone", 404, 10015), ("unauthorized", 401, 50027)]
)
def test_a_webhook_can_be_of_a_forum_gone_or_anothers_for_a_while(state: str, status: int, code: int) -> None:
    """Each is refused as Discord does, keeps nothing, and takes messages again afterwards."""

    async def story(desk: FaultyDesk) -> None:
        async with hello(desk) as answer:
            assert (answer.status, (await answer.json())["code"]) == (status, code)
        assert desk.box.discord.received == 0
        await asyncio.sleep(61)
        async with hello(desk) as answer:
            assert answer.status == 200

    play(story, {"fault": "webhook", "state": state, "minutes": [0, 1]})
