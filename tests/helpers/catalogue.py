"""Which test stands for what: pages that are written from the markers of the tests, so that they cannot drift.

    python tests/helpers/catalogue.py statements > docs/sandbox-contract.md

A catalogue is a TOML file of texts by key, in chapters; a test names the keys it stands for with a marker,
`@pytest.mark.statement(27)`. Markers are read from the source: nothing is imported or run.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]

LATER = "later"
"""A table of a source that is no chapter: keys about what does not exist yet, and the reason."""

Key = int | str
Tests = dict[Key, list[str]]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """A list of texts, and the page that shows them with the tests that carry their marker."""

    marker: str
    source: str  # TOML: a table a chapter, a text a key
    page: str
    head: str

    @cached_property
    def chapters(self) -> Mapping[str, Mapping[Key, str]]:
        """Return the texts of each chapter by their keys; a key that is a number is an int."""
        return {
            name: {int(key) if key.isdigit() else key: text for key, text in chapter.items()}
            for name, chapter in self._read().items()
            if name != LATER
        }

    @cached_property
    def later(self) -> dict[Key, str]:
        """Return why nobody can stand for a key yet."""
        return {key: why for key, why in self._read().get(LATER, {}).items()}  # noqa: C416 - a key may be an int too

    def _read(self) -> dict[str, dict[str, str]]:
        return tomllib.loads((ROOT / self.source).read_text(encoding="utf-8"))

    def texts(self) -> dict[Key, str]:
        """Return every text by its key."""
        return {key: text for chapter in self.chapters.values() for key, text in chapter.items()}

    @cached_property
    def tests(self) -> Tests:
        """Return `file::name` of the tests that stand for each key, in the order of the files."""
        found: Tests = {}
        for path in sorted((ROOT / "tests").rglob("test_*.py")):
            for name, key in _marked(ast.parse(path.read_text(encoding="utf-8")), self.marker):
                found.setdefault(key, []).append(f"{path.relative_to(ROOT).as_posix()}::{name}")
        return found

    def document(self) -> str:
        """Return the whole page."""
        return "\n".join([self.head, *(line for name in self.chapters for line in self._chapter(name)), ""])

    def _chapter(self, name: str) -> Iterator[str]:
        yield f"\n## {name}"
        for key, text in self.chapters[name].items():
            yield f"\n**{key}.** {text}\n"
            if key in self.later:
                yield f"- not yet: {self.later[key]}"
            yield from (f"- `{test}`" for test in self.tests.get(key, ()))


def _marked(module: ast.Module, marker: str) -> Iterator[tuple[str, Key]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"pytest.mark.{marker}":
                    yield from ((node.name, ast.literal_eval(argument)) for argument in decorator.args)


CATALOGUES: Mapping[str, Catalogue] = {
    "statements": Catalogue(
        marker="statement",
        source="tests/contract/statements.toml",
        page="docs/sandbox-contract.md",
        head="""\
# The contract of the sandbox

What a program that talks to Upbit may rely on, in 52 statements, and the tests that hold the sandbox to each.
This page is written by `make docs` from `tests/contract/statements.toml` and the markers of the tests.""",
    ),
    "failures": Catalogue(
        marker="failure",
        source="tests/failures.toml",
        page="docs/failures.md",
        head="""\
# What can go wrong

122 failures, what is done about each, and the tests that show it.
This page is written by `make docs` from `tests/failures.toml` and the markers of the tests.""",
    ),
    "cases": Catalogue(
        marker="case",
        source="tests/cases.toml",
        page="docs/cases.md",
        head="""\
# Cases from users of other bots

What happened to them at an exchange, at Discord or on their machine, what must be true here, and the tests of it.
This page is written by `make docs` from `tests/cases.toml` and the markers of the tests.""",
    ),
}

if __name__ == "__main__":
    sys.stdout.write(CATALOGUES[sys.argv[1]].document())
