"""Run the verb that was parsed: read the settings once, call the verb, and turn every failure into one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli import (
    backtest,
    check,
    data,
    demo,
    download,
    optimize,
    recover,
    replay,
    report,
    resume,
    run,
    sandbox,
    sell_all,
    status,
)
from cli.common.exits import ERROR, INTERRUPTED, OK
from config.reading import load, take_secrets
from config.tables import effective
from journal.reader import copy_to
from trader.daemon import JOURNAL_FILE
from trader.health import FILE as HEALTH_FILE
from trader.health import read_health

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from config.settings import Config

DEFAULT_CONFIG = Path("config.toml")


def dispatch(options: argparse.Namespace) -> int:
    """Run one verb and return its exit code."""
    environment = take_secrets(os.environ)
    language = environment.get("BOT_LANGUAGE", "ko")
    try:
        config = load(environment, path=config_path(environment), overrides=options.overrides)
        language = config.language
        return VERBS[options.verb](config, options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        told = run.explain_failure(error, language)
        if told is None:
            raise
        sentence, code = told
        print(sentence, file=sys.stderr)  # noqa: T201 - the one sentence a person reads
        return code


def config_path(environment: Mapping[str, str]) -> Path | None:
    """Return the file of settings: the named one, or the one that lies here, if any."""
    named = environment.get("BOT_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def show_config(config: Config, options: argparse.Namespace) -> int:
    """`config`: print the effective settings, each with its source."""
    status.print_settings(effective(config), as_json=options.json)
    return OK


def show_health(config: Config, _: argparse.Namespace) -> int:
    """`health`: say whether a daemon lives on this data folder."""
    problem = read_health(config.data_dir / HEALTH_FILE)
    print(problem or "ok", file=sys.stderr if problem else sys.stdout)
    return ERROR if problem else OK


def back_up(config: Config, options: argparse.Namespace) -> int:
    """`backup FILE`: write a copy of the journal as it is at this moment."""
    copy_to(config.data_dir / JOURNAL_FILE, options.file)
    return OK


VERBS: dict[str, Callable[[Config, argparse.Namespace], int]] = {
    "run": lambda config, _: run.run(config),
    "demo": demo.run,
    "sandbox": sandbox.run,
    "check": check.run,
    "resume": resume.run,
    "sell-all": sell_all.run,
    "status": status.status,
    "history": status.history,
    "replay": replay.run,
    "config": show_config,
    "recover": recover.run,
    "backup": back_up,
    "health": show_health,
    "download": download.run,
    "data": data.run,
    "backtest": backtest.run,
    "report": report.run,
    "optimize": optimize.run,
}
