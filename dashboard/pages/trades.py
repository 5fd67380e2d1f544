"""`/trades`, `/trade` and `/profit`: trades that have ended, the story of one, and what they earned together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from math import isnan, nan
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dashboard.html import el
from dashboard.pages.parts import Page, coin, colour, fact, link, section, table, warning, words
from notifier.formats import KST, gain, kst, percent, signed_won, won
from notifier.formats import held as duration
from notifier.words import Words, readable
from views.equity import marks
from views.history import GROUPS, ended, outcome, story, sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from journal.records import Trade
    from views.equity import Mark
    from views.history import Sum

NEWEST = 50
DAY = timedelta(days=1)
HEADS = (
    Words("마켓", "market"),
    Words("끝(KST)", "ended (KST)"),
    Words("보유", "held"),
    Words("매수", "paid"),
    Words("매도", "received"),
    Words("손익", "profit"),
    Words("이유", "reason"),
)
KINDS = {
    "day": Words("날짜별 (KST)", "By day (KST)"),
    "month": Words("월별 (KST)", "By month (KST)"),
    "market": Words("마켓별", "By market"),
    "reason": Words("매도 이유별", "By reason of the exit"),
}


def page(journal: Queries, sight: Sight) -> Page:
    """Return the trades of a period, newest first."""
    title = sight.say("거래", "Trades")
    period = period_of(sight)
    if period is None:
        wrong = sight.say("날짜를 2026-11-02처럼 쓰세요.", "Write a day such as 2026-11-02.")
        return Page(title, (section("head", None, el("h1", title), warning(wrong)), form(sight)))
    begin, end = period
    found = journal.closed_trades(NEWEST if begin is None and end is None else -1)
    chosen = [one for one in found if (begin is None or ended(one) >= begin) and (end is None or ended(one) < end)]
    rows = [row(number, one, sight) for number, one in enumerate(chosen)]
    nothing = el("p", sight.say("끝난 거래가 없습니다.", "No trade has ended."))
    shown = table(title, [head.say(sight.language) for head in HEADS], rows) if rows else nothing
    csv = link(sight.say("체결 내역 CSV", "executions as CSV"), "/trades.csv?" + urlencode(dict(sight.asked)))
    return Page(
        title, (section("head", None, el("h1", title)), form(sight), section("list", None, el("p", csv), shown))
    )


def period_of(sight: Sight) -> tuple[datetime | None, datetime | None] | None:
    """Return begin and end of what is asked for, each None where it is open; None for what is no day."""
    try:
        begin, last = (day(sight.asked.get(name, "")) for name in ("from", "to"))
    except ValueError:
        return None
    return begin, last and last + DAY


def day(text: str) -> datetime | None:
    """Return the begin of a day in Korea, UTC."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) - KST if text else None


def form(sight: Sight) -> Node:
    """Return where a period is asked for."""
    labels = (("from", sight.say("부터", "from")), ("to", sight.say("까지", "to")))
    fields = [
        el("label", name, " ", el("input", type="date", name=key, value=sight.asked.get(key, "")[:10]))
        for key, name in labels
    ]
    button = el("button", sight.say("보기", "Show"), type="submit")
    return section("ask", None, el("form", fields[0], " ", fields[1], " ", button, method="get", action="/trades"))


def row(at: int, trade: Trade, sight: Sight) -> list[Node | str]:
    """Return the cells of one trade, as `history` shows them."""
    language, reason = sight.language, trade.exit_reason or {}
    profit = gain(trade.profit_krw, trade.cost_krw, language)
    stamp = f"{ended(trade) + KST:%Y-%m-%d %H:%M}"
    return [
        coin(trade.market, "/trade?" + urlencode({"id": trade.id}), sight, data_path=f"{at}.market"),
        fact(f"{at}.closed_at", trade.closed_at, stamp),
        duration(ended(trade) - (trade.opened_at or trade.decided_at), language),
        fact(f"{at}.cost_krw", trade.cost_krw, won(trade.cost_krw, language)),
        fact(f"{at}.proceeds_krw", trade.proceeds_krw, won(trade.proceeds_krw, language)),
        el("span", profit, class_=colour(trade.profit_krw)),
        fact(f"{at}.exit_reason.{language}", reason.get(language), readable(str(reason.get(language, "-")))),
    ]


def trade(journal: Queries, sight: Sight) -> Page:
    """Return one trade's story, from its candle to its last message."""
    title, name = sight.say("거래 하나", "One trade"), sight.asked.get("id", "")
    if not journal.knows_trade(name):
        nothing = sight.say("그런 이름의 거래가 없습니다.", "There is no trade of that name.")
        return Page(title, (section("head", None, el("h1", title), el("p", nothing)),))
    found, language = story(journal, name), sight.language
    rows = [
        el("li", fact(f"moments.{at}.at", one.at, kst(one.at)), " ", words(f"moments.{at}.what", one.what, language))
        for at, one in enumerate(found.moments)
    ]
    head = section("head", None, el("h1", outcome(found.trade, language)))
    return Page(title, (head, section("story", sight.say("있었던 일", "What happened"), el("ol", *rows))))


