"""One Discord webhook: its requests, each at its pace, and none repeated here.

https://docs.discord.com/developers/resources/webhook
"""

from __future__ import annotations

import asyncio
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs

from notifier.answers import Delivery, WebhookAnswer, judge
from notifier.webhook_rate import WebhookRate

if TYPE_CHECKING:
    from collections.abc import Mapping

TOTAL_S, CONNECT_S = 30.0, 5.0
"""Longer than a webhook takes that delivers at all; nothing waits for it but the next message."""
LARGEST_ANSWER = 256 * 1024
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


class Webhook:
    """Sends, edits and removes messages. A `thread_id` in its address stays in every request."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url, _, self._query = url.partition("?")
        self._pace = WebhookRate()

    async def look(self) -> WebhookAnswer:
        """Ask whether the webhook is there."""
        return await self._request(hdrs.METH_GET, "", None)

    async def send(self, body: Mapping[str, Any], files: Mapping[str, bytes] = NO_FILES) -> WebhookAnswer:
        """Send a message, and wait until Discord has kept it: else it reports no error of one it did not keep.

        Args:
            body: of the message, which names the files it shows as `attachment://NAME`.
            files: pictures (PNG), by name.
        """
        return await self._request(hdrs.METH_POST, "", body, "wait=true", files=files)

    async def edit(self, message_id: str, body: Mapping[str, Any]) -> WebhookAnswer:
        """Replace what a message says; the same edit may be sent again."""
        return await self._request(hdrs.METH_PATCH, f"/messages/{message_id}", body)

    async def remove(self, message_id: str) -> WebhookAnswer:
        """Take a message away."""
        return await self._request(hdrs.METH_DELETE, f"/messages/{message_id}", None)

    def wait_s(self) -> float:
        """Return how long the next request must wait, seconds."""
        return self._pace.wait_s(now())

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *more: str,
        files: Mapping[str, bytes] = NO_FILES,
    ) -> WebhookAnswer:
        url = "?".join(part for part in (f"{self._url}{path}", "&".join(filter(None, (self._query, *more)))) if part)
        self._pace.leave(now())
        try:
            timeout = aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S)
            sent: dict[str, Any] = {"data": form_of(body, files)} if files else {"json": body}
            async with self._session.request(method, url, **sent, timeout=timeout, allow_redirects=False) as answer:
                self._pace.hear(answer.headers, now())
                return judge(answer.status, answer.headers, await read_bounded(answer))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return WebhookAnswer(
                outcome=Delivery.LATER, why=type(error).__name__
            )  # its text would hold the address, a secret


def form_of(body: Mapping[str, Any] | None, files: Mapping[str, bytes]) -> aiohttp.FormData:
    """Return a message with its files: https://docs.discord.com/developers/reference#uploading-files."""
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps(body), content_type="application/json")
    for number, (name, content) in enumerate(files.items()):
        form.add_field(f"files[{number}]", content, filename=name, content_type="image/png")
    return form


async def read_bounded(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer, or nothing of one that is too long to be Discord's."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(LARGEST_ANSWER):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            return b""
    return bytes(body)


def now() -> float:
    """Return the time of the loop, seconds."""
    return asyncio.get_running_loop().time()
