"""The code a score rests on, as one name: a score of other code is never taken for one of this."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from pathlib import Path

import backtest
import strategy

LIBRARIES = ("numpy", "tulipy")
"""What computes beside our own code; another version may round otherwise."""


def fingerprint_of_code(name: str) -> str:
    """Return the SHA-256 of all source of `strategy/` and `backtest/`, of a strategy's own file, and of the versions.

    Args:
        name: the strategy, whose file may lie in a folder of its own.
    """
    folders = [Path(folder) for room in (backtest, strategy) for folder in room.__path__]
    files = {path for folder in folders for path in folder.rglob("*.py")}
    own = importlib.util.find_spec(f"strategy.{name}")
    if own is not None and own.origin is not None:
        files.add(Path(own.origin))
    digest = hashlib.sha256(platform.python_version().encode())
    for library in LIBRARIES:
        digest.update(f"{library} {importlib.metadata.version(library)}".encode())
    for path in sorted(files, key=lambda one: (one.parent.name, one.name)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
