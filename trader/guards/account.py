"""The account behind the keys: what they may do, when they expire, and what is done when Upbit stops allowing it.

A key that Upbit refuses stops every order until it works again; a lacking permission stops what needs it. The client
asks once a minute meanwhile (`upbit/circuit.py`). Withdrawing is never needed, and a key that can is not traded with.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from failure import CONFIGURATION, Failure
from journal.errors import Breach
from notifier.explain import explain
from trader.loops import every, keep_going
from upbit.circuit import AGREEMENT, KEY, MAKE_ORDERS, VIEW_ACCOUNTS, VIEW_ORDERS
from upbit.errors import ExchangeError, OutOfScope, RateLimited, Unauthorized
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from trader.app import App
    from trader.control import Control
    from upbit.rest import Upbit

log = logging.getLogger("trader.account")

LOOK_S = 60.0
EXPIRY_EVERY = timedelta(days=1)
EXPIRY_AGAIN = timedelta(hours=1)
WARN_DAYS = (30, 14, 7, 3, 1)
"""Days before the key's end on which a person is told."""
KEY_ENDS = "key_ends"
"""The fact in the journal that says when the key expires."""
NO_WITHDRAWAL = "no_withdrawal"
WITHDRAWAL_TRIES, WITHDRAWAL_PAUSE_S = 3, 2.0
LOCKED_NAME = "open_api_withdraw_locked"


class CanWithdrawError(Failure):
    """The key can withdraw, or nobody can tell that it cannot."""

    exit_code = CONFIGURATION

    def __init__(self, *, certain: bool, heard: str) -> None:
        """`heard` is what Upbit answered; told where that says nothing certain."""
        self.certain = certain
        told = f" (Upbit: {heard})" if heard and not certain else ""
        ko, en = (
            ("이 API 키는 출금할 수 있습니다.", "This API key can withdraw.")
            if certain
            else (
                "이 API 키가 출금할 수 없는지 확인하지 못해 거래하지 않고 다시 묻고 있습니다.",
                "Whether this API key can withdraw is not known; it is asked again, and nothing is traded until then.",
            )
        )
        super().__init__(
            f"{ko} 자산조회, 주문조회, 주문하기 권한만 있는 키(서브 포켓 권장)로 다시 발급하세요. "
            f"그래도 쓰려면 risk.allow_withdrawal = true.{told}",
            f"{en} Issue one with view assets, view orders and make orders only, best in a sub-pocket. "
            f"To use it all the same: risk.allow_withdrawal = true.{told}",
        )


# --- withdrawing ----------------------------------------------------------------------------------------------------


class Withdrawal(Enum):
    """What a key may do about withdrawals."""

    IMPOSSIBLE = auto()
    LOCKED = auto()  # it has the right; a lock that the owner can open keeps it from using it
    POSSIBLE = auto()
    UNKNOWN = auto()


def judge_withdrawal(error: ExchangeError | None) -> Withdrawal:
    """Return what the answer to cancelling a withdrawal that nobody made says about the key.

    The name decides, never the status: a key without the right is `out_of_scope`, with 401 or 403. Any other refusal
    that Upbit itself names came after the rights were checked. A gateway that finds no route proves nothing.
    """
    if error is None:
        return Withdrawal.POSSIBLE
    if isinstance(error, OutOfScope):
        return Withdrawal.IMPOSSIBLE
    if error.name == LOCKED_NAME:
        return Withdrawal.LOCKED
    named = error.name and not error.name.isdigit() and error.status in {400, 403, 404}
    if named and not isinstance(error, Unauthorized | RateLimited) and "Route" not in error.message:
        return Withdrawal.POSSIBLE
    return Withdrawal.UNKNOWN


class Probe(NamedTuple):
    """What was found out, and what Upbit said last."""

    found: Withdrawal
    heard: str


async def probe_withdrawal(upbit: Upbit, nobody: str) -> Probe:
    """Ask until it is known, a few times; `nobody` is a uuid that names no withdrawal."""
    for attempt in range(WITHDRAWAL_TRIES):
        error = await ask_to_withdraw(upbit, nobody)
        found = judge_withdrawal(error)
        if found is not Withdrawal.UNKNOWN:
            break
        if attempt < WITHDRAWAL_TRIES - 1:
            await asyncio.sleep(WITHDRAWAL_PAUSE_S)
    return Probe(found, str(error or ""))


