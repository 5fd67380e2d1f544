"""What a person orders of the running daemon on the command line: each request is taken away once it is obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.records import Order
from trader.books.breach import see_whether_it_is_free
from trader.commands import catch_up, obey
from trader.loops import every, keep_going
from trader.requests import read_request, take_request

if TYPE_CHECKING:
    from trader.app import App

LOOK_S = 1.0


async def watch_control(app: App) -> None:
    """Do what a person asks for, and before it what was asked for when the last process died, until the stop."""
    folder = app.config.data_dir
    for order in Order:
        take_request(folder, order)  # one that was meant for an earlier daemon

    async def look() -> None:
        app.control.write_again()
        see_whether_it_is_free(app.control, app.journal)
        catch_up(app.control, app.journal)
        for order in Order:
            command = read_request(folder, order, app.clock())
            if command is not None:
                obey(app.control, app.journal, command)
                take_request(folder, order)  # last: what the disk did not take is tried again

    await keep_going("control", every(LOOK_S, app.stop), look, health=app.health, stop=app.stop)
