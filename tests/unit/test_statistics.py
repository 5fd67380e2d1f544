"""The less common figures agree with an independent library, tables and files with the trades they are made of."""

from __future__ import annotations

import csv
from datetime import timedelta
from math import isnan
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from backtest.engine.rules import Rules
from backtest.figures.metrics import Curve, drawdown, falls, of_days, returns, rolling_sharpe, sharpe, yearly
from backtest.figures.results import run_seeds
from backtest.figures.statistics import account_statistics, against, day_statistics, longest, moment, trade_statistics
from backtest.figures.words import MORE, ROWS
from backtest.problems import Unwritable
from backtest.report.export import export
from backtest.report.tables import all_tables
from tests.helpers.scripted import BUY, SELL, START, Row, flat, ready

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from backtest.figures.results import Report
    from strategy.base import Floats

DAY_MS = 86_400_000
FREE = Rules(fee_rate=0.0, slippage_scale=0.0)


def curve(values: Floats | Sequence[float]) -> Curve:
    """Return a curve with one value a day."""
    equity = np.asarray(values, dtype=np.float64)
    at_ms = int(START.timestamp() * 1000) + DAY_MS * np.arange(len(equity), dtype=np.int64)
    return Curve(at_ms=at_ms, equity=equity, invested=np.zeros(len(equity)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(60, 600))
def test_they_are_those_of_an_independent_library(seed: int, days: int) -> None:
    """Tail ratio, omega, value at risk and beyond, beta and alpha, as empyrical computes them."""
    import empyrical  # noqa: PLC0415 - it warns when it is loaded

    rng = np.random.default_rng(seed)
    theirs = rng.normal(0.001, 0.03, days)
    mine = 0.4 * theirs + rng.normal(0.0005, 0.02, days)
    figures = day_statistics(mine)
    assert figures["tail_ratio"] == pytest.approx(empyrical.tail_ratio(mine), rel=1e-9)
    assert figures["omega"] == pytest.approx(empyrical.omega_ratio(mine, annualization=1), rel=1e-9)
    assert figures["var_95"] == pytest.approx(empyrical.value_at_risk(mine), rel=1e-9)
    assert figures["cvar_95"] == pytest.approx(mine[mine <= np.percentile(mine, 5)].mean(), rel=1e-9)
    one, other = (curve(np.concatenate([[1.0], np.cumprod(1 + each)])) for each in (mine, theirs))
    beside = against(one, other)
    assert beside["beta"] == pytest.approx(empyrical.beta(mine, theirs), rel=1e-6)
    assert beside["correlation"] == pytest.approx(np.corrcoef(mine, theirs)[0, 1], rel=1e-6)
    windows = empyrical.roll_sharpe_ratio(mine, window=30, annualization=365)
    np.testing.assert_allclose(rolling_sharpe(mine, 30)[29:], windows, rtol=1e-9)


def test_falls_are_told_one_by_one_the_deepest_first() -> None:
    """Each from its peak to where it was made good, and one that never was."""
    seen = curve([100, 120, 90, 120, 130, 104, 117])
    first, second = falls(seen)
    assert (first.depth, first.days, first.recovered) == (0.25, 2.0, START + timedelta(days=3))
    assert (round(second.depth, 3), second.recovered) == (0.2, None)
    assert second.trough == START + timedelta(days=5)
    assert first.depth == drawdown(seen).depth
    assert falls(curve([1, 2, 3])) == []


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=40))
def test_the_deepest_of_all_falls_is_the_drawdown(steps: list[float]) -> None:
    """Two ways to the same number."""
    seen = curve(np.cumprod([1.0, *steps]).tolist())
    assert max((one.depth for one in falls(seen)), default=0.0) == pytest.approx(drawdown(seen).depth, abs=1e-12)


def test_a_probabilistic_ratio_is_that_of_its_paper() -> None:
    """Normal returns with a ratio of 0.1 a day over 400 days: the normal distribution at 0.1 x root of 399 / 1.0025."""
    rng = np.random.default_rng(3)
    normal = rng.normal(0, 1, 400)
    normal = (normal - normal.mean()) / normal.std(ddof=1) + 0.1
    skew, kurtosis = moment(normal, 3), moment(normal, 4)
    error = np.sqrt(1 - skew * 0.1 + (kurtosis - 1) / 4 * 0.01)
    expected = NormalDist().cdf(float(0.1 * np.sqrt(399) / error))
    assert day_statistics(normal)["sharpe_above_0"] == pytest.approx(expected)


def test_the_longest_run_is_counted() -> None:
    """Of what is true."""
    assert longest(np.array([True, False, True, True, False])) == 2
    assert longest(np.array([], dtype=bool)) == 0


def test_figures_of_nothing_do_not_exist() -> None:
    """An account that never moved, and one without trades."""
    still = account_statistics(curve([1.0] * 5))
    assert isnan(still["omega"])
    assert isnan(still["recovery_factor"])
    assert isnan(trade_statistics([], 1)["kelly"])
    assert all(isnan(value) for value in against(curve([1.0] * 5), curve([1, 2, 1, 2, 1])).values())


