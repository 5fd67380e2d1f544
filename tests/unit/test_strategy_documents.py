"""What Strategy.md and its English twin say about results is what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.strategy_report import (
    DOCUMENTS,
    PICTURES,
    cell_of,
    periods,
    read_history,
    read_results,
    rules_of,
    run_strategy,
)
from bench.strategy_tables import PERIODS, rewritten, short
from strategy.registry import STRATEGIES
from tests.helpers.made_up import run_main

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_figure_of_the_document_is_one_that_was_measured(language: str) -> None:
    """Writing the blocks again from the stored results changes nothing."""
    text = DOCUMENTS[language].read_text(encoding="utf-8")
    assert rewritten(text, read_results(), list(DOCUMENTS).index(language)) == text


def test_every_strategy_was_measured_over_every_period() -> None:
    """A strategy that is shipped has its row, its costs and its worst month."""
    results = read_results()
    for strategy in STRATEGIES:
        assert set(results.table[strategy.name]) == set(PERIODS)
        assert {"base", "fees x2", "slippage x2", "one candle late"} <= set(results.sensitivity[strategy.name])
        assert strategy.name in results.worst_month
        assert len(results.curves[strategy.name]) == len(results.curve_days)


def test_the_pictures_are_there() -> None:
    """Both are drawings of the curves, with a name for each."""
    for name in ("equity", "drawdown"):
        drawing = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
        assert drawing.startswith("<svg")
        assert "quiet_trend" in drawing


@pytest.mark.slow
def test_a_year_measured_again_gives_the_figures_of_the_table(tmp_path: Path) -> None:
    """The default strategy of 2024, from the recorded candles, with all seeds."""
    if not SHARED.is_dir():
        pytest.skip("the recorded candles are not here (../shared/data)")
    folders = [str(SHARED / name) for name in ("240m", "240m_old")]
    done = run_main(tmp_path, "data", "import", *folders, "--unit", "240m")
    assert done.returncode == 0, done.stderr
    history = read_history(tmp_path / "data")
    report = run_strategy(history, STRATEGIES[0], rules_of(STRATEGIES[0]), *periods()["2024"])
    assert short(cell_of(report)) == short(read_results().table[STRATEGIES[0].name]["2024"])
