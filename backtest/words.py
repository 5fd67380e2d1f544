"""How the figures of a backtest are called and written, in Korean and English: index 0 and 1 of each pair."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.results import Band, Report

ROWS = (
    ("cagr", "연 수익률", "growth a year", "{:+.0%}"),
    ("total_return", "전체 수익률", "return", "{:+.0%}"),
    ("equity_final", "최종 자산(원)", "equity at end, KRW", "{:,.0f}"),
    ("sharpe", "샤프", "Sharpe", "{:.2f}"),
    ("sortino", "소르티노", "Sortino", "{:.2f}"),
    ("max_drawdown", "최대 낙폭", "max drawdown", "{:.0%}"),
    ("under_water_days", "최장 회복(일)", "under water, days", "{:.0f}"),
    ("exposure", "투자 비중", "exposure", "{:.0%}"),
    ("trades", "거래 수", "trades", "{:.0f}"),
    ("win_rate", "승률", "win rate", "{:.0%}"),
    ("profit_factor", "손익비", "profit factor", "{:.2f}"),
    ("mean_trade", "평균 거래", "mean trade", "{:+.2%}"),
    ("worst_trade", "최악의 거래", "worst trade", "{:+.1%}"),
    ("holding_days", "평균 보유(일)", "held, days", "{:.1f}"),
    ("losing_streak", "최장 연속 손실", "losing streak", "{:.0f}"),
    ("fees_krw", "수수료(원)", "fees, KRW", "{:,.0f}"),
    ("slippage_krw", "슬리피지(원)", "slippage, KRW", "{:,.0f}"),
)
BASELINES = {
    "btc_hold": ("BTC 보유", "hold BTC"),
    "btc_only": ("BTC 추세", "BTC trend"),
    "equal_weight_monthly": ("균등", "equal"),
}


def band_text(one: Band, form: str) -> str:
    """Return a band in one cell."""
    return f"{written(one.p05, form)}–{written(one.p95, form)}"


def written(value: float, form: str) -> str:
    """Return a figure as it is shown; a dash where there is none."""
    return form.format(value) if isfinite(value) else "-"


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


def no_trades(report: Report, *, korean: bool) -> str:
    """Say which condition kept every market out most often."""
    counts = report.ready.gates
    gate = max(report.ready.strategy.gates, key=lambda one: counts[one.code])
    if korean:
        return f"거래가 없습니다. 가장 자주 걸린 조건: {gate.ko} ({gate.code}, {counts[gate.code]:,}회)"
    return f"There was no trade. What failed most often: {gate.en} ({gate.code}, {counts[gate.code]:,} times)"
