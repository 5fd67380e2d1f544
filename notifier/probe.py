"""Whether messages arrive: asked before anything is traded.

Discord does not say of a webhook to which kind of channel it belongs, so nothing but a message shows that one arrives.
The probe sends one that makes no sound, and takes it away again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifier.answers import Delivery
from notifier.webhook import Webhook
from notifier.words import Words

if TYPE_CHECKING:
    import aiohttp

    from notifier.answers import WebhookAnswer

SILENT = 1 << 12
"""Discord's SUPPRESS_NOTIFICATIONS."""
PROBE = Words(
    "알림이 도착하는지 확인하는 메시지입니다. 곧 지워집니다.", "This only checks that messages arrive. It goes away."
)


async def probe(session: aiohttp.ClientSession, url: str, language: str) -> WebhookAnswer:
    """Look at a webhook, and send a message through it that is removed again; return the answer that decides."""
    webhook = Webhook(session, url)
    seen = await webhook.look()
    if seen.outcome is not Delivery.TAKEN:
        return seen
    body = {"content": PROBE.say(language), "flags": SILENT, "allowed_mentions": {"parse": []}}
    sent = await webhook.send(body)
    if sent.message_id is not None:
        await webhook.remove(sent.message_id)  # one that stays does no harm: it says what it is
    return sent
