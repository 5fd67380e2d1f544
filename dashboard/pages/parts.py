"""What pages are made of: a value with its text, tables that become cards on a phone, signs beside colours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from dashboard.html import el
from notifier.formats import DOWN, UP
from notifier.words import Words, readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboard.desk import Sight
    from dashboard.html import Node


@dataclass(frozen=True, slots=True)
class Page:
    """The title of a page and its sections, each with an id: what changed of them is replaced in the browser."""

    title: str
    sections: tuple[Node, ...]
    scripts: tuple[str, ...] = ()  # names of our files that it needs besides those of every page


def fact(path: str, value: object, shown: str) -> Node:
    """Return a value as `--json` prints it, under its path there, and as a person reads it: a number on one line."""
    exact = msgspec.to_builtins(value, str_keys=True)
    plain = None if isinstance(value, str) else "number"
    direction = {UP: "up", DOWN: "down"}.get(shown[:1], plain) if isinstance(value, Decimal) else plain
    return el("data", shown, value="" if exact is None else str(exact), data_path=path, class_=direction)


def colour(amount: Decimal) -> str | None:
    """Return what colours a gain or a loss."""
    return None if not amount else "up" if amount > 0 else "down"


def words(path: str, told: Words, language: str) -> Node:
    """Return a text of two languages, which JSON holds as a list of both."""
    text = told.say(language)
    return fact(f"{path}.{Words._fields.index(language)}", text, readable(text))


def section(name: str, heading: str | None, *parts: Node | str | None) -> Node:
    """Return a section under its heading."""
    title = None if heading is None else el("h2", heading, id=f"{name}-heading")
    return el("section", title, *parts, id=name, aria_labelledby=None if heading is None else f"{name}-heading")


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Node | str]]) -> Node:
    """Return a table; on a narrow screen each row is a card, whose cells bear the names of their columns."""
    head = el("tr", *(el("th", one, scope="col") for one in heads))
    body = [
        el("tr", *(el("td", cell, data_label=name) for name, cell in zip(heads, row, strict=True)), class_="row")
        for row in rows
    ]
    return el("table", el("caption", caption), el("thead", head), el("tbody", *body))


def facts(pairs: Iterable[tuple[str, Node | str]]) -> Node:
    """Return names and values side by side."""
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in pairs))


def warning(text: str) -> Node:
    """Return a line that a person should not overlook."""
    return el("p", f"⚠ {text}", class_="warning")


def coin(market: str, address: str, sight: Sight, **attributes: str | None) -> Node:
    """Return a market's code as a link, with the name of its coin before it where that is known."""
    name = sight.names.get(market)
    code = link(market, address, **attributes)
    return code if name is None else el("span", el("span", name, class_="coin"), " ", code)


def chart_of(market: str) -> str:
    """Return where a market's chart is."""
    return "/market?" + urlencode({"market": market})


def link(text: str, address: str, **attributes: str | None) -> Node:
    """Return a link within the page."""
    return el("a", text, href=address, **attributes)
