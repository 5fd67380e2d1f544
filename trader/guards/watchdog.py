"""The watchdog of a live daemon: shows what holds the loop up, and lets the system end a process that hangs.

A thread looks and shows, with the interpreter's lock: `faulthandler.dump_traceback_later` needs none, reads stacks as
they change, and crashes processes that are busy (https://github.com/python/cpython/issues/140815). The alarm clock is
the system's and works while Python itself is stuck; it shows the stack of the thread it interrupts, and ends the
process. A container or service manager starts it again, which recovers like after any kill.
"""

from __future__ import annotations

import errno
import faulthandler
import resource
import signal
import sys
import threading
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
        self._closed = threading.Event()
        faulthandler.register(signal.SIGALRM, file=sys.stderr, all_threads=False, chain=True)  # the stack, then the end
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def alive(self) -> None:
        """Hear that the loop lives, and wind the alarm clock up again."""
        self._heard = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, END_AFTER_S)

    def _watch(self) -> None:
        while not self._closed.wait(PERIOD_S):
            self.look()

    def look(self) -> None:
        """Show where the loop is when it was not heard of for too long."""
        now = time.monotonic()
        if now - self._heard > PERIOD_S + SHOW_AFTER_S and now >= self._quiet_until:
            self._quiet_until = now + SHOW_AGAIN_S
            sys.stderr.write("the loop is held up:\n")
            faulthandler.dump_traceback(file=sys.stderr)

    def files_used(self) -> float:
        """Return which share of the files and sockets this process may open are open."""
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            used = sum(1 for _ in OPEN_FILES.iterdir())
        except OSError as error:  # it takes a file to count them
            return 1.0 if error.errno in {errno.EMFILE, errno.ENFILE} else 0.0
        return 0.0 if most == resource.RLIM_INFINITY else used / most

    def close(self) -> None:
        """Stop the clock and the looks."""
        self._closed.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.unregister(signal.SIGALRM)
