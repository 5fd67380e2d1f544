"""The frame around every page: navigation, title, what runs in the browser; and the page of who is not logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.html import el, to_html
from notifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dashboard.desk import Sight
    from dashboard.html import Node
    from dashboard.pages.parts import Page

PLACES = (
    ("/", Words("지금", "Now")),
    ("/why", Words("왜", "Why")),
    ("/market", Words("차트", "Chart")),
    ("/trades", Words("거래", "Trades")),
    ("/profit", Words("수익", "Profit")),
    ("/state", Words("상태", "Health")),
)
LIVE = Words("실시간", "live")
CUT = Words("연결 끊김, 다시 연결하는 중", "connection lost, trying again")
LOG_IN = Words(
    "이 페이지를 보려면 데몬이 있는 컴퓨터에서 아래 명령으로 일회용 링크를 만드세요.",
    "To see this page, make a one-time link on the machine of the daemon.",
)
LINK_OVER = Words(
    "이 링크는 이미 쓰였거나 시간이 지났습니다. 아래 명령으로 새 링크를 만드세요.",
    "This link was used already, or its time is over. Make a new one.",
)
COMMAND = "python main.py open"


def framed(
    page: Page, sight: Sight, *, path: str, token: str, stream: str | None = None, rows: Sequence[Node] | None = None
) -> str:
    """Return a whole page.

    Args:
        page: what stands on it.
        sight: who looks at it.
        path: its place in the navigation.
        token: what its forms carry.
        stream: where its changes come from; None for one that does not change by itself.
        rows: what happened, newest first; None where that is not shown.
    """
    places = (
        el("li", el("a", words.say(sight.language), href=place, aria_current="page" if place == path else None))
        for place, words in PLACES
    )
    live = el(
        "span", "", id="live", role="status", data_live=LIVE.say(sight.language), data_cut=CUT.say(sight.language)
    )
    out = el(
        "form", hidden("token", token), el("button", sight.say("로그아웃", "Log out")), method="post", action="/logout"
    )
    header = el(
        "header", el("nav", el("ul", *places), aria_label=sight.say("메뉴", "menu")), live if stream else None, out
    )
    happened = None
    if rows is not None:
        heading = el("h2", sight.say("최근 일어난 일", "What happened"), id="rows-heading")
        happened = el("section", heading, el("ol", *rows, id="rows", class_="plain"), aria_labelledby="rows-heading")
    main = el("main", el("div", *page.sections, id="picture"), happened)
    scripts = ("page.js", *page.scripts) if stream else ()
    return document(
        page.title,
        sight.language,
        header,
        main,
        colors=sight.config.colors,
        stream=stream,
        scripts=scripts,
        hide=sight.hide,
    )


def door(language: str, *, sentence: Words, form: Node | None = None) -> str:
    """Return the page of who is not logged in."""
    text = el("p", sentence.say(language))
    command = None if form else el("pre", el("code", COMMAND))
    title = Words("업비트 자동매매", "Upbit trading").say(language)
    return document(title, language, el("main", el("h1", title), text, command, form))


def document(
    title: str,
    language: str,
    *parts: Node,
    colors: str | None = None,
    stream: str | None = None,
    scripts: Sequence[str] = (),
    hide: Callable[[str], str] = str,
) -> str:
    """Return a whole document."""
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{title} · upbit-bot"),
        el("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        el("link", rel="stylesheet", href="/static/style.css"),
        *(el("script", src=f"/static/{script}", defer=True) for script in scripts),
    )
    return "<!doctype html>" + to_html(
        el("html", head, el("body", *parts, data_stream=stream), lang=language, data_colors=colors), hide
    )


def hidden(name: str, value: str) -> Node:
    """Return what a form carries unseen."""
    return el("input", type="hidden", name=name, value=value)
