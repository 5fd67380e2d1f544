"""Deliver the outbox to a Discord webhook: in order, one at a time, never in the way of trading.

A message is marked as sent only after Discord took it, so nothing is lost over a restart; a process that dies between
the two sends that one message again.

**An unknown outcome**: a request was sent and no answer came. Discord has no way to look: a message of a webhook is
asked for by its id, which only the answer tells, and a `nonce` counts for bots alone. So the answer is waited for much
longer than it ever takes, also over a stop (`webhook.TOTAL_S`, `flush`), and only then is the message sent again: to
tell twice is better than never.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from journal.errors import JournalError
from journal.queries import WEBHOOK
from notifier.answers import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_TROUBLE_S,
    UNKNOWN_MESSAGE,
    Delivery,
    Trouble,
    WebhookAnswer,
)
from notifier.curve import FILE, curve_of, picture
from notifier.embed_limits import MOST_EMBEDS, as_text, embeds_of, pack
from notifier.webhook import Webhook, now

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    import aiohttp

    from journal.journal import Journal
    from journal.records import Note

log = logging.getLogger("notifier")

LOOK_S = 5.0
SAID_AGAIN_S = 3600.0
"""What keeps messages from arriving is logged this often."""
UNREACHABLE_AFTER = 8
"""Failures in a row, some four minutes, after which a person should look at the network."""
FLUSH_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Sending:
    """A request under way."""

    batch: list[Note]
    answer: asyncio.Task[WebhookAnswer]


class Discord:
    """Delivers what the journal's outbox holds. `trouble` says why nothing arrives now."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, journal: Journal, *, rng: random.Random, language: str
    ) -> None:
        self._webhook = Webhook(session, url)
        self._journal = journal
        self._rng = rng
        self._language = language
        self._wake = asyncio.Event()
        self._sending: Sending | None = None
        self._failures = 0
        self._wait_s: float | None = None
        self._taken: set[str] = set()  # delivered, and not written down
        self._cards: dict[str, str] = {}  # ids of cards, not written down
        self._alone: set[str] = set()  # refused together with others: the next time each goes by itself
        self._plain: set[str] = set()  # refused by itself: once more as plain text
        self.trouble = Trouble.__members__.get(journal.meta(WEBHOOK) or "")  # as it was when the last daemon ended
        self._said_at = -math.inf  # loop time at which the trouble was logged last

    def wake(self) -> None:
        """Say that there is something to deliver; returns at once."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever, until cancelled; `flush` goes on with a request that is under way then."""
        while True:
            self._wake.clear()
            outcome = await self._try_next()
            if outcome is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
            elif self._failures:
                await asyncio.sleep(self._pause(outcome))

    async def flush(self, seconds: float) -> None:
        """Deliver what is waiting, trying again for at most some seconds; the rest waits for the next start."""
        try:
            async with asyncio.timeout(seconds):
                while (outcome := await self._try_next()) is not None and outcome is not Delivery.STUCK:
                    if self._failures:
                        await asyncio.sleep(self._wait_s or min(FLUSH_PAUSE_S, self._pause(outcome)))
        except TimeoutError:
            log.warning("messages wait for the next start count=%d", len(self._waiting(1000)))
        finally:
            if self._sending is not None:
                self._sending.answer.cancel()
                self._sending = None

    def _pause(self, outcome: Delivery) -> float:
        if self._wait_s is not None:
            return self._wait_s
        longest = LONGEST_TROUBLE_S if outcome is Delivery.STUCK else LONGEST_PAUSE_S
        return self._rng.uniform(0.5, 1.0) * min(longest, FIRST_PAUSE_S * 2.0 ** min(self._failures, 20))

    async def _try_next(self) -> Delivery | None:
        """Deliver the next message; whatever a library fails with, trading goes on and the message waits.

        Its text is not logged: it could hold the address, which is a secret.
        """
        try:
            outcome = await self.deliver_next()
        except AssertionError:
            raise  # a broken rule of our own
        except Exception as error:  # noqa: BLE001 - see above
            log.error("message not delivered, a fault of the program error=%s", type(error).__name__)  # noqa: TRY400
            self._failures, self._wait_s = self._failures + 1, None
            return Delivery.LATER
        return outcome

    async def deliver_next(self) -> Delivery | None:
        """Deliver the oldest message, or as many of the oldest together as fit when many wait; None when none waits."""
        if self._sending is None:
            waiting = self._waiting(MOST_EMBEDS + 1)
            if not waiting:
                if self._taken:
                    self._write_down([], None)
                return None
            batch = self._batch(waiting)
            await asyncio.sleep(self._webhook.wait_s())
            self._sending = Sending(batch, asyncio.get_running_loop().create_task(self._post(batch)))
        sending = self._sending
        try:
            answer = await asyncio.shield(sending.answer)  # a stop must not lose an answer that is on its way
        except Exception:
            self._sending = None
            raise
        self._sending = None
        return self._settle(sending.batch, answer)

    def _waiting(self, limit: int) -> list[Note]:
        pending = self._journal.pending_notes(limit + len(self._taken))
        return [note for note in pending if note.key not in self._taken][:limit]

    def _batch(self, waiting: Sequence[Note]) -> list[Note]:
        first = waiting[0]
        if len(waiting) <= MOST_EMBEDS or is_alone(first) or first.key in self._alone | self._plain:
            return [first]
        return pack(list(takewhile(lambda note: not is_alone(note), waiting[:MOST_EMBEDS])))

    def _settle(self, batch: Sequence[Note], answer: WebhookAnswer) -> Delivery:
        """Do what an answer asks for."""
        keys = [note.key for note in batch]
        self._wait_s = answer.wait_s
        if answer.outcome is Delivery.TAKEN:
            if batch[0].card and answer.message_id:
                self._cards[batch[0].card] = answer.message_id
            self._write_down(keys, None)
        elif answer.outcome is Delivery.REFUSED:
            self._refused(keys, answer.why)
        waits = answer.outcome in {Delivery.LATER, Delivery.STUCK}
        self._failures = self._failures + 1 if waits else 0
        lasting = Trouble.UNREACHABLE if self._failures >= UNREACHABLE_AFTER else None
        self._note_trouble(answer.trouble or lasting, answer.why)
        return answer.outcome

    def _refused(self, keys: Sequence[str], why: str) -> None:
        """Let a message that Discord refuses take none with it, and be told in some form if there is one."""
        if len(keys) > 1:
            log.warning("messages refused together, each goes by itself keys=%s why=%s", ",".join(keys), why)
            self._alone.update(keys)
        elif keys[0] not in self._plain:
            log.warning("message refused, once more as plain text key=%s why=%s", keys[0], why)
            self._plain.add(keys[0])
        else:
            log.error("message refused for good key=%s why=%s", keys[0], why)
            self._write_down(keys, why)

    def _note_trouble(self, trouble: Trouble | None, why: str) -> None:
        """Say what keeps messages from arriving where a person can see it: in the log, the terminal and `status`."""
        if trouble is not None and (trouble is not self.trouble or now() - self._said_at >= SAID_AGAIN_S):
            self._said_at = now()
            log.error("webhook trouble=%s why=%s: %s", trouble.name, why, trouble.say(self._language))
        if trouble is not self.trouble:
            self.trouble = trouble
            self._journal.keep_fact(WEBHOOK, trouble.name if trouble else "")

    def _write_down(self, keys: Sequence[str], failed: str | None) -> None:
        """Note what became of messages; while the disk does not take it, remember it, so that none is sent for ever."""
        for known in (self._alone, self._plain):
            known.difference_update(keys)
        try:
            if failed is None:
                self._journal.mark_sent([*keys, *sorted(self._taken)], self._cards)
                self._taken.clear()
                self._cards.clear()
            else:
                self._journal.mark_failed(keys, failed)
        except JournalError as error:
            log.warning("deliveries not written down error=%s", error)
            self._taken.update(keys)

    async def _post(self, batch: Sequence[Note]) -> WebhookAnswer:
        """Send some messages as one, or edit the card of which this is a later state.

        An edit may be repeated. Sending cannot be proved (see above), so a process that dies between Discord's answer
        and the journal leaves a card that is not edited any more, and sends another.
        """
        plain = len(batch) == 1 and batch[0].key in self._plain
        body = body_of(batch, plain=plain)
        known = self._message_of(batch[0].card)
        if known is None:
            return await self._webhook.send(body, {} if plain else files_of(batch[0]))
        answer = await self._webhook.edit(known, body)
        if answer.code != UNKNOWN_MESSAGE:
            return answer
        await asyncio.sleep(self._webhook.wait_s())
        return await self._webhook.send(body)  # somebody has deleted the card

    def _message_of(self, card: str | None) -> str | None:
        return None if card is None else self._cards.get(card) or self._journal.message_of(card)


