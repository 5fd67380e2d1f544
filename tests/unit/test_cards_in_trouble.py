"""One card a trade, whatever Discord answers and whoever dies: in the end it says what the journal says."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest

from notifier.discord import Discord
from notifier.messages import Messages
from notifier.webhook import TOTAL_S
from tests.helpers.journals import Book, accepted, buy, fill, intent, trade
from tests.helpers.webhook_desk import Late, after, says, told
from upbit.models import Side

if TYPE_CHECKING:
    from pathlib import Path

    from journal.records import Note
    from tests.helpers.webhook_desk import Desk, Script

SEEDS = range(2)
TRADES = 4
MESSAGES = Messages(language="ko", mode="live")
NOT_TAKEN: tuple[Script, ...] = (
    says(429, {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}),
    says(429, b"<html>1015</html>"),
    says(500),
    says(502, b"<html>bad gateway</html>"),
)
"""Answers after which nothing has arrived."""
LOST = after(10 * TOTAL_S)
"""It arrives, and nobody hears so."""
PARTS = ("title", "fields", "description")


def begin(book: Book, name: str) -> None:
    """Buy, and write the card."""
    buy(book, name, f"b-{name}", market=f"KRW-{name.upper()}")
    held = book.journal.trade(name)
    fills = book.journal.fills_of_trade(name, "bid")
    card = MESSAGES.bought(held, name=name, fills=fills, fee=held.fees_krw, stop_price=None, at=book.now)
    book.journal.add_notes([card])


def end(book: Book, name: str, price: str) -> Note:
    """Sell, and write the card's last state; return it."""
    of = trade(name, f"KRW-{name.upper()}")
    assert book.journal.leave(name, {"code": "stop", "ko": "손절", "en": "stop"}, intent(f"s-{name}", of, Side.ASK))
    accepted(book.journal, f"s-{name}", f"u-s-{name}")
    book.journal.record_fills(f"s-{name}", [fill(f"f-s-{name}", price, "2")], Decimal("0.25"))
    book.journal.finish(f"s-{name}")
    closed = replace(book.journal.trade(name), closed_at=book.now)
    card = MESSAGES.sold(closed, name=name, dust=Decimal(0), at=book.now)
    book.journal.close_trade(name, closed_at=book.now, dust=Decimal(0), notes=[card])
    return card


async def live(desk: Desk, book: Book, rng: random.Random, *, dies: bool) -> dict[str, Note]:
    """Let trades begin and end while messages are delivered, perhaps by one deliverer after the other."""
    last: dict[str, Note] = {}
    waiting = [f"t{number}" for number in range(TRADES)]
    held: list[str] = []
    async with aiohttp.ClientSession() as session:
        while waiting or held:
            if waiting and (not held or rng.random() < 0.5):
                held.append(waiting.pop(0))
                begin(book, held[-1])
            else:
                name = held.pop(rng.randrange(len(held)))
                last[name] = end(book, name, str(rng.randint(1, 10**6)))
            await desk.run_for(rng.uniform(0.0, 40.0))
            if dies:
                desk.discord = Discord(session, desk.url, book.journal, rng=rng, language="en")
        while book.journal.pending_notes(1):
            await desk.run_for(10 * TOTAL_S)
    return last


def about(desk: Desk, name: str) -> list[dict[str, str]]:
    """Return the cards of a trade, as they are in the channel."""
    said = [embed for message in desk.receiver.messages for embed in message["embeds"]]
    return [embed for embed in said if f"(KRW-{name.upper()})" in embed["title"]]


def judge(desk: Desk, book: Book, last: dict[str, Note], *, unheard: int) -> None:
    """Hold every card to the journal's trade, and all of them to one message each, but for answers nobody heard."""
    for name, card in last.items():
        kept = book.journal.message_of(name)
        assert kept is not None
        (final,) = desk.receiver.messages[desk.receiver.ids.index(kept)]["embeds"]
        (meant,) = cast("list[dict[str, object]]", card.body["embeds"])
        assert [final[part] for part in PARTS] == [meant[part] for part in PARTS]
        assert f"{abs(book.journal.trade(name).profit_krw.to_integral_value()):,}" in str(final["fields"])
    counts = [len(about(desk, name)) for name in last]
    assert min(counts) >= 1
    assert sum(counts) - TRADES <= unheard
    assert book.journal.waiting_notes() == (0, 0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("lost", [False, True])
def test_a_trade_is_one_card_that_ends_as_the_journal_does(
    seed: int, tmp_path: Path, *, dies: bool, lost: bool
) -> None:
    """429, 500, lost answers and deaths: once more at most for each answer nobody heard."""
    rng = random.Random(f"{seed} {dies} {lost}")
    answers = [*NOT_TAKEN, Late(0), Late(0), *([LOST] if lost else [])]
    script = tuple(rng.choice(answers) for _ in range(rng.randint(4, 16)))
    book = Book(tmp_path / "j.sqlite3")

    async def story(desk: Desk) -> None:
        last = await live(desk, book, rng, dies=dies)
        assert len(last) == TRADES
        judge(desk, book, last, unheard=script.count(LOST) + (2 * TRADES if dies else 0))

    with book.journal:
        told(book.journal, script, story)
