"""Figures agree with an independent library, curves with arithmetic one can do by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine.rules import Rules
from backtest.figures.equity import baselines, btc_hold, equal_weight
from backtest.figures.metrics import (
    Curve,
    cagr,
    curve_figures,
    drawdown,
    longest_under_water_days,
    monthly,
    of_days,
    returns,
    sharpe,
    sortino,
)
from backtest.figures.results import band, longest_losing_streak, run_seeds, trade_figures
from tests.helpers.scripted import BUY, SELL, START, flat, ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strategy.base import Floats
    from tests.helpers.scripted import Row

DAY_MS = 86_400_000
FREE = Rules(fee_rate=0.0, slippage_scale=0.0)


def curve(values: Floats | list[float], step_ms: int = DAY_MS, start: datetime = START) -> Curve:
    """Return a curve with one value each step."""
    equity = np.asarray(values, dtype=np.float64)
    at_ms = int(start.timestamp() * 1000) + step_ms * np.arange(len(equity), dtype=np.int64)
    return Curve(at_ms=at_ms, equity=equity, invested=np.zeros(len(equity)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(30, 800))
def test_the_figures_are_those_of_an_independent_library(seed: int, days: int) -> None:
    """Growth, Sharpe, Sortino, drawdown and volatility of random daily returns, as empyrical computes them."""
    import empyrical  # noqa: PLC0415 - it warns when it is loaded

    changes = np.random.default_rng(seed).normal(0.001, 0.03, days)
    seen = curve(np.concatenate([[1.0], np.cumprod(1 + changes)]) * 1e6)
    daily = returns(of_days(seen))
    figures = curve_figures(seen)
    np.testing.assert_allclose(daily, changes, atol=1e-9)
    assert figures["cagr"] == pytest.approx(empyrical.annual_return(changes, annualization=365), rel=1e-9)
    assert figures["sharpe"] == pytest.approx(empyrical.sharpe_ratio(changes, annualization=365), rel=1e-6)
    assert figures["sortino"] == pytest.approx(empyrical.sortino_ratio(changes, annualization=365), rel=1e-6)
    assert figures["max_drawdown"] == pytest.approx(-empyrical.max_drawdown(changes), rel=1e-9)
    assert figures["volatility"] == pytest.approx(empyrical.annual_volatility(changes, annualization=365), rel=1e-9)


def test_days_end_at_nine_in_korea_whatever_the_candle() -> None:
    """Of four-hour candles the last close of each UTC day counts, and the beginning."""
    seen = curve([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112], step_ms=DAY_MS // 6)
    assert of_days(seen).tolist() == [100, 106, 112]
    later = curve([100, 101, 102, 103], step_ms=DAY_MS // 2, start=START + timedelta(hours=12))
    assert of_days(later).tolist() == [100, 101, 103]


def test_the_deepest_fall_has_its_dates() -> None:
    """Peak, trough and the day it was made good again; none when it never was."""
    fall = drawdown(curve([100, 120, 90, 60, 100, 130, 120]))
    assert fall.depth == pytest.approx(0.5)
    assert (fall.peak, fall.trough) == (START + timedelta(days=1), START + timedelta(days=3))
    assert fall.recovered == START + timedelta(days=5)
    assert drawdown(curve([100, 120, 90])).recovered is None
    assert longest_under_water_days(curve([100, 120, 90, 60, 100, 130, 120])) == 4
    assert longest_under_water_days(curve([100, 90, 80])) == 2


def test_months_are_chained_returns() -> None:
    """Their product is the whole return; the value at midnight of the first belongs to the month before."""
    seen = curve(np.linspace(100, 200, 61))
    months = monthly(seen)
    assert list(months) == ["2024-01", "2024-02"]
    assert months["2024-01"] == pytest.approx(seen.equity[31] / 100 - 1)
    assert np.prod([1 + change for change in months.values()]) == pytest.approx(2.0)


def test_what_cannot_be_computed_does_not_exist() -> None:
    """A curve that never moves has no Sharpe ratio, one without a loss no Sortino ratio, no trades no win rate."""
    still = curve([100.0] * 10)
    assert isnan(sharpe(returns(of_days(still))))
    assert isnan(sortino(returns(of_days(still))))
    assert cagr(still) == 0
    none = trade_figures([], 1)
    assert none["trades"] == 0
    assert isnan(none["win_rate"])
    assert isnan(none["profit_factor"])
    assert isnan(band([float("nan")]).median)


def test_a_band_is_the_median_and_the_middle_nine_tenths() -> None:
    """Values that do not exist are left out."""
    one = band([*map(float, range(101)), float("nan")])
    assert (one.p05, one.median, one.p95) == (5, 50, 95)


def test_the_longest_losing_streak_is_counted() -> None:
    """Losses in a row."""
    assert longest_losing_streak([1, -1, -1, 2, -1, -2, -3, 1]) == 3


def test_trades_add_up_to_their_figures() -> None:
    """One winner of 20 percent and one loser of 10: half won, profit factor two."""
    up = [flat(100, BUY), flat(100), flat(100, SELL), flat(120), flat(120)]
    down = [flat(100, BUY), flat(100), flat(100, SELL), flat(90), flat(90)]
    run = run_seeds(ready({"KRW-A": up, "KRW-B": down}), FREE, [1]).runs[0]
    assert run.figures["trades"] == 2
    assert run.figures["win_rate"] == 0.5
    assert run.figures["profit_factor"] == pytest.approx(2.0)
    assert run.figures["mean_trade"] == pytest.approx(0.05)
    assert run.figures["worst_trade"] == pytest.approx(-0.1)
    assert run.figures["holding_days"] == pytest.approx(2 / 6)
    assert run.figures["equity_final"] == pytest.approx(1_020_000, abs=0.01)
    assert run.figures["exposure"] == pytest.approx(0.4 / 2)


def test_holding_bitcoin_is_its_price_after_the_costs_of_buying() -> None:
    """Bought at the first open, marked at the last close."""
    seen = ready({"KRW-BTC": [flat(100), flat(110), flat(110), flat(220)], "KRW-A": [flat(5)] * 4})
    assert btc_hold(seen.panel, FREE).equity[-1] == pytest.approx(2_000_000)
    costly = btc_hold(seen.panel, Rules()).equity[-1]
    assert costly == pytest.approx(2_000_000 * (1 - 0.0015), rel=1e-5)


def test_holding_bitcoin_goes_on_behind_a_hole_in_its_history() -> None:
    """The money of before the hole buys what is there after it."""
    hole: list[Row | None] = [None] * 25
    seen = ready({"KRW-BTC": [flat(100), flat(100), flat(150), *hole, flat(300), flat(600)]})
    assert seen.panel.window.markets == ("KRW-BTC", "KRW-BTC")
    assert btc_hold(seen.panel, FREE).equity[-1] == pytest.approx(1_500_000 * 2)


def test_holding_bitcoin_begins_with_the_first_candle_there_is() -> None:
    """The first candle of the period is missing: bought at the open of the second, not never."""
    rows: list[Row | None] = [flat(100), None, flat(100), flat(150)]
    seen = ready({"KRW-BTC": rows, "KRW-A": [flat(5)] * 4})
    assert btc_hold(seen.panel, FREE).equity.tolist() == pytest.approx([1e6, 1e6, 1e6, 1.5e6])


def test_equal_weight_sells_nothing_that_does_not_trade() -> None:
    """A market without a candle when the month begins is kept as it is; its price moves on later all the same."""
    begin = 6 * 31
    still: list[Row | None] = [*[flat(100)] * begin, None, flat(300)]
    seen = ready({"KRW-A": still, "KRW-B": [flat(100)] * (begin + 2)})
    assert equal_weight(seen.panel, FREE).equity[-1] == pytest.approx(500_000 + 1_500_000)


def test_equal_weight_begins_a_month_where_something_trades() -> None:
    """An exchange that rests over the first of the month does not cost the whole month."""
    begin = 6 * 31
    rows: list[Row | None] = [*[flat(100)] * begin, None, None, flat(100), flat(200)]
    grown: list[Row | None] = [None, None, *[flat(100)] * (begin - 2), None, None, flat(100), flat(200)]
    seen = ready({"KRW-A": rows, "KRW-B": grown})
    assert equal_weight(seen.panel, FREE).equity[-1] == pytest.approx(2_000_000)


def test_equal_weight_buys_every_market_alike_and_evens_out_each_month() -> None:
    """Two markets, one doubles in January, the other in February."""
    days = 6 * 60
    begin = 6 * 31
    first = [flat(100), *[flat(200)] * (days - 1)]
    second = [*[flat(100)] * begin, *[flat(200)] * (days - begin)]
    first[1] = (100, 200, 100, 200, 1e8)
    second[begin] = (100, 200, 100, 200, 1e8)
    seen = ready({"KRW-A": first, "KRW-BTC": second})
    assert equal_weight(seen.panel, FREE).equity[-1] == pytest.approx(1_500_000 * 1.5)
    assert equal_weight(seen.panel, Rules()).equity[-1] < 1_500_000 * 1.5
    assert equal_weight(seen.panel, Rules(exclude=("KRW-A",))).equity[-1] == pytest.approx(2_000_000, rel=0.01)


def test_equal_weight_buys_only_what_trades_enough_at_that_moment() -> None:
    """A market without a trade in that candle, and one that is hardly traded, are left out."""
    missing: list[Row | None] = [flat(100), None, *[flat(300)] * 3]
    thin = [flat(100, 1.0), flat(100, 1.0), *[flat(300, 1.0)] * 3]
    rows: dict[str, Sequence[Row | None]] = {"KRW-A": [flat(100)] * 5, "KRW-B": missing, "KRW-C": thin}
    assert equal_weight(ready(rows).panel, FREE).equity[-1] == pytest.approx(1_000_000)


def test_the_baselines_without_bitcoin_are_fewer() -> None:
    """What cannot be compared with is not invented."""
    seen = ready({"KRW-A": [flat(100)] * 5})
    assert set(baselines(seen.panel, FREE)) == {"equal_weight_monthly"}
    seen = ready({"KRW-A": [flat(100)] * 5, "KRW-BTC": [flat(100)] * 5})
    assert set(baselines(seen.panel, FREE)) == {"equal_weight_monthly", "btc_hold", "btc_only"}


def test_the_typical_run_is_the_one_in_the_middle() -> None:
    """By its end."""
    rows = {
        f"KRW-{letter}": [flat(100, BUY), flat(100), flat(100 + number)] for number, letter in enumerate("ABCDEFGHI")
    }
    report = run_seeds(ready(rows), FREE, range(9))
    ends = sorted(run.figures["equity_final"] for run in report.runs)
    assert report.typical.figures["equity_final"] == ends[4] == report.bands["equity_final"].median
    assert report.begin == datetime(2024, 1, 1, 4, tzinfo=UTC)
