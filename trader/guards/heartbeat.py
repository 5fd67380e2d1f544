"""The heartbeat: writes the health file, tells a person when a loop has died, and once a day that the daemon is alive.

A process that has died can tell nobody; a message that is missing can.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trader.health_file import FILE, forget, write_report
from trader.loops import every, keep_going

if TYPE_CHECKING:
    from trader.app import App

WRITE_EVERY_S = 5.0


async def watch_health(app: App) -> None:
    """Write the health file every few seconds, and tell a person once when a loop has died, until the stop."""
    told, path = set[str](), app.config.data_dir / FILE
    day = app.clock().date()

    async def look() -> None:
        nonlocal day
        dead = app.health.dead()
        if app.clock().date() != day:
            day = app.clock().date()
            tell_alive(app, dead)
        for loop in sorted(dead.keys() - told):
            app.tell("loop_dead", level=logging.ERROR, loop=loop, error=dead[loop])
            app.inform(app.messages.problem("loop_dead", f"{loop}: {dead[loop]}", at=app.clock()))
        told.clear()
        told.update(dead)
        waiting = app.health.waiting()
        write_report(  # last: on a full disk a person is told all the same
            path,
            dead={loop: error for loop, error in dead.items() if loop not in waiting},
            waiting=waiting,
            halts={halt.code: halt.level for halt in app.control.reasons},
        )

    try:
        await keep_going("health", every(WRITE_EVERY_S, app.stop), look, health=app.health, stop=app.stop)
    finally:
        forget(path)


def tell_alive(app: App, dead: dict[str, str]) -> None:
    """Queue the message of a new day (UTC, so at 09:00 in Korea); the same day is told once, also over restarts."""
    note = app.messages.alive(
        halts=app.control.reasons,
        dead=sorted(dead),
        open_trades=app.journal.open_trades(),
        realised=app.journal.realised(),
        fees=app.journal.fees(),
        at=app.clock(),
    )
    app.inform(note)
