"""Who may trade on a sandbox: accounts, pockets and keys from the command line, or from a file that keeps secrets."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec

from config.problems import ConfigError, Problem
from sandbox.keys import MAIN, TRADING, KeyOptions, PocketOptions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class KeyForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key in the file."""

    access_key: str
    secret_key: str
    permissions: list[str] | None = None  # None: those of trading
    ips: list[str] | None = None  # None: from everywhere
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # None: a year after the start


class PocketForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pocket in the file."""

    account: str = MAIN
    pocket: str = MAIN
    balances: dict[str, Decimal] = {}
    keys: list[KeyForm] = []


def read_accounts(path: Path) -> tuple[PocketOptions, ...]:
    """Return the pockets a JSON file lists.

    Raises:
        ConfigError: when it cannot be read, or says something that cannot be.
    """
    try:
        forms = msgspec.json.decode(path.read_bytes(), type=list[PocketForm])
        return tuple(_pocket(form) for form in forms)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise ConfigError((_unreadable(path, error),)) from error


def _pocket(form: PocketForm) -> PocketOptions:
    if any(not amount.is_finite() or amount < 0 for amount in form.balances.values()):
        raise ValueError(f"a balance of {form.account}/{form.pocket} is not an amount")
    keys = tuple(
        KeyOptions(
            access_key=key.access_key,
            secret_key=key.secret_key,
            permissions=TRADING if key.permissions is None else frozenset(key.permissions),
            ips=None if key.ips is None else frozenset(key.ips),
            expires_at=key.expires_at,
        )
        for key in form.keys
    )
    return PocketOptions(account=form.account, name=form.pocket, balances=form.balances, keys=keys)


def _unreadable(path: Path, error: Exception) -> Problem:
    return Problem(
        ko=f"계정 파일 {path}을(를) 읽을 수 없습니다: {error}. 형식은 docs/sandbox.md를 보세요.",
        en=f"The file of accounts {path} cannot be read: {error}. docs/sandbox.md shows its form.",
    )


def account_of(name: str, access_key: str, secret_key: str, krw: Decimal) -> PocketOptions:
    """Return an account with one pocket, one key and won."""
    key = KeyOptions(access_key=access_key, secret_key=secret_key)
    return PocketOptions(account=name, balances={"KRW": krw}, keys=(key,))


def check_keys(first: str, pockets: Sequence[PocketOptions]) -> None:
    """Raise `ConfigError` when two keys have one name: `first` is that of the main account."""
    counts = Counter([first, *(key.access_key for pocket in pockets for key in pocket.keys)])
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(
            (
                Problem(
                    ko=f"액세스 키 '{twice[0]}'가 두 번 나옵니다. 키마다 다른 이름을 쓰세요.",
                    en=f"The access key '{twice[0]}' is there twice. Give every key a name of its own.",
                ),
            )
        )
