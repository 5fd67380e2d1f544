"""`health`: exit 0 while a daemon lives on this data folder; a container asks it every half minute."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from trader.health import FILE, read_health

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def run(config: Config, _: argparse.Namespace) -> int:
    """Print `ok`, or what is wrong."""
    problem = read_health(config.data_dir / FILE)
    print(problem or "ok", file=sys.stderr if problem else sys.stdout)
    return ERROR if problem else OK
