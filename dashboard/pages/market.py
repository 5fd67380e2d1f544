"""`/market`: a market's candles with its strategy's lines, trades, and which gate stopped it at each of them.

The picture is drawn here, once and for all browsers; where scripts run, `static/chart.js` puts one that can be moved in
its place, of the same numbers.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from dashboard.html import el
from dashboard.pages.parts import Page, chart_of, colour, fact, link, section, table, warning
from notifier.formats import KST, average, kst, percent, price
from notifier.labels import NUMBERS
from upbit.rules import tick_size
from views.chart import chart
from views.why import OPEN, NothingKnown, funnel, market_of, why_market

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from notifier.words import Words
    from views.chart import Candle, Chart, Stay

LEADER = "KRW-BTC"
LONGEST = 40
"""No market is called longer."""
IN_THE_TABLE = 60
"""Candles of the table, which is for who cannot see the picture."""
COLOURS = 8
"""Of the strip, in the style sheet; gates behind the last share it."""
STEP, HEIGHT, STRIP = 4, 240, 12
"""Of the picture, in units of its own: a candle, the candles, and the strip under them."""
SCRIPTS = ("lightweight-charts.js", "chart.js")
NOTICE = "TradingView Lightweight Charts™ Copyright (c) 2026 TradingView, Inc."


def page(journal: Queries, sight: Sight) -> Page:
    """Return the chart of the market that is asked for, else of what is held, nearest to a signal, or bitcoin."""
    assert sight.kept is not None
    offered = offers(journal, sight)
    market = wanted(sight) or offered[0]
    asking = form(market, offered, sight)
    title = f"{sight.names.get(market, '')} {market}".strip()
    try:
        found = chart(journal, sight.kept, market)
    except NothingKnown as nothing:
        sentence = sight.say(nothing.ko, nothing.en)
        return Page(title, (section("head", None, el("h1", title), el("p", sentence)), asking))
    parts = [head(journal, title, market, sight), asking, picture(found, sight), trades(found, sight)]
    return Page(title, (*(part for part in parts if part is not None), rows(found, sight)), SCRIPTS)


def wanted(sight: Sight) -> str:
    """Return the market that is asked for, by its code or by the name of its coin; nothing where none is."""
    asked = sight.asked.get("market", "").strip()[:LONGEST]
    by_name = {name: market for market, name in sight.names.items()}
    return by_name.get(asked) or (market_of(asked) if asked else "")


def offers(journal: Queries, sight: Sight) -> list[str]:
    """Return the markets a person may want to see first: those held, those nearest to a signal, and bitcoin."""
    found = [trade.market for trade in journal.open_trades()]
    with suppress(NothingKnown):
        found += [one.market for one in funnel(journal, sight.now).nearest]
    return list(dict.fromkeys([*found, LEADER]))


def form(market: str, offered: Sequence[str], sight: Sight) -> Node:
    """Return where another market is asked for."""
    name = el(
        "label",
        sight.say("마켓", "Market"),
        " ",
        el("input", name="market", value=market, maxlength=str(LONGEST), autocomplete="off"),
    )
    button = el("button", sight.say("보기", "Show"), type="submit")
    links = [part for one in offered for part in (link(sight.names.get(one, one), chart_of(one)), " ")]
    asking = el("form", name, " ", button, method="get", action="/market")
    return section("ask", None, asking, el("p", *links, class_="links"))


def head(journal: Queries, title: str, market: str, sight: Sight) -> Node:
    """Return the market, its price, and what stands in its way."""
    more = link(sight.say("모든 조건", "every gate"), "/why?" + urlencode({"market": market}))
    try:
        found = why_market(journal, market, sight.now)
    except NothingKnown as nothing:
        return section("head", None, el("h1", title), el("p", sight.say(nothing.ko, nothing.en)))
    sentence = found.sentence(sight.language)
    told = el("p", fact("sentence", sentence, sentence), " · ", fact("at", found.at, kst(found.at)), " · ", more)
    shown = fact("price", found.price, "" if found.price is None else price(found.price))
    return section("head", None, el("h1", f"{title} ", shown), told)


# --- the picture


def picture(found: Chart, sight: Sight) -> Node:
    """Return the candles as a picture, what its colours mean, and whence all of it comes."""
    names = gates(found)
    known = [candle for candle in found.candles if candle is not None]
    if not known:
        return section("chart", None, warning(sight.say("이 기간에 거래가 없었습니다.", "Nothing was traded here.")))
    low, high = (Decimal(repr(one)) for one in (min(one.low for one in known), max(one.high for one in known)))
    begin, end = found.begin, found.opened(len(found.candles))
    minutes = found.unit // timedelta(minutes=1)
    span = (
        sight.say(f"{minutes}분", f"{minutes} min")
        if minutes % 60
        else sight.say(f"{minutes // 60}시간", f"{minutes // 60} h")
    )
    told = sight.say(
        f"{kst(begin)}부터 {kst(end)}까지 {span} 캔들, 최저 {price(low)}, 최고 {price(high)}",
        f"candles of {span} from {kst(begin)} to {kst(end)}, lowest {price(low)}, highest {price(high)}",
    )
    drawn = el(
        "svg",
        *strokes(found, names),
        viewBox=f"0 0 {STEP * (len(found.candles) + 1)} {HEIGHT + STRIP}",
        preserveAspectRatio="none",
        role="img",
        aria_label=told,
    )
    figure = el(
        "figure",
        el("div", drawn, id="drawn", data_chart=msgspec.json.encode(data_of(found, names, sight)).decode()),
        el("p", "", id="readout", class_="readout", aria_hidden="true"),
        el("figcaption", told),
    )
    return section("chart", None, figure, legend(found, names, sight), whence(sight))


def gates(found: Chart) -> list[tuple[str, Words]]:
    """Return code and name of everything that the strip shows, the most frequent first; a target is the code ""."""
    said = [one for one in found.said if one is not None]
    names = {one.code: one.name for one in said}
    counts = {code: sum(1 for one in said if one.code == code) for code in names}
    return sorted(names.items(), key=lambda item: (item[0] != "", -counts[item[0]], item[0]))


def shade(place: int, names: Sequence[tuple[str, Words]]) -> str:
    """Return the class of a place in the strip's legend: a target has a colour of its own."""
    return "target" if names[place][0] == "" else f"g{min(place, COLOURS - 1)}"


