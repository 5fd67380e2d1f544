"""`config`: the settings in force, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table
from config.tables import effective

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def run(config: Config, options: argparse.Namespace) -> int:
    """Print every setting, its value and its source."""
    rows = effective(config)
    if options.json:
        print_json({key: {"value": value, "source": source} for key, value, source in rows})
    else:
        print_table(["key", "value", "source"], [list(row) for row in rows])
    return OK
