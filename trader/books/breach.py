"""What happens when a rule of our own is broken, or the journal cannot be written: trading halts, the process lives.

A breach halts everything until a person resumes; its evidence is in a file and in the journal. A journal that cannot be
written halts buying; the orders it leaves in hand are taken up again, as after a restart, when it can be.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from typing import TYPE_CHECKING

from journal.errors import JournalBroken, JournalError
from journal.records import Phase
from trader.loops import pause
from trader.restore import put_back, settle_intent
from trader.trades.lifecycle import carry_on
from trader.trades.positions import let_go

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from trader.app import App

log = logging.getLogger("trader.breach")

FOLDER = "evidence"
MOST_FILES = 20
AGAIN_S = 10.0


async def guard(app: App, market: str, flow: Coroutine[None, None, None]) -> None:
    """Run the order flow of a market; whatever breaks in it is halted on, and never ends the others."""
    try:
        await flow
    except AssertionError as breach:
        on_breach(app, market, breach)
    except JournalError as error:
        on_unwritten(app, error)
        await come_back(app, market)


def on_breach(app: App, where: str, breach: AssertionError) -> None:
    """Halt everything, keep the evidence, tell a person."""
    log.error("breach where=%s", where, exc_info=breach)
    path = keep_evidence(app, where, breach)
    app.control.halt(
        "breach",
        ko=f"프로그램의 규칙이 깨졌습니다({where}: {breach}). 모든 주문을 멈췄습니다. "
        f"증거: {path.name}. 확인한 뒤 resume 하세요.",
        en=f"A rule of the program is broken ({where}: {breach}). No order is sent. Evidence: {path.name}. "
        "Look into it, then resume.",
        where=where,
        breach=str(breach),
        evidence=path.name,
    )


def keep_evidence(app: App, where: str, breach: AssertionError) -> Path:
    """Write where it broke and what happened before into a file; the same breach has one file."""
    text = "".join(traceback.format_exception(breach))
    events = "\n".join(f"{event.at.isoformat()} {event}" for event in app.events)
    name = hashlib.sha256(f"{where} {breach}".encode()).hexdigest()[:12]
    path = app.config.data_dir / FOLDER / f"breach-{name}.txt"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if len(list(path.parent.iterdir())) < MOST_FILES:
            path.write_text(f"{app.clock().isoformat()} {where}\n\n{text}\n{events}\n", encoding="utf-8")
    except OSError as error:
        log.warning("evidence not written path=%s error=%s", path, error)
    return path


def on_unwritten(app: App, error: JournalError) -> None:
    """Buy nothing while the journal cannot be written; send nothing at all when the disk has failed."""
    log.error("journal not written error=%s", error)
    if isinstance(error, JournalBroken):
        app.control.halt("journal_broken", ko=error.ko, en=error.en)
    else:
        app.control.halt_buys("journal_full", ko=error.ko, en=error.en)


async def come_back(app: App, market: str) -> None:
    """Take the trade of a market up again once the journal can be written, as if the process had ended and begun."""
    while not app.stop.is_set() and app.journal.broken is None:
        await pause(AGAIN_S, app.stop)
        try:
            await take_up_again(app, market)
        except JournalError as error:
            log.warning("journal not written yet market=%s error=%s", market, error)
        else:
            return


async def take_up_again(app: App, market: str) -> None:
    """Settle the orders of a market and carry its trade on."""
    for intent in app.journal.live_intents():
        if intent.market == market:
            settle_intent(app.journal, intent)
    trade = app.journal.open_trade_in(market)
    if trade is None:
        await let_go(app, market)
        return
    await put_back(app, trade)
    if (await app.state.active_trade.snapshot())[market].phase in {Phase.BUYING, Phase.SELLING}:
        await carry_on(app, market)
