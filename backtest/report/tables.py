"""What a backtest shows of its trades, as tables of text in two languages: the terminal and the page show the same.

Times are Korea's. `at` is the language: 0 Korean, 1 English.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from backtest.engine.leaving import SERIES_END
from backtest.figures.metrics import DAY_MS, falls, yearly
from backtest.figures.words import written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from backtest.engine.account import Trade
    from backtest.figures.results import Report

KST = timedelta(hours=9)
DEEPEST = 5
"""Falls that are shown."""
OPEN_WORD = ("보유 중", "still held")
SERIES_END_WORD = ("거래 중단", "trading stopped")


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table: its name, its heads, its rows."""

    name: str  # e.g. "by_market"
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def korean(moment: datetime) -> str:
    """Return a UTC time as a person in Korea writes it."""
    return f"{moment + KST:%Y-%m-%d %H:%M}"


def price(value: float) -> str:
    """Return a price: whole won from 1,000 on, else as many digits as a small coin needs."""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.6g}"  # noqa: PLR2004 - Upbit's own step


def cause_words(report: Report, at: int) -> dict[str | None, str]:
    """Return how each cause of a sale is called."""
    words: dict[str | None, str] = {cause.code: (cause.ko, cause.en)[at] for cause in report.ready.strategy.exits}
    return words | {None: OPEN_WORD[at], SERIES_END: SERIES_END_WORD[at]}


def all_tables(report: Report, at: int) -> list[TextTable]:
    """Return every table, in the order they are shown."""
    return [
        years(report, at),
        deepest_falls(report, at),
        by_market(report, at),
        by_cause(report, at),
        trade_list(report, at),
    ]


TRADE_HEADS = (
    ("마켓", "market"), ("매수 (KST)", "bought (KST)"), ("매도 (KST)", "sold (KST)"), ("매수가", "entry"),
    ("매도가", "exit"), ("손익(원)", "profit, KRW"), ("손익률", "profit"), ("보유(일)", "days"), ("이유", "why"),
)  # fmt: skip


def trade_list(report: Report, at: int) -> TextTable:
    """Return the trades of the median seed, one a row."""
    panel, words = report.ready.panel, cause_words(report, at)
    rows = []
    for trade in report.typical.outcome.trades:
        ended = trade.left is not None
        rows.append((
            trade.market,
            korean(panel.opened_at(trade.entered)),
            korean(panel.opened_at(trade.left)) if trade.left is not None else "-",
            price(trade.entry_price),
            price(trade.exit_price) if trade.exit_price is not None else "-",
            written(trade.profit_krw, "{:+,.0f}") if ended else "-",
            written(trade.profit_krw / trade.cost_krw, "{:+.1%}") if ended else "-",
            f"{days_of(trade, panel.unit_ms):.1f}" if ended else "-",
            words.get(trade.cause, str(trade.cause)),
        ))  # fmt: skip
    title = (
        f"거래 목록 (시드 {report.typical.seed}, 중앙값)",
        f"trades of seed {report.typical.seed}, the median one",
    )[at]
    return TextTable("trades", title, tuple(head[at] for head in TRADE_HEADS), tuple(rows))


def days_of(trade: Trade, unit_ms: int) -> float:
    """Return how long a trade that has ended was held, days."""
    assert trade.left is not None
    return (trade.left - trade.entered) * unit_ms / DAY_MS


GROUP_HEADS = (
    ("거래", "trades"), ("승률", "winners"), ("평균", "mean"), ("최고", "best"), ("최악", "worst"),
    ("손익(원)", "profit, KRW"), ("평균 보유(일)", "held, days"),
)  # fmt: skip


def by_market(report: Report, at: int) -> TextTable:
    """Return what each market brought to the median seed, the best first."""
    title = ("마켓별 (중앙 시드)", "by market, median seed")[at]
    return grouped(report, at, ("by_market", title, ("마켓", "market")[at]), lambda trade: trade.market)


def by_cause(report: Report, at: int) -> TextTable:
    """Return what each reason of a sale brought to the median seed, the best first."""
    words = cause_words(report, at)
    title = ("매도 이유별 (중앙 시드)", "by reason of the sale, median seed")[at]
    names = ("by_cause", title, ("이유", "why")[at])
    return grouped(report, at, names, lambda trade: words.get(trade.cause, str(trade.cause)))


def grouped(report: Report, at: int, names: tuple[str, str, str], key: Callable[[Trade], str]) -> TextTable:
    """Return the ended trades of the median seed, put together by a key."""
    groups: dict[str, list[Trade]] = {}
    for trade in report.typical.outcome.trades:
        if trade.left is not None:
            groups.setdefault(key(trade), []).append(trade)
    order = sorted(groups, key=lambda name: -sum(trade.profit_krw for trade in groups[name]))
    rows = tuple((name, *group_row(groups[name], report.ready.panel.unit_ms)) for name in order)
    name, title, head = names
    return TextTable(name, title, (head, *(one[at] for one in GROUP_HEADS)), rows)


def group_row(trades: Sequence[Trade], unit_ms: int) -> tuple[str, ...]:
    """Return the figures of some trades."""
    shares = np.array([trade.profit_krw / trade.cost_krw for trade in trades])
    return (
        f"{len(trades):,}",
        written(float((shares > 0).mean()), "{:.0%}"),
        *(written(float(one), "{:+.1%}") for one in (shares.mean(), shares.max(), shares.min())),
        written(sum(trade.profit_krw for trade in trades), "{:+,.0f}"),
        f"{np.mean([days_of(trade, unit_ms) for trade in trades]):.1f}",
    )


def deepest_falls(report: Report, at: int) -> TextTable:
    """Return the deepest falls of the median seed."""
    heads = (("깊이", "depth"), ("고점 (KST)", "peak (KST)"), ("저점", "trough"), ("회복", "made good"), ("일", "days"))
    rows = [
        (
            written(-one.depth, "{:+.1%}"),
            korean(one.peak),
            korean(one.trough),
            korean(one.recovered) if one.recovered else ("아직", "not yet")[at],
            f"{one.days:,.0f}",
        )
        for one in falls(report.typical.curve)[:DEEPEST]
    ]
    title = ("가장 깊은 낙폭 (중앙 시드)", "deepest falls, median seed")[at]
    return TextTable("falls", title, tuple(head[at] for head in heads), tuple(rows))


def years(report: Report, at: int) -> TextTable:
    """Return the return of each year beside bitcoin's, and how many seeds did better."""
    each = [yearly(run.curve) for run in report.runs]
    hold = yearly(report.baselines["btc_hold"]) if "btc_hold" in report.baselines else {}
    heads = (
        ("해", "year"),
        ("중앙값", "median"),
        ("5 ~ 95 %", "5 ~ 95 %"),
        ("비트코인", "bitcoin"),
        ("이긴 시드", "seeds ahead"),
    )
    rows = []
    for year in each[0]:
        values = [one[year] for one in each]
        low, middle, high = (written(float(one), "{:+.0%}") for one in np.percentile(values, (5, 50, 95)))
        theirs = hold.get(year)
        ahead = "-" if theirs is None else written(float(np.mean([one > theirs for one in values])), "{:.0%}")
        rows.append((year, middle, f"{low} ~ {high}", "-" if theirs is None else written(theirs, "{:+.0%}"), ahead))
    title = ("해마다", "year by year")[at]
    return TextTable("years", title, tuple(head[at] for head in heads), tuple(rows))
