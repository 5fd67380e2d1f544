"""The house as its imports draw it: which file knows which, in which line, and what is wrong with that.

Everything works on the text of the files, so a test can plant an import without touching one.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
APART = frozenset({"mutants"})
"""What `make mutation` leaves behind is no room."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One import: which module of ours is known by which, and in which line of which file."""

    file: str
    line: int
    knows: str  # the dotted name that is imported, ours or not

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.knows}"


@dataclass(frozen=True)
class House:
    """Every module of ours and what it imports."""

    arrows: Mapping[str, Sequence[Arrow]]  # by dotted name of the module

    def ours(self, module: str) -> Iterator[Arrow]:
        """Yield the imports of a module that are of our own files."""
        return (arrow for arrow in self.arrows[module] if arrow.knows in self.arrows and arrow.knows != module)

    def circles(self) -> list[list[Arrow]]:
        """Return the circles among the files, each as the way round.

        One arrow of each is taken away to see the next.
        """
        graph = {module: {arrow.knows: arrow for arrow in self.ours(module)} for module in self.arrows}
        found: list[list[Arrow]] = []
        while True:
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                around: list[str] = error.args[1][::-1]  # each knows the next, the last is the first again
                found.append([graph[one][other] for one, other in pairwise(around)])
                del graph[around[0]][around[1]]
            else:
                return found


def read_house(root: Path = ROOT) -> dict[str, str]:
    """Return the text of every module of the house by its file, below `root`: all rooms but the tests."""
    rooms = [path for path in root.iterdir() if path.is_dir() and any(path.glob("*.py"))]
    folders = [room for room in rooms if room.name != "tests" and room.name not in APART]
    paths = [*root.glob("*.py"), *(path for room in folders for path in room.rglob("*.py"))]
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths)}


def build(texts: Mapping[str, str]) -> House:
    """Return the house that these texts, by file, make."""
    known = {name_of(file) for file in texts}
    return House({name_of(file): list(imports(file, text, known)) for file, text in texts.items()})


def name_of(file: str) -> str:
    """Return the dotted name of a file; that of its folder for `__init__.py`."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(file: str, text: str, known: set[str]) -> Iterator[Arrow]:
    """Yield every import of a file, also those for types alone and those inside functions."""
    for line, module, name in lines_of(text):
        whole = f"{module}.{name}"  # `from trader.orders import risk` knows the file risk.py
        yield Arrow(file, line, whole if name and whole in known else module)


@cache
def lines_of(text: str) -> tuple[tuple[int, str, str], ...]:
    """Return line, module and name (none for a plain `import`) of every import in a text."""
    found: list[tuple[int, str, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.lineno, node.module, alias.name) for alias in node.names]
    return tuple(found)


def room_of(module: str) -> str:
    """Return the first word of a dotted name."""
    return module.split(".", 1)[0]


def wrong_rooms(house: House, may_know: Mapping[str, frozenset[str]], rooms: Iterable[str]) -> list[str]:
    """Return every import of a room that its importer may not know."""
    named = frozenset(rooms)
    return [
        f"{arrow}, and {room} must not know {room_of(arrow.knows)}"
        for module in house.arrows
        for arrow in house.arrows[module]
        if (room := room_of(module)) != room_of(arrow.knows) in named
        and room_of(arrow.knows) not in may_know.get(room, frozenset())
    ]


def rank(module: str, ranks: Sequence[Sequence[str]]) -> int | None:
    """Return how high a module stands in its room: by the longest name in the table that begins its own."""
    found = [
        (len(prefix), level)
        for level, prefixes in enumerate(ranks)
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    return max(found)[1] if found else None


def wrong_ranks(house: House, room: str, ranks: Sequence[Sequence[str]]) -> list[str]:
    """Return every import upwards inside a room, and every module that has no rank."""
    wrong = []
    for module in house.arrows:
        if room_of(module) != room or module == room:
            continue
        own = rank(module, ranks)
        if own is None:
            wrong.append(f"{module} has no rank")
            continue
        for arrow in house.ours(module):
            other = rank(arrow.knows, ranks) if room_of(arrow.knows) == room else own
            if other is not None and other > own:
                wrong.append(f"{arrow}, which stands above it")
    return wrong


def impure(house: House, pure: Iterable[str], forbidden: frozenset[str]) -> list[str]:
    """Return every import by which a pure module could wait, read a clock, a network or a file."""
    prefixes = tuple(pure)
    return [
        f"{arrow}, and must stay pure"
        for module in house.arrows
        if any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)
        for arrow in house.arrows[module]
        if room_of(arrow.knows) in forbidden
    ]
