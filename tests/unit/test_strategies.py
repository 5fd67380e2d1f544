"""Strategies gate by gate, the draw, the sizes, and the grid they look at."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy.base import PASSED, Moments, Position, Snapshot, Window
from strategy.gates import leader_numbers
from strategy.grid import CandleArrays, build_window
from strategy.indicators import ema
from strategy.portfolio import can_leave, draw, order_total
from strategy.registry import STRATEGIES, StrategyError, load
from tests.helpers.windows import MARKETS, NOW, RISING, wandering, window

if TYPE_CHECKING:
    from strategy.base import Strategy


def verdict(seen: Window, name: str = "quiet_trend", **parameters: object) -> str | None:
    """Return the gate at which KRW-AAA fails, None for a target."""
    strategy, checked = load(name, parameters)
    selection = strategy.select(seen, strategy.compute(seen, checked), -1, checked)
    failed = int(selection.gate[0])
    return None if failed == PASSED else strategy.gates[failed].code


def test_a_calm_rise_while_bitcoin_rises_is_a_target() -> None:
    """All gates open."""
    assert verdict(window()) is None


@pytest.mark.parametrize(
    ("seen", "gate"),
    [
        (window(np.concatenate([np.full(450, np.nan), RISING[:150]])), "history"),
        (window(btc=RISING[::-1]), "btc_gate"),
        (window(turnover=1e8), "turnover"),
        (window(turnover=nan), "turnover"),
        (window(RISING[::-1]), "trend"),
        (window(np.concatenate([RISING[:-1], [128.0]])), "above_fast"),
        (window(swing=0.03), "quiet"),
    ],
    ids=["too young", "bitcoin falls", "too little traded", "turnover unknown", "falls", "below", "wild"],
)
def test_each_gate_fails_alone_and_is_named(seen: Window, gate: str) -> None:
    """The first gate that fails is the one a person is told."""
    assert verdict(seen) == gate


def test_without_bitcoin_nothing_is_a_target() -> None:
    """A window that lacks the leader has its gate closed."""
    seen = window()
    alone = Window(
        markets=("KRW-AAA",),
        unit=seen.unit,
        closed_at=NOW,
        **{name: getattr(seen, name)[:1] for name in ("open", "high", "low", "close", "volume", "turnover_24h")},
    )
    assert verdict(alone) == "btc_gate"


def test_no_average_of_bitcoin_reaches_over_a_hole_in_its_history() -> None:
    """Each stretch is a row of its own; every market sees the close and the average of the stretch it lives in."""
    early, late = RISING[:250], RISING[300:] * 2
    hole = np.full(50, nan)
    rows = [RISING, np.concatenate([early, hole, hole[:1].repeat(300)]), np.concatenate([early * nan, hole, late])]
    close = np.stack(rows)
    seen = Window(
        markets=("KRW-AAA", "KRW-BTC", "KRW-BTC"),
        unit=timedelta(minutes=240),
        closed_at=NOW,
        **dict.fromkeys(("open", "high", "low", "close", "volume", "turnover_24h"), close),
    )
    numbers = leader_numbers(seen, 100)
    np.testing.assert_array_equal(numbers["btc_close"][0], np.concatenate([early, hole, late]))
    np.testing.assert_array_equal(numbers["btc_ema"][0, 300:], ema(late, 100)[0])
    np.testing.assert_array_equal(numbers["btc_ema"][0, :250], ema(early, 100)[0])
    assert np.isnan(numbers["btc_ema"][0, 250:399]).all()


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_a_decision_in_the_past_does_not_know_the_future(strategy: Strategy) -> None:
    """What is selected at a candle is the same whether or not later candles exist."""
    parameters = strategy.parameter_class()
    rng = np.random.default_rng(1)
    whole = window(np.exp(np.cumsum(rng.normal(0, 0.004, 600))) * 100)
    numbers = strategy.compute(whole, parameters)
    cut = 500
    part = Window(
        markets=MARKETS,
        unit=whole.unit,
        closed_at=NOW - (600 - cut) * whole.unit,
        **{name: getattr(whole, name)[:, :cut] for name in ("open", "high", "low", "close", "volume", "turnover_24h")},
    )
    then = strategy.select(part, strategy.compute(part, parameters), -1, parameters)
    now = strategy.select(whole, numbers, cut - 1, parameters)
    np.testing.assert_array_equal(then.gate, now.gate)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_many_candles_at_once_are_judged_like_one_by_one(strategy: Strategy) -> None:
    """A slice gives the very gates and numbers that each index gives: the backtester asks so, the daemon so."""
    parameters = strategy.parameter_class(
        **({"max_natr": 50.0} if hasattr(strategy.parameter_class, "max_natr") else {})
    )
    seen = wandering()
    numbers = strategy.compute(seen, parameters)
    whole = strategy.select(seen, numbers, slice(300, 900), parameters)
    assert len(set(whole.gate.ravel().tolist())) > 1
    for at in range(300, 900):
        one = strategy.select(seen, numbers, at, parameters)
        np.testing.assert_array_equal(one.gate, whole.gate[:, at - 300])
        for name, values in one.numbers.items():
            np.testing.assert_array_equal(values, whole.numbers[name][:, at - 300])


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_many_moments_at_once_are_sold_like_one_by_one(strategy: Strategy) -> None:
    """Arrays of moments give for every cause what the same moments give as single numbers."""
    parameters = strategy.parameter_class()
    seen = wandering(2)
    row = {name: values[0] for name, values in strategy.compute(seen, parameters).items()}
    at_s = NOW.timestamp() + 3600.0 * np.arange(900)
    held = replace(POSITION, stop_price=Decimal(repr(float(np.median(seen.close[0])))))
    many = strategy.sells(held, Moments(numbers=row, price=seen.close[0], highest=seen.close[0], at_s=at_s), parameters)
    sold = 0
    for at in range(0, 900, 7):
        one = Moments(
            numbers={name: float(values[at]) for name, values in row.items()},
            price=float(seen.close[0, at]),
            highest=float(seen.close[0, at]),
            at_s=float(at_s[at]),
        )
        answers = [bool(answer) for answer in strategy.sells(held, one, parameters)]
        assert answers == [bool(answer[at]) for answer in many]
        sold += any(answers)
    assert sold > 0


def snapshot(price: float, **numbers: float) -> Snapshot:
    """Return a market with a price and some numbers; the others are unknown."""
    known: dict[str, float] = defaultdict(lambda: nan, numbers)
    return Snapshot(
        market="KRW-AAA",
        candle_closed_at=NOW,
        numbers=known,
        failed_gate=None,
        price=Decimal(str(price)),
        price_as_of=NOW,
    )


POSITION = Position(
    market="KRW-AAA",
    entry_price=Decimal(100),
    volume=Decimal(1),
    opened_at=NOW,
    stop_price=Decimal(90),
    highest_price=Decimal(100),
)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (snapshot(90), "stop"),
        (snapshot(95, ema_fast=1, ema_slow=2, btc_close=2, btc_ema=1), "trend_end"),
        (snapshot(95, ema_fast=2, ema_slow=1, btc_close=1, btc_ema=1), "gate_closed"),
        (snapshot(95, ema_fast=2, ema_slow=1, btc_close=2, btc_ema=1), "hold"),
        (snapshot(95), "hold"),
    ],
    ids=["at the stop", "averages crossed", "bitcoin fell", "all well", "nothing known"],
)
def test_quiet_trend_sells_for_a_reason(seen: Snapshot, code: str) -> None:
    """Stop, end of the trend, end of bitcoin's trend; unknown numbers sell nothing."""
    strategy, parameters = load("quiet_trend", {})
    answer = strategy.exit(POSITION, seen, parameters)
    assert (answer.sell, answer.reason.code) == (code != "hold", code)


