"""What stands behind `main.py VERB`: the parser of every verb's name, and of the options of the one that is called."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING

from config.version import NAME, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping


def module_of(verb: str) -> str:
    """Return the module of `cli/` that is a verb."""
    return f"cli.{verb.replace('-', '_')}"


def build_parser(verbs: Mapping[str, tuple[str, str]], called: str) -> argparse.ArgumentParser:
    """Return the parser of every verb's name and of the options of one of them: only that one is imported.

    Args:
        verbs: name: what it does, in Korean and English.
        called: the verb whose options are needed; one that does not exist has none.
    """
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="업비트 자동매매 데몬 · An Upbit trading daemon. Without a verb: run.",
        epilog="exit codes: 0 clean stop, 1 error, 2 usage, 3 a second daemon on the same data, 4 configuration",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    parsers = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, (ko, en) in verbs.items():
        told = f"{ko} · {en}"
        sub = parsers.add_parser(name, help=told, description=told)
        if name == called:
            add_options(sub, module_of(name))
    return parser


def add_options(parser: argparse.ArgumentParser, module: str) -> None:
    """Add what every verb understands, and what this one does."""
    from cli.common.options import add_common  # noqa: PLC0415 - `--help` needs none of it

    add_common(parser)
    arguments = getattr(import_module(module), "arguments", None)
    if arguments is not None:
        arguments(parser)
