"""How `make mutation` runs the tests: quick ones first, the same examples each time, and an endless one fails."""

from __future__ import annotations

import os
import signal
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MUTATING = "MUTANT_UNDER_TEST" in os.environ  # mutmut names in it what it has changed
ENDLESS_S = 5.0
"""Seconds of processor time, several times what the longest test needs: a busy machine changes no verdict."""
MOST_LONG = 40
"""So many tests that need an exchange judge one mutant, where more of them reach it."""

if MUTATING:
    settings.register_profile(
        "mutation", derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate]
    )
    settings.load_profile("mutation")


def cost(item: pytest.Item) -> tuple[bool, bool, bool, int]:
    """Return what sorts plain tests before those of files, of many examples, and of a whole exchange; mixed by name."""
    needs_files = "tmp_path" in getattr(item, "fixturenames", ())
    return is_long(item), needs_files, "hypothesis" in item.keywords, zlib.crc32(item.nodeid.encode())


def is_long(item: pytest.Item) -> bool:
    """Return whether a test needs a whole exchange."""
    return "contract" in item.nodeid


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a mutant meet the quick tests first, and not every one of the long ones."""
    if MUTATING:
        items.sort(key=cost)
    if os.environ.get("MUTANT_UNDER_TEST", "stats") not in {"", "stats"}:  # in these every test is looked at once
        del items[MOST_LONG + sum(not is_long(item) for item in items) :]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Fail a test that a mutant has made endless."""
    if not MUTATING:
        return (yield)
    signal.signal(signal.SIGVTALRM, lambda *_: pytest.fail("endless"))
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS_S, 1.0)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
