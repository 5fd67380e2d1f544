"""Whose journal this is: of real or rehearsed trades, and of which account. Another one's is never traded with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from failure import Failure
from upbit.errors import OrderNotFound

if TYPE_CHECKING:
    from journal.journal import Journal
    from trader.app import App

MODE, ACCOUNT, KEY = "mode", "account", "key"
"""Facts the journal keeps: real or rehearsed, what names its orders, and the fingerprint of the last key in use."""


class WrongAccountError(Failure):
    """The journal belongs to another account."""

    def __init__(self) -> None:
        super().__init__(
            "이 데이터 폴더의 기록은 다른 API 키(계정)의 것입니다. "
            "그 키를 쓰거나 BOT_DATA_DIR로 다른 폴더를 지정하세요.",
            "The journal in this data folder belongs to another API key (account). "
            "Use that key, or name another folder with BOT_DATA_DIR.",
        )


class WrongModeError(Failure):
    """The journal belongs to the other world: real money, or the sandbox."""

    def __init__(self, owner: str, mode: str) -> None:
        super().__init__(
            f"이 데이터 폴더의 기록은 '{owner}' 모드의 것인데 지금은 '{mode}' 모드입니다. "
            "실거래와 연습의 기록은 섞지 않습니다. BOT_DATA_DIR로 다른 폴더를 지정하거나 UPBIT_BASE_URL을 확인하세요.",
            f"The journal in this data folder is of mode '{owner}', and this is mode '{mode}'. "
            "Real and rehearsed trades are never mixed. "
            "Name another folder with BOT_DATA_DIR, or check UPBIT_BASE_URL.",
        )


def claim_mode(journal: Journal, mode: str) -> None:
    """Refuse a journal of the other mode; claim a new one.

    Raises:
        WrongModeError: real and rehearsed trades never stand in one journal.
    """
    owner = journal.meta(MODE)
    if owner is None:
        journal.set_meta(MODE, mode)
    elif owner != mode:
        raise WrongModeError(owner, mode)


async def check_account(app: App) -> None:
    """Claim a new journal, refuse one of another account, and recognise a new key of the same account.

    A key lives for a year at most. The account is the same when it knows the newest order of the journal.
    """
    owner, key = app.journal.meta(ACCOUNT), app.journal.meta(KEY)
    if owner is not None and (key or owner) != app.fingerprint[: len(key or owner)]:
        if not await knows_our_orders(app):
            raise WrongAccountError
        app.tell("new_key", level=logging.WARNING, account=owner)
    app.account = owner or app.account  # names of orders go on as they began
    if owner is None:
        app.journal.set_meta(ACCOUNT, app.account)
    if key != app.fingerprint:
        app.journal.set_meta(KEY, app.fingerprint)


async def knows_our_orders(app: App) -> bool:
    """Return whether the exchange shows the newest order of the journal to the keys in use."""
    newest = app.journal.newest_shown()
    if newest is None:
        return False
    try:
        order = await app.upbit.order(identifier=newest)
    except OrderNotFound:
        return False
    return order.identifier == newest
