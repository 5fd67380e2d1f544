"""Come up: nothing is traded before the exchange has said what the keys may do and whose they are.

What passes by itself (no network, maintenance, answers that are none) is waited out, however long that is: a machine
may start before its network does. What a person must mend ends the start at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from typing import TYPE_CHECKING

from notifier.explain import explain
from trader.books.owner import check_account
from trader.guards.account import CanWithdrawError, refuse_withdrawal
from trader.health import FILE as HEALTH_FILE
from trader.health import forget, write_report
from upbit.errors import ExchangeError, passes

if TYPE_CHECKING:
    from trader.app import App

LONGEST_PAUSE_S = 30.0
TOLD_AFTER = 5
"""Failures in a row, a minute or more, after which a person is told as well."""
FLUSH_S = 8.0


async def come_up(app: App) -> bool:
    """Wait for the exchange until the daemon is told to stop; return whether it may trade now.

    Raises:
        BaseExceptionGroup: of what a person must mend.
    """
    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(app.stop.wait(), name="stop")
        admission = tasks.create_task(be_admitted(app), name="admission")
        await asyncio.wait((stopping, admission), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        admission.cancel()
    return not admission.cancelled()


async def be_admitted(app: App) -> None:
    """Introduce ourselves until the exchange has answered, with pauses that grow."""
    failures = 0
    try:
        while True:
            try:
                await introduce(app)
            except (ExchangeError, CanWithdrawError) as error:
                if not may_pass(error):
                    raise
                failures += 1
                pause_s = min(LONGEST_PAUSE_S, 2.0**failures)
                await tell(app, why(error, app.config.language), pause_s, failures)
                await asyncio.sleep(pause_s)
            else:
                return
    finally:
        forget(app.config.data_dir / HEALTH_FILE)


async def introduce(app: App) -> None:
    """Ask what is in the account, whether the keys can withdraw, and whether they are those of the journal."""
    await app.upbit.accounts()
    await refuse_withdrawal(app, nobody=str(uuid.uuid4()))
    await check_account(app)


def may_pass(error: ExchangeError | CanWithdrawError) -> bool:
    """Return whether asking again may be answered otherwise. That a key can withdraw does not change."""
    return not error.certain if isinstance(error, CanWithdrawError) else passes(error)


def why(error: ExchangeError | CanWithdrawError, language: str) -> str:
    """Return what a person should know about a failure, in one sentence."""
    return str(getattr(error, language)) if isinstance(error, CanWithdrawError) else explain(error, language)


async def tell(app: App, sentence: str, pause_s: float, failures: int) -> None:
    """Say in the terminal and in the health file what is waited for; after a while send a person a message, too."""
    app.tell("waiting_for_exchange", level=logging.WARNING, again_in_s=f"{pause_s:g}", why=sentence)
    with contextlib.suppress(OSError):  # a full disk does not end the waiting
        write_report(app.config.data_dir / HEALTH_FILE, {"exchange": sentence})
    if failures == TOLD_AFTER:
        app.journal.add_notes([app.messages.problem("waiting_for_exchange", sentence, at=app.clock())])
        if app.discord is not None:
            await app.discord.flush(FLUSH_S)
