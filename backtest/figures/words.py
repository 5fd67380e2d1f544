"""How the figures of a backtest are called and written, in Korean and English: index 0 and 1 of each pair."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING

from strategy.gates import BTC_GATE, LEADER
from strategy.portfolio import MIN_TOTAL

if TYPE_CHECKING:
    from backtest.figures.results import Report

ROWS = (
    ("cagr", "연 수익률", "growth a year", "{:+.0%}"),
    ("total_return", "전체 수익률", "return", "{:+.0%}"),
    ("equity_final", "최종 자산(원)", "equity at end, KRW", "{:,.0f}"),
    ("sharpe", "샤프", "Sharpe", "{:.2f}"),
    ("sortino", "소르티노", "Sortino", "{:.2f}"),
    ("calmar", "칼마", "Calmar", "{:.2f}"),
    ("max_drawdown", "최대 낙폭", "max drawdown", "{:.0%}"),
    ("under_water_days", "최장 회복(일)", "under water, days", "{:.0f}"),
    ("exposure", "투자 비중", "exposure", "{:.0%}"),
    ("trades", "거래 수", "trades", "{:.0f}"),
    ("win_rate", "승률", "win rate", "{:.0%}"),
    ("payoff", "손익비(평균 이익/평균 손실)", "payoff, mean win / mean loss", "{:.2f}"),
    ("profit_factor", "프로핏 팩터(총이익/총손실)", "profit factor", "{:.2f}"),
    ("mean_trade", "평균 거래", "mean trade", "{:+.2%}"),
    ("best_trade", "최고의 거래", "best trade", "{:+.1%}"),
    ("worst_trade", "최악의 거래", "worst trade", "{:+.1%}"),
    ("expectancy_krw", "거래당 기대값(원)", "expectancy a trade, KRW", "{:+,.0f}"),
    ("sqn", "SQN", "SQN", "{:.2f}"),
    ("holding_days", "평균 보유(일)", "held, days", "{:.1f}"),
    ("losing_streak", "최장 연속 손실", "losing streak", "{:.0f}"),
    ("fees_krw", "수수료(원)", "fees, KRW", "{:,.0f}"),
    ("slippage_krw", "슬리피지(원)", "slippage, KRW", "{:,.0f}"),
)
"""Name, Korean, English, form. Profit factor is the sum of wins over that of losses; payoff compares their means."""
MORE = (
    ("equity_peak", "최고 자산(원)", "highest equity, KRW", "{:,.0f}"),
    ("equity_lowest", "최저 자산(원)", "lowest equity, KRW", "{:,.0f}"),
    ("volatility", "변동성(연)", "volatility a year", "{:.0%}"),
    ("beta", "베타(비트코인)", "beta to bitcoin", "{:.2f}"),
    ("alpha", "알파(연, 비트코인)", "alpha a year to bitcoin", "{:+.0%}"),
    ("correlation", "비트코인과의 상관", "correlation with bitcoin", "{:.2f}"),
    ("best_day", "최고의 날", "best day", "{:+.1%}"),
    ("worst_day", "최악의 날", "worst day", "{:+.1%}"),
    ("winning_days", "오른 날", "winning days", "{:.0%}"),
    ("mean_day", "하루 평균", "mean day", "{:+.2%}"),
    ("best_month", "최고의 달", "best month", "{:+.1%}"),
    ("worst_month", "최악의 달", "worst month", "{:+.1%}"),
    ("winning_months", "오른 달", "winning months", "{:.0%}"),
    ("mean_up_month", "오른 달 평균", "mean winning month", "{:+.1%}"),
    ("mean_down_month", "내린 달 평균", "mean losing month", "{:+.1%}"),
    ("mean_drawdown", "평균 낙폭", "mean drawdown", "{:.1%}"),
    ("mean_drawdown_days", "평균 낙폭 기간(일)", "mean drawdown, days", "{:.0f}"),
    ("ulcer_index", "얼서 지수", "ulcer index", "{:.1%}"),
    ("recovery_factor", "회복 계수", "recovery factor", "{:.1f}"),
    ("var_95", "VaR 95%(하루)", "value at risk 95%, a day", "{:+.1%}"),
    ("cvar_95", "CVaR 95%(하루)", "expected shortfall 95%, a day", "{:+.1%}"),
    ("tail_ratio", "꼬리 비율", "tail ratio", "{:.2f}"),
    ("omega", "오메가", "omega", "{:.2f}"),
    ("gain_to_pain", "이익/고통", "gain to pain", "{:.2f}"),
    ("skew", "왜도", "skew", "{:.2f}"),
    ("kurtosis", "초과 첨도", "excess kurtosis", "{:.1f}"),
    ("sharpe_above_0", "샤프 > 0일 확률", "probability of a Sharpe above 0", "{:.0%}"),
    ("time_in_market", "보유한 시간", "time in the market", "{:.0%}"),
    ("open_trades", "끝나지 않은 거래", "trades still open", "{:.0f}"),
    ("mean_win", "평균 이익", "mean win", "{:+.1%}"),
    ("mean_loss", "평균 손실", "mean loss", "{:+.1%}"),
    ("median_trade", "거래의 중앙값", "median trade", "{:+.2%}"),
    ("kelly", "켈리", "Kelly fraction", "{:+.0%}"),
    ("winning_streak", "최장 연속 이익", "winning streak", "{:.0f}"),
    ("longest_held_days", "최장 보유(일)", "longest held, days", "{:.1f}"),
    ("shortest_held_days", "최단 보유(일)", "shortest held, days", "{:.1f}"),
    ("mean_winner_days", "이익 거래 보유(일)", "winners held, days", "{:.1f}"),
    ("mean_loser_days", "손실 거래 보유(일)", "losers held, days", "{:.1f}"),
    ("mean_cost_krw", "평균 매수 금액(원)", "mean stake, KRW", "{:,.0f}"),
    ("turnover_krw", "거래대금(원)", "volume traded, KRW", "{:,.0f}"),
)
"""The less common figures: the page shows them below the others."""
BASELINES = {
    "btc_hold": ("BTC 보유", "hold BTC"),
    "btc_only": ("BTC 추세", "BTC trend"),
    "equal_weight_monthly": ("균등", "equal"),
}
LEAST_DAYS = {"cagr": 364, "calmar": 364, "alpha": 364, "sharpe": 30, "sortino": 30, "sharpe_above_0": 30}
"""Days from which a figure is shown: less than a year is not made one of (GIPS), less than a month has few returns."""
SMALL, TINY = 0.0995, 0.00995
"""Shares below which a whole percent, or a tenth of one, hides what they are."""


def cell(report: Report, name: str, value: float, form: str) -> str:
    """Return a figure of a report as it is shown; a dash for one that so short a period does not have."""
    days = (report.end - report.begin).total_seconds() / 86_400
    return "-" if days < LEAST_DAYS.get(name, 0) else written(value, form)


def band_cell(report: Report, name: str, form: str) -> str:
    """Return a band in one cell; a tilde, because a dash beside a minus cannot be read."""
    one = report.bands[name]
    low, high = (cell(report, name, value, form) for value in (one.p05, one.p95))
    return low if low == high else f"{low} ~ {high}"


def written(value: float, form: str) -> str:
    """Return a figure as it is shown; a dash where there is none, a decimal more where a percent would hide it."""
    if not isfinite(value):
        return "-"
    if form.endswith(".0%}") and 0 < abs(value) < SMALL:
        form = form.replace(".0%", ".1%" if abs(value) >= TINY else ".2%")
    text = form.format(value)
    return text if any(digit in text for digit in "123456789") else text.lstrip("+-")


def short_note(report: Report, *, korean: bool) -> str:
    """Say why a short period has no yearly figures; nothing for a period that is long enough."""
    days = (report.end - report.begin).days
    if days >= LEAST_DAYS["cagr"]:
        return ""
    if korean:
        return f"기간이 {days}일로 1년이 안 되어 연 수익률로 바꾸지 않습니다."
    return f"The period is {days} days, less than a year: it is not made a yearly growth."


def verdict(report: Report, *, korean: bool) -> str:
    """Say plainly whether it beat holding bitcoin, or why it never traded."""
    if not report.bands["trades"].p95:
        return no_trades(report, korean=korean)
    hold = report.baseline_figures().get("btc_hold")
    if hold is None:
        return ""
    ours, theirs = report.bands["total_return"].median, hold["total_return"]
    share = sum(run.figures["total_return"] > theirs for run in report.runs) / len(report.runs)
    if korean:
        word = "이겼습니다" if ours > theirs else "이기지 못했습니다"
        return f"비트코인 보유({theirs:+.1%})를 중앙값({ours:+.1%})으로 {word}. 이긴 시드: {share:.0%}"
    word = "beat" if ours > theirs else "did not beat"
    return f"The median ({ours:+.1%}) {word} holding bitcoin ({theirs:+.1%}). Seeds that did: {share:.0%}"


REFUSALS = {
    "no_money": (
        "한 칸에 쓸 돈이 최소 주문 금액 {least:,.0f}원보다 적습니다. --krw를 늘리거나 칸 수({slots})를 줄이세요",
        "one place has less than the least order of {least:,.0f} KRW. Raise --krw, or have fewer than {slots} places",
    ),
    "cannot_leave": (
        "손절가에서는 최소 주문 금액 {least:,.0f}원에 못 미쳐 팔 수 없습니다. 금액을 늘리거나 손절을 가깝게 하세요",
        "at its stop a position would be worth less than the least order of {least:,.0f} KRW. Buy more, or stop nearer",
    ),
    "cap_order": ("한 번에 살 수 있는 금액(risk.max_order_krw)을 넘습니다", "a buy is above risk.max_order_krw"),
    "cap_market": ("마켓당 한도(risk.max_market_krw)를 넘습니다", "a buy is above risk.max_market_krw"),
    "cap_day": ("하루 한도(risk.max_day_krw)를 넘습니다", "a buy is above risk.max_day_krw"),
}
"""Why a purchase that was decided on was not made, by the code of `Outcome.refused`."""


def no_trades(report: Report, *, korean: bool) -> str:
    """Say why there was no trade, the true reason first: money and rules, what is not loaded, then the gates."""
    at = 0 if korean else 1
    return ("거래가 없습니다. ", "There was no trade: ")[at] + why_none(report, at)


def why_none(report: Report, at: int) -> str:
    """Return the reason, without the beginning of its sentence."""
    refused = sum((run.outcome.refused for run in report.runs), Counter[str]())
    if refused:
        code, count = refused.most_common(1)[0]
        said = REFUSALS[code][at].format(least=MIN_TOTAL, slots=report.rules.slots)
        return said + (f" ({code}, {count:,}회).", f" ({code}, {count:,} times).")[at]
    markets = set(report.ready.panel.window.markets)
    if not markets - set(report.rules.exclude):
        return ("모든 마켓이 제외되어 있습니다(risk.exclude).", "every market is excluded (risk.exclude).")[at]
    counts = report.ready.gates
    gate = max(report.ready.strategy.gates, key=lambda one: counts[one.code])
    if gate == BTC_GATE and LEADER not in markets:
        return (
            f"비트코인 캔들이 없어 비트코인 조건({gate.code})을 판단할 수 없습니다. {LEADER} 캔들을 받으세요.",
            f"without candles of bitcoin its gate ({gate.code}) cannot open. Fetch those of {LEADER}.",
        )[at]
    if found := int(report.ready.passed.sum()):
        return (
            f"대상은 {found:,}번 있었지만 진입 조건(enter)이 사지 않았거나 체결될 캔들이 없었습니다.",
            f"there were targets {found:,} times, but `enter` bought none, or no candle came to fill it.",
        )[at]
    return (
        f"가장 자주 걸린 조건: {gate.ko} ({gate.code}, {counts[gate.code]:,}회)",
        f"what failed most often: {gate.en} ({gate.code}, {counts[gate.code]:,} times)",
    )[at]
