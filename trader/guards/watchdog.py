"""The watchdog of a live daemon: shows what holds the loop up, and lets the system end a process that hangs.

Both work while Python itself is stuck: `faulthandler` writes the stack from a thread of its own, and the alarm clock is
the system's. A container or service manager starts the process again, which recovers like after any kill.
"""

from __future__ import annotations

import errno
import faulthandler
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Protocol

PERIOD_S = 0.1
SHOW_AFTER_S = 0.25
SHOW_AGAIN_S = 600.0
"""After a stack was shown the next one waits: a slow machine must not fill the log."""
END_AFTER_S = 60.0
OPEN_FILES = Path("/dev/fd")


class Watchdog(Protocol):
    """What looks at the loop from outside, in real time: it shows what holds it up, and ends a process that hangs."""

    period_s: float  # how often it wants to hear that the loop lives

    def alive(self) -> None:
        """Hear that the loop lives."""

    def close(self) -> None:
        """Look no more."""

    def files_used(self) -> float:
        """Return which share of the files and sockets this process may open are open."""


class SystemWatchdog:
    """Call `alive` every `period_s` seconds; one silence shows the stack, a long one ends the process."""

    period_s = PERIOD_S

    def __init__(self) -> None:
        self._heard = time.monotonic()
        self._quiet_until = 0.0
        faulthandler.register(signal.SIGALRM, file=sys.stderr, chain=True)  # the stack, and then the end

    def alive(self) -> None:
        """Wind both clocks up again."""
        now = time.monotonic()
        if now - self._heard > PERIOD_S + SHOW_AFTER_S:
            self._quiet_until = now + SHOW_AGAIN_S
        self._heard = now
        signal.setitimer(signal.ITIMER_REAL, END_AFTER_S)
        if now >= self._quiet_until:
            faulthandler.dump_traceback_later(PERIOD_S + SHOW_AFTER_S, file=sys.stderr)

    def files_used(self) -> float:
        """Return which share of the files and sockets this process may open are open."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            used = sum(1 for _ in OPEN_FILES.iterdir())
        except OSError as error:  # it takes a file to count them
            return 1.0 if error.errno in {errno.EMFILE, errno.ENFILE} else 0.0
        return 0.0 if most == resource.RLIM_INFINITY else used / most

    def close(self) -> None:
        """Stop both clocks."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.unregister(signal.SIGALRM)
