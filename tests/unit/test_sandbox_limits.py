"""Request limits of the sandbox: windows, groups, callers, and what ignoring them leads to."""

from __future__ import annotations

import re

import pytest

from sandbox.limits import RULES, STRIKES, Limits
from sandbox.refusals import ApiError

START = 1_700_000_000_000  # the beginning of a second


def spend(limits: Limits, group: str, times: int, now_ms: int = START, caller: str = "me") -> list[int]:
    """Spend requests; return the status of each."""
    statuses = []
    for _ in range(times):
        try:
            limits.spend(group, caller, now_ms)
        except ApiError as error:
            statuses.append(error.status)
        else:
            statuses.append(200)
    return statuses


@pytest.mark.parametrize(("group", "most"), [("order", 12), ("default", 30), ("order-test", 8), ("candle", 10)])
def test_a_group_gives_its_number_per_second(group: str, most: int) -> None:
    """One request more than the limit is a 429; the next wall-clock second works."""
    limits = Limits()
    assert spend(limits, group, most + 1, START + 900) == [200] * most + [429]
    assert spend(limits, group, 1, START + 1000) == [200]


def test_groups_and_callers_do_not_share() -> None:
    """Spending one group leaves the others, and one caller leaves the next."""
    limits = Limits()
    spend(limits, "order", 12)
    assert spend(limits, "default", 1) == [200]
    assert spend(limits, "order", 1, caller="somebody else") == [200]


@pytest.mark.parametrize(("group", "window"), [("origin", 10_000), ("order-cancel-all", 2_000)])
def test_slow_groups_give_one_request_per_window(group: str, window: int) -> None:
    """The origin and cancel-all groups allow one request in their longer windows."""
    limits = Limits()
    assert spend(limits, group, 2) == [200, 429]
    assert spend(limits, group, 1, START + window - 1) == [429]
    assert spend(limits, group, 1, START + window) == [200]


def test_the_header_has_the_shape_clients_parse() -> None:
    """`Remaining-Req` counts down in the exact format pyupbit reads."""
    limits = Limits()
    spend(limits, "default", 1)
    assert limits.header("default", "me", START) == "group=default; min=1800; sec=29"
    for group in RULES:
        assert re.fullmatch(r"group=([a-z\-]+); min=([0-9]+); sec=([0-9]+)", limits.header(group, "me", START))


def test_ignoring_429_ends_in_418_for_a_growing_time() -> None:
    """Repeated 429s become a block that outlasts the second, and the next block is longer."""
    limits = Limits()
    statuses = spend(limits, "order", 12 + STRIKES + 1)
    assert statuses[12:] == [429] * STRIKES + [418]
    assert spend(limits, "default", 1, START + 9_999) == [418]
    assert spend(limits, "default", 1, START + 10_000) == [200]
    assert spend(limits, "order", 12 + STRIKES + 1, START + 20_000)[-1] == 418
    assert spend(limits, "order", 1, START + 39_999) == [418]


def test_a_429_now_and_then_is_forgiven() -> None:
    """Single 429s with calm in between never escalate."""
    limits = Limits()
    for step in range(3 * STRIKES):
        assert spend(limits, "order", 13, START + step * 10_000)[-1] == 429
