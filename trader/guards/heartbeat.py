"""The heartbeat: writes the health file, tells a person when a loop has died, and once a day how things stand.

A process that has died can tell nobody; a message that is missing can.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from notifier.watchers import needs_network
from trader.guards.digest import tell_digest
from trader.health_file import FILE, forget, write_report
from trader.loops import every, keep_going
from upbit.circuit import KEY, VIEW_ACCOUNTS, VIEW_ORDERS

if TYPE_CHECKING:
    from collections.abc import Collection

    from trader.app import App

WRITE_EVERY_S = 5.0
REFUSED = (KEY, VIEW_ACCOUNTS, VIEW_ORDERS)
"""Reasons that halt trading and also keep loops from finishing a step."""


async def watch_health(app: App) -> None:
    """Write the health file every few seconds, and tell a person once when a loop has died, until the stop.

    One cause is one message: what follows from a refused key, or from the network that is told of already, is logged.
    """
    logged, told, path = set[str](), set[str](), app.config.data_dir / FILE
    day = app.clock().date()

    async def look() -> None:
        nonlocal day
        dead = app.health.dead()
        if app.clock().date() != day:
            day = app.clock().date()
            await tell_digest(app, dead)
        logged.intersection_update(dead)
        for loop in sorted(dead.keys() - logged):
            app.tell("loop_dead", level=logging.ERROR, loop=loop, error=dead[loop])
            logged.add(loop)
        told.intersection_update(dead)
        for loop in sorted(dead.keys() - told):
            if not is_explained(loop, told, refused=any(app.control.stands(code) for code in REFUSED)):
                app.inform(app.messages.watcher_stopped(loop, at=app.clock()))
                told.add(loop)
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


def is_explained(loop: str, told: Collection[str], *, refused: bool) -> bool:
    """Return whether a person knows already why a loop stands: Upbit refuses the key, or another misses the network."""
    return needs_network(loop) and (refused or any(needs_network(other) for other in told))
