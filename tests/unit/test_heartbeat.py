"""Which stopped parts of the daemon a person is told of: one cause is one message."""

from __future__ import annotations

import pytest

from trader.guards.heartbeat import is_explained
from trader.health import LIMITS_S

NETWORK = {"update_indicators_periodically", "update_prices", "update_wallet_realtime", "reconcile"}


@pytest.mark.parametrize("loop", sorted(LIMITS_S))
def test_a_part_that_stops_by_itself_is_always_told(loop: str) -> None:
    """Nothing else explains it, nor does a part that stopped for a reason of its own."""
    assert not is_explained(loop, [], refused=False)
    assert not is_explained(loop, ["execute_trades"], refused=False)


@pytest.mark.parametrize("loop", sorted(LIMITS_S))
def test_what_follows_from_a_refused_key_or_a_lost_network_is_not_told_again(loop: str) -> None:
    """A dozen messages about one cable hide the thirteenth, which is about something else."""
    assert is_explained(loop, [], refused=True) is (loop in NETWORK)
    assert is_explained(loop, ["update_prices"], refused=False) is (loop in NETWORK)
