"""What happens when something breaks: the market in which it broke is frozen and told, and the rest trades on.

No failure of any kind ends the process. A rule of our own that is broken halts buys as well, and one of the journal's
halts everything, for what is held is known from nowhere else; its evidence is in a file and in the journal. A journal
that cannot be written halts buying. A frozen market is taken up again, as after a restart, until that succeeds.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from typing import TYPE_CHECKING

from config.redaction import Redaction
from journal.errors import JournalBreach, JournalBroken, JournalBusy, JournalError
from journal.records import Phase
from trader.loops import pause
from trader.restore import put_back, settle_intent
from trader.trades.lifecycle import carry_on
from trader.trades.positions import let_go

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from journal.journal import Journal
    from trader.app import App
    from trader.control import Control

log = logging.getLogger("trader.breach")

FOLDER = "evidence"
MOST_FILES = 20
AGAIN_S, LONGEST_AGAIN_S = 10.0, 300.0
LOCKED = "journal_locked"


async def guard(app: App, market: str, flow: Coroutine[None, None, None]) -> None:
    """Run the order flow of a market; whatever breaks in it freezes the market, and never ends the others."""
    try:
        await flow
    except JournalError as error:
        on_unwritten(app.control, error)
    except Exception as error:  # noqa: BLE001 - told with its evidence, and its market is taken up again
        on_failure(app, market, error)
    else:
        return
    await come_back(app, market)


def on_failure(app: App, where: str, error: Exception) -> None:
    """Tell a person, once, that something broke in a market or in a part of the daemon, and keep the evidence."""
    if isinstance(error, AssertionError):
        on_breach(app, where, error)
        return
    words = f"{type(error).__name__}: {error}"
    if not app.news.is_new(f"failure:{where}", words):
        return
    log.error("failed where=%s", where, exc_info=error)
    path = keep_evidence(app, where, error)
    app.tell("frozen", level=logging.ERROR, where=where, evidence=path.name)
    app.inform(app.messages.frozen(where, evidence=path.name, at=app.clock()))


def on_breach(app: App, where: str, breach: AssertionError) -> None:
    """Halt buys, or everything when it is the journal that cannot be trusted; keep the evidence, tell a person."""
    log.error("breach where=%s", where, exc_info=breach)
    path = keep_evidence(app, where, breach)
    is_journal = isinstance(breach, JournalBreach)
    halt = app.control.halt if is_journal else app.control.halt_buys
    ko, en = (
        ("모든 주문을 멈췄습니다.", "No order is sent.") if is_journal else ("매수를 멈췄습니다.", "Nothing is bought.")
    )
    halt(
        "breach",
        ko=f"프로그램의 내부 규칙이 깨졌습니다. {ko} 증거 파일 {path.name}을(를) 확인한 뒤 "
        "`python main.py resume`을 실행하세요.",
        en=f"A rule of the program is broken ({breach}). {en} Look at {path.name} in evidence/, then run "
        "`python main.py resume`.",
        where=where,
        breach=str(breach),
        evidence=path.name,
    )


def keep_evidence(app: App, where: str, breach: Exception) -> Path:
    """Write where it broke and what happened before into a file; the same breach has one file."""
    text = "".join(traceback.format_exception(breach))
    events = "\n".join(f"{event.at.isoformat()} {event}" for event in app.events)
    name = hashlib.sha256(f"{where} {breach}".encode()).hexdigest()[:12]
    path = app.config.data_dir / FOLDER / f"breach-{name}.txt"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if len(list(path.parent.iterdir())) < MOST_FILES:
            told = f"{app.clock().isoformat()} {where}\n\n{text}\n{events}\n"
            path.write_text(Redaction.of(app.config)(told), encoding="utf-8")
    except OSError as error:
        log.warning("evidence not written path=%s error=%s", path, error)
    return path


def on_unwritten(control: Control, error: JournalError) -> None:
    """Buy nothing while the journal cannot be written; send nothing at all when the disk has failed.

    That another program holds it ends by itself (`see_whether_it_is_free`).
    """
    log.error("journal not written error=%s", error)
    if isinstance(error, JournalBusy):
        control.halt_buys(LOCKED, ko=error.ko, en=error.en, by_itself=True)
    elif isinstance(error, JournalBroken):
        control.halt("journal_broken", ko=error.ko, en=error.en)
    else:
        control.halt_buys("journal_full", ko=error.ko, en=error.en)


def see_whether_it_is_free(control: Control, journal: Journal) -> None:
    """Go on when the program that held the journal has let go of it."""
    if control.stands(LOCKED) and journal.can_write():
        control.ended(LOCKED)


async def come_back(app: App, market: str) -> None:
    """Take the trade of a market up again, as if the process had ended and begun, until that succeeds."""
    pause_s = AGAIN_S
    while not app.stop.is_set() and app.journal.broken is None:
        await pause(pause_s, app.stop)
        try:
            await take_up_again(app, market)
        except JournalError as error:
            log.warning("journal not written yet market=%s error=%s", market, error)
        except Exception as error:  # noqa: BLE001 - told with its evidence, and tried again
            on_failure(app, market, error)
            pause_s = min(LONGEST_AGAIN_S, 2 * pause_s)
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
