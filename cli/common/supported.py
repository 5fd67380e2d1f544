"""Where the program cannot run, said in one sentence. Old Pythons read this file, so it imports nothing of ours."""

from __future__ import annotations

import sys
from io import TextIOWrapper

OLDEST_PYTHON = (3, 11)


def unsupported(version: tuple[int, ...], platform: str, language: str) -> str | None:
    """Return why the program cannot run here and what to do, in one sentence; None where it can."""
    found = ".".join(map(str, version[:2]))
    if version < OLDEST_PYTHON:
        ko = f"Python 3.11 이상이 필요합니다(지금은 {found}). 3.12를 설치하거나 Docker를 쓰세요: README.md"
        en = f"Python 3.11 or newer is needed, and this is {found}. Install 3.12, or use Docker: README.en.md"
    elif platform == "win32":
        ko = "Windows에서는 바로 실행되지 않습니다. Docker Desktop이나 WSL 2를 쓰세요: README.md"
        en = "It does not run on Windows itself. Use Docker Desktop or WSL 2: README.en.md"
    else:
        return None
    return en if language == "en" else ko


def write_whatever_the_terminal_can() -> None:
    """Let what a terminal cannot write become a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