def strokes(found: Chart, names: Sequence[tuple[str, Words]]) -> Iterator[Node]:
    """Yield everything of the picture: days, candles, lines, stops, entries and exits, and the strip."""
    known = [candle for candle in found.candles if candle is not None]
    low, high = min(one.low for one in known), max(one.high for one in known)
    room = (high - low) or high or 1.0

    def y(value: float) -> str:
        return f"{4 + (HEIGHT - 8) * (1 - (min(max(value, low), high) - low) / room):.1f}"

    def path(kind: str, pieces: Iterable[str]) -> Node | None:
        drawn = " ".join(pieces)
        return el("path", d=drawn, class_=kind) if drawn else None

    days = (f"M{STEP * at} 0V{HEIGHT}" for at in range(len(found.candles)) if is_nine(found.opened(at)))
    parts = [path("day", days)]
    for kind, rising in (("up", True), ("down", False)):
        chosen = [(at, one) for at, one in enumerate(found.candles) if one and (one.close >= one.open) is rising]
        parts.append(
            path(
                f"candle {kind}",
                (
                    f"M{STEP * at + 2} {y(one.high)}V{y(one.low)}M{STEP * at + 1} {y(one.open)}h2V{y(one.close)}h-2z"
                    for at, one in chosen
                ),
            )
        )
    for order, values in enumerate(found.lines.values()):
        stretches = groupby(enumerate(values), key=lambda item: item[1] is not None)
        pieces = (
            "M" + "L".join(f"{STEP * at + 2} {y(value)}" for at, value in stretch if value is not None)
            for is_known, stretch in stretches
            if is_known
        )
        parts.append(path(f"line l{order % 4}", pieces))
    last = len(found.candles)
    for stay in found.stays:
        begin, end = STEP * max(stay.begin, 0) + 2, STEP * (last if stay.end is None else stay.end) + 2
        if stay.stop is not None:
            parts.append(path("stop", [f"M{begin} {y(float(stay.stop))}H{end}"]))
        parts.append(path("stay", [f"M{begin} {y(float(stay.entry))}l-3 8h6z"]) if stay.begin >= 0 else None)
        parts.append(path("stay", [f"M{end} {y(float(stay.exit))}l-3 -8h6z"]) if stay.exit is not None else None)
    parts += [path(f"strip {shade(place, names)}", runs(found, code)) for place, (code, _) in enumerate(names)]
    yield from (part for part in parts if part is not None)


