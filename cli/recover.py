"""`recover`: rebuild a lost journal from the exchange alone, or say of one order that it never was."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.run import NO_KEYS
from config.problems import ConfigError
from journal.errors import JournalError, JournalUnwritable
from journal.journal import Journal
from journal.records import IntentState
from journal.store import take_lock
from simulation.loop import wall_clock
from trader.books.rebuild import rebuild
from trader.daemon import JOURNAL_FILE, build
from trader.orders import protocol
from upbit.errors import OrderNotFound
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from config.settings import Config
    from trader.books.rebuild import Rebuilt

DRAFT = "recovering"
LOST = {
    "ko": "되살릴 수 없는 것: 매수·매도 이유, 진입 후 최고가, 메시지와 판정 기록. "
    "손절가는 데몬이 현재 캔들로 다시 계산합니다.",
    "en": "What cannot come back: why trades were begun and ended, highest prices since the entry, messages and "
    "verdicts. Stops are computed anew by the daemon, from the candles of now.",
}


class JournalThere(JournalError):
    """There is a journal already: nothing is overwritten."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"거래 기록 {path}이(가) 이미 있습니다. 덮어쓰지 않습니다. 손상되었다면 다른 곳으로 옮긴 뒤 다시 하세요.",
            f"There is a journal already: {path}. It is not overwritten. If it is damaged, move it away and try again.",
        )


class NotDoubtful(JournalError):
    """Of this order a person cannot say that it never was."""

    def __init__(self, identifier: str, ko: str, en: str) -> None:
        super().__init__(f"{identifier}: {ko}", f"{identifier}: {en}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--account", metavar="XXXX", help="the bot whose orders to take: the 4 characters after ub1-L")
    parser.add_argument(
        "--never", metavar="IDENTIFIER", help="instead: an order in doubt that Upbit's own list does not show never was"
    )


def run(config: Config, options: argparse.Namespace) -> int:
    """Rebuild, or settle one order; print what came back and what cannot."""
    if config.access_key is None or config.secret_key is None:
        raise ConfigError((NO_KEYS,))
    if options.never:
        asyncio.run(say_never(config, options.never))
        return OK
    rebuilt = asyncio.run(recover(config, options.account))
    print("\n".join(report(rebuilt, config.language)))  # noqa: T201 - what was asked for
    return OK


async def recover(config: Config, account: str | None, clock: Callable[[], datetime] = wall_clock) -> Rebuilt:
    """Build the journal beside its place, and put it there when it is whole.

    Raises:
        JournalThere: when there is one.
        JournalLocked: when a daemon works on the folder.
    """
    path, draft = config.data_dir / JOURNAL_FILE, config.data_dir / DRAFT
    try:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take_lock(config.data_dir)
    except OSError as error:
        raise JournalUnwritable(config.data_dir, error.strerror) from error
    try:
        if path.exists():
            raise JournalThere(path)
        shutil.rmtree(draft, ignore_errors=True)  # of one that was interrupted
        async with build(dataclasses.replace(config, data_dir=draft), clock, asyncio.Event()) as app:
            rebuilt = await rebuild(app, account)
        put_in_place(draft / JOURNAL_FILE, path)
        shutil.rmtree(draft, ignore_errors=True)
    finally:
        os.close(lock)
    return rebuilt


def put_in_place(whole: Path, path: Path) -> None:
    """Give a rebuilt journal the name of the lost one, in one step."""
    whole.rename(path)


def report(rebuilt: Rebuilt, language: str) -> list[str]:
    """Return what came back and what cannot, a line each."""
    ko = language == "ko"
    held = [f"  {t.market} {t.volume:f} ({t.cost_krw:,.0f} KRW)" for t in rebuilt.held]
    away = "계정에 없어 기록에서 뺐습니다" if ko else "not in the account any more, written off"
    gone = [f"  {market} {volume:f}: {away}" for market, volume in rebuilt.gone.items()]
    return [
        f"업비트에서 주문 {rebuilt.orders}건을 되살렸습니다. 보유 중: {len(held)}"
        if ko
        else f"{rebuilt.orders} orders came back from Upbit. Held: {len(held)}",
        *held,
        *gone,
        LOST[language],
    ]


async def say_never(config: Config, identifier: str, clock: Callable[[], datetime] = wall_clock) -> None:
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
        async with open_session() as session:
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