@pytest.fixture(scope="module")
def report() -> Report:
    """Return a report of one winner of 20 percent, one loser of 10, and one trade that is still held."""
    up: list[Row | None] = [flat(100, BUY), (100, 130, 95, 100, 1e7), flat(100, SELL), flat(120), *[flat(120)] * 9]
    down: list[Row | None] = [flat(100, BUY), flat(100), flat(100, SELL), flat(90), *[flat(90)] * 9]
    open_: list[Row | None] = [flat(100, BUY), *[flat(100)] * 11, flat(110)]
    return run_seeds(ready({"KRW-UP": up, "KRW-DOWN": down, "KRW-BTC": open_}), FREE, [1, 2])


def test_every_figure_that_is_named_is_there(report: Report) -> None:
    """And every figure that is there has a name a person can read."""
    named = {row[0] for row in (*ROWS, *MORE)}
    assert named <= set(report.bands)
    assert set(report.bands) == named


def test_the_trades_add_up_to_what_is_said_of_them(report: Report) -> None:
    """Payoff two, kelly a quarter of the account, one winner in two."""
    figures = report.typical.figures
    assert figures["payoff"] == pytest.approx(2.0)
    assert figures["kelly"] == pytest.approx(0.25)
    assert [figures["mean_win"], figures["mean_loss"]] == pytest.approx([0.2, -0.1])
    assert figures["expectancy_krw"] == pytest.approx(10_000, abs=1)
    assert figures["sqn"] == pytest.approx(np.sqrt(2) * 0.05 / np.std([0.2, -0.1], ddof=1))


@pytest.mark.parametrize("at", [0, 1])
def test_the_tables_show_each_trade_market_and_reason(report: Report, at: int) -> None:
    """In Korean time, with what is still held told apart."""
    tables = {one.name: one for one in all_tables(report, at)}
    rows = {row[0]: row for row in tables["trades"].rows}
    assert rows["KRW-UP"][1:3] == ("2024-01-01 13:00", "2024-01-01 21:00")
    assert rows["KRW-UP"][5:7] == ("+40,000", "+20.0%")
    assert rows["KRW-BTC"][2] == "-"
    assert rows["KRW-BTC"][-1] == ("보유 중", "still held")[at]
    assert [row[0] for row in tables["by_market"].rows] == ["KRW-UP", "KRW-DOWN"]
    assert [row[1] for row in tables["by_cause"].rows] == ["2"]
    assert [row[0] for row in tables["years"].rows] == ["2024"]
    for one in tables.values():
        assert all(len(row) == len(one.heads) for row in one.rows)


def test_what_is_exported_is_what_was_traded(report: Report, tmp_path: Path) -> None:
    """Every trade of every seed, twice; the equity of the median seed, and its days as Korea counts them."""
    files = export(report, tmp_path / "out")
    assert sorted(file.name for file in files) == sorted(
        f"{name}.{kind}" for name in ("trades", "equity", "daily") for kind in ("csv", "parquet")
    )
    table = parquet.read_table(tmp_path / "out" / "trades.parquet").to_pylist()
    assert len(table) == sum(len(run.outcome.trades) for run in report.runs) == 6
    with (tmp_path / "out" / "trades.csv").open(encoding="utf-8", newline="") as file:
        texts = list(csv.DictReader(file))
    assert [float(row["cost_krw"]) for row in texts] == [row["cost_krw"] for row in table]
    up = next(row for row in table if row["market"] == "KRW-UP")
    assert up["profit_krw"] == pytest.approx(40_000, abs=1)
    assert [up["worst_on_the_way"], up["best_on_the_way"]] == pytest.approx([-0.05, 0.3])
    still = next(row for row in texts if row["market"] == "KRW-BTC")
    assert (still["sold_at"], still["profit_krw"]) == ("", "")
    equity = parquet.read_table(tmp_path / "out" / "equity.parquet").to_pydict()
    assert equity["equity_krw"] == report.typical.curve.equity.tolist()
    daily = parquet.read_table(tmp_path / "out" / "daily.parquet").to_pydict()
    assert daily["return"] == returns(of_days(report.typical.curve)).tolist()
    assert f"{daily['day_kst'][-1]}" == "2024-01-02"


def test_a_folder_that_cannot_be_written_is_told(report: Report, tmp_path: Path) -> None:
    """In one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="cannot be written"):
        export(report, tmp_path / "file" / "folder")


def test_years_are_chained_and_a_rolling_ratio_is_the_ratio_of_its_days() -> None:
    """The product of the years is the whole; the last window is the Sharpe ratio of its returns."""
    seen = curve(np.linspace(100, 300, 500))
    assert list(yearly(seen)) == ["2024", "2025"]
    assert np.prod([1 + change for change in yearly(seen).values()]) == pytest.approx(3.0)
    daily = returns(seen.equity)
    assert rolling_sharpe(daily, 90)[-1] == pytest.approx(sharpe(daily[-90:]))
    assert np.isnan(rolling_sharpe(daily, 90)[:89]).all()
