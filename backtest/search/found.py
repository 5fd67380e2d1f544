"""What a search found, as a file of settings that the daemon and the backtester read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from backtest.figures.words import written
from backtest.units import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.search.search import Search

MINUTE = timedelta(minutes=1)
LIVE_UNITS = (1, 3, 5, 10, 15, 30, 60, 240)
"""Minutes of a candle that `strategy.unit` takes."""


def as_toml(found: Search, unit: timedelta) -> str:
    """Return the parameters that the last fold chose as settings that `BOT_CONFIG` takes, with what they rest on."""
    assert found.latest is not None
    fold, figures, minutes = found.chosen[-1].fold, found.figures(found.after()), unit // MINUTE
    live = f"unit = {minutes}" if minutes in LIVE_UNITS else f"# {name_of(unit)} candles: the daemon has none"
    earned = f"return {written(figures['total_return'], '{:+.0%}')}, Sharpe {written(figures['sharpe'], '{:.2f}')}"
    lines = (
        f"# python main.py optimize: chosen on {fold.begin:%Y-%m-%d} ~ {fold.middle:%Y-%m-%d} UTC",
        f"# {len(found.ratios)} variants tried; all tests in a row: {earned}",
        f"# deflated Sharpe probability (above 95% is asked): {written(found.deflated(), '{:.0%}')}",
        "[strategy]",
        f'name = "{found.plan.strategy}"',
        live,
        "",
        "[strategy.parameters]",
        parameter_lines(found.latest),
        "",
    )
    return "\n".join(lines)


def parameter_lines(values: Mapping[str, float | int]) -> str:
    """Return parameters one a line, every digit of them."""
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())
