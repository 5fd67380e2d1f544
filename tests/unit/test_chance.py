"""What chance alone would have given: trades drawn again, random markets, random moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.engine.rules import Rules
from backtest.figures.results import run_seeds
from backtest.honesty.chance import deepest, growth, measure
from tests.helpers.scripted import BUY, SELL, Row, flat, ready

if TYPE_CHECKING:
    from backtest.figures.results import Report

FREE = Rules(fee_rate=0.0, slippage_scale=0.0, slots=1)
ENOUGH = 1e7


def test_growth_and_drawdown_are_those_of_trades_one_after_the_other() -> None:
    """Half of the account in each: up 20 %, down 20 %, up 20 %."""
    results = np.array([[0.2, -0.2, 0.2]])
    assert growth(results, 2)[0] == pytest.approx(1.1 * 0.9 * 1.1 - 1)
    assert deepest(results, 2)[0] == pytest.approx(0.1)
    assert deepest(np.array([[-0.2, 0.4]]), 1)[0] == pytest.approx(0.2)


def waves(count: int, begin: int, *, signal: bool) -> list[Row]:
    """Return a market that rises for five candles of every twenty, from candle `begin` on, and is flat else."""
    rows: list[Row] = []
    price = 100.0
    for at in range(count):
        rising = 0 <= (at - begin) % 20 < 5
        new = price * (1.02 if rising else 1.0)
        volume = ENOUGH
        if signal:
            volume = BUY if (at - begin) % 20 == 19 else SELL if (at - begin) % 20 == 4 else ENOUGH
        rows.append((price, new, price, new, volume))
        price = new
    return rows


def report_of(history: dict[str, list[Row]]) -> Report:
    """Return a backtest of the script over markets."""
    return run_seeds(ready(history), FREE, [1])


def test_a_gate_that_knows_when_is_told_from_a_choice_of_markets() -> None:
    """All markets rise together: any market at the same moments does as well, any moment does not."""
    history = {f"KRW-{letter}": waves(400, 10, signal=letter == "A") for letter in "ABCDEF"}
    found = measure(report_of(history), draws=300)
    assert found is not None
    assert found.same_moments.median == pytest.approx(found.measured, rel=0.02)
    assert found.better_market > 0.9
    assert found.better_moment < 0.2
    assert found.any_moments.median < found.measured / 2


def test_a_choice_of_markets_is_told_from_a_gate() -> None:
    """Only the market it buys rises: at the same moments any other market earns less."""
    still: list[Row] = [flat(100, ENOUGH)] * 400
    history = {"KRW-A": waves(400, 10, signal=True), **{f"KRW-{letter}": still for letter in "BCDEFGH"}}
    found = measure(report_of(history), draws=300)
    assert found is not None
    assert found.better_market < 0.05
    assert found.same_moments.median < found.measured / 2


def test_trades_drawn_again_spread_around_what_was_measured() -> None:
    """Their median growth is near that of the account; without a losing trade none of them loses."""
    found = measure(report_of({"KRW-A": waves(400, 10, signal=True), "KRW-B": waves(400, 15, signal=True)}), draws=500)
    assert found is not None
    assert found.again.p05 <= found.measured <= found.again.p95
    assert found.loses == 0.0
    assert found.deep == {0.2: 0.0, 0.3: 0.0, 0.5: 0.0}


def test_the_same_seed_draws_the_same_and_nothing_is_measured_of_nothing() -> None:
    """Deterministic; without a trade there is no chance to speak of."""
    history = {"KRW-A": waves(200, 10, signal=True), "KRW-B": waves(200, 15, signal=False)}
    report = report_of(history)
    assert measure(report, seed=3, draws=50) == measure(report, seed=3, draws=50)
    assert measure(report_of({"KRW-A": [flat(100, ENOUGH)] * 30})) is None
