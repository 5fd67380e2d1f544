"""What Upbit does not allow is not asked for again at once, and what it allows again is known at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from upbit import errors
from upbit.circuit import AGREEMENT, KEY, MAKE_ORDERS, PROBE_EVERY_S, VIEW_ACCOUNTS, VIEW_ORDERS, Circuit, permission_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Story:
    """A circuit, its clock, and what it told."""

    circuit: Circuit
    now: float = 1000.0
    told: list[tuple[str, errors.ExchangeError | None]] = field(default_factory=list)

    def passes(self, permission: str) -> bool:
        """Return whether a request may leave."""
        try:
            self.circuit.check(permission)
        except errors.Unauthorized:
            return False
        return True

    def news(self) -> list[tuple[str, errors.ExchangeError | None]]:
        """Return and forget what was told."""
        told, self.told = self.told, []
        return told


@pytest.fixture
async def story(monkeypatch: pytest.MonkeyPatch) -> Story:
    """Return a new circuit on a clock that stands still."""
    found = Story(Circuit())
    found.circuit.on_change = lambda what, error: found.told.append((what, error))
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: found.now)
    return found


@pytest.fixture(autouse=True)
def _given_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the loop have its clock back before it ends."""
    yield
    monkeypatch.undo()


async def test_a_refused_key_closes_everything_and_is_tried_once_a_minute(story: Story) -> None:
    """What is not sent fails with the same words, and says that it was not asked."""
    refusal = errors.InvalidKey("no such key", name="invalid_access_key", status=401)
    story.circuit.observe(VIEW_ACCOUNTS, refusal)
    story.circuit.observe(VIEW_ORDERS, refusal)
    assert story.news() == [(KEY, refusal)]
    for permission in (VIEW_ACCOUNTS, MAKE_ORDERS, ""):
        with pytest.raises(errors.InvalidKey) as caught:
            story.circuit.check(permission)
        assert str(caught.value) == "401 invalid_access_key: no such key (not asked again yet)"
    for seconds, passes in ((PROBE_EVERY_S - 0.1, False), (0.1, True), (0.0, False), (PROBE_EVERY_S, True)):
        story.now += seconds
        assert story.passes(MAKE_ORDERS) is passes
    assert story.news() == []


@pytest.mark.parametrize(
    ("answer", "opens"),
    [
        (None, True),
        (errors.InsufficientFunds("poor", name="insufficient_funds_bid", status=400), True),
        (errors.OrderNotFound("none", name="order_not_found", status=404), True),
        (errors.RateLimited("slow", status=429), False),
        (errors.OutcomeUnknown("html", status=502), False),
        (errors.NotSent("no network"), False),
    ],
)
async def test_only_what_upbit_says_after_it_has_looked_at_the_key_opens_it_again(
    answer: errors.ExchangeError | None,
    opens: bool,  # noqa: FBT001 - a column
    story: Story,
) -> None:
    """A gateway, a limit and a lost answer prove nothing about it."""
    story.circuit.observe("", errors.KeyExpired("old", name="expired_access_key", status=401))
    story.news()
    story.circuit.observe(VIEW_ORDERS, answer)
    assert story.news() == ([(KEY, None)] if opens else [])
    assert story.passes(VIEW_ORDERS) is opens


async def test_a_lacking_permission_closes_what_needs_it_and_shows_that_the_key_works(story: Story) -> None:
    """Until something that needs it is answered otherwise."""
    story.circuit.observe("", errors.InvalidKey("no", status=401))
    lacking = errors.OutOfScope("not yours", name="out_of_scope", status=403)
    story.news()
    story.circuit.observe(MAKE_ORDERS, lacking)
    assert story.news() == [(KEY, None), (MAKE_ORDERS, lacking)]
    assert [story.passes(one) for one in (VIEW_ORDERS, MAKE_ORDERS)] == [True, False]
    story.circuit.observe(VIEW_ORDERS, None)
    assert story.news() == []
    story.circuit.observe(MAKE_ORDERS, None)
    assert story.news() == [(MAKE_ORDERS, None)]
    assert story.passes(MAKE_ORDERS)
    story.circuit.observe("", lacking)  # of what trading does not need
    assert story.news() == []


async def test_an_agreement_that_is_needed_is_told_each_time_and_closes_nothing(story: Story) -> None:
    """Only its owner can give it, in Upbit's app."""
    needed = errors.AgreementNeeded("agree first", name="thirdparty_agreement_required", status=403)
    for _ in range(2):
        story.circuit.observe(MAKE_ORDERS, needed)
    assert story.news() == [(AGREEMENT, needed)] * 2
    assert story.passes(MAKE_ORDERS)


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/v1/accounts", VIEW_ACCOUNTS),
        ("GET", "/v1/order", VIEW_ORDERS),
        ("GET", "/v1/orders/open", VIEW_ORDERS),
        ("POST", "/v1/orders", MAKE_ORDERS),
        ("DELETE", "/v1/order", MAKE_ORDERS),
        ("GET", "/v1/api_keys", ""),
        ("DELETE", "/v1/withdraws/coin", ""),
    ],
)
def test_which_permission_a_request_needs(method: str, path: str, permission: str) -> None:
    """Three of them, and none for what trading does not need."""
    assert permission_of(method, path) == permission