async def tell_at_once(session: aiohttp.ClientSession, url: str, note: Note) -> WebhookAnswer:
    """Send one message that no journal can hold: it is tried once, and whoever calls sees to it that it comes once."""
    return await Webhook(session, url).send(body_of([note]))


def is_alone(note: Note) -> bool:
    """Return whether a note has a message of its own: a card, and one with a picture."""
    return note.card is not None or curve_of(note) is not None


def files_of(note: Note) -> dict[str, bytes]:
    """Return the picture of a message, drawn now, by its name."""
    curve = curve_of(note)
    return {} if curve is None else {FILE: picture(curve)}


def body_of(batch: Sequence[Note], *, plain: bool = False) -> dict[str, Any]:
    """Return what is sent for some messages, as embeds, or for one as plain text; it rings for nobody."""
    rings: dict[str, Any] = {"allowed_mentions": {"parse": []}}
    if plain:
        return {"content": as_text(batch[0]), **rings}
    embeds = [embed for note in batch for embed in embeds_of(note)]
    curve = curve_of(batch[0])
    if curve is None:
        return {"embeds": embeds, **rings}
    embeds[0]["image"] = {"url": f"attachment://{FILE}"}
    return {"embeds": embeds, "attachments": [{"id": 0, "filename": FILE, "description": curve.told}], **rings}
