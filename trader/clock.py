"""The clock of production. Everybody is handed a clock, so a demo, a test and a simulated world bring their own."""

from __future__ import annotations

from datetime import UTC, datetime


def wall_clock() -> datetime:
    """Return the time of day of this machine, UTC."""
    return datetime.now(UTC)
