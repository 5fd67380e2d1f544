"""`/why`: why nothing is bought, or why a market was bought or not, at any minute of the last 14 days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dashboard.html import el
from dashboard.pages.parts import Page, fact, link, section, table, warning, words
from notifier.formats import KST, kst, number, price
from notifier.words import Words, readable
from views.why import OPEN, Funnel, NothingKnown, WhyMarket, funnel, market_of, matrix, why_market

if TYPE_CHECKING:
    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from views.why import GateView, Matrix

LONGEST = 40
"""No market is called longer."""
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
    asking = form(sight)
    moment = moment_of(sight)
    if moment is None:
        wrong = sight.say("시각을 2026-11-30T14:03처럼 쓰세요.", "Write a time such as 2026-11-30T14:03.")
        return Page(title, (section("head", None, el("h1", title), warning(wrong)), asking))
    try:
        if sight.asked.get("all"):
            return Page(title, (everybody(matrix(journal, moment), sight), asking))
        found = why_market(journal, market, moment) if market else funnel(journal, moment)
    except NothingKnown as nothing:
        sentence = sight.say(nothing.ko, nothing.en)
        return Page(title, (section("head", None, el("h1", title), el("p", sentence)), asking))
    parts = of_market("", found, sight, "h2") if isinstance(found, WhyMarket) else of_all(found, sight)
    return Page(title, (head(found, sight), asking, *parts))


def moment_of(sight: Sight) -> datetime | None:
    """Return the moment that is asked for, UTC; None for a text that is no time."""
    asked = sight.asked.get("at", "")
    if not asked:
        return sight.now
    try:
        time = datetime.fromisoformat(asked)
        return (time if time.tzinfo else (time - KST).replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


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
    for text, minutes in (("−1 h", -60), ("−1 min", -1), ("+1 min", 1), ("+1 h", 60)):
        at = f"{moment + timedelta(minutes=minutes) + KST:%Y-%m-%dT%H:%M}"
        parts += [link(text, "/why?" + urlencode({**sight.asked, "at": at})), " "]
    every = {name: sight.asked[name] for name in ("at",) if name in sight.asked} | {"all": "1"}
    return el("p", *parts, "· ", link(sight.say("모든 마켓", "all markets"), "/why?" + urlencode(every)))


def everybody(found: Matrix, sight: Sight) -> Node:
    """Return all markets beside all gates: an open one as a mark, a shut one with what is missing."""
    language = sight.language
    heads = [
        sight.say("마켓", "market"),
        *(gate.say(language) for gate in found.gates),
        sight.say("그 밖에", "besides"),
    ]
    rows: list[list[Node | str]] = [
        [
            link(market, address(market, sight)),
            *(mark(gate) for gate in gates),
            "-" if barred is None else readable(barred.say(language)),
        ]
        for market, barred, gates in found.rows
    ]
    title = el("h1", sight.say("모든 마켓", "All markets"))
    return section("head", None, title, el("p", kst(found.at)), table(sight.say("조건", "gates"), heads, rows))


def mark(gate: GateView) -> Node:
    """Return whether a gate is open, and of a shut one how much is missing."""
    if gate.passed:
        return el("span", "✓")
    return el("span", "✗" if gate.distance is None else f"✗ {100 * gate.distance:,.2f} %", class_="shut")


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
        links = [part for market in found.targets for part in (link(market, address(market, sight)), " ")]
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
        link(one.market, address(one.market, sight), data_path=f"{path}market"),
        " ",
        shown,
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
    asked = fact(f"{path}.relation", gate.relation, OPEN[gate.relation])
    return [
        el(
            "span",
            fact(f"{path}.passed", gate.passed, "✓" if gate.passed else "✗"),
            class_=None if gate.passed else "shut",
        ),
        words(f"{path}.name", gate.name, sight.language),
        fact(f"{path}.value", gate.value, value),
        el("span", asked, " ", fact(f"{path}.threshold", gate.threshold, threshold)),
        fact(f"{path}.distance", gate.distance, f"{100 * gate.distance:.2f} %" if missing and gate.distance else "-"),
    ]


def address(market: str, sight: Sight) -> str:
    """Return where a market is told, at the same minute."""
    at = {"at": sight.asked["at"]} if sight.asked.get("at") else {}
    return "/why?" + urlencode({"market": market, **at})
