"""What the strategy documents quote, and how it is written in Korean and English."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from strategy.registry import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable

YEARS = ("2019", "2020", "2021", "2022", "2023", "2024")
BROAD = YEARS[-1]
"""The only year whose recorded history holds many markets."""
WHOLE = "2019-24"
PERIODS = (*YEARS, WHOLE)


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one account, or medians over seeds with the 5-95 % band of the growth a year."""

    cagr: float
    sharpe: float | None
    max_drawdown: float
    cagr_low: float | None = None
    cagr_high: float | None = None
    trades: float | None = None
    win_rate: float | None = None
    profit_factor: float | None = None
    payoff: float | None = None  # mean win over mean loss
    mean_trade: float | None = None
    holding_days: float | None = None
    exposure: float | None = None
    losing_streak: float | None = None
    under_water_days: float | None = None
    worst_trade: float | None = None
    fees: float | None = None  # KRW of 1,000,000 at the beginning
    slippage: float | None = None


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """The worst month of a strategy, median over seeds, and bitcoin in the same month."""

    month: str
    result: float
    btc_hold: float | None


class FoldResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test of the walk-forward."""

    judged_on: str
    parameters: dict[str, float | int]
    winner: float | None
    neighbours: float | None
    after: Cell
    shipped: Cell


class WalkForward(msgspec.Struct, frozen=True, kw_only=True):
    """A search of a strategy's parameters, judged on what came after."""

    variants: int
    after: Cell
    shipped: Cell
    btc_hold: Cell
    deflated: float
    folds: list[FoldResult]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the documents quote."""

    begin: str
    end: str
    markets_by_year: dict[str, int]
    seeds: int
    table: dict[str, dict[str, Cell]]  # strategy or baseline: period: figures
    sensitivity: dict[str, dict[str, dict[str, Cell]]]  # strategy: change: period: figures
    worst_month: dict[str, Month]
    walk_forward: dict[str, WalkForward]
    curve_days: list[str]
    curves: dict[str, list[float]]  # strategy or baseline: equity on `curve_days`, 1 at the beginning


NAMES = {
    "btc_hold": ("비트코인 보유", "hold bitcoin"),
    "equal_weight_monthly": ("모든 마켓 균등(매월)", "all markets equally, monthly"),
}
CHANGE_NAMES = {
    "base": ("그대로", "as it is"),
    "fees x2": ("수수료 2배", "fees doubled"),
    "slippage x2": ("슬리피지 2배", "slippage doubled"),
    "fees and slippage x2": ("둘 다 2배", "both doubled"),
    "one candle late": ("한 캔들 늦게", "one candle late"),
}


def blocks(results: Results, at: int) -> dict[str, str]:
    """Return the text of every marked block of a document; `at` is 0 for Korean, 1 for English."""
    return {
        "first": first_block(results, at),
        "results": results_block(results, at),
        "detail": detail_block(results, at),
        "sensitivity": sensitivity_block(results, at),
        "worst": worst_block(results, at),
        "walk": walk_block(results, at),
    }


def first_block(results: Results, at: int) -> str:
    """Say plainly which strategies did not beat holding bitcoin."""
    hold = results.table["btc_hold"]
    year = BROAD
    lost = [f"`{one.name}`" for one in STRATEGIES if results.table[one.name][year].cagr <= hold[year].cagr]
    worse = [
        f"`{one.name}`"
        for one in STRATEGIES
        if (results.table[one.name][WHOLE].sharpe or 0) <= (hold[WHOLE].sharpe or 0)
    ]
    growth = percent(hold[year].cagr)
    if at == 0:
        text = (
            f"**먼저 읽으세요.** 마켓이 많은 유일한 해인 {year}년에 비트코인을 그냥 들고 있었다면 {growth}였습니다. "
            f"이를 이기지 못한 전략: {', '.join(lost) or '없음'}."
        )
        return text + f" {WHOLE} 전체에서 위험 대비(샤프)로도 못 이긴 전략: {', '.join(worse) or '없음'}."
    text = (
        f"**Read this first.** In {year}, the only year with data of many markets, holding bitcoin gave {growth}. "
        f"Strategies that did not beat it: {', '.join(lost) or 'none'}."
    )
    return (
        text
        + f" Over {WHOLE} as a whole, those that did not beat it for their risk (Sharpe): {', '.join(worse) or 'none'}."
    )


def results_block(results: Results, at: int) -> str:
    """Return growth, Sharpe and drawdown of everything, year by year."""
    spans = PERIODS
    head = ("연 수익률 % / 샤프 / 최대 낙폭 %", "growth a year % / Sharpe / max drawdown %")[at]
    markets = ("마켓 수", "markets")[at]
    counts = [str(results.markets_by_year.get(span, "")) for span in spans]
    lines = [row([head, *spans]), row(["---"] * (len(spans) + 1)), row([markets, *counts])]
    for name in ("btc_hold", "equal_weight_monthly", "btc_only", *(s.name for s in STRATEGIES if s.name != "btc_only")):
        label = NAMES[name][at] if name in NAMES else f"`{name}`"
        lines.append(row([label, *(short(results.table[name][span]) for span in spans)]))
    return "\n".join(lines)


def detail_block(results: Results, at: int) -> str:
    """Return what a user of each strategy lives through."""
    heads = (
        (WHOLE, WHOLE),
        ("연 수익률 [시드 5–95 %]", "growth a year [5-95 % of seeds]"),
        ("거래", "trades"), ("승률", "winners"), ("손익비", "payoff"), ("프로핏 팩터", "profit factor"),
        ("평균 거래", "mean trade"),
        ("최악의 거래", "worst trade"), ("평균 보유(일)", "held, days"), ("투자 비중", "exposure"),
        ("연속 손실", "losing streak"), ("최장 회복(일)", "under water, days"),
        ("수수료 / 슬리피지 (100만 원 시작)", "fees / slippage (1,000,000 KRW at start)"),
    )  # fmt: skip
    lines = [row([head[at] for head in heads]), row(["---"] * len(heads))]
    for one in STRATEGIES:
        cell = results.table[one.name][WHOLE]
        cells = (
            f"`{one.name}`",
            f"{percent(cell.cagr)} [{percent(cell.cagr_low)}, {percent(cell.cagr_high)}]",
            number(cell.trades, 0),
            percent(cell.win_rate, signed=False),
            number(cell.payoff),
            number(cell.profit_factor),
            percent(cell.mean_trade, digits=2),
            percent(cell.worst_trade, digits=1),
            number(cell.holding_days, 1),
            percent(cell.exposure, signed=False),
            number(cell.losing_streak, 0),
            number(cell.under_water_days, 0),
            f"{cell.fees or 0:,.0f} / {cell.slippage or 0:,.0f}",
        )
        lines.append(row(cells))
    return "\n".join(lines)


def sensitivity_block(results: Results, at: int) -> str:
    """Return what dearer and later orders do."""
    names = list(CHANGE_NAMES)
    lines = [row(["", *(CHANGE_NAMES[name][at] for name in names)]), row(["---"] * (len(names) + 1))]
    for one in STRATEGIES:
        for span in (WHOLE, BROAD):
            cells = results.sensitivity[one.name]
            lines.append(row([f"`{one.name}` {span}", *(short(cells[name][span]) for name in names)]))
    return "\n".join(lines)


def worst_block(results: Results, at: int) -> str:
    """Return the worst month of each strategy."""
    heads = (
        ("전략", "strategy"),
        ("최악의 달", "worst month"),
        ("결과(중앙값)", "result (median)"),
        ("비트코인", "bitcoin"),
    )
    lines = [row([head[at] for head in heads]), row(["---"] * len(heads))]
    for one in STRATEGIES:
        month = results.worst_month[one.name]
        lines.append(
            row([f"`{one.name}`", month.month, percent(month.result, digits=1), percent(month.btc_hold, digits=1)])
        )
    return "\n".join(lines)


TOLD = (
    "`{name}`: 같은 기간 비트코인 보유 {hold}. 시도 횟수를 감안한 샤프 확률 {chance:.0%} (95 % 필요).",
    "`{name}`: holding bitcoin over the same time {hold}. Deflated Sharpe probability {chance:.0%} (95 % is asked).",
)


def walk_block(results: Results, at: int) -> str:
    """Return what choosing parameters on the past would have given."""
    heads = (
        ("전략, 검증 구간", "strategy, judged on"), ("학습에서 고른 값", "chosen on the training"),
        ("학습 샤프 → 이웃", "training Sharpe → neighbours"), ("고른 값의 결과", "chosen, afterwards"),
        ("기본값의 결과", "as shipped, same time"),
    )  # fmt: skip
    lines = [row([head[at] for head in heads]), row(["---"] * len(heads))]
    told = []
    for name, walk in results.walk_forward.items():
        for fold in walk.folds:
            chosen = " ".join(f"{key}={value:g}" for key, value in fold.parameters.items())
            near = f"{number(fold.winner)} → {number(fold.neighbours)}"
            lines.append(row([f"`{name}` {fold.judged_on}", chosen, near, short(fold.after), short(fold.shipped)]))
        lines.append(
            row([f"`{name}` " + ("전체", "all tests")[at], f"{walk.variants}" + ("개 변형", " variants")[at], "",
                 short(walk.after), short(walk.shipped)])
        )  # fmt: skip
        told.append(TOLD[at].format(name=name, hold=short(walk.btc_hold), chance=walk.deflated))
    return "\n".join(lines) + "\n\n" + "\n".join(told)


def row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return "| " + " | ".join(cells) + " |"


def short(cell: Cell) -> str:
    """Return growth, Sharpe and drawdown in one cell."""
    sharpe = "–" if cell.sharpe is None else f"{cell.sharpe:.2f}"
    return f"{100 * cell.cagr:.0f} / {sharpe} / {100 * cell.max_drawdown:.0f}"


def percent(value: float | None, *, digits: int = 0, signed: bool = True) -> str:
    """Return a fraction in percent."""
    return "–" if value is None else f"{100 * value:{'+' if signed else ''}.{digits}f} %"


def number(value: float | None, digits: int = 2) -> str:
    """Return a number."""
    return "–" if value is None else f"{value:.{digits}f}"


def rewritten(text: str, results: Results, at: int) -> str:
    """Return a document with every marked block written anew."""
    for name, block in blocks(results, at).items():
        mark = re.compile(rf"<!-- measured: {name} -->\n.*?\n<!-- end -->", flags=re.DOTALL)
        found = mark.search(text)
        if found is None:
            raise ValueError(f"there is no block {name!r}")
        text = text[: found.start()] + f"<!-- measured: {name} -->\n{block}\n<!-- end -->" + text[found.end() :]
    return text