def runs(found: Chart, code: str) -> Iterator[str]:
    """Yield the stretches of the strip in which one gate stopped the market."""
    at = 0
    for said, stretch in groupby(one.code if one else None for one in found.said):
        count = len(list(stretch))
        if said == code:
            yield f"M{STEP * at} {HEIGHT + 2}h{STEP * count}v{STRIP - 2}h-{STEP * count}z"
        at += count


def is_nine(moment: datetime) -> bool:
    """Return whether it is 09:00 in Korea: when Upbit's day begins."""
    return (moment.hour, moment.minute) == (0, 0)


def legend(found: Chart, names: Sequence[tuple[str, Words]], sight: Sight) -> Node:
    """Return what the strip's colours and the lines mean."""
    said = [one.code for one in found.said if one is not None]
    strip = [
        el(
            "li",
            el("span", "", class_=f"swatch {shade(place, names)}"),
            f" {name.say(sight.language)} ",
            el("span", percent_of(said.count(code), len(said)), class_="share"),
        )
        for place, (code, name) in enumerate(names)
    ]
    named = [label(name, sight) for name in found.lines]
    lines = [el("li", el("span", "", class_=f"dash l{at % 4}"), f" {name}") for at, name in enumerate(named)]
    of_strategy = sight.say("전략의 선", "lines of the strategy")
    heading = sight.say("띠: 캔들마다 사지 않은 이유", "The strip: what stopped it at each candle")
    nothing = sight.say("보관된 판단이 없습니다.", "No verdicts are kept.")
    return el(
        "div",
        el("ul", *lines, class_="legend", aria_label=of_strategy) if lines else None,
        el("p", heading),
        el("ul", *strip, class_="legend") if strip else el("p", nothing),
    )


def percent_of(part: int, whole: int) -> str:
    """Return a share in whole percent."""
    return f"{100 * part / whole:.0f} %"


def label(name: str, sight: Sight) -> str:
    """Return what a number of a strategy is called."""
    return NUMBERS[name].say(sight.language) if name in NUMBERS else name


def whence(sight: Sight) -> Node:
    """Return where candles and verdicts come from, what of them is not kept, and whose library draws them."""
    told = sight.say(
        "캔들은 데몬이 메모리에 가진 닫힌 캔들이고, 선은 전략이 그 캔들로 계산합니다. "
        "띠와 조건의 값은 14일 동안 보관하는 판단 기록에서 옵니다. 거래가 없던 캔들은 비어 있고, "
        "아직 닫히지 않은 캔들과 그보다 오래된 캔들은 보관하지 않습니다.",
        "Candles are the closed ones that the daemon has in memory, and the strategy computes the lines of them. "
        "The strip and what the gates looked at come from the verdicts, which are kept for 14 days. A candle without a "
        "trade is empty; a candle that is still open, and those older than the strategy needs, are not kept.",
    )
    notice = el(
        "p",
        f"{NOTICE} ",
        link("https://www.tradingview.com/", "https://www.tradingview.com/", rel="noreferrer"),
        " · ",
        link("NOTICE", "/static/lightweight-charts.NOTICE.txt"),
        " · ",
        link("LICENSE", "/static/lightweight-charts.LICENSE.txt"),
        class_="notice",
    )
    return el("div", el("p", told, class_="notice"), notice)


