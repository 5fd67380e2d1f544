"""Every message the bot sends, in each of its forms and in both languages: `make docs` writes `every_message.txt`.

A test compares what is sent with it, so that a changed word, number or colour is seen by who reviews the change.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # as a script it is not started from where the packages are found
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from journal.errors import (
    JournalBroken,
    JournalBusy,
    JournalCorrupt,
    JournalForeign,
    JournalFull,
    JournalLocked,
    JournalNewer,
)
from journal.records import Ends, Fill, Halt, Intent, Level, Note, Totals, Trade
from notifier.answers import Trouble
from notifier.cards import Room
from notifier.digest import Digest
from notifier.explain import SENTENCES, explain
from notifier.messages import Messages
from notifier.watchers import WATCHERS
from notifier.words import Words
from strategy.registry import load
from trader.books.owner import WrongAccountError, WrongModeError
from trader.guards.account import CanWithdrawError
from upbit.models import Order, Side

if TYPE_CHECKING:
    from collections.abc import Iterator

    from failure import Failure

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
TRADE = Trade(
    id="t1",
    market="KRW-XRP",
    strategy="quiet_trend",
    unit=timedelta(minutes=240),
    decided_at=NOW,
    opened_at=NOW,
    entry_reason={"ko": "조용한 상승", "en": "a calm rise", "numbers": {"natr": 1.25}},
    exit_reason={"ko": "추세 종료", "en": "the trend is over", "numbers": {}},
    stop_distance=Decimal(100),
    bought=Decimal(10),
    sold=Decimal(10),
    bought_krw=Decimal(30000),
    sold_krw=Decimal(31016),
    cost_krw=Decimal(30015),
    proceeds_krw=Decimal("31000.5"),
    fees_krw=Decimal("30.5"),
)
FILLS = [Fill(uuid="f", identifier="i", price=Decimal(3000), volume=Decimal(10), funds=Decimal(30000), at=NOW)]
HELD = replace(TRADE, sold=Decimal(0), sold_krw=Decimal(0), proceeds_krw=Decimal(0), exit_reason=None)
MOVED = replace(
    HELD,
    taken_krw=Decimal(30015),
    exit_reason={"code": "taken", "ko": "사용자가 코인을 옮김", "en": "the user moved the coins"},
)
DIGEST = Digest(
    day=date(2026, 11, 1),
    ended=[TRADE, replace(TRADE, proceeds_krw=Decimal(29000))],
    open_trades=[TRADE],
    open_krw=Decimal(-1234),
    equity_krw=Decimal(1_010_000),
    before_krw=Decimal(1_000_000),
    realised_krw=Decimal(5000),
    halts=[],
    dead=[],
    key_days=100,
    bitcoin=Decimal("-0.0312"),
)
ENDED = [TRADE, *(replace(TRADE, proceeds_krw=TRADE.cost_krw + more) for more in (Decimal(0), Decimal("0.5")))]
UNKNOWN = replace(
    DIGEST, ended=[], open_trades=[], open_krw=None, equity_krw=None, before_krw=None, key_days=None, bitcoin=None
)
INTENT = Intent(
    identifier="ub1-x", decision_key="k", n=0, trade_id="t1", market="KRW-XRP", side=Side.BID, request="{}",
    decided_at=NOW, deadline=None,
)  # fmt: skip
EVIDENCE = {
    "market": "KRW-XRP", "loss_krw": "-12345.6", "percent": 12.5, "seconds": "5.2", "free": Decimal(4321),
    "error": "some_name", "uuid": "u-1", "evidence": "evidence/x", "where": "update_prices",
}  # fmt: skip
HALT = Halt(
    code="breach", level=Level.HALTED, ends=Ends.PERSON, ko="까닭", en="because", since=NOW, evidence=dict(EVIDENCE)
)


PAGE = Path(__file__).with_name("every_message.txt")
PLACE = {"inline": True}
"""Where each field of a message stands."""


def standing(code: str, *, ends: str) -> Halt:
    """Return a reason to stand still."""
    return Halt(code=code, level=Level.HALT_BUYS, ends=Ends(ends), ko="까닭", en="because", since=NOW)


def adopted(side: Side) -> Order:
    """Return an order of ours that the exchange knew and the journal did not."""
    return Order(
        uuid="u-1", identifier="ub1-x", market="KRW-XRP", side=side, kind="limit", state="done",
        created_at="2026-11-02T21:00:00+09:00", executed_volume=Decimal("1234.5"),
    )  # fmt: skip


def every_message(write: Messages) -> Iterator[Note]:
    """Yield each message that can be sent, in each of its forms."""
    yield write.started(
        strategy=load("quiet_trend", {})[0],
        unit=timedelta(minutes=240),
        most_spent_krw=Decimal(1_000_000),
        seed=7,
        at=NOW,
    )
    for open_trades in ([], [TRADE, replace(TRADE, market="KRW-BTC")]):
        totals = Totals(krw=Decimal(0), fees=Decimal("1234.5"), realised_pnl=Decimal(-5000))
        yield write.stopped(open_trades=open_trades, totals=totals, at=NOW)
    room = Room(taken=3, places=5, free_krw=Decimal(970_000))
    yield write.bought(TRADE, name="리플", fills=FILLS, fee=Decimal(15), stop_price=Decimal(2900), at=NOW, room=room)
    for left in (None, replace(room, free_krw=None)):
        yield write.bought(HELD, name="리플", fills=FILLS * 2, fee=Decimal(15), stop_price=None, at=NOW, room=left)
    for ended, dust in (
        (TRADE, Decimal(0)),
        (replace(TRADE, proceeds_krw=Decimal(29000)), Decimal("0.25")),
        (MOVED, Decimal(0)),
        (replace(TRADE, taken_krw=Decimal(1)), Decimal(0)),
    ):
        yield write.sold(ended, name="리플", dust=dust, at=NOW + timedelta(hours=26, minutes=5))
    yield from about_halts(write)
    yield from digests(write)
    yield from problems(write)


def about_halts(write: Messages) -> Iterator[Note]:
    """Yield what is told of reasons to stand still."""
    yield write.halted(HALT)
    yield write.halted(standing("clock_skew", ends="itself"))
    yield write.resumed(HALT, [], by="person", at=NOW)
    yield write.resumed(HALT, [standing("clock_skew", ends="itself")], by="itself", at=NOW)


def digests(write: Messages) -> Iterator[Note]:
    """Yield the digest of several mornings."""
    yield write.digest(DIGEST, at=NOW)
    yield write.digest(UNKNOWN, at=NOW)
    why = Words("조건을 만족한 종목이 없습니다.", "No market met the conditions.")
    yield write.digest(
        replace(DIGEST, halts=[HALT], dead=["reconcile"], key_days=30, in_the_way=why, curve=[Decimal(1), Decimal(2)]),
        at=NOW,
    )
    yield write.digest(
        replace(
            DIGEST,
            ended=ENDED,
            open_trades=[TRADE, replace(TRADE, market="KRW-BTC")],
            key_days=31,
            curve=[Decimal(3), Decimal(1), Decimal(4)],
        ),
        at=NOW,
    )


def problems(write: Messages) -> Iterator[Note]:
    """Yield what needs a person."""
    for part in (*WATCHERS, "another"):
        yield write.watcher_stopped(part, at=NOW)
    for where in ("KRW-XRP", "reconcile"):
        yield write.frozen(where, evidence="x.json", at=NOW)
    yield write.strategy_failed("KRW-XRP", at=NOW)
    for burnt, side in ((False, Side.BID), (True, Side.ASK)):
        yield write.long_doubt(replace(INTENT, side=side), burnt=burnt, at=NOW)
    for left in (timedelta(days=2, seconds=1), timedelta(seconds=-1)):
        yield write.expiry(NOW + left, left, threshold=3, at=NOW)
    for side in Side:
        yield write.adopted(adopted(side), at=NOW)
    for tell in (write.taken, write.there_again, write.locked):
        yield tell(HELD, Decimal("2.5"), at=NOW)
    yield write.suspended(HELD, at=NOW)
    yield write.unlisted("KRW-XRP", at=NOW)
    yield write.many_files(0.876, at=NOW)
    yield write.too_little_won(Decimal("12345.6"), at=NOW + timedelta(hours=3))


def shown(note: Note) -> Iterator[str]:
    """Yield the lines of a message: what a person sees, and below it what else is sent."""
    rest: dict[str, object] = {**note.body}
    embeds = rest.pop("embeds")
    assert isinstance(embeds, list)
    for embed in embeds:
        kept = dict(embed)
        yield f"**{kept.pop('title')}**"
        yield from str(kept.pop("description", "")).splitlines()
        for field in map(dict, kept.pop("fields")):
            yield f"{field.pop('name')}: {field.pop('value')}{'' if field == PLACE else field}"
        yield f"colour {kept.pop('color'):06X}, {json.dumps(kept, ensure_ascii=False)}"
    yield f"{note.kind}, {note.key}, {note.card}, {json.dumps(rest, ensure_ascii=False, default=str)}"


def failures() -> Iterator[Failure]:
    """Yield what ends a start with a sentence, or a transaction."""
    here = Path("j")
    yield from (
        CanWithdrawError(certain=certain, heard=heard) for certain in (True, False) for heard in ("", "its words")
    )
    yield from (WrongModeError("live", "sandbox"), WrongAccountError(), JournalLocked(here), JournalForeign(here))
    yield from (kind(here, "why") for kind in (JournalCorrupt, JournalBusy, JournalFull))
    yield from (JournalBroken(here, "why", damaged=damaged) for damaged in (False, True))
    yield JournalNewer(here, 9, 8)


def words_of_failures(language: str) -> Iterator[str]:
    """Yield what is said of each failure of the exchange, and of the webhook."""
    for kind, *_ in SENTENCES:
        yield f"{kind.__name__}: {explain(kind('its sentence', name='its_name', status=400), language)}"
    for trouble in Trouble:
        yield f"webhook {trouble.name}: {trouble.say(language)}"
    for failure in failures():
        yield f"{type(failure).__name__} {failure.exit_code}: {failure.sentence(language)}"


def document() -> str:
    """Return the page: what is said of failures, and each message, first in Korean, then in English."""
    parts = []
    for language in ("ko", "en"):
        notes = every_message(Messages(language=language, mode="live"))
        parts += ["\n".join(words_of_failures(language)), *("\n".join(shown(note)) for note in notes)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
