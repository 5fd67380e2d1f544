"""Run mutmut with what it cannot be told in its settings. The arguments are those of mutmut.

It leaves decorated functions out; `urgent` and `remembered` wrap a method of the journal and change nothing about how
it is called, so a changed copy may be wrapped as well. It writes texts in another case, which is the same to SQLite.
To find which changed copy a type error stands in it parses all files in a way that takes minutes each time.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.mutation import file_mutation
from mutmut.mutation.file_mutation import FailedTypeCheckMutant, MutatedMethodLocation
from mutmut.type_checking import run_type_checker
from mutmut.utils.file_utils import change_cwd
from mutmut.utils.format_utils import get_mutant_name, is_mutated_method_name

PLAIN = {"urgent", "remembered"}
SQL = re.compile("SELECT|INSERT|UPDATE|DELETE|PRAGMA")
COLUMN = m.Subscript(value=m.Name("row"))

visitor = file_mutation.MutationVisitor
skips = visitor._skip_node_and_children  # noqa: SLF001 - no setting says which decorators are harmless


def skips_here(self: file_mutation.MutationVisitor, node: cst.CSTNode) -> bool:
    """Leave SQL and names of columns as they are; look at a function with harmless decorators as if it had none."""
    if m.matches(node, COLUMN) or (isinstance(node, cst.SimpleString) and SQL.match(str(node.evaluated_value))):
        return True
    if isinstance(node, cst.FunctionDef) and all(
        isinstance(one.decorator, cst.Name) and one.decorator.value in PLAIN for one in node.decorators
    ):
        node = node.with_changes(decorators=[])
    return skips(self, node)


visitor._skip_node_and_children = skips_here  # type: ignore[method-assign]  # noqa: SLF001 - as above


def changed_in(path: Path) -> list[MutatedMethodLocation]:
    """Return where each changed copy of a function or method stands in a file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    inside = [one for holder in body if isinstance(holder, ast.ClassDef) for one in holder.body]
    return [
        MutatedMethodLocation(path, one.name, min(one.lineno, *[mark.lineno for mark in marks]), one.end_lineno or 0)
        for one in [*body, *inside]
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        and is_mutated_method_name(one.name)
        and (marks := [one, *one.decorator_list])
    ]


def refused_by_types() -> dict[str, FailedTypeCheckMutant]:
    """Return the changed copies the type checker refuses, by name; an error outside of them is one of our own."""
    refused = {}
    with change_cwd(Path("mutants")):
        places: dict[Path, list[MutatedMethodLocation]] = {}
        for error in run_type_checker(config().type_check_command):
            path, line = error.file_path, error.line_number
            places[path] = copies = places.get(path) or changed_in(path)
            found = next((one for one in copies if one.line_number_start <= line <= one.line_number_end), None)
            if found is None:
                raise ValueError(f"{path}:{line}: {error.error_description}")
            name = get_mutant_name(path.relative_to(Path.cwd()), found.function_name)
            refused[name] = FailedTypeCheckMutant(method_location=found, name=name, error=error)
    return refused


mutmut.filter_mutants_with_type_checker = refused_by_types  # type: ignore[attr-defined]

if __name__ == "__main__":
    mutmut.cli()
