"""Starts that ended with what only a person can mend: told once, and repeated with pauses that grow.

Docker starts a container again whatever its exit code was. Without a pause a wrong key would be shown to Upbit once a
minute for days. The next start tries at once when anything was changed, when somebody is at the terminal, or when the
pause was ended by a person's stop.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from config.problems import Problem
    from config.settings import Config

FILE = "start.json"
FIRST_S, LONGEST_S = 5.0, 600.0
FORGOTTEN_AFTER = timedelta(hours=1)

log = logging.getLogger("start")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The starts of a data folder that failed one after the other, with the same settings."""

    path: Path
    settings: str  # a fingerprint of everything that may have been mended
    clock: Callable[[], datetime]

    @classmethod
    def of(cls, config: Config, clock: Callable[[], datetime], problems: Sequence[Problem] = ()) -> Attempts:
        """Return those of the settings and what is wrong with them; no secret can be read from their fingerprint."""
        secrets = [one.reveal() for one in (config.access_key, config.secret_key) if one is not None]
        known = hashlib.sha256(repr((config, secrets, problems)).encode()).hexdigest()[:16]
        return cls(path=config.data_dir / FILE, settings=known, clock=clock)

    def failures(self) -> int:
        """Return how many starts have failed in a row, with these settings and lately."""
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            age = self.clock() - datetime.fromisoformat(record["at"])
            count = int(record["failures"]) if record["settings"] == self.settings else 0
        except (OSError, ValueError, TypeError, LookupError):
            return 0  # none, or none that can be read: the worst that follows is one attempt
        return max(0, count) if timedelta(0) <= age < FORGOTTEN_AFTER else 0

    def failed(self) -> int:
        """Note one more; return how many there are, 0 where they cannot be counted."""
        count = self.failures() + 1
        record = {"settings": self.settings, "failures": count, "at": self.clock().isoformat()}
        draft = self.path.with_suffix(".tmp")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(json.dumps(record), encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:  # the start has failed anyhow, and its sentence counts
            log.warning("start_not_counted why=%s", error)
            return 0
        return count

    def forget(self) -> None:
        """A start went well, or a person has ended the pause."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("start_not_counted why=%s", error)

    def wait(self, pause: Callable[[float], bool]) -> bool:
        """Let the pause that is due pass; return whether to start then. `pause` returns whether somebody ended it."""
        seconds = pause_s(self.failures())
        if not seconds:
            return True
        log.warning("start_paused seconds=%g failures=%d why=%s", seconds, self.failures(), "nothing was changed")
        if not pause(seconds):
            return True
        self.forget()
        return False


def pause_s(failures: int) -> float:
    """Return how long to wait before a start, after so many that failed."""
    return min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 20)) if failures else 0.0


@contextmanager
def stop_asked() -> Iterator[threading.Event]:
    """Set an event on SIGTERM instead of ending the process, inside the block and in the main thread."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