def test_the_stop_lies_five_ranges_below_the_entry() -> None:
    """The entry names the distance, not the price: the fill decides that."""
    strategy, parameters = load("quiet_trend", {})
    assert strategy.enter(snapshot(100, atr=1.5), parameters).stop_distance == 7.5


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("quiet_trnd", {}, "quiet_trend"),
        ("quiet_trend", {"fst": 1}, "fast"),
        ("quiet_trend", {"fast": 0}, "1 ~ 1000"),
        ("quiet_trend", {"fast": 60}, "below slow"),
        ("quiet_trend", {"max_natr": "x"}, "max_natr"),
    ],
)
def test_a_wrong_strategy_or_parameter_is_named_with_the_right_one(
    name: str, parameters: dict[str, object], words: str
) -> None:
    """In both languages."""
    with pytest.raises(StrategyError) as caught:
        load(name, parameters)
    assert words in caught.value.en
    assert words in caught.value.ko


@given(
    st.sets(st.sampled_from([f"KRW-{letter}" for letter in "ABCDEFGHIJ"])),
    st.sets(st.sampled_from([f"KRW-{letter}" for letter in "ABCDEFGHIJ"])),
    st.integers(-1, 6),
    st.integers(0, 99),
)
def test_the_draw_takes_only_free_targets_and_never_one_twice(
    targets: set[str], taken: set[str], slots: int, seed: int
) -> None:
    """As many as there are places and candidates; the same seed draws the same, whatever the order."""
    drawn = draw(random.Random(seed), targets, taken, {}, NOW, cooldown=timedelta(hours=1), slots=slots)
    again = draw(random.Random(seed), sorted(targets)[::-1], taken, {}, NOW, cooldown=timedelta(hours=1), slots=slots)
    assert drawn == again
    assert len(drawn) == len(set(drawn)) == min(max(slots, 0), len(targets - taken))
    assert set(drawn) <= targets - taken