async def ask_to_withdraw(upbit: Upbit, nobody: str) -> ExchangeError | None:
    """Return how Upbit refuses."""
    try:
        await upbit.cancel_withdrawal(nobody)
    except ExchangeError as error:
        return error
    return None


async def refuse_withdrawal(app: App, nobody: str) -> None:
    """Refuse to trade with a key that can withdraw, unless the settings allow it.

    A key's rights cannot change, so one that was once seen to be harmless needs no second proof while Upbit is down.

    Raises:
        CanWithdrawError: when it can, or when that cannot be excluded.
    """
    found, heard = await probe_withdrawal(app.upbit, nobody)
    if found is Withdrawal.IMPOSSIBLE:
        if app.journal.meta(NO_WITHDRAWAL) != app.account:
            app.journal.set_meta(NO_WITHDRAWAL, app.account)
        return
    if found is Withdrawal.UNKNOWN and app.journal.meta(NO_WITHDRAWAL) == app.account:
        app.tell("withdrawal_not_probed", level=logging.WARNING)
        return
    if found is Withdrawal.LOCKED:
        app.tell("withdrawal_locked", level=logging.WARNING)
        return
    if not app.config.risk.allow_withdrawal:
        raise CanWithdrawError(certain=found is Withdrawal.POSSIBLE, heard=heard)
    app.tell("withdrawal_possible", level=logging.WARNING, found=found.name)


# --- refusals -------------------------------------------------------------------------------------------------------


def heed(app: App) -> None:
    """Stop trading when Upbit stops allowing something, and go on when it allows it again."""
    app.upbit.circuit.on_change = lambda what, error: on_change(app.control, what, error)


def on_change(control: Control, what: str, error: ExchangeError | None) -> None:
    """Raise or end the reason that stands for a permission, or for the key itself."""
    if error is None:
        control.ended(what)
        return
    words = {"ko": explain(error, "ko"), "en": explain(error, "en")}
    if what in {KEY, MAKE_ORDERS}:
        control.halt(what, **words, by_itself=True, error=error.name)
    else:
        control.halt_buys(what, **words, by_itself=what != AGREEMENT, error=error.name)


async def watch_account(app: App) -> None:
    """Once a minute see whether what was refused is allowed again; once a day when the key expires; until the stop."""
    look_at = app.clock()

    async def look() -> None:
        nonlocal look_at
        await ask_again(app)
        if app.clock() >= look_at:
            look_at = app.clock() + (EXPIRY_EVERY if await look_at_expiry(app) else EXPIRY_AGAIN)

    await keep_going("account", every(LOOK_S, app.stop), look, health=app.health, stop=app.stop)


def probes(app: App) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return for every permission a question that needs it and changes nothing."""
    identifier = f"probe-{app.account}-{app.clock():%y%m%d%H%M%S}"
    order = NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier=identifier)
    return {
        KEY: app.upbit.accounts,
        VIEW_ACCOUNTS: app.upbit.accounts,
        VIEW_ORDERS: app.upbit.open_orders,
        MAKE_ORDERS: lambda: app.upbit.test_order(order),
    }


async def ask_again(app: App) -> None:
    """Ask for what stands refused, and end its reason when it is refused no more."""
    for what, ask in probes(app).items():
        if not app.control.stands(what):
            continue
        try:
            await ask()
        except ExchangeError as error:
            if isinstance(error, Unauthorized | RateLimited) or error.status not in {400, 403, 404}:
                continue
        app.control.ended(what)


async def look_at_expiry(app: App) -> bool:
    """Tell a person on certain days before the key's end; return whether the end could be seen."""
    try:
        keys = await app.upbit.api_keys()
    except ExchangeError as error:
        log.warning("the key's end could not be read error=%s", error)
        return False
    if app.config.access_key is None:
        raise Breach("no daemon runs without keys")
    ours = [key for key in keys if key.access_key == app.config.access_key.reveal()]
    for key in ours:
        app.journal.keep_fact(KEY_ENDS, key.expires_at.isoformat())
        tell_expiry(app, key.expires_at)
    return bool(ours)


def tell_expiry(app: App, expires_at: datetime) -> None:
    """Queue the message of the threshold that was passed last; each is told once, also over restarts."""
    left = expires_at - app.clock()
    passed = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if not passed:
        return
    note = app.messages.expiry(expires_at, left, threshold=passed[-1], at=app.clock())
    app.inform(note)
    app.tell("key_expires", level=logging.WARNING, days=max(0, left.days), at=f"{expires_at:%Y-%m-%d}")
