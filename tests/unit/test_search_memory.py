"""What a process that judges variants does with memory that is free."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from backtest.search import memory

ROOT = Path(__file__).resolve().parents[2]
STORY = """
import resource
import numpy as np
from backtest.search import memory

def fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(5_000_000)  # as large as a number of a hundred markets and a month of minutes
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{first}
fetched()
print(fetched())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_what_one_variant_frees_serves_the_next() -> None:
    """The kernel is asked for hardly a page of it again; a process that did not say so asks for all of them."""
    kept, given_back = pages_fetched("memory.keep_freed_memory()"), pages_fetched("")
    assert 4 * kept < given_back


def pages_fetched(first: str) -> int:
    """Return how often a process that says something `first` was given memory for its second large array."""
    command = [sys.executable, "-c", STORY.format(first=first)]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)  # noqa: S603 - our own words


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Musl and macOS know no `mallopt`; Windows has no library of the process itself."""
    for found in (lambda _: object(), _refuses):
        monkeypatch.setattr(ctypes, "CDLL", found)
        memory.keep_freed_memory()


def _refuses(_: object) -> object:
    raise TypeError("no such library")