def data_of(found: Chart, names: Sequence[tuple[str, Words]], sight: Sight) -> dict[str, Any]:
    """Return the picture's numbers for the script that draws one that can be moved."""
    places = {code: place for place, (code, _) in enumerate(names)}
    last = next(candle.close for candle in reversed(found.candles) if candle is not None)
    return {
        "unit": round(found.unit.total_seconds()),
        "begin": round((found.begin + KST).timestamp()),  # as clocks in Korea show it
        "digits": max(0, -int(tick_size(Decimal(repr(last))).normalize().as_tuple().exponent)),
        "candles": [one and [short(side) for side in sides(one)] for one in found.candles],
        "lines": [[label(name, sight), [short(value) for value in values]] for name, values in found.lines.items()],
        "said": [-1 if one is None else places[one.code] for one in found.said],
        "gates": [[name.say(sight.language), shade(place, names)] for place, (_, name) in enumerate(names)],
        "asked": [
            [
                f"{one.name.say(sight.language)} ({sight.say('통과', 'open')}: {OPEN[one.relation]})",
                [short(value) for value in one.values],
                [short(value) for value in one.thresholds],
            ]
            for one in found.asked
        ],
        "stays": [
            [stay.begin, stay.end, stay.exit is not None, None if stay.stop is None else float(stay.stop)]
            for stay in found.stays
        ],
        "words": {
            "entry": sight.say("매수", "entry"),
            "exit": sight.say("매도", "exit"),
            "stop": sight.say("손절", "stop"),
            "target": sight.say("매수 대상", "target"),
            "gap": sight.say("거래 없음", "nothing traded"),
            "hint": sight.say("차트 위를 움직이거나 누르면 값이 보입니다.", "Point at the chart to read its numbers."),
        },
    }


def sides(candle: Candle) -> tuple[float, float, float, float]:
    """Return open, high, low and close."""
    return candle.open, candle.high, candle.low, candle.close


def short(value: float | None) -> float | None:
    """Return a number as far as a picture shows it."""
    return None if value is None else float(f"{value:.7g}")


# --- the same in words


def trades(found: Chart, sight: Sight) -> Node | None:
    """Return the trades in the picture, newest first."""
    if not found.stays:
        return None
    heading = sight.say("이 기간의 거래", "Trades among these candles")
    heads = (("매수", "entry"), ("매도", "exit"), ("손절가", "stop"), ("변화", "change"))
    return section(
        "stays",
        heading,
        table(heading, [sight.say(*one) for one in heads], (cells(found, stay, sight) for stay in found.stays[::-1])),
    )


def cells(found: Chart, stay: Stay, sight: Sight) -> list[Node | str]:
    """Return the cells of one trade."""
    story = link(average(stay.entry), "/trade?" + urlencode({"id": stay.id}))
    ended = sight.say("보유 중", "held") if stay.end is None else kst(found.opened(stay.end))
    change = None if stay.exit is None or not stay.entry else stay.exit / stay.entry - 1
    return [
        el("span", f"{kst(found.opened(stay.begin))} ", story),
        ended if stay.exit is None else f"{ended} {average(stay.exit)}",
        "-" if stay.stop is None else price(stay.stop),
        "-" if change is None else el("span", percent(change), class_=colour(change)),
    ]


def rows(found: Chart, sight: Sight) -> Node:
    """Return the newest candles as a table."""
    count = len(found.candles)
    heads = (
        ("시작(KST)", "opened (KST)"),
        ("시가", "open"),
        ("고가", "high"),
        ("저가", "low"),
        ("종가", "close"),
        ("막은 조건", "stopped by"),
    )
    newest = range(count - 1, max(-1, count - 1 - IN_THE_TABLE), -1)
    heading = sight.say(f"최근 캔들 {len(newest)}개", f"The newest {len(newest)} candles")
    cells_ = [row_of(found, at, sight) for at in newest]
    shown = table(heading, [sight.say(*one) for one in heads], cells_)
    return section("candles", None, el("details", el("summary", heading), shown))


def row_of(found: Chart, at: int, sight: Sight) -> list[Node | str]:
    """Return the cells of one candle."""
    candle, said = found.candles[at], found.said[at]
    shown = ["-"] * 4 if candle is None else [price(Decimal(repr(side))) for side in sides(candle)]
    told = "-" if said is None else said.name.say(sight.language)
    asked = {"market": found.market, "at": f"{found.opened(at + 1) + KST:%Y-%m-%dT%H:%M}"}
    return [
        f"{found.opened(at) + KST:%m-%d %H:%M}",
        *shown,
        told if said is None else link(told, "/why?" + urlencode(asked)),
    ]
