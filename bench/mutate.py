"""Run mutmut with what it cannot be told in its settings. The arguments are those of mutmut.

It leaves decorated functions out; `urgent` and `remembered` wrap a method of the journal and change nothing about how
it is called, so a changed copy may be wrapped as well. It writes texts in another case, which is the same to SQLite.
"""

from __future__ import annotations

import re

import libcst as cst
import libcst.matchers as m
from mutmut.__main__ import cli
from mutmut.mutation import file_mutation

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

if __name__ == "__main__":
    cli()
