"""What things are called: the numbers of a decision, the state of trading, and how far a trade has come."""

from __future__ import annotations

from journal.records import Level, Phase
from notifier.formats import number
from notifier.words import Words

NUMBERS: dict[str, Words] = {
    "close": Words("종가", "close"),
    "price": Words("현재가", "price"),
    "stop": Words("손절가", "stop"),
    "ema_fast": Words("단기 평균", "short average"),
    "ema_slow": Words("장기 평균", "long average"),
    "natr": Words("변동폭 (%)", "range (%)"),
    "btc_close": Words("비트코인 종가", "bitcoin's close"),
    "btc_ema": Words("비트코인 평균", "bitcoin's average"),
    "turnover_24h": Words("24시간 거래대금 (원)", "turnover of 24 h (won)"),
    "channel_high": Words("전고점", "earlier high"),
    "channel_low": Words("전저점", "earlier low"),
    "rsi": Words("RSI", "RSI"),
    "band_lower": Words("하단 밴드", "lower band"),
    "band_middle": Words("밴드 중심", "middle of the band"),
    "day_open": Words("당일 시가", "open of the day"),
    "trigger": Words("돌파 기준가", "trigger"),
    "days_average": Words("일봉 평균", "average of days"),
}
"""Names of numbers, as strategies quote them. One's own strategy may quote others: they keep the names it gave them."""

MODES = {
    "live": Words("실거래", "live"),
    "sandbox": Words("샌드박스", "sandbox"),
    "paper": Words("모의 (PAPER)", "PAPER (모의)"),
}
"""Whose money it is, by the mode of the settings."""
STATES = {
    Level.ACTIVE: Words("매매 중", "trading"),
    Level.HALT_BUYS: Words("매수 중단", "buying halted"),
    Level.HALTED: Words("전체 주문 중단", "all trading halted"),
}
PHASES = {
    Phase.ENTERING: Words("진입 대기", "entering"),
    Phase.BUYING: Words("매수 중", "buying"),
    Phase.HOLDING: Words("보유", "holding"),
    Phase.SELLING: Words("매도 중", "selling"),
    Phase.LEAVING: Words("매도 중", "selling"),
    Phase.CLOSED: Words("종료", "closed"),
    Phase.ABANDONED: Words("취소", "given up"),
}


def shown(numbers: dict[str, object], language: str) -> str:
    """Return the numbers of a reason, each under its label and rounded, separated by `·`."""
    named = ((NUMBERS[name].say(language) if name in NUMBERS else name, value) for name, value in numbers.items())
    return " · ".join(f"{label} {number(value)}" for label, value in named)
