"""Whether the daemon is alive: when each loop last finished a step, written to a file for the container's check.

`guards/heartbeat.py` writes the file; its reader may be another process, so nothing here loads more than it must.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "health.json"
FILE_MAX_AGE = timedelta(seconds=60)

LIMITS_S = {
    "update_indicators_periodically": 300.0,
    "update_trading_dict": 60.0,
    "update_prices": 60.0,
    "update_wallet_realtime": 60.0,
    "execute_trades": 60.0,
    "reconcile": 300.0,
}
"""Seconds after which a loop that finished no step counts as dead."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the health file says."""

    ok: bool
    written_at: datetime
    dead: dict[str, str]  # loop: its last error, or "no step finished"


def throw(breach: Exception) -> None:
    """Let a broken rule end the loop: nobody is there to halt on it."""
    raise breach


@dataclass(slots=True)
class Health:
    """The last sign of life of each loop, in loop time."""

    clock: Callable[[], float]  # loop time, seconds
    on_breach: Callable[[str, Exception], None] = field(default=lambda _, breach: throw(breach))  # by a loop's step
    _alive: dict[str, float] = field(default_factory=dict)
    _error: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = self.clock()
        self._alive = dict.fromkeys(LIMITS_S, now)

    def alive(self, loop: str) -> None:
        """Note that a loop finished a step."""
        self._alive[loop] = self.clock()
        self._error.pop(loop, None)

    def failed(self, loop: str, error: Exception) -> None:
        """Note why a loop's step failed; a broken rule of our own goes to `on_breach`, which halts trading."""
        if isinstance(error, AssertionError):
            self.on_breach(loop, error)
            return
        self._error[loop] = f"{type(error).__name__}: {error}"

    def dead(self) -> dict[str, str]:
        """Return the loops that are silent for longer than their limit, with the last error."""
        now = self.clock()
        return {
            loop: self._error.get(loop, "no step finished")
            for loop, limit in LIMITS_S.items()
            if now - self._alive[loop] > limit
        }


def forget(path: Path) -> None:
    """Remove the health file: no daemon runs here any more."""
    with contextlib.suppress(OSError):  # one that stays grows old, and says so
        path.unlink(missing_ok=True)


def write_report(path: Path, dead: dict[str, str]) -> None:
    """Replace the health file in one step. Its reader is another process, so its time is the machine's."""
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(Report(ok=not dead, written_at=datetime.now(UTC), dead=dead)))
    draft.replace(path)


def read_health(path: Path) -> str | None:
    """Return None when a daemon writes `path` and all its loops live, else what is wrong, in one sentence."""
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except FileNotFoundError:
        return f"no daemon is running here: {path} does not exist"
    except msgspec.DecodeError as error:
        return f"{path} cannot be read: {error}"
    age = datetime.now(UTC) - report.written_at
    if age > FILE_MAX_AGE:
        return f"the daemon has not written {path} for {age.total_seconds():.0f} s"
    if not report.ok:
        return "; ".join(f"{loop} is dead: {error}" for loop, error in report.dead.items())
    return None
