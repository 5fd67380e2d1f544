"""The same examples in every run, whatever the machine is doing; and how `make mutation` runs the tests.

There the quick tests come first, and an endless one fails.
"""

from __future__ import annotations

import logging
import os
import signal
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from upbit.sockets.choice import FAST, PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

MUTATING = "MUTANT_UNDER_TEST" in os.environ  # mutmut names in it what it has changed
ENDLESS_S = 20.0
"""Seconds of processor time, several times what the longest plain test needs: a busy machine changes no verdict."""
ENDLESS_LONG_S = 60.0
"""The same of a test of many examples, and of one that needs an exchange: the longest takes some fifteen seconds."""
MOST_LONG = 40
"""So many tests that need an exchange judge one mutant, where more of them reach it."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # whoever runs the tests in the background hands this down
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A run with other examples than the last one is a run nobody can repeat: `make fuzz` is one, and says its seed.
settings.register_profile(
    "steady", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("mutation", settings.get_profile("steady"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutation" if MUTATING else "steady")


def pytest_xdist_auto_num_workers() -> int:
    """Let `-n auto` use one more than there are cores: stories of several processes wait for most of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def log_given_back() -> Iterator[None]:
    """Give the log back as it was: a verb that a test runs here writes to a terminal that is closed afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(params=[PLAIN, FAST])
def sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have streams use sockets of each kind in turn, on any loop; those of the extra where it is installed."""
    kind: str = request.param
    if kind == FAST:
        pytest.importorskip(FAST)
        from upbit.sockets.fast import open_fast  # noqa: PLC0415 - an extra

        monkeypatch.setattr("upbit.stream.opener", lambda: open_fast)
    return kind


def cost(item: pytest.Item) -> tuple[bool, bool, bool, int]:
    """Return what sorts plain tests before those of files, of many examples, and of a whole exchange; mixed by name."""
    needs_files = "tmp_path" in getattr(item, "fixturenames", ())
    return is_long(item), needs_files, "hypothesis" in item.keywords, zlib.crc32(item.nodeid.encode())


def is_long(item: pytest.Item) -> bool:
    """Return whether a test needs a whole exchange."""
    return item.nodeid.startswith(("tests/contract", "tests/scenarios"))


def require_plain_ids(items: list[pytest.Item]) -> None:
    """Refuse an id of `ids=` with a letter that pytest escapes: collected again in one process it has another name.

    mutmut collects several times, and would not find the test.
    """
    for item in items:
        marks = [mark for mark in item.iter_markers("parametrize") if mark.kwargs.get("ids")]
        if marks and "\\" in item.name:
            raise pytest.UsageError(f"{item.nodeid}: an id has other letters than those of ASCII")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a mutant meet the quick tests first, and not every one of the long ones."""
    if MUTATING:
        require_plain_ids(items)
        items.sort(key=cost)
    if os.environ.get("MUTANT_UNDER_TEST", "") not in {"", "stats", "list_all_tests"}:  # there every test is looked at
        del items[MOST_LONG + sum(not is_long(item) for item in items) :]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that a mutant has made endless."""
    if not MUTATING or os.environ["MUTANT_UNDER_TEST"] == "stats":  # then every call is counted, which takes its time
        return (yield)
    signal.signal(signal.SIGVTALRM, lambda *_: pytest.fail("endless"))
    takes_long = is_long(item) or "hypothesis" in item.keywords
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS_LONG_S if takes_long else ENDLESS_S, 1.0)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
