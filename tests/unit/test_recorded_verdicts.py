"""What the daemon writes down of each minute is what it decided: every verdict can be computed again from it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from journal.verdicts import Scan, pack, to_frame, to_scan, unpack
from strategy.base import PASSED, Gate, Selection
from strategy.registry import STRATEGIES, load
from strategy.trial import MARKETS, NOW, made_up
from trader.indicators import EXCLUDED, NOT_LOADED, judge, scan_of
from upbit.models import Ticker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strategy.base import Strategy, Window

CANDLES = 700
GATES = (Gate(code="first", ko="하나", en="first"), Gate(code="second", ko="둘", en="second"))


def tickers(*markets: str) -> dict[str, Ticker]:
    """Return a last trade of 1,234.5 won for each market."""
    return {
        market: Ticker(market=market, price=Decimal("1234.5"), traded_at_ms=0, turnover_24h=Decimal(10**9))
        for market in markets
    }


def both(
    window: Window, selection: Selection, strategy_gates: tuple[Gate, ...], barred: Mapping[str, Gate], *priced: str
) -> tuple[dict[str, str | None], Scan]:
    """Return what was decided about every market with a price, and the look as the journal reads it back."""
    shown = tickers(*priced)
    snapshots = judge(window, selection, strategy_gates, barred, shown, as_of=NOW)
    seen = to_scan(unpack(pack(to_frame(scan_of(window, selection, strategy_gates, barred, shown)), None), None))
    gates = {market: snapshot.failed_gate for market, snapshot in snapshots.items()}
    return {market: gate.code if gate else None for market, gate in gates.items()}, seen


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_every_verdict_of_many_candles_is_computed_again(strategy: Strategy) -> None:
    """Of 200 candles in a row, for every strategy: the decided gate is the one that the kept numbers fail first."""
    _, parameters = load(strategy.name, {"min_turnover_krw": 6e9} if strategy.name != "btc_only" else {})
    window = made_up(CANDLES)
    numbers = strategy.compute(window, parameters)
    found = set()
    for at in range(-200, 0):
        selection = strategy.select(window, numbers, at, parameters)
        barred = {MARKETS[2]: EXCLUDED} if at % 5 == 0 else {}
        decided, seen = both(window, selection, strategy.gates, barred, *MARKETS)
        assert {market: seen.failed(market) for market in MARKETS} == decided
        found |= set(decided.values())
    assert len(found) > 1, "the markets must meet more than one fate, or nothing was shown"


def test_a_strategy_that_says_only_which_gate_failed_is_told_as_far_as_it_says() -> None:
    """Gates behind the first that failed are not known, and neither open nor shut by a guess."""
    window = made_up(CANDLES)
    selection = Selection(gate=np.array([PASSED, 0, 1], dtype=np.int8), numbers={})
    decided, seen = both(window, selection, GATES, {}, *MARKETS)
    assert {market: seen.failed(market) for market in MARKETS} == decided
    assert [gate.values[0] for gate in seen.gates] == [1.0, 1.0]
    assert seen.gates[0].values[1] == 0.0
    assert np.isnan(seen.gates[1].values[1])
    assert [gate.values[2] for gate in seen.gates] == [1.0, 0.0]


def test_a_market_without_a_price_is_no_target() -> None:
    """It is not judged; the journal says that nothing is known of it yet."""
    window = made_up(CANDLES)
    selection = Selection(gate=np.full(3, PASSED, dtype=np.int8), numbers={})
    decided, seen = both(window, selection, GATES, {MARKETS[1]: NOT_LOADED}, MARKETS[0], MARKETS[2])
    assert decided == {MARKETS[0]: None, MARKETS[2]: None}
    assert seen.failed(MARKETS[1]) == "not_loaded"
    assert seen.prices == [Decimal("1234.5"), None, Decimal("1234.5")]


def test_what_was_known_of_the_account_stands_beside_the_verdicts() -> None:
    """Places, how many are taken, free won: what decides besides the strategy."""
    window = made_up(CANDLES)
    selection = Selection(gate=np.full(3, PASSED, dtype=np.int8), numbers={})
    scan = replace(scan_of(window, selection, GATES, {}, tickers(*MARKETS)), facts={"places": 5, "won": "1000"})
    assert to_scan(to_frame(scan)).facts == {"places": 5, "won": "1000"}
