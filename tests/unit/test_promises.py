"""What worlds are held to has a code, a sentence and a page."""

from __future__ import annotations

import ast
from pathlib import Path

from worlds.promises import PROMISES, code_of, page, table

ROOT = Path(__file__).resolve().parents[2]
BREAKS = {"breach", "_breach", "break_promise"}


def written_down() -> list[str]:
    """Return how every promise begins that some judge writes down as broken."""
    found = []
    for path in sorted((ROOT / "worlds").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BREAKS:
                text = node.args[0]
                if isinstance(text, ast.JoinedStr):
                    text = text.values[0]
                if isinstance(text, ast.Constant):
                    found.append(str(text.value))
    return found


def test_every_promise_that_can_be_broken_has_a_sentence_and_every_sentence_can_be_broken() -> None:
    """A code that nobody explains, and a promise that nobody checks, are both found here."""
    assert {code_of(one) for one in written_down()} == {*PROMISES}


def test_a_report_says_in_a_sentence_what_was_broken_and_how_often() -> None:
    """One line for each promise, not for each time."""
    lines = table(["I6 fills differ: {}", "I6 fees differ: {}", "I1 two orders for one decision: {}"])
    assert [line.split()[:2] for line in lines] == [["I1", "1"], ["I6", "2"]]
    assert lines[1].endswith(PROMISES["I6"])


def test_the_page_is_made_from_the_promises() -> None:
    """`make docs` would change nothing."""
    assert (ROOT / "docs" / "worlds.md").read_text(encoding="utf-8") == page()
