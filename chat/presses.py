"""What the press of a button does, without Discord: the command it bears, once, and the sentence that tells of it."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

from chat.buttons import pressed
from journal.errors import JournalError
from notifier.words import Words
from trader.commands import obey
from views.events import NOT_DONE, what_came_of

if TYPE_CHECKING:
    from datetime import datetime

    from trader.app import App

log = logging.getLogger("chat")

TOO_OLD = Words(
    "이 버튼은 10분이 지났습니다. 아무것도 하지 않았습니다. 명령을 다시 입력하세요.",
    "This button is older than ten minutes. Nothing was done. Type the command again.",
)


def press(app: App, button: str, at: datetime) -> Words | None:
    """Do what a button says, unless that was done before; None for a button of another kind.

    Args:
        app: of the daemon.
        button: the name the button was made with.
        at: when it was pressed, UTC, by Discord's clock.
    """
    found = pressed(button, app.clock())
    if found is None:
        return None
    command, until = found
    if at > until:
        return TOO_OLD
    try:
        outcome = obey(app.control, app.journal, command)
    except (JournalError, sqlite3.Error):
        log.warning("a command of the chat is not done command=%s", command.name, exc_info=True)
        return NOT_DONE
    return what_came_of(app.journal, replace(command, outcome=outcome))
