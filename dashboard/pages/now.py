"""`/`: what is held, what it is worth, why trading stands still; what `status` tells."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dashboard.html import el
from dashboard.pages.parts import Page, chart_of, coin, fact, facts, link, section, table, warning
from dashboard.passes import Role
from journal.records import Ends
from notifier.formats import KST, average, kst, percent, price, signed_won, units, won
from notifier.labels import PHASES, STATES
from notifier.words import readable
from views.events import told
from views.status import overview

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from journal.records import Halt, Trade
    from journal.scans import Happening
    from views.status import Held, Overview

NEWEST = 300
"""So many events are looked through for those a person should know."""
SHOWN = 30


def page(journal: Queries, sight: Sight) -> Page:
    """Return what is so now."""
    found = overview(journal, sight.now)
    parts = (head(found, sight), halts(found, sight), commands(sight), held(found, sight), money(found, sight))
    return Page(sight.say("지금", "Now"), tuple(part for part in parts if part is not None))


def head(found: Overview, sight: Sight) -> Node:
    """Return the whole in one sentence, and what should be looked at."""
    language = sight.language
    sentence = fact("sentence", found.now.sentence(language), found.now.sentence(language))
    state = fact("state", found.state.name, STATES[found.state].say(language))
    looked = found.now.looked_at
    when = sight.say("시세 기록 없음", "no prices yet") if looked is None else kst(looked)
    return section(
        "head",
        None,
        el("h1", sentence),
        el(
            "p",
            el("span", state, class_=f"state {found.state.name.lower()}"),
            " · ",
            sight.say("시세 ", "prices of "),
            fact("now.looked_at", looked, when),
        ),
        *(warning(line) for line in found.warnings(language)),
    )


def halts(found: Overview, sight: Sight) -> Node | None:
    """Return why trading stands still, each with what to do."""
    rows = [halt_of(number, halt, sight) for number, halt in enumerate(found.halts)]
    return section("halts", sight.say("멈춘 이유", "Why it stands still"), el("ul", *rows)) if rows else None


def halt_of(number: int, halt: Halt, sight: Sight) -> Node:
    """Return one reason, and where an owner can end it."""
    words = readable(getattr(halt, sight.language))
    end = None
    if halt.ends is Ends.PERSON and sight.role is Role.OWNER:
        address = "/command/resume?" + urlencode({"code": halt.code})
        end = link(sight.say("재개", "resume"), address, class_="button", aria_label=f"{halt.code} resume")
    shown = f"{halt.since + KST:%Y-%m-%d %H:%M} "
    return el(
        "li",
        fact(f"halts.{number}.since", halt.since, shown),
        fact(f"halts.{number}.{sight.language}", getattr(halt, sight.language), words),
        " ",
        fact(f"halts.{number}.code", halt.code, halt.code),
        " ",
        end,
    )


def held(found: Overview, sight: Sight) -> Node:
    """Return the positions."""
    heading = sight.say("보유", "Positions")
    if not found.now.held:
        return section(
            "held",
            heading,
            el(
                "p",
                sight.say("보유한 코인이 없습니다. ", "Nothing is held. "),
                link(sight.say("왜 사지 않나요?", "Why is nothing bought?"), "/why"),
            ),
        )
    heads: tuple[tuple[str, str], ...] = (
        ("마켓 · 상태", "market · state"),
        ("수량 · 매수금액", "volume · cost"),
        ("매수평균가 · 현재가", "entry · price"),
        ("평가손익 · 수익률", "open profit · return"),
        ("손절가 · 거리", "stop · distance"),
        ("시작(KST) · 이유", "since (KST) · reason"),
    )
    if sight.role is Role.OWNER:
        heads += (("명령", "command"),)
    rows = [
        row(number, one, trade, sight)
        for number, (one, trade) in enumerate(zip(found.now.held, found.trades, strict=True))
    ]
    return section("held", heading, table(heading, [sight.say(*one) for one in heads], rows))


def row(number: int, one: Held, trade: Trade, sight: Sight) -> list[Node | str]:
    """Return the cells of one position, as `status` shows them."""
    at, of, language = f"now.held.{number}", f"open_trades.{number}", sight.language
    reason = str(trade.entry_reason.get(language, "-"))

    def maybe(name: str, value: Decimal | None, shown: Callable[[Decimal], str]) -> Node:
        return fact(f"{at}.{name}", value, "-" if value is None else shown(value))

    since = f"{trade.opened_at + KST:%Y-%m-%d %H:%M}" if trade.opened_at else "-"
    market = coin(one.market, "/trade?" + urlencode({"id": one.trade}), sight, data_path=f"{at}.market")
    chart = link(sight.say("차트", "chart"), chart_of(one.market), class_="aside", aria_label=f"{one.market} chart")
    market = el("span", market, " ", chart)
    cells: list[Node | str] = [
        both(market, fact(f"{of}.phase", trade.phase, PHASES[trade.phase].say(language))),
        both(
            fact(f"{at}.volume", one.volume, units(one.volume)),
            fact(f"{of}.cost_krw", trade.cost_krw, won(trade.cost_krw, language)),
        ),
        both(maybe("entry", one.entry, average), maybe("price", one.price, price)),
        both(
            maybe("profit", one.profit, lambda amount: signed_won(amount, language)),
            maybe("share", one.share, percent),
        ),
        both(maybe("stop", one.stop, price), maybe("to_stop", one.to_stop, percent)),
        both(
            fact(f"{of}.opened_at", trade.opened_at, since),
            fact(f"{of}.entry_reason.{language}", trade.entry_reason.get(language), readable(reason)),
        ),
    ]
    if sight.role is Role.OWNER:
        sell = "/command/sell?" + urlencode({"code": one.trade})
        cells.append(link(sight.say("매도", "Sell"), sell, class_="button danger", aria_label=f"{one.market} sell"))
    return cells


def both(first: Node, second: Node) -> Node:
    """Return two values of one cell, one under the other."""
    return el("div", el("div", first), el("div", second))


def money(found: Overview, sight: Sight) -> Node:
    """Return what was earned, what is free, and how often what happened."""
    now, totals, counts, language = found.now, found.totals, found.counts, sight.language
    unknown = sight.say("아직 모름", "not known yet")
    taken = f"{now.taken}" if now.places is None else f"{now.taken}/{now.places}"

    def gained(path: str, amount: Decimal | None) -> Node:
        return fact(path, amount, unknown if amount is None else signed_won(amount, language))

    def paid(path: str, amount: Decimal | None) -> Node:
        return fact(path, amount, unknown if amount is None else won(amount, language))

    def count(path: str, number: int) -> Node:
        return fact(path, number, f"{number:,}")

    pairs = [
        (sight.say("보유 종목", "places"), fact("now.taken", now.taken, taken)),
        (sight.say("평가손익", "open profit"), gained("now.open_profit", now.open_profit)),
        (sight.say("오늘 실현손익", "realised today"), gained("now.today", now.today)),
        (sight.say("오늘 끝난 거래", "ended today"), count("now.ended_today", now.ended_today)),
        (sight.say("누적 실현손익", "realised"), gained("totals.realised_pnl", totals.realised_pnl)),
        (sight.say("수수료", "fees"), paid("totals.fees", totals.fees)),
        (sight.say("쓸 수 있는 원화", "available won"), paid("now.free_won", now.free_won)),
        (sight.say("매수", "buys"), count("counts.buys", counts.buys)),
        (sight.say("매도", "sells"), count("counts.sells", counts.sells)),
        (sight.say("거부된 주문", "refused orders"), count("counts.rejected", counts.rejected)),
        (sight.say("끝난 거래", "ended trades"), count("counts.closed_trades", counts.closed_trades)),
        (sight.say("기다리는 알림", "messages that wait"), count("messages.waiting", found.messages.waiting)),
    ]
    return section("money", sight.say("손익", "Profit"), facts(pairs))


def commands(sight: Sight) -> Node | None:
    """Return where an owner gives commands; a guest is shown none."""
    if sight.role is not Role.OWNER:
        return None
    stop = link(sight.say("매수 중단", "Stop buying"), "/command/halt-buys", class_="button")
    sell = link(sight.say("모두 매도", "Sell all"), "/command/sell-all", class_="button danger")
    return section("commands", sight.say("명령", "Commands"), el("p", stop, " ", sell))


def newest(journal: Queries, sight: Sight) -> tuple[int, list[Node]]:
    """Return the number of the newest event, and the last rows of what happened, newest first."""
    last = journal.last_event()
    rows = [made for event in journal.happened(last - NEWEST, NEWEST) if (made := row_of(journal, event, sight))]
    return last, rows[::-1][:SHOWN]


def row_of(journal: Queries, event: Happening, sight: Sight) -> Node | None:
    """Return the row of an event; None for one that a person needs not know."""
    words = told(journal, event)
    if words is None:
        return None
    stamp = event.at + KST
    time = el("time", f"{stamp:%m-%d %H:%M:%S}", datetime=f"{stamp:%Y-%m-%dT%H:%M:%S}+09:00")
    return el("li", time, " ", el("span", readable(words.say(sight.language))), data_seq=str(event.seq))
