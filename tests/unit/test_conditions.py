"""Gates as (gate, value, relation, threshold): which fails first follows from them, and nothing else decides."""

from __future__ import annotations

import numpy as np
import pytest

from strategy.base import PASSED, Gate
from strategy.gates import HISTORY, TURNOVER, choose
from strategy.registry import STRATEGIES, load
from strategy.relations import RELATIONS
from strategy.trial import SETTLED, made_up


@pytest.mark.parametrize("name", [strategy.name for strategy in STRATEGIES])
def test_every_gate_hands_over_what_it_asks_and_the_first_that_fails_follows(name: str) -> None:
    """For one candle and for many: the conditions are those of `gates`, in order, and name the same first failure."""
    strategy, parameters = load(name, {"min_turnover_krw": 1e9} if name != "btc_only" else {})
    window = made_up(700 + SETTLED)
    numbers = strategy.compute(window, parameters)
    for at in (-1, slice(-400, None)):
        selection = strategy.select(window, numbers, at, parameters)
        assert tuple(condition.gate for condition in selection.tests) == strategy.gates
        answers = np.array([np.broadcast_to(test.holds(), selection.gate.shape) for test in selection.tests])
        first = np.where(answers.all(axis=0), PASSED, np.argmin(answers, axis=0))
        assert (first == selection.gate).all()


@pytest.mark.parametrize("relation", sorted(RELATIONS))
def test_what_is_not_known_never_passes(relation: str) -> None:
    """NaN is neither above, below nor equal to anything, itself included."""
    nan = float("nan")
    assert not HISTORY.asks(nan, relation, 1.0).holds()
    assert not HISTORY.asks(1.0, relation, nan).holds()
    assert not HISTORY.asks(nan, relation, nan).holds()


def test_a_bare_answer_of_ones_own_strategy_is_a_condition_without_a_gate() -> None:
    """Strategies that hand over plain arrays go on working; nobody can tell a distance then."""
    answers = np.array([True, False])
    selection = choose({}, -1, (), (TURNOVER.asks(np.array([5.0, 5.0]), ">=", 2.0), answers))
    assert selection.gate.tolist() == [PASSED, 1]
    assert [condition.gate for condition in selection.tests] == [TURNOVER, None]
    assert Gate(code="x", ko="x", en="x").asks(2, "<", 3).holds()


def test_a_strategy_that_asks_nothing_makes_no_market_a_target() -> None:
    """It is a mistake, and not a gate that stands open for all."""
    with pytest.raises(ValueError, match="at least one thing"):
        choose({}, -1, (), ())
