"""`/command/...`: what a command would do, and the button that gives it; what sells wants a typed word, too."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from dashboard.html import el
from dashboard.pages.parts import Page, section
from dashboard.shell import hidden
from journal.records import Order
from notifier.formats import KST, units
from notifier.words import Words, readable
from views.events import COMMANDS, WHAT, what_came_of

if TYPE_CHECKING:
    from dashboard.desk import Sight
    from dashboard.html import Node
    from journal.queries import Queries
    from journal.records import Command

TYPED = {Order.SELL: "sell", Order.SELL_ALL: "sell-all"}
"""What must be typed, so that no slip of a finger sells."""


def page(journal: Queries, sight: Sight, order: Order, token: str, *, wrong: bool = False) -> Page:
    """Return what a command would do, and the form that gives it.

    Args:
        journal: of the daemon.
        sight: of the owner.
        order: the command.
        token: what the form carries.
        wrong: whether the typed word was another.
    """
    title, code = COMMANDS[order].say(sight.language), sight.asked.get("code", "")
    lines = [el("h1", title), el("p", WHAT[order].say(sight.language)), *about(journal, sight, order, code)]
    typed = None
    if order in TYPED:
        label = sight.say(f"'{TYPED[order]}' 입력", f"Type '{TYPED[order]}'")
        typed = el("label", label, " ", el("input", name="typed", autocomplete="off", required=True))
    form = el(
        "form",
        hidden("token", token),
        hidden("id", secrets.token_hex(16)),
        hidden("code", code),
        typed,
        el("button", title, type="submit", class_="danger" if order in TYPED else None),
        " ",
        el("a", sight.say("취소", "Cancel"), href="/", class_="button"),
        method="post",
        action=f"/command/{order}",
    )
    wrong_one = wrong_word(TYPED[order]).say(sight.language) if wrong else None
    said = el("p", f"⚠ {wrong_one}", class_="warning", role="alert") if wrong_one else None
    return Page(title, (section("command", None, *lines, said, form),))


def wrong_word(word: str) -> Words:
    """Return that another word was typed than the one that sells."""
    return Words(
        f"'{word}'을(를) 그대로 입력하세요. 아무것도 하지 않았습니다.", f"Type '{word}' as it is. Nothing was done."
    )


def about(journal: Queries, sight: Sight, order: Order, code: str) -> list[Node]:
    """Return what a command is about: the reason it ends, or what it sells."""
    if order is Order.RESUME:
        halts = [halt for halt in journal.standing_halts() if halt.code == code]
        lines = [f"{halt.since + KST:%m-%d %H:%M} {readable(getattr(halt, sight.language))}" for halt in halts]
    elif order in TYPED:
        trades = [trade for trade in journal.open_trades() if order is Order.SELL_ALL or trade.id == code]
        lines = [f"{trade.market} {units(trade.volume)}" for trade in trades]
    else:
        return []
    return (
        [el("ul", *(el("li", line) for line in lines))]
        if lines
        else [el("p", sight.say("해당 없음", "There is none."))]
    )


def told(journal: Queries, sight: Sight, command: Command) -> Page:
    """Return what came of a command."""
    title = what_came_of(journal, command).say(sight.language)
    back = el("a", sight.say("지금 보기", "Look at now"), href="/", class_="button")
    return Page(title, (section("command", None, el("h1", title), el("p", back)),))
