"""What a person has repaired while no daemon runs: a lost journal from the exchange alone, and an order in doubt."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from typing import TYPE_CHECKING

from journal import JOURNAL_FILE
from journal.errors import JournalError, JournalUnwritable
from journal.journal import Journal
from journal.records import IntentState
from journal.restore import is_whole, put_in_place, set_aside
from journal.store import take_lock
from trader.books.rebuild import rebuild
from trader.daemon import build
from trader.network import network_of
from trader.orders import protocol
from upbit.errors import OrderNotFound
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from config.settings import Config
    from trader.books.rebuild import Rebuilt

DRAFT = "recovering"


class JournalThere(JournalError):
    """There is a journal already: nothing is overwritten."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"온전한 거래 기록 {path}이(가) 이미 있어 덮어쓰지 않습니다. 그래도 새로 만들려면 그 파일과 -wal, -shm "
            "파일을 함께 다른 곳으로 옮긴 뒤 다시 하세요.",
            f"There is a whole journal already: {path}. It is not overwritten. To rebuild it all the same, move it "
            "away together with its -wal and -shm files, and try again.",
        )


class NotDoubtful(JournalError):
    """Of this order a person cannot say that it never was."""

    def __init__(self, identifier: str, ko: str, en: str) -> None:
        super().__init__(f"{identifier}: {ko}", f"{identifier}: {en}")


async def recover(config: Config, account: str | None, clock: Callable[[], datetime]) -> Rebuilt:
    """Build the journal beside its place, and put it there when it is whole; a damaged one is kept in a folder.

    Raises:
        JournalThere: when there is one that is whole.
        JournalForeign: when another program's database is in its place.
        JournalLocked: when a daemon works on the folder.
    """
    path, draft = config.data_dir / JOURNAL_FILE, config.data_dir / DRAFT
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take_lock(config.data_dir)
    except OSError as error:
        raise JournalUnwritable(config.data_dir, error.strerror) from error
    try:
        if is_whole(path):
            raise JournalThere(path)
        shutil.rmtree(draft, ignore_errors=True)  # of one that was interrupted
        async with build(dataclasses.replace(config, data_dir=draft), clock, asyncio.Event()) as app:
            rebuilt = await rebuild(app, account)
        set_aside(path, clock())
        put_in_place(draft / JOURNAL_FILE, path)
        shutil.rmtree(draft, ignore_errors=True)
    finally:
        os.close(lock)
    return rebuilt


async def say_never(config: Config, identifier: str, clock: Callable[[], datetime]) -> None:
    """Write down that a doubtful order does not exist, on a person's word, if nothing speaks against it.

    Raises:
        NotDoubtful: when the order is in no doubt, may still come to exist, or is shown by the exchange.
    """
    access, secret = (key.reveal() if key else None for key in (config.access_key, config.secret_key))
    with Journal.open(config.data_dir / JOURNAL_FILE, clock) as journal:
        intent = journal.known_intent(identifier)
        if intent is None or intent.state not in {IntentState.UNKNOWN, IntentState.SENT}:
            raise NotDoubtful(identifier, "결과를 모르는 주문이 아닙니다.", "this order is in no doubt.")
        if not protocol.is_burnt(journal.attempts(identifier)):
            raise NotDoubtful(
                identifier,
                "아직 체결될 수 있습니다. 데몬을 실행해 두세요.",
                "it may still be executed. Let the daemon run.",
            )
        async with open_session(network_of(config), url=config.base_url) as session:
            upbit = Upbit(session, base_url=config.base_url, access_key=access, secret_key=secret)
            try:
                await upbit.order(identifier=identifier)
            except OrderNotFound:
                if intent.state is IntentState.SENT:
                    journal.end_attempt(identifier, IntentState.UNKNOWN, outcome="the process ended")
                journal.never(identifier)
                return
        raise NotDoubtful(
            identifier, "업비트에 있는 주문입니다. 데몬을 실행하세요.", "Upbit shows it. Start the daemon."
        )
