"""What a person asks of the running daemon: `resume` and `sell-all` leave a file, and it is taken away once obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.books.breach import see_whether_it_is_free
from trader.control import REQUEST, SELL_ALL_REQUEST, take_request
from trader.loops import every, keep_going

if TYPE_CHECKING:
    from trader.app import App

LOOK_S = 1.0


async def watch_control(app: App) -> None:
    """Resume, or sell all, when a person asks for it, until the stop."""
    folder = app.config.data_dir
    answers = {REQUEST: app.control.resume, SELL_ALL_REQUEST: app.control.sell_all}
    for name in answers:
        take_request(folder, name)  # one that was meant for an earlier daemon

    async def look() -> None:
        app.control.write_again()
        see_whether_it_is_free(app)
        for name, answer in answers.items():
            if (folder / name).exists():
                answer()
                take_request(folder, name)  # last: what the disk did not take is tried again

    await keep_going("control", every(LOOK_S, app.stop), look, health=app.health, stop=app.stop)
