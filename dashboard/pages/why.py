"""`/why`: why nothing is bought, or why a market was bought or not, at any minute of the last 14 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dashboard.html import el
from dashboard.pages.parts import Page, chart_of, coin, fact, link, section, table, warning, words
from dashboard.shell import hidden
from notifier.formats import KST, kst, number, price
from notifier.words import Words, readable
from views.chart import TARGET
from views.why import OPEN, SHUT, Funnel, NothingKnown, WhyMarket, funnel, market_of, matrix, why_market

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from views.why import GateView, Matrix

LONGEST = 40
"""No market is called longer."""
AT_ONCE = 100
"""Markets of the matrix at once."""
BESIDES = Words("그 밖에", "besides")
LATE = Words(
    "그 시각의 판단은 없고, 이것이 그 전의 마지막입니다.",
    "There was no look at that time; this is the last one before it.",
)


def page(journal: Queries, sight: Sight) -> Page:
    """Return what stands in the way, one sentence first."""
    title, market = (
        sight.say("왜", "Why"),
        market_of(sight.asked["market"][:LONGEST]) if sight.asked.get("market") else "",
    )
    asking, sliding = form(sight), slider(journal, sight)
    ways = (asking,) if sliding is None else (sliding, asking)
    moment = moment_of(sight)
    if moment is None:
        wrong = sight.say("시각을 2026-11-30T14:03처럼 쓰세요.", "Write a time such as 2026-11-30T14:03.")
        return Page(title, (section("head", None, el("h1", title), warning(wrong)), *ways))
    try:
        if sight.asked.get("all"):
            return Page(title, everybody(matrix(journal, moment), sight, ways))
        found = why_market(journal, market, moment) if market else funnel(journal, moment)
    except NothingKnown as nothing:
        sentence = sight.say(nothing.ko, nothing.en)
        return Page(title, (section("head", None, el("h1", title), el("p", sentence)), *ways))
    parts = of_market("", found, sight, "h2") if isinstance(found, WhyMarket) else of_all(found, sight)
    return Page(title, (head(found, sight), *ways, *parts))


def moment_of(sight: Sight) -> datetime | None:
    """Return the moment that is asked for, a time or a minute since 1970, as UTC; None for a text that is no time."""
    minute, asked = sight.asked.get("minute", ""), sight.asked.get("at", "")
    try:
        if minute:
            return datetime.fromtimestamp(60 * int(minute), UTC)
        if not asked:
            return sight.now
        time = datetime.fromisoformat(asked)
        return (time if time.tzinfo else (time - KST).replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def of_moment(sight: Sight) -> dict[str, str]:
    """Return the part of an address that says which moment is asked for."""
    return {name: sight.asked[name] for name in ("minute", "at") if sight.asked.get(name)}


def form(sight: Sight) -> Node:
    """Return where a market and a minute are asked for."""
    name = el(
        "label",
        sight.say("마켓", "Market"),
        " ",
        el(
            "input",
            name="market",
            value=sight.asked.get("market", "")[:LONGEST],
            placeholder="KRW-XRP",
            maxlength=str(LONGEST),
            autocomplete="off",
        ),
    )
    time = el(
        "label",
        sight.say("시각(KST)", "Time (KST)"),
        " ",
        el("input", type="datetime-local", name="at", value=sight.asked.get("at", "")[:LONGEST]),
    )
    button = el("button", sight.say("보기", "Show"), type="submit")
    return section("ask", None, el("form", name, " ", time, " ", button, method="get", action="/why"), around(sight))


def around(sight: Sight) -> Node | None:
    """Return the way to minutes before and after, and to all markets at once."""
    moment = moment_of(sight)
    if moment is None:
        return None
    parts: list[Node | str] = []
    rest = {name: value for name, value in sight.asked.items() if name not in {"at", "minute"}}
    for text, minutes in (("−1 h", -60), ("−1 min", -1), ("+1 min", 1), ("+1 h", 60)):
        at = f"{moment + timedelta(minutes=minutes) + KST:%Y-%m-%dT%H:%M}"
        parts += [link(text, "/why?" + urlencode({**rest, "at": at})), " "]
    return el("p", *parts, "· ", link(sight.say("모든 마켓", "all markets"), every(sight)), class_="links")


def slider(journal: Queries, sight: Sight) -> Node | None:
    """Return where one slides over all minutes that are kept; None where there are none."""
    moment, (first, last) = moment_of(sight), journal.looked()
    if moment is None or first is None or last is None:
        return None
    begin, end = (int(one.timestamp()) // 60 for one in (first, last))
    here = min(max(int(moment.timestamp()) // 60, begin), end)
    told = kst(datetime.fromtimestamp(60 * here, UTC))
    slide = el(
        "input",
        type="range",
        name="minute",
        min=str(begin),
        max=str(end),
        value=str(here),
        aria_valuetext=told,
        data_slides=True,
    )
    shown = el("output", told, class_="slid")
    name = el("label", sight.say("시각", "Time"), " ", slide)
    others = [hidden(key, sight.asked[key]) for key in ("market", "all") if sight.asked.get(key)]
    button = el("button", sight.say("보기", "Show"), type="submit")
    form_ = el("form", *others, name, shown, button, method="get", action="/why", class_="slider")
    return section("slide", None, form_, el("p", f"{kst(first)} – {kst(last)}", class_="notice"))


def everybody(found: Matrix, sight: Sight, ways: Sequence[Node]) -> tuple[Node, ...]:
    """Return all markets beside all gates, nearest to a signal first, some at a time, and the ways to other minutes."""
    last, asked = max(1, -(-len(found.rows) // AT_ONCE)), sight.asked["all"]
    turn = min(max(1, int(asked)), last) if asked.isdecimal() else 1
    first = AT_ONCE * (turn - 1)
    shown = found.rows[first : first + AT_ONCE]
    equal = [shared(gates[at] for _, _, gates in found.rows) for at in range(len(found.gates))]
    heads = [sight.say("마켓", "market"), *map(head_of, found.gates, equal, repeat(sight)), BESIDES.say(sight.language)]
    rows: list[list[Node | str]] = [
        [
            coin(market, address(market, sight), sight),
            *(cell(gate, whole=one is None) for gate, one in zip(gates, equal, strict=True)),
            besides(barred, gates, sight),
        ]
        for market, barred, gates in shown
    ]
    count = sight.say(
        f"{len(found.rows)}개 중 {first + 1}–{first + len(shown)}번째, 신호에 가까운 순",
        f"{first + 1}–{first + len(shown)} of {len(found.rows)}, nearest to a signal first",
    )
    title = el("h1", sight.say("모든 마켓", "All markets"))
    return (
        section("head", None, title, el("p", kst(found.at), " · ", count)),
        *ways,
        section("everybody-else", None, table(sight.say("조건", "gates"), heads, rows), turns(turn, last, sight)),
    )


def besides(barred: Words | None, gates: Sequence[GateView], sight: Sight) -> Node | str:
    """Return what bars a market besides its gates; of one that nothing stops, that it is a target."""
    if barred is not None:
        return readable(barred.say(sight.language))
    if all(gate.passed for gate in gates):
        return TARGET.say(sight.language)
    return el("span", "-", class_="open")


def turns(turn: int, last: int, sight: Sight) -> Node | None:
    """Return the way to the other markets; None where all are shown."""
    links = (
        link(f"{one}", every(sight, one), aria_current="page" if one == turn else None, aria_label=f"{one}/{last}")
        for one in range(1, last + 1)
    )
    return el("p", *(part for one in links for part in (one, " ")), class_="links") if last > 1 else None


def shared(gates: Iterable[GateView]) -> GateView | None:
    """Return a gate that asks all markets for the same; None where it asks each for something else."""
    found = list(gates)
    return found[0] if len({(gate.relation, gate.threshold) for gate in found}) == 1 else None


def head_of(name: Words, equal: GateView | None, sight: Sight) -> str:
    """Return what stands over a gate: its name, and what it asks of all markets."""
    told = name.say(sight.language)
    if equal is None or equal.threshold is None:
        return told
    return f"{told} ({sight.say('통과', 'open')}: {OPEN[equal.relation]} {number(equal.threshold)})"


def every(sight: Sight, turn: int = 1) -> str:
    """Return where all markets are told, at the same minute."""
    return "/why?" + urlencode({**of_moment(sight), "all": f"{turn}"})


def cell(gate: GateView, *, whole: bool) -> Node:
    """Return the value of a gate, of a shut one also how much is missing; `whole`: with the threshold."""
    value, threshold = (number(side) if side is not None else "?" for side in (gate.value, gate.threshold))
    asked = f" {(OPEN if gate.passed else SHUT)[gate.relation]} {threshold}" if whole else ""
    if gate.passed:
        return el("span", f"✓ {value}{asked}", class_="open")
    missing = "" if gate.distance is None else f" ({100 * gate.distance:,.2f} %)"
    return el("span", f"✗ {value}{asked}{missing}", class_="shut")


def head(found: WhyMarket | Funnel, sight: Sight) -> Node:
    """Return the sentence, and of when it is."""
    language = sight.language
    sentence = found.sentence(language)
    when = (
        fact("at", found.at, kst(found.at)),
        sight.say(" 판단 · ", " look · "),
        fact("closed_at", found.closed_at, kst(found.closed_at)),
        sight.say("까지의 캔들 · 전략 ", " last candle · strategy "),
        fact("strategy", found.strategy, found.strategy),
    )
    late = warning(LATE.say(language)) if found.late else None
    return section("head", None, el("h1", fact("sentence", sentence, sentence)), el("p", *when), late)


def of_all(found: Funnel, sight: Sight) -> list[Node]:
    """Return the funnel, what stands in everybody's way, the targets, and who is nearest to a signal."""
    parts = [section("funnel", sight.say("걸러지는 과정", "The funnel"), el("ol", *steps(found, sight)))]
    if found.targets:
        links = [part for market in found.targets for part in (coin(market, address(market, sight), sight), " ")]
        parts.append(section("targets", sight.say("매수 대상", "Targets"), el("p", *links)))
    if found.obstacles:
        lines = (el("li", one.say(sight.language)) for one in found.obstacles)
        parts.append(section("everybody", sight.say("모두를 막는 것", "In everybody's way"), el("ul", *lines)))
    if found.nearest:
        parts.append(section("nearest", sight.say("신호에 가장 가까운 마켓", "Nearest to a signal")))
    return parts + [
        part for at, one in enumerate(found.nearest) for part in of_market(f"nearest.{at}.", one, sight, "h3")
    ]


