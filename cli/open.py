"""`open`: a one-time link to the page of the running daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json
from dashboard.passes import FOLDER, NoPage, Passes, Role
from notifier.words import Words
from trader.clock import wall_clock

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--guest", action="store_true", help="a link that can look, and give no commands")


def run(config: Config, options: argparse.Namespace) -> int:
    """Print a link that opens the page once, for five minutes.

    Raises:
        NoPage: none is served.
    """
    port = config.dashboard.port
    if port is None:
        raise NoPage
    role = Role.GUEST if options.guest else Role.OWNER
    link = Passes(folder=config.data_dir / FOLDER, clock=wall_clock).link(f"http://127.0.0.1:{port}", role)
    if options.json:
        print_json({"link": link, "role": role})
        return OK
    once = Words("5분 안에 한 번 열 수 있는 링크:", "Opens once, within five minutes:")
    print(f"{once.say(config.language)}\n{link}")
    return OK
