"""Whose money it is: accounts of one person each, their pockets, and the keys that open these."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

VIEW_ACCOUNT = "view_account"
VIEW_ORDERS = "view_orders"
MAKE_ORDERS = "make_orders"
MANAGE_POCKETS = "manage_pockets"
WITHDRAW = "withdraw"
TRADING = frozenset({VIEW_ACCOUNT, VIEW_ORDERS, MAKE_ORDERS})
PERMISSIONS = TRADING | {MANAGE_POCKETS, WITHDRAW, "view_withdrawals", "view_deposits", "deposit", "transfer"}
KEY_LIFE = timedelta(days=365)
MAIN = "main"  # also what the first pocket of every account is called


class PocketId(NamedTuple):
    """A pocket of an account. Balances, orders and limits are a pocket's, identifiers and self-trades an account's."""

    account: str = MAIN
    name: str = MAIN

    def __str__(self) -> str:
        return f"pocket {self.account}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """An API key to be issued. `ips` None allows every address, `expires_at` None means a year after the start."""

    access_key: str
    secret_key: str = field(repr=False)
    permissions: frozenset[str] = TRADING
    ips: frozenset[str] | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.access_key or not self.secret_key:
            raise ValueError("an API key needs an access key and a secret key")
        if unknown := self.permissions - PERMISSIONS:
            raise ValueError(f"unknown permission {min(unknown)!r}: one of {', '.join(sorted(PERMISSIONS))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PocketOptions:
    """A pocket to be opened, what is in it at the start by currency, and the keys that open it.

    Named like one that is already there it adds to that one.
    """

    account: str = MAIN
    name: str = MAIN
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    keys: tuple[KeyOptions, ...] = ()

    @property
    def id(self) -> PocketId:
        """Return which pocket it is."""
        return PocketId(self.account, self.name)
