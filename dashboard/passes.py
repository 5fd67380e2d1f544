"""Who may look: one-time links, and the sessions they become. Files in the data folder that hold hashes, never tokens.

`python main.py open` writes a link, the running daemon takes it away when it is used; so both work on the same folder,
and a session outlives a restart.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from config.settings import DashboardSettings

FOLDER = "dashboard"
LINK, SESSION = "link", "session"
LINK_LIFE, SESSION_LIFE = timedelta(minutes=5), timedelta(days=30)


class NoPage(Failure):
    """The settings ask for no page."""

    def __init__(self) -> None:
        super().__init__(
            "페이지가 꺼져 있습니다. config.toml에 [dashboard] port = 8787을 쓰고 데몬을 다시 시작하세요.",
            "The page is off. Write [dashboard] port = 8787 into config.toml, and restart the daemon.",
        )


class Role(StrEnum):
    """What somebody may do."""

    GUEST = "guest"  # look
    OWNER = "owner"  # look, and give commands

    def may(self, needed: Role) -> bool:
        """Return whether who may do this may do what `needed` says."""
        return self is Role.OWNER or needed is Role.GUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes:
    """The links and sessions of one data folder."""

    folder: Path
    clock: Callable[[], datetime]  # UTC

    def issue(self, kind: str, role: Role, life: timedelta) -> str:
        """Return a token that nobody can guess; only its hash is kept, until its time is over."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_old()
        token = secrets.token_urlsafe(32)
        draft = self.folder / f"draft-{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps({"role": role, "until": (self.clock() + life).isoformat()}), encoding="utf-8")
        draft.replace(self._place(kind, token))
        return token

    def link(self, address: str, role: Role, *, seconds: float = 1.0) -> str:
        """Return a link that opens the page at an address once; `seconds` of the clock pass in one second."""
        return f"{address}/login?link={self.issue(LINK, role, LINK_LIFE * seconds)}"

    def role(self, kind: str, token: str) -> Role | None:
        """Return what a token allows; None when nobody gave it out, or its time is over."""
        return self._read(self._place(kind, token))

    def take(self, kind: str, token: str) -> Role | None:
        """Return what a token allows, once: of two who use it at the same time one gets it."""
        role = self.role(kind, token)
        try:
            self._place(kind, token).unlink()
        except FileNotFoundError:
            return None
        return role

    def _place(self, kind: str, token: str) -> Path:
        return self.folder / f"{kind}-{hashlib.sha256(token.encode()).hexdigest()}"

    def _read(self, place: Path) -> Role | None:
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))
            valid = self.clock() < datetime.fromisoformat(kept["until"])
            return Role(kept["role"]) if valid else None
        except (FileNotFoundError, ValueError, KeyError):  # an end of the power may leave half a file
            return None

    def _forget_old(self) -> None:
        for kind in (LINK, SESSION):
            for place in self.folder.glob(f"{kind}-*"):
                if self._read(place) is None:
                    place.unlink(missing_ok=True)


def address_of(settings: DashboardSettings) -> str | None:
    """Return where somebody else opens the page: under its first other name, else on this machine; None: nowhere.

    A name is that of an HTTPS proxy in front of it; an address without a port is the page itself.
    """
    if settings.port is None:
        return None
    if not settings.hosts:
        return f"http://127.0.0.1:{settings.port}"
    host = settings.hosts[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return f"https://{host}"
    return f"http://{host}:{settings.port}"


def form_token(session: str) -> str:
    """Return what every form of a session carries: another page cannot know it."""
    return hashlib.sha256(f"form {session}".encode()).hexdigest()