def steps(found: Funnel, sight: Sight) -> list[Node]:
    """Return how many markets are left behind each gate."""
    most = max([1, *(step.left for step in found.steps)])
    return [
        el(
            "li",
            el("span", words(f"steps.{at}.name", step.name, sight.language), class_="name"),
            el("meter", value=str(step.left), max=str(most), aria_label=step.name.say(sight.language)),
            fact(f"steps.{at}.left", step.left, f"{step.left:,}"),
        )
        for at, step in enumerate(found.steps)
    ]


def of_market(path: str, one: WhyMarket, sight: Sight, heading: str) -> list[Node]:
    """Return every gate of a market, open or shut, and what else is in its way."""
    language = sight.language
    heads = (("통과", "open"), ("조건", "gate"), ("값", "value"), ("기준", "threshold"), ("부족", "missing"))
    rows = [gate_row(f"{path}gates.{at}", gate, sight) for at, gate in enumerate(one.gates)]
    name = f"market-{one.market.lower()}"
    shown = fact(f"{path}price", one.price, "-" if one.price is None else price(one.price))
    obstacles = [
        el("li", "✗ ", fact(f"{path}obstacles.{at}.code", obstacle.code, obstacle.say(language)))
        for at, obstacle in enumerate(one.obstacles)
    ]
    title = el(
        heading,
        coin(one.market, address(one.market, sight), sight, data_path=f"{path}market"),
        " ",
        shown,
        " ",
        link(
            sight.say("차트", "chart"),
            chart_of(one.market),
            class_="aside",
            aria_label=sight.say(f"{one.market} 차트", f"chart of {one.market}"),
        ),
        id=f"{name}-heading",
    )
    gates = table(sight.say("조건", "gates"), [sight.say(*head) for head in heads], rows) if rows else None
    return [
        el(
            "section",
            title,
            el("ul", *obstacles, class_="plain") if obstacles else None,
            gates,
            id=name,
            aria_labelledby=f"{name}-heading",
        )
    ]


def gate_row(path: str, gate: GateView, sight: Sight) -> list[Node | str]:
    """Return value, threshold and distance of one gate; an open one has nothing missing."""
    value, threshold = (number(side) if side is not None else "?" for side in (gate.value, gate.threshold))
    missing = gate.distance is not None and not gate.passed
    named = words(
        f"{path}.name", gate.name, sight.language
    )  # of what is so while it is shut: struck out while it is not
    asked = fact(f"{path}.relation", gate.relation, OPEN[gate.relation])
    return [
        el(
            "span",
            fact(f"{path}.passed", gate.passed, "✓" if gate.passed else "✗"),
            class_=None if gate.passed else "shut",
        ),
        named if not gate.passed else el("s", named),
        fact(f"{path}.value", gate.value, value),
        el("span", asked, " ", fact(f"{path}.threshold", gate.threshold, threshold)),
        fact(f"{path}.distance", gate.distance, f"{100 * gate.distance:.2f} %" if missing and gate.distance else "-"),
    ]


def address(market: str, sight: Sight) -> str:
    """Return where a market is told, at the same minute."""
    return "/why?" + urlencode({"market": market, **of_moment(sight)})
