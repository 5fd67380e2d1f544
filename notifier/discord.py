"""Deliver the outbox to a Discord webhook: in order, one at a time, never in the way of trading.

A message is marked as sent only after Discord took it, so nothing is lost over a restart; a process that dies between
the two sends that one message again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from enum import Enum, auto
from typing import TYPE_CHECKING

import aiohttp

from journal.errors import JournalError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from journal.journal import Journal
    from journal.records import Note

log = logging.getLogger("notifier")

TOTAL_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GONE_PAUSE_S = 3600.0
"""A webhook that was deleted is asked again once an hour."""
LOOK_S = 5.0
MANY = 10
"""From here on waiting messages go together; Discord takes ten embeds in one."""


class Outcome(Enum):
    """What came of one delivery."""

    TAKEN = auto()
    REFUSED = auto()  # this message will never be taken
    LATER = auto()
    GONE = auto()  # the webhook itself is not there


class Discord:
    """Delivers what the journal's outbox holds."""

    def __init__(self, session: aiohttp.ClientSession, url: str, journal: Journal, *, rng: random.Random) -> None:
        self._session = session
        self._url = url
        self._journal = journal
        self._rng = rng
        self._wake = asyncio.Event()
        self._retry_after: float | None = None
        self._gone_logged = False
        self._taken: set[str] = set()  # delivered, and not written down

    def wake(self) -> None:
        """Say that there is something to deliver; returns at once."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver for ever, until cancelled."""
        failures = 0
        while True:
            self._wake.clear()
            outcome = await self._try_next()
            failures = failures + 1 if outcome in {Outcome.LATER, Outcome.GONE} else 0
            if outcome is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
            elif failures:
                await asyncio.sleep(self._pause(outcome, failures))

    async def _try_next(self) -> Outcome | None:
        """Deliver the next message; whatever a library fails with, trading goes on and the message waits.

        Its text is not logged: it could hold the address, which is a secret.
        """
        try:
            return await self.deliver_next()
        except AssertionError:
            raise  # a broken rule of our own
        except Exception as error:  # noqa: BLE001 - see above
            log.error("message not delivered, a fault of the program error=%s", type(error).__name__)  # noqa: TRY400
            return Outcome.LATER

    async def flush(self, seconds: float) -> None:
        """Deliver what is waiting, for at most some seconds; the rest waits for the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._try_next() in {Outcome.TAKEN, Outcome.REFUSED}:
                    continue

    def _pause(self, outcome: Outcome, failures: int) -> float:
        if outcome is Outcome.GONE:
            return GONE_PAUSE_S
        if self._retry_after is not None:
            return self._retry_after
        return self._rng.uniform(0.5, 1.0) * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**failures)

    async def deliver_next(self) -> Outcome | None:
        """Deliver the oldest message, or the oldest ten together when many wait; None when none waits."""
        waiting = [
            note for note in self._journal.pending_notes(MANY + 1 + len(self._taken)) if note.key not in self._taken
        ]
        if not waiting:
            return None
        batch = waiting[:MANY] if len(waiting) > MANY else waiting[:1]
        outcome, why = await self._post(batch)
        keys = [note.key for note in batch]
        if outcome is Outcome.TAKEN:
            self._write_down(keys, None)
        elif outcome is Outcome.REFUSED:
            log.error("message refused for good keys=%s why=%s", ",".join(keys), why)
            self._write_down(keys, why)
        elif outcome is Outcome.GONE and not self._gone_logged:
            log.error("the webhook is gone (%s): make a new one and set WEBHOOK_URL", why)
        self._gone_logged = outcome is Outcome.GONE
        return outcome

    def _write_down(self, keys: Sequence[str], failed: str | None) -> None:
        """Note what became of messages; while the disk does not take it, remember it, so that none is sent for ever."""
        try:
            self._journal.mark_sent(keys) if failed is None else self._journal.mark_failed(keys, failed)
        except JournalError as error:
            log.warning("deliveries not written down error=%s", error)
            self._taken.update(keys)

    async def _post(self, batch: Sequence[Note]) -> tuple[Outcome, str]:
        body = {
            "embeds": [embed for note in batch for embed in embeds_of(note)],
            "allowed_mentions": {"parse": []},
        }
        self._retry_after = None
        try:
            timeout = aiohttp.ClientTimeout(total=TOTAL_S)
            async with self._session.post(self._url, json=body, timeout=timeout, allow_redirects=False) as answer:
                return self._judge(answer.status, answer.headers.get("Retry-After"), await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Outcome.LATER, type(error).__name__  # its text would hold the address, which is a secret

    def _judge(self, status: int, header: str | None, body: bytes) -> tuple[Outcome, str]:
        why = f"HTTP {status}"
        if status == 204 or (200 <= status < 300 and is_discords(body)):  # noqa: PLR2004 - success
            return Outcome.TAKEN, why
        if status == 429:  # noqa: PLR2004 - too many requests
            self._retry_after = retry_after(header, body)
            return Outcome.LATER, why
        if status in {401, 403, 404, 410}:
            return Outcome.GONE, why
        if status in {400, 413, 422}:  # the message's own fault
            return Outcome.REFUSED, f"{why} {body[:200].decode(errors='replace')}"
        return Outcome.LATER, why


def is_discords(body: bytes) -> bool:
    """Return whether a body is Discord's own: an object of JSON, and not the page of whoever stands in between."""
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(body), dict)
    return False


def embeds_of(note: Note) -> list[object]:
    """Return the embeds of a message."""
    embeds = note.body.get("embeds")
    return embeds if isinstance(embeds, list) else []


def retry_after(header: str | None, body: bytes) -> float:
    """Return how many seconds Discord wants to be left alone: its body is more exact than its header."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return bounded(json.loads(body)["retry_after"])
    with contextlib.suppress(ValueError):
        return bounded(header or "")
    return FIRST_PAUSE_S


def bounded(seconds: float | str) -> float:
    """Return a wait Discord may ask for: an hour at most, whatever it says.

    Raises:
        ValueError: it is no number.
    """
    if math.isnan(wait := float(seconds)):
        raise ValueError("not a number")
    return min(max(0.0, wait), GONE_PAUSE_S)