def test_a_market_rests_after_its_trade() -> None:
    """It can be drawn again when the cooldown is over, not before."""
    ended = {"KRW-A": NOW - timedelta(minutes=59)}
    rest = timedelta(hours=1)
    assert draw(random.Random(1), ["KRW-A"], [], ended, NOW, cooldown=rest, slots=1) == []
    later = NOW + timedelta(minutes=1)
    assert draw(random.Random(1), ["KRW-A"], [], ended, later, cooldown=rest, slots=1) == ["KRW-A"]


@given(st.decimals(0, 10**9, places=4), st.decimals(5000, 10**8, places=0))
def test_a_buy_can_always_be_paid_with_its_fee(available: Decimal, wished: Decimal) -> None:
    """Total and fee together never exceed the balance, and the total is whole won, at least the minimum."""
    fee = Decimal("0.0005")
    total = order_total(wished, available, fee, Decimal(5000))
    if total is None:
        assert min(wished, available / (1 + fee)) < 5001
    else:
        assert total * (1 + fee) <= available
        assert total == int(total)
        assert 5000 <= total <= wished


def test_a_buy_that_could_not_be_sold_at_its_stop_is_not_made() -> None:
    """5,500 won with a stop 12 % below would end under Upbit's 5,000."""
    assert not can_leave(Decimal(5500), 0.12, Decimal(5000))
    assert can_leave(Decimal(6000), 0.12, Decimal(5000))


@pytest.mark.failure("C7")
def test_a_period_without_a_trade_carries_the_close_before_it() -> None:
    """Missing candles are filled on the grid, candles that are still forming are left out."""
    unit = timedelta(minutes=1)
    base = int(NOW.timestamp() * 1000)
    opened = np.array([base - 240_000, base - 120_000, base], dtype=np.int64)
    prices = np.array([10.0, 12.0, 99.0])
    candles = CandleArrays(opened_at_ms=opened, open=prices, high=prices, low=prices, close=prices, volume=prices)
    seen = build_window(unit, NOW, 5, {"KRW-A": candles}, {"KRW-A": 7.0})
    np.testing.assert_array_equal(seen.close, [[nan, 10.0, 10.0, 12.0, 12.0]])
    np.testing.assert_array_equal(seen.volume, [[nan, 10.0, 0.0, 12.0, 0.0]])
    np.testing.assert_array_equal(seen.turnover_24h, [[nan, nan, nan, nan, 7.0]])
