"""How a daemon may end: when it is told to, and at a start that a person must help. No failure ends one that trades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import JournalError
from trader.guards.account import CanWithdrawError
from upbit.errors import ExchangeError, passes
from worlds.judges.log_listener import leaves

if TYPE_CHECKING:
    from collections.abc import Mapping


def needs_a_person(error: BaseException, *, disk_refuses: bool, keys_refused: bool) -> bool:
    """Return whether a start may end with a failure: the disk takes nothing, or the exchange refuses these keys now."""
    if isinstance(error, JournalError):
        return disk_refuses
    if isinstance(error, CanWithdrawError):
        return keys_refused
    return isinstance(error, ExchangeError) and keys_refused and not passes(error)


def wrong_end(error: BaseException | None, *, told: bool, trading: bool, excuses: Mapping[str, bool]) -> str | None:
    """Return what is wrong with the end of a daemon; None when nothing is.

    Args:
        error: what it failed with; None when it just ended.
        told: whether it was told to stop.
        trading: whether its start was over.
        excuses: what a start may end over, as `needs_a_person` takes it.
    """
    if error is None:
        return None if told else "ended without being told to"
    if not trading and all(needs_a_person(one, **excuses) for one in leaves(error)):
        return None
    return "gave up" if trading else "gave up at its start"
