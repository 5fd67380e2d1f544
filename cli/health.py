"""`health`: exit 0 while a daemon is alive on this data folder; a container asks it every minute.

It must be cheap, and answer whatever stands in the settings: it takes the folder and the language from the environment
alone, and loads nothing for arguments or settings.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from trader.health_file import FILE, read_health

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from config.settings import Config


def run(config: Config, _: argparse.Namespace) -> int:
    """Print how the daemon is, with the settings of this start."""
    return tell(str(config.data_dir), config.language)


def answer(environ: Mapping[str, str]) -> int:
    """Print how the daemon is, without reading any settings."""
    return tell(environ.get("BOT_DATA_DIR") or "data", environ.get("BOT_LANGUAGE") or "ko")


def tell(folder: str, language: str) -> int:
    """Print one sentence, and return 0 if a daemon is alive."""
    alive, sentence = read_health(f"{folder}/{FILE}", language)
    print(sentence, file=sys.stdout if alive else sys.stderr)
    return OK if alive else ERROR
