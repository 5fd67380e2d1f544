"""Run the verb that was asked for: read the settings once, and turn every failure into one sentence and a code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import INTERRUPTED
from config.reading import load, take_secrets

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from config.settings import Config

DEFAULT_CONFIG = Path("config.toml")


def dispatch(verb: Callable[[Config, argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run one verb and return its exit code."""
    environment = take_secrets(os.environ)
    language = wished_language(environment)
    try:
        config = load(environment, path=config_path(environment), overrides=options.overrides)
        language = config.language
        return verb(config, options)
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


def wished_language(environment: Mapping[str, str]) -> str:
    """Return the language in which problems of the settings themselves are told."""
    return "en" if environment.get("BOT_LANGUAGE", "").strip().lower() == "en" else "ko"


def config_path(environment: Mapping[str, str]) -> Path | None:
    """Return the file of settings: the named one, or the one that lies here, if any."""
    named = environment.get("BOT_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None
