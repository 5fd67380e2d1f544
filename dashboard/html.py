"""Elements as values: written as HTML for the first look, sent as JSON for every later one.

A text is only ever a text: what a market or a strategy is called cannot become markup, neither here nor in the browser,
which makes elements and text nodes of the JSON (`static/page.js`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VOID = frozenset({"br", "input", "link", "meta"})
"""Elements without an end."""

Tree = list[object]


@dataclass(frozen=True, slots=True)
class Node:
    """One element, its attributes, and what is in it."""

    tag: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Node | str, ...] = ()


def el(tag: str, *parts: Node | str | None, **attributes: str | bool | None) -> Node:
    """Return an element.

    Args:
        tag: its name.
        parts: elements and texts in it; None is left out.
        attributes: `class_` is `class`, `data_seq` is `data-seq`; True stands without a value, None and False nowhere.
    """
    given = {
        name.rstrip("_").replace("_", "-"): "" if value is True else value
        for name, value in attributes.items()
        if value is not None and value is not False
    }
    return Node(tag, given, tuple(part for part in parts if part is not None and part != ""))


def to_html(node: Node | str, hide: Callable[[str], str] = str) -> str:
    """Return an element as HTML, without a space that is not in it; `hide` takes secrets out of every text."""
    if isinstance(node, str):
        return escape(hide(node), quote=False)
    named = "".join(f' {name}="{escape(hide(value))}"' for name, value in node.attributes.items())
    if node.tag in VOID:
        return f"<{node.tag}{named}>"
    return f"<{node.tag}{named}>{''.join(to_html(part, hide) for part in node.parts)}</{node.tag}>"


def to_tree(node: Node | str, hide: Callable[[str], str] = str) -> Tree | str:
    """Return an element as what JSON can hold: `[tag, attributes, parts]`."""
    if isinstance(node, str):
        return hide(node)
    attributes = {name: hide(value) for name, value in node.attributes.items()}
    return [node.tag, attributes, [to_tree(part, hide) for part in node.parts]]
