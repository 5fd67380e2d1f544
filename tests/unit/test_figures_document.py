"""docs/figures.md names what three other tools show, and figures that exist here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backtest.figures.results import Band
from backtest.figures.words import MORE, ROWS

DOCUMENT = (Path(__file__).resolve().parent.parent.parent / "docs" / "figures.md").read_text(encoding="utf-8")
BACKTESTING_PY = """
Start;End;Duration;Exposure Time [%];Equity Final [$];Equity Peak [$];Commissions [$];Return [%];Buy & Hold Return [%];
Return (Ann.) [%];Volatility (Ann.) [%];CAGR [%];Sharpe Ratio;Sortino Ratio;Calmar Ratio;Alpha [%];Beta;
Max. Drawdown [%];Avg. Drawdown [%];Max. Drawdown Duration;Avg. Drawdown Duration;# Trades;Win Rate [%];Best Trade [%];
Worst Trade [%];Avg. Trade [%];Max. Trade Duration;Avg. Trade Duration;Profit Factor;Expectancy [%];SQN;Kelly Criterion
"""
FREQTRADE = """
Backtesting from;Backtesting to;Max open trades;Total/Daily Avg Trades;Starting balance;Final balance;Absolute profit;
Total profit %;CAGR %;Sortino;Sharpe;Calmar;SQN;Profit factor;Expectancy (Ratio);Avg. daily profit;Avg. stake amount;
Total trade volume;Best Pair;Worst Pair;Best trade;Worst trade;Best day;Worst day;Days win/draw/lose;
Min/Max/Avg. Duration Winners;Min/Max/Avg. Duration Losers;Max Consecutive Wins / Loss;Rejected Entry signals;
Entry/Exit Timeouts;Canceled Trade Entries;Canceled Entry Orders;Replaced Entry Orders;Min/Max balance;
Max % of account underwater;Absolute drawdown;Drawdown duration;Drawdown start;Drawdown end;Profit at drawdown start;
Profit at drawdown end;Market change;Mean profit p-value;Trading Mode;Long / Short trades;Long / Short profit %
"""
QUANTSTATS = """
Start Period;End Period;Risk-Free Rate;Time in Market;Cumulative Return;Total Return;CAGR;Sharpe;Prob. Sharpe Ratio;
Smart Sharpe;Sortino;Smart Sortino;Sortino/√2;Omega;Max Drawdown;Max DD Date;Longest DD Days;Volatility (ann.);R^2;
Information Ratio;Calmar;Skew;Kurtosis;Expected Daily;Expected Monthly;Expected Yearly;Kelly Criterion;Risk of Ruin;
Daily Value-at-Risk;Expected Shortfall (cVaR);Max Consecutive Wins;Max Consecutive Losses;Gain/Pain Ratio;Payoff Ratio;
Profit Factor;Profit Ratio;Win/Loss Ratio;Common Sense Ratio;CPC Index;Tail Ratio;Outlier Win Ratio;Outlier Loss Ratio;
MTD;3M;6M;YTD;1Y;3Y (ann.);5Y (ann.);10Y (ann.);All-time (ann.);Best Day;Worst Day;Best Month;Worst Month;Best Year;
Worst Year;Avg. Drawdown Days;Recovery Factor;Ulcer Index;Ulcer Performance Index;Serenity Index;Avg. Up Month;
Avg. Down Month;Avg. Win;Avg. Loss;Avg. Return;Win Days;Win Month;Win Quarter;Win Year;Beta;Alpha;Correlation;
Treynor Ratio;Risk-Adjusted Return;Risk-Return Ratio
"""
"""What their statistics and tables are called: backtesting.py 0.6.6, freqtrade 2026.8, quantstats' full metrics."""


@pytest.mark.parametrize(
    ("tool", "names"), [("backtesting.py", BACKTESTING_PY), ("freqtrade", FREQTRADE), ("quantstats", QUANTSTATS)]
)
def test_nothing_another_tool_shows_is_missing_without_a_word(tool: str, names: str) -> None:
    """Each name stands in the first column of that tool's table, beside a figure of ours or a reason."""
    section = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    (told,) = (part for part in section if part.startswith(tool))
    rows = [line.strip("|").split("|") for line in told.splitlines() if line.startswith("| ")][1:]
    assert all(len(row) == 2 and len(row[1].strip()) > 3 for row in rows)
    theirs = {name.strip() for row in rows for name in re.split(r"[,;:] ?", row[0])}
    missing = [name.strip() for name in names.replace("\n", "").split(";") if name.strip() not in theirs]
    assert missing == []


def test_every_figure_the_document_names_exists() -> None:
    """By its name in the JSON of a backtest."""
    figures = {row[0] for row in (*ROWS, *MORE)}
    other = {
        "from", "to", "rules", "refused", "drawdowns", "monthly", "yearly", "baselines", "daily.csv", "backtest --json",
    }  # fmt: skip
    named = set(re.findall(r"`([a-z][\w.]*)`", DOCUMENT))
    assert {name.split(".")[0] if name != "daily.csv" else name for name in named} <= figures | other
    assert len(named & figures) > 40
    assert {"p05", "median", "p95"} == set(Band.__dataclass_fields__)
