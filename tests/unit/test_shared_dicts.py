"""The table of shared dicts in `state.py` names every function that writes one, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import state

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
DICTS = frozenset(state.State.__dataclass_fields__)
CHANGES = frozenset({"pop", "update", "setdefault", "clear", "popitem"})
ROW = re.compile(r"^    (\w+) +[a-z]+: .*?  ((?:\w+\.\w+(?:, ?)?)+)$")
MORE = re.compile(r"^ {30,}((?:\w+\.\w+(?:, ?)?)+)$")


def table(text: str) -> dict[str, set[str]]:
    """Return the writers of each dict as a docstring tells them."""
    written: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines():
        if row := ROW.match(line):
            name, writers = row[1], row[2]
        elif (row := MORE.match(line)) and name:
            writers = row[1]
        else:
            continue
        written.setdefault(name, set()).update(re.findall(r"\w+\.\w+", writers))
    return written


def shared(node: ast.AST) -> str | None:
    """Return which shared dict an expression is, such as `app.state.wallet_dict`."""
    if isinstance(node, ast.Attribute) and node.attr in DICTS and isinstance(node.value, ast.Attribute | ast.Name):
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id
        return node.attr if owner == "state" else None
    return None


def writes(function: ast.AST) -> Iterator[str]:
    """Yield every shared dict that a function changes: one it replaces, or lends and then changes."""
    lent: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.withitem) and isinstance(node.context_expr, ast.Call):
            method = node.context_expr.func
            if isinstance(method, ast.Attribute) and method.attr == "locked" and (found := shared(method.value)):
                assert isinstance(node.optional_vars, ast.Name), "a dict is lent under a name"
                lent[node.optional_vars.id] = found
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "replace" and (found := shared(node.func.value)):
                yield found
            elif node.func.attr in CHANGES and isinstance(node.func.value, ast.Name):
                yield from filter(None, [lent.get(node.func.value.id)])
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            yield from filter(None, [lent.get(node.value.id) if isinstance(node.value, ast.Name) else None])


def writers(sources: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Return who writes which dict, as `module.function`, in the text of some modules."""
    found: dict[str, set[str]] = {name: set() for name in DICTS}
    for module, text in sources:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in writes(node):
                    found[name].add(f"{module}.{node.name}")
    return found


def product() -> list[tuple[str, str]]:
    """Return the text of every module that can reach the shared dicts."""
    paths = [path for room in ("trader", "cli") for path in (ROOT / room).rglob("*.py")]
    return [(path.stem, path.read_text(encoding="utf-8")) for path in paths]


def test_the_table_names_every_writer_of_every_shared_dict() -> None:
    """What stands in `state.py` is what the code does, both ways."""
    assert table(state.__doc__ or "") == writers(product())


def test_a_writer_that_the_table_does_not_name_is_found() -> None:
    """Replaced, changed in place by name or by item, or taken out of: each is a write; a look is none."""
    text = """
async def replaces(app):
    await app.state.wallet_dict.replace({})

async def looks(app):
    async with app.state.resting.locked() as resting:
        return dict(resting)

async def sets(app):
    async with app.state.trading_dict.locked() as trading, app.state.active_trade.locked() as active:
        trading["a"] = None
        return active.keys()

async def takes(app):
    async with app.state.closing.locked() as closing:
        closing.pop("a", None)

async def drops(app):
    async with app.state.listings.locked() as listings:
        del listings["a"]
"""
    found = {name: who for name, who in writers([("new", text)]).items() if who}
    assert found == {
        "wallet_dict": {"new.replaces"},
        "trading_dict": {"new.sets"},
        "closing": {"new.takes"},
        "listings": {"new.drops"},
    }


def test_nobody_reaches_around_a_lock() -> None:
    """The dict inside a `Guarded` is touched by `Guarded` alone."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ("trader", "cli", "notifier")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "_items"
    ]
    assert wrong == []