def profit(journal: Queries, sight: Sight) -> Page:
    """Return what all ended trades have earned, as a curve and added up by day, month, market and reason."""
    title, language = sight.say("수익", "Profit"), sight.language
    trades = journal.closed_trades(-1)
    whole = sum((one.profit_krw for one in trades), Decimal(0))
    names = reasons(trades, language) | {market: f"{name} {market}" for market, name in sight.names.items()}
    amount = fact("realised", whole, signed_won(whole, language))
    worth = equity(marks(journal), sight)
    parts = [
        section("head", None, el("h1", sight.say("누적 실현손익 ", "Realised "), amount)),
        *([] if worth is None else [worth]),
        section("curve", sight.say("누적 실현손익", "Realised profit"), curve(trades[::-1], sight)),
        *(section(f"by-{by}", KINDS[by].say(language), summed(by, sums(trades, by), names, sight)) for by in GROUPS),
    ]
    return Page(title, tuple(parts))


def reasons(trades: Sequence[Trade], language: str) -> dict[str, str]:
    """Return what the codes of exits mean, in the words of the newest trade that ended so."""
    told = [trade.exit_reason for trade in reversed(trades) if trade.exit_reason]
    return {str(reason.get("code")): readable(str(reason[language])) for reason in told if reason.get(language)}


def summed(by: str, found: Sequence[Sum], names: Mapping[str, str], sight: Sight) -> Node:
    """Return sums as a table, days and months newest first; `names` says what a code is called."""
    ordered = list(found) if by in {"market", "reason"} else list(found)[::-1]
    heads = (("구분", "by"), ("거래", "trades"), ("이익", "gained"), ("손익", "profit"), ("수수료", "fees"))
    rows: list[list[Node | str]] = [
        [
            names.get(one.name, one.name),
            f"{one.trades:,}",
            f"{one.gained:,}",
            el("span", gain(one.profit, one.paid, sight.language), class_=colour(one.profit)),
            won(one.fees, sight.language),
        ]
        for one in ordered
    ]
    if not rows:
        return el("p", sight.say("끝난 거래가 없습니다.", "No trade has ended."))
    return table(KINDS[by].say(sight.language), [sight.say(*head) for head in heads], rows)


WIDTH, HEIGHT = 600, 160
"""Of the curve, in units of its own; it is as wide as the page."""


def curve(trades: Sequence[Trade], sight: Sight) -> Node:
    """Return the sum of profits after each trade, oldest first, as a line above and below nothing."""
    levels = [0.0, *accumulate(float(one.profit_krw) for one in trades)]
    low, high = min(levels), max(levels)
    if low == high:
        return el("p", sight.say("끝난 거래가 없습니다.", "No trade has ended."))
    most, least = (won(Decimal(round(level)), sight.language) for level in (high, low))
    told = sight.say(
        f"거래 {len(trades)}건, 최고 {most}, 최저 {least}", f"{len(trades)} trades, highest {most}, lowest {least}"
    )
    return plot({"line": levels}, told)


def equity(mornings: Sequence[Mark], sight: Sight) -> Node | None:
    """Return what the account was worth each morning, beside the same won in bitcoin; None before two mornings."""
    if len(mornings) < 2:  # noqa: PLR2004 - one is no line
        return None
    first, last = mornings[0], mornings[-1]
    base = float(first.equity)
    lines = {"line": [float(one.equity) for one in mornings]}
    names = [("line", sight.say("총 보유자산 (입출금 포함)", "equity, deposits included"))]
    told = [f"{sight.say('총 보유자산', 'equity')} {gain(last.equity - first.equity, first.equity, sight.language)}"]
    if first.bitcoin is not None and last.bitcoin is not None:
        shares = [nan if one.bitcoin is None else float(one.bitcoin / first.bitcoin) for one in mornings]
        lines["line l0"] = [base * share for share in shares]
        names.append(("l0", sight.say("같은 돈의 비트코인", "the same won in bitcoin")))
        told.append(f"{sight.say('비트코인', 'bitcoin')} {percent(last.bitcoin / first.bitcoin - 1)}")
    legend = el(
        "ul", *(el("li", el("span", "", class_=f"dash {kind}"), f" {name}") for kind, name in names), class_="legend"
    )
    heading = sight.say(
        f"매일 09:00(KST)의 총 보유자산, {first.day} ~ {last.day}", f"Equity at 09:00 KST, {first.day} to {last.day}"
    )
    return section("equity", heading, plot(lines, " · ".join(told), base=base), legend)


def plot(lines: Mapping[str, Sequence[float]], told: str, *, base: float = 0.0) -> Node:
    """Return lines over equal distances, by class, above and below a base; what is not known (NaN) is left out."""
    levels = [base, *(level for line in lines.values() for level in line if not isnan(level))]
    low, room = min(levels), (max(levels) - min(levels)) or 1.0

    def y(level: float) -> str:
        return f"{HEIGHT - 4 - (HEIGHT - 8) * (level - low) / room:.1f}"

    drawn = [el("path", d=f"M0 {y(base)} L{WIDTH} {y(base)}", class_="zero")]
    for kind, line in lines.items():
        places = ((WIDTH * at / (len(line) - 1), level) for at, level in enumerate(line) if not isnan(level))
        drawn.append(el("path", d="M" + " L".join(f"{x:.1f} {y(level)}" for x, level in places), class_=kind))
    return el(
        "figure",
        el("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none", role="img", aria_label=told),
        el("figcaption", told),
    )
