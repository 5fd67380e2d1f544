"""The house holds: imports point one way, and time and chance come only from where they may."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
LEAVES = frozenset[str]()
VALUES = frozenset({"config", "failure", "strategy", "upbit"})
MAY_KNOW: dict[str, frozenset[str]] = {
    "failure": LEAVES,
    "config": frozenset({"failure"}),
    "upbit": LEAVES,
    "strategy": frozenset({"failure"}),
    "sandbox": frozenset({"failure"}),
    "simulation": LEAVES,
    "state": VALUES,
    "journal": VALUES,
    "notifier": VALUES | {"journal"},
    "trader": VALUES | {"state", "journal", "notifier"},
    "backtest": VALUES | {"state", "journal", "notifier"},
    "cli": frozenset(
        {
            "failure",
            "config",
            "upbit",
            "strategy",
            "sandbox",
            "simulation",
            "state",
            "journal",
            "notifier",
            "trader",
            "backtest",
            "worlds",
        }
    ),
    "worlds": frozenset({"config", "upbit", "sandbox", "simulation", "journal", "notifier", "trader"}),
    "main": frozenset({"cli"}),
}
"""Which room may import which; every room may import itself."""

DAEMON = ("upbit", "strategy", "journal", "notifier", "trader", "state.py")
FORBIDDEN = {
    "time.time": "time comes from the clock that is passed in",
    "time.sleep": "it blocks the loop",
    "datetime.now": "time comes from the clock that is passed in",
    "asyncio.gather": "a TaskGroup never loses a failure",
    "asyncio.create_task": "a task belongs to a TaskGroup",
    "uuid.uuid4": "names are functions of decisions",
    "random.random": "chance comes from a seeded generator that is passed in",
    "random.choice": "chance comes from a seeded generator that is passed in",
    "random.sample": "chance comes from a seeded generator that is passed in",
}
ALLOWED = {
    ("upbit/auth.py", "uuid.uuid4"): "Upbit wants a nonce nobody has seen",
    ("trader/admission.py", "uuid.uuid4"): "an order nobody has, to ask what the keys may do",
    ("trader/clock.py", "datetime.now"): "this is the clock that is passed in",
    ("trader/health.py", "datetime.now"): "the reader of the file is another process on this machine",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the house with its room."""
    for room in MAY_KNOW:
        single = ROOT / f"{room}.py"
        for path in [single] if single.exists() else sorted((ROOT / room).rglob("*.py")):
            yield room, path


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the first word of every import."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module.split(".")[0]


def test_imports_point_one_way() -> None:
    """A room knows only those it may know; a wrong arrow is named by file and line."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {room} must not know {known}"
        for room, path in modules()
        for line, known in imports(path)
        if known in MAY_KNOW and known != room and known not in MAY_KNOW[room]
    ]
    assert wrong == []


def test_every_room_is_looked_at() -> None:
    """A folder that is new, or has moved, must be given its place here; `mutants` is what `make mutation` leaves."""
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms - {"tests", "bench", "mutants"} <= set(MAY_KNOW)
    assert {room for room, _ in modules()} == set(MAY_KNOW)


def called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every attribute that is used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("room", DAEMON)
def test_time_and_chance_are_passed_in(room: str) -> None:
    """The daemon reads no clock, draws no number and starts no task of its own accord."""
    place = ROOT / room
    paths = [place] if place.is_file() else sorted(place.rglob("*.py"))
    wrong = []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        for line, used in called(ast.parse(path.read_text(encoding="utf-8"))):
            if used in FORBIDDEN and (name, used) not in ALLOWED:
                wrong.append(f"{name}:{line} {used}: {FORBIDDEN[used]}")
    assert wrong == []


def test_strategies_neither_wait_nor_ask() -> None:
    """A strategy is pure: no event loop, no network, no clock, no files."""
    forbidden = {"asyncio", "aiohttp", "websockets", "time", "os", "pathlib", "socket", "sqlite3"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {known}"
        for room, path in modules()
        if room == "strategy"
        for line, known in imports(path)
        if known in forbidden
    ]
    assert wrong == []
