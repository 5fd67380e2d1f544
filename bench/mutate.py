"""Run mutmut, which leaves decorated functions out, on the writes and questions of the journal as well.

`urgent` and `remembered` wrap a method and change nothing about how it is called, so a changed copy may be wrapped as
well. The arguments are those of mutmut.
"""

from __future__ import annotations

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import file_mutation

PLAIN = {"urgent", "remembered"}

visitor = file_mutation.MutationVisitor
skips = visitor._skip_node_and_children  # noqa: SLF001 - no setting says which decorators are harmless


def skip_unless_plain(self: file_mutation.MutationVisitor, node: cst.CSTNode) -> bool:
    """Look at a function with harmless decorators as if it had none."""
    if isinstance(node, cst.FunctionDef) and all(
        isinstance(one.decorator, cst.Name) and one.decorator.value in PLAIN for one in node.decorators
    ):
        node = node.with_changes(decorators=[])
    return skips(self, node)


visitor._skip_node_and_children = skip_unless_plain  # type: ignore[method-assign]  # noqa: SLF001 - as above

if __name__ == "__main__":
    cli()
