"""Every sentence a person can read exists in both languages, in the source and as it is printed; no number is cut."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journal.records import Ends, Halt, Level
from main import main
from tests.helpers.journals import NOW, Book, buy, intent, sell, trade
from tests.helpers.scans import a_scan

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("cli", "views", "notifier", "dashboard", "chat", "trader", "config", "strategy", "journal", "main.py")
"""Whose words a person reads while the program runs; the sandbox speaks as Upbit does."""
HANGUL = re.compile("[가-힣]")
LATIN = re.compile("[A-Za-z]{2}")
SENTENCE = re.compile(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}")
"""English words in a row, as no name, code or command has them."""
BOTH_AT_ONCE = frozenset({"자산조회 view assets", "주문조회 view orders", "주문하기 make orders"})
"""Permissions under the names that Upbit's own pages give them in either language."""
NUMBER = re.compile(r"\d[\d,]*(\.\d+)?")


def text_of(node: ast.AST) -> str | None:
    """Return what a string says; of one that is put together, what is fixed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values)
    return None


def alone(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every Korean string that has no English beside it.

    Beside it: in the same call, pair or choice, or under the name `en` in the same function or class.
    """
    tree = ast.parse(source)
    above = {below: node for node in ast.walk(tree) for below in ast.iter_child_nodes(node)}
    docstrings = {*docstrings_of(tree)}
    for node in ast.walk(tree):
        text = text_of(node)
        if text is None or not HANGUL.search(text) or node in docstrings or isinstance(above.get(node), ast.JoinedStr):
            continue
        if not any(has_english(place) for place in around(node, above)):
            yield node.lineno, text  # type: ignore[attr-defined] # a string has a place


def docstrings_of(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what stands alone as a statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and text_of(node.value) is not None:
            yield node.value


def around(node: ast.AST, above: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """Yield the calls, pairs and choices a string stands in, and the function or class."""
    while (node := above.get(node, ast.Module([], []))) in above:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node
            return
        if isinstance(node, (ast.Call, ast.Tuple, ast.Dict, ast.IfExp)):
            yield node


def has_english(place: ast.AST) -> bool:
    """Return whether something English is said there too."""
    if isinstance(place, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        names = {getattr(node, "id", getattr(node, "arg", getattr(node, "attr", ""))) for node in ast.walk(place)}
        return bool({"en", "english", "language"} & names)
    said = (text_of(node) for node in ast.walk(place))
    return any(text and LATIN.search(text) and (SENTENCE.search(text) or not HANGUL.search(text)) for text in said)


def test_no_korean_sentence_is_without_its_english() -> None:
    """By file and line."""
    found = []
    for room in ROOMS:
        place = ROOT / room
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            found += [
                f"{path.relative_to(ROOT)}:{line} {text}" for line, text in alone(source) if text not in BOTH_AT_ONCE
            ]
    assert found == []


def test_a_sentence_in_one_language_is_found() -> None:
    """As an argument, as a return value, and not where English stands beside it."""
    source = 'def f():\n    print("안녕하세요")\n    return f"가격 {1}"'
    assert {text for _, text in alone(source)} == {"안녕하세요", "가격 "}
    assert list(alone('A = Words("안녕", "hello")\ndef f(en):\n    return "안녕"')) == []


def a_rich_journal(folder: Path) -> None:
    """Write a trade that has ended, one that is held, a halt, and what stands in the way."""
    book = Book(folder / "journal.sqlite3")
    with book.journal as journal:
        buy(book, "t1", "i1")
        sell(book, "t1", "i2", "2")
        journal.close_trade("t1", closed_at=NOW, dust=Decimal(0))
        buy(book, "t2", "i3", volume="1234567.12345678", market="KRW-XRP")
        halt = Halt(code="breach", level=Level.HALTED, ends=Ends.PERSON, ko="까닭", en="the reason", since=NOW)
        journal.begin_halt(halt, [])
        journal.record_scan(NOW, "quiet_trend", NOW, replace(a_scan(0.5, 2.0), facts={"places": 5, "taken": 5}))


READING = (
    ("status",),
    ("why", "--at", NOW.isoformat()),
    ("why", "A", "--at", NOW.isoformat()),
    ("history",),
    ("history", "--by", "month"),
    ("history", "t1"),
    ("history", "t2"),
    ("history", "--csv"),
    ("tax", "--year", "2026"),
    ("sell", "xrp"),
    ("sell", "eth", "--yes"),
    ("sell-all",),
    ("health",),
    ("resume", "nothing_of_that_name"),
    ("open",),
)
"""Verbs that read a journal, or say that there is nothing to do."""


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_verb_speaks_the_language_of_the_settings_alone(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Korean in English; no English sentence in Korean; and the same numbers in both, at every width."""
    a_rich_journal(tmp_path)
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    numbers = set()
    for language in ("en", "ko"):
        monkeypatch.setenv("BOT_LANGUAGE", language)
        for columns in (50, 80, 200):
            monkeypatch.setenv("COLUMNS", str(columns))
            main([*words])
            told = capsys.readouterr()
            shown = told.out + told.err
            assert shown.strip()
            if language == "en":
                assert HANGUL.search(shown) is None, shown
            else:
                assert SENTENCE.search(re.sub(r"`[^`]*`|python main\.py.*", "", shown)) is None, shown
            numbers.add((language, tuple(sorted(found[0] for found in NUMBER.finditer(shown)))))
    assert len({told for language, told in numbers if language == "en"}) == 1, numbers
    assert len({told for language, told in numbers if language == "ko"}) == 1, numbers


@pytest.mark.parametrize("words", [words for words in READING if "--csv" not in words], ids=" ".join)
def test_a_machine_is_told_one_document_and_nothing_else(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be answered is a sentence beside it, and the document is left out."""
    a_rich_journal(tmp_path)
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    code = main([*words, "--json"])
    told = capsys.readouterr()
    assert json.loads(told.out) if told.out else (code and told.err.strip())


def test_no_word_from_outside_moves_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A market, a reason, a halt and a gate that carry a terminal's commands, or turn letters around, are only text."""
    bad = "x\x1b[2J\x1b]0;title\x07\x9b1A\r\u202ey[/b]:bug:"
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal as journal:
        name = f"KRW-{bad}"
        decided = replace(trade("t1", name), entry_reason={"code": "x", "ko": bad, "en": bad})
        assert journal.begin_trade(decided, intent("i1", decided))
        journal.begin_halt(Halt(code="x", level=Level.HALTED, ends=Ends.PERSON, ko=bad, en=bad, since=NOW), [])
        scan = a_scan(0.5)
        journal.record_scan(NOW, bad, NOW, replace(scan, gates=[replace(scan.gates[0], ko=bad, en=bad)]))
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    shown = 0
    for words in READING:
        main([*words])
        told = capsys.readouterr()
        assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", told.out + told.err) is None, words
        shown += (told.out + told.err).count("x[2J]0;title1Ay[/b]:bug:")
    assert shown >= 6
