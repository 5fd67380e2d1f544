"""The page for a browser beside a daemon, where one is wished; who wishes none loads none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from config.settings import Config
    from dashboard.passes import Passes
    from trader.app import App


def page_beside(
    config: Config, seconds: float, announce: Callable[[str, Passes], None]
) -> list[Callable[[App], Coroutine[None, None, None]]]:
    """Return what serves the page, if there is to be one; the arguments are those of `dashboard.server.page_of`."""
    if config.dashboard.port is None:
        return []
    from dashboard.server import page_of  # noqa: PLC0415 - a third of a second, and a few MB

    return [page_of(seconds, announce)]
