"""Terminals and languages as people have them: no traceback for a sign that cannot be written or a word in capitals."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

import main
from cli.check import MARKS, mark

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.case("S6")
@pytest.mark.parametrize("encoding", ["cp949", "ascii", "utf-8"])
@pytest.mark.parametrize("language", ["KO", "En", "fr"])
@pytest.mark.parametrize("verb", ["check", "config", "status"])
def test_a_verb_writes_what_the_terminal_can(
    verb: str, language: str, encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it cannot write is a question mark, and a language nobody knows is told in one we speak."""
    screens = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", screens[0])
    monkeypatch.setattr(sys, "stderr", screens[1])
    monkeypatch.setenv("BOT_LANGUAGE", language)
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("UPBIT_BASE_URL", "http://127.0.0.1:9")
    code = main.main([verb])
    for screen in screens:
        screen.flush()
    told = b"".join(screen.buffer.getvalue() for screen in screens).decode(encoding)
    assert told.strip()
    assert "Traceback" not in told
    assert (code == 4) is (language == "fr" or verb == "check")


@pytest.mark.case("S6")
def test_a_finding_has_a_mark_in_every_terminal() -> None:
    """Fine, doubtful and wrong are told apart in whatever can be written."""
    assert [mark(level, "utf-8") for level in MARKS] == ["✔", "!", "✘"]
    assert [mark(level, "cp949") for level in MARKS] == ["OK", "!", "X"]
    assert [mark(level, "a terminal of the moon") for level in MARKS] == ["OK", "!", "X"]
