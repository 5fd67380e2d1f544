"""Exit codes of the command line; those of failures come from `failure.py`."""

from __future__ import annotations

from failure import CONFIGURATION, ERROR, SECOND_DAEMON, USAGE

__all__ = ("CONFIGURATION", "ERROR", "INTERRUPTED", "OK", "SECOND_DAEMON", "USAGE")

OK = 0
INTERRUPTED = 130
