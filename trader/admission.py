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
from trader.guards.account import CanWithdrawError, probes, refuse_withdrawal
from trader.health_file import FILE as HEALTH_FILE
from trader.health_file import forget, write_report
from upbit.circuit import MAKE_ORDERS, VIEW_ORDERS
from upbit.errors import ExchangeError, Rejected, Unauthorized, passes

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
        stopping = tasks.create_task(app.stop.wait())
        admission = tasks.create_task(be_admitted(app))
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
                told_after = 1 if isinstance(error, CanWithdrawError) else TOLD_AFTER  # a person has a way out
                await tell(app, why(error, app.config.language), pause_s, to_person=failures == told_after)
                await asyncio.sleep(pause_s)
            else:
                return
    finally:
        forget(app.config.data_dir / HEALTH_FILE)


async def introduce(app: App) -> None:
    """Ask for the three permissions, whether the keys can withdraw, and whether they are those of the journal."""
    await app.upbit.accounts()
    await need_permissions(app)
    await refuse_withdrawal(app, nobody=str(uuid.uuid4()))
    await check_account(app)


async def need_permissions(app: App) -> None:
    """Ask for what needs the permission to see orders, and to make them: what lacks is told before the first trade.

    Only that a permission lacks ends a start; what is answered otherwise (maintenance, no money) is nothing of ours.

    Raises:
        Unauthorized: when one lacks.
    """
    asks = probes(app)
    for what in (VIEW_ORDERS, MAKE_ORDERS):
        try:
            await asks[what]()
        except Unauthorized:
            raise
        except Rejected:
            continue  # refused for another reason: the permission is there
        except ExchangeError as error:
            app.tell("permission_not_probed", level=logging.WARNING, permission=what, why=str(error))


def may_pass(error: ExchangeError | CanWithdrawError) -> bool:
    """Return whether asking again may be answered otherwise. That a key can withdraw does not change."""
    return not error.certain if isinstance(error, CanWithdrawError) else passes(error)


def why(error: ExchangeError | CanWithdrawError, language: str) -> str:
    """Return what a person should know about a failure, in one sentence."""
    return str(getattr(error, language)) if isinstance(error, CanWithdrawError) else explain(error, language)


async def tell(app: App, sentence: str, pause_s: float, *, to_person: bool) -> None:
    """Say in the terminal and in the health file what is waited for, and send a person a message, too."""
    app.tell("waiting_for_exchange", level=logging.WARNING, again_in_s=f"{pause_s:g}", why=sentence)
    with contextlib.suppress(OSError):  # a full disk does not end the waiting
        write_report(app.config.data_dir / HEALTH_FILE, dead={}, waiting={"exchange": sentence})
    if to_person:
        app.journal.add_notes([app.messages.problem("waiting_for_exchange", sentence, at=app.clock())])
        if app.discord is not None:
            await app.discord.flush(FLUSH_S)
