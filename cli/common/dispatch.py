"""Run the verb that was asked for: read the settings once, and turn every failure into one sentence and a code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cli.common.exits import INTERRUPTED
from config.reading import UnusableSettings, load, take_secrets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from config.settings import Config

DEFAULT_CONFIG = Path("config.toml")
STRATEGIES = "strategies"


class Verb(Protocol):
    """A module of `cli/`. One that is started again and again may have `refused(error)`, for settings it cannot use."""

    run: Callable[[Config, argparse.Namespace], int]


def dispatch(verb: Verb, options: argparse.Namespace) -> int:
    """Run one verb and return its exit code."""
    environment = take_secrets(os.environ)
    language = wished_language(environment)
    try:
        take_interrupts()
        try:
            config = load(environment, path=config_path(environment), overrides=options.overrides)
            language = config.language
            find_own_strategies(config.data_dir / STRATEGIES)
            return verb.run(config, options)
        except UnusableSettings as error:
            getattr(verb, "refused", ignored)(error)
            raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        from cli.common.failures import explain_failure  # noqa: PLC0415 - it knows every room, so only when needed

        told = explain_failure(error, language)
        if told is None:
            raise
        sentence, code = told
        print(sentence, file=sys.stderr)  # noqa: T201 - the one sentence a person reads
        return code


def ignored(_: UnusableSettings) -> None:
    """Do nothing before settings that cannot be used are told."""


def wished_language(environment: Mapping[str, str]) -> str:
    """Return the language in which problems of the settings themselves are told."""
    return "en" if environment.get("BOT_LANGUAGE", "").strip().lower() == "en" else "ko"


def take_interrupts() -> None:
    """Let Ctrl-C be an exception from here on, which a verb may answer; until here it ends the program (`main.py`)."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def config_path(environment: Mapping[str, str]) -> Path | None:
    """Return the file of settings: the named one, or the one that lies here or in the data folder, if any."""
    named = environment.get("BOT_CONFIG")
    if named:
        return Path(named)
    data = Path(environment.get("BOT_DATA_DIR") or "data")
    return next((path for path in (DEFAULT_CONFIG, data / DEFAULT_CONFIG) if os.access(path, os.F_OK)), None)


def find_own_strategies(folder: Path) -> None:
    """Let strategies of the data folder be found beside ours; a container has no other place for them."""
    import strategy  # noqa: PLC0415 - only its search path is touched, nothing is loaded

    if os.access(folder, os.X_OK) and str(folder) not in strategy.__path__:
        strategy.__path__.append(str(folder))
