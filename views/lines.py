"""What a person reads of the views as plain lines and cells: the terminal prints them, and chat sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.records import worst
from notifier.formats import average, gain, held, kst, percent, price, signed_won, stamp, won
from notifier.labels import STATES
from notifier.words import Words
from views.history import ended
from views.why import WhyMarket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.records import Halt, Trade
    from views.history import Sum
    from views.status import Held, Overview
    from views.why import Funnel

HELD = (
    Words("마켓", "market"),
    Words("매수평균가", "entry"),
    Words("현재가", "price"),
    Words("평가손익", "open profit"),
    Words("수익률", "return"),
    Words("손절가", "stop"),
    Words("손절가까지", "to the stop"),
)
TRADES = (
    Words("거래", "trade"),
    Words("마켓", "market"),
    Words("끝(KST)", "ended(KST)"),
    Words("보유", "held"),
    Words("매수", "paid"),
    Words("매도", "received"),
    Words("손익", "profit"),
    Words("이유", "reason"),
)
SUMS = (
    Words("구분", "by"),
    Words("거래", "trades"),
    Words("이익", "gained"),
    Words("손익", "profit"),
    Words("수수료", "fees"),
)
"""What stands over the cells of a position, of a trade that has ended, and of a sum."""


def cells_of_position(one: Held, language: str) -> list[str]:
    """Return the cells of one position at the last look."""
    return [
        one.market,
        "-" if one.entry is None else average(one.entry),
        "-" if one.price is None else price(one.price),
        "-" if one.profit is None else signed_won(one.profit, language),
        "-" if one.share is None else percent(one.share),
        "-" if one.stop is None else price(one.stop),
        "-" if one.to_stop is None else percent(one.to_stop),
    ]


def cells_of_trade(trade: Trade, language: str) -> list[str]:
    """Return the cells of one trade."""
    return [
        trade.id,
        trade.market,
        stamp(trade.closed_at),
        held(ended(trade) - (trade.opened_at or trade.decided_at), language),
        won(trade.cost_krw, language),
        won(trade.proceeds_krw, language),
        gain(trade.profit_krw, trade.cost_krw, language),
        str((trade.exit_reason or {}).get(language, "-")),
    ]


def cells_of_sum(one: Sum, language: str) -> list[str]:
    """Return the cells of what trades have earned together."""
    return [one.name, str(one.trades), str(one.gained), gain(one.profit, one.paid, language), won(one.fees, language)]


def state_and_halts(halts: Sequence[Halt], language: str) -> list[str]:
    """Return the state of trading, and every reason that stands."""
    state = f"{'상태' if language == 'ko' else 'state'}: {STATES[worst(halts)].say(language)}"
    return [state, *(f"  {stamp(halt.since)} {halt.code}: {getattr(halt, language)}" for halt in halts)]


def earned(found: Overview, language: str) -> str:
    """Return what was earned since ever, and the fees."""
    profit, fees = signed_won(found.totals.realised_pnl, language), won(found.totals.fees, language)
    return Words(f"누적 실현손익: {profit} · 수수료 {fees}", f"realised: {profit} · fees {fees}").say(language)


def why_in_lines(found: WhyMarket | Funnel, language: str) -> list[str]:
    """Return what stands in the way, one sentence first, then every gate."""
    lines = [found.sentence(language), *head_of(found, language)]
    for one in [found] if isinstance(found, WhyMarket) else found.nearest:
        lines += ["", *lines_of_market(one, language)]
    return lines


def head_of(found: WhyMarket | Funnel, language: str) -> list[str]:
    """Return when it was so, and for all markets the funnel."""
    when = Words(
        f"{kst(found.at)} 판단 · {kst(found.closed_at)}까지의 캔들 · 전략 {found.strategy}",
        f"looked at {kst(found.at)} · candles up to {kst(found.closed_at)} · strategy {found.strategy}",
    ).say(language)
    late = Words(
        "⚠ 그 시각의 판단은 없고, 이것이 그 전의 마지막입니다.",
        "⚠ There was no look at that time; this is the last one before it.",
    )
    told = [when, *([late.say(language)] if found.late else [])]
    return told if isinstance(found, WhyMarket) else [*told, found.told(language)]


def lines_of_market(one: WhyMarket, language: str) -> list[str]:
    """Return every gate of a market, open or shut."""
    shown = "" if one.price is None else f" {price(one.price)}"
    marks = [f"  {'✓' if gate.passed else '✗'} {gate.say(language)}" for gate in one.gates]
    return [f"{one.market}{shown}", *(f"  ✗ {obstacle.say(language)}" for obstacle in one.obstacles), *marks]
